"""Which windows of a result are called: tails of statistics, and what networks tell at a false-discovery rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner import discovery
from scanner.browser.bed import Calls, find_calls
from scanner.catalogue import Outliers, tracks
from scanner.discovery import Discovery, discover, least_posterior
from scanner.network import null
from scanner.network.predict import weighed
from scanner.network.spec import NULL
from scanner.networks import FAR, Network, Networks, recorded
from scanner.result import Score
from scanner.table import Table

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """Which windows of one column are called.

    Parameters
    ----------
    tail, cut
        As `scanner.browser.bed.find_calls` takes them.
    unlike
        (rows,) whether windows are unlike all that the network that gave the values was trained on; None: none is.
    found
        What neutral simulations say; None for statistics.
    """

    tail: str
    cut: float
    unlike: Bools | None = None
    found: Discovery | None = None

    def find(self, contig: NDArray[np.int32], start: Int, end: Int, values: Float) -> Calls:
        """Call windows, with the rates at which they are expected to be false; see `find_calls`."""
        calls = find_calls(contig, start, end, values, self.tail, self.cut, self.unlike)
        if self.found is None:
            return calls
        usable = np.full(len(values), True) if self.unlike is None else ~self.unlike
        rates = self.found.rates(calls.value, values, usable)
        return replace(calls, false=np.where(calls.doubtful, 1.0, rates))


def rule(record: Mapping[str, Any], table: Table, score: Score, outliers: Outliers) -> Rule:
    """Say which windows of a column are called.

    Parameters
    ----------
    record, table
        What run.json says, and the windows.
    score
        The column.
    outliers
        What the catalogue says of it.
    """
    far = unlike(record, table, score)
    if outliers.tail != "probable":
        return Rule(outliers.tail, outliers.share, far)
    found = discovery.recorded(record).get(score.column)
    cut = math.inf if found is None or found.threshold is None else found.threshold
    return Rule(outliers.tail, cut, far, found)


def unlike(record: Mapping[str, Any], table: Table, score: Score) -> Bools | None:
    """Tell which windows are unlike all that the network that tells a class was trained on; None for other scores."""
    for name, entry in recorded(record).items():
        if score.name in (entry.get("priors") or ()):
            far = table.columns.get(score.column.replace(score.name, f"{name}_out_of_range", 1))
            return None if far is None else np.asarray(far > FAR)
    return None


def discoveries(networks: Networks, record: Mapping[str, Any], table: Table, level: float) -> list[Discovery]:
    """Find the thresholds of all classes of which the catalogue has calls.

    Parameters
    ----------
    networks
        Those of the scan.
    record, table
        What run.json is to say, and the windows.
    level
        False-discovery rate that is allowed.

    Raises
    ------
    InputError
        Where a model is damaged.
    """
    scores = [Score(item["column"], item["name"], tuple(item["populations"])) for item in record["scores"]]
    found = []
    for network, priors in zip(networks.each, networks.priors, strict=True):
        before = {item.name: share for item, share in zip(network.spec.classes, priors, strict=False)}
        for name, simulated in _simulated(network, np.array(priors)):
            for score in (score for score in scores if score.name == name):
                values, far = table.columns[score.column], unlike(record, table, score)
                usable = np.full(len(values), True) if far is None else ~far
                least = least_posterior(before[name])
                found.append(discover(score.column, values, usable, simulated, level, least))
    return found


def _simulated(network: Network, priors: Float) -> Iterator[tuple[str, Float]]:
    """Give, for every class that is called, its posteriors in simulated windows, with the digits that tables have."""
    called = {name for name, track in tracks().items() if track.outliers and track.outliers.tail == "probable"}
    wanted = [at for at, item in enumerate(network.spec.classes) if at and item.name in called]
    if wanted:
        probabilities = weighed(null.read(network.folder / NULL, network.spec), network.spec, priors)
        for at in wanted:
            digits = [float(f"{value:.9g}") for value in probabilities[:, at]]
            yield network.spec.classes[at].name, np.array(digits)
