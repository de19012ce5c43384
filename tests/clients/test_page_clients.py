"""The page in a real Chromium, from disk without any network and through ``popscan view``.

Needs ``chromium``, ``chromedriver`` (Debian: ``apt-get install --no-install-recommends chromium chromium-driver``) and
the Python package ``selenium``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest

from scanner.browser.page import find_igv
from scanner.publish import publish
from scanner.regions import Region
from scanner.table import TableWriter
from scanner.windows import sliding

MISSING = [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]
MISSING += [name for name in ("selenium",) if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(find_igv() is None, reason="igv-notebook is not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of selenium's own sockets
]

CONTIGS = {"20": 3_000_000, "3": 800_000, "HLA-A*01:01": 300_000}  # the last one's colon is no place's
HOSTILE = {"<img/src=x/onerror=hurt()>": 3_000_000, "&lt;b>\"'": 400_000}
SCORES = {
    "tajimas_d": ["GBR"], "pi": ["GBR"], "h12": ["GBR"], "mu": ["GBR"], "fst": ["GBR", "TSI"],
}  # fmt: skip
SIGNED = ("tajimas_d", "fst")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1280,1000",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
GENES = """##gff-version 3
chr20\tx\tgene\t500001\t600000\t.\t+\t.\tID=gene:ENSG1;Name=ALPHA
chr20\tx\tgene\t1500001\t1600000\t.\t+\t.\tID=gene:ENSG2;Name=<i>BETA</i>
"""
TRACKS = """
const done = arguments[0];
popscan.ready.then((browser) => done(browser.trackViews.filter((view) => view.track.url).map((view) => [
  view.track.id, view.viewports[0].featureCache?.features?.length ?? 0, String(view.track.url).slice(0, 20)])));
