"""The model card: what a model is for, how it was made, how well it does, and where it must not be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.classes import Told, confusion
from scanner.evaluate.classes import reliability as class_reliability
from scanner.evaluate.run import NETWORK
from scanner.network.fit import Epoch
from scanner.network.spec import Spec
from scanner.simulate.recipe import Recipe
from scanner.train.assemble import Predicted
from scanner.train.figures import accuracy, calibration_curves, confusion_matrix, learning_curves, reliability

Float = NDArray[np.float64]

FIGURES = ("learning.svg", "accuracy.svg", "reliability.svg")


def figures(spec: Spec, histories: Sequence[Sequence[Epoch]], fresh: Predicted) -> dict[str, str]:
    """Draw the figures of a card.

    Parameters
    ----------
    spec
        The model's contract.
    histories
        What every pass of every network gave.
    fresh
        What the model says of fresh simulations.

    Returns
    -------
    File name to SVG text, as `FIGURES`.
    """
    names = [output.name.replace("_", " ") for output in spec.outputs]
    scales = ["" if output.transform == "none" else f"{output.transform} " for output in spec.outputs]
    shares = np.linspace(0.05, 0.95, 19)
    intervals = np.array([output.interval for output in spec.outputs])
    drawn = (
        learning_curves(histories),
        accuracy(fresh.targets, fresh.mean, [scale + name for scale, name in zip(scales, names, strict=True)]),
        reliability(shares, coverage(fresh, shares, intervals), names),
    )
    return dict(zip(FIGURES, drawn, strict=True))


def class_figures(histories: Sequence[Sequence[Epoch]], told: Told) -> dict[str, str]:
    """Draw the figures of the card of a network that tells classes; see `figures`.

    Parameters
    ----------
    histories
        What every pass of every network gave.
    told
        What the model says of fresh simulations.
    """
    said = told.estimates[NETWORK]
    names = [name.replace("_", " ") for name in told.names]
    drawn = (
        learning_curves(histories, "validation cross-entropy"),
        confusion_matrix(confusion(told.truth, said), names),
        calibration_curves(*class_reliability(told.truth, said), names),
    )
    return dict(zip(FIGURES, drawn, strict=True))


def coverage(predicted: Predicted, shares: Float, intervals: Float) -> Float:
    """Measure how much of the truth lies in intervals of several shares.

    The 90% interval is the calibrated one; the others are those of a normal distribution that has it.

    Parameters
    ----------
    predicted
        Windows with their truth.
    shares
        Nominal shares, between 0 and 1.
    intervals
        (values,): sigmas on each side that hold 90%.

    Returns
    -------
    Measured shares, (shares, values).
    """
    normal = NormalDist()
    widths = np.array([normal.inv_cdf((1 + share) / 2) for share in shares]) / normal.inv_cdf(0.95)
    away = np.abs(predicted.targets - predicted.mean) / (predicted.sigma * intervals)
    return np.asarray((away[:, None] <= widths[:, None]).mean(axis=0))


def write_card(
    spec: Spec, recipe: Recipe, histories: Sequence[Sequence[Epoch]], metrics: Mapping[str, Any], table: str
) -> str:
    """Write the card.

    Parameters
    ----------
    spec, recipe
        The model's contract and its recipe.
    histories
        What every pass of every network gave.
    metrics, table
        What it was measured to do on fresh simulations, as numbers and as text.
    """
    rows = "\n".join(f"| {name.replace('_', ' ')} | {_bounds(bounds)} |" for name, bounds in spec.ranges.items())
    words = _CLASSES if spec.classes else _VALUES
    made = ", ".join(f"{name} {version}" for name, version in spec.versions.items())
    return f"""# {spec.id}

{spec.title}. {len(spec.seeds)} networks, averaged; licence of the weights: {spec.licence}.

- **Predicts** {_predicted(spec)}, and `{spec.id}_out_of_range`.
- **Reads** {spec.reads}; channels `{spec.encoding}` of the sites whose rarer allele is seen at least
  {spec.min_count}x.
- **Was trained** on {recipe.simulations:,} simulations (seed {recipe.seed}, [recipe.toml](recipe.toml)) by {made}.
- {_alone(spec, histories)}

## Where it may be used

Values of the training windows; outside of them `{spec.id}_out_of_range` comes close to 1, and the numbers mean little.

| | from - to |
|---|---|
| window (bp) | {_bounds(spec.window)} |
{rows}

Sites, density and missing genotypes: the middle 99%. {words.limits.format(context=spec.context)}

## How well it does

On {metrics["simulations"]:,} fresh simulations of the same recipe (seed {metrics["seed"]}), beside baselines that
were trained on {metrics["trained_on"]:,} of the simulations that the network was trained on. {words.numbers}:

```text
{table.rstrip()}
```

![validation error by pass](learning.svg)
{words.figures}
"""


def _alone(spec: Spec, histories: Sequence[Sequence[Epoch]]) -> str:
    """Say how close every network comes by itself; of its passes the best is kept."""
    errors = ", ".join(f"{min(row.error for row in passes):.4g}" for passes in histories)
    kind = "cross-entropy" if spec.classes else "RMSE"
    return f"**Alone** its networks have a validation {kind} of {errors} (seeds {', '.join(map(str, spec.seeds))})."


def _predicted(spec: Spec) -> str:
    """List what a model predicts."""
    if spec.classes:
        names = ", ".join(f"`{item.name}`" for item in spec.classes)
        return (
            f"probabilities that sum to 1 in every window: {names};\n  priors were the shares in training, unless given"
        )
    listed = ", ".join(f"`{output.name}` ({output.unit})" for output in spec.outputs)
    name = spec.outputs[0].name if len(spec.outputs) == 1 else "<name>"
    return f"{listed} in every window, with 90% of the truth between `{name}_low`\n  and `{name}_high`"


class _Words(NamedTuple):
    """What a card says of values, or of classes: numbers of the table, limits, figures."""

    numbers: str
    limits: str
    figures: str


_VALUES = _Words(
    """*Bias* is the network's
mean of log10(estimate / truth), *covered* the share of the truth inside its intervals""",
    """The simulations know neither selection nor gene conversion,
nor any history but those of the recipe.""",
    """![predictions against the truth](accuracy.svg)
![share of the truth inside intervals](reliability.svg)""",
)
_CLASSES = _Words(
    """*By chance* is the
calibration error that probabilities which hold would show on so few windows, *false* the share of the windows with
nothing in them that are told to be of another class, *AUC* how often a window of another class looks less like nothing
than a window with nothing in it""",
    """A window is seen in a context {context} times as long.
The simulations know no history but those of the recipe.""",
    """![what is told of the windows of every class](accuracy.svg)
![probabilities, and how often they come true](reliability.svg)""",
)


def _bounds(bounds: Sequence[float]) -> str:
    """Write a range.

    Examples
    --------
    >>> _bounds((0.0, 1.5e-08)), _bounds((20.0, 500.0))
    ('0 - 1.5e-08', '20 - 500')
    """
    return " - ".join("?" if math.isnan(value) else f"{value:.4g}" for value in bounds)
