"""The hot path: lines of a VCF to arrays.

A compiled parser reads whole chunks of text, so that a record costs about as much as copying it. It decodes what a scan
needs (position, bases, ancestral base, genotypes) and classifies every record; it never guesses: a line that breaks the
format is reported with its place. BCF goes through cyvcf2, and the tests hold both to the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.haplotypes import ABSENT, MISSING, Alleles, Bools

Bytes = NDArray[np.uint8]
Int = NDArray[np.int64]


class Kind(IntEnum):
    """What a record is. Only `SNP` records enter a scan; the others are tallied by this reason."""

    SNP = 0
    MULTIALLELIC = 1
    INDEL = 2
    MNP = 3
    SYMBOLIC = 4
    MONOMORPHIC = 5
    NO_GENOTYPE = 6
    OUTSIDE = 7


class PloidyGrows(Exception):
    """A genotype has more alleles than there are columns for: read the block again with more."""

    def __init__(self, ploidy: int) -> None:
        """Carry the ploidy that was met."""
        super().__init__(ploidy)
        self.ploidy = ploidy


@dataclass(frozen=True)
class Records:
    """Decoded records of one contig, in file order.

    Parameters
    ----------
    positions, kinds
        (records,) int64 bp 0-based, and uint8 `Kind`.
    ref, alt, ancestral
        (snps,) uint8: upper-case bases as ASCII, ancestral 0 where INFO/AA has none. SNP records only.
    alleles
        (snps, samples x ploidy) int8: 0, 1, -1 missing, -2 not there.
    unphased
        (snps, samples) bool: the genotype is written without phase.
    """

    positions: Int
    kinds: Bytes
    ref: Bytes
    alt: Bytes
    ancestral: Bytes
    alleles: Alleles
    unphased: Bools


_TAB, _NEWLINE, _COMMA, _DOT, _COLON, _SEMICOLON, _EQUALS = 9, 10, 44, 46, 58, 59, 61
_PIPE, _SLASH, _STAR, _ZERO = 124, 47, 42, 48
_PADDING = "\n\n\n\n"  # the parser may look three characters ahead
_OK, _SHORT, _BAD_POSITION, _BAD_GENOTYPE, _BAD_COLUMNS, _PLOIDY, _EMPTY = range(7)
_FAULTS = {
    _SHORT: "the line has fewer than 8 columns",
    _BAD_POSITION: "POS is no whole number of at least 1",
    _BAD_GENOTYPE: "a genotype is none of the record's alleles",
    _BAD_COLUMNS: "the line has not one column for every sample of the header",
    _EMPTY: "REF or ALT is empty",
}


def decode_lines(lines: list[str], slots: Int, samples: int, ploidy: int, bounds: tuple[int, int]) -> Records:
    """Parse text records of one contig.

    Parameters
    ----------
    lines
        Records without line ends, characters below 256.
    slots
        (samples in the file,) int64: column of each sample in the result, -1 to leave it out.
    samples, ploidy
        Shape of the result: sample columns, and haplotypes a sample.
    bounds
        bp, 0-based half-open: records with POS outside are `Kind.OUTSIDE`.

    Raises
    ------
    PloidyGrows
        Where a genotype has more alleles than ``ploidy``.
    InputError
        Where a line breaks the format; it starts with the line's contig and position.
    """
    count = len(lines)
    text = np.frombuffer(("\n".join(lines) + _PADDING).encode("latin-1"), np.uint8)
    positions, kinds = np.empty(count, np.int64), np.empty(count, np.uint8)
    bases = np.zeros((3, count), np.uint8)
    alleles = np.full((count, samples * ploidy), ABSENT, np.int8)
    unphased = np.zeros((count, samples), np.bool_)
    fault, row, detail, snps = _decode(text, slots, ploidy, bounds, (positions, kinds, bases), alleles, unphased)
    if fault == _PLOIDY:
        raise PloidyGrows(detail)
    if fault != _OK:
        place = ":".join(lines[row].split("\t", 2)[:2])
        raise InputError(f"{place}: {_FAULTS[fault]}: '{lines[row][:60]}'")
    return Records(positions, kinds, bases[0, :snps], bases[1, :snps], bases[2, :snps], alleles[:snps], unphased[:snps])


def decode_variants(variants: list[Any], slots: Int, samples: int, ploidy: int, bounds: tuple[int, int]) -> Records:
    """Do as `decode_lines` does, for cyvcf2's variants: the way of BCF, and the parser's judge in the tests."""
    count = len(variants)
    positions, kinds = np.empty(count, np.int64), np.empty(count, np.uint8)
    bases = np.zeros((3, count), np.uint8)
    alleles = np.full((count, samples * ploidy), ABSENT, np.int8)
    unphased = np.zeros((count, samples), np.bool_)
    wanted = np.flatnonzero(slots >= 0)
    snps = 0
    for row, variant in enumerate(variants):
        positions[row] = variant.start
        kinds[row] = kind = _classify(variant, bounds)
        if kind != Kind.SNP:
            continue
        genotypes = variant.genotype.array()
        width = genotypes.shape[1] - 1
        if width > ploidy:  # be it for samples that are left out
            most = int((genotypes[wanted, :width] != ABSENT).sum(axis=1).max())
            if most > ploidy:
                raise PloidyGrows(most)
        if not _take(genotypes, slots, ploidy, alleles[snps], unphased[snps]):
            raise InputError(f"{variant.CHROM}:{variant.POS}: {_FAULTS[_BAD_GENOTYPE]}")
        if width > 2:
            unphased[snps, slots[wanted]] = _unphased(variant, wanted)
        bases[:, snps] = ord(variant.REF), ord(variant.ALT[0]), _ancestral(variant)
        snps += 1
    bases &= 0xDF  # ASCII upper case
    return Records(positions, kinds, bases[0, :snps], bases[1, :snps], bases[2, :snps], alleles[:snps], unphased[:snps])


def _unphased(variant: Any, wanted: Int) -> Bools:
    """Tell which genotypes of many alleles are written without phase: cyvcf2 looks at the second allele alone."""
    columns = str(variant).rstrip("\n").split("\t")[9:]
    return np.array(["/" in columns[sample].split(":", 1)[0] for sample in wanted], np.bool_)


@numba.njit(cache=True, nogil=True)
def _take(
    genotypes: NDArray[np.int16], slots: Int, ploidy: int, alleles: Alleles, unphased: Bools
) -> bool:  # pragma: no cover - compiled
    """Take one record's genotypes from cyvcf2's array; False where an allele is none of a biallelic record."""
    width = genotypes.shape[1] - 1
    for sample in range(len(slots)):
        if slots[sample] >= 0:
            calls = alleles[slots[sample] * ploidy : (slots[sample] + 1) * ploidy]
            there = 0
            for place in range(min(width, ploidy)):
                if genotypes[sample, place] > 1:
                    return False
                calls[place] = genotypes[sample, place]
                there += calls[place] != ABSENT
            unphased[slots[sample]] = genotypes[sample, width] == 0 and there > 1
            if there == 1 and calls[0] == MISSING:  # a lone '.' is a genotype missing as a whole
                calls[:] = MISSING
    return True


def _classify(variant: Any, bounds: tuple[int, int]) -> Kind:
    """Tell what a cyvcf2 variant is."""
    if not bounds[0] <= variant.start < bounds[1]:
        return Kind.OUTSIDE
    reference, alternatives = variant.REF, variant.ALT
    if not alternatives:
        return Kind.MONOMORPHIC
    if len(alternatives) > 1:
        return Kind.MULTIALLELIC
    alternative = alternatives[0]
    if not (alternative.isalpha() and reference.isalpha()):
        return Kind.SYMBOLIC
    if len(reference) != len(alternative):
        return Kind.INDEL
    if len(reference) > 1:
        return Kind.MNP
    if not {reference.upper(), alternative.upper()} <= set("ACGT"):
        return Kind.SYMBOLIC
    return Kind.SNP if variant.FORMAT and variant.FORMAT[0] == "GT" else Kind.NO_GENOTYPE


def _ancestral(variant: Any) -> int:
    """Give INFO/AA's base as ASCII, 0 where it is not one base."""
    text = variant.INFO.get("AA")
    base = str(text).split("|", 1)[0] if text is not None else ""
    return ord(base) if base.upper() in {"A", "C", "G", "T"} else 0


