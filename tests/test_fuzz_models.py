"""Whatever stands in a model folder, loading it gives the network or one sentence."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
import small_network
from fuzz_targets import resummed
from fuzzing import drawn, mutated, share

from scanner.errors import PopscanError
from scanner.network import store

FILES = ("spec.toml", "architecture.json", "model.weights.h5", "golden.npz", "reference.npz")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "small-one"
    small_network.write(folder, 1)
    return folder


def test_harmed_models(saved: Path, tmp_path: Path) -> None:
    """The sums in the specification are mended, so that what was harmed is read."""
    failed = []
    for number in range(share(0.02)):
        draw = drawn("model", number)
        folder, name = tmp_path / str(number), draw.choice(FILES)
        shutil.copytree(saved, folder)
        (folder / name).write_bytes(mutated((saved / name).read_bytes(), draw))
        if name != "spec.toml":
            resummed(folder, name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                store.check_golden(store.load(folder))
        except PopscanError as error:
            failed += [f"{number} {name}: says nothing"] if len(str(error).split()) < 5 else []
        except Exception as error:
            failed.append(f"{number} {name}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
    assert not failed, "\n".join(failed)
