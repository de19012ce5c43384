"""What was asked for survives run.json: a scan is repeated from it, or refused where its inputs were changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from scanning import Several, popscan, scanned, several, tables

from scanner import request
from scanner.errors import InputError, UsageError
from scanner.options import ScanOptions, WindowSpec
from scanner.request import as_request, from_request, recall


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """2 contigs."""
    return several(tmp_path_factory.mktemp("request"), contigs=2, records=120)


def everything(data: Several, folder: Path) -> list[object]:
    """Give words that use every kind of option."""
    (folder / "windows.bed").write_text("1\t100\t9000\n2\t0\t20000\n2\t15000\t39000\n")
    (folder / "mask.bed").write_text("1\t500\t40000\n2\t0\t40000\n")
    (folder / "samples.txt").write_text("".join(f"s{number}\n" for number in range(11)))
    (folder / "genes.gff").write_text("##gff-version 3\n1\t.\tgene\t100\t900\t.\t+\t.\tID=a;Name=a\n")
    return [
        data.vcf, "-p", data.populations, "--windows", folder / "windows.bed", "--mask", folder / "mask.bed",
        "-S", folder / "samples.txt", "--genes", folder / "genes.gff", "--pair", "C:A", "--trio", "B:A:C",
        "--statistics", "pi,fst,pbs,ihs", "--min-sites", "2", "--min-maf", "0.05", "--max-missing", "0.1",
        "--min-callable", "0.4", "--region", "1", "--region", "2:1-39,000", "--genome", "hg19", "--threads", 1,
    ]  # fmt: skip


def test_a_scan_is_repeated_from_its_run_json(data: Several, tmp_path: Path) -> None:
    scanned(*everything(data, tmp_path), "--out", tmp_path / "first")
    origin = tmp_path / "first" / "run.json"
    scanned("--from", origin, "--out", tmp_path / "second", "--threads", 1)
    assert tables(tmp_path / "second") == tables(tmp_path / "first")
    first, second = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("first", "second"))
    for name in ("identity", "request", "options", "inputs", "scores", "genome", "genes"):
        assert second[name] == first[name], name
    again = scanned("--from", tmp_path / "second", "--out", tmp_path / "first", "--threads", 1)
    assert "holds this very scan already" in again.err
    assert set(first["inputs"]) == {"vcf", "populations", "samples", "mask", "bed", "genes"}


def test_defaults_are_repeated_and_the_vcf_may_have_moved(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.vcf.parent)
    scanned(data.vcf.name, "--out", tmp_path / "first", "--window", "4kb", "--threads", 1)
    monkeypatch.chdir(tmp_path)
    scanned("--from", "first/run.json", "--out", "second", "--threads", 1, "--device", "cpu")
    moved = tmp_path / "moved.vcf.gz"
    shutil.copy(data.vcf, moved)
    scanned(moved, "--from", "first/run.json", "--threads", 1)
    assert tables(tmp_path / "moved.popscan") == tables(tmp_path / "second") == tables(tmp_path / "first")


@pytest.mark.parametrize("name", ["mask.bed", "windows.bed", "samples.txt", "genes.gff"])
def test_an_input_that_was_changed_or_is_gone_is_refused(data: Several, tmp_path: Path, name: str) -> None:
    scanned(*everything(data, tmp_path), "--out", tmp_path / "first")
    origin, path = tmp_path / "first" / "run.json", tmp_path / name
    path.write_text(path.read_text() + "\n")
    changed = popscan("scan", "--from", origin, "--out", tmp_path / "second")
    assert changed.code == 1
    assert changed.sentence.startswith(f"{path} is not the ")
    assert f"that {origin} was made of" in changed.sentence
    path.unlink()
    gone = popscan("scan", "--from", origin, "--out", tmp_path / "second")
    assert (gone.code, f"{path}, the " in gone.sentence, "is gone: put it back" in gone.sentence) == (2, True, True)
    assert not (tmp_path / "second").exists()


def test_another_vcf_and_other_options_are_refused(data: Several, tmp_path: Path) -> None:
    scanned(data.vcf, "--out", tmp_path / "first", "--window", "4kb", "--threads", 1)
    origin = tmp_path / "first" / "run.json"
    other = several(tmp_path, contigs=1, records=50)
    refused = popscan("scan", other.vcf, "--from", origin, "--out", tmp_path / "second")
    assert (refused.code, f"{other.vcf} is not the vcf that {origin} was made of" in refused.sentence) == (1, True)
    refused = popscan("scan", "--from", origin, "--step", "1kb", "--device", "cpu", "-r", "1")
    assert (refused.code, refused.sentence) == (
        2,
        f"--from {origin} says all that is to be computed: leave out --step, --region",
    )
    assert popscan("scan").sentence == "give the VCF to scan, or --from RUN.JSON to repeat a scan"


def test_another_version_is_worth_a_note(data: Several, tmp_path: Path) -> None:
    scanned(data.vcf, "--out", tmp_path / "first", "--window", "4kb", "--threads", 1)
    origin = tmp_path / "first" / "run.json"
    record = json.loads(origin.read_text())
    origin.write_text(json.dumps({**record, "popscan": "0.0.9"}))
    said = scanned("--from", origin, "--out", tmp_path / "second", "--threads", 1).err
    assert f"note: {origin} is of popscan 0.0.9, this is " in said
    assert scanned("--from", origin, "--out", tmp_path / "third", "--threads", 1, "--quiet").err == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not JSON"),
        ("[]", "is no run.json of popscan's"),
        ('{"other": 1}', "is no run.json of popscan's"),
        ('{"popscan": "0.1.0"}', "does not hold what a scan was asked for"),
        ('{"popscan": "0.1.0", "request": [3]}', "does not hold what a scan was asked for"),
        ('{"popscan": "0.1.0", "request": {"vcf": 3}}', "does not hold what a scan was asked for"),
    ],
)
def test_what_is_no_run_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    refused = popscan("scan", "--from", path)
    assert (refused.code, message in refused.sentence) == (2, True), refused.sentence
    assert popscan("scan", "--from", tmp_path / "none.json").sentence.endswith(
        "cannot be read: No such file or directory"
    )


OPTIONS = ScanOptions(Path("/d/x.vcf.gz"), WindowSpec("sites", 50, 10), ("pi",), trios=(), models=(Path("/m/one"),))


def test_every_option_is_kept() -> None:
    """What is added to the options travels too, or from_request says that it is lacking."""
    written = json.loads(json.dumps(as_request(OPTIONS)))
    assert set(written) == {field.name for field in fields(ScanOptions)}
    assert from_request(written, Path("run.json")) == OPTIONS
    for name in written:
        with pytest.raises(UsageError, match="does not hold what a scan was asked for"):
            from_request({key: value for key, value in written.items() if key != name}, Path("run.json"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("windows", {"kind": "bp"}), ("pairs", 3), ("statistics", None), ("models", [1]), ("min_sites", "x"), ("vcf", [])],
)
def test_a_bad_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=r"run\.json does not hold what a scan was asked for"):
        from_request({**as_request(OPTIONS), name: value}, Path("run.json"))


def write_run(folder: Path, options: ScanOptions, models: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    record = {"popscan": "0.1.0", "request": as_request(options), "inputs": {}, "models": models}
    (folder / "run.json").write_text(json.dumps(record))
    return folder / "run.json"


def test_networks_are_held_against_their_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "spec.toml").write_text("x = 1\n")
    monkeypatch.setattr(request, "input_files", lambda _options: {})
    options = replace(OPTIONS, models=(folder,))
    digest = request.provenance.checksum(folder / "spec.toml")
    run = write_run(tmp_path, options, {"mine": {"digest": digest}})
    assert recall(run).models == (folder,)
    with pytest.raises(UsageError, match="does not say which networks were used"):
        recall(write_run(tmp_path, options, {}))
    with pytest.raises(InputError, match=r"is not the network mine that .* was made with"):
        recall(write_run(tmp_path, options, {"mine": {"digest": "0"}}))
    run = write_run(tmp_path, options, {"mine": {"digest": digest}})
    moved = tmp_path / "moved"
    folder.rename(moved)
    with pytest.raises(UsageError, match=r"model, the network mine of .*run\.json, is gone: put it back"):
        recall(run)
    monkeypatch.setattr(request, "names", lambda: ["mine"])
    monkeypatch.setattr(request, "locate", lambda _name: moved)
    assert recall(run).models == (moved,)


def test_a_genome_that_is_gone_is_refused(data: Several, tmp_path: Path) -> None:
    fasta = tmp_path / "genome.fa"
    fasta.write_text("".join(f">{contig}\n{'A' * length}\n" for contig, length in data.contigs.items()))
    scanned(data.vcf, "--genome", fasta, "--out", tmp_path / "first", "--window", "4kb", "--threads", 1)
    for index in tmp_path.glob("genome.fa*"):
        index.unlink()
    refused = popscan("scan", "--from", tmp_path / "first" / "run.json")
    assert (refused.code, "genome.fa, the genome of " in refused.sentence) == (2, True)
