"""Classical summaries of windows of two populations, for the baseline of networks of introgression.

They are those of either population by itself, and what is compared between the two by programs that look for
introgression: FILET (Schrider et al. 2018, 10.1371/journal.pgen.1007341) and the statistics that it took up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import SIDES
from scanner.evaluate import summaries
from scanner.haplotypes import HaplotypeBlock
from scanner.regions import Region
from scanner.statistics import registry
from scanner.statistics.closest import closest_pair
from scanner.train.examples import Sight
from scanner.windows import Windows, spans

Float = NDArray[np.float64]
Single = NDArray[np.float32]

STATISTICS = ("fst", "dxy", "da")
"""Statistics of a scan that compare two populations."""
BETWEEN = (*STATISTICS, "closest", "g_min", "d_first", "d_second", "pi_ratio")
"""Names of what is compared."""
NAMES = (*(name + side for side in SIDES[2] for name in summaries.NAMES), *BETWEEN)
"""Names of all summaries."""


def pair_summaries(sight: Sight) -> Single:
    """Summarise windows of two populations.

    ``closest`` is the smallest distance per bp between a haplotype of the one and one of the other, ``g_min`` that in
    proportion to the mean one, ``d_first`` and ``d_second`` in proportion to the mean within either population, and
    ``pi_ratio`` compares these two means.

    Parameters
    ----------
    sight
        What a VCF would hold of the windows of one simulation.

    Returns
    -------
    (windows, `NAMES`) float32.

    References
    ----------
    Geneva et al. 2015, 10.1371/journal.pone.0118621 (g_min); Schrider et al. 2018, 10.1371/journal.pgen.1007341.
    """
    own = [summaries.own_summaries(sight, population) for population in sight.seen.populations]
    return np.concatenate([*own, _between(sight)], axis=1).astype(np.float32)


def _between(sight: Sight) -> Float:
    """Compare the two populations: (windows, `BETWEEN`)."""
    positions, (first, second) = sight.seen.positions, sight.seen.populations
    everywhere = np.ones(len(positions), np.bool_)
    block = HaplotypeBlock(Region("simulated", 0, int(sight.end[-1])), positions, everywhere, (first, second))
    covered = spans(Windows("simulated", sight.start, sight.end), positions)
    names = first.name, second.name
    found = registry.compute_all(block, covered, (*STATISTICS, "pi"), (names,), ())
    fst, dxy, da = (found[f"{name}.{names[0]}.{names[1]}"].values for name in STATISTICS)
    one, other = (found[f"pi.{name}"].values for name in names)
    closest = closest_pair(first, second, covered) / (sight.end - sight.start)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [fst, dxy, da, closest, closest / dxy, closest / one, closest / other, one / other]
    return np.where(np.isfinite(columns), columns, np.nan).T
