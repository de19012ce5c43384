"""What is harmed: each target puts sound files into a folder, harms one of them and gives the call that reads it."""

from __future__ import annotations

import gzip
import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pysam
from conftest import save_vcf, vcf_text
from fuzzing import mutated
from scanning import random_records, scanned

LENGTH = 20_000
SAMPLES = [f"s{number}" for number in range(6)]
OPTIONS = ["--threads", 1, "--window", "5kb", "--min-sites", 1, "--statistics", "pi,tajimas_d,h12,fst,h12"]
GENES = [("1", 1, 4_000, "LCT"), ("1", 9_001, 12_000, "MCM6"), ("2", 500, 900, "EDAR")]


@dataclass(frozen=True)
class Sound:
    """A folder of sound files of every kind, and the bytes of each."""

    folder: Path

    def copy(self, to: Path, *names: str) -> None:
        """Copy files, or folders, into a case."""
        for name in names:
            source = self.folder / name
            if source.is_dir():
                shutil.copytree(source, to / name)
            else:
                shutil.copy(source, to)

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def make_sound(folder: Path) -> Sound:
    """Write the sound files: 2 contigs, 60 records each, 6 samples in populations A and B."""
    rows = [row for at in (1, 2) for row in random_records(str(at), LENGTH, 60, 6, at)]
    text = vcf_text(rows, SAMPLES, {"1": LENGTH, "2": LENGTH})
    save_vcf(text, folder / "input.vcf.gz")
    save_vcf(text, folder / "input.bcf")
    texts = {
        "input.vcf": text,
        "p.tsv": "sample\tpop\n" + "".join(f"{name}\t{'AB'[at % 2]}\n" for at, name in enumerate(SAMPLES)),
        "s.txt": "\n".join(SAMPLES[:5]) + "\n",
        "mask.bed": "# callable\n1\t0\t9000\n1\t9500\t20000\n2\t0\t20000\n",
        "windows.bed": "1\t0\t5000\n1\t4000\t9000\n2\t100\t20000\n",
        "regions.bed": "1\t0\t15000\n2\t1000\t20000\n",
        "chrom.sizes": f"1\t{LENGTH}\n2\t{LENGTH}\n",
        "alias.txt": "#ucsc\tensembl\nchr1\t1\nchr2\t2\n",
        "a.fa": f">1\n{'ACGTN' * (LENGTH // 5)}\n>2\n{'acgta' * (LENGTH // 5)}\n",
        "genes.gff": "##gff-version 3\n"
        + "".join(f"{c}\tx\tgene\t{s}\t{e}\t.\t+\t.\tID=gene:{n};Name={n}\n" for c, s, e, n in GENES),
        "genes.gtf": "".join(f'{c}\tx\texon\t{s}\t{e}\t.\t+\t.\tgene_id "{n}";\n' for c, s, e, n in GENES),
    }
    for name, content in texts.items():
        (folder / name).write_text(content)
    pysam.faidx(str(folder / "a.fa"))
    scanned(folder / "input.vcf.gz", "-p", folder / "p.tsv", "--out", folder / "result", *OPTIONS)
    return Sound(folder)


Target = Callable[[Sound, Path, random.Random], list[object]]


def _scan(*words: object) -> list[object]:
    return ["scan", *words, "--out", "out", *OPTIONS]


