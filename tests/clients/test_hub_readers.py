"""Hubs in other programs: JBrowse's parser reads the stanzas, and R's rtracklayer, on UCSC's own C code, every file.

Needs ``npm``, which fetches the package ``@gmod/ucsc-hub``, and R with rtracklayer (Debian: ``apt-get install
--no-install-recommends r-bioc-rtracklayer``).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pysam
import pytest
from hub_results import CONTIGS, POPULATIONS, column, make_result, write_fasta

from scanner.browser.bigwig import step_tiles
from scanner.catalogue import tracks
from scanner.publish import publish
from scanner.result import Result, load

pytestmark = pytest.mark.clients

PARSE = """
import {SingleFileHub} from '@gmod/ucsc-hub'
import fs from 'fs'
const hub = new SingleFileHub(fs.readFileSync(process.argv[2], 'utf8'))
const names = Object.keys(hub.tracks.data)
const data = Object.fromEntries(names.map(name => [name, hub.tracks.data[name].data]))
console.log(JSON.stringify({hub: hub.hubData.data, genome: hub.genome.data, tracks: data}))
"""
READ = """
suppressMessages(library(rtracklayer))
options(digits = 15)
folder <- commandArgs(TRUE)[1]
put <- function(name, table) write.table(table, name, sep = "\\t", quote = FALSE, row.names = FALSE, col.names = TRUE)
for (path in list.files(folder, "[.](bw|bb)$", recursive = TRUE, full.names = TRUE)) {
  found <- import(path)
  at <- data.frame(contig = seqnames(found), start = start(found), end = end(found))
  put(paste0(path, ".tsv"), cbind(at, as.data.frame(mcols(found))))
}
for (path in list.files(folder, "[.]2bit$", recursive = TRUE, full.names = TRUE)) {
  found <- import(path)
  put(paste0(path, ".tsv"), data.frame(name = names(found), sequence = as.character(found)))
}
hub <- TrackHub(file.path(folder, "several"))
genome <- hub[[genome(hub)[1]]]
put(file.path(folder, "names.tsv"), data.frame(name = names(genome)))
put(file.path(folder, "track.tsv"), as.data.frame(track(genome, "pi__GBR")))
"""
REVISED = {"20": "chr20", "MT": "chrMT"}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A published result of contig 20 of hg19, its mitochondrion and a contig that UCSC calls otherwise."""
    folder = make_result(tmp_path_factory.mktemp("hub") / "out")
    publish(folder)
    return load(folder)


