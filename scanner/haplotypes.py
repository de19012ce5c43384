"""Haplotypes of one stretch of a contig, bit-packed by population.

A site's alleles take one bit a haplotype: bit ``h % 64`` of word ``h // 64``. Three planes of bits keep everything
that a statistic or a network asks for: which haplotypes carry the derived allele, whose allele is known, and for
whom it is also known *which* of the two chromosomes carries it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.regions import Region

Words = NDArray[np.uint64]
Alleles = NDArray[np.int8]
Counts = NDArray[np.int32]
Bools = NDArray[np.bool_]

MISSING = -1
"""Allele code of a call that was not made."""
ABSENT = -2
"""Allele code of a chromosome that is not there (the second X of a haploid sample)."""
WORD = 64


@dataclass(frozen=True)
class Haplotypes:
    """One population across the sites of a block.

    Parameters
    ----------
    name
        Name of the population.
    size
        Number of haplotype columns.
    derived
        (sites, words) uint64: the haplotype carries the derived allele (the alternative one at unpolarised sites).
    known
        (sites, words) uint64: the haplotype's allele is known. ``derived`` is a subset.
    placed
        (sites, words) uint64: the allele is known and so is its haplotype. Alleles of heterozygous genotypes without
        phase are known but not placed. The same array as ``known`` where all is phased.
    derived_count, known_count
        (sites,) int32: derived alleles, and known alleles: the site's own sample size.
    present_count
        (sites,) int32: chromosomes that are there, called or not.
    het_count, unphased_count
        (sites,) int32: heterozygous genotypes, and those of them without phase.
    """

    name: str
    size: int
    derived: Words
    known: Words
    placed: Words
    derived_count: Counts
    known_count: Counts
    present_count: Counts
    het_count: Counts
    unphased_count: Counts

    @property
    def segregating(self) -> Bools:
        """Sites where both alleles are seen in this population: (sites,) bool."""
        return (self.derived_count > 0) & (self.derived_count < self.known_count)

    def alleles(self) -> Alleles:
        """Unpack to (sites, haplotypes) int8: 0 ancestral, 1 derived, -1 not known or not there."""
        known = unpack(self.known, self.size)
        return np.where(known, unpack(self.derived, self.size).astype(np.int8), np.int8(MISSING))

    def take(self, sites: NDArray[np.int64] | Bools | slice) -> Haplotypes:
        """Keep some of the sites."""
        known = self.known[sites]
        return Haplotypes(
            self.name,
            self.size,
            self.derived[sites],
            known,
            known if self.placed is self.known else self.placed[sites],
            self.derived_count[sites],
            self.known_count[sites],
            self.present_count[sites],
            self.het_count[sites],
            self.unphased_count[sites],
        )


@dataclass(frozen=True)
class HaplotypeBlock:
    """Everything that is known of one stretch of a contig.

    Parameters
    ----------
    region
        The stretch that was read.
    positions
        (sites,) int64, strictly increasing, bp, 0-based.
    polarised
        (sites,) bool: the ancestral allele is known.
    populations
        One `Haplotypes` a population, in the order of the population file.
    """

    region: Region
    positions: NDArray[np.int64]
    polarised: Bools
    populations: tuple[Haplotypes, ...]

    def __len__(self) -> int:
        """Count the sites."""
        return len(self.positions)


def from_alleles(name: str, alleles: Alleles, unphased: Bools | None = None, ploidy: int = 2) -> Haplotypes:
    """Pack an allele matrix.

    Parameters
    ----------
    name
        Name of the population.
    alleles
        (sites, haplotypes) int8: 0, 1, -1 missing, -2 not there; the haplotypes of a sample stand side by side.
    unphased
        (sites, samples) bool: the genotype has no phase; all phased where None.
    ploidy
        Haplotype columns a sample.

    Examples
    --------
    >>> packed = from_alleles("A", np.array([[0, 1, 1, -1]], np.int8))
    >>> packed.derived_count.tolist(), packed.known_count.tolist(), packed.het_count.tolist()
    ([2], [3], [1])
    """
    samples = alleles.shape[1] // ploidy
    if unphased is None:
        unphased = np.zeros((len(alleles), samples), np.bool_)
    return pack_populations({name: samples}, alleles, unphased, ploidy)[0]


def pack_populations(
    sizes: Mapping[str, int], alleles: Alleles, unphased: Bools, ploidy: int
) -> tuple[Haplotypes, ...]:
    """Pack the alleles of several populations.

    Parameters
    ----------
    sizes
        Number of samples of each population, in the order in which their columns stand.
    alleles
        (sites, samples x ploidy) int8: 0, 1, -1 missing, -2 not there.
    unphased
        (sites, samples) bool: the genotype has no phase.
    ploidy
        Haplotype columns a sample.
    """
    packed = []
    low = 0
    for name, samples in sizes.items():
        planes = np.zeros((3, len(alleles), -(-samples * ploidy // WORD)), np.uint64)
        counts = np.zeros((5, len(alleles)), np.int32)
        _pack(alleles, unphased, low, low + samples, ploidy, planes, counts)
        known = planes[1]
        placed = planes[2] if counts[4].any() else known
        packed.append(Haplotypes(name, samples * ploidy, planes[0], known, placed, *counts))
        low += samples
    return tuple(packed)


def concatenate(blocks: Sequence[Haplotypes]) -> Haplotypes:
    """Join the sites of one population; a population that gained columns (higher ploidy) is refused."""
    head = blocks[0]
    if any(block.size != head.size for block in blocks):
        raise ValueError(f"population {head.name}: blocks of different width")
    known = np.concatenate([b.known for b in blocks])
    phased = all(b.placed is b.known for b in blocks)
    return Haplotypes(
        head.name,
        head.size,
        np.concatenate([b.derived for b in blocks]),
        known,
        known if phased else np.concatenate([b.placed for b in blocks]),
        np.concatenate([b.derived_count for b in blocks]),
        np.concatenate([b.known_count for b in blocks]),
        np.concatenate([b.present_count for b in blocks]),
        np.concatenate([b.het_count for b in blocks]),
        np.concatenate([b.unphased_count for b in blocks]),
    )


def unpack(words: Words, size: int) -> Bools:
    """Spread words into booleans.

    Parameters
    ----------
    words
        (sites, words) uint64.
    size
        Number of haplotypes.

    Returns
    -------
    (sites, size) bool.

    Examples
    --------
    >>> unpack(np.array([[5]], np.uint64), 4).tolist()
    [[True, False, True, False]]
    """
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    return bits[:, :size].astype(np.bool_)


@numba.njit(cache=True, nogil=True)
def popcount(word: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    """Count the set bits of one word: LLVM turns this into the processor's own instruction."""
    one, two, four = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
    word = word - ((word >> np.uint64(1)) & one)
    word = (word & two) + ((word >> np.uint64(2)) & two)
    word = (word + (word >> np.uint64(4))) & four
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@numba.njit(cache=True, nogil=True)
def _pack(
    alleles: Alleles, unphased: Bools, low: int, high: int, ploidy: int, planes: Words, counts: Counts
) -> None:  # pragma: no cover - compiled
    """Fill the three bit planes and five counts of the samples ``low:high``, site by site."""
    zero = np.uint64(0)
    for site in range(alleles.shape[0]):
        row = alleles[site, low * ploidy : high * ploidy]
        derived = known = present = 0
        for word in range(planes.shape[2]):
            ones, calls = zero, zero
            base = word * WORD
            for bit in range(min(WORD, len(row) - base)):
                allele = row[base + bit]
                ones |= np.uint64(allele == 1) << np.uint64(bit)
                calls |= np.uint64(allele >= 0) << np.uint64(bit)
                present += allele > ABSENT
            planes[0, site, word], planes[1, site, word], planes[2, site, word] = ones, calls, calls
            derived += int(popcount(ones))
            known += int(popcount(calls))
        counts[0, site], counts[1, site], counts[2, site] = derived, known, present
        if 0 < derived < known:
            counts[3, site] = _heterozygous(row, ploidy)
            counts[4, site] = _unplace(row, unphased[site, low:high], ploidy, planes[2, site])


@numba.njit(cache=True, nogil=True)
def _heterozygous(row: Alleles, ploidy: int) -> int:  # pragma: no cover - compiled
    """Count the samples of one site that carry both alleles."""
    total = 0
    if ploidy == 2:
        for at in range(0, len(row), 2):
            first, second = row[at], row[at + 1]
            total += (first >= 0) & (second >= 0) & (first != second)
        return total
    for at in range(0, len(row), ploidy):
        total += (row[at : at + ploidy] == 0).any() and (row[at : at + ploidy] == 1).any()
    return total


@numba.njit(cache=True, nogil=True)
def _unplace(row: Alleles, unphased: Bools, ploidy: int, placed: Words) -> int:  # pragma: no cover - compiled
    """Take the unphased heterozygous samples of one site out of a plane, and count them."""
    total = 0
    for sample in range(len(unphased)):
        if unphased[sample]:
            genotype = row[sample * ploidy : (sample + 1) * ploidy]
            if (genotype == 0).any() and (genotype == 1).any():
                total += 1
                for column in range(sample * ploidy, (sample + 1) * ploidy):
                    placed[column >> 6] &= ~(np.uint64(1) << np.uint64(column & 63))
    return total
