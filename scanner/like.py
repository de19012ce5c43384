"""Proposing a recipe from a VCF: simulations should look like the data that the network will see."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner import vcf
from scanner.decode import PloidyGrows
from scanner.errors import InputError, UsageError
from scanner.haplotypes import Haplotypes
from scanner.populations import Selection, select
from scanner.reference import read_lengths
from scanner.regions import Region
from scanner.simulate.proposal import Likeness, write
from scanner.simulate.recipe import find_recipe, read_recipe

Int = NDArray[np.int64]
Float = NDArray[np.float64]

MUTATION_RATE = 1.25e-8
"""Per bp and generation, where nothing else is said: that of humans (Scally and Durbin 2012, 10.1038/nrg3295)."""
BASE = Path("recombination")
"""Recipe that the rest is taken from."""
PLACES, RECORDS = 20, 300
"""Stretches that are looked at, and records of each."""
LEAST = 100
"""Segregating sites of a population that a proposal needs."""
LONGEST_GAP = 50
"""A gap between sites counts as no longer than this many median gaps: longer ones were not sequenced."""
STRAY = 0.005
"""Share of the sites that may be rarer than the rarest class that the file holds."""
NEXT_CLASSES = 4
"""Number of classes of the spectrum, from two copies on, that tell how many singletons there should be."""
BLOCKS = 20
"""Blocks of consecutive sites of the jackknife."""


def propose(
    path: Path,
    populations: Path | None = None,
    population: str | None = None,
    *,
    base: Path | None = None,
    mutation_rate: float = MUTATION_RATE,
    chrom_sizes: Path | None = None,
) -> str:
    """Propose a recipe whose simulations look like a VCF.

    Parameters
    ----------
    path
        VCF.gz or BCF.
    populations
        Samples and their populations; all samples are one population where None.
    population
        The population to be like; where None, the recipe covers all of them.
    base
        Recipe, or name of one, for what no VCF shows: recombination, errors, network and training. None: `BASE`.
    mutation_rate
        Per bp and generation; the population sizes follow from it.
    chrom_sizes
        Contig lengths that the header lacks.

    Returns
    -------
    TOML with comments.

    Raises
    ------
    UsageError, InputError
        For what cannot be read, unknown populations, and too few sites.
    """
    if not 1e-12 <= mutation_rate <= 1e-4:
        raise UsageError(f"mutation rate {mutation_rate:g}: give one per bp and generation, such as {MUTATION_RATE:g}")
    taken = read_recipe(find_recipe(BASE if base is None else base))
    if taken.introgression is not None:
        raise UsageError(
            f"recipe {taken.name} has two populations, and --like measures one: write their split, sizes and samples "
            "into a copy of the recipe"
        )
    return write(measure(path, populations, population, chrom_sizes=chrom_sizes), taken, path, mutation_rate)


def measure(
    path: Path, populations: Path | None = None, population: str | None = None, *, chrom_sizes: Path | None = None
) -> tuple[Likeness, ...]:
    """Measure what simulations should be like, population by population; see `propose`."""
    if population is not None and populations is None:
        raise UsageError(f"population '{population}' needs a file that says who belongs to it: --populations TSV")
    lengths = None if chrom_sizes is None else read_lengths(chrom_sizes)
    with tempfile.TemporaryDirectory() as folder:
        source = vcf.open_source(path, lengths=lengths, fallback=Path(folder))
        selection = _chosen(select(source.samples, populations, None), populations, population)
        blocks = [vcf.read(source, selection, region, vcf.ReadOptions())[0] for region in _places(source, selection)]
    length = sum(_length(block.positions) for block in blocks)
    polarised = np.concatenate([block.polarised for block in blocks])
    found = []
    for place, name in enumerate(selection.populations):
        sites = [block.populations[place] for block in blocks]
        found.append(_likeness(name if selection.named else "", sites, polarised, length, path))
    return tuple(found)


def _chosen(selection: Selection, file: Path | None, population: str | None) -> Selection:
    """Keep one population, where one is named."""
    if population is None:
        return selection
    if population not in selection.populations:
        raise UsageError(f"{file} has no population '{population}': there is {', '.join(selection.populations)}")
    return Selection({population: selection.populations[population]}, named=True)


def _places(source: vcf.Source, selection: Selection) -> list[Region]:
    """Choose stretches evenly over the records; everything where there are few."""
    entries = source.entries
    if sum(math.inf if entry.records is None else entry.records for entry in entries.values()) <= PLACES * RECORDS:
        return [Region(contig, 0, source.lengths[contig]) for contig in entries]
    bins = [(contig, *item) for contig, entry in entries.items() for item in sorted(entry.bins)]
    weights = np.cumsum([share * (entries[contig].last - entries[contig].first) for contig, _, _, share in bins])
    found: list[Region] = []
    for at in np.searchsorted(weights, (np.arange(PLACES) + 0.5) / PLACES * weights[-1]):
        contig, start, _width, _share = bins[min(int(at), len(bins) - 1)]
        if found and found[-1].contig == contig:
            start = max(start, found[-1].end)
        if start < source.lengths[contig]:
            found.append(_stretch(source, selection, Region(contig, start, source.lengths[contig])))
    return found


def _stretch(source: vcf.Source, selection: Selection, region: Region) -> Region:
    """Cut a region after its first records."""
    ploidy = 1
    while True:
        try:
            (first,) = itertools.islice(vcf.chunks(source, selection, region, ploidy, records=RECORDS), 1)
        except PloidyGrows as growth:
            ploidy = growth.ploidy
        else:
            break
    if len(first.positions) < RECORDS:
        return region
    return Region(region.contig, region.start, min(region.end, max(region.start, int(first.positions[-1])) + 1))


def _length(positions: Int) -> float:
    """Count the bp between the first and the last site, without stretches that nobody looked at."""
    gaps = np.diff(positions)
    return float(np.minimum(gaps, LONGEST_GAP * max(1.0, float(np.median(gaps)))).sum()) if len(gaps) else 0.0


def _likeness(
    name: str, blocks: Sequence[Haplotypes], polarised: NDArray[np.bool_], length: float, path: Path
) -> Likeness:
    """Measure one population."""

    def joined(field: str) -> Int:
        return np.concatenate([getattr(block, field) for block in blocks]).astype(np.int64)

    known, derived, present = joined("known_count"), joined("derived_count"), joined("present_count")
    segregating = (derived > 0) & (derived < known)
    if segregating.sum() < LEAST or length == 0:
        whose = f"population '{name}'" if name else "the sample"
        raise InputError(
            f"{path}: {whose} has {segregating.sum()} segregating SNPs where it was looked at: a proposal needs {LEAST}"
        )
    known, derived, present = known[segregating], derived[segregating], present[segregating]
    minor = np.minimum(derived, known - derived)
    size = int(np.median(known))
    rarest = _rarest(minor)
    lost, error = _singletons_lost(minor, size) if rarest == 1 else (float(rarest == 2), 0.0)
    begin = rarest if rarest > 1 else 2 if lost > 0 else 1
    hets = int(joined("het_count").sum())
    return Likeness(
        name=name,
        haplotypes=int(present.max()),
        sites=len(minor),
        density=len(minor) / length,
        missing=1 - float(known.sum() / present.sum()),
        unphased=float(joined("unphased_count").sum() / hets) if hets else 0.0,
        polarised=float(polarised[segregating].mean()),
        theta=float((minor >= begin).sum() / _expected(size)[begin:].sum() / length),
        singletons_lost=(max(0.0, lost - 2 * error), min(1.0, lost + 2 * error)) if lost > 0 else None,
        min_maf=(rarest - 0.5) / size if rarest > 2 else 0.0,
    )


def _expected(size: int) -> Float:
    """Give the folded spectrum of a neutral population of constant size, for theta 1.

    Returns
    -------
    (size // 2 + 1,): sites by the number of copies of the rarer allele; none has 0.

    References
    ----------
    Fu 1995, 10.1006/tpbi.1995.1025.

    Examples
    --------
    >>> _expected(4).round(3).tolist()
    [0.0, 1.333, 0.5]
    """
    copies = np.arange(1, size // 2 + 1)
    return np.concatenate([[0.0], (1 / copies + 1 / (size - copies)) / (1 + (copies == size - copies))])


def _rarest(minor: Int) -> int:
    """Find the smallest number of copies of the rarer allele, but for a few stray sites."""
    share = np.cumsum(np.bincount(minor)) / len(minor)
    return int(np.argmax(share > STRAY))


def _singletons_lost(minor: Int, size: int) -> tuple[float, float]:
    """Estimate which share of the singletons is not there, from the number of sites with a few more copies.

    These few classes are what growth or decline of the population changes least in relation to the singletons.

    Returns
    -------
    The share and its standard error, by a jackknife over blocks of sites; 0, 0 where none need be missing.
    """
    expected = _expected(size)
    next_ones = slice(2, 2 + NEXT_CLASSES)
    if len(expected) <= 2:
        return 0.0, 0.0
    blocks = np.array_split(minor, BLOCKS)
    spectra = np.array([np.bincount(block, minlength=len(expected))[: len(expected)] for block in blocks])
    spectra = np.concatenate([[np.zeros(len(expected))], spectra])  # without none, then without each
    rest = spectra.sum(axis=0) - spectra
    few = np.maximum(rest[:, next_ones].sum(axis=1), 0.5) * expected[1] / expected[next_ones].sum()
    lost = 1 - rest[:, 1] / few
    error = float(np.sqrt((BLOCKS - 1) * np.var(lost[1:])))
    found = float(lost[0])
    return (found, max(error, 0.05)) if found > max(0.1, 2 * error) else (0.0, 0.0)
