"""Evaluation: a network and the baselines on the same fresh simulations, which none of them was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError
from scanner.evaluate import alignment, boosting, classes
from scanner.evaluate.classes import Told, auc
from scanner.evaluate.measures import Measured, between, by_rho, measure, paired, rounded, spearman, strata
from scanner.evaluate.seen import Seen, Task, fewest_haplotypes, gather, parts_of, records, summary_names, tasks
from scanner.network import aligned
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
"""Gives what a baseline predicts of windows: (windows,) of one value, or (windows, values or classes)."""

NETWORK, BOTH = "network", "network and boosting"
BASELINES = ("boosting", "alignment")
"""What is trained to be compared with a network; the best single summary comes with ``boosting``."""
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
        Out of `BASELINES`, and trained networks that see alignments, as `scanner.network.aligned.find` finds them.
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

    @property
    def untrained(self) -> tuple[str, ...]:
        """Those of the baselines that are still to be trained."""
        return tuple(name for name in self.baselines if name in BASELINES)


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
    aligned_too = setting.baselines not in ((), ("boosting",))
    values = setting.target.values
    trained = _Trained([{} for _ in values or (None,)], _given(setting))
    if setting.untrained:
        _train(setting, trained, mapper, progress)
    looks = _tasks(setting, setting.fresh, len(setting.fresh), key=(2,), examples=True, alignments=aligned_too)
    fresh = gather(looks, mapper, progress)
    predicted = network(fresh.examples)
    guessed = trained.guess(fresh, classes=not values)
    if not values:
        return _told(setting, predicted[0], guessed[0], fresh)
    outputs = []
    for at, (value, guesses) in enumerate(zip(values, guessed, strict=True)):
        mean, low, high = (value.natural(each[:, at]) for each in predicted)
        estimates = {NETWORK: mean, **{name: value.natural(guess) for name, guess in guesses.items()}}
        if "boosting" in estimates:
            estimates[BOTH] = (mean + estimates["boosting"]) / 2
        estimates |= {"low": low, "high": high}
        outputs.append(Estimated(value, value.natural(fresh.targets[:, at]), estimates))
    return Evaluation({**_made(setting), **reports(outputs, fresh.facts)}, tuple(outputs), fresh.facts)


@dataclass(frozen=True)
class _Trained:
    """Baselines by name: those of every value, or once of all classes; and those that predict all values jointly."""

    each: list[dict[str, Guess]]
    joint: dict[str, Guess] = field(default_factory=dict)

    def guess(self, seen: Seen, *, classes: bool) -> list[dict[str, Float]]:
        """Give what all predict, for every value or once for all classes."""
        found = [{name: guess(seen) for name, guess in guesses.items()} for guesses in self.each]
        for name, guess in self.joint.items():
            joint = guess(seen)
            for at, estimates in enumerate(found):
                estimates[name] = joint if classes else joint[:, at]
        return found


def _told(setting: Setting, network: Float, guesses: dict[str, Float], fresh: Seen) -> Evaluation:
    """Measure what is told of classes."""
    estimates = {NETWORK: network, **guesses}
    if "boosting" in estimates:
        estimates[BOTH] = (network + estimates["boosting"]) / 2
    told = Told(setting.target.classes, fresh.targets.argmax(axis=1), estimates)
    return Evaluation({**_made(setting), **classes.report(told, fresh.facts)}, (), fresh.facts, told)


def _made(setting: Setting) -> dict[str, Any]:
    """Say on what is measured."""
    return {
        "simulations": len(setting.fresh),
        "seed": setting.fresh.recipe.seed,
        "trained_on": records(setting.training, setting.limit) if setting.training and setting.untrained else 0,
    }


def reports(outputs: Sequence[Estimated], facts: dict[str, Float]) -> dict[str, Any]:
    """Measure every value: what `report` gives, of several once for each under ``outputs``; of rho by true rho too."""
    measured = {one.value.score: report(one.truth, one.estimates, facts) for one in outputs}
    if len(outputs) > 1:
        return {"windows": len(outputs[0].truth), "outputs": measured}
    score = outputs[0].value.score
    return {**measured[score], "rho": _rho(outputs[0], facts) if score == "rho" else []}


def check_baselines(names: Sequence[str]) -> None:
    """Refuse baselines that are not known or whose libraries are not installed.

    Raises
    ------
    UsageError
        As said.
    """
    for name in names:
        if name not in BASELINES and aligned.find(name) is None:
            raise UsageError(
                f"no baseline is called '{name}': there is none, {', '.join(BASELINES)}, and the folder of a trained "
                "network that sees alignments"
            )
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
    bounds, estimates = (found["low"], found["high"]) if "low" in found else None, _points(found)

    def measured(inside: NDArray[np.bool_]) -> dict[str, Measured]:
        kept = None if bounds is None else (bounds[0][inside], bounds[1][inside])
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


def _tasks(setting: Setting, simulations: SimulationSet, limit: int, **wanted: Any) -> list[Task]:
    """List shards of at most ``limit`` simulations; see `scanner.evaluate.seen.tasks`."""
    return tasks(simulations, setting.how, limit, **wanted)


def _given(setting: Setting) -> dict[str, Guess]:
    """Load the baselines that are trained already."""
    found: dict[str, Guess] = {}
    learned = setting.target.classes or tuple(value.score for value in setting.target.values)
    size = sum(fewest_haplotypes(setting.fresh))
    for text in (name for name in setting.baselines if name not in BASELINES):
        folder = aligned.find(text)
        assert folder is not None  # as `check_baselines` made sure
        network = aligned.load(folder)
        if network.outputs != learned:
            raise UsageError(f"{folder} learned {', '.join(network.outputs)}, and here it is {', '.join(learned)}")
        if network.shape.haplotypes != size:
            raise UsageError(f"{folder} takes {network.shape.haplotypes} haplotypes, and here there are {size}")
        found[text if network.name in (*BASELINES, *found) else network.name] = partial(_aligned_guess, network)
    return found


def _aligned_guess(network: aligned.AlignmentNetwork, seen: Seen) -> Float:
    return network.predict(seen.aligned)


def _train(setting: Setting, trained: _Trained, mapper: Mapper, progress: Progress | None) -> None:
    """Train baselines: boosting for one value after the other or all classes, the published network on all at once."""
    if setting.training is None:
        raise UsageError("baselines need simulations to be trained on")
    joint = "alignment" in setting.baselines
    design = alignment.narrow(setting.how.target) if joint else None  # refused before anything is looked at
    looks = _tasks(setting, setting.training, setting.limit, key=(1, 0), examples=False, alignments=joint)
    known = gather(looks, mapper, progress)
    told = bool(setting.target.classes)
    wanted = [known.targets] if told else list(known.targets.T)
    boosted = "boosting" in setting.baselines
    if progress is not None:
        progress.start("training baselines", boosted * len(wanted) + joint)
    for targets, guesses in zip(wanted, trained.each, strict=True) if boosted else ():
        guesses |= _boosted(setting, known, targets)
        if progress is not None:
            progress.advance(1)
    if design is not None:
        network = alignment.fit(known.aligned, known.targets, design, classes=told)
        trained.joint["alignment"] = partial(_aligned_guess, network)
        if progress is not None:
            progress.advance(1)


def _boosted(setting: Setting, known: Seen, targets: Float) -> dict[str, Guess]:
    """Boost trees on the best summary alone and on all, for one value or all classes."""
    every, parts = summary_names(setting.how), parts_of(setting.how)
    middle = known.features[:, parts // 2 * len(every) :][:, : len(every)]
    best = best_class_summary(middle, targets) if targets.ndim == 2 else best_summary(middle, targets)
    own = slice(best, None, len(every))  # in every part of a window
    one = boosting.fit(known.features[:, own], targets, threads=setting.threads)
    trees = boosting.fit(known.features, targets, names=every if parts == 1 else (), threads=setting.threads)
    return {
        f"{every[best]} alone": lambda seen: one.predict(seen.features[:, own]),
        "boosting": lambda seen: trees.predict(seen.features),
    }


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
