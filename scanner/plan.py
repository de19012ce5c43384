"""What a scan will do, fixed from the input and the options alone: contigs, windows, parts, columns.

The number of workers has no say, so the same call gives the same parts, and any of them can be computed again alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner import vcf
from scanner.errors import InputError, UsageError
from scanner.genes import read_genes
from scanner.networks import NO_NETWORKS, Networks, arrange, read_networks, read_prior
from scanner.options import ScanOptions
from scanner.partition import CELL, Part, cut
from scanner.populations import Selection, select
from scanner.probe import Probe, probe
from scanner.reference import AncestralFasta, Intervals, Mask, merged, read_aliases, read_bed, read_lengths
from scanner.regions import Region, parse_region, shortlist
from scanner.statistics import registry
from scanner.windows import Windows, by_site_count, sliding
from scanner.workers import Mapper

Int = NDArray[np.int64]

MAX_WINDOWS = 50_000_000
"""More windows than any genome needs, and as many as memory holds."""
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Plan:
    """A scan, ready to run.

    Parameters
    ----------
    options
        What was asked for.
    source, selection, probe
        The file, its samples by population, and what its first records say.
    regions
        Stretches to scan, in the file's order.
    pairs, trios
        Populations that are compared.
    columns
        The table's columns, in order.
    parts
        The windows, cut into parts.
    aliases, masks
        Other names of contigs; callable intervals by contig, None where everything is callable.
    networks
        The networks, and what each looks at.
    """

    options: ScanOptions
    source: vcf.Source
    selection: Selection
    probe: Probe
    regions: tuple[Region, ...]
    pairs: tuple[tuple[str, ...], ...]
    trios: tuple[tuple[str, ...], ...]
    columns: tuple[registry.ScoreColumn, ...]
    parts: tuple[Part, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    masks: Intervals | None = None
    networks: Networks = NO_NETWORKS

    @property
    def site_scores(self) -> tuple[str, ...]:
        """Statistics of single sites that are asked for."""
        return tuple(name for name in registry.SITE_SCORES if name in self.options.statistics)

    @property
    def gapless(self) -> bool:
        """Whether what lies between windows is read too."""
        return self.options.windows.kind != "bed" or bool(self.site_scores) or bool(self.networks)

    @property
    def windows(self) -> int:
        """Number of windows."""
        return sum(len(part.windows) for part in self.parts)

    def mask(self, contig: str) -> Mask | None:
        """Callable stretches of a contig; None where everything is callable."""
        return None if self.masks is None else Mask(*self.masks.get(contig, (_NONE, _NONE)))

    def read_options(self) -> vcf.ReadOptions:
        """How records become sites."""
        options = self.options
        return vcf.ReadOptions(options.max_missing, options.min_maf, self.probe.ploidy, options.ancestral, self.aliases)


def make_plan(options: ScanOptions, fallback: Path, mapper: Mapper = map) -> Plan:
    """Look at every input and fix what the scan will do.

    Parameters
    ----------
    options
        What the user asks for.
    fallback
        Folder for an index that cannot be made beside the VCF.
    mapper
        Counts the sites first where windows are counted in sites.

    Raises
    ------
    UsageError, InputError
        For everything that is wrong with the call or that can be seen of the input.
    """
    sketch = outline(options, fallback)
    return with_windows(sketch, lay(sketch, mapper))


def with_windows(plan: Plan, laid: Sequence[Windows]) -> Plan:
    """Cut the windows of every region into parts, and so complete a plan."""
    return replace(plan, parts=_parts(plan, laid))


def outline(options: ScanOptions, fallback: Path) -> Plan:
    """Look at every input and fix all of a scan but its windows.

    Parameters
    ----------
    options, fallback
        As `make_plan` takes them.

    Raises
    ------
    UsageError, InputError
        For everything that is wrong with the call or that can be seen of the input.
    """
    lengths = read_lengths(options.chrom_sizes) if options.chrom_sizes else None
    source = vcf.open_source(options.vcf, lengths=lengths, fallback=fallback)
    aliases = read_aliases(options.aliases) if options.aliases else {}
    selection = select(source.samples, options.populations, options.samples)
    names = tuple(selection.populations)
    pairs = registry.default_pairs(names) if options.pairs is None else options.pairs
    trios = registry.default_trios(names, options.pairs) if options.trios is None else options.trios
    pairs, trios = registry.check_groups(2, names, pairs), registry.check_groups(3, names, trios)
    models = read_networks(options.models)
    priors = read_prior(models, options.priors)
    columns = registry.columns(options.statistics, names, pairs, trios, suffix=selection.named)
    if not columns and not models:
        raise UsageError("nothing to compute: --statistics leaves no score for these populations")
    regions = _regions(options, source, aliases)
    scanned = {region.contig: source.lengths[region.contig] for region in regions}
    masks = _masks(options.mask, source.lengths, scanned, aliases)
    if options.genes is not None:
        read_genes(options.genes, scanned)  # they are of use at the end only: a fault would come after hours
    if options.ancestral is not None:
        AncestralFasta(options.ancestral, scanned, aliases)
    look = probe(source, selection, regions)
    networks = arrange(models, selection.sizes, look.haplotypes, look.ploidy, pairs)
    networks = replace(networks, dense=options.dense, device=options.device, priors=priors)
    columns += networks.columns(suffix=selection.named)
    return Plan(options, source, selection, look, regions, pairs, trios, tuple(columns), (), aliases, masks, networks)


def lay(plan: Plan, mapper: Mapper = map) -> list[Windows]:
    """Lay the windows of every region.

    Raises
    ------
    InputError
        Where there is no window.
    """
    spec = plan.options.windows
    if spec.bed is not None:
        beds = read_bed(spec.bed, plan.source.lengths, plan.aliases)
        laid = [_within(region, *beds.get(region.contig, (_NONE, _NONE))) for region in plan.regions]
    elif spec.kind == "sites":
        counted = zip(plan.regions, _site_positions(plan, mapper), strict=True)
        laid = [by_site_count(region.contig, positions, spec.window, spec.step) for region, positions in counted]
    else:
        count = sum((region.end - region.start) // spec.step for region in plan.regions)
        if count > MAX_WINDOWS:
            raise UsageError(
                f"--step {spec.step} makes {count:,} windows, and popscan lays at most {MAX_WINDOWS:,}: "
                "take a larger one, or scan less with --region"
            )
        laid = [sliding(region, spec.window, spec.step) for region in plan.regions]
    if not any(len(windows) for windows in laid):
        raise InputError(f"{plan.source.path}: no window lies in {shortlist(plan.regions)}")
    return laid


def _parts(plan: Plan, laid: Sequence[Windows]) -> tuple[Part, ...]:
    haplotypes = len(plan.selection.samples) * plan.probe.ploidy
    return cut(plan.regions, laid, plan.source.entries, plan.source.lengths, haplotypes, read_core=plan.gapless)


def _regions(options: ScanOptions, source: vcf.Source, aliases: Mapping[str, str]) -> tuple[Region, ...]:
    """List the stretches to scan, in the file's order, merged; all contigs where nothing limits them."""
    chosen = [parse_region(text, source.lengths, aliases) for text in options.regions]
    if options.regions_file is not None:
        beds = read_bed(options.regions_file, source.lengths, aliases)
        chosen += [Region(name, int(a), int(b)) for name, bounds in beds.items() for a, b in zip(*bounds, strict=True)]
    if not chosen:
        return tuple(Region(contig, 0, length) for contig, length in source.lengths.items())
    found = []
    for contig in source.lengths:
        bounds = sorted((region.start, region.end) for region in chosen if region.contig == contig)
        if bounds:
            joined = merged(*np.array(bounds, np.int64).T)
            found += [Region(contig, int(start), int(end)) for start, end in zip(*joined, strict=True)]
    return tuple(found)