@pytest.fixture(scope="module")
def parsed(result: Result, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What JBrowse's parser, which is strict about what a hub must have, finds in the hub."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    words = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "@gmod/ucsc-hub@2"]
    installed = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if installed.returncode:
        pytest.skip(f"npm cannot fetch @gmod/ucsc-hub: {installed.stderr[-300:]}")
    (folder / "parse.mjs").write_text(PARSE)
    words = ["node", "parse.mjs", str(result.directory / "hub" / "hub.txt")]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_jbrowse_reads_every_stanza(result: Result, parsed: dict[str, dict]):
    assert parsed["hub"]["email"] == "someone@example.org"
    assert parsed["genome"] == {"genome": "hg19"}
    text = (result.directory / "hub" / "hub.txt").read_text()
    blocks = [block.splitlines() for block in text.split("\n\n")[2:]]
    expected = {lines[0].split(" ", 1)[1]: dict(line.split(" ", 1) for line in lines) for lines in blocks}
    assert parsed["tracks"] == expected
    assert len(expected) > 30


@pytest.fixture(scope="module")
def read(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files of the hub and of an assembly hub, and beside each what R made of it."""
    script = "quit(status = !suppressWarnings(requireNamespace('rtracklayer', quietly = TRUE)))"
    if shutil.which("Rscript") is None or subprocess.run(["Rscript", "-e", script], check=False).returncode:
        pytest.skip("R's rtracklayer is not installed")
    folder = tmp_path_factory.mktemp("R")
    shutil.copytree(result.directory / "hub" / "hg19", folder / "hg19")
    write_fasta(folder / "apple.fa", {"s1": 60_001, "s2": 30_002})
    apple = make_result(folder / "out", {"s1": 60_001, "s2": 30_002}, genome=str(folder / "apple.fa"))
    publish(apple)
    shutil.move(apple / "hub" / "apple", folder / "apple")
    shutil.rmtree(apple)
    split_hub(result.directory / "hub", folder / "several")
    (folder / "read.R").write_text(READ)
    words = ["Rscript", str(folder / "read.R"), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def split_hub(hub: Path, folder: Path) -> None:
    """Write a hub as three files, for rtracklayer knows no other."""
    folder.mkdir()
    head, genome, *rest = (hub / "hub.txt").read_text().split("\n\n")
    (folder / "hub.txt").write_text(head.replace("useOneFile on", "genomesFile genomes.txt") + "\n")
    (folder / "genomes.txt").write_text(f"{genome}\ntrackDb trackDb.txt\n")
    (folder / "trackDb.txt").write_text("\n\n".join(rest))
    shutil.copytree(hub / "hg19", folder / "hg19")


def rows(path: Path) -> list[dict[str, str]]:
    """Read a table that R wrote."""
    heading, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(heading, line, strict=True)) for line in lines]


def test_r_reads_every_value_of_every_bigwig(result: Result, read: Path):
    table, seen = result.table, 0
    start, end = step_tiles(table.start, table.end, 5000, 1000)
    names = np.array([REVISED.get(name, "") for name in table.contigs])[table.contig]
    for score in result.run.scores:
        values = table.columns[score.column]
        there = np.isfinite(values) & (names != "")
        if not there.any():
            continue
        found = rows(read / "hg19" / f"{score.column.replace('.', '__')}.bw.tsv")
        order = np.lexsort((start[there], names[there]))
        assert [row["contig"] for row in found] == names[there][order].tolist()
        assert [int(row["start"]) - 1 for row in found] == start[there][order].tolist()
        assert [int(row["end"]) for row in found] == end[there][order].tolist()
        read_back = np.array([float(row["score"]) for row in found], np.float32)
        assert np.array_equal(read_back, values[there][order].astype(np.float32))
        seen += 1
    assert seen == len(result.run.scores) - 1 == len(list((read / "hg19").glob("*.bw")))


def test_r_reads_every_call_with_its_colour(result: Result, read: Path):
    seen = 0
    for score in result.run.scores:
        bed = result.directory / "calls" / f"{score.column}.bed.gz"
        if not bed.is_file():
            continue
        with pysam.BGZFile(str(bed), "r") as stream:
            lines = sorted(line.decode().split("\t") for line in stream)
        found = sorted(rows(read / "hg19" / f"{score.column.replace('.', '__')}.bb.tsv"), key=lambda row: row["contig"])
        assert [(row["contig"], int(row["end"]), row["name"], row["score"]) for row in found] == [
            (REVISED[line[0]], int(line[2]), line[3], line[4]) for line in lines
        ]
        for row, line in zip(found, lines, strict=True):
            assert int(row["start"]) - int(line[1]) in (0, 1)  # rtracklayer 1.58 counts those of bigBed from 0
            assert row["itemRgb"] == "#" + "".join(f"{int(part):02x}" for part in line[8].split(","))
            assert f"{float(row['value']):.3g}" == line[3].split()[-1]
            if score.name == "tajimas_d":
                low = tuple(map(int, line[8].split(","))) == tracks()["tajimas_d"].colour_negative
                assert row["tail"] == ("low" if low else "high")
            assert int(row["windows"]) >= 1
            seen += 1
    assert seen > 5


def test_r_reads_the_sequence_of_an_assembly_hub(read: Path, tmp_path: Path):
    sequences = write_fasta(tmp_path / "apple.fa", {"s1": 60_001, "s2": 30_002})
    found = {row["name"]: row["sequence"] for row in rows(read / "apple" / "apple.2bit.tsv")}
    assert found == {name: text.upper() for name, text in sequences.items()}
    drawn = rows(read / "apple" / "pi__GBR.bw.tsv")
    assert {row["contig"] for row in drawn} == {"s1", "s2"}


def test_r_reads_the_stanzas_and_a_track_by_its_name(result: Result, read: Path):
    names = [row["name"] for row in rows(read / "names.tsv")]
    for population in POPULATIONS:
        assert {f"{column('pi', (population,)).replace('.', '__')}", f"population__{population}_calls"} <= set(names)
    assert len(names) == (result.directory / "hub" / "hub.txt").read_text().count("\n\ntrack ")
    by_name = [row["score"] for row in rows(read / "track.tsv")]
    assert [float(text) for text in by_name] == [float(row["score"]) for row in rows(read / "hg19" / "pi__GBR.bw.tsv")]
    assert set(CONTIGS) > set(REVISED)
