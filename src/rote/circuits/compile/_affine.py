"""A layer of multiply-adds, dense or convolutional: in numbers, and as gates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Circuit, Literals
from rote.circuits._words import add, constant_word, extend, saturate, saturating_add
from rote.circuits.compile._fixed import FixedPoint, multiply_add
from rote.circuits.compile._grouped import RowByRow

#: Multiplies a word by a constant that is not negative: `multiple` or `array_multiple`.
Multiplier = Callable[[Builder, Literals, int], Literals]
_PRODUCTS = 1 << 16  # products built at a time
_STEPS = 8  # of a neuron at a time: few enough that they stay in cache when they are simulated


@dataclass(frozen=True, eq=False)
class Affine:
    """Neurons that weigh the same taps at several positions: G groups of C channels at P positions.

    Attributes:
        source: Which value it reads.
        taps: The features that each position reads, −1 where it is padding; shape ``[G, P, K]``, int64.
        weights: Shape ``[G, C, K]``, int64.
        bias: In the accumulator's units, shape ``[G, C]``, int64.

    Example:
        >>> layer = Affine((0,), np.array([[[0, 1]]]), np.array([[[64, 64]]]), np.array([[0]]))
        >>> layer.numbers([np.array([[3, 4]])], FixedPoint()).tolist()
        [[7]]
    """

    source: tuple[int]
    taps: NDArray[np.int64]
    weights: NDArray[np.int64]
    bias: NDArray[np.int64]

    def numbers(self, values: list[NDArray[np.int64]], form: FixedPoint) -> NDArray[np.int64]:
        """Activations ``[m, features]`` to activations ``[m, G * C * P]``."""
        (x,) = values
        x = np.concatenate([x, np.zeros((len(x), 1), np.int64)], axis=1)  # what feature −1 is
        groups, positions, steps = self.taps.shape
        out = np.empty((len(x), groups, self.weights.shape[1], positions), np.int64)
        for group in range(groups):
            rows = x[:, self.taps[group]].reshape(-1, steps)
            answer = multiply_add(rows, self.weights[group], self.bias[group], form)
            out[:, group] = answer.reshape(len(x), positions, out.shape[2]).transpose(0, 2, 1)
        return out.reshape(len(x), groups * out.shape[2] * positions)

    def gates(self, build: RowByRow, values: list[Literals], form: FixedPoint, times: Multiplier) -> Literals:
        """Words ``[features, activations]`` to words ``[G * C * P, activations]``."""
        (x,) = values
        groups, positions, steps = self.taps.shape
        channels = self.weights.shape[1]
        group, channel, position = (
            axis.ravel() for axis in np.indices((groups, channels, positions), np.int64)
        )
        n = len(group)
        templates = _Templates(x, form.accumulator, times)
        build.begin(n)
        sums = constant_word(self.bias[group, channel], form.accumulator)
        for first in range(0, steps, part := max(1, min(_STEPS, _PRODUCTS // n))):
            taps = self.taps[group, position, first : first + part]
            weights = np.where(taps < 0, 0, self.weights[group, channel, first : first + part])
            products = templates.products(build, taps, np.abs(weights))
            below = (weights < 0).astype(np.uint32)[..., None]
            for k in range(weights.shape[1]):
                # a - p is NOT (NOT a + p), and so it saturates: the range is its own complement.
                plus = saturating_add if form.saturating else add
                sums = plus(build, sums ^ below[:, k], products[:, k]) ^ below[:, k]
        return build.settle(saturate(build, sums[:, form.fraction :], form.activations))


class _Templates:
    """Circuits that multiply a word by a constant, one for each constant and pattern of constant bits."""

    def __init__(self, x: Literals, width: int, times: Multiplier) -> None:
        self.x, self.width, self.times = x, width, times
        known = np.where(x > 1, np.uint32(2), x)
        self.patterns, which = np.unique(known, axis=0, return_inverse=True)
        self.which = which.reshape(-1)
        self.made: dict[int, Circuit] = {}

    def products(self, build: RowByRow, taps: NDArray[np.int64], factors: NDArray[np.int64]) -> Literals:
        """The words at ``taps`` ``[n, s]`` times ``factors`` ``[n, s]``: ``[n, s, width]``."""
        out = np.zeros((*taps.shape, self.width), np.uint32)
        keys = factors * len(self.patterns) + self.which[taps]
        keys[factors == 0] = -1
        order = np.argsort(keys, axis=None, kind="stable")
        starts = np.flatnonzero(np.diff(keys.ravel()[order], prepend=-2))
        for at in np.split(order, starts[1:]):
            row, step = np.unravel_index(at, taps.shape)
            key = int(keys[row[0], step[0]])
            if key >= 0:
                pattern = self.patterns[key % len(self.patterns)]
                inputs = self.x[taps[row, step]][:, pattern > 1]
                out[row, step] = build.stamp_rows(self._template(key, pattern), inputs, row)
        return out

    def _template(self, key: int, pattern: Literals) -> Circuit:
        if key not in self.made:
            live = pattern > 1
            build = Builder([str(k) for k in range(np.count_nonzero(live))])
            word = pattern.copy()
            word[live] = build.literals
            product = self.times(build, word, key // len(self.patterns))
            self.made[key] = build.finish({"": extend(product, self.width, signed=True)})
        return self.made[key]
