"""Haplotype homozygosity: how many haplotypes a window has and how unequal their shares are.

A haplotype's identity is the exclusive or of one random 64-bit key for each site where it carries the rarer allele.
Identities of a stretch are the exclusive or of two prefixes, so windows that overlap share all the work but the
counting. Haplotypes that are not placed at every site of a window are left out of it.

References
----------
Garud et al. 2015, 10.1371/journal.pgen.1005004.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import HaplotypeBlock, Haplotypes, Words, popcount
from scanner.scores import Column, Producer, Reason, column
from scanner.statistics.passes import Pass, plan, ranks, window_maximum
from scanner.statistics.phase import placed_count, unphased_windows
from scanner.windows import Int, Spans

MIN_COMPLETE = 0.5
"""Smallest share of the chromosomes present whose haplotype must be placed at every site of the window."""
NAMES = ("haplotypes", "h1", "h12", "h2_h1")


def compute(
    block: HaplotypeBlock, spans: Spans, populations: Sequence[Haplotypes], wanted: frozenset[str]
) -> Mapping[str, Column]:
    """Score haplotype homozygosity.

    With p1 >= p2 >= ... the shares of the distinct haplotypes: ``h1`` is the sum of p_i^2, ``h12`` is
    (p1 + p2)^2 plus the sum of p_i^2 over i > 2, and ``h2_h1`` is (h1 - p1^2) / h1.

    Parameters
    ----------
    block
        The block, for the positions of its sites.
    spans
        The windows and the sites they cover.
    populations
        The one population.
    wanted
        Names of the scores to give, out of `NAMES`.

    References
    ----------
    Garud et al. 2015, 10.1371/journal.pgen.1005004.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> from scanner.regions import Region
    >>> from scanner.windows import Windows, spans
    >>> one = from_alleles("A", np.array([[0, 0, 1, 1], [0, 0, 0, 1]], np.int8))
    >>> block = HaplotypeBlock(Region("1", 0, 9), np.array([2, 5]), np.array([True, True]), (one,))
    >>> window = spans(Windows("1", np.array([0]), np.array([9])), block.positions)
    >>> found = compute(block, window, block.populations, frozenset(NAMES))
    >>> [found[name].values.tolist() for name in NAMES]
    [[3.0], [0.375], [0.625], [0.3333333333333333]]
    """
    (population,) = populations
    spectrum = haplotype_spectrum(block.positions, population, spans)
    size, squares, top, second = (spectrum[:, index] for index in range(1, 5))
    present = window_maximum(population.present_count, spans.first, spans.last)
    missing = (
        (spans.first == spans.last, Reason.NO_VARIATION),
        (unphased_windows(population, spans), Reason.UNPHASED),
        ((size < 2) | (size < MIN_COMPLETE * present), Reason.MISSING_DATA),
    )
    pairs = np.maximum(size * size, 1)
    values = {
        "haplotypes": spectrum[:, 0],
        "h1": squares / pairs,
        "h12": (squares + 2 * top * second) / pairs,
        "h2_h1": (squares - top * top) / np.maximum(squares, 1),
    }
    return {name: column(values[name], *missing) for name in NAMES if name in wanted}


def haplotype_spectrum(positions: Int, population: Haplotypes, spans: Spans) -> Int:
    """Count the distinct haplotypes of every window.

    Parameters
    ----------
    positions
        (sites,) int64, strictly increasing, bp: they make the keys.
    population
        One population across these sites.
    spans
        The windows and the sites they cover.

    Returns
    -------
    (windows, 5) int64: distinct haplotypes, haplotypes counted, sum of the squared counts, largest count, second
    largest count.
    """
    complete = placed_count(population) == population.size
    used = population.segregating | ~complete
    first, last = ranks(used, spans.first, spans.last)
    spectrum = np.empty((len(spans), 5), np.int64)
    spectrum[:] = (1, population.size, population.size**2, population.size, 0)
    planes = _Planes(
        population.derived[used], population.placed[used], site_keys(positions[used]), complete[used], population.size
    )
    _walk(planes, plan(first, last), spectrum)
    return spectrum


def site_keys(positions: Int) -> NDArray[np.uint64]:
    """Give every position its own random-looking key (the finaliser of splitmix64).

    Parameters
    ----------
    positions
        (sites,) int64, bp, not negative.

    Returns
    -------
    (sites,) uint64, the same for the same position on every machine.

    References
    ----------
    Steele, Lea & Flood 2014, 10.1145/2660193.2660195.

    Examples
    --------
    >>> [hex(key) for key in site_keys(np.array([0, 1])).tolist()]
    ['0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4']
    """
    keys = (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(keys ^ (keys >> np.uint64(31)), np.uint64)


class _Planes(NamedTuple):
    """One population at the sites that tell haplotypes apart; a tuple of arrays, as compiled code takes it."""

    derived: Words
    placed: Words
    key: NDArray[np.uint64]
    complete: NDArray[np.bool_]
    size: int


class _Table(NamedTuple):
    """An open-addressed hash table: a place is taken where its stamp is the current window's."""

    key: NDArray[np.uint64]
    tally: Int
    stamp: Int
    taken: Int


