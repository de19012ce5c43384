"""Reading a VCF.gz or BCF region by region into blocks of haplotypes.

The narrow interface is `read`: one region in, one `HaplotypeBlock` and the tally of every record that did not enter
it out. How records are decoded is `scanner.decode`'s business.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cyvcf2
import numpy as np
import pysam
from numpy.typing import NDArray

from scanner import bgzf
from scanner.decode import Kind, PloidyGrows, Records, decode_lines, decode_variants
from scanner.errors import InputError
from scanner.haplotypes import HaplotypeBlock, Haplotypes, concatenate, pack_populations
from scanner.populations import Selection
from scanner.reference import AncestralFasta, Mask
from scanner.regions import Region, shortlist

CHUNK_BYTES = 8_000_000
"""Text, or genotype arrays, decoded at a time."""
MAX_PLOIDY = 16
MAX_LENGTH = (1 << 32) - 1
"""bp of the longest contig that bigWig and bigBed can hold."""

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A population VCF or BCF that can be read by region.

    Parameters
    ----------
    path, kind, index
        The file, its format and its index.
    samples
        Sample names of the header.
    lengths
        Contig -> length in bp, for every contig that has records, in the file's order.
    entries
        Contig -> what the index knows, the same contigs.
    """

    path: Path
    kind: bgzf.Format
    index: Path
    samples: tuple[str, ...]
    lengths: dict[str, int]
    entries: dict[str, bgzf.ContigIndex]


@dataclass(frozen=True)
class ReadOptions:
    """How records become sites.

    Parameters
    ----------
    max_missing
        Largest share of the selected samples' alleles that may be uncalled at a site.
    min_maf
        Smallest frequency of the rarer allele, over the selected samples, that a site may have.
    ploidy
        Haplotype columns a sample; grows by itself where a genotype has more alleles.
    ancestral
        FASTA of ancestral bases; INFO/AA where None.
    aliases
        Other names of contigs.
    """

    max_missing: float = 0.5
    min_maf: float = 0.0
    ploidy: int = 2
    ancestral: Path | None = None
    aliases: Mapping[str, str] | None = None


def open_source(path: Path, *, lengths: Mapping[str, int] | None = None, fallback: Path) -> Source:
    """Look at everything but the records: format, header, index, contigs.

    Parameters
    ----------
    path
        The VCF.gz or BCF.
    lengths
        Contig lengths in bp from a chrom.sizes or .fai file; the header's where None.
    fallback
        Folder for the index where the file's own folder is not writable.

    Raises
    ------
    UsageError, InputError
        For every fault that can be seen without reading the records.
    """
    kind = bgzf.sniff(path)
    index = bgzf.find_index(path) or _index_in(fallback, path)
    if index is not None:
        bgzf.read_index(index, [])  # cyvcf2 opens it with the file, and htslib may crash over a damaged one
    samples, contigs, stated = _header(path, kind)
    known = {**stated, **(lengths or {})}
    if index is None:
        with bgzf.quiet_htslib():
            index = bgzf.make_index(path, kind, max(known.values(), default=0), fallback)
    entries = bgzf.read_index(index, contigs)
    bgzf.check_fresh(path, index, entries, kind)
    if not entries:
        raise InputError(f"{path} has no records: there is nothing to scan")
    odd = [contig for contig in entries if not contig.isascii()]
    if odd:
        raise InputError(f"{path}: {shortlist(odd)}: names of contigs in browser files are ASCII; rename them first")
    bare = [contig for contig in entries if contig not in known]
    if bare:
        where = "the header gives no length" if lengths is None else "neither the header nor --chrom-sizes has a length"
        raise InputError(
            f"{path}: {where} for {shortlist(bare)}; give lengths with --chrom-sizes FILE (chrom.sizes or .fai)"
        )
    long = [contig for contig in entries if known[contig] > MAX_LENGTH]
    if long:
        raise InputError(
            f"{path}: {shortlist(long)} has {known[long[0]]:,} bp by the header or --chrom-sizes, and browser files "
            f"hold at most {MAX_LENGTH:,}: give the true lengths with --chrom-sizes FILE"
        )
    return Source(path, kind, index, samples, {contig: known[contig] for contig in entries}, entries)


