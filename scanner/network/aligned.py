"""Trained networks that see alignments, and the folders that hold them: data, of which nothing is run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import Aligned, distances, pad
from scanner.catalogue import catalogue_folder
from scanner.errors import InputError, OutputError
from scanner.files import write_text
from scanner.network.alignment import Inputs, Shape, build, predict
from scanner.network.backend import load_keras, versions
from scanner.network.designs import DESIGNS
from scanner.network.untrusted import MAX_SIZE, fill
from scanner.provenance import checksum

Float = NDArray[np.float64]
Single = NDArray[np.float32]

CONTRACT, WEIGHTS, RECIPE = "alignment.json", "alignment.weights.h5", "recipe.toml"
"""Files of a folder: what the network is, its weights, and the recipe that it was trained by."""
FORMAT = 1
MAX_SITES = 20_000
"""No network takes more sites."""
MAX_WEIGHTS = 1 << 28
"""No network has more numbers in one layer."""


@dataclass(frozen=True)
class AlignmentNetwork:
    """A trained network.

    Parameters
    ----------
    model
        The ``keras.Model``.
    shape
        Its shape.
    centre, scale
        (outputs,) mean and standard deviation of the values that it was trained on; 0 and 1 for classes.
    name
        What it is called.
    outputs
        Scores that it predicts, in order; or the classes that it tells.
    """

    model: Any
    shape: Shape
    centre: Float
    scale: Float
    name: str = "alignment"
    outputs: tuple[str, ...] = ()

    def inputs(self, windows: Sequence[Aligned]) -> Inputs:
        """Make of windows what the network takes; see `arranged`."""
        return arranged(windows, self.shape)

    def predict(self, windows: Sequence[Aligned], batch: int = 256) -> Float:
        """Predict values, or probabilities of classes: (windows, outputs).

        Parameters
        ----------
        windows
            With as many haplotypes as the network takes.
        batch
            Windows that are computed at a time.
        """
        found = np.empty((len(windows), self.shape.outputs))
        for first in range(0, len(windows), batch):
            taken = windows[first : first + batch]
            found[first : first + len(taken)] = predict(self.model, self.inputs(taken))
        if self.shape.classes:
            return np.asarray(np.exp(found - np.logaddexp.reduce(found, axis=1, keepdims=True)))
        return np.asarray(found * self.scale + self.centre)

    def responses(self, windows: Sequence[Aligned]) -> list[Single]:
        """Compute what every convolution makes of windows, before its pooling.

        Returns
        -------
        For every convolution (windows, sites, filters) float32, of which row i belongs to what sites i and i + 1 of
        its input gave it; 0 and more.
        """
        return [np.asarray(each, np.float32) for each in self._watched.predict_on_batch(self.inputs(windows))]

    @cached_property
    def _watched(self) -> Any:
        """The network, but for giving what its convolutions make of windows."""
        return load_keras().Model(self.model.inputs, [layer.output for layer in self._convolutions()])

    def kernel(self) -> Single:
        """Give the weights of the first convolution: (2, haplotypes, filters) float32."""
        return np.asarray(self._convolutions()[0].get_weights()[0], np.float32)

    def _convolutions(self) -> list[Any]:
        names = [f"convolution_{number}" for number in range(1, len(self.shape.design.stages) + 1)]
        return [self.model.get_layer(name) for name in names]


def arranged(windows: Sequence[Aligned], shape: Shape) -> Inputs:
    """Pad windows to the sites of a network, and add what its second branch sees."""
    alleles, positions = pad(windows, shape.sites)
    if shape.design.beside == "none":
        return [alleles]
    return [alleles, distances(positions) if shape.design.beside == "distances" else positions]


def find(text: str) -> Path | None:
    """Find the folder of a trained network by its path, or by its name in the catalogue; None where it is none."""
    for folder in (catalogue_folder("models") / text, Path(text)):
        if text and (folder / CONTRACT).is_file():
            return folder
    return None


def save(folder: Path, network: AlignmentNetwork, texts: Mapping[str, str]) -> None:
    """Write a folder; one of another network is refused, an older one replaced.

    Parameters
    ----------
    folder
        Where.
    network
        What was trained.
    texts
        Contents of other files by name: `RECIPE`, and what explains the network.

    Raises
    ------
    OutputError
        Where the folder holds something else, or cannot be written.
    """
    if folder.exists() and not (folder / CONTRACT).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there and is no alignment network: choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONTRACT).unlink(missing_ok=True)  # until all of the rest is written, there is no network here
        draft = folder / f".draft.{WEIGHTS}"
        _bare(network).save_weights(draft)
        draft.replace(folder / WEIGHTS)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    for name, text in texts.items():
        write_text(folder / name, text)
    write_text(folder / CONTRACT, json.dumps(_contract(folder, network), indent=1) + "\n")


def _bare(network: AlignmentNetwork) -> Any:
    """Give the network without what its training left, which would be written with the weights."""
    model = build(network.shape, 0)
    model.set_weights(network.model.get_weights())
    return model


def _contract(folder: Path, network: AlignmentNetwork) -> dict[str, Any]:
    """Say what the network is, and of which files it is made."""
    shape = network.shape
    return {
        "format": FORMAT,
        "name": network.name,
        "network": shape.design.name,
        "filters": list(shape.design.filters),
        "units": list(shape.design.units),
        "sites": shape.sites,
        "haplotypes": shape.haplotypes,
        "outputs": list(network.outputs),
        "classes": shape.classes,
        "centre": network.centre.tolist(),
        "scale": network.scale.tolist(),
        "versions": versions(),
        "files": {name: checksum(folder / name) for name in (WEIGHTS, RECIPE)},
    }


def load(folder: Path) -> AlignmentNetwork:
    """Load a trained network.

    Parameters
    ----------
    folder
        Where it is; it need not be trusted.

    Raises
    ------
    InputError
        Where a file is missing, damaged, or does not fit the others; one sentence says which.
    UsageError
        Where Keras or a backend is not installed.
    """
    path = folder / CONTRACT
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise InputError(f"{path} has the format {told['format']!r}, and this popscan reads {FORMAT}")
        files, shape = dict(told["files"]), _shape(told)
        centre, scale = (np.array(told[name], np.float64) for name in ("centre", "scale"))
        sound = centre.shape == scale.shape == (shape.outputs,) and np.isfinite([centre, scale]).all()
        name, outputs = str(told["name"]), tuple(map(str, told["outputs"]))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} describes no alignment network of popscan: get it again") from error
    if not sound:
        raise InputError(f"{path}: centre and scale must be {shape.outputs} numbers each")
    for each in (WEIGHTS, RECIPE):
        if not (folder / each).is_file() or checksum(folder / each) != files.get(each):
            raise InputError(f"{folder / each} is not the file that {CONTRACT} was written for: get the network again")
    model = build(shape, 0)
    fill(model, folder / WEIGHTS, f"does not fit {CONTRACT}: get the network again")
    return AlignmentNetwork(model, shape, centre, scale, name, outputs)


def _shape(told: Mapping[str, Any]) -> Shape:
    """Read a shape, of no size that would take much memory; ValueError, KeyError or TypeError for anything else."""
    numbers = [*told["filters"], *told["units"], told["haplotypes"], len(told["outputs"])]
    if not all(type(number) is int and 0 < number <= MAX_SIZE for number in numbers):
        raise ValueError("sizes out of all proportion")
    design = DESIGNS[told["network"]].resized(told["filters"], told["units"])
    sites = told["sites"]
    if type(sites) is not int or not design.shortest <= sites <= MAX_SITES or type(told["classes"]) is not bool:
        raise ValueError("sites out of all proportion")
    pools = math.prod(1 if stage.pool == "none" else 2 for stage in design.stages)
    if sites / pools * design.filters[-1] * design.units[0] > MAX_WEIGHTS:
        raise ValueError("sizes out of all proportion")
    return Shape(design, sites, told["haplotypes"], len(told["outputs"]), told["classes"])
