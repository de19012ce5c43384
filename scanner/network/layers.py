"""The layers of popscan's networks: Keras 3 throughout, so that TensorFlow and JAX give the same numbers.

This is the one module that needs Keras when it is imported. Others import it inside functions, after
`scanner.network.backend.load_keras`.

Shapes: B batch, S sites, C channels, F features, W windows, P parts of a window.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from scanner.network import EPSILON

PACKAGE = "popscan"
"""Prefix of these layers' registered names."""

Config = dict[str, Any]
Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package=PACKAGE)
class Standardise(keras.layers.Layer):  # type: ignore[misc]
    """Subtract a mean and divide by a scale, both frozen before the training: no data of a scan ever change them.

    Until `freeze` is called, values pass unchanged.
    """

    def build(self, input_shape: Shape) -> None:
        """Make the two weights, one value a channel."""
        size = (input_shape[-1],)
        self.mean = self.add_weight(shape=size, initializer="zeros", trainable=False, name="mean")
        self.scale = self.add_weight(shape=size, initializer="ones", trainable=False, name="scale")

    def freeze(self, mean: NDArray[np.floating[Any]], scale: NDArray[np.floating[Any]]) -> None:
        """Set mean and scale.

        Parameters
        ----------
        mean, scale
            One value a channel. A channel whose scale is 0 is constant: it is only centred.
        """
        self.mean.assign(np.asarray(mean, np.float32))
        self.scale.assign(np.where(np.asarray(scale) > 0, scale, 1).astype(np.float32))

    def call(self, values: Any) -> Any:
        """Standardise (..., C)."""
        return (values - self.mean) / self.scale

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Give the shape of the values."""
        return input_shape


@keras.saving.register_keras_serializable(package=PACKAGE)
class Mask(keras.layers.Layer):  # type: ignore[misc]
    """Set rows that are no sites to zero."""

    def call(self, inputs: Any) -> Any:
        """Multiply values (B, S, C) by the mask (B, S, 1): 1 for a site, 0 for none."""
        values, real = inputs
        return values * real

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Give the shape of the values."""
        return input_shape[0]


@keras.saving.register_keras_serializable(package=PACKAGE)
class ResidualBlock(keras.layers.Layer):  # type: ignore[misc]
    """Add what a site's surroundings tell: ``z = (z + narrow(relu(wide(normalise(z))))) * mask``.

    The normalisation has no offset (the convolution's bias serves as well), so that rows that are no sites stay zero,
    as zero as what lies beyond the ends: how many such rows stand there does not matter.

    Parameters
    ----------
    width
        Features, in and out.
    dilation
        Distance of the two neighbours that the convolution sees, in sites.
    """

    def __init__(self, width: int, dilation: int, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.dilation = width, dilation
        self.normalise = keras.layers.LayerNormalization(epsilon=EPSILON, center=False, name="normalise")
        self.wide = keras.layers.Conv1D(
            width, 3, dilation_rate=dilation, padding="same", activation="relu", name="wide"
        )
        self.narrow = keras.layers.Conv1D(width, 1, name="narrow")

    def build(self, input_shape: list[Shape]) -> None:
        """Make the weights."""
        for layer in (self.normalise, self.wide, self.narrow):
            layer.build(input_shape[0])

    def call(self, inputs: Any) -> Any:
        """Give (B, S, width) for features of that shape and a mask (B, S, 1)."""
        features, real = inputs
        return (features + self.narrow(self.wide(self.normalise(features)))) * real

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Give the shape of the features."""
        return input_shape[0]

    def get_config(self) -> Config:
        """Give what makes the same layer again."""
        return {**super().get_config(), "width": self.width, "dilation": self.dilation}


@keras.saving.register_keras_serializable(package=PACKAGE)
class WindowPool(keras.layers.Layer):  # type: ignore[misc]
    """Gather the features of the sites of every part of every window.

    Parameters
    ----------
    windows, parts
        Windows of an example, none of which overlap, and parts of a window.
    """

    def __init__(self, windows: int, parts: int, **options: Any) -> None:
        super().__init__(**options)
        self.windows, self.parts = windows, parts

    def call(self, inputs: Any) -> Any:
        """Give mean, maximum and log count.

        Parameters
        ----------
        inputs
            Features (B, S, F), and int32 (B, S): ``window * parts + part``, or ``windows * parts`` for no window.

        Returns
        -------
        (B, windows, parts, 2F + 1): means, maxima, and log(1 + sites) / 2 - 1. A part without sites has means and
        maxima of 0.
        """
        features, ids = inputs
        batch, width, cells = ops.shape(features)[0], features.shape[-1], self.windows * self.parts
        # Every example gets cells of its own, and one more for the sites of no window.
        ids = ops.reshape(ids + ops.expand_dims(ops.arange(batch, dtype="int32"), 1) * (cells + 1), (-1,))
        flat, every = ops.reshape(features, (-1, width)), batch * (cells + 1)
        count = ops.expand_dims(ops.segment_sum(ops.ones_like(flat[:, 0]), ids, num_segments=every), 1)
        mean = ops.segment_sum(flat, ids, num_segments=every) / ops.maximum(count, 1.0)
        # What the maximum of nothing is differs between backends.
        most = ops.where(count > 0, ops.segment_max(flat, ids, num_segments=every), 0.0)
        pooled = ops.concatenate([mean, most, ops.log1p(count) / 2 - 1], axis=1)
        pooled = ops.reshape(pooled, (batch, cells + 1, 2 * width + 1))[:, :cells]
        return ops.reshape(pooled, (batch, self.windows, self.parts, 2 * width + 1))

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Give (B, windows, parts, 2F + 1)."""
        batch, _, width = input_shape[0]
        assert width is not None
        return (batch, self.windows, self.parts, 2 * width + 1)

    def get_config(self) -> Config:
        """Give what makes the same layer again."""
        return {**super().get_config(), "windows": self.windows, "parts": self.parts}


@keras.saving.register_keras_serializable(package=PACKAGE)
class PartsConv(keras.layers.Layer):  # type: ignore[misc]
    """Convolve along the parts of each window, three at a time, and lay the results of all parts side by side.

    Parameters
    ----------
    width
        Features that the convolution gives for a part.
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.along = keras.layers.Conv1D(width, 3, padding="same", activation="relu", name="along")

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        self.along.build((None, *input_shape[2:]))

    def call(self, pooled: Any) -> Any:
        """Give (B, W, parts * width) for pooled features (B, W, parts, 2F + 1)."""
        parts, depth = pooled.shape[2:]
        batch, windows = ops.shape(pooled)[:2]
        out = self.along(ops.reshape(pooled, (-1, parts, depth)))
        return ops.reshape(out, (batch, windows, parts * self.width))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Give (B, W, parts * width)."""
        batch, windows, parts, _ = input_shape
        assert parts is not None
        return (batch, windows, parts * self.width)

    def get_config(self) -> Config:
        """Give what makes the same layer again."""
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package=PACKAGE)
class Bounded(keras.layers.Layer):  # type: ignore[misc]
    """Keep the second half of the outputs, logarithms of variances, softly between two bounds.

    Parameters
    ----------
    outputs
        Means, and as many logarithms of variances.
    low, high
        The bounds.
    """

    def __init__(self, outputs: int, low: float = -8.0, high: float = 4.0, **options: Any) -> None:
        super().__init__(**options)
        self.outputs, self.low, self.high = outputs, low, high

    def call(self, values: Any) -> Any:
        """Give (..., 2 * outputs), the means as they are."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        mean, spread = values[..., : self.outputs], values[..., self.outputs :]
        return ops.concatenate([mean, middle + half * ops.tanh((spread - middle) / half)], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Give the shape of the values."""
        return input_shape

    def get_config(self) -> Config:
        """Give what makes the same layer again."""
        return {**super().get_config(), "outputs": self.outputs, "low": self.low, "high": self.high}


