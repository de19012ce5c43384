"""Evaluation: a network and the baselines on the same fresh simulations, which none of them was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError
from scanner.evaluate import alignment, boosting, classes
from scanner.evaluate.classes import Told, auc
from scanner.evaluate.measures import Measured, between, by_rho, measure, paired, rounded, spearman, strata
from scanner.evaluate.seen import Seen, Task, gather, parts_of, records, summary_names, tasks
from scanner.network.predict import probabilities
from scanner.network.store import Model
from scanner.simulate.sets import SimulationSet
from scanner.train.assemble import predict, tell
from scanner.train.examples import Example, View
from scanner.train.run import Progress
from scanner.train.seeds import Work
from scanner.train.targets import TARGETS, Target, Value
from scanner.workers import Mapper

Float = NDArray[np.float64]
Single = NDArray[np.float32]
Predict = Callable[[Sequence[Example]], tuple[Float, ...]]
"""Gives mean, lower and upper bound, (windows, values) each, of examples, on the scales on which they were learned; or
probabilities of classes, (windows, classes), alone."""

Guess = Callable[[Seen], Float]
"""Gives what a baseline predicts of windows."""

NETWORK, BOTH = "network", "network and boosting"
BASELINES = ("boosting", "alignment")
"""What a network may be compared with; the best single summary comes with ``boosting``."""
FRESH, TRAINING = 2000, 100_000
"""Simulations that are evaluated on, and most that baselines are trained on."""
STRATA = ("truth", "size", "haplotypes", "length", "sites", "missing")
"""Facts by which windows are divided; the truth itself is one."""


@dataclass(frozen=True)
class Setting:
    """What is evaluated.

    Parameters
    ----------
    fresh
        Simulations that nothing was trained on.
    how
        How they are looked at.
    training
        Simulations that baselines are trained on, all there; None without baselines.
    baselines
        Out of `BASELINES`.
    limit
        Simulations that they are trained on at most.
    threads
        Processors of this process for the baselines.
    """

    fresh: SimulationSet
    how: View
    training: SimulationSet | None = None
    baselines: tuple[str, ...] = ()
    limit: int = TRAINING
    threads: int = 1

    @property
    def target(self) -> Target:
        """What is learned."""
        return TARGETS[self.how.target]


@dataclass(frozen=True)
class Estimated:
    """Truth and estimates of one value.

    Parameters
    ----------
    value
        The value.
    truth
        (windows,) natural logarithms.
    estimates
        Natural logarithms by name; the network's ends of intervals are ``low`` and ``high``.
    """

    value: Value
    truth: Float
    estimates: dict[str, Float]


@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Parameters
    ----------
    metrics
        Numbers, fit for JSON: what `report` gives, of a network with several values once for each by the name of its
        score, under ``outputs``; what `scanner.evaluate.classes.report` gives of one that tells classes.
    outputs
        Every value, in order; none of a network that tells classes.
    facts
        (windows,) values by name.
    told
        Classes; None of a network with values.
    """

    metrics: dict[str, Any]
    outputs: tuple[Estimated, ...]
    facts: dict[str, Float]
    told: Told | None = None


def evaluate(setting: Setting, network: Predict, mapper: Mapper = map, progress: Progress | None = None) -> Evaluation:
    """Train the baselines, and measure them and the network on the same windows.

    Parameters
    ----------
    setting
        What is evaluated.
    network
        Predicts with the network.
    mapper
        Spreads looking at simulations over processes.
    progress
        Hears how far it is.

    Raises
    ------
    UsageError
        Where a baseline is not known, lacks its library, or has too few simulations.
    """
    check_baselines(setting.baselines)
    if "alignment" in setting.baselines and setting.target.populations > 1:
        raise UsageError("the baseline 'alignment' is of one population: compare with boosting")
    values = setting.target.values
    trained = _train(setting, mapper, progress) if setting.baselines else [{} for _ in values or (None,)]
    fresh = gather(_tasks(setting, setting.fresh, len(setting.fresh), key=(2,), examples=True), mapper, progress)
    predicted = network(fresh.examples)
    if not values:
        return _told(setting, predicted[0], trained[0], fresh)
    outputs = []
    for at, (value, guesses) in enumerate(zip(values, trained, strict=True)):
        mean, low, high = (value.natural(each[:, at]) for each in predicted)
        estimates = {NETWORK: mean, **{name: value.natural(guess(fresh)) for name, guess in guesses.items()}}
        if "boosting" in estimates:
            estimates[BOTH] = (mean + estimates["boosting"]) / 2
        estimates |= {"low": low, "high": high}
        outputs.append(Estimated(value, value.natural(fresh.targets[:, at]), estimates))
    return Evaluation(_metrics(setting, outputs, fresh.facts), tuple(outputs), fresh.facts)


