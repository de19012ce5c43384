// Two scores against each other, and all of them against Tajima's D.
const FRAME = { left: 62, right: 14, top: 12, bottom: 46 };
const compared = data.agreement.columns;
const points = new Map();
let nearest = null;

function pointsOf(name) {
  if (!points.has(name)) points.set(name, unpack(data.agreement.points[compared.indexOf(name)]));
  return points.get(name);
}

function spread(values) {
  const known = values.filter(Number.isFinite);
  const low = known.reduce((least, value) => Math.min(least, value), Infinity);
  const high = known.reduce((most, value) => Math.max(most, value), -Infinity);
  const pad = (high - low || 1) * 0.03;
  return [low - pad, high + pad];
}

function scales(width, height) {
  const make1 = (name, from, to) => {
    const [low, high] = spread(pointsOf(name));
    const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
    return Object.assign(scale, { low, high });
  };
  return [make1($("across").value, FRAME.left, width - FRAME.right), make1($("up").value, height - FRAME.bottom, FRAME.top)];
}

function drawAxes(context, colours, width, height, x, y) {
  context.font = `11px ${colours.sans}`;
  context.strokeStyle = colours.grid;
  context.fillStyle = colours.soft;
  context.lineWidth = 1;
  const line = (...ends) => {
    context.beginPath();
    context.moveTo(...ends[0]);
    context.lineTo(...ends[1]);
    context.stroke();
  };
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of ticks(x.low, x.high, width / 90)) {
    line([x(tick), FRAME.top], [x(tick), height - FRAME.bottom]);
    context.fillText(number(tick), x(tick), height - FRAME.bottom + 6);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of ticks(y.low, y.high, height / 70)) {
    line([FRAME.left, y(tick)], [width - FRAME.right, y(tick)]);
    context.fillText(number(tick), FRAME.left - 7, y(tick));
  }
  context.font = `600 12px ${colours.sans}`;
  context.fillStyle = colours.ink;
  context.textAlign = "center";
  context.fillText(byName.get($("across").value).name, (FRAME.left + width - FRAME.right) / 2, height - 10);
  context.save();
  context.translate(11, (FRAME.top + height - FRAME.bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(byName.get($("up").value).name, 0, 0);
  context.restore();
}

const redrawScatter = canvasOf("scatter", (width) => Math.min(0.8 * width, 460), (context, width, height, colours) => {
  if (!compared.length) return;
  const [x, y] = scales(width, height);
  const [across, up] = [pointsOf($("across").value), pointsOf($("up").value)];
  context.clearRect(0, 0, width, height);
  drawAxes(context, colours, width, height, x, y);
  const crowd = across.length;
  const size = crowd > 1500 ? 1.8 : 2.8;
  context.globalAlpha = crowd > 1500 ? 0.32 : 0.55;
  context.fillStyle = rgb(byName.get($("up").value).colour);
  for (let at = 0; at < crowd; at++) {
    if (!Number.isFinite(across[at]) || !Number.isFinite(up[at])) continue;
    context.beginPath();
    context.arc(x(across[at]), y(up[at]), size, 0, 7);
    context.fill();
  }
  context.globalAlpha = 1;
  if (nearest === null) return;
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x(across[nearest]), y(up[nearest]), 5.5, 0, 7);
  context.stroke();
});

function correlation(one, other) {
  return data.agreement.rho[compared.indexOf(one)]?.[compared.indexOf(other)] ?? NaN;
}

function describeScatter() {
  const { windows, ranked } = data.agreement;
  const among = ranked < windows ? `${whole(ranked)} of ${whole(windows)} windows, evenly chosen` : `${whole(windows)} windows`;
  const rho = correlation($("across").value, $("up").value);
  const value = Number.isFinite(rho) ? rho.toFixed(2).replace("-", "−") : "not defined";
  $("scatter-note").textContent = `Spearman's ρ = ${value}, from ${among}. Neighbouring windows are not independent. Click a point to open it.`;
}

