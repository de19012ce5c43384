"""What happens between a genome and the VCF, as a recipe says it; `scanner.simulate.observe` lets it happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scanner.errors import InputError
from scanner.simulate.fields import Fields
from scanner.simulate.priors import Prior

SECTIONS = {
    "observation": {"haplotypes", "missing", "error", "switch", "singletons_lost", "min_maf", "unphased", "masked",
                    "masked_length"},
}  # fmt: skip
"""Tables of a recipe, and their fields."""
NOTHING = Prior("choice", (0.0,))
"""The number 0."""
ALWAYS = Prior("choice", (1.0,))
"""The number 1."""
MASKED_LENGTH = Prior("log_uniform", (200.0, 5000.0))
"""bp of a stretch that is not callable, unless a recipe says it."""


@dataclass(frozen=True)
class Observation:
    """What happens between a genome and the VCF; drawn anew whenever a simulation is looked at.

    Parameters
    ----------
    haplotypes
        Number that is looked at, out of those simulated; None for all.
    missing
        Share of genotypes that were not called, of a simulation.
    error
        Share of alleles that are read as the other one.
    switch
        Probability of a switch of phase between two neighbouring heterozygous sites of a sample.
    singletons_lost
        Share of the singletons that were not found.
    min_maf
        Sites whose rarer allele is less frequent are left out.
    unphased
        For every population, the probability that in a simulation it is not known which chromosome carries the allele
        of a heterozygote; the number of haplotypes is then even. Empty: always known.
    masked, masked_length
        Share of the bp, in stretches of such a length, that are not callable: their sites are not in the file.
    """

    haplotypes: Prior | None = None
    missing: Prior = NOTHING
    error: Prior = NOTHING
    switch: Prior = NOTHING
    singletons_lost: Prior = NOTHING
    min_maf: Prior = NOTHING
    unphased: tuple[Prior, ...] = ()
    masked: Prior = NOTHING
    masked_length: Prior = MASKED_LENGTH


def read_observation(fields: Fields, table: dict[str, Any], task: str) -> Observation:
    """Read the table ``[observation]`` of a recipe.

    Parameters
    ----------
    fields
        Takes fields out.
    table
        The table.
    task
        What the recipe is for.

    Raises
    ------
    InputError
        For anything that is unknown or makes no sense.
    """
    found: dict[str, Any] = {}
    for name in ("missing", "error", "switch", "singletons_lost", "min_maf"):
        if name in table:
            found[name] = fields.prior(table, f"observation.{name}", high=0.5 if name == "min_maf" else 1)
    if "masked" in table:
        found["masked"] = fields.prior(table, "observation.masked", high=0.9)
    if "masked_length" in table:
        found["masked_length"] = fields.prior(table, "observation.masked_length", low=1)
    if "haplotypes" in table:
        if task == "introgression":
            raise InputError(
                f"{fields.where}: observation.haplotypes is for one population: task 'introgression' draws the sizes "
                "of both from sample.haplotypes"
            )
        found["haplotypes"] = fields.prior(table, "observation.haplotypes", low=2)
    return Observation(**found, unphased=_unphased(table, fields, task))


def _unphased(table: dict[str, Any], fields: Fields, task: str) -> tuple[Prior, ...]:
    """Read whose phase is not known: true, false, or how often in either of two populations."""
    path = "observation.unphased"
    if task != "introgression":
        return (ALWAYS,) if fields.truth(table, path, False) else ()
    if not isinstance(table.get("unphased"), list):
        return (ALWAYS, ALWAYS) if fields.truth(table, path, False) else ()
    return fields.pair(path, fields.priors(table, path, high=1))
