"""Figures of the model card, as SVG text: the same numbers give the same bytes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError
from scanner.network.fit import Epoch

Float = NDArray[np.float64]

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
COLOURS = (ORANGE, BLUE, "#009e73", "#cc79a7", "#56b4e9")
POINTS = 2000
"""Windows drawn at most, so that the file stays small."""


def learning_curves(histories: Sequence[Sequence[Epoch]], label: str = "validation RMSE") -> str:
    """Draw the validation error of every network, pass by pass.

    Parameters
    ----------
    histories
        What every pass gave, for each network.
    label
        What the error is.
    """
    figure, (axes,) = panels()
    for number, history in enumerate(histories, 1):
        epochs = [row.epoch for row in history]
        axes.plot(epochs, [row.error for row in history], marker=".", linewidth=1.2, label=f"seed {number}")
    axes.set_xlabel("pass over the simulations")
    axes.set_ylabel(label)
    axes.legend(frameon=False)
    return svg(figure)


def accuracy(truth: Float, mean: Float, labels: Sequence[str]) -> str:
    """Draw predictions against the truth, one panel a value.

    Parameters
    ----------
    truth, mean
        (windows, values) on the scales on which they are learned.
    labels
        What the axes of every panel say.
    """
    figure, row = panels(len(labels))
    kept = slice(None, None, max(1, len(truth) // POINTS))
    for true, predicted, label, axes in zip(truth.T, mean.T, labels, row, strict=True):
        axes.scatter(true[kept], predicted[kept], s=3, color=BLUE, alpha=0.35, linewidths=0, rasterized=True)
        low, high = float(true.min()), float(true.max())
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.8)
        axes.set_xlabel(f"true {label}")
        axes.set_ylabel(f"predicted {label}")
    return svg(figure)


def reliability(shares: Float, covered: Float, names: Sequence[str]) -> str:
    """Draw which share of the truth lies in intervals of every nominal share.

    Parameters
    ----------
    shares, covered
        Nominal (shares,) and measured (shares, values), between 0 and 1.
    names
        What the values are called.
    """
    figure, (axes,) = panels()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    for line, name, colour in zip(covered.T, names, itertools.cycle(COLOURS), strict=False):
        axes.plot(shares, line, color=colour, marker=".", linewidth=1.2, label=name)
    if len(names) > 1:
        axes.legend(frameon=False)
    axes.set_xlabel("nominal share of the interval")
    axes.set_ylabel("share of the truth inside")
    return svg(figure)


def confusion_matrix(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    """Draw which share of the windows of every class (rows) is told to be of each (columns), in percent.

    Parameters
    ----------
    counts
        (classes, classes).
    names
        What the classes are called.
    """
    figure, (axes,) = panels()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, values in enumerate(shares.tolist()):
        for column, value in enumerate(values):
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 60 else "black")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("told")
    axes.set_ylabel("true")
    return svg(figure)


def calibration_curves(mean: Float, share: Float, names: Sequence[str]) -> str:
    """Draw how often probabilities come true, a line a class.

    Parameters
    ----------
    mean, share
        (bins, classes) mean probability and share that is true; NaN for bins that are not drawn.
    names
        What the classes are called.
    """
    figure, (axes,) = panels()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    for told, true, name, colour in zip(mean.T, share.T, names, itertools.cycle(COLOURS), strict=False):
        there = np.isfinite(told)
        axes.plot(told[there], true[there], color=colour, marker=".", linewidth=1.2, label=name)
    axes.legend(frameon=False)
    axes.set_xlabel("probability")
    axes.set_ylabel("share of windows of the class")
    return svg(figure)


def panels(columns: int = 1, rows: int = 1, *, width: float = 4.2, height: float = 3.2) -> tuple[Any, list[Any]]:
    """Give an empty figure and the axes of its panels, row after row.

    Parameters
    ----------
    columns, rows
        Panels side by side, and one above the other.
    width, height
        Inches of a panel.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("figures of networks need matplotlib: pip install 'popscan[train]'") from error
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    found = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, found


def svg(figure: Any) -> str:
    """Write a figure; without a date and with fixed names, so that it does not differ from run to run."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "popscan", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", dpi=150, metadata={"Date": None})
    return text.getvalue()
