"""The real data that travel with popscan; README.md beside this file says where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sample:
    """A small real data set, ready to be scanned.

    Parameters
    ----------
    vcf
        BGZF-compressed VCF, with its index (``.csi``) beside it.
    populations
        Two columns, sample and population, without a header; samples of the VCF not named here belong to none.
    region
        What the VCF covers, as samtools writes it: 1-based, both ends included.
    assembly
        Name of the reference genome, as IGV spells it.
    """

    vcf: Path
    populations: Path
    region: str
    assembly: str


def sample() -> Sample:
    """Find the bundled sample: 3 Mb of chromosome 20 in 300 Europeans of the 1000 Genomes Project, phase 3.

    Returns
    -------
    Sample
        24,990 phased records, of which 1,320 are indels and 4,977 do not vary among these samples; populations GBR
        (91 samples), FIN (99) and IBS (107); three further samples are in no population.

    References
    ----------
    The 1000 Genomes Project Consortium 2015, 10.1038/nature15393.

    Examples
    --------
    >>> found = sample()
    >>> found.vcf.name, found.region
    ('chr20_eur.vcf.gz', '20:1000001-4000000')
    """
    return Sample(
        vcf=_HERE / "chr20_eur.vcf.gz",
        populations=_HERE / "chr20_eur.populations.tsv",
        region="20:1000001-4000000",
        assembly="hg19",
    )