def packed_vcf(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm the compressed bytes, with the index of the sound file or without one."""
    (case / "input.vcf.gz").write_bytes(mutated(sound.read("input.vcf.gz"), draw))
    if draw.random() < 0.5:
        sound.copy(case, "input.vcf.gz.tbi")
    return _scan("input.vcf.gz")


def text_vcf(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm the text, so that the compression is sound."""
    _bgzip(mutated(sound.read("input.vcf"), draw), case / "input.vcf.gz")
    if draw.random() < 0.2:
        sound.copy(case, "input.vcf.gz.tbi")
    sound.copy(case, "p.tsv")
    return _scan("input.vcf.gz", *draw.choice(([], ["-p", "p.tsv"])))


def packed_bcf(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    (case / "input.bcf").write_bytes(mutated(sound.read("input.bcf"), draw))
    if draw.random() < 0.5:
        sound.copy(case, "input.bcf.csi")
    return _scan("input.bcf")


def inner_bcf(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm the records inside sound compression."""
    _bgzip(mutated(gzip.decompress(sound.read("input.bcf")), draw), case / "input.bcf")
    if draw.random() < 0.5:
        sound.copy(case, "input.bcf.csi")
    return _scan("input.bcf")


def index(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm an index, most often inside sound compression."""
    name = draw.choice(("input.vcf.gz", "input.bcf"))
    suffix = {"input.vcf.gz": ".tbi", "input.bcf": ".csi"}[name]
    sound.copy(case, name)
    data = sound.read(name + suffix)
    if draw.random() < 0.3:
        (case / (name + suffix)).write_bytes(mutated(data, draw))
    else:
        _bgzip(mutated(gzip.decompress(data), draw), case / (name + suffix))
    return _scan(name)


def population_file(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    return _beside(sound, case, draw, {"p.tsv": "-p"})


def text_files(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm one of the small files that go with a scan."""
    return _beside(
        sound,
        case,
        draw,
        {"s.txt": "-S", "windows.bed": "--windows", "regions.bed": "-R", "chrom.sizes": "--chrom-sizes",
         "alias.txt": "--chrom-alias"},
    )  # fmt: skip


def mask(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    return _beside(sound, case, draw, {"mask.bed": "--mask"})


def fasta(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm an ancestral FASTA or its index."""
    sound.copy(case, "input.vcf.gz", "input.vcf.gz.tbi", "a.fa", "a.fa.fai")
    name = draw.choice(("a.fa", "a.fa", "a.fa.fai"))
    (case / name).write_bytes(mutated(sound.read(name), draw))
    if name == "a.fa" and draw.random() < 0.7:
        (case / "a.fa.fai").unlink()
    return _scan("input.vcf.gz", draw.choice(("--ancestral", "--genome")), "a.fa")


def genes(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    return _beside(sound, case, draw, {"genes.gff": "--genes", "genes.gtf": "--genes"})


def table(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm the table of a result, inside sound compression most often, then draw or check it."""
    sound.copy(case, "result")
    path = case / "result" / "windows.tsv.gz"
    data = path.read_bytes()
    if draw.random() < 0.2:
        path.write_bytes(mutated(data, draw))
    else:
        _bgzip(mutated(gzip.decompress(data), draw), path)
    return [draw.choice(("publish", "publish", "check")), "result"]


def record(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm run.json."""
    sound.copy(case, "result")
    path = case / "result" / "run.json"
    path.write_bytes(mutated(path.read_bytes(), draw))
    return [draw.choice(("publish", "publish", "check")), "result"]


def drawn_files(sound: Sound, case: Path, draw: random.Random) -> list[object]:
    """Harm a browser file or index of a result, for check to find."""
    sound.copy(case, "result")
    names = sorted(path for path in (case / "result").rglob("*") if path.is_file() and path.name != "run.json")
    path = draw.choice(names)
    path.write_bytes(mutated(path.read_bytes(), draw))
    return ["check", "result"]


def _beside(sound: Sound, case: Path, draw: random.Random, names: dict[str, str]) -> list[object]:
    name = draw.choice(sorted(names))
    sound.copy(case, "input.vcf.gz", "input.vcf.gz.tbi")
    content = mutated(sound.read(name), draw)
    (case / name).write_bytes(gzip.compress(content) if draw.random() < 0.1 else content)
    return _scan("input.vcf.gz", names[name], name)


def _bgzip(data: bytes, path: Path) -> None:
    with pysam.BGZFile(str(path), "wb") as file:
        file.write(data)


TARGETS: dict[Target, float] = {
    packed_vcf: 0.06,
    text_vcf: 0.16,
    packed_bcf: 0.06,
    inner_bcf: 0.10,
    index: 0.08,
    population_file: 0.06,
    text_files: 0.06,
    mask: 0.04,
    fasta: 0.05,
    genes: 0.04,
    table: 0.05,
    record: 0.03,
    drawn_files: 0.02,
}
"""What is harmed, and its share of all cases."""


def resummed(folder: Path, name: str) -> None:
    """Write a file's sum into a model's specification, so that what was harmed is looked at."""
    spec = folder / "spec.toml"
    sum_ = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    lines = [
        f'"{name}" = "{sum_}"' if line.startswith(f'"{name}" = ') else line for line in spec.read_text().split("\n")
    ]
    spec.write_text("\n".join(lines))
