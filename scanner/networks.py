"""The networks of a scan: which are asked for, whether the data suit them, and the columns they give.

Nothing here loads Keras: a plan is made from the contracts alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.encoding import Encoding, encoding
from scanner.errors import InputError, UsageError
from scanner.network import prior
from scanner.network.spec import Range, Spec, read_spec
from scanner.network.store import SUMMED
from scanner.provenance import checksum
from scanner.statistics import registry
from scanner.statistics.registry import ScoreColumn

Int = NDArray[np.int64]

SPEC = "spec.toml"
FAR = 0.95
"""Out-of-range score above which a window counts as unlike those of the training: one in twenty of these does."""
_TABLE = {"contig", "start", "end", "reasons"}


@dataclass(frozen=True)
class Network:
    """One network: its folder and contract.

    Parameters
    ----------
    folder
        Where it is.
    spec
        Its contract.
    digest
        SHA-256 of ``spec.toml``, and through its sums of all that decides what the network predicts.
    """

    folder: Path
    spec: Spec
    digest: str

    @property
    def encoding(self) -> Encoding:
        """Which sites it looks at, and how."""
        return encoding(self.spec.encoding, self.spec.min_count)

    @property
    def haplotypes(self) -> Range:
        """Fewest and most haplotypes of a population that it was trained on."""
        low, high = self.spec.ranges.get("haplotypes", (2.0, float("inf")))
        return max(2.0, low), high

    @property
    def min_sites(self) -> int:
        """Fewest used sites of a window that it was trained on."""
        return max(1, int(self.spec.ranges.get("sites", (1.0, 1.0))[0]))

    @property
    def values(self) -> tuple[str, ...]:
        """Scores that it gives: each output with the bounds of its interval, or the probability of each class."""
        bounded = tuple(name for out in self.spec.outputs for name in (out.name, f"{out.name}_low", f"{out.name}_high"))
        return bounded + tuple(item.name for item in self.spec.classes)

    @property
    def scores(self) -> tuple[str, ...]:
        """All its scores, the last of which says how far a window lies from those of the training."""
        return (*self.values, f"{self.spec.id}_out_of_range")


@dataclass(frozen=True)
class Draw:
    """The chromosomes of a population that a network looks at.

    Parameters
    ----------
    samples
        Numbers of the samples within the population, rising.
    ploidy
        Chromosomes of each.
    size
        Haplotypes in all: as many of these chromosomes, from the first on.
    out_of
        Haplotypes of the whole population.
    """

    samples: tuple[int, ...]
    ploidy: int
    size: int
    out_of: int

    @property
    def thinned(self) -> bool:
        """Whether some are left out."""
        return self.size < self.out_of

    def columns(self, ploidy: int) -> Int:
        """Give their columns where every sample has ``ploidy`` of them: (size,) int64.

        Examples
        --------
        >>> Draw((0, 2), 2, 3, 6).columns(2).tolist(), Draw((0, 2), 1, 2, 3).columns(2).tolist()
        ([0, 1, 4], [0, 4])
        """
        first = np.array(self.samples, np.int64)[:, None] * ploidy
        return (first + np.arange(self.ploidy)).ravel()[: self.size]


@dataclass(frozen=True)
class Networks:
    """Everything about the networks of a scan that its plan fixes.

    Parameters
    ----------
    each
        The networks, in the order in which they were named.
    draws
        For each of them, and for every population: the chromosomes that it looks at.
    dense
        Predict for windows around every site too.
    device
        What networks compute on: ``auto``, ``cpu`` or ``gpu``; the result does not depend on it.
    priors
        For each of them: prior probabilities of its classes; empty for one that predicts values.
    """

    each: tuple[Network, ...] = ()
    draws: tuple[tuple[Draw, ...], ...] = ()
    dense: bool = False
    device: str = "auto"
    priors: tuple[tuple[float, ...], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.each)

    def columns(self, populations: Sequence[str], *, suffix: bool) -> list[ScoreColumn]:
        """List their columns in the table's order: score after score, each for all populations."""
        return [
            ScoreColumn(score, (population,) if suffix else ())
            for network in self.each
            for score in network.scores
            for population in populations
        ]

    def site_columns(self, populations: Sequence[str], *, suffix: bool) -> list[ScoreColumn]:
        """List the columns of the table of sites, network after network and population after population."""
        return [
            ScoreColumn(score, (population,) if suffix else ())
            for network in (self.each if self.dense else ())
            for population in populations
            for score in network.values
        ]

    def record(self, populations: Sequence[str]) -> dict[str, Any]:
        """Describe them for run.json."""
        found = {}
        for network, draws, priors in zip(self.each, self.draws, self.priors, strict=True):
            spec = network.spec
            drawn = zip(populations, draws, strict=True)
            found[spec.id] = {
                "digest": network.digest,
                "title": spec.title,
                "task": spec.task,
                "encoding": spec.encoding,
                "min_count": spec.min_count,
                "window": list(spec.window),
                "priors": {item.name: prior for item, prior in zip(spec.classes, priors, strict=True)},
                "haplotypes": list(spec.ranges.get("haplotypes", ())),
                "members": len(spec.seeds),
                "intervals": {output.name: output.interval for output in spec.outputs},
                "versions": dict(spec.versions),
                "licence": spec.licence,
                "thinned": {name: {"from": d.out_of, "to": d.size} for name, d in drawn if d.thinned},
            }
        return found


