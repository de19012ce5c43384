"""Weights of a network as Keras stores them, read without Keras.

In ``model.weights.h5`` layers are called after their kind and counted in the order in which ``architecture.json`` lists
them, one container within another: ``layers/functional_1/layers/functional_2/layers/dense_1/vars/0``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.network.architecture import BOUNDED, Architecture
from scanner.network.plain import Block, Head, Plain, Trunk
from scanner.network.untrusted import check_weights, read_description

Single = NDArray[np.float32]
_Layer = Mapping[str, Any]

_KINDS = {
    "Functional": "functional",
    "Conv1D": "conv1d",
    "Dense": "dense",
    "LayerNormalization": "layer_normalization",
    "PartsConv": "parts_conv",
    "ResidualBlock": "residual_block",
    "Standardise": "standardise",
}
"""What Keras calls the kinds of layers that have weights."""


def read_plain(layers: Path, weights: Path) -> Plain:
    """Read an ensemble.

    Parameters
    ----------
    layers, weights
        ``architecture.json`` and ``model.weights.h5``; they need not be trusted.

    Raises
    ------
    InputError
        For files that are damaged, that do not fit each other, or that are no network of popscan's shape.
    """
    import h5py  # type: ignore[import-untyped, unused-ignore]  # comes with Keras

    described = read_description(layers)
    try:
        trunks, heads = (_members(described, part) for part in ("trunk", "head"))
        architecture, bounds = _shape(described, trunks[0].layers, heads[0].layers)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise InputError(f"{layers} is no network of popscan's shape") from error
    check_weights(weights)
    try:
        with h5py.File(weights, "r") as file:
            return Plain(
                architecture,
                tuple(_trunk(_Weights(file), each, architecture) for each in trunks),
                tuple(_head(_Weights(file), each, architecture) for each in heads),
                bounds,
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{weights} does not fit architecture.json: get the model again") from error


@dataclass(frozen=True)
class _Member:
    """Layers of a member's trunk or head by their names, and where the weights of each are."""

    layers: Mapping[str, _Layer]
    places: Mapping[str, str]


def _members(described: _Layer, part: str) -> list[_Member]:
    """Find the trunks or the heads of all members."""
    outer, inner = described["config"]["layers"], _named(described["config"]["layers"])[part]["config"]["layers"]
    base, within = f"layers/{_counted(outer)[part]}", _counted(inner)
    found = []
    for name, layer in _named(inner).items():
        if name.startswith(f"{part}_") and layer["class_name"] == "Functional":
            own = layer["config"]["layers"]
            places = {each: f"{base}/layers/{within[name]}/layers/{place}" for each, place in _counted(own).items()}
            found.append(_Member(_named(own), places))
    return found


def _named(layers: Sequence[_Layer]) -> dict[str, _Layer]:
    """Give layers by their names."""
    return {layer["name"]: layer for layer in layers}


def _counted(layers: Sequence[_Layer]) -> dict[str, str]:
    """Give what Keras calls the layers with weights, by their names."""
    counts: Counter[str] = Counter()
    found = {}
    for layer in layers:
        kind = _KINDS.get(layer["class_name"])
        if kind is not None:
            found[layer["name"]] = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
    return found


def _shape(
    described: _Layer, trunk: Mapping[str, _Layer], head: Mapping[str, _Layer]
) -> tuple[Architecture, tuple[float, float]]:
    """Read the shapes of a member, and the bounds of logarithms of variances."""
    pool = _named(described["config"]["layers"])["pool"]["config"]
    numbers, values = int(head["out"]["config"]["units"]), BOUNDED in head
    blocks = sum(name.startswith("block_") for name in trunk)
    architecture = Architecture(
        channels=int(trunk["trunk_sites"]["config"]["batch_shape"][-1]),
        extras=int(head["head_extras"]["config"]["batch_shape"][-1]),
        outputs=numbers // 2 if values else 0,
        width=int(trunk["first"]["config"]["filters"]),
        dilations=tuple(int(trunk[f"block_{number}"]["config"]["dilation"]) for number in range(blocks)),
        parts=int(pool["parts"]),
        head=int(head["hidden"]["config"]["units"]),
        windows=int(pool["windows"]),
        classes=0 if values else numbers,
    )
    bounds = head[BOUNDED]["config"] if values else {"low": -1, "high": 1}
    return architecture, (float(bounds["low"]), float(bounds["high"]))


@dataclass(frozen=True)
class _Weights:
    """An open file of weights."""

    file: Any

    def take(self, place: str, *shapes: tuple[int, ...]) -> list[Single]:
        """Give the weights of one layer, in the order in which it made them.

        Raises
        ------
        KeyError, ValueError
            Where they are missing or have other shapes.
        """
        found = [np.asarray(self.file[f"{place}/vars/{number}"], np.float32) for number in range(len(shapes))]
        if [each.shape for each in found] != list(shapes):
            raise ValueError(f"{place} has other shapes than {shapes}")
        return found


def _trunk(held: _Weights, member: _Member, arch: Architecture) -> Trunk:
    """Read the weights of a trunk."""
    places, width = member.places, (arch.width,)
    blocks = []
    for number in range(len(arch.dilations)):
        place = places[f"block_{number}"]
        (scale,) = held.take(f"{place}/normalise", width)
        wide, wide_bias = held.take(f"{place}/wide", (3, *width, *width), width)
        narrow, narrow_bias = held.take(f"{place}/narrow", (1, *width, *width), width)
        blocks.append(Block(scale, wide, wide_bias, narrow[0], narrow_bias))
    mean, spread = held.take(places["standardise_sites"], (arch.channels,), (arch.channels,))
    first, first_bias = held.take(places["first"], (1, arch.channels, *width), width)
    (scale,) = held.take(places["normalise"], width)
    return Trunk(mean, spread, first[0], first_bias, tuple(blocks), scale)


def _head(held: _Weights, member: _Member, arch: Architecture) -> Head:
    """Read the weights of a head."""
    places, units = member.places, (arch.head,)
    return Head(
        *held.take(f"{places['parts']}/along", (3, 2 * arch.width + 1, *units), units),
        *held.take(places["standardise_extras"], (arch.extras,), (arch.extras,)),
        *held.take(places["hidden"], (arch.parts * arch.head + arch.extras, *units), units),
        *held.take(places["out"], (*units, arch.numbers), (arch.numbers,)),
    )
