"""``popscan check DIR``: a sound result is called sound, and each fault put into it is found."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyBigWig
import pysam
import pytest
from scanning import popscan, random_records, scanned, write_several

from scanner.browser.bigwig import crashing
from scanner.check import Finding
from scanner.check_result import check_result
from scanner.publish import publish
from scanner.table import TableWriter, read_table

LENGTHS = {"20": 63_025_520, "21": 48_129_895}  # as hg19 has them, so that there is a hub
COLUMN = "pi.A"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan the first 60 kb of two contigs: three populations, windows of 2 kb every 1 kb, scores of sites too."""
    folder = tmp_path_factory.mktemp("made")
    rows = [row for contig in LENGTHS for row in random_records(contig, 60_000, 600, 12, int(contig))]
    data = write_several(folder, rows, LENGTHS, 12)
    regions = [word for contig in LENGTHS for word in ("--region", f"{contig}:1-60000")]
    chosen = ["--statistics", "pi,tajimas_d,theta_h,fst,nsl", "--pair", "A:B", "--window", "2kb", "--step", "1kb"]
    scanned(data.vcf, "--out", folder / "result", "--populations", data.populations, *regions, *chosen, "-q")
    return folder / "result"


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Path:
    """A copy of the result that a test may damage."""
    return shutil.copytree(made, tmp_path / "result")


def errors(folder: Path) -> list[str]:
    """List what is wrong, without the folder's name."""
    return [item.text.replace(f"{folder}/", "") for item in check_result(folder) if item.level == "error"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sound_result_is_sound(made: Path):
    before = files(made)
    found = check_result(made)
    assert {item.level for item in found} == {"good"}, found
    about = [item.text.split(":")[0] for item in found]
    assert about == [
        "windows.tsv.gz", "sites.tsv.gz", "accounting.tsv", "tracks", "calls", "igv_session.xml", "hub",
        "jbrowse_config.json", "index.html",
    ]  # fmt: skip
    assert files(made) == before


def test_the_report_counts_what_it_read(made: Path):
    said = {item.text.split(":")[0]: item.text for item in check_result(made)}
    bigwigs, beds = list((made / "tracks").glob("*.bw")), list((made / "calls").glob("*.bed.gz"))
    assert min(len(bigwigs), len(beds)) > 5
    assert f" {len(bigwigs)} bigWigs" in said["tracks"]
    assert f" {len(beds)} BED" in said["calls"]
    assert said["windows.tsv.gz"].startswith("windows.tsv.gz: 118 windows")
    assert " 1,200 records" in said["accounting.tsv"]
    assert f" {len(read_table(made / 'sites.tsv.gz')):,} sites" in said["sites.tsv.gz"]


def test_what_is_not_popscans_is_passed_over(result: Path):
    for name in ("tracks/mine.bw", "calls/mine.bed.gz", "tracks/pi.A.bw.bak", "notes.txt"):
        (result / name).write_text("nothing that can be read")
    assert errors(result) == []


def test_a_folder_that_is_no_result(tmp_path: Path):
    (found,) = check_result(tmp_path)
    assert found == Finding(
        "error",
        f"{tmp_path} is not a popscan result, for it has no run.json: give the folder that popscan scan --out made",
    )


def test_a_result_without_browser_files_is_a_warning(result: Path):
    for name in ("tracks", "calls", "hub"):
        shutil.rmtree(result / name)
    for name in ("igv_session.xml", "jbrowse_config.json"):
        (result / name).unlink()
    found = [item for item in check_result(result) if item.level != "good"]
    assert found == [Finding("warning", f"{result} has no browser files yet: run popscan publish")]


# Tracks


def rewrite_bigwig(
    path: Path, change: Callable[[list[tuple[int, int, float]]], Sequence[tuple[int, int, float]]]
) -> None:
    """Write a bigWig anew with the intervals of its first contig changed."""
    with pyBigWig.open(str(path)) as file:
        contigs = dict(sorted(file.chroms().items()))
        rows = {name: list(file.intervals(name)) for name in contigs}
    first = next(iter(rows))
    rows[first] = list(change(rows[first]))
    path.unlink()  # the hub has the same file under another name
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(contigs.items()))
        for name, intervals in rows.items():
            start, end, value = zip(*intervals, strict=True)
            file.addEntries([name] * len(start), list(start), ends=list(end), values=list(value))


