"""The genome that a hub is for, and what its browser calls the contigs of a scan.

UCSC knows its own assemblies by an id and their contigs by names such as chr20, and takes no other; any other genome it
shows only if the hub brings the sequence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner.errors import InputError
from scanner.reference import open_fasta
from scanner.regions import match_contig, shortlist


def _chromosomes(autosomes: int, *lengths: int) -> dict[str, int]:
    """Name the lengths of autosomes, X and Y."""
    return dict(zip([*map(str, range(1, autosomes + 1)), "X", "Y"], lengths, strict=True))


KNOWN: dict[str, dict[str, int]] = {
    "hg19": _chromosomes(
        22, 249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431,
        135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248, 59128983,
        63025520, 48129895, 51304566, 155270560, 59373566,
    ),
    "hg38": _chromosomes(
        22, 248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717,
        133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616,
        64444167, 46709983, 50818468, 156040895, 57227415,
    ),
    "hs1": _chromosomes(
        22, 248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331, 150617247,
        134758134, 135127769, 133324548, 113566686, 101161492, 99753195, 96330374, 84276897, 80542538, 61707364,
        66210255, 45090682, 51324926, 154259566, 62460029,
    ),
    "mm10": _chromosomes(
        19, 195471971, 182113224, 160039680, 156508116, 151834684, 149736546, 145441459, 129401213, 124595110,
        130694993, 122082543, 120129022, 120421639, 124902244, 104043685, 98207768, 94987271, 90702639, 61431566,
        171031299, 91744698,
    ),
    "mm39": _chromosomes(
        19, 195154279, 181755017, 159745316, 156860686, 151758149, 149588044, 144995196, 130127694, 124359700,
        130530862, 121973369, 120092757, 120883175, 125139656, 104073951, 98008968, 95294699, 90720763, 61420004,
        169476592, 91455967,
    ),
    "dm6": {"2L": 23513712, "2R": 25286936, "3L": 28110227, "3R": 32079331, "4": 1348131, "X": 23542271, "Y": 3667352},
}  # fmt: skip
"""Assemblies of UCSC that are recognised by the lengths (bp) of their chromosomes, without ``chr``."""

_UCSC_ID = re.compile(r"hs\d+|[a-z]{2}\d+|[a-z]{3}[A-Z][a-z]{2}\d+|GC[AF]_\d{9}\.\d+")
_SAFE = re.compile(r"[A-Za-z0-9_.-]+")
_FASTA = (".fa", ".fasta", ".fna", ".fas", ".fa.gz", ".fasta.gz", ".fna.gz", ".fa.bgz")
_REVISED_CAMBRIDGE = 16569
"""bp of the mitochondrial sequence that all VCFs use; the chrM of hg19 is another one, and there this is chrMT."""


@dataclass(frozen=True)
class Assembly:
    """What a hub is for.

    Parameters
    ----------
    name
        Id of the assembly.
    names
        Contig of the scan -> its name in the hub; contigs that the hub cannot show are not there.
    fasta
        Its sequence, where UCSC does not have it.
    """

    name: str
    names: dict[str, str]
    fasta: Path | None = None

    def left_out(self, contigs: Sequence[str]) -> tuple[str, ...]:
        """Name the contigs that have no place in the hub."""
        return tuple(name for name in contigs if name not in self.names)

    def keeps(self, contigs: Sequence[str]) -> bool:
        """Tell whether all contigs have the same names in the hub."""
        return all(self.names.get(name) == name for name in contigs)


def place(genome: str | None, contigs: Mapping[str, int]) -> Assembly:
    """Find the assembly of a scan, and the names of its contigs there.

    Parameters
    ----------
    genome
        What the user called it: an id of UCSC or IGV, or the path of a FASTA; None: by the contigs' lengths.
    contigs
        Names and lengths in bp.

    Raises
    ------
    InputError
        Where no hub can be made: the genome is unknown or is not that of the scan.

    Examples
    --------
    >>> place(None, {"20": 63025520})
    Assembly(name='hg19', names={'20': 'chr20'}, fasta=None)
    """
    if genome is not None and is_fasta(genome):
        return _from_fasta(Path(genome), contigs)
    found = genome if genome is not None and _UCSC_ID.fullmatch(genome) else recognise(contigs)
    if found is None:
        what = "no genome is named and none" if genome is None else f"UCSC has no genome '{genome}', and none"
        raise InputError(
            f"{what} is recognised by the lengths of {shortlist(contigs, 3)}: name a UCSC assembly (hg38, mm39, ...) "
            "or a FASTA with --genome"
        )
    names: dict[str, str] = {}
    for contig, length in contigs.items():
        name = _ucsc_name(contig, length, found)
        if name is not None and name not in names.values():
            names[contig] = name
    if not names:
        raise InputError(f"{found} of UCSC has no contig of such names as {shortlist(contigs, 3)}")
    return Assembly(found, names)


def is_fasta(genome: str) -> bool:
    """Tell paths from ids.

    Examples
    --------
    >>> is_fasta("hg38"), is_fasta("/data/apple.fa"), is_fasta("apple.fna.gz")
    (False, True, True)
    """
    return "/" in genome or genome.endswith(_FASTA) or Path(genome).is_file()


def recognise(contigs: Mapping[str, int]) -> str | None:
    """Tell an assembly by the lengths of its chromosomes.

    Parameters
    ----------
    contigs
        Names and lengths in bp.

    Returns
    -------
    Id of the one assembly of which every chromosome that is here has the right length; None where there is none.

    Examples
    --------
    >>> recognise({"chr20": 64444167, "chrX": 156040895, "chrEBV": 171823}), recognise({"20": 64444166})
    ('hg38', None)
    """
    bare = {name.removeprefix("chr"): length for name, length in contigs.items()}
    found = []
    for assembly, lengths in KNOWN.items():
        common = bare.keys() & lengths.keys()
        if common and all(bare[name] == lengths[name] for name in common):
            found.append(assembly)
        elif not common and len(set(bare.values()) & set(lengths.values())) > len(lengths) // 2:
            found.append(assembly)  # named by accessions
    return found[0] if len(found) == 1 else None


def _ucsc_name(contig: str, length: int, assembly: str) -> str | None:
    """Give UCSC's name of a contig, None where it has none that one can know."""
    bare, known = contig.removeprefix("chr"), KNOWN.get(assembly, {})
    if assembly.startswith("GC"):  # named as in the accession's own files
        return contig if _SAFE.fullmatch(contig) else None
    if bare in ("M", "MT"):
        return "chrMT" if assembly == "hg19" and length == _REVISED_CAMBRIDGE else "chrM"
    if bare in known and known[bare] != length:
        raise InputError(
            f"{contig} has {length:,} bp in the scan and {known[bare]:,} in {assembly}: another genome build; name the "
            "scan's with --genome"
        )
    if bare in known:
        return f"chr{bare}"
    by_length = [name for name, other in known.items() if other == length]
    if by_length:
        return f"chr{by_length[0]}"
    if contig != bare:  # of an assembly with a table, all others are chr1_..., chrUn_...
        return contig if _SAFE.fullmatch(contig) and ("_" in contig or not known) else None
    return f"chr{bare}" if not known and re.fullmatch(r"[A-Za-z0-9]{1,4}", bare) else None


