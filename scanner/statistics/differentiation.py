"""Differentiation between populations: how far their allele frequencies have moved apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scanner.haplotypes import HaplotypeBlock, Haplotypes
from scanner.scores import Column, Producer, Reason, column
from scanner.statistics.diversity import heterozygosity, ratio, unusable
from scanner.windows import Float, Spans, window_sums

MAX_FST = 0.99999
"""Fst is held between 0 and this before PBS takes its logarithm: the longest branch is 11.5."""


def frequency(haplotypes: Haplotypes) -> Float:
    """Compute the derived allele's frequency among known alleles: (sites,) float64, 0 where none is known."""
    return haplotypes.derived_count / np.maximum(haplotypes.known_count, 1)


def between(one: Haplotypes, other: Haplotypes) -> Float:
    """Compute each site's chance that chromosomes of two populations carry different alleles.

    ``p1 (1 - p2) + p2 (1 - p1)``: the site's share of dxy.

    Returns
    -------
    (sites,) float64, 0 where either population has no known allele.

    References
    ----------
    Nei and Li 1979, 10.1073/pnas.76.10.5269.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> one, other = from_alleles("A", np.array([[0, 1]], np.int8)), from_alleles("B", np.array([[1, 1]], np.int8))
    >>> between(one, other).tolist()
    [0.5]
    """
    p, q = frequency(one), frequency(other)
    return (p * (1 - q) + q * (1 - p)) * ((one.known_count > 0) & (other.known_count > 0))


def hudson(one: Haplotypes, other: Haplotypes, spans: Spans) -> tuple[Float, Float]:
    """Sum the numerator and denominator of Hudson's Fst over each window.

    The numerator is the difference of between-population and mean within-population diversity, the denominator the
    former; Fst is the ratio of the sums. Sites where a population has fewer than two known alleles are left out.

    Returns
    -------
    Two (windows,) float64.

    References
    ----------
    Hudson, Slatkin and Maddison 1992, 10.1093/genetics/132.2.583; Bhatia et al. 2013, 10.1101/gr.154831.113.
    """
    usable = (one.known_count > 1) & (other.known_count > 1)
    apart = between(one, other) * usable
    within = (heterozygosity(one) + heterozygosity(other)) / 2 * usable
    above, below = window_sums(np.stack([apart - within, apart], axis=1), spans.first, spans.last).T
    return above, below


def _pair(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Compute Fst (with its two sums), dxy and da; the latter two per callable bp.

    ``da`` is dxy less the mean of both populations' pi (Nei and Li 1979, 10.1073/pnas.76.10.5269). Fst may be
    slightly negative, as an unbiased estimator must.
    """
    one, other = populations
    above, below = hudson(one, other, spans)
    per_site = np.stack([between(one, other), (heterozygosity(one) + heterozygosity(other)) / 2], axis=1)
    apart, within = window_sums(per_site, spans.first, spans.last).T
    blank = unusable(spans, populations)
    made = {
        "fst": column(ratio(above, below), *blank, (below == 0, Reason.NO_VARIATION)),
        "fst_num": column(above, *blank),
        "fst_den": column(below, *blank),
        "dxy": column(ratio(apart, spans.callable_bp), *blank),
        "da": column(ratio(apart - within, spans.callable_bp), *blank),
    }
    kept = with_auxiliary(wanted, _PAIR_AUXILIARY)
    return {name: made[name] for name in made if name in kept}


def with_auxiliary(wanted: frozenset[str], auxiliary: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Add the columns that come along with the wanted ones.

    Examples
    --------
    >>> sorted(with_auxiliary(frozenset({"fst"}), {"fst": ("fst_num",), "dxy": ("dxy_num",)}))
    ['fst', 'fst_num']
    """
    return wanted.union(*(auxiliary.get(name, ()) for name in wanted))


def branch_length(above: Float, below: Float) -> Float:
    """Turn the sums of Fst into a drift time, ``-log(1 - Fst)`` with Fst held within 0 and `MAX_FST`.

    Examples
    --------
    >>> branch_length(np.array([-0.1, 1.0, 0.0]), np.array([1.0, 2.0, 0.0])).round(3).tolist()
    [0.0, 0.693, nan]
    """
    return np.asarray(-np.log1p(-np.clip(ratio(above, below), 0, MAX_FST)), np.float64)


def _trio(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Compute the population branch statistic: the drift on the branch of the first population named.

    ``(T12 + T13 - T23) / 2`` with ``T = -log(1 - Fst)``; it can be negative. Where only some of the three pairs
    have a defined Fst it is undefined.

    References
    ----------
    Yi et al. 2010, 10.1126/science.1190371.
    """
    focal, second, third = populations
    sums = [hudson(*pair, spans) for pair in ((focal, second), (focal, third), (second, third))]
    here, there, aside = (branch_length(*pair) for pair in sums)
    still = np.sum([below for _, below in sums], axis=0) == 0
    score = column((here + there - aside) / 2, *unusable(spans, populations), (still, Reason.NO_VARIATION))
    return {"pbs": score}


_PAIR_AUXILIARY = {"fst": ("fst_num", "fst_den")}

PRODUCERS: tuple[Producer, ...] = (
    Producer(("fst", "dxy", "da"), 2, _pair, auxiliary=_PAIR_AUXILIARY),
    Producer(("pbs",), 3, _trio),
)
