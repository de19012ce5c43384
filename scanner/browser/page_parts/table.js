// Candidate regions: sorted by any column, and each row opens its place in the browser.
function sortBy(header, index) {
  const table = $("candidates");
  const body = table.tBodies[0];
  const known = header.getAttribute("aria-sort");
  const usual = header.firstElementChild.dataset.d === "-1" ? "descending" : "ascending";
  const other = usual === "ascending" ? "descending" : "ascending";
  const direction = known === usual ? other : usual;
  for (const cell of table.tHead.querySelectorAll("[aria-sort]")) cell.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = [...body.rows].map((row) => [row.cells[index].dataset.v, row]);
  const numbers = keyed.every(([key]) => key === "" || Number.isFinite(Number(key)));
  keyed.sort(([one], [two]) => {
    if (one === "" || two === "") return (one === "") - (two === ""); // what has no value comes last either way
    return sign * (numbers ? one - two : one.localeCompare(two, "en"));
  });
  body.append(...keyed.map(([, row]) => row));
}

function startTable() {
  const table = $("candidates");
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, index) => header.firstElementChild.addEventListener("click", () => sortBy(header, index)));
  headers[0].setAttribute("aria-sort", "ascending");
  const open = (row) => {
    for (const other of table.querySelectorAll(".here")) other.classList.remove("here");
    row.classList.add("here");
    const start = Number(row.dataset.start);
    const end = Number(row.dataset.end);
    const margin = Math.max(data.margin, (end - start) / 2);
    return goTo(data.contigs.indexOf(row.dataset.contig), start - margin, end + margin);
  };
  table.tBodies[0].addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) open(row);
  });
  table.tBodies[0].addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    if (!row || event.target !== row) return;
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (next) { event.preventDefault(); next.focus(); }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(row); }
  });
}