@numba.njit(cache=True, nogil=True)
def _decode(
    text: Bytes,
    slots: Int,
    ploidy: int,
    bounds: tuple[int, int],
    heads: tuple[Int, Bytes, Bytes],
    alleles: Alleles,
    unphased: Bools,
) -> tuple[int, int, int, int]:  # pragma: no cover - compiled
    """Parse every line; give a fault code, its row, a detail and the number of SNPs."""
    positions, kinds, bases = heads
    at = 0
    snps = 0
    tabs = np.empty(9, np.int64)
    for row in range(len(positions)):
        columns, end = _columns(text, at, tabs)
        if columns < 7:
            return _SHORT, row, 0, snps
        position = _number(text, tabs[0] + 1, tabs[1])
        if position < 1:
            return _BAD_POSITION, row, 0, snps
        positions[row] = position - 1
        if tabs[2] + 1 == tabs[3] or tabs[3] + 1 == tabs[4]:
            return _EMPTY, row, 0, snps
        if columns == 8:  # FORMAT, and no sample
            return _BAD_COLUMNS, row, 0, snps
        kind = _kind(text, tabs, columns)
        if not bounds[0] <= position - 1 < bounds[1]:
            kind = 7
        kinds[row] = kind
        if kind == 0:
            bases[0, snps] = text[tabs[2] + 1] & 0xDF
            bases[1, snps] = text[tabs[3] + 1] & 0xDF
            bases[2, snps] = _info_ancestral(text, tabs[6] + 1, tabs[7])
            fault, detail, end = _genotypes(text, tabs[8] + 1, slots, ploidy, alleles[snps], unphased[snps])
            if fault != _OK:
                return fault, row, detail, snps
            snps += 1
        else:
            while text[end] != _NEWLINE:
                end += 1
        at = end + 1
    return _OK, 0, 0, snps


