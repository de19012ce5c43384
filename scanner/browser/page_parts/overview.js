// The whole genome: contigs end to end, one row for each population of a statistic.
const GUTTER = { left: 74, right: 10, top: 16, bottom: 34, row: 96, between: 14 };
const total = data.stretches.reduce((sum, [, start, end]) => sum + end - start, 0);
const binned = new Map();
let cursor = null; // { stretch, bin }, where the reader points

function binsOf(column) {
  if (!binned.has(column.column)) {
    const values = unpack(column.bins);
    const count = values.length / 3;
    binned.set(column.column, [0, 1, 2].map((row) => values.subarray(row * count, (row + 1) * count)));
  }
  return binned.get(column.column);
}

function rowsShown() {
  const scores = [$("first").value, $("second").value].filter((score, at, all) => score && all.indexOf(score) === at);
  return scores.flatMap((score) => columns.filter((column) => column.score === score));
}

// One axis for all populations of a statistic; it holds every value, for the extremes are what one looks for.
function axisOf(score) {
  const among = columns.filter((column) => column.score === score && column.bins.low !== null);
  const baseline = among[0].axis[2];
  const extremes = among.flatMap((column) => binsOf(column).slice(1)).map((row) => row.reduce(
    ([low, high], value) => (Number.isNaN(value) ? [low, high] : [Math.min(low, value), Math.max(high, value)]),
    [baseline, baseline]));
  let low = Math.min(...extremes.map((pair) => pair[0]));
  let high = Math.max(...extremes.map((pair) => pair[1]));
  const [bottom, top] = among[0].axis;
  if (top - baseline === baseline - bottom) { // drawn about its baseline everywhere else, too
    const reach = Math.max(high - baseline, baseline - low);
    [low, high] = [baseline - reach, baseline + reach];
  }
  return low === high ? [low, low + 1, baseline] : [low, high, baseline];
}

// Pixels of each stretch, with a hair between contigs as long as there is room for it.
function layout(width) {
  const room = width - GUTTER.left - GUTTER.right;
  const gap = Math.min(3, (0.15 * room) / data.stretches.length);
  const scale = (room - gap * (data.stretches.length - 1)) / total;
  let x = GUTTER.left;
  let bin = 0;
  return data.stretches.map(([contig, start, end, bins]) => {
    const item = { contig, start, end, bins, x, width: (end - start) * scale, bin };
    x += item.width + gap;
    bin += bins;
    return item;
  });
}

