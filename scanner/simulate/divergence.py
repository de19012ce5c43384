"""Two populations that split and met again, as msprime simulates them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

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


def introgressed_share(trees: tskit.TreeSequence, flow: Flow) -> float:
    """Tell how much of the receiving population's sample came over in the pulse.

    Parameters
    ----------
    trees
        Genealogy of a sample of `split_history`, with its migrations.
    flow
        The history.

    Returns
    -------
    Share of the base pairs of the receiver's haplotypes, between 0 and 1.
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
    return float(total / (len(trees.samples(receiver)) * trees.sequence_length))