@numba.njit(cache=True, nogil=True)
def _columns(text: Bytes, at: int, tabs: Int) -> tuple[int, int]:  # pragma: no cover - compiled
    """Find the tabs that end the first nine columns; stop at the line's end."""
    found = 0
    while text[at] != _NEWLINE:
        if text[at] == _TAB:
            tabs[found] = at
            found += 1
            if found == 9:
                break
        at += 1
    for missing in range(found, 9):
        tabs[missing] = at
    return found, at


@numba.njit(cache=True, nogil=True)
def _number(text: Bytes, at: int, end: int) -> int:  # pragma: no cover - compiled
    """Read a whole number; -1 where there is none."""
    if at == end or end - at > 18:
        return -1
    value = 0
    for place in range(at, end):
        digit = text[place] - _ZERO
        if not 0 <= digit <= 9:
            return -1
        value = value * 10 + digit
    return value


@numba.njit(cache=True, nogil=True)
def _is_base(character: int) -> bool:  # pragma: no cover - compiled
    upper = character & 0xDF
    return upper == 65 or upper == 67 or upper == 71 or upper == 84  # A C G T


@numba.njit(cache=True, nogil=True)
def _is_letters(text: Bytes, at: int, end: int) -> bool:  # pragma: no cover - compiled
    for place in range(at, end):
        if not 65 <= (text[place] & 0xDF) <= 90:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _kind(text: Bytes, tabs: Int, columns: int) -> int:  # pragma: no cover - compiled
    """Classify one record by REF, ALT and FORMAT, as `_classify` does."""
    reference, alternative, after = tabs[2] + 1, tabs[3] + 1, tabs[4]
    if alternative + 1 == after and text[alternative] == _DOT:
        return 5
    for place in range(alternative, after):
        if text[place] == _COMMA:
            return 1
    if not (_is_letters(text, alternative, after) and _is_letters(text, reference, tabs[3])):
        return 4
    length = tabs[3] - reference
    if after - alternative != length:
        return 2
    if length > 1:
        return 3
    if not (_is_base(text[reference]) and _is_base(text[alternative])):
        return 4
    start = tabs[7] + 1
    if columns < 9 or text[start] != 71 or text[start + 1] != 84:  # G T
        return 6
    return 0 if start + 2 == tabs[8] or text[start + 2] == _COLON else 6


