"""The networks of a scan: which are asked for, whether the data suit them, and the columns they give.

Nothing here loads Keras: a plan is made from the contracts alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import SIDES, GroupEncoding, group_encoding
from scanner.errors import InputError, UsageError
from scanner.network import prior
from scanner.network.spec import Range, Spec
from scanner.network.store import read_contract
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
    def encoding(self) -> GroupEncoding:
        """Which sites it looks at, and how."""
        return group_encoding(self.spec.encoding, self.spec.min_count)

    @property
    def haplotypes(self) -> tuple[Range, ...]:
        """Fewest and most haplotypes that it was trained on, of every population that it looks at together."""
        held = (self.spec.ranges.get(f"haplotypes{side}", (2.0, math.inf)) for side in SIDES[self.spec.populations])
        return tuple((max(2.0, low), high) for low, high in held)

    @property
    def phased(self) -> tuple[bool, ...]:
        """Whether it needs phase, of every population: of two it does not where it was trained on samples without."""
        if self.spec.populations == 1:
            return (True,)
        return tuple(self.spec.ranges.get(f"unphased{side}", (0.0, 0.0))[1] == 0 for side in SIDES[2])

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
class Group:
    """What a network looks at together: one population or two.

    Parameters
    ----------
    populations
        Their names.
    draws
        For each of them, the chromosomes that are looked at.
    """

    populations: tuple[str, ...]
    draws: tuple[Draw, ...]

    @property
    def size(self) -> int:
        """Haplotypes in all."""
        return sum(draw.size for draw in self.draws)


@dataclass(frozen=True)
class Networks:
    """Everything about the networks of a scan that its plan fixes.

    Parameters
    ----------
    each
        The networks, in the order in which they were named.
    groups
        For each of them, the populations or pairs of populations that it looks at.
    left_out
        For each of them, the populations or pairs that it was not trained for: too few haplotypes.
    dense
        Predict for windows around every site too.
    device
        What networks compute on: ``auto``, ``cpu`` or ``gpu``; the result does not depend on it.
    priors
        For each of them: prior probabilities of its classes; empty for one that predicts values.
    """

    each: tuple[Network, ...] = ()
    groups: tuple[tuple[Group, ...], ...] = ()
    left_out: tuple[tuple[tuple[str, ...], ...], ...] = ()
    dense: bool = False
    device: str = "auto"
    priors: tuple[tuple[float, ...], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.each)

    def columns(self, *, suffix: bool) -> list[ScoreColumn]:
        """List their columns in the table's order: score after score, each for all groups."""
        return [
            ScoreColumn(score, group.populations if suffix else ())
            for network, groups in zip(self.each, self.groups, strict=True)
            for score in network.scores
            for group in groups
        ]

    def site_columns(self, *, suffix: bool) -> list[ScoreColumn]:
        """List the columns of the table of sites, network after network and group after group."""
        return [
            ScoreColumn(score, group.populations if suffix else ())
            for network, groups in (zip(self.each, self.groups, strict=True) if self.dense else ())
            for group in groups
            for score in network.values
        ]

    def record(self) -> dict[str, Any]:
        """Describe them for run.json."""
        found = {}
        rows = zip(self.each, self.groups, self.left_out, self.priors, strict=True)
        for network, groups, left_out, priors in rows:
            spec = network.spec
            drawn = {name: draw for group in groups for name, draw in zip(group.populations, group.draws, strict=True)}
            found[spec.id] = {
                "digest": network.digest,
                "title": spec.title,
                "task": spec.task,
                "encoding": spec.encoding,
                "min_count": spec.min_count,
                "window": list(spec.window),
                "priors": {item.name: prior for item, prior in zip(spec.classes, priors, strict=True)},
                "haplotypes": [list(bounds) for bounds in network.haplotypes],
                "members": len(spec.seeds),
                "intervals": {output.name: output.interval for output in spec.outputs},
                "versions": dict(spec.versions),
                "licence": spec.licence,
                "groups": [list(group.populations) for group in groups],
                "left_out": [list(names) for names in left_out],
                "thinned": {name: {"from": d.out_of, "to": d.size} for name, d in drawn.items() if d.thinned},
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
    pairs: Sequence[tuple[str, ...]] = (),
) -> Networks:
    """Choose what each network looks at: the populations or pairs it was trained for, and chromosomes of each.

    A larger population than a network was trained on is thinned by a draw of whole samples that depends on the
    network, on the population's name and on nothing else. One that is too small is left out.

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
    pairs
        Pairs of populations, for networks that look at two.

    Returns
    -------
    The networks with their groups, without priors.

    Raises
    ------
    UsageError
        Where a network is left without any.
    """
    groups, left_out = [], []
    for network in networks:
        there = [(name,) for name in samples] if network.spec.populations == 1 else list(pairs)
        if not there:
            raise UsageError(
                f"{network.spec.id} looks at two populations together: name them in a file (--populations) and as "
                "a pair (--pair A:B)"
            )
        fitting = [names for names in there if _too_small(network, names, present) is None]
        if not fitting:
            raise UsageError(
                f"{_too_small(network, there[0], present)}: leave {network.spec.id} out, or train a network for such "
                "samples with popscan train --like"
            )
        left_out.append(tuple(names for names in there if names not in fitting))
        groups.append(tuple(_group(network, names, samples, ploidy) for names in fitting))
    return Networks(networks, tuple(groups), tuple(left_out))


def _too_small(network: Network, names: Sequence[str], present: Mapping[str, int]) -> str | None:
    """Say which population has fewer haplotypes than a network was trained on, if any has."""
    for name, (low, high) in zip(names, network.haplotypes, strict=True):
        if present[name] < low:
            known = f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
            return f"population '{name}' has {present[name]} haplotypes, and {network.spec.id} was trained on {known}"
    return None


def _group(network: Network, names: tuple[str, ...], samples: Mapping[str, int], ploidy: int) -> Group:
    """Choose the chromosomes of a group."""
    most = (high for _, high in network.haplotypes)
    draws = (_draw(network, name, samples[name] * ploidy, ploidy, high) for name, high in zip(names, most, strict=True))
    return Group(tuple(names), tuple(draws))


def _draw(network: Network, population: str, columns: int, ploidy: int, most: float) -> Draw:
    """Thin a population to the most haplotypes that a network was trained on."""
    samples = columns // ploidy
    if columns <= most:
        return Draw(tuple(range(samples)), ploidy, columns, columns)
    seed = hashlib.sha256(f"{network.digest} {population}".encode()).digest()
    drawn = np.random.default_rng(list(seed)).permutation(samples)[: -(-int(most) // ploidy)]
    return Draw(tuple(np.sort(drawn).tolist()), ploidy, int(most), columns)


def _read(folder: Path) -> Network:
    """Read one contract."""
    path = folder / SPEC
    spec = read_contract(folder)
    try:
        how = group_encoding(spec.encoding, spec.min_count)
    except ValueError as error:
        raise InputError(f"{path}: {error}: use the popscan that trained the network") from error
    if how.populations != spec.populations:
        raise InputError(f"{path} says {spec.populations} population(s), and {how.name} is of {how.populations}")
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
