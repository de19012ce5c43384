"""The end of a training: join the networks, measure them on fresh simulations, write the model folder with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scanner.evaluate.folders import Request, Workers, evaluate_model
from scanner.evaluate.report import table
from scanner.evaluate.run import NETWORK, Evaluation
from scanner.files import read_lines
from scanner.network.fit import Epoch
from scanner.network.spec import Spec
from scanner.train.assemble import Predicted, Told, assemble
from scanner.train.card import class_figures, figures, write_card
from scanner.train.fresh import Fresh, null_windows, temperature
from scanner.train.run import Progress, histories
from scanner.train.seeds import Work


def publish_model(
    work: Work, out: Path, workers: Workers, progress: Progress, *, options: Mapping[str, Any] | None = None
) -> str:
    """Write the model folder of networks that were trained.

    Parameters
    ----------
    work
        The recipe, its simulations, and the trained networks.
    out
        The model folder; one that is there is replaced.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.
    options
        Fields of `scanner.evaluate.folders.Request` that differ from their defaults.

    Returns
    -------
    What the evaluation gave, as text.
    """
    made = assemble(work)
    if isinstance(made.held_out, Told):  # it tells classes
        fresh = Fresh(work, workers, progress)
        spec = replace(made.spec, temperature=temperature(made.network, made.held_out, fresh))
        made = replace(made, spec=spec, null=null_windows(made.network, spec, fresh))
    recipe = "".join(read_lines(work.simulations.folder / "recipe.toml"))
    draft = work.folder / "model"
    made.save(draft, {"recipe.toml": recipe, "metrics.json": "{}\n", "README.md": ""})
    request = Request(draft, training=work.simulations.folder, **(options or {}))
    found = evaluate_model(request, work.folder / "evaluation", workers, progress)
    text, passes = table(found.metrics), histories(work)
    texts = {
        "recipe.toml": recipe,
        "metrics.json": json.dumps(found.metrics, indent=1, allow_nan=False) + "\n",
        "README.md": write_card(made.spec, work.simulations.recipe, passes, found.metrics, text),
        **_figures(made.spec, passes, found),
    }
    made.save(out, texts)
    return text


def _figures(spec: Spec, passes: Sequence[Sequence[Epoch]], found: Evaluation) -> dict[str, str]:
    """Draw the figures of the card."""
    if found.told is None:
        return figures(spec, passes, learned(found, spec))
    return class_figures(passes, found.told)


def learned(found: Evaluation, spec: Spec) -> Predicted:
    """Put what an evaluation found, natural logarithms, on the scales on which the network learned."""
    columns = []
    for one, output in zip(found.outputs, spec.outputs, strict=True):
        sigma = (one.estimates["high"] - one.estimates["low"]) / (2 * output.interval)
        columns.append([one.value.learned(each) for each in (one.estimates[NETWORK], sigma, one.truth)])
    mean, sigma, truth = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
    return Predicted(mean, sigma, truth, found.facts)
