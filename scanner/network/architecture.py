"""The architecture of the default network: site channels, a shared trunk, pooled windows, a small head.

Shapes: B batch, S sites, C channels, F features, W windows, P parts of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.network import EPSILON
from scanner.network.backend import load_keras

BOUNDED = "bounded"
"""Name of the layer that heads of values end with, and those of classes lack."""

Statistics = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""Mean and scale, one value a channel."""


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shapes of a network.

    Parameters
    ----------
    channels, extras
        Values that a site and a window come with.
    outputs
        Values that are predicted for a window, each with its variance; 0 where it tells classes.
    width
        Features of the trunk, F.
    dilations
        One residual block each: distance of the neighbours it sees, in sites.
    parts
        Equal parts of a window, P, that are pooled apart.
    head
        Units of the head's layers.
    windows
        Windows of a training example, W. A scan may have any number.
    classes
        Classes that windows are told into; 0 where values are predicted.
    """

    channels: int
    extras: int
    outputs: int
    width: int = 48
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    parts: int = 5
    head: int = 64
    windows: int = 32
    classes: int = 0

    @property
    def numbers(self) -> int:
        """How many numbers the head gives for a window: means and logarithms of variances, or logits."""
        return self.classes or 2 * self.outputs


def halo(arch: Architecture) -> int:
    """Count the sites on each side that the features of a site depend on.

    Examples
    --------
    >>> halo(Architecture(channels=35, extras=2, outputs=1))
    31
    """
    return sum(arch.dilations)


def site_bytes(arch: Architecture, members: int) -> int:
    """Estimate the memory that the trunk takes for every site: inputs, and features within and after every block.

    Examples
    --------
    >>> site_bytes(Architecture(channels=80, extras=3, outputs=1, width=64, dilations=(1, 2, 4, 8)), 3)
    9536
    """
    return 4 * (arch.channels + members * arch.width * (2 * len(arch.dilations) + 4))


def build(arch: Architecture, seed: int) -> Any:
    """Make an untrained network.

    Parameters
    ----------
    arch
        The shapes.
    seed
        Fixes the weights, on every backend to the same values.

    Returns
    -------
    A ``keras.Model``. Inputs by name: ``sites`` (B, S, C) float32; ``mask`` (B, S) float32, 1 for a site and 0 for
    none; ``ids`` (B, S) int32, ``window * P + part``, or ``W * P`` for a site in no window; ``extras``
    (B, W, extras) float32. Output: (B, W, 2 * outputs), means and then logarithms of variances, or (B, W, classes),
    logits. Its layers ``trunk``, ``pool`` and ``head`` work alone too.
    """
    model = _join(arch, [""], stack=False)
    generator = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:  # a kernel; scales stay one and biases zero (Glorot & Bengio 2010, uniform)
            field = int(np.prod(weight.shape[:-2]))
            bound = np.sqrt(6 / (field * (weight.shape[-2] + weight.shape[-1])))
            weight.assign(generator.uniform(-bound, bound, weight.shape).astype(np.float32))
    return model


def ensemble(models: Sequence[Any]) -> Any:
    """Join trained networks of one architecture into a single one.

    Parameters
    ----------
    models
        What `build` made, trained; at least one.

    Returns
    -------
    A ``keras.Model`` with the inputs of one. Its trunk gives the features of all members side by side, its pool pools
    them all, and its head gives (B, W, members, numbers).
    """
    keras = load_keras()
    (arch,) = {describe(model)[0] for model in models}
    names = [f"_{index}" for index in range(len(models))]
    joined = _join(arch, names, stack=True)
    for name, model in zip(names, models, strict=True):
        for part in ("trunk", "head"):
            copy = joined.get_layer(part).get_layer(part + name)
            for target, source in zip(copy.weights, model.get_layer(part).weights, strict=True):
                target.assign(keras.ops.convert_to_numpy(source.value).copy())  # JAX frees what is shared
    return joined


def describe(model: Any) -> tuple[Architecture, int]:
    """Read the architecture of a network back, and of how many members it is: 0 for one that is no ensemble.

    Parameters
    ----------
    model
        What `build` or `ensemble` made, or what was loaded.

    Raises
    ------
    ValueError
        Where a part of these is missing.
    """
    trunk, pool, head = (model.get_layer(name) for name in ("trunk", "pool", "head"))
    members = len([layer for layer in trunk.layers if layer.name.startswith("trunk_") and hasattr(layer, "layers")])
    if members:
        trunk, head = trunk.get_layer("trunk_0"), head.get_layer("head_0")
    numbers = head.outputs[0].shape[-1]
    values = any(layer.name == BOUNDED for layer in head.layers)
    arch = Architecture(
        channels=trunk.inputs[0].shape[-1],
        extras=head.inputs[1].shape[-1],
        outputs=numbers // 2 if values else 0,
        width=trunk.outputs[0].shape[-1],
        dilations=tuple(layer.dilation for layer in trunk.layers if layer.name.startswith("block_")),
        parts=pool.parts,
        head=head.get_layer("hidden").units,
        windows=pool.windows,
        classes=0 if values else numbers,
    )
    return arch, members


def standardise(model: Any, sites: Statistics, extras: Statistics) -> None:
    """Freeze the standardisation of the inputs of a network made by `build`.

    Parameters
    ----------
    model
        The network, before its training.
    sites, extras
        Mean and scale of the channels of sites and of the extras of windows, over the training examples.
    """
    model.get_layer("trunk").get_layer("standardise_sites").freeze(*sites)
    model.get_layer("head").get_layer("standardise_extras").freeze(*extras)


def prepare(model: Any, optimizer: Any, *, classes: bool = False) -> None:
    """Make a network ready to be trained: values with `layers.loss`, classes with `layers.cross_entropy`.

    Parameters
    ----------
    model
        What `build` made.
    optimizer
        A Keras optimizer.
    classes
        Whether it tells classes.
    """
    keras = load_keras()
    from scanner.network import layers

    # XLA on TensorFlow's CPU compiles anew for every number of sites, and gains nothing.
    jit = "auto" if keras.backend.backend() == "jax" else False
    loss = layers.cross_entropy if classes else layers.loss
    model.compile(optimizer=optimizer, loss=loss, jit_compile=jit)


def _join(arch: Architecture, names: Sequence[str], *, stack: bool) -> Any:
    """Make a network of one member, or of several whose trunks and heads stand side by side."""
    keras = load_keras()
    from scanner.network import layers

    sites = keras.Input((None, arch.channels), name="sites")
    mask = keras.Input((None,), name="mask")
    ids = keras.Input((None,), dtype="int32", name="ids")
    extras = keras.Input((arch.windows, arch.extras), name="extras")
    trunk, head = (
        (_many_trunks(arch, names), _many_heads(arch, names)) if stack else (_trunk(arch, ""), _head(arch, ""))
    )
    features = trunk([sites, keras.layers.Reshape((-1, 1), name="mask_column")(mask)])
    pooled = layers.WindowPool(arch.windows, arch.parts, name="pool")([features, ids])
    inputs = {"sites": sites, "mask": mask, "ids": ids, "extras": extras}
    return keras.Model(inputs, head([pooled, extras]), name="network")


def _trunk(arch: Architecture, name: str) -> Any:
    """Make one member's trunk."""
    keras = load_keras()
    from scanner.network import layers

    sites, real = keras.Input((None, arch.channels), name="trunk_sites"), keras.Input((None, 1), name="trunk_mask")
    known = layers.Mask(name="mask_sites")([layers.Standardise(name="standardise_sites")(sites), real])
    features = layers.Mask(name="mask_first")(
        [keras.layers.Conv1D(arch.width, 1, kernel_initializer="zeros", name="first")(known), real]
    )
    for number, dilation in enumerate(arch.dilations):
        features = layers.ResidualBlock(arch.width, dilation, name=f"block_{number}")([features, real])
    features = keras.layers.LayerNormalization(epsilon=EPSILON, center=False, name="normalise")(features)
    return keras.Model([sites, real], features, name=f"trunk{name}")


