"""From trained networks to one model folder: joined, calibrated, with what it knows about its training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.windows import EXTRAS
from scanner.network import reference
from scanner.network.architecture import ensemble
from scanner.network.backend import evaluate, versions
from scanner.network.fit import load_best
from scanner.network.predict import combine
from scanner.network.spec import Output, Range, Spec
from scanner.network.store import Arrays, save
from scanner.train.examples import Example, batches
from scanner.train.looks import read
from scanner.train.seeds import Work, target_scale
from scanner.train.targets import TARGETS, Target

Float = NDArray[np.float64]

INTERVAL = 0.9
"""Share of the truth that an interval is to hold."""
REFERENCE = 30_000
"""Windows that the out-of-range score compares with."""
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


def predict(network: Any, spec: Spec, work: Work, found: Iterable[Example]) -> Predicted:
    """Predict the windows of examples.

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
    targets: list[Float] = []
    facts: list[Mapping[str, Float]] = []

    def noted() -> Iterable[Example]:
        for example in found:
            targets.append(example.targets)
            facts.append(example.facts)
            yield example

    raw = [evaluate(network, batch.inputs)[batch.weights > 0] for batch in work.pack(iter(noted()))]
    mean, sigma = combine(np.concatenate(raw), spec)
    names = sorted({name for fact in facts for name in fact})
    missing = [np.full(len(truth), np.nan) for truth in targets]
    joined = {
        name: np.concatenate([fact.get(name, none) for fact, none in zip(facts, missing, strict=True)])
        for name in names
    }
    return Predicted(mean, sigma, np.concatenate(targets), joined)


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
    """

    network: Any
    spec: Spec
    golden: Arrays
    reference: Arrays
    held_out: Predicted

    def save(self, folder: Path, texts: Mapping[str, str]) -> Spec:
        """Write the model folder."""
        return save(folder, self.spec, self.network, golden=self.golden, reference=self.reference, texts=texts)


def assemble(work: Work) -> Assembled:
    """Join the trained networks of a recipe, and calibrate them on the simulations that were held out.

    Parameters
    ----------
    work
        The recipe, its simulations, and the trained networks.
    """
    options = work.options
    seeds = range(1, options.seeds + 1)
    network = ensemble([load_best(options.architecture, work.seed_folder(seed)) for seed in seeds])
    known = list(_training(work))
    draft = _draft(work, known)
    held_out = predict(network, draft, work, (example for look in work.validation_looks() for example in read(look)))
    summaries = np.concatenate([example.summaries() for example in known])
    spec = _calibrated(draft, interval_scale(held_out))
    return Assembled(network, spec, _golden(work), reference.fit(summaries), held_out)


def _draft(work: Work, known: list[Example]) -> Spec:
    """Write the contract, with an interval that is not calibrated."""
    options, recipe = work.options, work.simulations.recipe
    target = TARGETS[options.how.target]
    scales = zip(target.values, *(each.tolist() for each in target_scale(work)), strict=True)
    return Spec(
        id=recipe.name,
        title=target.title,
        task=recipe.task,
        encoding=options.how.encoding.name,
        min_count=options.how.encoding.min_count,
        populations=1,
        parts=options.how.parts,
        extras=EXTRAS,
        outputs=tuple(Output(v.score, v.unit, v.transform, mean, scale, interval=1.0) for v, mean, scale in scales),
        window=_span(known, "length"),
        ranges={**_ranges(known), **_learned_ranges(known, target)},
        seeds=tuple(range(1, options.seeds + 1)),
        versions=versions(),
        licence=LICENCE,
    )


def _calibrated(spec: Spec, intervals: Float) -> Spec:
    """Fill in how wide the interval of every value is."""
    pairs = zip(spec.outputs, intervals.tolist(), strict=True)
    return replace(spec, outputs=tuple(replace(output, interval=interval) for output, interval in pairs))


def _training(work: Work) -> Iterable[Example]:
    """Yield training examples until there are `REFERENCE` windows."""
    windows = 0
    for look in work.training_looks(0):
        for example in read(look):
            yield example
            windows += len(example.first)
        if windows >= REFERENCE:
            return


def _span(known: Iterable[Example], name: str) -> Range:
    """Give the smallest and largest value of a fact."""
    values = np.concatenate([example.facts[name] for example in known])
    return float(np.nanmin(values)), float(np.nanmax(values))


def _ranges(known: list[Example]) -> dict[str, Range]:
    """Give the ranges of the training windows; of what is drawn from the data, the middle 99%."""
    ranges = {name: _span(known, name) for name in ("haplotypes", "size", "mutation_rate", "recombination_rate")}
    sites = np.concatenate([example.facts["sites"] for example in known])
    length = np.concatenate([example.facts["length"] for example in known])
    missing = np.concatenate([example.facts["missing"] for example in known])
    for name, values in (("sites", sites), ("density", sites / length), ("missing", missing)):
        low, high = np.quantile(values, [0.005, 0.995])
        ranges[name] = (float(low), float(high))
    return ranges


def _learned_ranges(known: list[Example], target: Target) -> dict[str, Range]:
    """Give the ranges of the scores that are learned as they are."""
    truth = np.concatenate([example.targets for example in known])
    bounds = zip(target.values, truth.min(axis=0).tolist(), truth.max(axis=0).tolist(), strict=True)
    return {value.score: (low, high) for value, low, high in bounds if value.transform == "none"}


def _golden(work: Work) -> Arrays:
    """Make a small batch of examples that no network was trained on."""
    options = work.options
    few = islice(read(work.validation_looks()[0]), 12)
    return next(batches(few, options.how, gap=max(options.architecture.dilations), tiles=1)).inputs
