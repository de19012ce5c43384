"""Pictures of what the layers of a network make of alignments, and what its first filters respond to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import DERIVED, Aligned
from scanner.evaluate.folders import Request, Workers
from scanner.evaluate.measures import correlation
from scanner.evaluate.trained import fresh_lines
from scanner.files import write_text
from scanner.network import aligned
from scanner.network.aligned import AlignmentNetwork
from scanner.network.backend import choose_device
from scanner.train.alignment_looks import Lines
from scanner.train.figures import BLUE, GREY, panels, svg
from scanner.train.run import Progress

Float = NDArray[np.float64]
Int = NDArray[np.int64]

LAYERS, FILTERS, TABLE = "layers.svg", "filters.svg", "filters.tsv"
"""What is written."""
EXAMPLES = 3
"""Windows that are drawn of a network with values; of one with classes one each."""
DRAWN = 12
"""Filters that are drawn, the most used ones."""
SILENT = 1e-6
"""A filter whose response varies less than this responds to nothing."""
FEATURES = ("derived alleles", "heterozygosity", "difference of the sites")
"""What of two neighbouring sites a filter may respond to."""


@dataclass(frozen=True)
class Filters:
    """What the filters of a first convolution respond to.

    Parameters
    ----------
    on
        (filters,) share of the pairs of neighbouring sites to which they respond at all.
    spread
        (filters,) standard deviation over windows of the mean response: how much a filter tells one from another.
    features
        (filters, `FEATURES`) correlation of the response to a pair of sites with what the pair is; NaN of silent ones.
    profile
        (filters, haplotypes + 1) mean response to pairs of sites, by the derived alleles of the first; NaN for none.
    output
        (filters,) correlation over windows of the mean response with the first output of the network.
    """

    on: Float
    spread: Float
    features: Float
    profile: Float
    output: Float

    @property
    def order(self) -> Int:
        """Numbers of the filters, those first that tell most of windows."""
        return np.argsort(-self.spread, kind="stable")


def explain(request: Request, out: Path, place: Path, workers: Workers, progress: Progress) -> str:
    """Draw the layers of a network on fresh simulations of its recipe, and say what its first filters respond to.

    Parameters
    ----------
    request
        The network, and how many simulations.
    out
        Folder for `LAYERS`, `FILTERS` and `TABLE`; made where it is not there.
    place
        Folder for simulations.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.

    Returns
    -------
    The most used filters, as text.
    """
    choose_device("auto", request.threads)
    network = aligned.load(request.model)
    lines, _ = fresh_lines(request, place, workers, progress)
    found = network.predict(lines.windows)
    filters = respond(network, lines.windows, found[:, 0])
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / LAYERS, draw_layers(network, lines, found))
    write_text(out / FILTERS, draw_filters(network, filters))
    write_text(out / TABLE, table(filters))
    return summary(network, filters, lines)


def respond(network: AlignmentNetwork, windows: Sequence[Aligned], output: Float, batch: int = 64) -> Filters:
    """Find out what the filters of the first convolution respond to.

    Parameters
    ----------
    network
        The network.
    windows
        Alignments.
    output
        (windows,) what the network says of them.
    batch
        Windows that are computed at a time.
    """
    means, responses, features, derived = [], [], [], []
    for first in range(0, len(windows), batch):
        taken = windows[first : first + batch]
        for window, response in zip(taken, network.responses(taken)[0].astype(np.float64), strict=True):
            kept = response[: min(len(window.alleles), network.shape.sites) - 1]  # of what are two sites
            means.append(kept.mean(axis=0) if len(kept) else np.zeros(response.shape[1]))
            responses.append(kept)
            features.append(pair_features(window)[: len(kept)])
            derived.append((window.alleles == DERIVED).sum(axis=1)[: len(kept)])
    mean, response, feature = np.array(means), np.concatenate(responses), np.concatenate(features)
    carriers, size = np.concatenate(derived), network.shape.haplotypes
    counts = np.bincount(carriers, minlength=size + 1)
    counted = np.where(counts > 0, counts, np.nan)
    loud = [column if column.std() > SILENT else np.full(len(column), np.nan) for column in response.T]
    return Filters(
        (response > 0).mean(axis=0),
        mean.std(axis=0),
        np.array([[correlation(column, each) for each in feature.T] for column in loud]),
        np.array([np.bincount(carriers, column, size + 1) / counted for column in response.T]),
        np.array([correlation(column, output) if column.std() > SILENT else np.nan for column in mean.T]),
    )


def pair_features(window: Aligned) -> Float:
    """Describe every pair of neighbouring sites by what a filter may respond to.

    Returns
    -------
    (sites - 1, `FEATURES`): share of the alleles that are derived, mean heterozygosity, and share of the haplotypes
    whose alleles at the two sites differ.

    Examples
    --------
    >>> pair_features(Aligned(np.array([[1, -1], [1, 1]], np.int8), np.array([0.2, 0.4], np.float32))).tolist()
    [[0.75, 0.5, 0.5]]
    """
    derived = window.alleles == DERIVED
    size = derived.shape[1]
    carriers = derived.sum(axis=1)
    different = 2 * carriers * (size - carriers) / max(1, size * (size - 1))
    means = [(each[:-1] + each[1:]) / 2 for each in (carriers / size, different)]
    return np.stack([*means, (derived[:-1] != derived[1:]).mean(axis=1)], axis=1)


def table(filters: Filters) -> str:
    """Write one line a filter, the most used first, tab-separated; NA for what is not defined."""
    names = [f"with_{name.replace(' ', '_')}" for name in FEATURES]
    lines = ["\t".join(["filter", "on", "spread", "with_output", *names])]
    for number in filters.order.tolist():
        values = [filters.on[number], filters.spread[number], filters.output[number], *filters.features[number]]
        lines.append("\t".join([str(number), *("NA" if value != value else f"{value:.4g}" for value in values)]))
    return "\n".join(lines) + "\n"


def summary(network: AlignmentNetwork, filters: Filters, lines: Lines) -> str:
    """Say in words what the most used filters respond to."""
    silent = int((filters.spread <= SILENT).sum())
    rows = [
        f"{network.name}: {len(filters.on)} filters in the first layer, {silent} of them silent on "
        f"{len(lines.windows):,} fresh windows",
        "",
        f"filter     on  with {network.outputs[0]:<24}  responds most to",
    ]
    for number in [each for each in filters.order.tolist() if filters.spread[each] > SILENT][:DRAWN]:
        best = int(np.nanargmax(np.abs(filters.features[number])))
        share, output, strength = filters.on[number], filters.output[number], filters.features[number, best]
        rows.append(f"{number:6d}  {share:4.0%}  {output:+29.2f}  {FEATURES[best]} ({strength:+.2f})")
    return "\n".join(rows) + "\n"


def draw_layers(network: AlignmentNetwork, lines: Lines, found: Float) -> str:
    """Draw what comes in and what every convolution makes of it, for a few windows, one row each.

    Parameters
    ----------
    network
        The network.
    lines
        Windows with their truth.
    found
        (windows, outputs) what the network says of them.
    """
    chosen = examples(lines, classes=network.shape.classes)
    windows = [lines.windows[at] for at in chosen]
    layers = network.responses(windows)
    orders = [np.argsort(-layer.mean(axis=(0, 1)), kind="stable") for layer in layers]
    figure, axes = panels(1 + len(layers), len(chosen), width=3.2, height=2.4)
    cells = iter(axes)
    for row, at in enumerate(chosen):
        _image(
            next(cells), windows[row].alleles.T, _caption(network, lines, found, at), "haplotypes", map_name="gray_r"
        )
        for number, (layer, order) in enumerate(zip(layers, orders, strict=True), 1):
            top = float(np.quantile(layer, 0.99)) or 1.0
            _image(next(cells), layer[row][:, order].T, f"convolution {number}", "filters", high=top)
    return svg(figure)


def examples(lines: Lines, *, classes: bool) -> list[int]:
    """Choose windows to be drawn: with values the lowest, middle and highest of the first; else the first of a class.

    Examples
    --------
    >>> examples(Lines([], np.array([[0.3], [0.1], [0.2]])), classes=False)
    [1, 2, 0]
    """
    if classes:
        told = lines.targets.argmax(axis=1)
        return [int(np.flatnonzero(told == kind)[0]) for kind in np.unique(told)]
    order = np.argsort(lines.targets[:, 0], kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, EXAMPLES).round().astype(np.int64))
    return [int(order[place]) for place in places]


def draw_filters(network: AlignmentNetwork, filters: Filters) -> str:
    """Draw the most used filters of the first convolution: their weights, and how they respond to derived alleles."""
    kernel, chosen = network.kernel(), filters.order[:DRAWN]
    figure, axes = panels(4, 2 * -(-len(chosen) // 4), width=2.6, height=1.7)
    for axis in axes:
        axis.set_visible(False)
    for place, number in enumerate(chosen.tolist()):
        row, column = divmod(place, 4)
        weights, line = axes[row * 8 + column], axes[row * 8 + 4 + column]
        weights.set_visible(True)
        line.set_visible(True)
        reach = float(np.abs(kernel[:, :, number]).max()) or 1.0
        _image(weights, kernel[:, :, number], f"filter {number}", "site", map_name="RdBu_r", low=-reach, high=reach)
        weights.set_xlabel("haplotype")
        weights.set_yticks([0, 1])
        line.plot(filters.profile[number], color=BLUE, marker=".", linewidth=1.0)
        line.axhline(0, color=GREY, linewidth=0.6)
        line.set_xlabel("derived alleles")
        line.set_ylabel("response")
    return svg(figure)


def _caption(network: AlignmentNetwork, lines: Lines, found: Float, at: int) -> str:
    """Say what is true of a window, and what the network says."""
    if network.shape.classes:
        true, told = (network.outputs[int(each[at].argmax())] for each in (lines.targets, found))
        return f"{true}\ntold {told}"
    return f"{network.outputs[0]} {lines.targets[at, 0]:.2f}, predicted {found[at, 0]:.2f}"


def _image(
    axes: Any, values: NDArray[Any], title: str, label: str, *, map_name: str = "viridis", **limits: float
) -> None:
    """Draw numbers as an image, rows from top to bottom; ``low`` and ``high`` are the ends of the colours."""
    ends = {"vmin": limits.get("low"), "vmax": limits.get("high")}
    axes.imshow(values, aspect="auto", cmap=map_name, interpolation="nearest", **ends)
    axes.set_title(title, fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.set_xlabel("sites", fontsize=8)
    axes.tick_params(labelsize=7)
