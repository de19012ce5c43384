"""What a network looks at together: one population or two, encoded alike.

Everything that trains networks or scans with them goes through here, and so need not know how many populations there
are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scanner.channels import encoding as single
from scanner.channels import pair
from scanner.channels.encoding import Encoded, Encoding, encode, used_sites
from scanner.channels.pair import PairEncoding, encode_pair, used_pair_sites
from scanner.haplotypes import Bools, Haplotypes

Int = NDArray[np.int64]
GroupEncoding = Encoding | PairEncoding
"""An encoding of one population, or of two."""
NAMES = (*single.NAMES, *pair.NAMES)
"""Encodings that exist."""
SIDES = {1: ("",), 2: ("_first", "_second")}
"""What tells apart the names of numbers of each population, by how many there are."""


def group_encoding(name: str, min_count: int = 1) -> GroupEncoding:
    """Look up an encoding by its name.

    Parameters
    ----------
    name
        One of `NAMES`.
    min_count
        Smallest count of the rarer allele of a site that is used, in all populations of a group together.

    Raises
    ------
    ValueError
        There is no such encoding, or the count is not positive.

    Examples
    --------
    >>> group_encoding("folded-2").populations, group_encoding("pair-folded-1").populations
    (1, 2)
    """
    single.check_encoding(name, min_count, NAMES, "sites")
    return pair.pair_encoding(name, min_count) if name in pair.NAMES else single.encoding(name, min_count)


def used_group_sites(group: Sequence[Haplotypes], how: GroupEncoding, polarised: Bools | None = None) -> Int:
    """List the sites that an encoding uses: (used sites,) int64, rising.

    Parameters
    ----------
    group
        As many populations as the encoding has, at the same sites.
    how
        The encoding.
    polarised
        (sites,) bool: the ancestral allele is known; everywhere where None. Not used by folded encodings.
    """
    if isinstance(how, PairEncoding):
        first, second = group
        return used_pair_sites(first, second, how, polarised)
    (population,) = group
    return used_sites(population, how, polarised)


def from_other_end(
    positions: Int, group: Sequence[Haplotypes], polarised: Bools | None = None
) -> tuple[Int, list[Haplotypes], Bools | None]:
    """Read sites from the other end: what was at bp p comes to -1 - p, and a window [start, end) to [-end, -start).

    The channels of what comes out are other measurements of the same sites: linkage, for one, is measured with the
    sites to the right.

    Parameters
    ----------
    positions
        (sites,) int64, bp, 0-based, strictly increasing.
    group, polarised
        As `used_group_sites` takes them.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> one = from_alleles("A", np.array([[0, 1], [0, 0]], np.int8))
    >>> positions, (other,), _ = from_other_end(np.array([2, 9]), [one])
    >>> positions.tolist(), other.alleles().tolist()
    ([-10, -3], [[0, 0], [0, 1]])
    """
    order = np.arange(len(positions))[::-1]
    return (
        -1 - positions[order],
        [population.take(order) for population in group],
        None if polarised is None else polarised[order],
    )


def encode_group(
    positions: Int, group: Sequence[Haplotypes], how: GroupEncoding, polarised: Bools | None = None
) -> Encoded:
    """Compute the channels of the sites that an encoding uses.

    Parameters
    ----------
    positions
        (sites,) int64, bp, 0-based, strictly increasing.
    group, how, polarised
        As `used_group_sites` takes them.

    Raises
    ------
    ValueError
        A population has too few haplotypes to be compared with another.
    """
    if isinstance(how, PairEncoding):
        first, second = group
        return encode_pair(positions, first, second, how, polarised)
    (population,) = group
    return encode(positions, population, how, polarised)
