"""Joining genealogies: what happened later stands on what happened before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tskit

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Genealogy:
    """Nodes and edges, as tskit has them.

    Parameters
    ----------
    length
        bp.
    time
        (nodes,) generations ago.
    left, right, parent, child
        (edges,) bp, and places in the list of nodes.
    """

    length: float
    time: Float
    left: Float
    right: Float
    parent: Int
    child: Int

    def later(self, generations: float) -> Genealogy:
        """Give the same so many generations longer ago."""
        return Genealogy(self.length, self.time + generations, self.left, self.right, self.parent, self.child)


def read_genealogy(trees: tskit.TreeSequence) -> Genealogy:
    """Take nodes and edges from tskit."""
    edges = (trees.edges_left, trees.edges_right, trees.edges_parent.astype(int), trees.edges_child.astype(int))
    return Genealogy(trees.sequence_length, trees.nodes_time, *edges)


def stacked(late: Genealogy, early: Genealogy, onto: Int) -> tuple[Genealogy, Int]:
    """Put a genealogy on top of one that goes further back.

    Parameters
    ----------
    late, early
        The two.
    onto
        (nodes of the late one,) the node of the early one that is the same haplotype, -1 for none; two nodes may be one
        and the same there.

    Returns
    -------
    Both as one, the nodes of the early one first, and the new places of the late one's nodes.
    """
    alone = onto < 0
    places = np.where(alone, len(early.time) + np.cumsum(alone) - 1, onto)
    both = Genealogy(
        early.length,
        np.concatenate([early.time, late.time[alone]]),
        np.concatenate([early.left, late.left]),
        np.concatenate([early.right, late.right]),
        np.concatenate([early.parent, places[late.parent]]),
        np.concatenate([early.child, places[late.child]]),
    )
    return both, places


def simplified(genealogy: Genealogy, samples: Int, *, roots: bool = False) -> tuple[tskit.TreeSequence, Int]:
    """Keep what is ancestral to a sample.

    Parameters
    ----------
    genealogy
        Where they are.
    samples
        (samples,) nodes; they come first in the result.
    roots
        Keep the oldest nodes too, though nothing is joined there.

    Returns
    -------
    The rest, and the new places of all nodes, -1 for those that are gone.
    """
    import tskit

    tables = tskit.TableCollection(genealogy.length)
    tables.time_units = "generations"
    flags = np.zeros(len(genealogy.time), np.uint32)
    flags[samples] = tskit.NODE_IS_SAMPLE
    tables.nodes.set_columns(flags=flags, time=genealogy.time)
    tables.edges.set_columns(
        left=genealogy.left,
        right=genealogy.right,
        parent=genealogy.parent.astype(np.int32),
        child=genealogy.child.astype(np.int32),
    )
    tables.sort()
    places = tables.simplify(samples.astype(np.int32), keep_input_roots=roots)
    return tables.tree_sequence(), places.astype(np.int64)
