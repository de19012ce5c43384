"""Diversity within one population: how much varies, and whether its frequencies look neutral.

Every site enters with its own number of known alleles, so that missing genotypes cost precision but do not bias; sites
with fewer than two known alleles say nothing and are left out. Sums are divided by the window's callable bases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Bools, HaplotypeBlock, Haplotypes
from scanner.scores import Column, Producer, Reason, column
from scanner.windows import Float, Spans, window_sums

MAX_MISSING = 0.5
"""Share of present chromosomes without a known allele above which a window has no value."""
MIN_POLARISED = 0.5
"""Share of segregating sites with a known ancestral allele below which a window has no value."""
Numbers = NDArray[Any]


def ratio(above: Numbers, below: Numbers) -> Float:
    """Divide, giving NaN where the denominator is zero.

    Examples
    --------
    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    quotient = np.full(len(above), np.nan)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient


def unusable(spans: Spans, populations: Sequence[Haplotypes]) -> tuple[tuple[Bools, Reason], ...]:
    """Say which windows have no callable base, or too few called genotypes in any of the populations.

    Returns
    -------
    Pairs of a (windows,) mask and its reason, for `scanner.scores.column`.
    """
    poor = np.zeros(len(spans), np.bool_)
    for haplotypes in populations:
        counts = np.stack([haplotypes.present_count, haplotypes.known_count], axis=1)
        present, known = window_sums(counts, spans.first, spans.last).T
        poor |= (spans.last > spans.first) & ((known == 0) | (known < (1 - MAX_MISSING) * present))
    return (spans.callable_bp <= 0, Reason.UNCALLABLE), (poor, Reason.MISSING_DATA)


def unpolarised(segregating: Numbers, polarised: Numbers) -> tuple[Bools, Reason]:
    """Say in which windows too few of the segregating sites are polarised.

    Parameters
    ----------
    segregating, polarised
        (windows,) int64: segregating sites, and those of them whose ancestral allele is known.
    """
    return polarised < MIN_POLARISED * segregating, Reason.UNPOLARISED


def heterozygosity(haplotypes: Haplotypes) -> Float:
    """Compute each site's chance that two different chromosomes carry different alleles.

    ``2 k (n - k) / (n (n - 1))`` for k derived of n known alleles: the site's share of pi.

    Returns
    -------
    (sites,) float64, 0 where fewer than two alleles are known.

    References
    ----------
    Tajima 1983, 10.1093/genetics/105.2.437.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> heterozygosity(from_alleles("A", np.array([[0, 1, 1, -1], [1, -1, -1, -1]], np.int8))).round(3).tolist()
    [0.667, 0.0]
    """
    derived, known = haplotypes.derived_count.astype(np.float64), haplotypes.known_count.astype(np.float64)
    return 2 * derived * (known - derived) / np.maximum(known * (known - 1), 1)


def tajima_constants(size: int) -> NDArray[np.float64]:
    """Tabulate Tajima's constants for every sample size up to ``size``.

    Returns
    -------
    (3, size + 1) float64: 1/a1, e1 and e2; 1/a1 is 0 below two chromosomes, e1 and e2 below four, where the
    difference of the two estimators of theta is always zero.

    References
    ----------
    Tajima 1989, 10.1093/genetics/123.3.585, equations 3, 4, 8, 9, 36 and 37.

    Examples
    --------
    >>> (1 / tajima_constants(4)[0, 2:]).round(3).tolist()
    [1.0, 1.5, 1.833]
    """
    table = np.zeros((3, max(size, 1) + 1))
    n = np.arange(2, size + 1, dtype=np.float64)
    a1, a2 = np.cumsum(1 / (n - 1)), np.cumsum(1 / (n - 1) ** 2)
    b1, b2 = (n + 1) / (3 * (n - 1)), 2 * (n * n + n + 3) / (9 * n * (n - 1))
    table[0, 2:] = 1 / a1
    table[1, 2:] = (b1 - 1 / a1) / a1
    table[2, 2:] = (b2 - (n + 2) / (a1 * n) + a2 / a1**2) / (a1**2 + a2)
    return table


