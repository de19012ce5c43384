"""The command line: each option changes something, a plan says what the scan then does, and files come back."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from scanning import Several, popscan, read_table, scanned, several, tables

import scanner
from scanner import options
from scanner.cli import group, main
from scanner.cli import scan as scan_command
from scanner.cli.options import read_options
from scanner.cli.progress import Bar
from scanner.errors import OutputError
from scanner.options import ScanOptions, WindowSpec

BASE = ("--window", "4kb", "--min-sites", "3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """3 contigs."""
    return several(tmp_path_factory.mktemp("cli"), contigs=3, records=150)


@pytest.fixture(scope="module")
def base(data: Several) -> Path:
    """The result that each option is held against."""
    out = data.vcf.parent / "base"
    scanned(data.vcf, "-p", data.populations, "--out", out, "--threads", 1, *BASE)
    return out


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def one_changed(data: Several, tmp_path: Path) -> dict[str, list[object]]:
    """Give for every option words that use it."""
    whole = "".join(f"{contig}\t0\t{length}\n" for contig, length in data.contigs.items())
    fasta = "".join(f">{contig}\n{'C' * length}\n" for contig, length in data.contigs.items())
    return {
        "--window": ["--window", "8kb"],
        "--step": ["--step", "1kb"],
        "--windows": ["--windows", write(tmp_path / "w.bed", "1\t100\t9000\n2\t0\t20000\n")],
        "--populations": ["-p", write(tmp_path / "p.tsv", "".join(f"s{n}\t{'XY'[n % 2]}\n" for n in range(12)))],
        "--samples-file": ["-S", write(tmp_path / "s.txt", "".join(f"s{n}\n" for n in range(9)))],
        "--pair": ["--pair", "B:A"],
        "--trio": ["--trio", "B:A:C"],
        "--statistics": ["--statistics", "pi,fst"],
        "--region": ["--region", "2:1-20000"],
        "--regions-file": ["-R", write(tmp_path / "r.bed", "2\t0\t20000\n")],
        "--mask": ["--mask", write(tmp_path / "m.bed", whole.replace("\t0\t", "\t1000\t"))],
        "--ancestral": ["--ancestral", write(tmp_path / "a.fa", fasta)],
        "--min-callable": ["--min-callable", "1", "--mask", write(tmp_path / "n.bed", whole.replace("\t0\t", "\t9\t"))],
        "--min-sites": ["--min-sites", "14"],
        "--max-missing": ["--max-missing", "0"],
        "--min-maf": ["--min-maf", "0.2"],
        "--chrom-sizes": [
            "--chrom-sizes",
            write(tmp_path / "c.sizes", whole.replace("\t0\t", "\t").replace("40", "50")),
        ],
        "--chrom-alias": ["--chrom-alias", write(tmp_path / "alias.txt", "1\tone\n2\ttwo\n"), "--region", "two"],
    }


CHANGES_THE_TABLE = (
    "--window", "--step", "--windows", "--populations", "--samples-file", "--pair", "--trio", "--statistics",
    "--region", "--regions-file", "--mask", "--ancestral", "--min-callable", "--min-sites", "--max-missing",
    "--min-maf", "--chrom-sizes", "--chrom-alias",
)  # fmt: skip
ELSEWHERE = {
    "--out": "everywhere", "--models": "test_bad_input", "--threads": "test_workers", "--scheduler": "test_workers",
    "--force": "test_resume", "--genome": "here", "--quiet": "here", "--debug": "test_bad_input", "--help": "here",
    "--email": "the hub's tests", "--genes": "the genes' tests", "--dense": "test_scan_networks",
    "--device": "test_scan_networks", "--part": "test_jobarray", "--from": "test_request",
    "--slurm": "test_slurm", "--queue": "test_slurm", "--account": "test_slurm",
    "--memory": "test_slurm", "--walltime": "test_slurm", "--jobs": "test_slurm", "--log-file": "test_logs",
    "--verbose": "test_logs", "--prior": "test_scan_classes", "--fdr": "test_scan_calls",
}  # fmt: skip


def test_every_option_of_scan_is_tested() -> None:
    """One that is added must be named here, and so be tried."""
    names = {option for parameter in scan_command.scan.params for option in parameter.opts if option.startswith("--")}
    assert names | {"--help"} == {*CHANGES_THE_TABLE, *ELSEWHERE}


@pytest.mark.parametrize("option", CHANGES_THE_TABLE)
def test_every_option_changes_the_table(data: Several, base: Path, tmp_path: Path, option: str) -> None:
    vcf, before = data.vcf, read_table(base / "windows.tsv.gz")
    if option == "--max-missing":  # some genotypes must be missing
        text = gzip.decompress(data.vcf.read_bytes()).decode()
        (tmp_path / "y").mkdir()
        vcf = several(tmp_path / "y", contigs=3, records=150).vcf
        lines = text.splitlines()
        lines[60] = lines[60].rpartition("\t")[0] + "\t./."
        import pysam

        plain = write(tmp_path / "y" / "plain.vcf", "\n".join(lines) + "\n")
        pysam.tabix_compress(str(plain), str(vcf), force=True)
        pysam.tabix_index(str(vcf), preset="vcf", force=True)
        scanned(vcf, "-p", data.populations, "--out", tmp_path / "before", "--threads", 1, *BASE)
        before = read_table(tmp_path / "before" / "windows.tsv.gz")
    words = one_changed(data, tmp_path)[option]
    start = () if option == "--windows" else BASE
    scanned(vcf, "-p", data.populations, "--out", tmp_path / "out", "--threads", 1, *start, *words)
    after = read_table(tmp_path / "out" / "windows.tsv.gz")
    assert (after.columns, after.rows) != (before.columns, before.rows)


def test_chrom_sizes_give_lengths_that_the_header_lacks(data: Several, base: Path, tmp_path: Path) -> None:
    from conftest import save_vcf, vcf_text

    bare = save_vcf(vcf_text(data.records, [f"s{n}" for n in range(12)], dict.fromkeys("123")), tmp_path / "x.vcf.gz")
    sizes = write(tmp_path / "c.sizes", "chr1\t40000\nchr2\t40000\n3\t40000\n9\t7\n".replace("chr", ""))
    scanned(bare, "-p", data.populations, "--out", tmp_path / "out", "--threads", 1, *BASE, "--chrom-sizes", sizes)
    assert tables(tmp_path / "out") == tables(base)


def test_genome_goes_into_the_session(data: Several, tmp_path: Path) -> None:
    scanned(data.vcf, "--out", tmp_path / "out", "--threads", 1, *BASE, "--genome", "hg38")
    assert 'genome="hg38"' in (tmp_path / "out" / "igv_session.xml").read_text()


def test_quiet_is_quiet(data: Several, tmp_path: Path) -> None:
    done = scanned(data.vcf, "--out", tmp_path / "out", "--threads", 1, *BASE, "--quiet")
    assert (done.out, done.err) == ("", "")
    assert popscan("publish", tmp_path / "out", "-q").err == ""


def test_a_scan_says_what_it_did(data: Several, tmp_path: Path) -> None:
    done = scanned(data.vcf, "-p", data.populations, "--out", tmp_path / "out", "--threads", 1, *BASE)
    assert done.out == ""
    lines = done.err.splitlines()
    varied = sum(len(set("".join(row[5])) - {"|"}) == 2 for row in data.records)
    assert lines[0] == f"{varied} sites used; not used: {450 - varied} monomorphic"
    assert lines[1].startswith("30 windows, ")
    assert f"open {tmp_path / 'out' / 'igv_session.xml'} in IGV" in done.err


def test_notes_say_what_the_data_do_not_allow(tmp_path: Path, data: Several) -> None:
    from conftest import save_vcf, vcf_text

    rows = [(*row[:4], "", [g.replace("|", "/") for g in row[5]]) for row in data.records]
    rows = [(*row[:5], ["./.", *row[5][1:]]) for row in rows]
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(12)], dict(data.contigs)), tmp_path / "x.vcf.gz")
    words = ["--out", tmp_path / "out", "--threads", 1, *BASE]
    notes = [line for line in scanned(path, *words).err.splitlines() if line.startswith("note: ")]
    assert "have no phase: haplotypes, h1, h12, h2_h1, zns, omega, rmin, mu need it" in notes[0]
    assert "INFO/AA gives no ancestral alleles: theta_h, fay_wu_h need them (--ancestral FASTA)" in notes[1]
    assert notes[2].startswith("note: 8% of genotypes are not called")
    only = scanned(path, *words, "--statistics", "pi", "--force").err
    assert "phase" not in only, "pi needs none"
    assert "ancestral" not in only
    six = write(tmp_path / "six.tsv", "".join(f"s{n}\tP{n // 2}\n" for n in range(12)))
    told = scanned(path, *words, "-p", six, "--force").err
    assert "note: 6 populations have 15 pairs: name those to compare with --pair A:B" in told


@pytest.mark.parametrize("kind", ["bp", "sites", "bed"])
def test_a_plan_is_what_the_scan_does(data: Several, tmp_path: Path, kind: str) -> None:
    bed = write(tmp_path / "w.bed", "1\t0\t9000\n1\t500\t9500\n3\t10\t20000\n")
    laid = {"bp": ["--window", "7kb", "--step", "3kb"], "sites": ["--window", "40snps"], "bed": ["--windows", bed]}[
        kind
    ]
    words = [data.vcf, "-p", data.populations, "--threads", 1, *laid, "--statistics", "pi,fst,pbs,ihs"]
    planned = popscan("plan", *words, "--json")
    assert (planned.code, planned.err) == (0, "")
    plan = json.loads(planned.out)
    scanned(*words, "--out", tmp_path / "out")
    table, run = (
        read_table(tmp_path / "out" / "windows.tsv.gz"),
        json.loads((tmp_path / "out" / "run.json").read_text()),
    )
    assert plan["windows"] == run["windows"]
    assert plan["windows"]["count"] == len(table.rows)
    assert plan["columns"] == table.columns[3:-1]
    assert plan["contigs"] == run["contigs"] == data.contigs
    assert plan["regions"] == run["regions"]
    assert plan["populations"] == run["populations"]
    assert (plan["pairs"], plan["trios"]) == (run["options"]["pairs"], run["options"]["trios"])
    assert {key: plan[key] for key in ("ploidy", "unphased", "polarised", "missing")} == run["data"]
    assert plan["threads"] == 1
    assert plan["seconds"] > 0
    assert plan["memory_mb_per_process"] > 100
    assert plan["records"] >= (450 if kind != "bed" else 0)
    text = popscan("plan", *words).out
    assert f"windows      {len(table.rows):,}: " in text
    assert f"columns      {len(table.columns) - 4}: pi" in text
    assert f"parts        {plan['parts']}\n" in text
    assert "samples      A (8 haplotypes), B (8 haplotypes), C (8 haplotypes); ploidy 2" in text
    assert "contigs      1, 2, 3\n" in text


def test_a_plan_writes_nothing(data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert popscan("plan", data.vcf, "--window", "40snps", "--threads", 1).code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_plan_counts_time_in_fitting_units() -> None:
    from scanner.cli.plan import _time

    assert [_time(seconds) for seconds in (4, 89, 91, 5_000, 7_200, 360_000)] == [
        "4 s", "89 s", "2 min", "83 min", "2.0 h", "100.0 h"
    ]  # fmt: skip


def test_many_contigs_are_named_shortly(tmp_path: Path) -> None:
    data = several(tmp_path, contigs=11, records=20)
    assert "contigs      1, 2, 3, 4, 5, 6, 7, 8 and 3 more\n" in popscan("plan", data.vcf).out


def test_publish_brings_back_what_was_deleted(data: Several, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scanned(data.vcf, "-p", data.populations, "--out", out, "--threads", 1, *BASE)

    def drawn() -> dict[str, bytes]:
        files = [path for path in out.rglob("*") if path.is_file() and path.suffix not in (".tbi", ".json")]
        return {str(path.relative_to(out)): path.read_bytes() for path in files}

    before = drawn()
    shutil.rmtree(out / "tracks")
    shutil.rmtree(out / "calls")
    (out / "igv_session.xml").unlink()
    done = popscan("publish", out)
    assert (done.code, done.out) == (0, "")
    assert "browser files; open" in done.err
    assert drawn() == before


def test_publish_needs_a_result(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = popscan("publish", folder)
        assert (done.code, "is not a popscan result" in done.sentence) == (1, True)


def test_the_demo_is_a_scan_of_the_bundled_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scanner.cli import demo
    from scanner.data import sample

    seen: list[Any] = []
    monkeypatch.setattr(demo, "perform", lambda *given, **named: seen.append((given, named)))
    monkeypatch.chdir(tmp_path)
    assert popscan("demo", "--threads", 2, "--force").code == 0
    (asked, out, threads, scheduler), named = seen[0]
    assert isinstance(named.pop("bar"), Bar)
    assert (out, threads, scheduler, named) == (Path("popscan-demo"), 2, None, {"force": True, "quiet": False})
    assert (asked.vcf, asked.windows) == (sample().vcf, WindowSpec("bp", 50_000, 10_000))


def test_the_default_folder_is_named_after_the_file(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scanned(data.vcf, "--threads", 1, *BASE)
    assert [path.name for path in tmp_path.iterdir()] == ["input.popscan"]


def test_defaults_are_the_librarys(data: Several) -> None:
    """What click gives where nothing is asked for is what `ScanOptions` has."""
    context = scan_command.scan.make_context("scan", [str(data.vcf)])
    given = {key: value for key, value in context.params.items() if key not in ("vcf", "out", "threads", "scheduler")}
    window = WindowSpec("bp", 100_000, 100_000)
    assert options.WINDOW == "100kb"
    assert read_options(data.vcf, given) == ScanOptions(data.vcf, window)


def test_every_command_has_help() -> None:
    told = popscan("--help")
    assert told.code == 0
    for name, command in group.cli.commands.items():
        assert name in told.out
        assert command.short_help
        shown = popscan(name, "-h")
        assert shown.code == 0
        assert shown.out.startswith(f"Usage: popscan {name} ")
        for parameter in command.params:
            assert not isinstance(parameter, scan_command.click.Option) or parameter.help, parameter.name


def test_the_version_is_said() -> None:
    assert popscan("--version").out == f"popscan, version {scanner.__version__}\n"


def test_the_group_is_loaded_when_asked_for() -> None:
    import scanner.cli as package

    assert package.cli is group.cli
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "/x/y"), "/x/y: the disk is full"),
        (OSError(122, "Disk quota exceeded"), "a file: the disk quota is used up"),
        (PermissionError(13, "Permission denied", "/x/y"), "/x/y: permission denied"),
        (OSError(36, "File name too long", "/x/y"), "/x/y: File name too long"),
        (OSError("odd"), "a file: odd"),
        (OutputError("it did not work"), "it did not work"),
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_whatever_is_raised_on_purpose_or_by_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, sentence: str
) -> None:
    def fail(*_given: Any, **_named: Any) -> None:
        raise error

    monkeypatch.setattr("scanner.cli.publish.make", fail)
    done = popscan("publish", "x")
    assert (done.code, done.sentence) == (1, sentence)


def test_a_closed_pipe_is_no_error_message(data: Several) -> None:
    """As in ``popscan plan ... | head -0``."""
    code = "import sys; from scanner.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "plan", str(data.vcf), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 1


def test_our_own_mistakes_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: Any, **_named: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("scanner.cli.publish.make", fail)
    with pytest.raises(ZeroDivisionError):
        popscan("publish", "x")


def test_a_very_long_name_is_one_line(data: Several, tmp_path: Path) -> None:
    done = popscan("scan", data.vcf, "--out", tmp_path / ("x" * 300), "--threads", 1)
    assert (done.code, "File name too long" in done.sentence) == (1, True)


def test_main_reads_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["popscan", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("popscan, version")


def test_the_command_starts_quickly_and_lightly() -> None:
    """Neither Dask nor a network library is loaded for help; Ctrl-C is heard while numba loads."""
    code = "import sys, scanner.cli; print([m for m in ('numba', 'numpy', 'click') if m in sys.modules])"
    early = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert early.stdout == "[]\n"
    code = (
        "import sys; from scanner.cli import main; main(['--help'])\n"
        "print([m for m in ('distributed', 'keras', 'tensorflow', 'pyBigWig.x', 'tornado') if m in sys.modules])"
    )
    best = 9.0
    for _ in range(3):
        began = time.perf_counter()
        helped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        best = min(best, time.perf_counter() - began)
    assert helped.stdout.endswith("[]\n")
    assert best < 3, "0.6 s on an idle machine"


def test_a_bar_is_drawn_on_a_terminal_only(data: Several, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    lead, follow = pty.openpty()
    words = ["scan", data.vcf, "--out", tmp_path / "out", "--threads", "1", *BASE]
    code = "import sys; from scanner.cli import main; sys.exit(main())"
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=follow, stdout=subprocess.PIPE, env=environment
    )
    out, _ = process.communicate(timeout=60)
    os.close(follow)
    shown = b""
    while True:
        try:
            more = os.read(lead, 65536)
        except OSError:
            break
        shown += more
    os.close(lead)
    assert (process.returncode, out) == (0, b"")
    assert b"drawing tracks" in shown or b"scanning" in shown
    assert b"30 windows" in shown


def test_compiled_code_finds_a_place_where_package_and_home_are_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often run like that."""
    import scanner.cli

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    scanner.cli._give_numba_a_cache()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == Path(tempfile.gettempdir())


def test_without_threads_little_work_gets_one_process_and_much_gets_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a process costs a second; who says --threads gets what they say."""
    from scanner.cli import options as cli_options

    started: list[int] = []
    monkeypatch.setattr(cli_options, "available_threads", lambda: 8)
    monkeypatch.setattr(cli_options, "workers", lambda count, *_rest: started.append(count))
    automatic, told = cli_options.worker_factory(None, None), cli_options.worker_factory(3, None)
    automatic(10, 249_999), automatic(10, 500_000), automatic(10, 10**9), told(10, 5)
    assert started == [1, 3, 8, 3]
