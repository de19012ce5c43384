"""Figures of the model card, as SVG text: the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError
from scanner.network.fit import Epoch

Float = NDArray[np.float64]

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
POINTS = 2000
"""Windows drawn at most, so that the file stays small."""


def learning_curves(histories: Sequence[Sequence[Epoch]]) -> str:
    """Draw the validation error of every network, pass by pass.

    Parameters
    ----------
    histories
        What every pass gave, for each network.
    """
    figure, axes = _figure()
    for number, history in enumerate(histories, 1):
        epochs = [row.epoch for row in history]
        axes.plot(epochs, [row.rmse for row in history], marker=".", linewidth=1.2, label=f"seed {number}")
    axes.set_xlabel("pass over the simulations")
    axes.set_ylabel("validation RMSE")
    axes.legend(frameon=False)
    return _svg(figure)


def accuracy(truth: Float, mean: Float, unit: str) -> str:
    """Draw predictions against the truth.

    Parameters
    ----------
    truth, mean
        (windows,) on the scale on which they are learned.
    unit
        What the axes say.
    """
    figure, axes = _figure()
    kept = slice(None, None, max(1, len(truth) // POINTS))
    axes.scatter(truth[kept], mean[kept], s=3, color=BLUE, alpha=0.35, linewidths=0, rasterized=True)
    low, high = float(truth.min()), float(truth.max())
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8)
    axes.set_xlabel(f"true {unit}")
    axes.set_ylabel(f"predicted {unit}")
    return _svg(figure)


def reliability(shares: Float, covered: Float) -> str:
    """Draw which share of the truth lies in intervals of every nominal share.

    Parameters
    ----------
    shares, covered
        Nominal and measured, between 0 and 1.
    """
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    axes.plot(shares, covered, color=ORANGE, marker=".", linewidth=1.2)
    axes.set_xlabel("nominal share of the interval")
    axes.set_ylabel("share of the truth inside")
    return _svg(figure)


def _figure() -> tuple[Any, Any]:
    """Give an empty figure and its axes."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("the figures of a model card need matplotlib: pip install 'popscan[train]'") from error
    figure = Figure(figsize=(4.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Any) -> str:
    """Write a figure; without a date and with fixed names, so that it does not differ from run to run."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "popscan", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", dpi=150, metadata={"Date": None})
    return text.getvalue()
