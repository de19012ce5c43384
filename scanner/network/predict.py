"""Use of a network in a scan: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.network.architecture import halo, site_bytes
from scanner.network.backend import BATCH_SITES, Device, batch_sites, evaluate
from scanner.network.plain import Plain
from scanner.network.pooling import pool
from scanner.network.spec import Output, Spec
from scanner.network.store import Model
from scanner.windows import Float, Int

Single = NDArray[np.float32]

BATCH_WINDOWS = 256
"""Windows that the head takes at a time."""


class Predictor:
    """Compute a network along the sites of a chromosome: the trunk once, whatever windows overlap.

    Parameters
    ----------
    model
        A loaded model folder.
    batch_sites
        Sites that the trunk takes at a time, the halo included; results do not depend on it beyond rounding.
    """

    @classmethod
    def on(cls, model: Model, device: Device) -> Predictor:
        """Make one that takes as many sites at a time as suits a device."""
        return cls(model, batch_sites(device, site_bytes(model.architecture, len(model.spec.seeds))))

    def __init__(self, model: Model, batch_sites: int = BATCH_SITES["cpu"]) -> None:
        arch = model.architecture
        self.halo = halo(arch)
        """Sites on each side that the features of a site depend on."""
        self.spec, self.numbers, self.members, self.parts = model.spec, arch.numbers, len(model.spec.seeds), arch.parts
        if batch_sites <= 2 * self.halo:
            raise ValueError(f"batch_sites is {batch_sites}, and a halo of {self.halo} on each side must fit in")
        self.batch_sites = batch_sites
        plain = isinstance(model.network, Plain)
        self._network: Plain | _Keras = model.network if plain else _Keras(model.network, batch_sites)
        self._width = arch.width * self.members

    def features(self, values: Single) -> Single:
        """Run the trunk along the sites.

        Parameters
        ----------
        values
            (S, C) float32: channels of consecutive sites. Near the ends the features differ from those of a longer
            stretch, for up to `halo` sites.

        Returns
        -------
        (S, F) float32, of all members side by side.
        """
        found = np.empty((len(values), self._width), np.float32)
        step = self.batch_sites - 2 * self.halo
        for first in range(0, len(values), step):
            low, high = max(0, first - self.halo), min(len(values), first + step + self.halo)
            out = self._network.trunk(values[low:high])
            kept = min(step, len(values) - first)
            found[first : first + kept] = out[first - low : first - low + kept]
        return found

    def windows(self, features: Single, positions: Int, start: Int, end: Int, extras: Single) -> Single:
        """Predict for windows, which may overlap.

        Parameters
        ----------
        features
            (S, F), as `features` gives them.
        positions
            (S,) int64, bp, 0-based, rising.
        start, end
            (W,) int64, bp, 0-based half-open.
        extras
            (W, extras) float32.

        Returns
        -------
        (W, members, numbers) float32: means, then logarithms of variances, both of standardised targets; or logits of
        classes.
        """
        found = np.empty((len(start), self.members, self.numbers), np.float32)
        for first in range(0, len(start), BATCH_WINDOWS):
            taken = slice(first, first + BATCH_WINDOWS)
            pooled = pool(features, positions, start[taken], end[taken], self.parts)
            found[taken] = self._network.head(pooled, extras[taken])
        return found


class _Keras:
    """What `scanner.network.plain.Plain` does, by Keras: in batches of one size, for which nothing is compiled anew."""

    def __init__(self, network: Any, sites: int) -> None:
        self._trunk, self._head, self._sites = network.get_layer("trunk"), network.get_layer("head"), sites

    def trunk(self, sites: Single) -> Single:
        """Compute the features of consecutive sites."""
        mask = _padded(np.ones((len(sites), 1), np.float32), self._sites)
        return evaluate(self._trunk, [_padded(sites, self._sites), mask])[0, : len(sites)]

    def head(self, pooled: Single, extras: Single) -> Single:
        """Compute the outputs of windows."""
        batch = [_padded(each, BATCH_WINDOWS) for each in (pooled, extras)]
        return evaluate(self._head, batch)[0, : len(pooled)]


def combine(raw: Single, spec: Spec) -> tuple[Float, Float]:
    """Join the members of an ensemble.

    Parameters
    ----------
    raw
        (W, members, 2 * outputs), as `Predictor.windows` gives it.
    spec
        Says how the targets were standardised.

    Returns
    -------
    Mean and standard deviation, (W, outputs) each, of the transformed target (for instance of log10 of the rate).
    The variance is the mean of the members' variances plus the variance of their means.
    """
    count = len(spec.outputs)
    means, variances = raw[..., :count].astype(np.float64), np.exp(raw[..., count:].astype(np.float64))
    sigma = np.sqrt(variances.mean(axis=1) + means.var(axis=1))
    scale = np.array([output.scale for output in spec.outputs])
    return means.mean(axis=1) * scale + np.array([output.mean for output in spec.outputs]), sigma * scale


def log_probabilities(raw: Single) -> Float:
    """Join the members of an ensemble that tells classes: natural logarithms of the mean of their probabilities.

    Parameters
    ----------
    raw
        (W, members, classes), as `Predictor.windows` gives it.

    Returns
    -------
    (W, classes).
    """
    logits = raw.astype(np.float64)
    members = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    return np.asarray(np.logaddexp.reduce(members, axis=1) - np.log(raw.shape[1]))


def calibrated(raw: Single, spec: Spec) -> Float:
    """Give natural logarithms of the calibrated probabilities of the classes, under their shares in training.

    Parameters
    ----------
    raw
        (W, members, classes), as `Predictor.windows` gives it.
    spec
        Says how they are calibrated.

    Returns
    -------
    (W, classes).

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks (Proceedings of Machine Learning Research 70).
    """
    return _summing_to_one(log_probabilities(raw) / spec.temperature)


def weighed(logs: Float, spec: Spec, prior: Float) -> Float:
    """Weigh calibrated probabilities anew, for another prior than that of the training.

    Parameters
    ----------
    logs
        (W, classes), as `calibrated` gives them.
    spec
        Says the shares of the classes in training.
    prior
        (classes,): probabilities of the classes before anything is seen.

    Returns
    -------
    (W, classes) probabilities, which sum to one.

    References
    ----------
    Saerens et al. 2002, 10.1162/089976602753284446.
    """
    shares = np.array([item.share for item in spec.classes])
    with np.errstate(divide="ignore"):  # a prior of 0 leaves a class none
        return np.exp(_summing_to_one(logs + np.log(prior / shares)))


def probabilities(raw: Single, spec: Spec, prior: Float | None = None) -> Float:
    """Give calibrated probabilities of the classes: (W, classes), which sum to one.

    Parameters
    ----------
    raw
        (W, members, classes), as `Predictor.windows` gives it.
    spec
        See `calibrated`.
    prior
        (classes,), see `weighed`; None: the shares of the classes in training.
    """
    logs = calibrated(raw, spec)
    return np.exp(logs) if prior is None else weighed(logs, spec, prior)


def _summing_to_one(logs: Float) -> Float:
    """Subtract from logarithms of probabilities what they are too large by."""
    return np.asarray(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))


def interval(mean: Float, sigma: Float, spec: Spec) -> tuple[Float, Float, Float]:
    """Give values and calibrated 90% intervals in the units of the outputs.

    Parameters
    ----------
    mean, sigma
        (W, outputs), as `combine` gives them.
    spec
        Says how the targets were transformed, and how many sigmas hold 90% of the truth.

    Returns
    -------
    Value, lower and upper bound, (W, outputs) each.
    """
    reach = sigma * np.array([output.interval for output in spec.outputs])
    value, low, high = (_original(each, spec.outputs) for each in (mean, mean - reach, mean + reach))
    return value, low, high


def _original(values: Float, outputs: tuple[Output, ...]) -> Float:
    """Undo the transform of every output."""
    undo: dict[str, Any] = {"log10": lambda column: 10.0**column, "ln": np.exp, "none": np.array}
    columns = [undo[output.transform](values[:, at]) for at, output in enumerate(outputs)]
    return np.stack(columns, axis=1)


def _padded(values: Single, size: int) -> Single:
    """Make one batch of fixed size of rows: (1, size, ...)."""
    rows = np.zeros((1, size, *values.shape[1:]), np.float32)
    rows[0, : len(values)] = values
    return rows