def _told(setting: Setting, network: Float, guesses: Mapping[str, Guess], fresh: Seen) -> Evaluation:
    """Measure what is told of classes."""
    estimates = {NETWORK: network, **{name: guess(fresh) for name, guess in guesses.items()}}
    if "boosting" in estimates:
        estimates[BOTH] = (network + estimates["boosting"]) / 2
    told = Told(setting.target.classes, fresh.targets.argmax(axis=1), estimates)
    return Evaluation({**_made(setting), **classes.report(told, fresh.facts)}, (), fresh.facts, told)


def _made(setting: Setting) -> dict[str, Any]:
    """Say on what is measured."""
    return {
        "simulations": len(setting.fresh),
        "seed": setting.fresh.recipe.seed,
        "trained_on": records(setting.training, setting.limit) if setting.training and setting.baselines else 0,
    }


def _metrics(setting: Setting, outputs: Sequence[Estimated], facts: dict[str, Float]) -> dict[str, Any]:
    """Measure every value, and say on what."""
    made = _made(setting)
    measured = {one.value.score: report(one.truth, one.estimates, facts) for one in outputs}
    if len(outputs) > 1:
        return {**made, "windows": len(outputs[0].truth), "outputs": measured}
    rho = _rho(outputs[0], facts) if setting.how.target == "rho" else []
    return {**made, **measured[outputs[0].value.score], "rho": rho}


def check_baselines(names: Sequence[str]) -> None:
    """Refuse baselines that are not known or whose libraries are not installed.

    Raises
    ------
    UsageError
        As said.
    """
    for name in names:
        if name not in BASELINES:
            raise UsageError(f"no baseline is called '{name}': there is none, {', '.join(BASELINES)}")
    if "boosting" in names:
        boosting.require_lightgbm()


def report(truth: Float, found: dict[str, Float], facts: dict[str, Float]) -> dict[str, Any]:
    """Measure the estimates of one value over all windows and by stratum.

    Parameters
    ----------
    truth, found
        Fields of an `Estimated`.
    facts
        (windows,) values by name.

    Returns
    -------
    ``windows``, ``overall``, ``strata`` and ``paired``, fit for JSON.
    """
    everything = np.ones(len(truth), np.bool_)
    bounds, estimates = (found["low"], found["high"]), _points(found)

    def measured(inside: NDArray[np.bool_]) -> dict[str, Measured]:
        kept = bounds[0][inside], bounds[1][inside]
        return {
            name: measure(truth[inside], values[inside], kept if name == NETWORK else None)
            for name, values in estimates.items()
        }

    divided = strata(facts, STRATA)
    divided["truth"] = between(np.exp(truth), np.exp(np.linspace(truth.min(), truth.max(), 6)))
    rows = {
        name: [{"stratum": part.name, **measured(part.inside)} for part in divided[name] if part.inside.any()]
        for name in STRATA
        if name in divided
    }
    others = {name: paired(truth, estimates[NETWORK], values) for name, values in estimates.items() if name != NETWORK}
    return {
        "windows": len(truth),
        "overall": measured(everything),
        "strata": rows,
        "paired": {name: {"ln_rmse": rounded(gap), "se": rounded(error)} for name, (gap, error) in others.items()},
    }