def test_a_changed_value_is_found(result: Path):
    flip = lambda rows: [*rows[:30], (*rows[30][:2], -rows[30][2]), *rows[31:]]  # noqa: E731
    rewrite_bigwig(result / "tracks" / f"{COLUMN}.bw", flip)
    table = read_table(result / "windows.tsv.gz")
    row = np.flatnonzero(np.isfinite(table.columns[COLUMN]))[30]
    value, start = float(np.float32(table.columns[COLUMN][row])), int(table.start[row])
    place = f"20:{start + 501}-{start + 1500}"  # a tile of 1 kb in the middle of 2 kb
    found = errors(result)
    assert found[0] == (
        f"tracks/{COLUMN}.bw differs from windows.tsv.gz: it has {-value:.9g} at {place}, not {value:.9g} at {place}; "
        "run popscan publish"
    )
    assert found[1:] == [f"hub: pi__A.bw differs from tracks/{COLUMN}.bw: run popscan publish"]


def test_a_value_that_fills_a_gap_or_makes_one_is_found(result: Path):
    path = result / "tracks" / f"{COLUMN}.bw"
    table = read_table(result / "windows.tsv.gz")
    gap = int(table.start[np.flatnonzero(np.isnan(table.columns[COLUMN]) & (table.contig == 0))[0]])
    rewrite_bigwig(path, lambda rows: sorted([*rows, (gap + 500, gap + 1500, 0.5)]))
    assert f"it has 0.5 at 20:{gap + 501}-{gap + 1500}, not " in errors(result)[0]
    rewrite_bigwig(path, lambda rows: [row for row in rows if row[0] != gap + 500][:-1])
    assert "it has nothing more, not " in errors(result)[0]


def test_a_track_without_zoom_levels_is_found(result: Path):
    path = result / "tracks" / f"{COLUMN}.bw"
    with pyBigWig.open(str(path)) as file:
        contigs, rows = dict(file.chroms()), {name: file.intervals(name) for name in file.chroms()}
    path.unlink()
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(sorted(contigs.items()), maxZooms=0)
        for name in sorted(rows):
            start, end, value = zip(*rows[name], strict=True)
            file.addEntries([name] * len(start), list(start), ends=list(end), values=list(value))
    assert any("it has no zoom levels" in text for text in errors(result))


def test_a_missing_track_is_found(result: Path):
    (result / "tracks" / f"{COLUMN}.bw").unlink()
    found = errors(result)
    assert f"tracks/{COLUMN}.bw is missing: run popscan publish" in found
    assert any(text.startswith("igv_session.xml names tracks/pi.A.bw") for text in found)
    assert any(text.startswith("jbrowse_config.json names files that are not there (tracks/pi.A.bw)") for text in found)


def test_a_damaged_track_is_found(result: Path):
    path = result / "tracks" / f"{COLUMN}.bw"
    path.unlink()
    path.write_bytes(b"no bigWig at all, but as long as one has to be to be taken for one" * 10)
    assert any(text.startswith(f"tracks/{COLUMN}.bw cannot be read as a bigWig") for text in errors(result))


def test_a_track_over_which_its_reader_crashes_is_found(result: Path):
    """A contig's number is beyond all that there are."""
    path = result / "tracks" / f"{COLUMN}.bw"
    data = bytearray(path.read_bytes())
    path.unlink()
    tree = struct.unpack_from("<Q", data, 8)[0]
    width = struct.unpack_from("<I", data, tree + 8)[0]
    struct.pack_into("<I", data, tree + 36 + width, 1_000_000)
    path.write_bytes(data)
    assert errors(result) == [f"tracks/{COLUMN}.bw is damaged: run popscan publish, then check again"]
    assert crashing([result / "tracks" / "fst.A.B.bw", path, path, Path("nowhere.bw")]) == [path, path]
    assert crashing([]) == []