function plotPair(across, up) {
  $("across").value = across;
  $("up").value = up;
  nearest = null;
  describeScatter();
  redrawScatter();
}

function heat(value) {
  const colour = value < 0 ? [213, 94, 0] : [0, 114, 178];
  return rgb(colour, (0.75 * Math.abs(value)).toFixed(3));
}

// One row for each score of single populations, one for each pair or trio of the others.
function matrixRows(against) {
  const rows = new Map();
  for (const name of compared) {
    const column = byName.get(name);
    if (column.score === "tajimas_d") continue;
    const single = column.populations.length < 2;
    const key = single ? column.score : name;
    if (!rows.has(key)) rows.set(key, { label: single ? column.label : column.name, title: column.title, cells: new Map() });
    for (const other of against) {
      const there = other.populations.every((population) => column.populations.includes(population));
      if (there || !column.populations.length) rows.get(key).cells.set(other.column, name);
    }
  }
  return [...rows.values()];
}

function fillMatrix() {
  const against = compared.map((name) => byName.get(name)).filter((column) => column.score === "tajimas_d");
  const rows = matrixRows(against);
  if (!against.length || !rows.length) return $("matrix-figure").remove();
  const head = make("tr", {}, make("td"), ...against.map((column) => make("th", { textContent: who(column), scope: "col", className: "n" })));
  $("matrix").append(make("thead", {}, head), make("tbody", {}, ...rows.map((row) => {
    const cells = against.map((column) => {
      const name = row.cells.get(column.column);
      const rho = name === undefined ? NaN : correlation(column.column, name);
      if (!Number.isFinite(rho)) return make("td", { textContent: "·", className: "none" });
      const button = make("button", { type: "button", textContent: rho.toFixed(2).replace("-", "−") });
      button.setAttribute("aria-label", `${row.label} and Tajima's D ${who(column)}: ${rho.toFixed(2)}; plot them`);
      button.addEventListener("click", () => plotPair(column.column, name));
      const cell = make("td", {}, button);
      cell.style.background = heat(rho);
      return cell;
    });
    return make("tr", {}, make("th", { textContent: row.label, scope: "row", title: row.title }), ...cells);
  })));
}

function pointUnder(event) {
  const canvas = $("scatter");
  const [x, y] = scales(canvas.clientWidth, canvas.clientHeight);
  const [across, up] = [pointsOf($("across").value), pointsOf($("up").value)];
  let best = null;
  let least = 144;
  for (let at = 0; at < across.length; at++) {
    const far = (x(across[at]) - event.offsetX) ** 2 + (y(up[at]) - event.offsetY) ** 2;
    if (far < least) [best, least] = [at, far];
  }
  return best;
}

function startAgreement() {
  if (compared.length < 2) return $("agreement").remove();
  const canvas = $("scatter");
  const other = compared.find((name) => byName.get(name).score !== byName.get(compared[0]).score) ?? compared[1];
  plotPair(compared[0], other);
  fillMatrix();
  for (const id of ["across", "up"]) $(id).addEventListener("change", () => plotPair($("across").value, $("up").value));
  canvas.addEventListener("pointermove", (event) => {
    const found = pointUnder(event);
    if (found !== nearest) { nearest = found; redrawScatter(); }
    if (found === null) return hideTip(canvas);
    const names = [$("across").value, $("up").value];
    const lines = names.map((name) => `${byName.get(name).name}  ${number(pointsOf(name)[found])}`);
    showTip(canvas, event.offsetX, event.offsetY, place(...data.agreement.places[found]), lines);
  });
  canvas.addEventListener("pointerleave", () => { nearest = null; hideTip(canvas); redrawScatter(); });
  canvas.addEventListener("click", (event) => {
    const found = pointUnder(event);
    if (found === null) return;
    const [contig, start, end] = data.agreement.places[found];
    goTo(contig, start - 10 * data.margin, end + 10 * data.margin);
  });
}

startOverview();
startTable();
startAgreement();