def read(
    source: Source,
    selection: Selection,
    region: Region,
    options: ReadOptions,
    mask: Mask | None = None,
    core: tuple[int, int] | None = None,
) -> tuple[HaplotypeBlock, Counter[str]]:
    """Read one region.

    Parameters
    ----------
    source, selection
        The file, and which of its samples belong to which population.
    region
        Records with POS inside are read.
    options
        How records become sites.
    mask
        Callable stretches of the contig; everything is callable where None.
    core
        bp, 0-based half-open: only records with POS inside are tallied; the whole region where None.

    Returns
    -------
    The block of biallelic SNPs that vary among the selected samples, and the tally: ``sites`` and, for the other
    records, the reason why they were not used.

    Raises
    ------
    InputError
        For unsorted or malformed records, with their place.
    """
    while True:
        try:
            records = _Gathered.of(chunks(source, selection, region, options.ploidy), selection, options.ploidy)
            break
        except PloidyGrows as growth:
            if growth.ploidy > MAX_PLOIDY:
                raise InputError(
                    f"{source.path}: {region} has a genotype of {growth.ploidy} alleles; popscan reads {MAX_PLOIDY}"
                ) from growth
            options = replace(options, ploidy=growth.ploidy)
    return records.block(region, options, source, mask, core or (region.start, region.end))


@dataclass(frozen=True)
class _Gathered:
    """All records of a region: positions and kinds of every record, the rest for SNP records only."""

    positions: Int
    kinds: NDArray[np.uint8]
    ref: NDArray[np.uint8]
    alt: NDArray[np.uint8]
    ancestral: NDArray[np.uint8]
    populations: tuple[Haplotypes, ...]

    @classmethod
    def of(cls, chunks: Iterator[Records], selection: Selection, ploidy: int) -> _Gathered:
        """Pack chunk by chunk, so that the wide arrays of alleles never stand all at once."""
        parts, packed = [], []
        for chunk in chunks:
            parts.append((chunk.positions, chunk.kinds, chunk.ref, chunk.alt, chunk.ancestral))
            packed.append(pack_populations(selection.sizes, chunk.alleles, chunk.unphased, ploidy))
        positions, kinds, ref, alt, ancestral = (np.concatenate(column) for column in zip(*parts, strict=True))
        populations = tuple(concatenate(column) for column in zip(*packed, strict=True))
        return cls(positions, kinds, ref, alt, ancestral, populations)

    def block(
        self, region: Region, options: ReadOptions, source: Source, mask: Mask | None, core: tuple[int, int]
    ) -> tuple[HaplotypeBlock, Counter[str]]:
        """Choose the sites, polarise them and tally the rest."""
        self._check_order(source, region)
        snp = np.flatnonzero(self.kinds == Kind.SNP)
        positions = self.positions[snp]
        reasons = _site_reasons(self, positions, mask, options)
        kept = np.flatnonzero(reasons == "sites")
        labels = np.array([kind.name.lower() for kind in Kind], dtype="U12")[self.kinds]
        labels[snp] = reasons
        counted = (self.positions >= core[0]) & (self.positions < core[1]) & (self.kinds != Kind.OUTSIDE)
        names, totals = np.unique(labels[counted], return_counts=True)
        tally = Counter(dict(zip(names.tolist(), totals.tolist(), strict=True)))
        ancestral = self.ancestral[kept]
        if options.ancestral is not None:
            fasta = AncestralFasta(options.ancestral, {region.contig: source.lengths[region.contig]}, options.aliases)
            ancestral = fasta.bases(region)[positions[kept] - region.start]
        polarised = (ancestral == self.ref[kept]) | (ancestral == self.alt[kept])
        swapped = ancestral == self.alt[kept]
        populations = tuple(_flipped(population.take(kept), swapped) for population in self.populations)
        return HaplotypeBlock(region, positions[kept], polarised, populations), tally

    def _check_order(self, source: Source, region: Region) -> None:
        falls = np.flatnonzero(np.diff(self.positions) < 0)
        if len(falls):
            before, after = self.positions[falls[0]] + 1, self.positions[falls[0] + 1] + 1
            raise InputError(
                f"{source.path} is not sorted: {region.contig}:{after} follows {region.contig}:{before}; "
                f"sort it with 'bcftools sort -Oz -o sorted.vcf.gz {source.path}'"
            )
        length = source.lengths[region.contig]
        if len(self.positions) and self.positions[-1] >= length and region.end == length:
            raise InputError(
                f"{source.path}: {region.contig}:{self.positions[-1] + 1} lies past the end of {region.contig}, which "
                f"has {length:,} bp by the header or --chrom-sizes: another genome build"
            )


