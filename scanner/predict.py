"""Predictions of the networks for one part's windows, from the panels that this part and its neighbours kept.

What a network says of a site depends on the used sites around it, by their number and not by their distance. So a
part goes on to further neighbours until it has enough of them, or until the region ends: the result does not depend on
how the region was cut.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import GroupEncoding, encode_group, from_other_end
from scanner.channels.windows import window_extras, window_summaries
from scanner.compute import Done, Job, part_name
from scanner.errors import InputError
from scanner.haplotypes import Haplotypes
from scanner.network import backend, reference, store
from scanner.network.predict import Predictor, combine, interval, probabilities
from scanner.network.spec import Spec
from scanner.networks import FAR, Network
from scanner.panels import PREFIX, Arrays, Panel, load
from scanner.partition import Part
from scanner.plan import Plan
from scanner.reference import Mask
from scanner.scores import Reason, column
from scanner.windows import Float, Int

GPU = {"GPU": 1.0}
"""What a worker of an outside cluster must offer where networks are to run on graphics cards."""
_LOADING = threading.Lock()
_Key = tuple[int, int, tuple[int, ...]]


@dataclass(frozen=True)
class NetTask:
    """Predictions for one part.

    Parameters
    ----------
    job
        What all parts share.
    part
        The part whose windows get predictions.
    first, last
        The parts ``first:last`` are those of its region.
    bounds
        bp, 0-based half-open: the region.
    mask
        Callable stretches of the contig; None where everything is callable.
    length
        bp of the windows around every site; 0 for none.
    """

    job: Job
    part: Part
    first: int
    last: int
    bounds: tuple[int, int]
    mask: Mask | None
    length: int

    @property
    def records(self) -> int:
        """Number of records of the part."""
        return self.part.records

    @property
    def resources(self) -> Mapping[str, float]:
        """What a worker of an outside cluster must offer."""
        return GPU if self.job.networks.device == "gpu" else {}


def net_name(index: int) -> str:
    """Name the predictions for a part on disk."""
    return f"net-{index:06d}"


def net_tasks(plan: Plan, job: Job) -> list[NetTask]:
    """List the parts, each with the run of parts that its neighbours are taken from."""
    length = window_length(plan) if plan.networks.dense else 0
    found = []
    for part in plan.parts:
        family = [other.index for other in plan.parts if other.segment == part.segment]
        region = plan.regions[part.segment]
        mask = plan.mask(region.contig)
        found.append(NetTask(job, part, family[0], family[-1] + 1, (region.start, region.end), mask, length))
    return found


def window_length(plan: Plan) -> int:
    """Give the length in bp of a scan's windows: the median where they differ."""
    spec = plan.options.windows
    if spec.kind == "bp":
        return spec.window
    lengths = np.concatenate([part.windows.end - part.windows.start for part in plan.parts])
    return int(np.median(lengths))


def compute_networks(task: NetTask) -> Done:
    """Compute and commit the predictions for one part.

    The file holds ``values`` and ``reasons`` (windows, columns), columns as `Networks.columns` lists them, and for
    every panel ``dense_<number>``: (sites, 1 + scores) float64 of 0-based positions in the core and the scores of a
    window around each. Its facts count, for every network, its windows and those unlike the training.

    Raises
    ------
    InputError, OutputError
        Where a network or a part is damaged.
    """
    job, part = task.job, task.part
    parts = _Parts(task)
    floors = parts.own["floors"]
    values: list[Float] = []
    reasons: list[NDArray[np.uint8]] = []
    dense: Arrays = {}
    unlike: dict[str, list[int]] = {}
    for number, (network, groups) in enumerate(zip(job.networks.each, job.networks.groups, strict=True)):
        tool = _tool(network, job.networks.device)
        made = []
        for at, group in enumerate(groups):
            key = number, at, tuple(draw.size for draw in group.draws)
            stretch = _Stretch.around(task, parts, tool, key)
            made.append(_predict(task, tool, stretch, part.windows.start, part.windows.end, [floors]))
            if task.length:
                dense[f"dense_{len(dense)}"] = _dense(task, tool, stretch)
        for score in range(len(network.scores)):
            columns = [column(found[:, score], *missing) for found, missing in made]
            values += [one.values for one in columns]
            reasons += [one.reasons for one in columns]
        unlike[network.spec.id] = _count_unlike(values[-len(groups) :])
    arrays: Arrays = {"values": np.column_stack(values), "reasons": np.column_stack(reasons), **dense}
    job.store.save(net_name(part.index), arrays, {"unlike": unlike})
    return Done(part.index, part.records)