def _masks(
    path: Path | None, lengths: Mapping[str, int], scanned: Mapping[str, int], aliases: Mapping[str, str]
) -> Intervals | None:
    """Read the callable mask; a contig that is scanned and has none is an error."""
    if path is None:
        return None
    beds = read_bed(path, lengths, aliases)
    bare = [contig for contig in scanned if contig not in beds]
    if bare:
        raise InputError(
            f"{path} has no callable region on {shortlist(bare)}: "
            "use a mask of all contigs, or leave them out with --region"
        )
    return {contig: merged(*bounds) for contig, bounds in beds.items()}


def _within(region: Region, start: Int, end: Int) -> Windows:
    """Keep the windows that lie inside a region."""
    inside = (start >= region.start) & (end <= region.end)
    return Windows(region.contig, start[inside], end[inside])


def _site_positions(plan: Plan, mapper: Mapper) -> list[Int]:
    """Find the positions of all usable sites of every region: windows counted in sites need them."""
    parts = _parts(plan, [sliding(region, CELL, CELL) for region in plan.regions])
    found = dict(mapper(partial(positions_of, plan.source, plan.selection, plan.read_options(), plan.masks), parts))
    return [
        np.concatenate([found[part.index] for part in parts if part.segment == segment])
        for segment in range(len(plan.regions))
    ]


def positions_of(
    source: vcf.Source, selection: Selection, options: vcf.ReadOptions, masks: Intervals | None, part: Part
) -> tuple[int, Int]:
    """Find the positions of the usable sites of one part's core.

    Returns
    -------
    The part's index, and (sites,) int64 bp, 0-based.
    """
    mask = None if masks is None else Mask(*masks[part.region.contig])
    block, _ = vcf.read(source, selection, Region(part.region.contig, *part.core), options, mask)
    return part.index, block.positions
