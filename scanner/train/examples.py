"""Training examples: simulations looked at as a scan would look at them, packed into batches of equal shape.

Windows of many simulations stand one after the other along the sites of a tile, parted by rows that are no sites, as
if they were stretches of one long chromosome. So the network is trained on exactly the computation of a scan, and
hardly a row is wasted on padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import SIDES, GroupEncoding, encode_group, from_other_end, group_encoding, used_group_sites
from scanner.channels.windows import window_extras, window_parts, window_summaries
from scanner.errors import InputError
from scanner.haplotypes import Haplotypes
from scanner.simulate.coalescent import Simulation
from scanner.simulate.observe import Observed, observe
from scanner.simulate.priors import Prior, read_prior
from scanner.simulate.recipe import MAX_TILE, Recipe
from scanner.simulate.sets import SimulationSet
from scanner.train.targets import PARTS, TARGETS, target_name

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Single = NDArray[np.float32]

TILE = 2048
"""Sites of a tile, unless a recipe says ``training.tile``."""
GAP = 64
"""Most rows between two examples."""
TILES = 4
"""Tiles of a batch."""


@dataclass(frozen=True)
class View:
    """How the network sees simulations.

    Parameters
    ----------
    encoding
        Which sites and channels.
    parts, windows
        Parts of a window, and windows of a tile.
    target
        What is learned: a name out of `scanner.train.targets.TARGETS`.
    lengths
        bp of a window.
    per_simulation
        Windows of one simulation at most.
    min_sites
        Windows with fewer used sites are left out.
    flank
        Used sites on each side of a window that the trunk sees.
    tile
        Sites of a tile.
    """

    encoding: GroupEncoding
    parts: int
    windows: int
    target: str
    lengths: Prior
    per_simulation: int
    min_sites: int
    flank: int
    tile: int = TILE


@dataclass(frozen=True)
class Example:
    """Consecutive windows of one simulation.

    Parameters
    ----------
    values
        (sites, channels) float32, with the flanks.
    first, last
        (windows,) int64: the sites of each window, consecutive and apart.
    part
        (sites,) int64: part of its window in which a site lies; anything in the flanks.
    extras
        (windows, extras) float32.
    targets
        (windows, values or classes) float64.
    facts
        (windows,) values by name, for strata: what was drawn, and the haplotypes, sites and length of each window.
    """

    values: Single
    first: Int
    last: Int
    part: Int
    extras: Single
    targets: Float
    facts: Mapping[str, Float]

    def summaries(self) -> Float:
        """Average the channels over each window; see `window_summaries`."""
        return window_summaries(self.values, self.first, self.last, self.extras)


@dataclass(frozen=True)
class Batch:
    """Tiles for one step of training: B tiles of S sites and W windows.

    Parameters
    ----------
    inputs
        ``sites`` (B, S, C), ``mask`` (B, S), ``ids`` (B, S), ``extras`` (B, W, E).
    targets
        (B, W, values) float32.
    weights
        (B, W) float32: 1 for a window, 0 for none.
    """

    inputs: dict[str, NDArray[Any]]
    targets: Single
    weights: Single


def view(recipe: Recipe, *, flank: int, windows: int) -> View:
    """Read from a recipe how the network sees its simulations.

    Parameters
    ----------
    recipe
        Its tables ``network`` and ``training``.
    flank, windows
        What the architecture asks for.

    Raises
    ------
    InputError
        For a field with a wrong value.
    """
    network, training = recipe.network, recipe.training
    target = TARGETS[target_name(recipe)]
    try:
        how = group_encoding(str(network.get("encoding", target.encoding)), int(network.get("min_count", 1)))
    except ValueError as error:
        raise InputError(f"recipe {recipe.name}: network: {error}") from error
    if how.populations != target.populations:
        raise InputError(
            f"recipe {recipe.name}: network.encoding '{how.name}' is of {how.populations} population(s), and task "
            f"'{recipe.task}' has {target.populations}"
        )
    return View(
        encoding=how,
        parts=int(network.get("parts", PARTS)),
        windows=windows,
        target=target_name(recipe),
        lengths=read_prior(training.get("windows", 50_000), f"recipe {recipe.name}: training.windows", low=100),
        per_simulation=int(training.get("windows_per_simulation", 3)),
        min_sites=int(training.get("min_sites", 2)),
        flank=flank,
        tile=_tile(recipe),
    )


def _tile(recipe: Recipe) -> int:
    """Read how many sites a tile has."""
    tile = recipe.training.get("tile", TILE)
    if type(tile) is not int or not TILE <= tile <= MAX_TILE:
        raise InputError(
            f"recipe {recipe.name}: training.tile must be a whole number from {TILE:,} to {MAX_TILE:,}, not {tile!r}"
        )
    return tile


@dataclass(frozen=True)
class Sight:
    """What a VCF would hold of the windows of one simulation, and what is true there.

    Parameters
    ----------
    seen
        Sites of the whole simulation, after sequencing.
    start, end
        (windows,) int64 bp, 0-based half-open: consecutive windows, each with used sites enough.
    targets
        (windows, values) float64, on the scales on which they are learned.
    facts
        (windows,) values by name, as in `Example`.
    """

    seen: Observed
    start: Int
    end: Int
    targets: Float
    facts: Mapping[str, Float]

    def mirrored(self) -> Sight:
        """Give the same windows read from the other end: the last one is the first."""
        positions, group, _ = from_other_end(self.seen.positions, self.seen.populations)
        return Sight(
            Observed(positions, tuple(group)),
            -self.end[::-1],
            -self.start[::-1],
            self.targets[::-1],
            {name: values[::-1] for name, values in self.facts.items()},
        )


def see(simulation: Simulation, recipe: Recipe, how: View, rng: np.random.Generator) -> Sight | None:
    """Sequence one simulation and lay windows on it; None where no window has used sites enough."""
    seen = observe(simulation, recipe.observation, rng)
    if TARGETS[how.target].whole:
        start, end = np.array([0]), np.array([simulation.length])
    else:
        start, end = _draw_windows(simulation.length, len(seen.positions), how, rng)
    used = seen.positions[used_group_sites(seen.populations, how.encoding)]
    sites = np.searchsorted(used, end) - np.searchsorted(used, start)
    full = (sites >= how.min_sites) & (np.cumsum(sites) <= how.tile - 2 * how.flank - GAP)  # the rest fits into no tile
    if not full.any():
        _check_fits(simulation, recipe, how, int(sites[0]))
        return None
    start, end = start[full], end[full]
    targets = TARGETS[how.target].truth(simulation, start, end)
    return Sight(seen, start, end, targets, _facts(simulation, seen.populations, start, end, sites[full]))


def _check_fits(simulation: Simulation, recipe: Recipe, how: View, sites: int) -> None:
    """Refuse to leave out whole simulations because they are rich in sites: those that stay would not be all alike."""
    if TARGETS[how.target].whole and sites > how.min_sites:
        raise InputError(
            f"recipe {recipe.name}: a simulation of {simulation.length:,} bp has {sites:,} used sites, too many for a "
            f"tile of {how.tile:,}: give a larger training.tile"
        )


def look(sight: Sight, how: View) -> Example:
    """Turn what is seen of one simulation into channels."""
    positions, group = sight.seen.positions, sight.seen.populations
    low, high = np.searchsorted(positions, [sight.start[0], sight.end[-1]])
    margin = (
        how.encoding.reach * 4 + how.flank
    )  # sites that the encoding does not use count too: more of them than it can reach
    kept = slice(max(0, low - margin), high + margin)
    encoded = encode_group(positions[kept], [population.take(kept) for population in group], how.encoding)
    used = positions[kept][encoded.sites]
    first, last = np.searchsorted(used, sight.start), np.searchsorted(used, sight.end)
    base, stop = max(0, int(first[0]) - how.flank), int(last[-1]) + how.flank
    part = np.zeros(len(used), np.int64)
    for window, (start, end) in enumerate(zip(sight.start.tolist(), sight.end.tolist(), strict=True)):
        inside = slice(first[window], last[window])
        part[inside] = window_parts(used[inside], start, end, how.parts)
    return Example(
        values=encoded.values[base:stop],
        first=first - base,
        last=last - base,
        part=part[base:stop],
        extras=window_extras(sum(population.size for population in group), sight.start, sight.end, last - first),
        targets=sight.targets,
        facts=sight.facts,
    )


def views(sight: Sight, how: View, *, both_ends: bool) -> list[Example]:
    """Turn what is seen of one simulation into channels: once, or from one end and from the other."""
    return [look(each, how) for each in ([sight, sight.mirrored()] if both_ends else [sight])]


def sights(
    simulations: SimulationSet, shard: int, how: View, key: list[int], *, mirrored: bool = False
) -> Iterator[Sight]:
    """Look at all simulations of a shard.

    Parameters
    ----------
    simulations
        The set.
    shard
        Number of the shard.
    how
        How they are looked at.
    key
        Numbers that decide everything random, together with the recipe's seed and the shard's number.
    mirrored
        Look at them from the other end.
    """
    rng = np.random.default_rng(np.random.SeedSequence([simulations.recipe.seed, *key, shard]))
    for simulation in simulations.read(shard):
        sight = see(simulation.mirrored() if mirrored else simulation, simulations.recipe, how, rng)
        if sight is not None:
            yield sight


def joined_facts(facts: Sequence[Mapping[str, Float]], windows: Sequence[int]) -> dict[str, Float]:
    """Join what is known of windows; NaN where something was not drawn, as another history has other numbers.

    Examples
    --------
    >>> joined_facts([{"size": np.ones(1)}, {"scale": np.zeros(2)}], [1, 2])["size"].tolist()
    [1.0, nan, nan]
    """
    names = list(dict.fromkeys(name for each in facts for name in each))
    pairs = list(zip(facts, windows, strict=True))
    return {name: np.concatenate([each.get(name, np.full(size, np.nan)) for each, size in pairs]) for name in names}


def batches(found: Iterator[Example], how: View, *, gap: int, tiles: int = TILES) -> Iterator[Batch]:
    """Pack examples into batches of one shape; the last one is filled up with nothing.

    Parameters
    ----------
    found
        Examples, each of at most one tile.
    how
        How they were looked at.
    gap
        Rows between two examples: as many as the trunk's widest step, so that none sees another.
    tiles
        Tiles of a batch.
    """
    filled: list[list[Example]] = [[]]
    sites = windows = 0
    for example in found:
        longer = sites + len(example.values) + gap
        if longer > how.tile or windows + len(example.first) > how.windows:
            if len(filled) == tiles:
                yield _pack(filled, how, gap, tiles)
                filled = []
            filled.append([])
            longer, windows = len(example.values) + gap, 0
        filled[-1].append(example)
        sites, windows = longer, windows + len(example.first)
    if filled[0]:
        yield _pack(filled, how, gap, tiles)


def _pack(filled: list[list[Example]], how: View, gap: int, tiles: int) -> Batch:
    """Lay examples into the tiles of one batch."""
    first = filled[0][0]
    channels, extras, values = (each.shape[1] for each in (first.values, first.extras, first.targets))
    inputs = {
        "sites": np.zeros((tiles, how.tile, channels), np.float32),
        "mask": np.zeros((tiles, how.tile), np.float32),
        "ids": np.full((tiles, how.tile), how.windows * how.parts, np.int32),
        "extras": np.zeros((tiles, how.windows, extras), np.float32),
    }
    targets = np.zeros((tiles, how.windows, values), np.float32)
    weights = np.zeros((tiles, how.windows), np.float32)
    for tile, held in enumerate(filled):
        site = window = 0
        for example in held:
            stop, count = site + len(example.values), len(example.first)
            inputs["sites"][tile, site:stop] = example.values
            inputs["mask"][tile, site:stop] = 1
            for number, (low, high) in enumerate(zip(example.first, example.last, strict=True)):
                ids = (window + number) * how.parts + example.part[low:high]
                inputs["ids"][tile, site + low : site + high] = ids
            inputs["extras"][tile, window : window + count] = example.extras
            targets[tile, window : window + count] = example.targets
            weights[tile, window : window + count] = 1
            site, window = stop + gap, window + count
    return Batch(inputs, targets, weights)


def _draw_windows(length: int, sites: int, how: View, rng: np.random.Generator) -> tuple[Int, Int]:
    """Draw consecutive windows of one length at a random place; they hold no more sites than a tile takes."""
    width = min(float(length), how.lengths.draw(rng))
    room = how.tile - 2 * how.flank - max(how.encoding.reach, 128)  # some of a simulation is denser than the rest
    width = max(1.0, min(width, length * room / max(sites, 1)))
    fitting = min(int(length // width), int(room * length / (max(sites, 1) * width)))
    count = max(1, min(how.per_simulation, fitting))
    begin = rng.uniform(0, length - count * width)
    bounds = np.floor(begin + width * np.arange(count + 1)).astype(np.int64)
    if count * width >= length:
        bounds[[0, -1]] = 0, length
    return bounds[:-1], bounds[1:]


def _facts(simulation: Simulation, group: Sequence[Haplotypes], start: Int, end: Int, sites: Int) -> dict[str, Float]:
    """List what is known of each window, for strata."""
    known = {name: np.full(len(start), value) for name, value in simulation.parameters.items()}
    counted = max(1, sum(int(population.present_count.sum()) for population in group))
    missing = 1 - sum(int(population.known_count.sum()) for population in group) / counted
    for side, population in zip(SIDES[len(group)], group, strict=True):
        known[f"haplotypes{side}"] = np.full(len(start), float(population.size))
        unphased = population.unphased_count.any()
        known[f"unphased{side}"] = np.full(len(start), float(unphased))
    return {
        **known,
        "length": (end - start).astype(np.float64),
        "sites": sites.astype(np.float64),
        "missing": np.full(len(start), missing),
    }