def _site_reasons(records: _Gathered, positions: Int, mask: Mask | None, options: ReadOptions) -> NDArray[np.str_]:
    """Tell for every SNP record whether it is a site, or why not; the first reason that holds counts."""
    reasons = np.full(len(positions), "sites", dtype="U12")
    derived = sum((p.derived_count for p in records.populations), np.zeros(len(positions), np.int32))
    known = sum((p.known_count for p in records.populations), np.zeros(len(positions), np.int32))
    present = sum((p.present_count for p in records.populations), np.zeros(len(positions), np.int32))
    reasons[(derived == 0) | (derived == known)] = "monomorphic"
    reasons[(reasons == "sites") & (np.minimum(derived, known - derived) < options.min_maf * known)] = "rare"
    reasons[present - known > options.max_missing * present] = "missing"
    reasons[known == 0] = "missing"
    if mask is not None:
        reasons[~mask.covers(positions)] = "masked"
    same = positions[1:] == positions[:-1]
    if same.any():
        _mark_repeats(records, positions, reasons)
    return reasons


def _mark_repeats(records: _Gathered, positions: Int, reasons: NDArray[np.str_]) -> None:
    """Set aside records that share a position: a split multiallelic site as such, copies of a record but the first."""
    first = np.flatnonzero(np.diff(positions, prepend=-1))
    last = np.append(first[1:], len(positions))
    for site in np.flatnonzero(last - first > 1):
        rows = np.arange(first[site], last[site])
        alleles = {(records.ref[row], records.alt[row]) for row in rows}
        if len(alleles) > 1:
            reasons[rows] = "multiallelic"
        else:
            reasons[rows[1:]] = "duplicate"


def _flipped(population: Haplotypes, swapped: NDArray[np.bool_]) -> Haplotypes:
    """Exchange the alleles of the sites whose ALT base is the ancestral one."""
    if not swapped.any():
        return population
    derived, count = population.derived.copy(), population.derived_count.copy()
    derived[swapped] ^= population.known[swapped]
    count[swapped] = population.known_count[swapped] - count[swapped]
    return replace(population, derived=derived, derived_count=count)