function drawRow(context, colours, column, places, top) {
  const [low, high, baseline] = axisOf(column.score);
  const y = (value) => top + GUTTER.row - ((value - low) / (high - low)) * GUTTER.row;
  const [mean, smallest, largest] = binsOf(column);
  context.font = `11px ${colours.sans}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (const tick of ticks(low, high, 4)) {
    context.strokeStyle = tick === baseline ? colours.faint : colours.grid;
    context.beginPath();
    context.moveTo(GUTTER.left, Math.round(y(tick)) + 0.5);
    context.lineTo(places.at(-1).x + places.at(-1).width, Math.round(y(tick)) + 0.5);
    context.stroke();
    context.fillStyle = colours.soft;
    context.fillText(number(tick), GUTTER.left - 7, y(tick));
  }
  const zero = y(baseline);
  const bar = (from, to, x, width, style) => {
    context.fillStyle = style;
    context.fillRect(x, Math.min(from, to), width, Math.max(0.7, Math.abs(to - from)));
  };
  for (const stretch of places) {
    const step = stretch.width / stretch.bins;
    for (let at = 0; at < stretch.bins; at++) {
      const bin = stretch.bin + at;
      if (Number.isNaN(mean[bin])) continue; // a gap: nothing is known here
      const x = stretch.x + at * step;
      const wide = Math.max(0.8, step + 0.25);
      if (largest[bin] > baseline) bar(zero, y(largest[bin]), x, wide, rgb(column.colour, 0.32));
      if (smallest[bin] < baseline) bar(zero, y(smallest[bin]), x, wide, rgb(column.negative, 0.32));
      const [least, most] = column.limits;
      if (most !== null && largest[bin] > most) bar(y(most), y(largest[bin]), x, wide, rgb(column.colour));
      if (least !== null && least < baseline && smallest[bin] < least) {
        bar(y(least), y(smallest[bin]), x, wide, rgb(column.negative));
      }
      bar(zero, y(mean[bin]), x, wide, rgb(mean[bin] < baseline ? column.negative : column.colour));
    }
  }
  context.setLineDash([4, 3]);
  column.limits.forEach((limit) => {
    if (limit === null) return;
    context.strokeStyle = colours.soft;
    context.beginPath();
    context.moveTo(GUTTER.left, y(limit));
    context.lineTo(places.at(-1).x + places.at(-1).width, y(limit));
    context.stroke();
  });
  context.setLineDash([]);
  const text = `${column.label}  ${column.populations.join("/")}`.trim();
  context.font = `600 12px ${colours.sans}`;
  context.textAlign = "left";
  const size = context.measureText(text).width;
  context.globalAlpha = 0.8;
  context.fillStyle = colours.paper;
  context.fillRect(GUTTER.left + 2, top + 1, size + 8, 16);
  context.globalAlpha = 1;
  context.fillStyle = colours.ink;
  context.fillText(text, GUTTER.left + 6, top + 9.5);
}

function drawContigs(context, colours, places, height) {
  const bottom = height - GUTTER.bottom;
  context.textBaseline = "top";
  context.textAlign = "center";
  let free = -Infinity;
  places.forEach((stretch, at) => {
    if (at % 2 === 1) {
      context.fillStyle = colours.band;
      context.fillRect(stretch.x, GUTTER.top, stretch.width, bottom - GUTTER.top);
    }
    context.font = `11px ${colours.sans}`;
    context.fillStyle = colours.soft;
    const wide = stretch.width > 260;
    if (wide) {
      for (const tick of ticks(stretch.start / 1e6, stretch.end / 1e6, stretch.width / 110)) {
        const x = stretch.x + ((tick * 1e6 - stretch.start) / (stretch.end - stretch.start)) * stretch.width;
        context.fillRect(x, bottom, 1, 4);
        context.textAlign = x > stretch.x + stretch.width - 16 ? "right" : "center";
        context.fillText(number(tick, 6), x, bottom + 5);
      }
      context.textAlign = "center";
    }
    const name = data.contigs[stretch.contig] + (wide ? ", Mb" : "");
    const middle = stretch.x + stretch.width / 2;
    context.font = `600 11.5px ${colours.sans}`;
    const size = context.measureText(name).width;
    if (middle - size / 2 < free || (size > stretch.width + 14 && places.length > 1)) return;
    free = middle + size / 2 + 4;
    context.fillStyle = colours.ink;
    context.fillText(name, middle, bottom + (wide ? 19 : 6));
  });
}

function drawMarks(context, colours, places) {
  const found = new Map(places.map((stretch) => [stretch.contig, stretch]));
  data.candidates.slice(0, 30).forEach(([contig, start, end], rank) => {
    const stretch = found.get(contig);
    if (!stretch) return;
    const x = stretch.x + (((start + end) / 2 - stretch.start) / (stretch.end - stretch.start)) * stretch.width;
    const size = rank < 10 ? 5 : 3.5;
    context.fillStyle = rank < 10 ? colours.ink : colours.faint;
    context.beginPath();
    context.moveTo(x - size, GUTTER.top - 3 - 1.6 * size);
    context.lineTo(x + size, GUTTER.top - 3 - 1.6 * size);
    context.lineTo(x, GUTTER.top - 3);
    context.fill();
  });
}

function drawCursor(context, colours, places, height) {
  if (!cursor) return;
  const stretch = places[cursor.stretch];
  context.strokeStyle = colours.accent;
  context.lineWidth = 1;
  const x = stretch.x + ((cursor.bin + 0.5) / stretch.bins) * stretch.width;
  context.beginPath();
  context.moveTo(x, GUTTER.top);
  context.lineTo(x, height - GUTTER.bottom);
  context.stroke();
}

const rowsHeight = () => rowsShown().length * (GUTTER.row + GUTTER.between) - GUTTER.between;
let picture = null; // what was drawn last, without the cursor

const redrawGenome = canvasOf("genome", () => GUTTER.top + rowsHeight() + GUTTER.bottom, (context, width, height, colours) => {
  const places = layout(width);
  context.clearRect(0, 0, width, height);
  drawContigs(context, colours, places, height);
  rowsShown().forEach((column, at) =>
    drawRow(context, colours, column, places, GUTTER.top + at * (GUTTER.row + GUTTER.between)));
  drawMarks(context, colours, places);
  picture = document.createElement("canvas");
  picture.width = context.canvas.width;
  picture.height = context.canvas.height;
  picture.getContext("2d").drawImage(context.canvas, 0, 0);
  drawCursor(context, colours, places, height);
});

function moveCursor(next, y) {
  const canvas = $("genome");
  const context = canvas.getContext("2d");
  cursor = next;
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0);
  context.restore();
  if (!next) return hideTip(canvas);
  const places = layout(canvas.clientWidth);
  drawCursor(context, theme(), places, canvas.clientHeight);
  const stretch = places[next.stretch];
  const [start, end] = boundsOf(next);
  const lines = rowsShown().map((column) => {
    const [mean, low, high] = binsOf(column).map((row) => row[stretch.bin + next.bin]);
    const span = high - low > 1e-3 * (Math.abs(high) + Math.abs(low)) ? ` (${number(low)} to ${number(high)})` : "";
    return `${column.name}  ${number(mean)}${span}`;
  });
  showTip(canvas, stretch.x + ((next.bin + 0.5) / stretch.bins) * stretch.width, y, place(stretch.contig, start, end), lines);
}

function boundsOf({ stretch, bin }) {
  const [, start, end, bins] = data.stretches[stretch];
  return [start + ((end - start) * bin) / bins, start + ((end - start) * (bin + 1)) / bins].map(Math.round);
}

function under(event) {
  const places = layout($("genome").clientWidth);
  const x = event.offsetX;
  const at = places.findIndex((stretch) => x >= stretch.x - 1.5 && x < stretch.x + stretch.width + 1.5);
  if (at < 0 || event.offsetY < GUTTER.top - 14) return null;
  const stretch = places[at];
  const bin = Math.floor(((x - stretch.x) / stretch.width) * stretch.bins);
  return { stretch: at, bin: Math.max(0, Math.min(stretch.bins - 1, bin)) };
}

function openCursor() {
  if (!cursor) return;
  const [start, end] = boundsOf(cursor);
  const middle = (start + end) / 2;
  const half = Math.max((end - start) / 2, data.margin * 4);
  goTo(data.stretches[cursor.stretch][0], middle - half, middle + half);
}

function stepCursor(by) {
  let { stretch, bin } = cursor ?? { stretch: 0, bin: -by };
  bin += by;
  if (bin >= data.stretches[stretch][3] && stretch + 1 < data.stretches.length) [stretch, bin] = [stretch + 1, 0];
  if (bin < 0 && stretch > 0) [stretch, bin] = [stretch - 1, data.stretches[stretch - 1][3] - 1];
  moveCursor({ stretch, bin: Math.max(0, Math.min(data.stretches[stretch][3] - 1, bin)) }, GUTTER.top);
}

function describeOverview() {
  const scores = [...new Set(rowsShown().map((column) => column.score))];
  const titles = scores.map((score) => columns.find((column) => column.score === score));
  $("overview-about").textContent = titles.map((column) => column.title + (column.unit && !column.title.includes(column.unit) ? ` (${column.unit})` : "")).join(". ") + ".";
  const parts = ["Solid: mean of the windows at this pixel; pale: their extremes, solid again where called; gaps: no value."];
  if (rowsShown().some((column) => column.limits.some((limit) => limit !== null))) parts.push("Dashed: where calls begin.");
  if (data.candidates.length) parts.push("Triangles: the 30 best candidate regions, dark the best 10.");
  if (data.omitted) parts.push(`${whole(data.omitted)} shorter contigs are left out here.`);
  parts.push("Click to open a place in the browser.");
  $("overview-note").textContent = parts.join(" ");
}

function startOverview() {
  if (!columns.length) return;
  const canvas = $("genome");
  const scores = [...new Set(columns.map((column) => column.score))];
  $("first").value = scores[0];
  $("second").value = scores.find((score) => score !== scores[0] && data.first.includes(score)) ?? "";
  for (const id of ["first", "second"]) $(id).addEventListener("change", () => { describeOverview(); redrawGenome(); });
  canvas.addEventListener("pointermove", (event) => moveCursor(under(event), event.offsetY));
  canvas.addEventListener("pointerleave", () => moveCursor(null));
  canvas.addEventListener("blur", () => moveCursor(null));
  canvas.addEventListener("click", (event) => { moveCursor(under(event), event.offsetY); openCursor(); });
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -50, PageDown: 50 }[event.key];
    if (by) { event.preventDefault(); stepCursor(by); }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); openCursor(); }
    if (event.key === "Escape") moveCursor(null);
  });
  describeOverview();
  redrawGenome();
}
