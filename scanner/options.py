"""What a user can ask of a scan: the options that change its result, and how their text is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scanner.errors import UsageError
from scanner.regions import parse_size
from scanner.statistics import registry

WINDOW = "100kb"
MIN_CALLABLE = 0.5
MIN_SITES = 10
MAX_MISSING = 0.5
FDR = 0.05


@dataclass(frozen=True)
class WindowSpec:
    """How windows are laid.

    Parameters
    ----------
    kind
        ``bp`` and ``sites``: of equal length, in bp or in usable sites; ``bed``: as a file has them.
    window, step
        Length and distance in bp or sites; 0 for ``bed``.
    bed
        The file.
    """

    kind: Literal["bp", "sites", "bed"]
    window: int = 0
    step: int = 0
    bed: Path | None = None


@dataclass(frozen=True)
class ScanOptions:
    """Everything a user can ask of a scan that changes its result.

    Parameters
    ----------
    vcf
        VCF.gz or BCF.
    windows
        How windows are laid.
    statistics
        Names as `registry.resolve` gives them.
    populations, samples
        Files that name populations, and the samples to use.
    pairs, trios
        Populations to compare; None for all where they are few.
    regions, regions_file
        1-based texts, and a BED, that limit the scan.
    mask, ancestral, chrom_sizes, aliases
        Callable regions (BED), ancestral FASTA, contig lengths, other names of contigs.
    min_callable, min_sites
        Floors below which a window has no values: callable share, and number of sites.
    max_missing, min_maf
        Largest share of uncalled alleles, and smallest frequency of the rarer one, of a site.
    models
        Folders of networks.
    priors
        Names of tasks and classes that networks tell, and the probability of each before anything is seen.
    fdr
        False-discovery rate at which windows are called to be of a class, between 0 and 1.
    dense
        Predict for windows around every site too.
    device
        What networks compute on: ``auto``, ``cpu`` or ``gpu``; the result does not depend on it.
    genome, genes, email
        For the browser files alone: IGV genome id or FASTA, GFF3 or GTF of genes, and whom to ask.
    """

    vcf: Path
    windows: WindowSpec
    statistics: tuple[str, ...] = registry.DEFAULT
    populations: Path | None = None
    samples: Path | None = None
    pairs: tuple[tuple[str, ...], ...] | None = None
    trios: tuple[tuple[str, ...], ...] | None = None
    regions: tuple[str, ...] = ()
    regions_file: Path | None = None
    mask: Path | None = None
    ancestral: Path | None = None
    chrom_sizes: Path | None = None
    aliases: Path | None = None
    min_callable: float = MIN_CALLABLE
    min_sites: int = MIN_SITES
    max_missing: float = MAX_MISSING
    min_maf: float = 0.0
    models: tuple[Path, ...] = ()
    priors: tuple[tuple[str, float], ...] = ()
    fdr: float = FDR
    dense: bool = False
    device: str = "auto"
    genome: str | None = None
    genes: Path | None = None
    email: str | None = None

    def __post_init__(self) -> None:
        """Refuse a rate that is none."""
        if not 0 < self.fdr < 1:
            raise UsageError(f"--fdr {self.fdr:g}: give the share of calls that may be false, above 0 and below 1")


def window_spec(window: str | None, step: str | None, bed: Path | None) -> WindowSpec:
    """Read ``--window``, ``--step`` and ``--windows``.

    Raises
    ------
    UsageError
        Where they contradict each other.

    Examples
    --------
    >>> window_spec("50kb", "10kb", None)
    WindowSpec(kind='bp', window=50000, step=10000, bed=None)
    >>> window_spec("50snps", None, None)
    WindowSpec(kind='sites', window=50, step=50, bed=None)
    """
    if bed is not None:
        if window is not None or step is not None:
            raise UsageError("--windows BED already says where the windows are: leave out --window and --step")
        return WindowSpec("bed", bed=bed)
    kind, length = _length(WINDOW if window is None else window)
    step_kind, distance = (kind, length) if step is None else _length(step)
    if step_kind != kind and not (kind == "sites" and step is not None and step.strip().isdecimal()):
        raise UsageError(
            f"--window {window or WINDOW} and --step {step} are in different units: give both in bp or both in snps"
        )
    if distance > length:
        raise UsageError(
            f"--step {step} is larger than the window ({window or WINDOW}): the data between windows would be lost"
        )
    return WindowSpec(kind, length, distance)


def _length(text: str) -> tuple[Literal["bp", "sites"], int]:
    """Read a window's length with its unit."""
    number = text.strip().lower()
    for unit in ("snps", "snp", "sites"):
        if number.endswith(unit):
            count = number.removesuffix(unit).strip()
            if count.isdecimal() and int(count) > 0:
                return "sites", int(count)
            raise UsageError(f"'{text}' is no number of SNPs: give it as 50snps")
    return "bp", parse_size(text)
