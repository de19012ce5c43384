"""The networks of a scan without Keras: what `scanner.network.layers` computes, in numpy and compiled loops.

A scan needs no gradients, and Keras takes seconds to load and to prepare in every process. Products of matrices are
left to BLAS. It gets one thread: processes are the parallelism of a scan.

Shapes: S sites, C channels, M members of an ensemble, F features of each, W windows, P parts of a window.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from scanner.network import EPSILON
from scanner.network.architecture import Architecture

Single = NDArray[np.float32]
Int = NDArray[np.integer]

_LOOSE = {"reassoc", "contract", "arcp", "nsz"}  # lets loops over features be done several at once


class Block(NamedTuple):
    """Weights of a residual block: of its normalisation, of the convolution (3, F, F), and of what narrows it."""

    scale: Single
    wide: Single
    wide_bias: Single
    narrow: Single
    narrow_bias: Single


class Trunk(NamedTuple):
    """Weights of a member's trunk: standardisation of the channels, first layer, blocks, last normalisation."""

    mean: Single
    spread: Single
    first: Single
    first_bias: Single
    blocks: tuple[Block, ...]
    scale: Single


class Head(NamedTuple):
    """Weights of a member's head: the convolution along parts, standardisation of the extras, two dense layers."""

    along: Single
    along_bias: Single
    mean: Single
    spread: Single
    hidden: Single
    hidden_bias: Single
    out: Single
    out_bias: Single


@dataclass(frozen=True)
class Plain:
    """An ensemble.

    Parameters
    ----------
    architecture
        Shapes of a member.
    trunks, heads
        Weights of every member.
    bounds
        Between which logarithms of variances are kept.
    """

    architecture: Architecture
    trunks: tuple[Trunk, ...]
    heads: tuple[Head, ...]
    bounds: tuple[float, float]

    def trunk(self, sites: Single, mask: Single | None = None) -> Single:
        """Compute the features of consecutive sites: (S, M x F) float32, of all members side by side.

        Parameters
        ----------
        sites
            (S, C) float32 channels.
        mask
            (S,) float32: 1 for a site, 0 for a row that is none; all are sites where None.
        """
        width = self.architecture.width
        found = np.empty((len(sites), len(self.trunks) * width), np.float32)
        near = np.empty((len(sites), 3 * width), np.float32)
        wide, narrow = np.empty((2, len(sites), width), np.float32)
        with _controller().limit(limits=1):
            for member, trunk in enumerate(self.trunks):
                values = np.empty_like(wide)
                np.dot((sites - trunk.mean) / trunk.spread, trunk.first, out=values)
                values += trunk.first_bias
                _keep(values, mask)
                for block, dilation in zip(trunk.blocks, self.architecture.dilations, strict=True):
                    _normalise_near(values, block.scale, dilation, near)
                    np.dot(near, block.wide.reshape(3 * width, width), out=wide)
                    _rectify(wide, block.wide_bias)
                    np.dot(wide, block.narrow, out=narrow)
                    _add(values, narrow, block.narrow_bias)
                    _keep(values, mask)
                _normalise(values, trunk.scale, found, member * width)
        return found

    def head(self, pooled: Single, extras: Single) -> Single:
        """Compute the outputs of windows: (W, M, numbers) float32.

        Parameters
        ----------
        pooled
            (W, P, 2 x M x F + 1) float32, as `scanner.network.pooling.pool` gives it.
        extras
            (W, extras) float32.
        """
        width, members = self.architecture.width, len(self.heads)
        found = []
        with _controller().limit(limits=1):
            for member, head in enumerate(self.heads):
                mean, most = member * width, (members + member) * width
                own = (pooled[..., mean : mean + width], pooled[..., most : most + width], pooled[..., -1:])
                found.append(self._outputs(head, np.concatenate(own, axis=-1), extras))
        return np.stack(found, axis=1)

    def _outputs(self, head: Head, pooled: Single, extras: Single) -> Single:
        """Compute the outputs of one member: (W, numbers), of what it pooled (W, P, 2 F + 1)."""
        parts = pooled.shape[1]
        padded = np.pad(pooled, ((0, 0), (1, 1), (0, 0)))
        near = np.concatenate([padded[:, at : at + parts] for at in range(3)], axis=2)
        along = np.maximum(near @ head.along.reshape(-1, head.along.shape[2]) + head.along_bias, 0)
        known = (extras - head.mean) / head.spread
        values = np.concatenate([along.reshape(len(pooled), -1), known], axis=1, dtype=np.float32)
        values = np.asarray(np.maximum(values @ head.hidden + head.hidden_bias, 0) @ head.out + head.out_bias)
        outputs, (low, high) = self.architecture.outputs, self.bounds
        middle, half = (low + high) / 2, (high - low) / 2
        values[:, outputs : 2 * outputs] = middle + half * np.tanh((values[:, outputs : 2 * outputs] - middle) / half)
        return values

    def batch(self, sites: Single, mask: Single, ids: Int, extras: Single) -> Single:
        """Compute a batch as `scanner.network.architecture.build` describes it: (B, W, M, numbers) float32."""
        arch = self.architecture
        found = []
        for tile in range(len(sites)):
            pooled = _pool(self.trunk(sites[tile], mask[tile]), ids[tile], arch.windows * arch.parts)
            found.append(self.head(pooled.reshape(arch.windows, arch.parts, -1), extras[tile]))
        return np.stack(found)