def test_a_track_of_a_score_without_values_is_found(result: Path):
    """As one left over from another scan would be."""
    table = read_table(result / "windows.tsv.gz")
    empty = {name for name, values in table.columns.items() if np.isnan(values).all()}
    edit_table(result, lambda name, values: values * np.nan if name == COLUMN else values)
    assert COLUMN not in empty
    shown = [text for text in errors(result) if "shows what windows.tsv.gz does not hold" in text]
    assert shown == [
        f"tracks/{COLUMN}.bw shows what windows.tsv.gz does not hold: run popscan publish",
        f"calls/{COLUMN}.bed.gz shows what windows.tsv.gz does not hold: run popscan publish",
    ]


# The table


def edit_table(folder: Path, change: Callable[[str, np.ndarray], np.ndarray], rows: slice = slice(None)) -> None:
    """Write the table anew, with its index, changed or with some of its rows only."""
    table = read_table(folder / "windows.tsv.gz")
    matrix = np.column_stack([change(name, values) for name, values in table.columns.items()])
    with TableWriter(folder / "windows.tsv.gz", list(table.columns)) as writer:
        for code, name in enumerate(table.contigs):
            kept = np.flatnonzero(table.contig == code)
            kept = kept[np.isin(kept, np.arange(len(table))[rows])]
            reasons = [table.reasons[at] for at in kept]
            writer.write(name, table.start[kept], table.end[kept], matrix[kept], reasons)


def test_an_edited_table_no_longer_fits_its_tracks(result: Path):
    column = "tajimas_d.A"  # called at both ends
    table = read_table(result / "windows.tsv.gz")
    row = int(np.flatnonzero(np.isfinite(table.columns[column]))[40])
    tile = f"20:{table.start[row] + 501}-{table.start[row] + 1500}"

    def change(name: str, values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(values)) == row, 9.0, values) if name == column else values

    edit_table(result, change)
    found = errors(result)
    assert any(text.startswith(f"tracks/{column}.bw differs") and f"not 9 at {tile}" in text for text in found)
    assert any(text.startswith(f"calls/{column}.bed.gz differs") for text in found)
    publish(result)
    assert errors(result) == []


def test_a_table_that_lost_rows_is_found(result: Path):
    edit_table(result, lambda _, values: values, slice(0, -5))
    found = errors(result)
    assert "windows.tsv.gz has 113 windows, but run.json counts 118: run popscan scan again" in found
    assert f"accounting.tsv accounts for 118 of 113 windows for {COLUMN}: run popscan scan again" in found


def test_a_table_that_is_cut_off_is_found(result: Path):
    path = result / "windows.tsv.gz"
    path.write_bytes(path.read_bytes()[:-40])
    (found,) = errors(result)
    assert found == "windows.tsv.gz is cut off or not BGZF-compressed: run popscan scan again"


def test_a_value_that_is_missing_without_a_reason_is_found(result: Path):
    table = read_table(result / "windows.tsv.gz")
    row = int(np.argmax(np.isnan(table.columns[COLUMN])))
    assert table.reasons[row] == "few_sites"
    words = ["." if at == row else word for at, word in enumerate(table.reasons)]
    matrix = np.column_stack(list(table.columns.values()))
    with TableWriter(result / "windows.tsv.gz", list(table.columns)) as writer:
        for code, name in enumerate(table.contigs):
            rows = np.flatnonzero(table.contig == code)
            writer.write(name, table.start[rows], table.end[rows], matrix[rows], [words[at] for at in rows])
    place = f"{table.contigs[table.contig[row]]}:{table.start[row] + 1}-{table.end[row]}"
    told = "gives no reason where a value is missing, or one where none is"
    assert errors(result)[0] == f"windows.tsv.gz {told}: {place}: run popscan scan again"


def test_a_column_of_nobody_is_found(result: Path):
    record = json.loads((result / "run.json").read_text())
    record["scores"] = [score for score in record["scores"] if score["column"] != COLUMN]
    (result / "run.json").write_text(json.dumps(record))
    assert errors(result) == [
        f"windows.tsv.gz has columns that run.json does not know: {COLUMN}: run popscan scan again"
    ]