@numba.njit(cache=True, nogil=True)
def _walk(planes: _Planes, windows: Pass, spectrum: Int) -> None:  # pragma: no cover - compiled
    """Walk along the sites, keep the identities at every open start, count at every end."""
    size, places = planes.size, 16
    while places < 2 * size:
        places *= 2
    table = _Table(
        np.zeros(places, np.uint64), np.zeros(places, np.int64), np.full(places, -1), np.zeros(size, np.int64)
    )
    identity, absent = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    kept = np.zeros((max(windows.slots, 1), size), np.uint64)
    opened = evaluated = 0
    before = -1
    for site in range(len(planes.key) + 1):
        while evaluated < len(windows.order) and windows.last[windows.order[evaluated]] == site:
            window = windows.order[evaluated]
            if before >= 0 and windows.first[before] == windows.first[window] and windows.last[before] == site:
                spectrum[window] = spectrum[before]
            else:
                start = kept[windows.slot[window]]
                _count(identity, start, absent, windows.first[window], table, evaluated, spectrum[window])
            before = window
            evaluated += 1
        if opened < len(windows.start) and windows.start[opened] == site:
            kept[windows.start_slot[opened]] = identity
            opened += 1
        if site < len(planes.key):
            _add_site(planes, site, identity, absent)


@numba.njit(cache=True, nogil=True)
def _add_site(
    planes: _Planes, site: int, identity: NDArray[np.uint64], absent: Int
) -> None:  # pragma: no cover - compiled
    """Change the identity of those with the rarer allele; remember the site for those who are not placed."""
    one, all_bits = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
    words, key = planes.derived.shape[1], planes.key[site]
    balance = np.int64(0)
    for word in range(words):
        derived, placed = planes.derived[site, word] & planes.placed[site, word], planes.placed[site, word]
        balance += 2 * np.int64(popcount(derived)) - np.int64(popcount(placed))
    for word in range(words):
        placed = planes.placed[site, word]
        bits = planes.derived[site, word] & placed
        if balance > 0:
            bits ^= placed
        while bits:
            bit = bits & (~bits + one)
            identity[word * 64 + np.int64(popcount(bit - one))] ^= key
            bits ^= bit
        if not planes.complete[site]:
            bits = ~placed
            rest = planes.size - word * 64
            if rest < 64:
                bits &= ~(all_bits << np.uint64(rest))
            while bits:
                bit = bits & (~bits + one)
                absent[word * 64 + np.int64(popcount(bit - one))] = site
                bits ^= bit


@numba.njit(cache=True, nogil=True)
def _count(
    identity: NDArray[np.uint64],
    start: NDArray[np.uint64],
    absent: Int,
    first: int,
    table: _Table,
    stamp: int,
    spectrum: Int,
) -> None:  # pragma: no cover - compiled
    """Count the identities of one window: distinct, all, squares, largest, second largest."""
    mask = np.uint64(len(table.key) - 1)
    distinct = size = squares = 0
    for haplotype in range(len(identity)):
        if absent[haplotype] >= first:
            continue
        size += 1
        value = identity[haplotype] ^ start[haplotype]
        place = value & mask
        while table.stamp[place] == stamp and table.key[place] != value:
            place = (place + np.uint64(1)) & mask
        if table.stamp[place] == stamp:
            squares += 2 * table.tally[place] + 1
            table.tally[place] += 1
        else:
            table.stamp[place], table.key[place], table.tally[place] = stamp, value, 1
            table.taken[distinct] = np.int64(place)
            distinct += 1
            squares += 1
    top = second = 0
    for index in range(distinct):
        count = table.tally[table.taken[index]]
        if count > top:
            top, second = count, top
        elif count > second:
            second = count
    spectrum[0], spectrum[1], spectrum[2], spectrum[3], spectrum[4] = distinct, size, squares, top, second


PRODUCERS = (Producer(names=NAMES, arity=1, compute=compute, needs_phase=True),)
