"""A small network, what goes in, and a model folder with it; for the tests of `scanner.network`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scanner.channels.encoding import encoding
from scanner.channels.windows import EXTRAS
from scanner.network import architecture, reference, store
from scanner.network.architecture import Architecture
from scanner.network.spec import Class, Output, Spec

CHANNELS = len(encoding("folded-2").channels)
ARCH = Architecture(
    channels=CHANNELS, extras=len(EXTRAS), outputs=1, width=8, dilations=(1, 2, 4), parts=3, head=8, windows=4
)
TEXTS = {"recipe.toml": "seed = 1\n", "metrics.json": "{}\n", "README.md": "# A small network\n"}


def inputs(seed: int = 0, batch: int = 2, sites: int = 64, arch: Architecture = ARCH) -> dict[str, np.ndarray]:
    """Draw a batch: some sites lie in no window, some windows and parts are empty, and the last rows are no sites."""
    rng = np.random.default_rng(seed)
    cells = arch.windows * arch.parts
    real = np.arange(sites) < sites - 7
    ids = np.sort(rng.choice([0, 1, 2, 4, 9, cells], size=(batch, sites)), axis=1)
    return {
        "sites": rng.normal(size=(batch, sites, arch.channels)).astype(np.float32),
        "mask": np.tile(real, (batch, 1)).astype(np.float32),
        "ids": np.where(real, ids, cells).astype(np.int32),
        "extras": rng.normal(size=(batch, arch.windows, arch.extras)).astype(np.float32),
    }


def network(*seeds: int, arch: Architecture = ARCH) -> Any:
    """Make an ensemble of untrained members, whose scales and biases are no ones and zeros."""
    members = []
    for seed in seeds:
        model, rng = architecture.build(arch, seed), np.random.default_rng([seed, 1])
        for weight in model.trainable_weights:
            if len(weight.shape) == 1:
                weight.assign(np.asarray(weight.value) + rng.normal(scale=0.3, size=weight.shape))
        sites = rng.normal(size=arch.channels), rng.uniform(0.5, 2, size=arch.channels)
        architecture.standardise(model, sites, (rng.normal(size=arch.extras), rng.uniform(0.5, 2, size=arch.extras)))
        members.append(model)
    return architecture.ensemble(members)


def spec(seeds: tuple[int, ...] = (1, 2), **changes: Any) -> Spec:
    """Give the contract of the small network."""
    fields: dict[str, Any] = {
        "id": "small-one",
        "title": 'A small "network" \u00e9\U0001f9ec',
        "task": "recombination",
        "encoding": "folded-2",
        "min_count": 2,
        "populations": 1,
        "parts": ARCH.parts,
        "extras": EXTRAS,
        "outputs": (Output("recombination_rate", "per bp and generation", "log10", -8.0, 0.5, 1.7),),
        "window": (1000.0, 500_000.0),
        "ranges": {"haplotypes": (16.0, 500.0), "density": (1e-5, 0.02)},
        "seeds": seeds,
        "versions": {"popscan": "0.1.0", "keras": "3.15.1", "backend": "tensorflow 2.21.0"},
        "licence": "MIT",
    }
    return Spec(**{**fields, **changes})


def write(folder: Path, *seeds: int, **changes: Any) -> Spec:
    """Save the small network."""
    summaries = np.random.default_rng(1).normal(size=(500, ARCH.channels + ARCH.extras))
    return store.save(
        folder,
        spec(seeds, **changes),
        network(*seeds),
        golden=inputs(),
        reference=reference.fit(summaries),
        texts=TEXTS,
    )


def write_classes(folder: Path, shares: Mapping[str, float], null: np.ndarray, *, context: int = 5) -> Spec:
    """Save a small network of sweeps, untrained, whose probabilities differ from window to window.

    ``null`` are probabilities of windows of the first class, one row a window.
    """
    arch = replace(ARCH, outputs=0, classes=len(shares), parts=context)
    changes: dict[str, Any] = {"task": "sweep", "outputs": (), "parts": context, "context": context}
    classes = tuple(Class(name, share) for name, share in shares.items())
    summaries = np.random.default_rng(1).normal(0, 10, size=(500, ARCH.channels + ARCH.extras))
    return store.save(
        folder,
        spec((1, 2), classes=classes, temperature=0.8, **changes),
        network(1, 2, arch=arch),
        golden=inputs(arch=arch),
        reference=reference.fit(summaries),
        texts=TEXTS,
        null=np.log(null),
    )


def null_windows(first: float, others: int, windows: int, seed: int = 5) -> np.ndarray:
    """Draw probabilities of windows of the first class, which has about the probability ``first``."""
    spread = np.full(others, 40 * (1 - first) / others)
    return np.random.default_rng(seed).dirichlet([40 * first, *spread], windows)