def _accessibility(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Give the callable bases of each window and their share of its length."""
    made = {"callable_bp": column(spans.callable_bp), "callable": column(spans.callable_bp / (spans.end - spans.start))}
    return {name: made[name] for name in made if name in wanted}


def _frequencies(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Compute the statistics that need neither phase nor polarity.

    ``sites`` counts segregating sites; ``missing`` is the share of present chromosomes without a known allele over
    the window's sites; ``pi`` and ``theta_w`` are per callable bp and 0 where nothing segregates.

    References
    ----------
    Watterson 1975, 10.1016/0040-5809(75)90020-9 (theta_w); Tajima 1989, 10.1093/genetics/123.3.585.
    """
    (haplotypes,) = populations
    segregating = haplotypes.segregating
    integers = np.stack([segregating, haplotypes.known_count, haplotypes.present_count], axis=1)
    sites, known, present = window_sums(integers, spans.first, spans.last).T
    constants = tajima_constants(haplotypes.size)[:, haplotypes.known_count] * segregating
    per_site = np.stack([heterozygosity(haplotypes), *constants], axis=1)
    pairwise, watterson, e1, e2 = window_sums(per_site, spans.first, spans.last).T
    blank = unusable(spans, populations)
    made = {
        "sites": column(sites, blank[0]),
        "missing": column(ratio(present - known, present), blank[0]),
        "pi": column(ratio(pairwise, spans.callable_bp), *blank),
        "theta_w": column(ratio(watterson, spans.callable_bp), *blank),
        "tajimas_d": column(
            ratio(pairwise - watterson, np.sqrt(e1 + e2 * (sites - 1))),  # e1, e2 are sums: S times the averages
            *blank,
            (sites == 0, Reason.NO_VARIATION),
        ),
    }
    return {name: made[name] for name in made if name in wanted}


def _polarised(
    block: HaplotypeBlock, spans: Spans, populations: Sequence[Haplotypes], wanted: frozenset[str]
) -> Mapping[str, Column]:
    """Compute theta_H and Fay and Wu's H = pi - theta_H over the polarised segregating sites.

    Both are per callable bp, divided by the polarised share of the segregating sites, so that sites whose ancestral
    allele is unknown do not lower them. Derived alleles that are fixed in the population are not counted.

    References
    ----------
    Fay and Wu 2000, 10.1093/genetics/155.3.1405.
    """
    (haplotypes,) = populations
    segregating = haplotypes.segregating
    usable = segregating & block.polarised
    derived, known = haplotypes.derived_count.astype(np.float64), haplotypes.known_count.astype(np.float64)
    high = usable * 2 * derived * derived / np.maximum(known * (known - 1), 1)
    per_site = np.stack([usable * heterozygosity(haplotypes), high], axis=1)
    pairwise, theta = window_sums(per_site, spans.first, spans.last).T
    counts = np.stack([segregating, usable], axis=1)
    sites, polarised = window_sums(counts, spans.first, spans.last).T
    scale = spans.callable_bp * ratio(polarised, sites)
    blank = (
        *unusable(spans, populations),
        (sites == 0, Reason.NO_VARIATION),
        unpolarised(sites, polarised),
    )
    made = {"theta_h": column(ratio(theta, scale), *blank), "fay_wu_h": column(ratio(pairwise - theta, scale), *blank)}
    return {name: made[name] for name in made if name in wanted}


PRODUCERS: tuple[Producer, ...] = (
    Producer(("callable_bp", "callable"), 0, _accessibility),
    Producer(("sites", "missing", "pi", "theta_w", "tajimas_d"), 1, _frequencies),
    Producer(("theta_h", "fay_wu_h"), 1, _polarised, needs_polarity=True),
)
