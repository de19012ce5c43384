"""Introgression: alleles shared by populations that should not be each other's closest kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scanner.haplotypes import HaplotypeBlock, Haplotypes
from scanner.scores import Column, Producer, Reason, column
from scanner.statistics.closest import closest_pair
from scanner.statistics.differentiation import between, frequency, with_auxiliary
from scanner.statistics.diversity import ratio, unpolarised, unusable
from scanner.statistics.phase import unphased_windows
from scanner.windows import Float, Spans, window_sums

ROUNDING = 1e-10
"""Sums that float arithmetic cannot tell from zero: terms of opposite sign may cancel."""


def _patterns(populations: Sequence[Haplotypes]) -> list[Float]:
    """Compute each site's terms of the three statistics: one numerator and the denominators of D, f_d and f_dM."""
    p1, p2, p3 = (frequency(haplotypes) for haplotypes in populations)
    donor, other = np.maximum(p2, p3), np.maximum(p1, p3)
    towards_second = donor * (donor - p1)
    towards_first = other * (other - p2)
    return [
        (p2 - p1) * p3,
        (p1 + p2 - 2 * p1 * p2) * p3,
        towards_second,
        np.where(p2 >= p1, towards_second, towards_first),
    ]


def _abba_baba(
    block: HaplotypeBlock, spans: Spans, populations: Sequence[Haplotypes], wanted: frozenset[str]
) -> Mapping[str, Column]:
    """Compute D, f_d and f_dM, ratios of sums over polarised sites, with their sums.

    The populations are P1, P2 and P3 of the tree ``(((P1, P2), P3), O)``; the outgroup O is the ancestral allele, so
    that a derived frequency is that of the allele the outgroup lacks. With derived frequencies p1, p2, p3 the common
    numerator is ABBA - BABA, ``(p2 - p1) p3``; positive values say that P2 and P3 share more than P1 and P3.

    - ``abba_d`` divides by ABBA + BABA.
    - ``f_d`` divides by ``pD (pD - p1)``, pD the larger of p2 and p3: the sharing expected if P2 were wholly
      introgressed. It measures gene flow between P2 and P3 only, so it is undefined where D is negative.
    - ``f_dm`` uses ``pD (pD - p2)``, pD the larger of p1 and p3, where p1 exceeds p2, and is defined for
      either sign: negative where P1 and P3 share more.

    Windows are unpolarised where fewer than half of the sites that segregate among the three populations are.

    References
    ----------
    Green et al. 2010, 10.1126/science.1188021, and Durand et al. 2011, 10.1093/molbev/msr048 (D); Martin, Davey and
    Jiggins 2015, 10.1093/molbev/msu269 (f_d); Malinsky et al. 2015, 10.1126/science.aac9927 (f_dM).
    """
    seen = np.all([haplotypes.known_count > 0 for haplotypes in populations], axis=0)
    derived = np.sum([haplotypes.derived_count for haplotypes in populations], axis=0)
    known = np.sum([haplotypes.known_count for haplotypes in populations], axis=0)
    segregating = (derived > 0) & (derived < known)
    usable = seen & block.polarised
    terms = np.stack([term * usable for term in _patterns(populations)], axis=1)
    sums = window_sums(terms, spans.first, spans.last)
    above, *below = np.where(np.abs(sums) < ROUNDING, 0, sums).T
    counts = np.stack([segregating, segregating & block.polarised], axis=1)
    sites, polarised = window_sums(counts, spans.first, spans.last).T
    blank = (*unusable(spans, populations), (sites == 0, Reason.NO_VARIATION), unpolarised(sites, polarised))
    made = {}
    for name, denominator in zip(_AUXILIARY, below, strict=True):
        undefined = (above < 0) | (denominator <= 0) if name == "f_d" else denominator == 0
        made[name] = column(ratio(above, denominator), *blank, (undefined, Reason.UNDEFINED))
        made[f"{name}_num"], made[f"{name}_den"] = column(above, *blank), column(denominator, *blank)
    kept = with_auxiliary(wanted, _AUXILIARY)
    return {name: made[name] for name in made if name in kept}


def _relative_distance(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Compute RND_min: the closest pair of haplotypes of two populations, relative to their distance to a third.

    The smallest number of differences between a haplotype of the first and one of the second population, divided by
    the mean of both populations' dxy to the third, the outgroup. Small values mark recent gene flow; the division
    removes differences in mutation rate. The third population enters by its frequencies and needs no phase.

    With missing data every distance is per compared site: pairs are compared where both alleles are placed on their
    haplotypes, and pairs compared at fewer than half of the window's sites are left out.

    References
    ----------
    Rosenzweig et al. 2016, 10.1111/mec.13610.
    """
    first, second, outgroup = populations
    unphased = unphased_windows(first, spans) | unphased_windows(second, spans)
    far = np.zeros(len(spans))
    for haplotypes in (first, second):
        compared = (haplotypes.known_count > 0) & (outgroup.known_count > 0)
        differences = window_sums(between(haplotypes, outgroup), spans.first, spans.last)
        far += ratio(differences, window_sums(compared, spans.first, spans.last)) / 2
    near = closest_pair(first, second, spans) / np.maximum(spans.last - spans.first, 1)
    score = column(
        ratio(near, far),
        *unusable(spans, populations),
        (unphased, Reason.UNPHASED),
        (spans.first == spans.last, Reason.NO_VARIATION),
        (np.isnan(near) | np.isnan(far), Reason.MISSING_DATA),
        (far == 0, Reason.NO_VARIATION),
    )
    return {"rnd_min": score}


_AUXILIARY = {name: (f"{name}_num", f"{name}_den") for name in ("abba_d", "f_d", "f_dm")}

PRODUCERS: tuple[Producer, ...] = (
    Producer(("abba_d", "f_d", "f_dm"), 3, _abba_baba, needs_polarity=True, auxiliary=_AUXILIARY),
    Producer(("rnd_min",), 3, _relative_distance, needs_phase=True),
)
