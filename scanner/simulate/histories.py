"""From the histories of a recipe to what msprime simulates."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import msprime
import numpy as np

from scanner.errors import InputError, UsageError
from scanner.simulate.recipe import History


def draw_history(
    histories: tuple[History, ...], rng: np.random.Generator
) -> tuple[msprime.Demography, str, dict[str, float]]:
    """Draw a population history.

    Returns
    -------
    The history, the population to sample, and the numbers that were drawn: ``size`` is the number of diploids today
    where that means something, ``history`` the place in the recipe.
    """
    weights = np.array([history.weight for history in histories])
    chosen = int(rng.choice(len(histories), p=weights / weights.sum()))
    history = histories[chosen]
    drawn = {name: prior.draw(rng) for name, prior in history.numbers.items()}
    if history.kind == "constant":
        demography, population = msprime.Demography.isolated_model([drawn["size"]]), "pop_0"
    elif history.kind == "piecewise":
        demography, population = _piecewise(drawn), "pop_0"
    else:
        demography = _scaled(_known_model(history), drawn.get("scale", 1.0))
        population = history.populations[int(rng.integers(len(history.populations)))]
        _check_population(demography, population, history)
    today = next(item.initial_size for item in demography.populations if item.name == population)
    return demography, population, {"history": float(chosen), "size": float(today), **drawn}


def _piecewise(drawn: dict[str, float]) -> msprime.Demography:
    """Make a history of sudden changes of size; times are put in order."""
    demography = msprime.Demography.isolated_model([drawn["sizes-0"]])
    count = sum(name.startswith("times-") for name in drawn)
    for number, time in enumerate(sorted(drawn[f"times-{i}"] for i in range(1, count + 1)), 1):
        demography.add_population_parameters_change(time=time, initial_size=drawn[f"sizes-{number}"])
    return demography


def _known_model(history: History) -> msprime.Demography:
    """Load the history of a demes file or of stdpopsim."""
    if history.kind == "demes":
        return _from_demes(history.texts["file"])
    return _from_stdpopsim(history.texts["species"], history.texts["model"])


@functools.cache
def _from_demes(path: str) -> msprime.Demography:
    """Read a demes file."""
    import demes  # slow to import, and rarely needed

    try:
        return msprime.Demography.from_demes(demes.load(Path(path)))
    except Exception as error:  # its YAML reader and its checks raise whatever they please
        raise InputError(f"{path} cannot be read as a demes file: {error}") from error


@functools.cache
def _from_stdpopsim(species: str, model: str) -> msprime.Demography:
    """Look a history up in stdpopsim."""
    try:
        import stdpopsim
    except ImportError as error:
        raise UsageError("a stdpopsim history needs stdpopsim: pip install 'popscan[train]'") from error
    known = {item.id for item in stdpopsim.all_species()}
    if species not in known:
        raise InputError(f"stdpopsim has no species '{species}': there is {', '.join(sorted(known))}")
    models = {item.id: item for item in stdpopsim.get_species(species).demographic_models}
    if model not in models:
        raise InputError(f"stdpopsim has no model '{model}' of {species}: there is {', '.join(sorted(models))}")
    found: msprime.Demography = models[model].model
    return found


def _scaled(demography: msprime.Demography, scale: float) -> msprime.Demography:
    """Multiply all sizes and times by one number: the same genealogies, longer by that much."""
    if scale == 1.0:
        return demography
    scaled = copy.deepcopy(demography)
    for item in [*scaled.populations, *scaled.events]:
        for name, factor in (
            ("initial_size", scale), ("time", scale), ("default_sampling_time", scale), ("growth_rate", 1 / scale),
            ("rate", 1 / scale),
        ):  # fmt: skip
            value = getattr(item, name, None)
            if value is not None:
                setattr(item, name, value * factor)
    scaled.migration_matrix = demography.migration_matrix / scale
    return scaled


def _check_population(demography: msprime.Demography, population: str, history: History) -> None:
    """Refuse a population that the history does not have."""
    names = [item.name for item in demography.populations]
    if population not in names:
        source = history.texts.get("file") or history.texts.get("model")
        raise InputError(f"{source} has no population '{population}': there is {', '.join(names)}")