@keras.saving.register_keras_serializable(package=PACKAGE)
class Member(keras.layers.Layer):  # type: ignore[misc]
    """Take the pooled features of one member of an ensemble.

    Parameters
    ----------
    index, members
        Which member, from 0 on, of how many.
    """

    def __init__(self, index: int, members: int, **options: Any) -> None:
        super().__init__(**options)
        self.index, self.members = index, members

    def call(self, pooled: Any) -> Any:
        """Give (B, W, parts, 2F + 1) of pooled features (B, W, parts, 2 * members * F + 1)."""
        width = (pooled.shape[-1] - 1) // (2 * self.members)
        mean = self.index * width
        most = mean + self.members * width
        kept = [pooled[..., mean : mean + width], pooled[..., most : most + width], pooled[..., -1:]]
        return ops.concatenate(kept, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Give (B, W, parts, 2F + 1)."""
        assert input_shape[-1] is not None
        return (*input_shape[:-1], (input_shape[-1] - 1) // self.members + 1)

    def get_config(self) -> Config:
        """Give what makes the same layer again."""
        return {**super().get_config(), "index": self.index, "members": self.members}


@keras.saving.register_keras_serializable(package=PACKAGE)
class Stack(keras.layers.Layer):  # type: ignore[misc]
    """Stack the outputs of an ensemble's members, each (B, W, N), to (B, W, members, N)."""

    def call(self, inputs: Any) -> Any:
        """Stack them before the last axis."""
        return ops.stack(inputs, axis=-2)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Give (B, W, members, N)."""
        return (*input_shape[0][:-1], len(input_shape), input_shape[0][-1])


def loss(y_true: Any, y_pred: Any) -> Any:
    """Measure squared error of the means, and how well the variances foretell it.

    The means are fitted by least squares alone: the gradient of the second term, the negative logarithm of the
    residual's normal density, is kept from them. So a network cannot buy likelihood with poor means.

    Parameters
    ----------
    y_true
        (B, W, outputs).
    y_pred
        (B, W, 2 * outputs): means, then logarithms of variances.

    Returns
    -------
    (B, W): the mean over the outputs.
    """
    outputs = y_pred.shape[-1] // 2
    mean, spread = y_pred[..., :outputs], y_pred[..., outputs:]
    squared = ops.square(y_true - mean)
    surprise = (spread + ops.stop_gradient(squared) * ops.exp(-spread)) / 2
    return ops.mean(squared + surprise, axis=-1)


def cross_entropy(y_true: Any, y_pred: Any) -> Any:
    """Measure how little probability the true classes are given.

    Parameters
    ----------
    y_true
        (B, W, classes): 1 for the true class, 0 for the others.
    y_pred
        (B, W, classes): logits, the logarithms of probabilities but for a constant.

    Returns
    -------
    (B, W): minus the natural logarithm of the probability of the true class.
    """
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


for _each in (loss, cross_entropy):
    keras.saving.register_keras_serializable(package=PACKAGE)(_each)