NO_NETWORKS = Networks()


def recorded(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give what run.json says of the networks of a scan, as `Networks.record` wrote it: what is none is left out.

    Parameters
    ----------
    record
        All of run.json.
    """
    held = record.get("models")
    entries = held.items() if isinstance(held, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict)}


def read_networks(folders: Sequence[Path]) -> tuple[Network, ...]:
    """Read the contracts of networks, and make sure that their files are those the contracts were written for.

    Parameters
    ----------
    folders
        Model folders.

    Raises
    ------
    InputError
        Where a folder is damaged, or asks for what this popscan has not.
    UsageError
        Where two networks, or a network and a statistic, would give columns of one name.
    """
    found = tuple(_read(folder) for folder in folders)
    taken = dict.fromkeys([*_TABLE, *_statistics()], "a statistic")
    for network in found:
        for score in network.scores:
            if score in taken:
                raise UsageError(
                    f"--models: {network.folder} gives the score '{score}', which {taken[score]} gives too: "
                    "scan with one of them at a time"
                )
            taken[score] = f"the network {network.spec.id}"
    return found


def read_prior(networks: Sequence[Network], given: Sequence[tuple[str, float]]) -> tuple[tuple[float, ...], ...]:
    """Give the prior probabilities of the classes of every network.

    Parameters
    ----------
    networks
        The networks.
    given
        Names and probabilities, as ``--prior`` has them.

    Raises
    ------
    UsageError
        For a name that no network knows, and priors that do not sum to one.
    """
    known = [name for network in networks for name in prior.names(network.spec)]
    for name, _ in given:
        if name not in known:
            there = f"there is {', '.join(known)}" if known else "none of the --models tells classes"
            raise UsageError(f"--prior {name}: no network of the scan knows it: {there}")
    return tuple(prior.resolve(network.spec, dict(given)) if network.spec.classes else () for network in networks)


def arrange(
    networks: tuple[Network, ...],
    samples: Mapping[str, int],
    present: Mapping[str, int],
    ploidy: int,
) -> tuple[tuple[Draw, ...], ...]:
    """Choose the chromosomes of every population that each network looks at.

    A larger population than a network was trained on is thinned by a draw of whole samples that depends on the
    network, on the population's name and on nothing else.

    Parameters
    ----------
    networks
        The networks.
    samples
        Population -> number of samples.
    present
        Population -> number of chromosomes that are there.
    ploidy
        Chromosomes a sample.

    Raises
    ------
    UsageError
        Where a population has fewer haplotypes than a network was trained on.
    """
    for network in networks:
        low, high = network.haplotypes
        for name, count in present.items():
            if count < low:
                known = f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
                raise UsageError(
                    f"population '{name}' has {count} haplotypes, and {network.spec.id} was trained on {known}: "
                    "leave it out, or train a network for such samples with popscan train --like"
                )
    return tuple(tuple(_draw(network, name, count, ploidy) for name, count in samples.items()) for network in networks)


def _draw(network: Network, population: str, samples: int, ploidy: int) -> Draw:
    """Thin a population to the most haplotypes that a network was trained on."""
    columns, high = samples * ploidy, network.haplotypes[1]
    if columns <= high:
        return Draw(tuple(range(samples)), ploidy, columns, columns)
    seed = hashlib.sha256(f"{network.digest} {population}".encode()).digest()
    drawn = np.random.default_rng(list(seed)).permutation(samples)[: -(-int(high) // ploidy)]
    return Draw(tuple(np.sort(drawn).tolist()), ploidy, int(high), columns)


def _read(folder: Path) -> Network:
    """Read one contract."""
    path = folder / SPEC
    spec = read_spec(path, SUMMED)
    try:
        encoding(spec.encoding, spec.min_count)
    except ValueError as error:
        raise InputError(f"{path}: {error}: use the popscan that trained the network") from error
    for name, expected in spec.files.items():
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: get the model again")
        if checksum(folder / name) != expected:
            raise InputError(f"{folder / name} is not the file that {SPEC} was written for: get the model again")
    return Network(folder, spec, checksum(path))


def _statistics() -> set[str]:
    """Name all scores that statistics give."""
    names = registry.statistic_names()
    groups = [("A",), ("A", "B"), ("A", "B", "C")]
    return {entry.name for entry in registry.columns(names, ["A", "B", "C"], groups[1:2], groups[2:])}
