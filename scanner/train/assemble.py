"""From trained networks to one model folder: joined, calibrated, with what it knows about its training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import SIDES
from scanner.channels.windows import EXTRAS
from scanner.network import reference
from scanner.network.architecture import ensemble
from scanner.network.backend import evaluate, versions
from scanner.network.fit import load_best
from scanner.network.predict import combine, log_probabilities
from scanner.network.spec import Class, Output, Range, Spec
from scanner.network.store import Arrays, save
from scanner.train.examples import Example, batches, joined_facts
from scanner.train.looks import read
from scanner.train.seeds import Work, target_scale
from scanner.train.targets import TARGETS, Target

Float = NDArray[np.float64]
Single = NDArray[np.float32]

INTERVAL = 0.9
"""Share of the truth that an interval is to hold."""
REFERENCE = 30_000
"""Windows that the out-of-range score compares with."""
TEMPERATURES = np.geomspace(0.2, 5, 323)
"""What temperature a calibration may find: one percent apart."""
LICENCE = "MIT"


@dataclass(frozen=True)
class Predicted:
    """What an ensemble says of windows, beside what is true.

    Parameters
    ----------
    mean, sigma, targets
        (windows, values) float64, on the scales on which they were learned.
    facts
        (windows,) values by name; see `scanner.train.examples.Example`.
    """

    mean: Float
    sigma: Float
    targets: Float
    facts: Mapping[str, Float]


@dataclass(frozen=True)
class Told:
    """What an ensemble that tells classes says of windows, beside what is true.

    Parameters
    ----------
    raw
        (windows, members, classes) float32: logits.
    targets
        (windows, classes): 1 for the true class.
    facts
        (windows,) values by name.
    """

    raw: Single
    targets: Float
    facts: Mapping[str, Float]


def predict(network: Any, spec: Spec, work: Work, found: Iterable[Example]) -> Predicted:
    """Predict values of the windows of examples.

    Parameters
    ----------
    network
        An ensemble.
    spec
        How its targets were standardised.
    work
        How the examples were made.
    found
        Examples, in any number.
    """
    told = tell(network, work, found)
    return Predicted(*combine(told.raw, spec), told.targets, told.facts)


def tell(network: Any, work: Work, found: Iterable[Example]) -> Told:
    """Compute the outputs of an ensemble for the windows of examples; see `predict`.

    Where the recipe asks for both ends, every other example is the one before it from the other end, as
    `scanner.train.examples.views` gives them; each member then has two outputs for a window.
    """
    targets: list[Float] = []
    facts: list[Mapping[str, Float]] = []

    def noted() -> Iterable[Example]:
        for example in found:
            targets.append(example.targets)
            facts.append(example.facts)
            yield example

    raw = [evaluate(network, batch.inputs)[batch.weights > 0] for batch in work.pack(iter(noted()))]
    sizes = [len(truth) for truth in targets]
    if work.options.both_ends:
        raw, targets, facts, sizes = [_side_by_side(np.concatenate(raw), sizes)], targets[::2], facts[::2], sizes[::2]
    return Told(np.concatenate(raw), np.concatenate(targets), joined_facts(facts, sizes))


def _side_by_side(raw: Single, sizes: Sequence[int]) -> Single:
    """Put what is said of windows from either end side by side: (windows, 2 x members, numbers)."""
    ends = np.split(raw, np.cumsum(sizes)[:-1])
    return np.concatenate([np.concatenate(ends[::2]), np.concatenate([end[::-1] for end in ends[1::2]])], axis=1)


def best_temperature(told: Told) -> float:
    """Find what logarithms of probabilities must be divided by to give the true classes the most probability.

    Windows that took no part in the training must be given.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks (Proceedings of Machine Learning Research 70).
    """
    logs = log_probabilities(told.raw)[:, None] / TEMPERATURES[:, None]
    surprise = np.logaddexp.reduce(logs, axis=2) - (logs * told.targets[:, None]).sum(axis=2)
    return float(TEMPERATURES[surprise.mean(axis=0).argmin()])


def interval_scale(predicted: Predicted) -> Float:
    """Find, for every value, how many sigmas on each side of the mean hold `INTERVAL` of the truth: (values,).

    Windows that took no part in the training must be given; the numbers are split conformal ones.

    References
    ----------
    Lei et al. 2018, 10.1080/01621459.2017.1307116.
    """
    away = np.abs(predicted.targets - predicted.mean) / predicted.sigma
    rank = min(1.0, np.ceil((len(away) + 1) * INTERVAL) / len(away))
    return np.asarray(np.quantile(away, rank, axis=0))


@dataclass(frozen=True)
class Assembled:
    """A model that is not written yet.

    Parameters
    ----------
    network, spec
        The ensemble, and its contract.
    golden, reference
        Arrays of `scanner.network.store.save`.
    held_out
        What it says of the windows that took no part in the training.
    null
        What it says of windows of the first class alone, see `scanner.train.fresh`; None where it tells no classes.
    """

    network: Any
    spec: Spec
    golden: Arrays
    reference: Arrays
    held_out: Predicted | Told
    null: Float | None = None

    def save(self, folder: Path, texts: Mapping[str, str]) -> Spec:
        """Write the model folder."""
        arrays: dict[str, Any] = {"golden": self.golden, "reference": self.reference, "null": self.null}
        return save(folder, self.spec, self.network, texts=texts, **arrays)


def assemble(work: Work) -> Assembled:
    """Join the trained networks of a recipe, and calibrate them on the simulations that were held out.

    Those that tell classes are not calibrated yet, see `scanner.train.fresh.temperature`.

    Parameters
    ----------
    work
        The recipe, its simulations, and the trained networks.
    """
    options = work.options
    seeds = range(1, options.seeds + 1)
    network = ensemble([load_best(options.architecture, work.seed_folder(seed)) for seed in seeds])
    known = _training(work)
    draft = _draft(work, known)
    told = tell(network, work, held_out(work))
    described = Assembled(network, draft, _golden(work), reference.fit(known.summaries), told)
    if draft.classes:
        return described
    predicted = Predicted(*combine(told.raw, draft), told.targets, told.facts)
    return replace(described, spec=_calibrated(draft, interval_scale(predicted)), held_out=predicted)


def held_out(work: Work) -> Iterator[Example]:
    """Read the examples that took no part in the training."""
    return work.told(work.validation_looks())


@dataclass(frozen=True)
class _Known:
    """What is kept of training windows: their summaries, what is true of them, and facts by name."""

    summaries: Float
    targets: Float
    facts: Mapping[str, Float]


def _draft(work: Work, known: _Known) -> Spec:
    """Write the contract, with an interval and a temperature that are not calibrated."""
    options, recipe = work.options, work.simulations.recipe
    target = TARGETS[options.how.target]
    scales = zip(target.values, *(each.tolist() for each in target_scale(work)), strict=not target.classes)
    context = options.how.parts if target.whole else 1
    shortest, longest = _span(known, "length")
    return Spec(
        id=recipe.name,
        title=target.title,
        task=recipe.task,
        encoding=options.how.encoding.name,
        min_count=options.how.encoding.min_count,
        populations=options.how.encoding.populations,
        parts=options.how.parts,
        extras=EXTRAS,
        outputs=tuple(Output(v.score, v.unit, v.transform, mean, scale, interval=1.0) for v, mean, scale in scales),
        window=(shortest / context, longest / context),
        ranges={**_ranges(known, options.how.encoding.populations), **_learned_ranges(known, target)},
        seeds=tuple(range(1, options.seeds + 1)),
        versions=versions(),
        licence=LICENCE,
        context=context,
        both_ends=options.both_ends,
        classes=tuple(map(Class, target.classes, known.targets.mean(axis=0).tolist())) if target.classes else (),
    )


def _calibrated(spec: Spec, intervals: Float) -> Spec:
    """Fill in how wide the interval of every value is."""
    pairs = zip(spec.outputs, intervals.tolist(), strict=True)
    return replace(spec, outputs=tuple(replace(output, interval=interval) for output, interval in pairs))


def _training(work: Work) -> _Known:
    """Describe training windows, until there are `REFERENCE`."""
    summaries: list[Float] = []
    targets: list[Float] = []
    facts: list[Mapping[str, Float]] = []
    for look in work.training_looks(0):
        for example in read(look):
            summaries.append(example.summaries())
            targets.append(example.targets)
            facts.append(example.facts)
        if sum(map(len, targets)) >= REFERENCE:
            break
    joined = joined_facts(facts, [len(truth) for truth in targets])
    return _Known(np.concatenate(summaries), np.concatenate(targets), joined)


def _span(known: _Known, name: str) -> Range:
    """Give the smallest and largest value of a fact."""
    return float(np.nanmin(known.facts[name])), float(np.nanmax(known.facts[name]))


def _ranges(known: _Known, populations: int) -> dict[str, Range]:
    """Give the ranges of the training windows; of what is drawn from the data, the middle 99%."""
    drawn = (*(f"haplotypes{side}" for side in SIDES[populations]), "size", "mutation_rate", "recombination_rate")
    ranges = {name: _span(known, name) for name in drawn}
    for name in (f"unphased{side}" for side in SIDES[populations]):
        if known.facts[name].any():
            ranges[name] = _span(known, name)
    sites, length, missing = (known.facts[name] for name in ("sites", "length", "missing"))
    for name, values in (("sites", sites), ("density", sites / length), ("missing", missing)):
        low, high = np.quantile(values, [0.005, 0.995])
        ranges[name] = (float(low), float(high))
    return ranges


def _learned_ranges(known: _Known, target: Target) -> dict[str, Range]:
    """Give the ranges of the scores that are learned as they are."""
    bounds = zip(target.values, known.targets.min(axis=0).tolist(), known.targets.max(axis=0).tolist(), strict=False)
    return {value.score: (low, high) for value, low, high in bounds if value.transform == "none"}


def _golden(work: Work) -> Arrays:
    """Make a small batch of examples that no network was trained on."""
    options = work.options
    few = islice(read(work.validation_looks()[0]), 12)
    return next(batches(few, options.how, gap=max(options.architecture.dilations), tiles=1)).inputs