def _head(arch: Architecture, name: str) -> Any:
    """Make one member's head."""
    keras = load_keras()
    from scanner.network import layers

    pooled = keras.Input((None, arch.parts, 2 * arch.width + 1), name="head_pooled")
    extras = keras.Input((None, arch.extras), name="head_extras")
    known = layers.Standardise(name="standardise_extras")(extras)
    values = keras.layers.Concatenate(name="join")([layers.PartsConv(arch.head, name="parts")(pooled), known])
    values = keras.layers.Dense(arch.head, activation="relu", kernel_initializer="zeros", name="hidden")(values)
    values = keras.layers.Dense(arch.numbers, kernel_initializer="zeros", name="out")(values)
    if arch.outputs:
        values = layers.Bounded(arch.outputs, name=BOUNDED)(values)
    return keras.Model([pooled, extras], values, name=f"head{name}")


def _many_trunks(arch: Architecture, names: Sequence[str]) -> Any:
    """Give the features of all members, side by side."""
    keras = load_keras()
    sites, real = keras.Input((None, arch.channels), name="all_sites"), keras.Input((None, 1), name="all_mask")
    features = [_trunk(arch, name)([sites, real]) for name in names]
    joined = keras.layers.Concatenate(name="side_by_side")(features) if len(names) > 1 else features[0]
    return keras.Model([sites, real], joined, name="trunk")


def _many_heads(arch: Architecture, names: Sequence[str]) -> Any:
    """Give the outputs of all members, stacked."""
    keras = load_keras()
    from scanner.network import layers

    pooled = keras.Input((None, arch.parts, 2 * len(names) * arch.width + 1), name="all_pooled")
    extras = keras.Input((None, arch.extras), name="all_extras")
    outputs = [
        _head(arch, name)([layers.Member(index, len(names), name=f"member{name}")(pooled), extras])
        for index, name in enumerate(names)
    ]
    return keras.Model([pooled, extras], layers.Stack(name="stack")(outputs), name="head")
