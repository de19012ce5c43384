"""From the histories of a recipe to what msprime simulates."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from scanner.errors import InputError, UsageError
from scanner.simulate.recipe import History

if TYPE_CHECKING:
    import msprime

_SCALED = {
    "initial_size": 1, "time": 1, "default_sampling_time": 1, "strength": 1, "growth_rate": -1, "rate": -1,
}  # fmt: skip
"""Fields of msprime's histories that change with the scale, and the power of it."""


def engine() -> ModuleType:
    """Load msprime.

    Raises
    ------
    UsageError
        Where it is not installed.
    """
    try:
        import msprime
    except ImportError as error:
        raise UsageError(
            "simulations need msprime, which a plain install leaves out: pip install 'popscan[train]'"
        ) from error
    found: ModuleType = msprime
    return found


def check_histories(histories: tuple[History, ...]) -> None:
    """Refuse histories that are not there or lack a population, before anything is simulated.

    Raises
    ------
    UsageError
        Where msprime or stdpopsim is needed and not installed.
    InputError
        For a file that is no demes file, and for unknown species, models and populations.
    """
    engine()
    for history in histories:
        if history.kind in ("demes", "stdpopsim"):
            demography = _known_model(history)
            for population in history.populations:
                _check_population(demography, population, history)


def check_alone(histories: tuple[History, ...]) -> None:
    """Refuse histories of more than one population, in which no sweep is simulated, but those that have no sweeps.

    Raises
    ------
    InputError
        For the first of them.
    """
    for number, history in enumerate(histories, 1):
        if history.sweeps and history.kind in ("demes", "stdpopsim"):
            populations = _known_model(history).num_populations
            if populations > 1:
                source = history.texts["file" if history.kind == "demes" else "model"]
                raise InputError(
                    f"history {number}: {source} has {populations} populations; sweeps are simulated in one alone, so "
                    "name a history of one"
                )


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
        demography, population = engine().Demography.isolated_model([drawn["size"]]), "pop_0"
    elif history.kind == "piecewise":
        drawn |= change_times(drawn)
        demography, population = _piecewise(drawn), "pop_0"
    else:
        demography = scaled(_known_model(history), drawn.get("scale", 1.0))
        population = history.populations[int(rng.integers(len(history.populations)))]
        _check_population(demography, population, history)
    today = next(item.initial_size for item in demography.populations if item.name == population)
    return demography, population, {"history": float(chosen), "size": float(today), **drawn}


def change_times(drawn: Mapping[str, float]) -> dict[str, float]:
    """Give the times at which the size of a piecewise history changes.

    Parameters
    ----------
    drawn
        What was drawn: ``times-1`` and so on or ``durations-1`` and so on, for a population of ``reference_size``
        diploids today where that is given: they are multiplied by it and divided by ``sizes-0``.

    Returns
    -------
    ``times-1`` and so on, generations ago; times that were drawn stay in the order in which they were.

    Examples
    --------
    >>> change_times({"sizes-0": 500.0, "reference_size": 1000.0, "durations-1": 30.0, "durations-2": 5.0})
    {'times-1': 60.0, 'times-2': 70.0}
    """
    scale = drawn.get("reference_size", drawn["sizes-0"]) / drawn["sizes-0"]
    steps = [value for name, value in drawn.items() if name.startswith("durations-")]
    times = itertools.accumulate(steps) if steps else (drawn[name] for name in drawn if name.startswith("times-"))
    return {f"times-{number}": time * scale for number, time in enumerate(times, 1)}


def _piecewise(drawn: dict[str, float]) -> msprime.Demography:
    """Make a history of sudden changes of size; times are put in order."""
    demography: msprime.Demography = engine().Demography.isolated_model([drawn["sizes-0"]])
    count = sum(name.startswith("times-") for name in drawn)
    for number, time in enumerate(sorted(drawn[f"times-{i}"] for i in range(1, count + 1)), 1):
        demography.add_population_parameters_change(time=time, initial_size=drawn[f"sizes-{number}"])
    return demography


def _known_model(history: History) -> msprime.Demography:
    """Load the history of a demes file or of stdpopsim."""
    if history.kind == "demes":
        return _from_demes(history.texts["demes"], history.texts["file"])
    return _from_stdpopsim(history.texts["species"], history.texts["model"])


@functools.cache
def _from_demes(text: str, path: str) -> msprime.Demography:
    """Read the text of a demes file."""
    load = engine().Demography.from_demes
    import demes  # slow to import, and rarely needed; msprime cannot do without it

    try:
        found: msprime.Demography = load(demes.loads(text))
    except Exception as error:  # its YAML reader and its checks raise whatever they please
        raise InputError(f"{path} cannot be read as a demes file: {one_line(error)}") from error
    return found


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


def scaled(demography: msprime.Demography, scale: float) -> msprime.Demography:
    """Multiply all sizes and times by one number: the same genealogies, longer by that much.

    Parameters
    ----------
    demography
        A history, which stays as it is.
    scale
        The number.
    """
    if scale == 1.0:
        return demography
    changed = copy.deepcopy(demography)
    for item in [*changed.populations, *changed.events]:
        for name, power in _SCALED.items():
            value: Any = getattr(item, name, None)
            if value is not None:
                setattr(item, name, value * (scale if power == 1 else 1 / scale))
    changed.migration_matrix = demography.migration_matrix / scale
    return changed


def _check_population(demography: msprime.Demography, population: str, history: History) -> None:
    """Refuse a population that the history does not have today."""
    sizes = {item.name: item.initial_size for item in demography.populations}
    source = history.texts["file" if history.kind == "demes" else "model"]
    if population not in sizes:
        raise InputError(f"{source} has no population '{population}': there is {', '.join(sizes)}")
    if sizes[population] == 0:
        alive = ", ".join(name for name, size in sizes.items() if size > 0)
        raise InputError(f"{source}: nobody of population '{population}' lives today; there is {alive}")


def one_line(error: Exception) -> str:
    """Give what an error says, without its line breaks."""
    return " ".join(str(error).split())
