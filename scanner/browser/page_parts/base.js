// What the parts of the page share: the data, numbers as text, colours, and where the reader is.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const columns = data.columns;
const byName = new Map(columns.map((column) => [column.column, column]));
const MISSING = 65535;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const codes = new DataView(bytes.buffer);
  const values = new Float64Array(bytes.length / 2);
  const unit = (packed.high - packed.low) / (MISSING - 1);
  for (let at = 0; at < values.length; at++) {
    const code = codes.getUint16(2 * at, true);
    values[at] = code === MISSING ? NaN : packed.low + code * unit;
  }
  return values;
}

function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "no value";
  const rounded = Number(value.toPrecision(digits));
  const small = rounded !== 0 && (Math.abs(rounded) < 1e-4 || Math.abs(rounded) >= 1e9);
  const text = small ? rounded.toExponential() : rounded.toLocaleString("en", { maximumFractionDigits: 10 });
  return text.replaceAll("-", "−");
}

const whole = (value) => Math.round(value).toLocaleString("en");

function place(contig, start, end) {
  return `${data.contigs[contig]}:${whole(start + 1)}–${whole(end)}`;
}

const rgb = (colour, alpha = 1) => `rgb(${colour.join(" ")} / ${alpha})`;
const who = (column) => column.populations.join("/") || "all samples";

function theme() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { ink: get("--ink"), soft: get("--soft"), faint: get("--faint"), grid: get("--grid"), band: get("--band"),
    paper: get("--paper"), accent: get("--accent"), sans: get("--sans") };
}

// Round numbers between two bounds, about as many as wanted.
function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) found.push(at * step);
  return found;
}

// A canvas as sharp as the screen; drawing is repeated when its width, the colours or the medium change.
function canvasOf(id, height, draw) {
  const canvas = $(id);
  const context = canvas.getContext("2d");
  const again = () => {
    const width = canvas.clientWidth;
    if (!width) return;
    const tall = height(width);
    const scale = Math.max(2, window.devicePixelRatio || 1);
    canvas.style.height = `${tall}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(tall * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    draw(context, width, tall, theme());
  };
  let known = 0;
  new ResizeObserver(() => { if (canvas.clientWidth !== known) { known = canvas.clientWidth; again(); } }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  window.addEventListener("beforeprint", again);
  return again;
}

function showTip(canvas, x, y, title, lines) {
  const tip = canvas.parentElement.querySelector(".tip");
  tip.replaceChildren(make("b", { textContent: title }), ...lines.map((line) => make("span", { textContent: line })));
  tip.hidden = false;
  const left = x + 14 + tip.offsetWidth > canvas.clientWidth ? x - 14 - tip.offsetWidth : x + 14;
  tip.style.left = `${Math.max(0, left)}px`;
  tip.style.top = `${Math.max(0, Math.min(y + 12, canvas.clientHeight - tip.offsetHeight))}px`;
}

function hideTip(canvas) {
  canvas.parentElement.querySelector(".tip").hidden = true;
}