@pytest.mark.parametrize("name", ["windows.tsv.gz", "sites.tsv.gz"])
def test_a_missing_index_of_a_table_is_found(result: Path, name: str):
    (result / f"{name}.tbi").unlink()
    assert errors(result) == [f"{name} has no index (.tbi or .csi): run popscan scan again"]


@pytest.mark.parametrize("name", ["windows.tsv.gz", "sites.tsv.gz"])
def test_an_index_of_another_table_is_found(result: Path, name: str):
    path = result / name
    head, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    other = path.with_name("other")
    other.write_text("\n".join([head, *rows[: len(rows) // 3]]) + "\n")
    pysam.tabix_compress(str(other), f"{other}.gz")
    pysam.tabix_index(f"{other}.gz", seq_col=0, start_col=1, end_col=2, zerobased=True, line_skip=1, meta_char="\0")
    Path(f"{other}.gz.tbi").replace(f"{path}.tbi")
    (found,) = errors(result)
    assert found == f"{name}.tbi gives other rows than {name} has: run popscan scan again"


def test_a_damaged_index_is_found(result: Path, monkeypatch: pytest.MonkeyPatch):
    """Before htslib opens it, which may crash."""
    path = result / "windows.tsv.gz.tbi"
    data = gzip.decompress(path.read_bytes())
    opened = list[str]()
    monkeypatch.setattr(
        pysam, "TabixFile", lambda name, real=pysam.TabixFile, **given: opened.append(name) or real(name, **given)
    )
    for content in (b"no index", gzip.compress(data[:-20] + data[-16:])):
        path.write_bytes(content)
        found = errors(result)
        assert found[0].startswith("windows.tsv.gz.tbi is damaged")
    assert opened
    assert not any("windows.tsv.gz" in name for name in opened)


def test_missing_or_foreign_scores_of_sites_are_found(result: Path):
    path = result / "sites.tsv.gz"
    table = read_table(path)
    with TableWriter(path, ["nsl.A", "nsl.B"], reasons=False) as writer:
        writer.write("22", table.start[:9], table.end[:9] + 1, np.zeros((9, 2)))
    assert errors(result) == [
        "sites.tsv.gz lacks the columns nsl.C: run popscan scan again",
        "sites.tsv.gz has rows that are no site of run.json's contigs: run popscan scan again",
    ]
    path.unlink()
    assert errors(result) == ["sites.tsv.gz is missing: run popscan scan again"]


# The account


def edit_account(folder: Path, change: Callable[[list[str]], list[str]]) -> list[str]:
    path = folder / "accounting.tsv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    return errors(folder)


def values_of(folder: Path) -> int:
    return int(np.isfinite(read_table(folder / "windows.tsv.gz").columns[COLUMN]).sum())


def test_an_account_that_does_not_add_up_is_found(result: Path):
    there = values_of(result)

    def change(lines: list[str]) -> list[str]:
        return [line.replace(f"{COLUMN}\tvalue\t{there}", f"{COLUMN}\tvalue\t{there - 1}") for line in lines]

    assert edit_account(result, change) == [
        f"accounting.tsv accounts for 117 of 118 windows for {COLUMN}: run popscan scan again",
        f"accounting.tsv counts {there - 1} values where the table has {there} for {COLUMN}: run popscan scan again",
    ]


def test_reasons_that_the_table_does_not_give_are_found(result: Path):
    there = values_of(result)

    def change(lines: list[str]) -> list[str]:
        more = [f"windows\t{COLUMN}\tuncallable\t1", f"windows\t{COLUMN}\tbad_weather\t1"]
        lines = [line.replace(f"{COLUMN}\tvalue\t{there}", f"{COLUMN}\tvalue\t{there - 2}") for line in lines]
        return [*lines, *more]

    found = "\n".join(edit_account(result, change))
    assert f"counts 1 windows as uncallable, but 0 rows of the table say so for {COLUMN}" in found
    assert f"gives a reason 'bad_weather' that popscan does not know for {COLUMN}" in found


def test_an_account_of_other_scores_or_contigs_is_found(result: Path):
    def change(lines: list[str]) -> list[str]:
        changed = [line.replace(f"\t{COLUMN}\t", "\tpi.Z\t").replace("records\t21", "records\t22") for line in lines]
        return [line.replace("\tsites\t", "\tindel\t") for line in changed]

    assert edit_account(result, change) == [
        f"accounting.tsv {text}: run popscan scan again"
        for text in ("knows no records of 21", f"knows nothing of {COLUMN}", "speaks of pi.Z, no column",
                     "counts no site that was used")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "accounting.tsv is missing or cannot be read: run popscan scan again"),
        ("a\tb\n", "accounting.tsv is no account: its first line must be kind, name, outcome, count"),
        (
            "kind\tname\toutcome\tcount\nrecords\t20\tsites\tmany\n",
            "accounting.tsv:2: expected kind, name, outcome and count, found 'records\t20\tsites\tmany'",
        ),
    ],
)
def test_no_account_at_all_is_found(result: Path, text: str | None, complaint: str):
    path = result / "accounting.tsv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert errors(result) == [complaint]


# Calls


def edit_calls(folder: Path, change: Callable[[list[list[str]]], list[list[str]]], *, index: bool = True) -> list[str]:
    """Write the calls of a column anew, changed."""
    path = folder / "calls" / "tajimas_d.A.bed.gz"
    rows = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    assert len(rows) > 1
    plain = path.with_suffix("")
    plain.write_text("".join("\t".join(row) + "\n" for row in change(rows)))
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    if index:
        pysam.tabix_index(str(path), preset="bed", force=True)
    return [text for text in errors(folder) if text.startswith("calls/")]


@pytest.mark.parametrize(
    ("change", "complaint", "index"),
    [
        (lambda rows: rows[::-1], "it is not sorted: line 2 belongs before line 1", False),
        (lambda rows: [[*rows[0][:4], "1001", *rows[0][5:]], *rows[1:]], "line 1 has the score 1001, above 1000", True),
        (lambda rows: [*rows[:-1], [*rows[-1][:2], "63025521", *rows[-1][3:]]], "lies outside the contig", True),
        (lambda rows: [["19", *row[1:]] for row in rows], "line 1 lies outside the contig", True),
        (lambda rows: [row[:6] for row in rows], "line 1 is no BED9", True),
        (lambda rows: [[*row[:8], "1,2,3"] for row in rows], "line 1 is '", True),
        (lambda rows: [[*row[:3], "other 1", *row[4:]] for row in rows], "line 1 is '", True),
        (lambda rows: rows[:-1], "it has ", True),
    ],
)
def test_calls_that_are_not_those_of_the_table_are_found(
    result: Path, change: Callable[[list[list[str]]], list[list[str]]], complaint: str, index: bool
):
    (found,) = edit_calls(result, change, index=index)
    assert found.startswith("calls/tajimas_d.A.bed.gz differs from windows.tsv.gz: ")
    assert complaint in found


def test_calls_with_an_index_of_others_are_found(result: Path):
    folder = result / "calls"
    first, *rest = gzip.decompress((folder / "tajimas_d.A.bed.gz").read_bytes()).decode().splitlines()
    (folder / "other.bed").write_text("\n".join(["#" * len(first), *rest]) + "\n")  # knows all calls but the first
    pysam.tabix_index(str(folder / "other.bed"), preset="bed")
    (folder / "other.bed.gz.tbi").replace(folder / "tajimas_d.A.bed.gz.tbi")
    (found,) = (text for text in errors(result) if text.startswith("calls/"))
    assert "its index gives other lines than the file has" in found
    (folder / "tajimas_d.A.bed.gz.tbi").unlink()
    (found,) = (text for text in errors(result) if text.startswith("calls/"))
    assert found == "calls/tajimas_d.A.bed.gz has no index (.tbi or .csi): run popscan publish"
    (folder / "tajimas_d.A.bed.gz.tbi").write_bytes(b"no index")
    (found,) = (text for text in errors(result) if text.startswith("calls/"))
    assert "is damaged" in found


def test_damaged_and_missing_calls_are_found(result: Path):
    path = result / "calls" / "tajimas_d.A.bed.gz"
    path.write_bytes(path.read_bytes()[:60])
    assert any(text.startswith("calls/tajimas_d.A.bed.gz is damaged") for text in errors(result))
    path.unlink()
    assert "calls/tajimas_d.A.bed.gz is missing: run popscan publish" in errors(result)


def test_a_bigbed_that_is_not_its_bed_is_found(result: Path):
    folder = result / "calls"
    shutil.copy(folder / "pi.A.bb", folder / "other.bb")
    (folder / "other.bb").replace(folder / "tajimas_d.A.bb")
    found = errors(result)
    assert "tajimas_d.A.bb beside it has other calls" in found[0]
    assert "hub: tajimas_d__A.bb differs from calls/tajimas_d.A.bb" in found[1]
    (folder / "tajimas_d.A.bb").unlink()
    assert "tajimas_d.A.bb beside it is missing" in errors(result)[0]


# Sessions


def test_a_session_that_is_no_xml_is_found(result: Path):
    path = result / "igv_session.xml"
    path.write_text(path.read_text()[:-20])
    (found,) = errors(result)
    assert found.startswith("igv_session.xml is no well-formed XML (")
    path.unlink()
    assert errors(result) == ["igv_session.xml is missing: run popscan publish"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            'Resource path="tracks/pi.A.bw"',
            'Resource path="tracks/gone.bw"',
            "names tracks/gone.bw, which is not there",
        ),
        ('id="tracks/pi.A.bw"', 'id="tracks/gone.bw"', "has a track tracks/gone.bw without a file"),
        ('id="tracks/pi.A.bw"', 'id="tracks/pi.B.bw"', "loads tracks/pi.A.bw but draws no track of it"),
        ('genome="tracks/', 'genome="elsewhere/', "names elsewhere/genome.chrom.sizes, which is not there"),
        ('Region chromosome="20"', 'Region chromosome="X"', "has a region X:"),
        ('Region chromosome="20" start="', 'Region chromosome="20" start="x', "has a region 20:x"),
    ],
)
def test_a_session_that_does_not_fit_its_files_is_found(result: Path, old: str, new: str, complaint: str):
    path = result / "igv_session.xml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert any(text.startswith(f"igv_session.xml {complaint}") for text in errors(result))