def count_unlike(job: Job, parts: Sequence[Part]) -> dict[str, tuple[int, int]]:
    """Count, for every network, the windows unlike those of its training, and all that have a value.

    Windows of several populations or pairs count each by itself.
    """
    found: dict[str, Counter[int]] = {network.spec.id: Counter() for network in job.networks.each}
    for part in parts:
        facts = job.store.facts(net_name(part.index)) or {"unlike": {}}
        for name, counts in facts["unlike"].items():
            found[name].update(dict(enumerate(counts)))
    return {name: (counts[0], counts[1]) for name, counts in found.items()}


@dataclass(frozen=True)
class _Tool:
    """A network that is ready to compute."""

    network: Network
    predictor: Predictor
    reference: Mapping[str, NDArray[Any]]

    @property
    def how(self) -> GroupEncoding:
        """Which sites it looks at, and how."""
        return self.network.encoding

    @property
    def flank(self) -> int:
        """Used sites on each side that what is said of a site depends on."""
        return self.how.reach + self.predictor.halo

    @property
    def spec(self) -> Spec:
        """The network's contract."""
        return self.predictor.spec

    def features(
        self, positions: Int, group: Sequence[Haplotypes], polarised: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give the channels of used sites, and their features."""
        values = encode_group(positions, group, self.how, polarised).values
        return values, self.predictor.features(values)


def _tool(network: Network, device: str) -> _Tool:
    """Load a network, once a process."""
    with _LOADING:
        return _load(network.folder, network.digest, device)


@functools.cache
def _load(folder: Path, digest: str, device: str) -> _Tool:
    """Load a network; where there is no graphics card, without Keras."""
    chosen = backend.find_device(device)
    model = store.load(folder, plain=chosen == "cpu")
    if model.digest != digest:
        raise InputError(f"{folder} was replaced while it was used: scan again")
    store.check_golden(model)
    return _Tool(Network(folder, model.spec, digest), Predictor.on(model, chosen), model.reference)


class _Parts:
    """The panels of a region's parts, each read from disk when it is asked for."""

    def __init__(self, task: NetTask) -> None:
        self._store = task.job.store
        self._held: dict[int, Arrays] = {}
        self.first, self.last = task.first, task.last
        self.own = self._store.load(part_name(task.part.index))
        self._held[task.part.index] = self._panels(self.own)

    def __getitem__(self, index: int) -> Arrays:
        """Give the panels of a part."""
        if index not in self._held:
            self._held[index] = self._panels(self._store.load(part_name(index)))
        return self._held[index]

    @staticmethod
    def _panels(arrays: Arrays) -> Arrays:
        return {name: array for name, array in arrays.items() if name.startswith(PREFIX)}


@dataclass(frozen=True)
class _Stretch:
    """What a network sees of a group around a part: the panel, and the used sites of it with their features.

    ``back`` holds the features of the sites read from the other end, hence in reverse; None where that is not done.
    ``prior`` holds the probabilities of its classes before anything is seen; None where it predicts values.
    """

    panel: Panel
    positions: Int
    values: NDArray[np.float32]
    features: NDArray[np.float32]
    back: NDArray[np.float32] | None = None
    prior: Float | None = None

    @classmethod
    def around(cls, task: NetTask, parts: _Parts, tool: _Tool, key: _Key) -> _Stretch:
        """Gather the sites that the windows of a part, and its core, depend on; key: network, group, sizes."""
        panel, (low, high) = _gather(task, parts, tool, key), _reach(task, tool)
        used = panel.used(tool.how)
        first, last = np.searchsorted(used.positions, (low, high))
        near = used.take(slice(max(0, int(first) - tool.flank), int(last) + tool.flank))
        sites = near.positions, near.haplotypes(), near.polarised
        values, features = tool.features(*sites)
        back = tool.features(*from_other_end(*sites))[1] if tool.spec.both_ends else None
        prior = np.array(task.job.networks.priors[key[0]]) if tool.spec.classes else None
        return cls(panel, near.positions, values, features, back, prior)

    def windows(self, predictor: Predictor, start: Int, end: Int, extras: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict for windows: (windows, members, numbers); from both ends there are twice as many members."""
        raw = predictor.windows(self.features, self.positions, start, end, extras)
        if self.back is None:
            return raw
        back = predictor.windows(self.back, -1 - self.positions[::-1], -end, -start, extras)
        return np.concatenate([raw, back], axis=1)


def _context(tool: _Tool, start: Int, end: Int) -> tuple[Int, Int]:
    """Widen windows to what the network sees of them; it may reach past the region's ends."""
    margin = (end - start) * (tool.spec.context // 2)
    return start - margin, end + margin


def _reach(task: NetTask, tool: _Tool) -> tuple[int, int]:
    """Give the bounds, in bp, of all that predictions are made from."""
    (low, high), half = task.part.core, task.length * (tool.spec.context // 2 + 1)
    start, end = _context(tool, task.part.windows.start, task.part.windows.end)
    ends = (int(start.min()), int(end.max())) if len(start) else (low, high)
    return max(task.bounds[0], min(ends[0], low - half)), min(task.bounds[1], max(ends[1], high + half))


def _gather(task: NetTask, parts: _Parts, tool: _Tool, key: _Key) -> Panel:
    """Join the panels of as many parts as hold enough used sites on each side."""
    low, high = _reach(task, tool)

    def used(index: int, above: int, below: int) -> int:
        panel = load([parts[index]], *key)
        positions = panel.positions[panel.used_sites(tool.how)]
        return int(np.searchsorted(positions, below) - np.searchsorted(positions, above))

    first, last = task.part.index, task.part.index + 1
    missing = tool.flank - used(first, 0, low)
    while missing > 0 and first > parts.first:
        first -= 1
        missing -= used(first, 0, low)
    missing = tool.flank - used(last - 1, high, task.bounds[1])
    while missing > 0 and last < parts.last:
        last += 1
        missing -= used(last - 1, high, task.bounds[1])
    return load([parts[index] for index in range(first, last)], *key)


Missing = list[tuple[NDArray[np.bool_], Reason]]


def _predict(
    task: NetTask, tool: _Tool, stretch: _Stretch, start: Int, end: Int, floors: Sequence[NDArray[np.uint8]]
) -> tuple[Float, Missing]:
    """Predict for windows: (windows, scores) as `Network.scores`, and why some shall have no value."""
    start, end = _context(tool, start, end)
    first, last = np.searchsorted(stretch.positions, start), np.searchsorted(stretch.positions, end)
    extras = window_extras(stretch.panel.size, start, end, last - first)
    raw = stretch.windows(tool.predictor, start, end, extras)
    far = reference.score(tool.reference, window_summaries(stretch.values, first, last, extras))
    cut = (start < task.bounds[0]) | (end > task.bounds[1])  # no window of the training lacks a side
    missing: Missing = [(floor == reason, reason) for floor in floors for reason in Reason if reason]
    missing += stretch.panel.unfit(tool.network, start, end)
    missing.append((last - first < tool.network.min_sites, Reason.FEW_SITES))
    return np.column_stack([_scores(tool, stretch, raw), np.where(cut, 1.0, far)]), missing


def _scores(tool: _Tool, stretch: _Stretch, raw: NDArray[np.float32]) -> Float:
    """Turn what a network gives into its scores: (windows, scores) as `Network.values`."""
    if tool.spec.classes:
        return probabilities(raw, tool.spec, stretch.prior)
    value, low, high = interval(*combine(raw, tool.spec), tool.spec)
    return np.stack([value, low, high], axis=2).reshape(len(raw), -1)


def _dense(task: NetTask, tool: _Tool, stretch: _Stretch) -> Float:
    """Predict for a window around every used site of the core: (sites, 1 + scores), NaN where one has no value."""
    first, last = np.searchsorted(stretch.positions, task.part.core)
    positions = stretch.positions[first:last]
    start = np.maximum(positions - task.length // 2, task.bounds[0])
    end = np.minimum(positions - task.length // 2 + task.length, task.bounds[1])
    inside = np.searchsorted(stretch.positions, end) - np.searchsorted(stretch.positions, start)
    floors = np.where(inside < task.job.min_sites, np.uint8(Reason.FEW_SITES), np.uint8(0))
    if task.mask is not None:
        bare = task.mask.callable_bp(start, end) < task.job.min_callable * (end - start)
        floors[bare] = Reason.UNCALLABLE
    found, missing = _predict(task, tool, stretch, start, end, [floors])
    scores = [column(found[:, at], *missing).values for at in range(found.shape[1] - 1)]
    return np.column_stack([positions.astype(np.float64), *scores])


def _count_unlike(columns: Sequence[Float]) -> list[int]:
    """Count the windows that lie out of range, and those that have a value."""
    far = np.concatenate(columns)
    return [int((far > FAR).sum()), int(np.isfinite(far).sum())]
