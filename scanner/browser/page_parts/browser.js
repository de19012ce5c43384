// igv.js with the tracks of the page; of a served page, with the full tracks beside it.
let served = false;
let browser = null;
const loaded = new Map(); // id of a track -> what igv.js made of it

const urlOf = (path) => path.split("/").map(encodeURIComponent).join("/");

// Whether the tracks lie beside the page and come in parts, as `popscan view` and most web servers give them.
async function askServer() {
  if (!location.protocol.startsWith("http") || !columns.length) return false;
  try {
    const answer = await fetch(urlOf(columns[0].url), { headers: { Range: "bytes=0-3" } });
    return answer.status === 206;
  } catch {
    return false;
  }
}

function wiggle(column, order) {
  const [min, max] = column.axis;
  return { id: column.column, name: column.name, type: "wig", format: "bigwig", order, height: Math.min(column.height, 60),
    url: served ? urlOf(column.url) : column.uri, color: rgbOf(column.colour), altColor: rgbOf(column.negative),
    min, max, autoscale: false, overflowColor: "#333", graphType: "bar", windowFunction: "mean", removable: true };
}

function features(id, name, url, order, extra = {}) {
  return { id, name, type: "annotation", format: "bed", delimiter: "\t", url, order, height: 34, displayMode: "SQUISHED",
    visibilityWindow: -1, ...extra };
}

const rgbOf = (colour) => `rgb(${colour.join(",")})`;
const available = (column) => served || Boolean(column.uri);

// All tracks that could be shown, in their order: each score's populations, then its calls.
function allTracks() {
  const found = [];
  if (data.regions) found.push([features("regions", "Candidate regions", data.regions, 1, { height: 40 }), true]);
  if (data.genes) found.push([features("genes", "Genes", data.genes, 2, { displayMode: "EXPANDED", height: 60, color: "#444", searchable: true }), true]);
  let order = 10;
  for (const score of new Set(columns.map((column) => column.score))) {
    const shown = data.first.includes(score);
    for (const column of columns.filter((one) => one.score === score && available(one))) {
      found.push([wiggle(column, order++), shown]);
    }
    const calls = data.calls.find((one) => one.score === score);
    if (calls) found.push([features(`${score}.calls`, calls.name, calls.uri, order++), shown]);
  }
  return found;
}

// A place as igv.js reads it (from 1, both ends included): with tabs where the contig's name has a colon itself.
function locusOf(contig, start, end) {
  const name = data.contigs[contig];
  return name.includes(":") ? `${name}\t${start + 1}\t${end}` : `${name}:${start + 1}-${end}`;
}

function goTo(contig, start, end) {
  const length = lengths.get(data.contigs[contig]) ?? Infinity;
  const first = Math.max(0, Math.floor(start));
  const last = Math.min(length, Math.ceil(end));
  return ready.then(() => browser?.search(locusOf(contig, first, last))).then(() => {
    const frame = $("browser").getBoundingClientRect();
    if (frame.top > innerHeight - 200 || frame.bottom < 200) $("browser").scrollIntoView({ block: "start" });
  });
}

const lengths = new Map(data.sizes.trimEnd().split("\n").map((line) => {
  const at = line.lastIndexOf("\t");
  return [line.slice(0, at), Number(line.slice(at + 1))];
}));

async function toggle(config, on) {
  if (on && !loaded.has(config.id)) loaded.set(config.id, await browser.loadTrack(config));
  if (!on && loaded.has(config.id)) {
    browser.removeTrack(loaded.get(config.id));
    loaded.delete(config.id);
  }
}

function pickTracks(tracks) {
  const rows = new Map();
  const add = (key, name, colour) => {
    if (!rows.has(key)) {
      const title = make("b", { textContent: name });
      title.style.setProperty("--c", colour);
      rows.set(key, make("div", {}, title, make("span")));
    }
    return rows.get(key).lastElementChild;
  };
  for (const [config, shown] of tracks) {
    const column = byName.get(config.id);
    const score = column ? column.score : config.id.replace(/\.calls$/, "");
    const first = columns.find((one) => one.score === score);
    const row = first ? add(score, first.label, rgbOf(first.colour)) : add("other", "Features", "#666");
    const box = make("input", { type: "checkbox", checked: shown });
    box.addEventListener("change", () => toggle(config, box.checked));
    row.append(make("label", {}, box, ` ${column ? who(column) : first ? "calls" : config.name}`));
  }
  $("tracks").append(...rows.values());
}

function describeBrowser() {
  const parts = [];
  if (served) parts.push("Tracks at full resolution, read from the folder beside this page.");
  else if (data.bin) {
    parts.push(`To fit into one file, windows are averaged over ${whole(data.bin)} bp, except around the best candidate regions; popscan view shows all.`);
  } else parts.push("Tracks at full resolution.");
  if (columns.some((column) => !available(column))) parts.push("More tracks are there when popscan view serves this folder.");
  $("browser-note").textContent = parts.join(" ");
}

async function startBrowser() {
  served = await askServer();
  const tracks = allTracks();
  const [contig, start, end] = data.start;
  const sizes = new File([data.sizes], "genome.chrom.sizes"); // format and url for older igv.js, chromSizesURL for all
  browser = await igv.createBrowser($("igv"), {
    loadDefaultGenomes: false,
    queryParametersSupported: false,
    search: false, // names of genes are not looked up elsewhere
    locus: locusOf(...data.start),
    showSampleNames: false,
    reference: { id: "popscan", name: data.name, format: "chromsizes", url: sizes, chromSizesURL: sizes },
    tracks: tracks.filter(([, shown]) => shown).map(([config]) => config),
  });
  for (const track of browser.findTracks((one) => one.type === "sequence")) browser.removeTrack(track); // it has no bases
  for (const { track } of browser.trackViews) if (track.id) loaded.set(track.id, track);
  pickTracks(tracks);
  describeBrowser();
  $("whole").addEventListener("click", () => {
    if (data.contigs.length > 1) browser.search("all");
    else goTo(contig, start, end);
  });
  return browser;
}

const ready = startBrowser().catch((error) => {
  $("browser-note").textContent = `The genome browser could not start: ${error.message ?? error}`;
  $("browser-note").classList.add("warn");
  console.error(error);
});
window.popscan = { data, ready, goTo };