def test_a_session_for_a_genome_of_igv_is_sound(made: Path, result: Path):
    publish(result, genome="hg19")
    text = (result / "igv_session.xml").read_text()
    assert 'genome="hg19"' in text
    assert 'Region chromosome="chr20"' in text  # IGV finds no region by another name of its contig
    assert 'Region chromosome="20"' in (made / "igv_session.xml").read_text()
    assert errors(result) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("tracks/pi.A.bw", "tracks/gone.bw", "names files that are not there (tracks/gone.bw)"),
        ('"trackId": "scores-pi.A"', '"trackId": "scores-pi.B"', "shows tracks that it does not have"),
        ('"defaultSession"', '"session"', "is damaged (KeyError: 'defaultSession')"),
        ("{", "[", "is damaged (JSONDecodeError"),
    ],
)
def test_a_configuration_that_does_not_fit_is_found(result: Path, old: str, new: str, complaint: str):
    path = result / "jbrowse_config.json"
    path.write_text(path.read_text().replace(old, new))
    (found,) = errors(result)
    assert found.startswith(f"jbrowse_config.json {complaint}")
    path.unlink()
    assert errors(result) == ["jbrowse_config.json is missing: run popscan publish"]


def test_faults_of_the_page_and_its_table_are_found(result: Path):
    page, path = result / "index.html", result / "candidates.tsv"
    page.write_bytes(page.read_bytes()[:-20])
    assert errors(result) == ["index.html is cut off: run popscan publish"]
    page.unlink()
    (warning,) = (item for item in check_result(result) if item.level != "good")
    assert warning == Finding("warning", f"{page} is missing: install igv-notebook, then run popscan publish")
    head, first, *rest = path.read_text().splitlines()
    start, end = first.split("\t")[2:4]
    path.write_text("\n".join([head, first.replace(f"\t{start}\t{end}\t", f"\t{end}\t{start}\t"), *rest]) + "\n")
    assert errors(result) == ["candidates.tsv has regions outside the contigs: run popscan publish"]
    path.write_text("\n".join([head, first.replace(f"\t{start}\t", "\tx\t"), *rest]) + "\n")
    assert errors(result)[0].startswith("candidates.tsv is damaged (invalid literal for int")
    path.unlink()
    assert errors(result) == ["candidates.tsv is missing: run popscan publish"]


