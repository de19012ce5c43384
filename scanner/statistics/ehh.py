"""Haplotype tests of selection at single sites: iHS, nSL and XP-EHH.

A beneficial allele that rose fast carries a long stretch of one haplotype with it. EHH at a distance from a focal site
is the share of haplotype pairs that are still identical over the whole way; iHS compares its integral between
carriers of the derived and of the ancestral allele, nSL the mean number of sites that such pairs share, XP-EHH the
integral between two populations.

EHH is integrated as follows, on each side of the focal site on its own: trapezoids between sites, up to and including
the first site where EHH is at most `pbwt.MIN_EHH`; a stretch without sites counts for no more than `pbwt.GAP_SCALE`;
a curve that crosses one longer than `pbwt.MAX_GAP`, or meets the contig's first or last site before it decays, has no
value. Nothing beyond `pbwt.MAX_EXTEND` from the focal site counts: a curve still alive there is integrated up to the
last site within and kept, unless the way from that site to the limit is longer than `pbwt.MAX_GAP`. Values therefore
depend on the sites within that distance alone, not on how a contig was cut into parts.

References
----------
Voight et al. 2006, 10.1371/journal.pbio.0040072 (iHS); Ferrer-Admetlla et al. 2014, 10.1093/molbev/msu077 (nSL);
Sabeti et al. 2007, 10.1038/nature06250 (XP-EHH).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Alleles, Bools, Haplotypes
from scanner.statistics.pbwt import ruler, scan
from scanner.windows import Windows, spans, window_sums

Int = NDArray[np.int64]
Float = NDArray[np.float64]

MIN_MAF = 0.05
"""Frequency of the rarer allele below which a site is left out."""
MIN_BIN = 10
"""Scores that a frequency bin must hold to be standardised."""
FREQUENCY_BINS = 40
"""Bins of derived allele frequency between 0 and 1."""
EXTREME = 2.0
"""A standardised score farther from 0 than this counts as extreme."""
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class SiteScores:
    """Scores of the focal sites of one population, before standardisation.

    Parameters
    ----------
    ihs
        (focal sites,) float64: log(iHH derived / iHH ancestral), NaN where undefined.
    nsl
        (focal sites,) float64: log(SL derived / SL ancestral), NaN where undefined.
    frequency
        (focal sites,) float64: frequency of the derived allele, NaN where nobody has an allele.
    """

    ihs: Float
    nsl: Float
    frequency: Float


def ihs_nsl(alleles: Alleles, positions: Int, focal: tuple[int, int], *, at_start: bool, at_end: bool) -> SiteScores:
    """Compute unstandardised iHS and nSL.

    Positive values mean longer haplotypes around the derived allele. Where the ancestral allele is unknown, alleles may
    be coded by any other rule (such as minor = 1): the sign is then arbitrary, the size is not.

    Parameters
    ----------
    alleles
        (sites, haplotypes) int8: 1 derived, 0 ancestral, -1 not there or not placed. A haplotype with -1 at the focal
        site is in neither class; at any other site it stops being identical to all others.
    positions
        (sites,) int64, strictly increasing, bp.
    focal
        Sites ``focal[0]:focal[1]`` get values; the others are their flanks and must hold all sites within
        `pbwt.MAX_EXTEND` of them.
    at_start, at_end
        The contig has no further site (of those that count) before the first, after the last of these.

    Examples
    --------
    >>> rows = np.array([[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1]], np.int8)
    >>> scores = ihs_nsl(rows, np.arange(5) * 100, (2, 3), at_start=True, at_end=True)
    >>> scores.ihs.round(3).tolist(), scores.nsl.round(3).tolist(), scores.frequency.tolist()
    ([1.099], [0.693], [0.5])
    """
    ihh, shared = _both_sides(alleles, positions, focal, (at_start, at_end), together=False)
    part = alleles[slice(*focal)]
    derived, known = np.count_nonzero(part == 1, axis=1), np.count_nonzero(part >= 0, axis=1)
    return SiteScores(_log_ratio(ihh[1], ihh[0]), _log_ratio(shared[1], shared[0]), _ratio(derived, known))


def xpehh(
    first: Alleles, second: Alleles, positions: Int, focal: tuple[int, int], *, at_start: bool, at_end: bool
) -> Float:
    """Compute unstandardised XP-EHH of two populations.

    Parameters
    ----------
    first, second
        (sites, haplotypes) int8 of the two populations, as in `ihs_nsl`; a haplotype with -1 at the focal site does
        not count there.
    positions, focal, at_start, at_end
        As in `ihs_nsl`.

    Returns
    -------
    (focal sites,) float64: log(iHH of the first / iHH of the second population), NaN where either is undefined or 0.

    Examples
    --------
    >>> first = np.array([[0, 1], [0, 0], [0, 0], [0, 0], [0, 1]], np.int8)
    >>> second = np.array([[0, 0], [0, 1], [0, 0], [0, 1], [0, 0]], np.int8)
    >>> xpehh(first, second, np.arange(5) * 100, (2, 3), at_start=True, at_end=True).round(3).tolist()
    [1.099]
    """
    edges = (at_start, at_end)
    ihh = [_both_sides(a, positions, focal, edges, together=True)[0][0] for a in (first, second)]
    return _log_ratio(ihh[0], ihh[1])


def standardise(raw: Float, frequency: Float | None = None, bins: int = FREQUENCY_BINS) -> Float:
    """Express scores in standard deviations from the mean of the sites of like frequency.

    Long haplotypes are usual around rare, young alleles, which iHS and nSL must not mistake for selection. Means and
    standard deviations (over n, not n - 1) are those of the whole scan.

    Parameters
    ----------
    raw
        (sites,) unstandardised scores of all contigs; those not finite are ignored.
    frequency
        (sites,) frequency of the derived allele; None puts all sites into one bin, as is usual for XP-EHH.
    bins
        Number of bins of equal width between 0 and 1.

    Returns
    -------
    (sites,) float64; NaN where the score is, and in bins of fewer than `MIN_BIN` scores or without spread.

    Examples
    --------
    >>> standardise(np.array([1.0, 3.0] * 5))[:2].tolist()
    [-1.0, 1.0]
    """
    z = np.full(len(raw), np.nan)
    if frequency is None:
        frequency, bins = np.zeros(len(raw)), 1
    used = np.isfinite(raw) & np.isfinite(frequency)
    score = raw[used]
    # counts lie on bin edges more often than not; rounding must not decide on which side
    which = np.minimum(np.floor(frequency[used] * bins + 1e-9).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    mean = _ratio(np.bincount(which, score, bins), count)
    spread = np.sqrt(_ratio(np.bincount(which, (score - mean[which]) ** 2, bins), count))
    spread[(count < MIN_BIN) | (spread <= _NO_SPREAD)] = np.nan
    z[used] = (score - mean[which]) / spread[which]
    return z


def common_sites(haplotypes: Haplotypes) -> Bools:
    """Choose the sites that iHS and nSL of a population are computed from.

    Returns
    -------
    (sites,) bool: the rarer allele has a frequency of at least `MIN_MAF` and two carriers, and every chromosome that
    is there has an allele and a phase.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> rows = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [0, 1, -1, 1], [1, 1, 1, 1]], np.int8)
    >>> common_sites(from_alleles("A", rows)).tolist()
    [True, False, False, False]
    """
    return _complete(haplotypes) & _common(haplotypes.derived_count, haplotypes.known_count)


def common_in_pair(first: Haplotypes, second: Haplotypes) -> Bools:
    """Choose the sites that XP-EHH of two populations is computed from.

    Returns
    -------
    (sites,) bool: `common_sites` of the two populations taken as one.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> a, b = from_alleles("A", np.zeros((1, 4), np.int8)), from_alleles("B", np.ones((1, 2), np.int8))
    >>> common_in_pair(a, b).tolist(), common_in_pair(a, a).tolist()
    ([True], [False])
    """
    derived, known = first.derived_count + second.derived_count, first.known_count + second.known_count
    return _complete(first) & _complete(second) & _common(derived, known)


def window_summary(z: Float, positions: Int, windows: Windows) -> tuple[Float, Float]:
    """Summarise standardised scores by window.

    Parameters
    ----------
    z
        (sites,) standardised scores; NaN is ignored.
    positions
        (sites,) int64, increasing, bp, 0-based.
    windows
        Windows of the same contig, with any overlap.

    Returns
    -------
    Share of the scores with \\|z\\| > `EXTREME`, and largest \\|z\\|: (windows,) each, NaN in windows without a score.

    Examples
    --------
    >>> windows = Windows("1", np.array([0, 10, 20]), np.array([10, 20, 30]))
    >>> share, largest = window_summary(np.array([-3.0, 1.0, np.nan]), np.array([2, 4, 12]), windows)
    >>> share.tolist(), largest.tolist()
    ([0.5, nan, nan], [3.0, nan, nan])
    """
    size = np.abs(z[np.isfinite(z)])
    found = spans(windows, positions[np.isfinite(z)])
    share = _ratio(window_sums((size > EXTREME).astype(np.int64), found.first, found.last), found.last - found.first)
    largest = np.full(len(windows), np.nan)
    filled = found.last > found.first
    bounds = np.column_stack([found.first[filled], found.last[filled]]).ravel()
    if len(bounds):
        # every second stretch is one between windows; the 0 gives the end of the last window an index
        largest[filled] = np.maximum.reduceat(np.append(size, 0.0), bounds)[::2]
    return share, largest


def _both_sides(
    alleles: Alleles, positions: Int, focal: tuple[int, int], at_edge: tuple[bool, bool], *, together: bool
) -> tuple[Float, Float]:
    """Add up both sides of the focal sites: integrated EHH and mean shared sites, (classes, focal sites) each."""
    first, last = focal
    if len(alleles) != len(positions) or not 0 <= first <= last <= len(positions):
        raise ValueError(f"focal sites {first}:{last} of {len(positions)} positions and {len(alleles)} rows of alleles")
    rows = np.ascontiguousarray(alleles, dtype=np.int8)
    classes = 1 if together else 2
    ihh, shared = np.empty((2, classes, last - first)), np.empty((2, classes, last - first))
    if first < last:
        scan(rows, False, first, ruler(positions, at_edge[0]), together, ihh[0], shared[0])
        scan(rows, True, len(rows) - last, ruler(-positions[::-1], at_edge[1]), together, ihh[1], shared[1])
    return ihh[0] + ihh[1, :, ::-1], shared[0] + shared[1, :, ::-1]


def _complete(haplotypes: Haplotypes) -> Bools:
    """Find the sites where every chromosome that is there has an allele and a phase."""
    complete: Bools = (haplotypes.present_count == haplotypes.known_count) & (haplotypes.unphased_count == 0)
    return complete


def _common(derived: NDArray[np.int32], known: NDArray[np.int32]) -> Bools:
    """Find the sites whose rarer allele is frequent enough and has at least two carriers."""
    rarer = np.minimum(derived, known - derived)
    common: Bools = (rarer >= 2) & (_ratio(rarer, known) >= MIN_MAF)
    return common


def _ratio(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> Float:
    """Divide; NaN where the denominator is 0."""
    out = np.full(len(denominator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def _log_ratio(numerator: Float, denominator: Float) -> Float:
    """Take the logarithm of a ratio; NaN where either is NaN or 0."""
    out = np.full(len(numerator), np.nan)
    usable = (numerator > 0) & (denominator > 0)
    np.log(np.divide(numerator, denominator, out=out, where=usable), out=out, where=usable)
    return out