def from_model(model: Model, work: Work) -> Predict:
    """Predict with a model folder.

    Parameters
    ----------
    model
        What was loaded.
    work
        The recipe of the examples.
    """

    def run(examples: Sequence[Example]) -> tuple[Float, ...]:
        if model.spec.classes:
            return (probabilities(tell(model.network, work, examples).raw, model.spec),)
        found = predict(model.network, model.spec, work, examples)
        reach = found.sigma * np.array([output.interval for output in model.spec.outputs])
        return found.mean, found.mean - reach, found.mean + reach

    return run


def _points(estimates: dict[str, Float]) -> dict[str, Float]:
    """Leave out the ends of intervals."""
    return {name: values for name, values in estimates.items() if name not in ("low", "high")}


def _tasks(
    setting: Setting, simulations: SimulationSet, limit: int, *, key: tuple[int, ...], examples: bool
) -> list[Task]:
    """List shards of at most ``limit`` simulations; see `scanner.evaluate.seen.tasks`."""
    return tasks(
        simulations, setting.how, limit, key=key, examples=examples, alignments="alignment" in setting.baselines
    )


def _train(setting: Setting, mapper: Mapper, progress: Progress | None) -> list[dict[str, Guess]]:
    """Train baselines, each for one value or all classes; give for every value, or once, what predicts with each."""
    if setting.training is None:
        raise UsageError("baselines need simulations to be trained on")
    known = gather(_tasks(setting, setting.training, setting.limit, key=(1, 0), examples=False), mapper, progress)
    wanted = [known.targets] if setting.target.classes else list(known.targets.T)
    if progress is not None:
        progress.start("training baselines", len(setting.baselines) * len(wanted))
    trained: list[dict[str, Guess]] = []
    for targets in wanted:
        trained.append({})
        for name, guess in _each(setting, known, targets):
            trained[-1][name] = guess
            if progress is not None and name in BASELINES:
                progress.advance(1)
    return trained


def _each(setting: Setting, known: Seen, targets: Float) -> Iterator[tuple[str, Guess]]:
    """Train one baseline after the other on one value, or on all classes."""
    if "boosting" in setting.baselines:
        every, parts = summary_names(setting.how), parts_of(setting.how)
        middle = known.features[:, parts // 2 * len(every) :][:, : len(every)]
        best = best_class_summary(middle, targets) if targets.ndim == 2 else best_summary(middle, targets)
        own = slice(best, None, len(every))  # in every part of a window
        one = boosting.fit(known.features[:, own], targets, threads=setting.threads)
        yield f"{every[best]} alone", lambda seen: one.predict(seen.features[:, own])
        names = every if parts == 1 else ()
        trees = boosting.fit(known.features, targets, names=names, threads=setting.threads)
        yield "boosting", lambda seen: trees.predict(seen.features)
    if "alignment" in setting.baselines:
        network = alignment.fit(known.aligned, targets)
        yield "alignment", lambda seen: network.predict(seen.aligned)


def best_summary(features: Single, targets: Float) -> int:
    """Find the summary whose ranks follow those of the truth most closely: its column."""
    complete = np.isfinite(features)
    scores = [
        abs(spearman(column[there].astype(np.float64), targets[there])) if there.mean() > 0.9 else 0.0
        for column, there in zip(features.T, complete.T, strict=True)
    ]
    return int(np.nanargmax(scores))


def best_class_summary(features: Single, targets: Float) -> int:
    """Find the summary that tells the first class best: its column."""
    complete = np.isfinite(features)
    found = [
        abs(auc(targets[there, 0] == 0, column[there].astype(np.float64)) - 0.5) if there.mean() > 0.9 else 0.0
        for column, there in zip(features.T, complete.T, strict=True)
    ]
    return int(np.nanargmax(found))


def _rho(found: Estimated, facts: dict[str, Float]) -> list[dict[str, Any]]:
    """Give errors of rho over a window, by true rho."""
    spans = facts["length"] - 1
    estimates = {name: np.exp(values) * spans for name, values in _points(found.estimates).items()}
    return by_rho(np.exp(found.truth) * spans, estimates, facts)