def has_contig(assembly: str, name: str, length: int) -> bool:
    """Tell whether UCSC may know a contig of such a name and length (bp) in one of its assemblies.

    Examples
    --------
    >>> has_contig("hg38", "chr20", 64444167), has_contig("hg38", "chr20", 63025520), has_contig("hg38", "20", 64444167)
    (True, False, False)
    >>> has_contig("hg38", "chrUn_KI270302v1", 2274), has_contig("hg38", "chrEBV", 171823)
    (True, False)
    """
    try:
        return _ucsc_name(name, length, assembly) == name
    except InputError:
        return False


def _from_fasta(path: Path, contigs: Mapping[str, int]) -> Assembly:
    """Match the contigs with those of a FASTA; of a FASTA of UCSC's own, nothing but the id is needed."""
    held = fasta_lengths(path)
    names = {}
    for contig, length in contigs.items():
        name = match_contig(contig, held)
        if name is not None and held[name] != length:
            raise InputError(
                f"{path}: {name} has {held[name]:,} bp, the scan's {contig} {length:,}: another genome build"
            )
        if name is not None:
            names[contig] = name
    if not names:
        raise InputError(f"{path} has {shortlist(held, 3)}, and none of the scan's contigs ({shortlist(contigs, 3)})")
    known = recognise(held)
    if known is not None:
        return place(known, contigs)
    taken = {contig: name for contig, name in names.items() if is_taken(name)}
    if not taken:
        raise InputError(f"{path}: UCSC takes no contig names such as {shortlist(held, 3)}: letters, digits, _ . and -")
    return Assembly(_identifier(path), taken, path)


def is_taken(name: str) -> bool:
    """Tell whether UCSC takes the name of a contig: others break its positions and addresses.

    Examples
    --------
    >>> is_taken("scaffold_1.2"), is_taken("HLA-A*01:01")
    (True, False)
    """
    return _SAFE.fullmatch(name) is not None and len(name) < 256


def fasta_lengths(path: Path) -> dict[str, int]:
    """Read the lengths of an indexed FASTA's sequences; the .fai is made where it is missing.

    Raises
    ------
    InputError
        Where it cannot be read or indexed.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with open_fasta(path) as fasta:
        return dict(zip(fasta.references, fasta.lengths, strict=True))


def _identifier(path: Path) -> str:
    """Make a name for the genome of a FASTA."""
    stem = path.name
    for ending in sorted(_FASTA, key=len, reverse=True):
        stem = stem.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_") or "genome"