def chunks(
    source: Source, selection: Selection, region: Region, ploidy: int, records: int | None = None
) -> Iterator[Records]:
    """Decode a region chunk by chunk.

    Parameters
    ----------
    source, selection, region
        As for `read`.
    ploidy
        Haplotype columns a sample.
    records
        Records a chunk; as many as `CHUNK_BYTES` allows where None.

    Yields
    ------
    At least one chunk, be it empty.
    """
    samples = selection.samples
    slots = np.full(len(source.samples), -1, np.int64)
    slots[list(samples)] = np.arange(len(samples))
    bounds = (region.start, region.end)
    reaches_end = region.end == source.lengths[region.contig]  # records past it must be met, not overlooked
    decode: Any = decode_lines if source.kind == "vcf" else decode_variants
    size = records or max(1, CHUNK_BYTES // (4 * len(source.samples) + 200))
    with _records(source, region, reaches_end) as lines:
        empty = True
        while chunk := list(itertools.islice(lines, size)):
            empty = False
            try:
                yield decode(chunk, slots, len(samples), ploidy, bounds)
            except InputError as error:
                raise InputError(f"{source.path}: {error}") from error
        if empty:
            yield decode_lines([], slots, len(samples), ploidy, bounds)


@contextlib.contextmanager
def _records(source: Source, region: Region, reaches_end: bool) -> Iterator[Iterator[Any]]:
    """Open the file at a region: lines of text for VCF, cyvcf2's variants for BCF."""
    try:
        with bgzf.quiet_htslib():
            end = None if reaches_end else region.end
            if source.kind == "vcf":
                with pysam.TabixFile(str(source.path), index=str(source.index), encoding="latin-1") as tabix:
                    yield _guarded(tabix.fetch(region.contig, region.start, end), source, region)
            else:
                bcf = cyvcf2.VCF(str(source.path))
                bcf.set_index(str(source.index))
                found = bcf(f"{{{region.contig}}}:{region.start + 1}-{end or ''}")
                yield _guarded(_whole(found, source, region, end), source, region)
                bcf.close()
    except (OSError, ValueError) as error:
        raise _damaged(source, region) from error


def _whole(variants: Iterator[Any], source: Source, region: Region, end: int | None) -> Iterator[Any]:
    """Yield all of cyvcf2's variants, or raise: its iterator ends at damaged data as if the region ended there."""
    reached = region.start
    for variant in variants:
        reached = max(reached, variant.start)
        yield variant
    with pysam.VariantFile(str(source.path), index_filename=str(source.index)) as rest:
        if any(record.start > reached for record in rest.fetch(region.contig, reached, end)):
            raise OSError("records are left")


def _guarded(records: Iterator[Any], source: Source, region: Region) -> Iterator[Any]:
    """Turn what htslib says of damaged data into a sentence."""
    try:
        yield from records
    except InputError:
        raise
    except Exception as error:
        raise _damaged(source, region) from error


def _damaged(source: Source, region: Region) -> InputError:
    return InputError(
        f"{source.path} cannot be read at {region}: the file or its index {source.index.name} is damaged; "
        "copy the file again and delete the index"
    )


def _header(path: Path, kind: bgzf.Format) -> tuple[tuple[str, ...], list[str], dict[str, int]]:
    """Read sample names, contigs in order, and the lengths that the header states."""
    try:
        with bgzf.quiet_htslib():
            vcf = cyvcf2.VCF(str(path))
            samples, header = tuple(vcf.samples), vcf.raw_header
            lengths = _stated_lengths(header)
            if kind == "bcf" and "\n##contig=<" not in header:  # cyvcf2 would crash
                raise ValueError("it has no ##contig line, and a BCF knows its contigs by these alone")
            contigs = list(vcf.seqnames)
            vcf.close()
    except Exception as error:
        raise InputError(f"{path} has a header that cannot be read: {error}") from error
    if not samples:
        raise InputError(f"{path} has no samples: a scan needs genotypes")
    return samples, contigs, lengths


def _stated_lengths(header: str) -> dict[str, int]:
    """Collect ID and length of every ``##contig`` line that has both."""
    lengths = {}
    for line in header.splitlines():
        if line.startswith("##contig=<"):
            fields = dict(part.split("=", 1) for part in line[10:].rstrip(">").split(",") if "=" in part)
            if "ID" in fields and fields.get("length", "").isdigit() and int(fields["length"]) > 0:
                lengths[fields["ID"]] = int(fields["length"])
    return lengths


def _index_in(folder: Path, path: Path) -> Path | None:
    return bgzf.find_index(folder / path.name)
