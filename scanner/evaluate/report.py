"""Files and words that say what came of an evaluation."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import OutputError
from scanner.evaluate.classes import Told
from scanner.evaluate.run import NETWORK, Evaluation
from scanner.files import write_text

METRICS, PREDICTIONS = "metrics.json", "predictions.tsv.gz"
_COLUMNS = {
    "R2": "r2", "R2 of log": "r2_log", "ln-RMSE": "ln_rmse", "RMSE": "rmse", "Spearman": "spearman",
    "bias log10": "bias_log10", "in interval": "coverage",
}  # fmt: skip
_CLASS_COLUMNS = {
    "accuracy": "accuracy", "cross-entropy": "cross_entropy", "calibration error": "calibration_error",
    "by chance": "calibration_by_chance", "false": "false", "AUC": "auc",
}  # fmt: skip
_TITLES = {
    "truth": "true value", "size": "population size", "length": "window (bp)", "sites": "sites",
    "missing": "missing share", "alpha": "2Ns", "age": "generations since the sweep",
    "start_frequency": "starting frequency", "final_frequency": "final frequency",
}  # fmt: skip


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write ``metrics.json`` and ``predictions.tsv.gz``; the same evaluation gives the same bytes.

    Raises
    ------
    OutputError
        Where they cannot be written.
    """
    write_text(folder / METRICS, json.dumps(evaluation.metrics, indent=1, allow_nan=False) + "\n")
    path = folder / PREDICTIONS
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with draft.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
            file.write(predictions(evaluation).encode())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def predictions(evaluation: Evaluation) -> str:
    """Write one line a window: truth and estimates of scores, and what is known, tab-separated; NA for nothing."""
    columns = {}
    for one in evaluation.outputs:
        end = f"_{one.value.score}" if len(evaluation.outputs) > 1 else ""
        for name, values in {"truth": one.truth, **one.estimates}.items():
            columns[name.replace(" ", "_") + end] = one.value.scores(values)
    if evaluation.told is not None:
        columns |= _told_columns(evaluation.told)
    columns |= evaluation.facts
    rows = np.stack(list(columns.values()), axis=1)
    lines = ["\t".join("NA" if value != value else f"{value:.6g}" for value in row) for row in rows.tolist()]
    return "\n".join(["\t".join(columns), *lines]) + "\n"


def _told_columns(told: Told) -> dict[str, NDArray[Any]]:
    """Give the place of the true class among the classes, and the probability of each by every estimate."""
    columns: dict[str, NDArray[Any]] = {"truth": told.truth.astype(np.float64)}
    for name, values in told.estimates.items():
        columns |= {f"{name.replace(' ', '_')}_{each}": values[:, at] for at, each in enumerate(told.names)}
    return columns


def table(metrics: dict[str, Any]) -> str:
    """Set the metrics in plain text, as a model card shows them.

    Parameters
    ----------
    metrics
        What `scanner.evaluate.run.evaluate` measured.
    """
    lines = [f"{metrics['windows']:,} windows of {metrics['simulations']:,} fresh simulations, seed {metrics['seed']}"]
    for score, measured in metrics.get("outputs", {}).items():
        lines += ["", score, "=" * len(score), *_measured(measured)]
    if "classes" in metrics:
        lines += _told(metrics)
    elif "overall" in metrics:
        lines += _measured(metrics)
    if metrics.get("rho"):
        names = [name for name in metrics["rho"][0] if name not in ("rho", "windows")]
        cells = [[row["rho"], row["windows"], *(row[name] for name in names)] for row in metrics["rho"]]
        lines += ["", *_block("RMSE of rho by true rho", names, cells)]
    return "\n".join(lines) + "\n"


def _measured(metrics: dict[str, Any]) -> list[str]:
    """Set what was measured of one value."""
    lines = _overall(metrics, _COLUMNS)
    for name, gap in metrics["paired"].items():
        if gap["ln_rmse"] is not None:
            error = f"{gap['ln_rmse']:+.4f} (standard error {gap['se']:.4f})"
            lines += ["", f"ln-RMSE of the network less that of {name}: {error}"]
    return lines + _strata(metrics, ("ln-RMSE", "ln_rmse"), {"bias": "bias_log10", "covered": "coverage"})


def _told(metrics: dict[str, Any]) -> list[str]:
    """Set what was measured of classes."""
    lines = _overall(metrics, _CLASS_COLUMNS)
    for name, rows in metrics["confusion"].items():
        counted = zip(metrics["classes"], rows, strict=True)
        cells = [[each, sum(row), *(100 * count / max(1, sum(row)) for count in row)] for each, row in counted]
        lines += ["", *_block(f"{name}: % told (columns) of true (rows)", metrics["classes"], cells)]
    own = {each: _CLASS_COLUMNS[each] for each in ("false", "calibration error", "by chance")}
    return lines + _strata(metrics, ("accuracy", "accuracy"), own)


def _overall(metrics: dict[str, Any], columns: Mapping[str, str]) -> list[str]:
    """Set every measure, title to key, of every estimate."""
    overall = metrics["overall"]
    left, widths = max(map(len, overall)) + 2, [max(12, len(title) + 2) for title in columns]
    rows = {name: [_text(row.get(key)) for key in columns.values()] for name, row in overall.items()}
    lines = {"": list(columns), **rows}
    return ["", *(name.ljust(left) + "".join(map(str.rjust, cells, widths)) for name, cells in lines.items())]


def _strata(metrics: dict[str, Any], measure: tuple[str, str], own: Mapping[str, str]) -> list[str]:
    """Set one measure, title and key, of every estimate by stratum, and beside it more measures of the network."""
    (title, key), overall, lines = measure, metrics["overall"], []
    for by, rows in metrics["strata"].items():
        cells = [
            [
                row["stratum"],
                row[NETWORK]["windows"],
                *(row[each].get(key) for each in overall),
                *(row[NETWORK].get(other) for other in own.values()),
            ]
            for row in rows
        ]
        lines += ["", *_block(f"{title} by {_TITLES.get(by, by)}", [*overall, *own], cells)]
    return lines


def _block(title: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Set rows under a title: a stratum, its windows, a number for every name."""
    left = max(len(title), *(len(str(row[0])) for row in rows)) + 2
    widths = [max(10, len(name) + 2) for name in names]
    lines = [title.ljust(left) + "windows".rjust(9) + "".join(n.rjust(w) for n, w in zip(names, widths, strict=True))]
    for stratum, windows, *values in rows:
        cells = "".join(_text(value).rjust(w) for value, w in zip(values, widths, strict=True))
        lines.append(str(stratum).ljust(left) + f"{windows:,}".rjust(9) + cells)
    return lines


def _text(value: float | None) -> str:
    """Write a number briefly.

    Examples
    --------
    >>> _text(0.12345), _text(1234.5), _text(None)
    ('0.1235', '1234', '-')
    """
    return "-" if value is None else f"{value:.4g}"
