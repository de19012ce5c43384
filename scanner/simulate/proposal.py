"""Writing a recipe whose simulations are like given data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.simulate.priors import Prior
from scanner.simulate.recipe import MAX_TILE, Recipe
from scanner.simulate.sweeps import Sweep

PHASED = 0.5
"""Where a larger share of heterozygous genotypes has no phase, the recipe has none."""
POLARISED = 0.9
"""Share of SNPs with a known ancestral allele from which on the recipe uses them."""
SPREAD = 3.0
"""Population sizes reach this many times below and above the estimate."""
WINDOW_SITES = (40, 1600)
"""Sites of the shortest and longest windows that the network is trained on,"""
LONG_SITES = (400, 8000)
"""and of those from which histories are learned."""


@dataclass(frozen=True)
class Likeness:
    """What simulations of one population should be like.

    Parameters
    ----------
    name
        Name of the population; empty where all samples are one.
    haplotypes
        Chromosomes in the file.
    sites
        Segregating sites that were looked at.
    density
        Segregating sites per bp.
    missing, unphased, polarised
        Shares: of alleles that are not called, of heterozygous genotypes without phase, of SNPs with a known ancestral
        allele.
    theta
        4 N mu per bp, from the sites that no filter took away.
    singletons_lost
        Range of the share of singletons that is not there; None: none need be missing.
    min_maf
        Frequency of the rarer allele below which sites were filtered out; 0 for none.
    """

    name: str
    haplotypes: int
    sites: int
    density: float
    missing: float
    unphased: float
    polarised: float
    theta: float
    singletons_lost: tuple[float, float] | None
    min_maf: float


def slug(path: Path) -> str:
    """Name a recipe after a file.

    Examples
    --------
    >>> slug(Path("My people.vcf.gz"))
    'like-my-people'
    """
    stem = path.name
    for suffix in (".gz", ".bgz", ".vcf", ".bcf"):
        stem = stem.removesuffix(suffix)
    return "-".join(["like", *re.findall(r"[a-z0-9_]+", stem.lower())])[:40].rstrip("-")


def write(found: Sequence[Likeness], base: Recipe, path: Path, mutation_rate: float) -> str:
    """Write the recipe for what was measured.

    Parameters
    ----------
    found
        One a population.
    base
        For what was not; of one population.
    path, mutation_rate
        The file that was measured, and mutations per bp and generation.
    """
    polarised = min(item.polarised for item in found) >= POLARISED
    sites = LONG_SITES if base.task == "demography" else WINDOW_SITES
    low, high = (count / density for count, density in zip(sites, _span(found, "density")[::-1], strict=True))
    shortest = min(low, high / 4)
    network = {**base.network, "encoding": "polarised-2" if polarised else "folded-2"}
    training = {name: value for name, value in base.training.items() if name not in ("windows", "tile")}
    shown = "".join(letter if letter.isprintable() else "?" for letter in path.name)
    return "\n".join(
        [
            f"# Proposed by popscan from {shown}; every number may be changed. docs/training.md explains the fields.",
            *(f"# {_said(item)}" for item in found),
            f'name = "{slug(path)}"',
            f'task = "{base.task}"',
            f"seed = {base.seed}",
            f"simulations = {base.simulations}",
            *_sequence(base, shortest, high),
            *([] if math.isinf(base.max_rho) else [f"max_rho = {_number(base.max_rho)}"]),
            f"discrete = {str(base.discrete).lower()}",
            *("", "[sample]", f"haplotypes = {max(item.haplotypes for item in found)}"),
            *_histories(found, mutation_rate, steps_alone=base.task == "demography"),
            *_rates(base, mutation_rate),
            *_sweep(base.sweep),
            *_observation(found, base),
            *(
                "",
                "[network]" + (" # ancestral alleles are known" if polarised else " # ancestral alleles are not known"),
            ),
            *_fields(network),
            *("", "[training]", *([] if base.sweep else [f"windows = {_prior(shortest, high)}"])),
            *_fields(training),
            *_tile(base, sites[1]),
            "",
        ]
    )


def _said(item: Likeness) -> str:
    """Say in a line what was measured."""
    return (
        f"{item.name or 'all samples'}: {item.haplotypes} haplotypes, {item.sites} sites looked at, one every "
        f"{1 / item.density:.0f} bp, {item.missing:.2%} of alleles not called, {item.unphased:.0%} of heterozygous "
        f"genotypes unphased, {item.polarised:.0%} of sites polarised, theta {item.theta:.2g}"
    )


def _sequence(base: Recipe, shortest: float, longest: float) -> list[str]:
    """Write the length: as windows need it, or of sweeps so many times a window as it has parts."""
    if base.sweep is None:
        said, bounds = "as long as windows that hold enough sites", (min(2 * shortest, longest / 2), longest)
    else:
        said = f"{base.sweep.parts} times as long as windows that hold enough sites"
        bounds = base.sweep.parts * shortest, base.sweep.parts * longest / 4
    return ["", f"[sequence] # {said}", f"length = {_prior(*bounds)}"]


def _tile(base: Recipe, sites: int) -> list[str]:
    """Write how many sites the network is trained on at once: several times as many as are expected, for some have."""
    if base.sweep is None and base.task != "demography":
        return []
    expected = sites if base.sweep is None else base.sweep.parts * sites / 4
    return [f"tile = {min(MAX_TILE, 2 ** math.ceil(math.log2(4 * expected)))}"]


def _sweep(sweep: Sweep | None) -> list[str]:
    """Write the sweeps of the base: no VCF shows how strong they were."""
    if sweep is None:
        return []
    named = ("alpha", "s", "age", "start_frequency", "final_frequency")
    priors = {name: prior for name in named if (prior := getattr(sweep, name)) is not None}
    return [
        *("", "[sweep] # as the base has them: no VCF shows how strong they were", f"parts = {sweep.parts}"),
        *(f"{name} = {_scaled(prior)}" for name, prior in priors.items()),
        *("", "[sweep.classes]", *(f"{name} = {_number(share, digits=6)}" for name, share in sweep.classes.items())),
    ]


def _histories(found: Sequence[Likeness], mutation_rate: float, *, steps_alone: bool) -> list[str]:
    """Write the population sizes: theta / (4 mu), and a factor both ways."""
    low, high = (theta / (4 * mutation_rate) for theta in _span(found, "theta"))
    likely, middle = _prior(low / SPREAD, high * SPREAD), math.sqrt(low * high)
    recent = _prior(low / SPREAD, high * SPREAD * SPREAD)
    times = [_prior(middle / 200, middle / 2), _prior(middle / 200, middle)]
    return [
        *("", f"# diploids: theta / (4 mu) is {_number(low)}" + (f" to {_number(high)}" if high > low else "")),
        *([] if steps_alone else ["[[history]]", 'kind = "constant"', f"size = {likely}", ""]),
        *("[[history]] # sizes and times (generations) start at the present", 'kind = "piecewise"'),
        *(f"sizes = [{recent}, {likely}, {likely}]", f"times = [{', '.join(times)}]"),
    ]


def _rates(base: Recipe, mutation_rate: float) -> list[str]:
    """Write the rates: recombination per mutation is what the base has."""
    low, high = base.mutation_rate.range
    factor = mutation_rate / math.sqrt(low * high)
    if 0.8 < factor < 1.25:
        factor = 1.0
    spots = base.hotspots
    lines = [
        *("", "[mutation] # per bp and generation", f"rate = {_prior(mutation_rate / 1.5, mutation_rate * 1.5)}"),
        *("", "[recombination] # per bp and generation; no VCF shows it: change it to what is known of the species"),
        f"rate = {_scaled(base.recombination_rate, factor)}",
    ]
    if spots is not None:
        lines += ["", "[recombination.hotspots]", f"share = {_number(spots.share)}"]
        lines += [f"{name} = {_scaled(getattr(spots, name))}" for name in ("spacing", "width", "intensity")]
    return lines


def _observation(found: Sequence[Likeness], base: Recipe) -> list[str]:
    """Write what happens between genome and VCF."""
    fewest, most = (int(count) for count in _span(found, "haplotypes"))
    unphased = max(item.unphased for item in found) > PHASED
    low, high = _span(found, "missing")
    lines = ["", "[observation]", f"haplotypes = {_prior(max(2, min(fewest, 0.8 * fewest)), most, kind='uniform')}"]
    if high > 1e-4:
        lines.append(f"missing = {_prior(low / 2, min(0.9, 2 * high), kind='uniform')}")
    lost = [item.singletons_lost for item in found if item.singletons_lost is not None]
    if lost:
        least = 0.0 if len(lost) < len(found) else min(low for low, _ in lost)
        lines.append(f"singletons_lost = {_prior(least, max(high for _, high in lost), kind='uniform')}")
    cut = sorted({round(item.min_maf, 5) for item in found})
    if cut[-1] > 0:
        lines.append(f"min_maf = {{ choice = {cut} }}")
    lines.append(f"error = {_scaled(base.observation.error)} # as the base has it: no VCF shows it")
    if unphased:
        return [*lines, "unphased = true"]
    return [*lines, f"switch = {_scaled(base.observation.switch)} # as the base has it: no VCF shows it"]


def _span(found: Sequence[Likeness], name: str) -> tuple[float, float]:
    """Give the smallest and the largest value over the populations."""
    values = [float(getattr(item, name)) for item in found]
    return min(values), max(values)


def _scaled(prior: Prior, factor: float = 1.0) -> str:
    """Write a prior of the base, multiplied."""
    values = [_number(value * factor, digits=12 if factor == 1.0 else 2) for value in prior.values]
    if len(values) == 1 and prior.kind == "choice":
        return values[0]
    return f"{{ {prior.kind} = [{', '.join(values)}] }}"


def _prior(low: float, high: float, kind: str = "log_uniform") -> str:
    """Write a prior between two bounds, rounded so that both stay inside."""
    if kind == "uniform" and float(low).is_integer() and low == high:
        return _number(low, digits=12)
    whole = kind == "uniform" and high >= 2
    bounds = (math.floor(low), math.ceil(high)) if whole else (low, high)
    texts = [_number(value, digits=12 if whole else 2) for value in bounds]
    return f"{{ {kind} = [{', '.join(texts)}] }}"


def _number(value: float, digits: int = 2) -> str:
    """Write a number with a few significant digits, whole numbers without a point.

    Examples
    --------
    >>> _number(12345.6), _number(1.234e-8), _number(0.25), _number(0)
    ('12000', '1.2e-08', '0.25', '0')
    """
    rounded = float(f"{value:.{digits}g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e15 else f"{rounded:.12g}"


def _fields(table: Mapping[str, Any]) -> list[str]:
    """Write the fields of a table of the base."""
    return [f"{name} = {_toml(value)}" for name, value in table.items()]


def _toml(value: Any) -> str:
    """Write a value as TOML has it.

    Examples
    --------
    >>> _toml({"choice": [1, 2.5]}), _toml("a"), _toml(True)
    ('{ choice = [1, 2.5] }', '"a"', 'true')
    """
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(inner) for inner in value)}]"
    return json.dumps(value, ensure_ascii=False)