@functools.cache
def _controller() -> ThreadpoolController:
    """Find the libraries whose threads are to be kept to one."""
    return ThreadpoolController()


def _pool(features: Single, ids: Int, cells: int) -> Single:
    """Do what `scanner.network.layers.WindowPool` does, for one example: (cells, 2 x F + 1)."""
    pooled = np.zeros((cells, 2 * features.shape[1] + 1), np.float32)
    for cell in range(cells):
        own = features[ids == cell]
        if len(own):
            pooled[cell, :-1] = np.concatenate([own.mean(axis=0, dtype=np.float64), own.max(axis=0)])
        pooled[cell, -1] = np.log1p(len(own)) / 2 - 1
    return pooled


def _keep(values: Single, mask: Single | None) -> None:
    """Set rows that are no sites to zero."""
    if mask is not None:
        values *= mask[:, None]


@numba.njit(cache=True, nogil=True, fastmath=_LOOSE)
def _normalised(row: Single, scale: Single, found: Single) -> None:  # pragma: no cover - compiled
    """Give the features of one site mean 0 and variance 1, and scale them."""
    inverse = np.float32(1) / np.float32(len(row))
    total = squares = np.float32(0)
    for at in range(len(row)):
        total += row[at]
    mean = total * inverse
    for at in range(len(row)):
        squares += (row[at] - mean) * (row[at] - mean)
    factor = np.float32(1) / np.sqrt(squares * inverse + np.float32(EPSILON))
    for at in range(len(row)):
        found[at] = (row[at] - mean) * (factor * scale[at])


@numba.njit(cache=True, nogil=True, fastmath=_LOOSE)
def _normalise_near(values: Single, scale: Single, dilation: int, near: Single) -> None:  # pragma: no cover - compiled
    """Lay out, for every site, the normalised features of the site ``dilation`` before it, of itself, and after it."""
    sites, width = values.shape
    row = np.empty(width, np.float32)
    for site in range(sites):
        _normalised(values[site], scale, row)
        near[site, width : 2 * width] = row
        if site + dilation < sites:
            near[site + dilation, :width] = row
        if site >= dilation:
            near[site - dilation, 2 * width :] = row
    for site in range(min(dilation, sites)):
        near[site, :width] = 0
        near[sites - 1 - site, 2 * width :] = 0


@numba.njit(cache=True, nogil=True)
def _normalise(values: Single, scale: Single, found: Single, first: int) -> None:  # pragma: no cover - compiled
    """Normalise all sites, into the columns from ``first`` on."""
    for site in range(len(values)):
        _normalised(values[site], scale, found[site, first : first + values.shape[1]])


@numba.njit(cache=True, nogil=True, fastmath=_LOOSE)
def _rectify(values: Single, bias: Single) -> None:  # pragma: no cover - compiled
    """Add a bias; what is negative becomes 0."""
    for site in range(values.shape[0]):
        for at in range(values.shape[1]):
            values[site, at] = max(values[site, at] + bias[at], np.float32(0))


@numba.njit(cache=True, nogil=True, fastmath=_LOOSE)
def _add(values: Single, more: Single, bias: Single) -> None:  # pragma: no cover - compiled
    """Add features and a bias."""
    for site in range(values.shape[0]):
        for at in range(values.shape[1]):
            values[site, at] += more[site, at] + bias[at]
