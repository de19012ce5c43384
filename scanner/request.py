"""What was asked for, as ``run.json`` and an unfinished result hold it, and from there back to a scan's options."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import scanner
from scanner import provenance
from scanner.errors import InputError, UsageError
from scanner.network import locate, names
from scanner.networks import SPEC
from scanner.options import ScanOptions, WindowSpec
from scanner.statistics import registry

FILES = ("vcf", "populations", "samples", "regions_file", "mask", "ancestral", "chrom_sizes", "aliases")
"""Options that name a file whose content decides the result."""
_PATHS = (*FILES, "genes")
_LISTS = ("pairs", "trios")
_CALLED = {"samples": "samples file", "regions_file": "regions file", "bed": "BED of windows", "aliases": "alias file"}


def input_files(options: ScanOptions) -> dict[str, Path]:
    """List the files that a scan reads: those of `FILES`, the BED of windows, genes, and a genome that is a file."""
    given = {name: getattr(options, name) for name in _PATHS}
    given["bed"] = options.windows.bed
    if options.genome is not None and Path(options.genome).is_file():
        given["genome"] = Path(options.genome)
    return {name: path for name, path in given.items() if path is not None}


def as_request(options: ScanOptions) -> dict[str, Any]:
    """Write options as JSON can hold them, with whole paths.

    Examples
    --------
    >>> as_request(ScanOptions(Path("/d/x.vcf.gz"), WindowSpec("bp", 10, 5), ("pi",)))["windows"]
    {'kind': 'bp', 'window': 10, 'step': 5, 'bed': None}
    """
    return {field.name: _plain(getattr(options, field.name)) for field in dataclasses.fields(options)}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, WindowSpec):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def from_request(request: Mapping[str, Any], origin: Path) -> ScanOptions:
    """Turn what `as_request` wrote back into options.

    Parameters
    ----------
    request
        The JSON object.
    origin
        The file that it stands in, for errors.

    Raises
    ------
    UsageError
        Where it is not what this popscan writes.
    """
    try:
        given = {field.name: request[field.name] for field in dataclasses.fields(ScanOptions)}
        for name in _PATHS:
            given[name] = None if given[name] is None else Path(given[name])
        for name in _LISTS:
            given[name] = None if given[name] is None else tuple(tuple(map(str, group)) for group in given[name])
        laid = dict(given["windows"])
        bed = None if laid["bed"] is None else Path(laid["bed"])
        given["windows"] = WindowSpec(laid["kind"], int(laid["window"]), int(laid["step"]), bed)
        given["statistics"] = registry.resolve(",".join(given["statistics"]) or "none")
        given["regions"] = tuple(map(str, given["regions"]))
        given["models"] = tuple(Path(folder) for folder in given["models"])
        given["priors"] = tuple((str(name), float(prior)) for name, prior in given["priors"])
        for name in ("min_callable", "max_missing", "min_maf", "min_sites", "fdr"):
            given[name] = type(getattr(ScanOptions, name))(given[name])
        return ScanOptions(**given)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{origin} does not hold what a scan was asked for: it is no run.json of popscan {scanner.__version__}"
        ) from error


def recall(path: Path, vcf: Path | None = None) -> ScanOptions:
    """Read from a ``run.json`` what the same scan must be asked, once its inputs are known to be the same.

    Parameters
    ----------
    path
        The file.
    vcf
        Where the VCF is now, if it was moved.

    Raises
    ------
    UsageError
        Where it is no such file, or an input is gone.
    InputError
        Where an input or a network was changed.
    """
    record = read_record(path)
    options = from_request(record.get("request") or {}, path)
    if vcf is not None:
        options = replace(options, vcf=vcf)
    known = record.get("inputs")
    known = known if isinstance(known, dict) else {}
    for name, found in input_files(options).items():
        _check_input(_CALLED.get(name, name), found, known.get(name), path)
    if isinstance(options.genome, str) and "genome" in known and not Path(options.genome).is_file():
        raise UsageError(f"{options.genome}, the genome of {path}, is gone: put it back")
    return replace(options, models=_networks(options.models, record.get("models"), path))


def made_by(path: Path) -> str:
    """Name the version of popscan that wrote a ``run.json``."""
    return str(read_record(path)["popscan"])


def read_record(path: Path) -> dict[str, Any]:
    """Read a ``run.json``, or that of a result folder.

    Raises
    ------
    UsageError
        Where there is none, or it is not popscan's.
    """
    if path.is_dir():
        path = path / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no run.json: it is not JSON") from error
    if not isinstance(record, dict) or "popscan" not in record:
        raise UsageError(f"{path} is no run.json of popscan's")
    return record


def _check_input(what: str, path: Path, known: object, origin: Path) -> None:
    """Hold an input against its fingerprint."""
    if not path.is_file():
        raise UsageError(f"{path}, the {what} of {origin}, is gone: put it back, or name the VCF where it was moved")
    expected = known if isinstance(known, dict) else {}
    found = provenance.fingerprint(path)
    if any(found[key] != expected.get(key) for key in found):
        raise InputError(
            f"{path} is not the {what} that {origin} was made of ({found['size']:,} bytes, "
            f"{expected.get('size', 'unknown')} then, or other content): the result would differ"
        )


def _networks(folders: Sequence[Path], known: object, origin: Path) -> tuple[Path, ...]:
    """Find the networks where they were, or in the catalogue under their names, and hold them against their digests."""
    described = known if isinstance(known, dict) else {}
    if len(described) != len(folders):
        raise UsageError(f"{origin} does not say which networks were used")
    found = []
    for folder, (name, entry) in zip(folders, described.items(), strict=True):
        if not (folder / SPEC).is_file() and name in names():
            folder = locate(name).absolute()
        if not (folder / SPEC).is_file():
            raise UsageError(f"{folder}, the network {name} of {origin}, is gone: put it back")
        if provenance.checksum(folder / SPEC) != entry["digest"]:
            raise InputError(f"{folder} is not the network {name} that {origin} was made with: the result would differ")
        found.append(folder)
    return tuple(found)