"""
LOCUS = "const [frame] = (await popscan.ready).referenceFrameList; return [frame.chr, frame.start, frame.end]"


def make_result(folder: Path, contigs: dict[str, int], genome: str | None = None) -> Path:
    """Publish windows whose values swing, with one peak at 1.5 Mb of the first contig and a gap at 2 Mb."""
    folder.mkdir()
    columns = [".".join([name, *populations]) for name, populations in SCORES.items()]
    rng = np.random.default_rng(8)
    with TableWriter(folder / "windows.tsv.gz", columns) as writer:
        for at, (contig, length) in enumerate(contigs.items()):
            windows = sliding(Region(contig, 0, length), 50_000, 10_000)
            matrix = rng.normal(size=(len(windows), len(columns)))
            matrix[:, [name not in SIGNED for name in SCORES]] = rng.uniform(0.001, 0.002, (len(windows), 3))
            if at == 0:
                matrix[len(windows) // 2 - 2 : len(windows) // 2 + 1] = [6, 0.0001, 0.9, 0.8, 7]
                matrix[len(windows) * 2 // 3 :][:10] = np.nan
            writer.write(contig, windows.start, windows.end, matrix, ["."] * len(windows))
    entries = [
        {"column": column, "name": name, "populations": populations}
        for column, (name, populations) in zip(columns, SCORES.items(), strict=True)
    ]
    windows_entry = {"kind": "bp", "window": 50_000, "step": 10_000}
    entry = {
        "popscan": "0",
        "contigs": contigs,
        "windows": windows_entry,
        "populations": {"GBR": 10},
        "scores": entries,
    }
    (folder / "run.json").write_text(json.dumps(entry))
    annotation = folder.parent / "genes.gff3"
    annotation.write_text(GENES)
    publish(folder, genome=genome, genes=annotation if "20" in contigs else None)
    return folder


class Screen:
    """A Chromium without network, and what it saw."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_script_timeout(60)

    def open(self, url: str) -> Screen:
        """Open a page, and wait until its browser stands."""
        self.asked()
        self.complaints()
        self.driver.get(url)
        assert self.run("return Boolean(await popscan.ready)")
        return self

    def run(self, script: str, *given: Any) -> Any:
        """Run an asynchronous function in the page, with ``given`` as its arguments."""
        wrapped = f"const done = arguments[arguments.length - 1]; (async function () {{ {script} }})"
        return self.driver.execute_async_script(f"{wrapped}.apply(null, arguments).then(done)", *given)

    def tracks(self) -> dict[str, tuple[int, str]]:
        """Give the number of features in view, and how the address begins, of every track."""
        found: list[Any] = []

        def complete() -> bool:
            found[:] = self.driver.execute_async_script(TRACKS)
            return all(number > 0 for _, number, _ in found)

        with contextlib.suppress(TimeoutError):
            self.wait_for(complete)
        return {name: (number, url) for name, number, url in found}

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Wait until something holds, ten seconds at most."""
        until = time.monotonic() + 10
        while not what():
            if time.monotonic() > until:
                raise TimeoutError("it has not come true within ten seconds")
            time.sleep(0.1)

    def show(self, element: Any) -> None:
        """Scroll to an element, at once."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)

    def click(self, element: Any) -> None:
        """Click an element where it is."""
        self.show(element)
        element.click()

    def locus(self) -> tuple[str, float, float]:
        """Say where the browser is."""
        return tuple(self.run(LOCUS))

    def complaints(self) -> list[str]:
        """Give the warnings and errors of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]

    def asked(self) -> list[str]:
        """Give what was asked for since the last call, other than what the page holds itself."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "blob:", "chrome:"))]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """Give a Chromium."""
    screen = Screen(tmp_path_factory.mktemp("profile"))
    yield screen
    screen.driver.quit()


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a published result, in a folder whose name has a space and a hash."""
    return make_result(tmp_path_factory.mktemp("page") / "my #1 result", CONTIGS)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a result with ``popscan view``; give the link."""
    command = [str(Path(sys.executable).parent / "popscan"), "view", str(folder), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"http://\S+/", line)
            assert found, line
            yield found[0]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def served(result: Path) -> Iterator[str]:
    """Serve the result; give the link."""
    with serve(result) as link:
        yield link


@pytest.fixture
def from_disk(screen: Screen, result: Path) -> Screen:
    """Open the page from disk."""
    return screen.open((result / "index.html").as_uri())


def test_from_disk_every_track_has_features_and_nothing_is_asked_for(from_disk: Screen, result: Path):
    tracks = from_disk.tracks()
    columns = {".".join([name, *populations]) for name, populations in SCORES.items()}
    assert set(tracks) == columns | {f"{name}.calls" for name in SCORES} | {"regions", "genes"}
    assert all(number > 0 for number, _ in tracks.values()), tracks
    assert {url[:5] for _, url in tracks.values()} == {"data:"}
    assert from_disk.complaints() == []
    assert from_disk.asked() == [(result / "index.html").as_uri()]


def test_negative_values_are_inside_the_axis(from_disk: Screen):
    script = (
        "(await popscan.ready).findTracks((t) => t.type === 'wig').map((t) => [t.id, t.dataRange.min, t.dataRange.max])"
    )
    found = from_disk.run(f"return {script}")
    ranges = {name: (low, high) for name, low, high in found}
    low, high = ranges["tajimas_d.GBR"]
    assert low == -high < -1
    assert ranges["pi.GBR"][0] == 0


def test_the_order_of_the_tracks_is_that_of_the_catalogue(from_disk: Screen):
    names = list(from_disk.tracks())
    assert names[:4] == ["regions", "genes", "tajimas_d.GBR", "tajimas_d.calls"]


def test_a_click_on_a_row_moves_the_browser(from_disk: Screen):
    row = from_disk.driver.find_element("css selector", "#candidates tbody tr")
    assert (row.get_attribute("data-contig"), row.get_attribute("data-start")) == ("20", "1460000")
    before = from_disk.locus()
    from_disk.click(row)
    from_disk.wait_for(lambda: from_disk.locus() != before)
    contig, start, end = from_disk.locus()
    assert contig == "20"
    assert 1_300_000 < start < 1_460_000 < 1_550_000 < end < 1_700_000
    assert row.get_attribute("class") == "here"
    assert from_disk.complaints() == []


def test_rows_answer_to_the_keyboard(from_disk: Screen):
    from selenium.webdriver.common.keys import Keys

    rows = from_disk.driver.find_elements("css selector", "#candidates tbody tr")
    before = from_disk.locus()
    rows[0].send_keys(Keys.ARROW_DOWN)
    focused = from_disk.driver.switch_to.active_element
    assert focused == rows[1]
    focused.send_keys(Keys.ENTER)
    from_disk.wait_for(lambda: from_disk.locus() != before)
    start = int(rows[1].get_attribute("data-start"))
    contig, low, high = from_disk.locus()
    assert (contig, low < start < high) == (rows[1].get_attribute("data-contig"), True)


def test_a_contig_with_a_colon_is_found(from_disk: Screen):
    at = from_disk.run("return popscan.data.contigs.indexOf('HLA-A*01:01')")
    from_disk.run("await popscan.goTo(arguments[0], 100000, 200000)", at)
    assert from_disk.locus()[0] == "HLA-A*01:01"
    assert from_disk.complaints() == []


def test_a_click_on_the_overview_moves_the_browser(from_disk: Screen):
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = from_disk.driver.find_element("id", "genome")
    from_disk.show(canvas)
    before = from_disk.locus()
    width = canvas.size["width"]  # 4.1 Mb are drawn right of the axis: the middle is in the first contig, near 2 Mb
    ActionChains(from_disk.driver).move_to_element_with_offset(canvas, round(-0.05 * width), 0).click().perform()
    from_disk.wait_for(lambda: from_disk.locus() != before)
    contig, start, end = from_disk.locus()
    tip = from_disk.driver.find_element("css selector", "#overview .tip").text
    assert contig == "20"
    assert tip.startswith("20:1,")
    assert start < int(re.sub(r"\D", "", tip.splitlines()[0].split(":")[1].split("–")[0])) < end


def test_sorting_puts_missing_values_last(from_disk: Screen):
    script = """
    const buttons = [...document.querySelectorAll('#candidates thead button')];
    const head = buttons.find((button) => button.textContent === arguments[0]);
    head.click();
    const at = head.parentElement.cellIndex;
    const rows = [...document.querySelectorAll('#candidates tbody tr')];
    return [head.parentElement.ariaSort, rows.map((row) => row.cells[at].dataset.v)];
    """
    direction, keys = from_disk.run(script, "Tajima's D")
    numbers = [float(key) for key in keys if key]
    assert (direction, numbers) == ("ascending", sorted(numbers))
    assert keys[len(numbers) :] == [""] * (len(keys) - len(numbers))
    direction, keys = from_disk.run(script, "Tajima's D")
    assert (direction, [float(key) for key in keys if key]) == ("descending", numbers[::-1])


def test_tracks_can_be_taken_away_and_brought_back(from_disk: Screen):
    from_disk.driver.find_element("css selector", ".picker summary").click()
    (box,) = from_disk.driver.find_elements(
        "xpath", "//div[@id='tracks']/div[b[normalize-space()='pi']]//label[normalize-space()='GBR']/input"
    )
    box.click()
    from_disk.wait_for(lambda: "pi.GBR" not in from_disk.tracks())
    box.click()
    from_disk.wait_for(lambda: "pi.GBR" in from_disk.tracks())


def test_a_cell_of_the_matrix_plots_its_pair(from_disk: Screen):
    cells = from_disk.driver.find_elements("css selector", "#matrix button")
    assert len(cells) == len(SCORES) - 1
    from_disk.driver.execute_script("arguments[0].click()", cells[-1])
    chosen = [from_disk.driver.find_element("id", name).get_attribute("value") for name in ("across", "up")]
    note = from_disk.driver.find_element("id", "scatter-note").text
    assert chosen == ["tajimas_d.GBR", "fst.GBR.TSI"]
    assert f"ρ = {cells[-1].text}" in note


def test_hostile_names_stay_names(screen: Screen, tmp_path: Path):
    screen.open((make_result(tmp_path / "result", HOSTILE) / "index.html").as_uri())
    row = screen.driver.find_element("css selector", "#candidates tbody tr")
    assert row.get_attribute("data-contig") in HOSTILE
    assert screen.driver.find_elements("css selector", "#candidates img, #candidates b b, #genome img") == []
    assert all(number > 0 for number, _ in screen.tracks().values())
    assert screen.complaints() == []


def test_a_narrow_screen_needs_no_sideways_scrolling(from_disk: Screen):
    from_disk.driver.set_window_size(500, 900)
    try:
        inner, wide = from_disk.run("return [innerWidth, document.documentElement.scrollWidth]")
        assert wide <= inner
    finally:
        from_disk.driver.set_window_size(1280, 1000)


def test_a_served_page_reads_the_full_tracks_by_parts(screen: Screen, served: str):
    screen.open(served)
    tracks = screen.tracks()
    columns = {".".join([name, *populations]) for name, populations in SCORES.items()}
    assert columns <= set(tracks)
    assert all(tracks[column][1].startswith("tracks/") for column in columns)
    assert all(number > 0 for number, _ in tracks.values()), tracks
    asked = screen.asked()
    assert {f"{served}tracks/{column}.bw" for column in columns} <= set(asked)
    assert all(url.startswith(served) for url in asked), asked
    before = screen.locus()
    row = screen.driver.find_element("css selector", "#candidates tbody tr")
    screen.click(row)
    screen.wait_for(lambda: screen.locus() != before)
    assert screen.complaints() == []


def test_igv_js_loads_the_hub_of_an_assembly(screen: Screen, tmp_path: Path):
    """igv.js takes a hub for the genome that it brings, so that it has to be one of an assembly."""
    length = 400_000
    fasta = tmp_path / "species.fa"
    bases = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(2).integers(0, 4, length)].tobytes().decode()
    fasta.write_text(f">scaffold_1\n{bases}\n")
    pysam.faidx(str(fasta))
    folder = make_result(tmp_path / "result", {"scaffold_1": length}, genome=str(fasta))
    if not (folder / "hub" / "hub.txt").is_file():
        pytest.skip("there is no hub")
    with serve(folder) as link:
        screen.open(link)
        script = """
        const browser = await popscan.ready;
        await browser.loadTrackHub({url: arguments[0]});
        return browser.trackViews.filter((view) => /\\.b[wb]$/.test(view.track.url)).map((view) => view.track.url);
        """
        urls = screen.run(script, f"{link}hub/hub.txt")
        assert any("tajimas_d" in url for url in urls)
        assert all(url.startswith(link) for url in urls), urls
        assert all(number > 0 for number, _ in screen.tracks().values()), screen.tracks()
        assert screen.complaints() == []