def test_the_regions_of_the_session_are_the_best_candidates(made: Path):
    rows = [line.split("\t")[1:4] for line in (made / "candidates.tsv").read_text().splitlines()[1:]]
    listed = ElementTree.parse(made / "igv_session.xml").getroot().findall("Regions/Region")
    assert [[item.get(name) for name in ("chromosome", "start", "end")] for item in listed] == rows[:20]
    assert 1 <= len(listed) <= 20
    assert "Tajima's D" in " ".join(item.get("description", "") for item in listed)


def test_the_regions_of_the_session_name_their_genes(result: Path, tmp_path: Path):
    contig, start, end = (result / "candidates.tsv").read_text().splitlines()[1].split("\t")[1:4]
    genes = tmp_path / "genes.gff3"
    genes.write_text(f"##gff-version 3\n{contig}\t.\tgene\t{int(start) + 1}\t{end}\t.\t+\t.\tID=g;Name=LCT\n")
    publish(result, genes=genes)
    first = ElementTree.parse(result / "igv_session.xml").getroot().find("Regions/Region")
    assert first is not None
    assert first.get("description", "").endswith("; LCT")
    assert errors(result) == []


# The hub


def test_faults_of_the_hub_are_found(result: Path):
    path = result / "hub" / "hub.txt"
    path.write_text(path.read_text().replace("useOneFile on", "useOneFile off"))
    assert any(text.startswith("hub: hub: useOneFile is not on") for text in errors(result))
    path.unlink()
    assert errors(result) == ["hub/hub.txt is missing: run popscan publish"]