@numba.njit(cache=True, nogil=True)
def _info_ancestral(text: Bytes, at: int, end: int) -> int:  # pragma: no cover - compiled
    """Find INFO/AA's base; 0 where it is not exactly one of A, C, G, T."""
    fresh = True
    while at + 3 < end:
        if fresh and text[at] == 65 and text[at + 1] == 65 and text[at + 2] == _EQUALS:
            alone = at + 4 == end or text[at + 4] == _SEMICOLON or text[at + 4] == _PIPE
            return text[at + 3] & 0xDF if alone and _is_base(text[at + 3]) else 0
        fresh = text[at] == _SEMICOLON
        at += 1
    return 0


@numba.njit(cache=True, nogil=True)
def _genotypes(
    text: Bytes, at: int, slots: Int, ploidy: int, alleles: Alleles, unphased: Bools
) -> tuple[int, int, int]:  # pragma: no cover - compiled
    """Parse the genotype columns of one record; give a fault code, a detail and where the line ends."""
    for sample in range(len(slots)):
        if sample > 0:
            if text[at] != _TAB:
                return _BAD_COLUMNS, 0, at
            at += 1
        slot = slots[sample]
        if slot >= 0:
            first, separator, second = text[at], text[at + 1], text[at + 2] if text[at + 1] != _NEWLINE else 0
            plain = (separator == _PIPE or separator == _SLASH) and 48 <= first <= 49 and 48 <= second <= 49
            if plain and ploidy >= 2 and (text[at + 3] == _TAB or text[at + 3] == _COLON or text[at + 3] == _NEWLINE):
                alleles[slot * ploidy] = first - _ZERO
                alleles[slot * ploidy + 1] = second - _ZERO
                unphased[slot] = separator == _SLASH
                at += 3
            else:
                found, loose, at = _genotype(text, at, ploidy, alleles[slot * ploidy : (slot + 1) * ploidy])
                if found < 0:
                    return _BAD_GENOTYPE, 0, at
                if found > ploidy:
                    return _PLOIDY, found, at
                unphased[slot] = loose
        while text[at] != _TAB and text[at] != _NEWLINE:
            at += 1
    return (_OK if text[at] == _NEWLINE else _BAD_COLUMNS), 0, at


@numba.njit(cache=True, nogil=True)
def _genotype(
    text: Bytes, at: int, ploidy: int, calls: Alleles
) -> tuple[int, bool, int]:  # pragma: no cover - compiled
    """Parse one genotype of any ploidy; give the number of alleles (-1: malformed), lack of phase and the end."""
    found = 0
    loose = False
    if text[at] == _PIPE or text[at] == _SLASH:  # VCF 4.4 may state the phase of the first allele
        at += 1
    while True:
        if text[at] == _DOT:
            allele = -1
            at += 1
        elif text[at] == 48 or text[at] == 49:
            allele = text[at] - _ZERO
            at += 1
        else:
            return -1, loose, at
        if found < ploidy:
            calls[found] = allele
        found += 1
        if text[at] != _PIPE and text[at] != _SLASH:
            break
        loose = loose or text[at] == _SLASH
        at += 1
    if text[at] != _COLON and text[at] != _TAB and text[at] != _NEWLINE:
        return -1, loose, at
    if found == 1 and allele == -1:
        calls[:] = -1
    return found, loose, at
