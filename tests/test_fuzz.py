"""Whatever stands in a file, popscan ends in a sound result or in one sentence.

``POPSCAN_FUZZ_CASES`` says how many cases there are in all (make fuzz: 2,000), ``POPSCAN_FUZZ_SEED`` which.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pysam
import pytest
from fuzz_targets import OPTIONS, TARGETS, Sound, Target, make_sound
from fuzz_vcf import Odd, vcfs
from fuzzing import SEED, Server, drawn, faults_of_end, faults_of_result, half_written, serving, share, shown
from hypothesis import HealthCheck, Phase, given, seed, settings
from scanning import accounts


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return make_sound(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_harmed_files(server: Server, sound: Sound, tmp_path: Path, target: Target) -> None:
    failed = []
    for number in range(share(TARGETS[target])):
        case = tmp_path / str(number)
        case.mkdir()
        words = target(sound, case, drawn(target.__name__, number))
        before = {path: path.read_bytes() for path in case.rglob("*") if path.is_file()}
        ended = server.run(case, *words)
        faults = faults_of_end(ended, reports=words[0] == "check")
        if not faults and words[0] == "scan":
            faults = faults_of_result(server, case, ended)
        faults += half_written(
            path for path in case.rglob("*") if path.is_file() and before.get(path) != path.read_bytes()
        )
        if faults:
            failed.append(f"{case}: {shown(words, ended, faults)}")
        else:
            shutil.rmtree(case)
    assert not failed, f"{len(failed)} of {share(TARGETS[target])}:\n" + "\n".join(failed)


def test_odd_vcfs(server: Server, tmp_path: Path) -> None:
    """All are tried: to make the first failure smaller would take longer than to look at it."""
    failed, cases = list[str](), itertools.count()

    @seed(SEED)
    @settings(max_examples=share(0.2), database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(odd=vcfs())
    def try_all(odd: Odd) -> None:
        case = tmp_path / str(next(cases))
        case.mkdir()
        faults = faults_of_odd(server, case, odd)
        failed.extend([f"{case}: {faults}"] if faults else [])
        if not faults:
            shutil.rmtree(case)

    try_all()
    assert not failed, f"{len(failed)} of {next(cases)}:\n" + "\n".join(failed)


def faults_of_odd(server: Server, case: Path, odd: Odd) -> str:
    """Scan it; each record must be in the account, as a site or with the reason why it was left out."""
    (case / "input.vcf").write_text(odd.text, newline="")
    pysam.tabix_compress(str(case / "input.vcf"), str(case / "input.vcf.gz"))
    ended = server.run(case, "scan", "input.vcf.gz", "--out", "out", *OPTIONS, "--window", "1Mb")
    faults = faults_of_end(ended) or faults_of_result(server, case, ended)
    if ended.code == 0 and not faults:
        counted = sum(sum(counts.values()) for counts in accounts(case / "out")["records"].values())
        faults += [f"{counted} of {odd.records} records in the account"] if counted != odd.records else []
    return shown([], ended, faults) if faults else ""
