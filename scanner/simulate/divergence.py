"""Two populations that split and met again, as msprime simulates them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanner.simulate.histories import engine
from scanner.simulate.introgression import ANCESTRAL, FIRST, SECOND, Flow

if TYPE_CHECKING:
    import msprime
    import tskit


def split_history(flow: Flow) -> msprime.Demography:
    """Make the history of two populations.

    Parameters
    ----------
    flow
        Sizes and times, and what went over.

    Returns
    -------
    A history of the populations `FIRST`, `SECOND` and `ANCESTRAL`.
    """
    demography: msprime.Demography = engine().Demography()
    for name, today, start in zip((FIRST, SECOND), flow.sizes, flow.start_sizes, strict=False):
        growth = math.log(today / start) / flow.split
        demography.add_population(name=name, initial_size=today, growth_rate=growth)
    demography.add_population(name=ANCESTRAL, initial_size=flow.sizes[2])
    if flow.receiver is not None:
        # msprime looks backwards: lineages of the receiver move to the donor
        demography.add_mass_migration(
            time=flow.pulse, source=flow.receiver, dest=flow.donor, proportion=flow.proportion
        )
    demography.add_population_split(time=flow.split, derived=[FIRST, SECOND], ancestral=ANCESTRAL)
    return demography


def came_over(trees: tskit.TreeSequence, flow: Flow) -> tuple[float, NDArray[np.float64]]:
    """Tell how much of the receiving population's sample came over in the pulse, and where.

    Parameters
    ----------
    trees
        Genealogy of a sample of `split_history`, with its migrations.
    flow
        The history.

    Returns
    -------
    Share of the base pairs of the receiver's haplotypes, between 0 and 1; and the stretches along which at least one
    of them came over: (2, stretches) starts and ends in bp, rising and apart.
    """
    names = {population.metadata["name"]: population.id for population in trees.populations()}
    receiver, donor = names[flow.receiver], names[flow.donor]
    came = (trees.migrations_source == receiver) & (trees.migrations_dest == donor)
    came &= trees.migrations_time == flow.pulse
    left, right, node = trees.migrations_left[came], trees.migrations_right[came], trees.migrations_node[came]
    total = 0.0
    for tree in trees.trees():
        shared = np.minimum(right, tree.interval.right) - np.maximum(left, tree.interval.left)
        total += sum(shared[at] * tree.num_samples(node[at]) for at in np.flatnonzero(shared > 0))
    share = float(total / (len(trees.samples(receiver)) * trees.sequence_length))
    return share, _joined(left, right)


def _joined(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join stretches that overlap or touch."""
    if len(left) == 0:
        return np.zeros((2, 0))
    order = np.argsort(left, kind="stable")
    start, end = left[order], np.maximum.accumulate(right[order])
    apart = start[1:] > end[:-1]
    return np.stack([start[np.append(True, apart)], end[np.append(apart, True)]])