def test_a_missing_file_of_the_hub_is_found(result: Path):
    (result / "hub" / "hg19" / "pi__A.bw").unlink()
    assert "hub: pi__A.bw is missing: run popscan publish" in errors(result)


def test_a_hub_for_another_genome_is_a_warning(result: Path):
    publish(result, genome="hg19")
    (result / "hub" / "hg19").rename(result / "hub" / "hg99")
    (result / "hub" / "hub.txt").write_text((result / "hub" / "hub.txt").read_text().replace("hg19", "hg99"))
    found = [item for item in check_result(result) if item.level == "warning"]
    assert [item.text for item in found] == [
        f"{result}/hub is not for hg19, as run.json has it: its form alone is checked"
    ]


def test_a_scan_of_no_known_genome_has_no_hub(result: Path):
    record = json.loads((result / "run.json").read_text())
    record["contigs"] = {"20": 70_000, "21": 70_000}
    (result / "run.json").write_text(json.dumps(record))
    publish(result)
    found = [item for item in check_result(result) if item.level != "good"]
    assert [item.level for item in found] == ["warning"]
    assert found[0].text.startswith("no UCSC hub: ")


# The command


def test_the_command_ends_with_0_for_a_sound_result_and_1_for_a_faulty_one(result: Path):
    done = popscan("check", result)
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["ok"] * 9
    (result / "tracks" / f"{COLUMN}.bw").unlink()
    done = popscan("check", result)
    assert done.code == 1
    assert f"ERROR    {result}/tracks/{COLUMN}.bw is missing: run popscan publish" in done.out.splitlines()


def test_the_command_takes_no_options_for_a_folder(made: Path):
    done = popscan("check", made, "--mask", "mask.bed")
    assert done.code == 2
    assert done.sentence == f"{made} is a folder, so a result is checked: the options are for a VCF"


def test_a_file_that_cannot_be_opened_is_one_finding(result: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("xml.etree.ElementTree.parse", refuse)
    assert errors(result) == ["igv_session.xml cannot be read: Permission denied"]
