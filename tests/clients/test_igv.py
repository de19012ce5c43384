"""A published session in the real IGV desktop: no complaint, every track loaded, every colour on the screen.

Needs ``igv`` and ``xvfb-run`` (Debian: ``apt-get install --no-install-recommends igv xvfb xauth``).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from scanner.catalogue import tracks
from scanner.publish import publish
from scanner.regions import Region
from scanner.table import TableWriter
from scanner.windows import sliding

MISSING = [program for program in ("igv", "xvfb-run") if shutil.which(program) is None]
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian: igv xvfb xauth)"),
]

CONTIGS = {"20": 3_000_000, "3": 800_000}  # whose names sort differently as text and as numbers
# One score of each family, signed and unsigned ones, with the populations each concerns.
SCORES = {
    "tajimas_d": ["GBR"], "pi": ["GBR"], "h12": ["GBR"], "zns": ["GBR"], "fst": ["GBR", "TSI"],
    "f_dm": ["GBR", "TSI", "YRI"], "sites": ["GBR"],
}  # fmt: skip
REGION_COLOUR = (255, 0, 0)
"""What IGV draws regions of interest with, above the tracks."""
SIGNED = ("tajimas_d", "f_dm", "fst")
NETWORK_ONLY = re.compile(r"OAuthUtils|GenomeListManager")
"""What IGV says where it has no network; it concerns sign-in and the list of genomes, neither of which is needed."""


def make_values(names: Iterable[str], windows: int) -> np.ndarray:
    """Make columns that swing below and above zero, lowest once, with a gap; unsigned scores stay positive."""
    swing = np.sin(np.linspace(0, 20, windows)) + np.linspace(0, 0.2, windows)
    matrix = np.column_stack([swing if name in SIGNED else 0.002 * (swing + 1.5) for name in names])
    matrix[20:30] = np.nan
    return matrix


def make_result(folder: Path, scores: dict[str, list[str]], contigs: dict[str, int]) -> Path:
    """Write a result with windows in the first 3 Mb of each contig."""
    folder.mkdir()
    columns = [".".join([name, *populations]) for name, populations in scores.items()]
    with TableWriter(folder / "windows.tsv.gz", columns) as writer:
        for contig, length in contigs.items():
            windows = sliding(Region(contig, 0, min(length, 3_000_000)), 50_000, 10_000)
            values = make_values(scores, len(windows))
            writer.write(contig, windows.start, windows.end, values, ["."] * len(windows))
    entries = [
        {"column": column, "name": name, "populations": populations}
        for column, (name, populations) in zip(columns, scores.items(), strict=True)
    ]
    windows_entry = {"kind": "bp", "window": 50_000, "step": 10_000}
    entry = {"popscan": "0", "contigs": contigs, "windows": windows_entry, "populations": {}, "scores": entries}
    (folder / "run.json").write_text(json.dumps(entry | {"genome": None}))
    return folder


def read_png(path: Path) -> np.ndarray:
    """Decode an 8-bit RGB or RGBA picture to (rows, columns, 3) uint8."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack_from(">IIBB", data, at + 8)
        if kind == b"IDAT":
            packed += data[at + 8 : at + 8 + size]
        at += size + 12
    assert depth == 8
    channels = {2: 3, 6: 4}[colours]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * channels)
    picture = np.zeros((height + 1, width + 1, channels), np.int64)  # a row and a column of zeros before the first
    for row, line in enumerate(rows, 1):
        given = line[1:].reshape(width, channels)
        for column in range(1, width + 1) if line[0] else ():
            left, above, corner = picture[row, column - 1], picture[row - 1, column], picture[row - 1, column - 1]
            picture[row, column] = (given[column - 1] + predict(int(line[0]), left, above, corner)) % 256
        if line[0] == 0:
            picture[row, 1:] = given
    return picture[1:, 1:, :3].astype(np.uint8)


