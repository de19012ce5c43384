"""Standing variation: a neutral allele of a given frequency in a simulated population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanner.simulate.sweeps import Selected

if TYPE_CHECKING:
    import tskit

Int = NDArray[np.int64]
Float = NDArray[np.float64]
PLACES = 10
"""Places that are looked at."""
ALIKE = 0.05
"""Relative difference of frequencies that count as the same."""


def standing(trees: tskit.TreeSequence, selected: Selected, rng: np.random.Generator) -> tuple[Int, float] | None:
    """Choose an allele that arose by neutral mutation and now has a given frequency.

    Places are drawn between the bounds of the sweep. Branches above as many samples as the frequency says, or nearly
    so, are where such mutations happened: one is drawn, as likely as it is long.

    Parameters
    ----------
    trees
        Genealogy of all haplotypes of a population.
    selected
        The sweep; its ``start`` is no None.
    rng
        Draws everything.

    Returns
    -------
    (carriers,) samples with the allele, and its place in bp; None where there is no such branch at the places drawn.
    """
    wanted = max(1, round((selected.start or 0) * trees.num_samples))
    places = rng.uniform(selected.low, selected.high, PLACES)
    found = [_branches(trees.at(place), wanted) for place in places]
    weights = np.array([lengths.sum() for _, lengths in found])
    if not weights.any():
        return None
    chosen = int(rng.choice(PLACES, p=weights / weights.sum()))
    nodes, lengths = found[chosen]
    node = int(rng.choice(nodes, p=lengths / lengths.sum()))
    return np.fromiter(trees.at(places[chosen]).samples(node), np.int64), float(places[chosen])


def _branches(tree: tskit.Tree, wanted: int) -> tuple[Int, Float]:
    """List the branches over a number of samples, or nearly so: the nodes below them, and their lengths."""
    nodes = tree.preorder()
    counts = np.fromiter(map(tree.num_samples, nodes.tolist()), np.int64)
    parents = tree.parent_array[nodes]
    alike = (np.abs(counts - wanted) <= ALIKE * wanted) & (parents >= 0)
    times = tree.tree_sequence.nodes_time
    return nodes[alike], times[parents[alike]] - times[nodes[alike]]