def predict(kind: int, left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Predict a pixel as PNG's filters do."""
    if kind < 4:
        return (left, above, (left + above) // 2)[kind - 1]
    distances = np.abs(left + above - corner - np.stack([left, above, corner]))
    return np.choose(np.argmin(distances, axis=0), [left, above, corner])


@dataclass(frozen=True)
class Screen:
    """What IGV said, and what it showed."""

    log: str
    picture: Path

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings, except that there is no network."""
        lines = [line for line in self.log.splitlines() if re.match("SEVERE|WARNING", line)]
        return [line for line in lines if not NETWORK_ONLY.search(line)]

    @property
    def loaded(self) -> list[str]:
        """Files that IGV loaded as tracks."""
        return re.findall(r"\[TrackLoader\] Loading resource:\s+(.+)", self.log)


def run_igv(folder: Path, session: Path, genome: Path) -> Screen:
    """Open a session in IGV and take a picture.

    A genome is named first, for without one IGV would ask the network for hg19; the session then replaces it.
    """
    batch, home = folder / "batch.txt", folder / "home"
    home.mkdir()
    commands = [
        f"genome {genome}", "maxPanelHeight 3000", f"snapshotDirectory {folder}", f'load "{session}"',
        "snapshot screen.png", "exit",
    ]  # fmt: skip
    batch.write_text("\n".join(commands) + "\n")
    display = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24"]
    environment = {**os.environ, "HOME": str(home)}
    process = subprocess.Popen(
        [*display, "igv", "--igvDirectory", str(home), "-b", str(batch)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        log, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:  # of an error that IGV shows in a window, nobody takes notice
        os.killpg(process.pid, signal.SIGTERM)
        log, _ = process.communicate()
        pytest.fail(f"IGV did not come to an end:\n{log[-2000:]}")
    return Screen(log, folder / "screen.png")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Screen]:
    """A published result, in a folder whose name has a space, and what IGV made of its session."""
    folder = tmp_path_factory.mktemp("igv")
    published = publish(make_result(folder / "my result", SCORES, CONTIGS))
    other = folder / "other.chrom.sizes"  # so that the contigs must come from the session's own genome
    other.write_text("unrelated\t5000000\n")
    return folder / "my result", run_igv(folder, published.session, other)


def test_igv_has_nothing_to_complain_about(opened: tuple[Path, Screen]):
    assert opened[1].complaints == []
    assert "Error" not in re.sub(r"(?m)^.*(OAuthUtils|GenomeListManager).*$", "", opened[1].log)


def test_igv_marks_the_regions_of_interest(opened: tuple[Path, Screen]):
    listed = ElementTree.parse(opened[0] / "igv_session.xml").getroot().findall("Regions/Region")
    assert any(item.get("chromosome") == "20" for item in listed)  # what the picture shows
    assert count_colours(opened[1].picture).get(REGION_COLOUR, 0) > 20


def test_igv_takes_the_genome_beside_the_tracks(opened: tuple[Path, Screen]):
    assert f"Loading genome: {opened[0] / 'tracks' / 'genome.chrom.sizes'}" in opened[1].log


def test_igv_loads_every_track_once(opened: tuple[Path, Screen]):
    folder, screen = opened
    calls = [name for name in SCORES if tracks()[name].outliers is not None]
    columns = {name: ".".join([name, *populations]) for name, populations in SCORES.items()}
    expected = [folder / "tracks" / f"{column}.bw" for column in columns.values()]
    expected += [folder / "calls" / f"{columns[name]}.bed.gz" for name in calls]
    assert sorted(screen.loaded) == sorted(map(str, expected))


def count_colours(picture: Path) -> dict[tuple[int, ...], int]:
    """Count the pixels of each colour."""
    found, counts = np.unique(read_png(picture).reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(colour): int(count) for colour, count in zip(found.tolist(), counts.tolist(), strict=True)}


def test_every_colour_is_on_the_screen(opened: tuple[Path, Screen]):
    seen = count_colours(opened[1].picture)
    for name in SCORES:
        item = tracks()[name]
        assert seen.get(item.colour, 0) > 500, name
        if name in SIGNED:
            assert seen.get(item.colour_negative, 0) > 500, name


def test_calls_are_seen_without_zooming_in(tmp_path: Path):
    scores = {"fay_wu_h": ["GBR"]}  # all values are positive, and only the calls of the low end are vermilion
    published = publish(make_result(tmp_path / "result", scores, {"20": 63_000_000}))
    screen = run_igv(tmp_path, published.session, tmp_path / "result" / "tracks" / "genome.chrom.sizes")
    seen = count_colours(screen.picture)
    item = tracks()["fay_wu_h"]
    assert seen.get(item.colour, 0) > 500
    assert seen.get(item.colour_negative, 0) > 20


def test_a_session_without_its_tracks_would_be_noticed(tmp_path: Path):
    published = publish(make_result(tmp_path / "result", SCORES, CONTIGS))
    (tmp_path / "result" / "tracks" / "pi.GBR.bw").unlink()
    screen = run_igv(tmp_path, published.session, tmp_path / "result" / "tracks" / "genome.chrom.sizes")
    assert screen.complaints
