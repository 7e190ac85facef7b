"""What a net does between its multiply-adds, each in numbers and as gates: ReLU, pooling, residual sums."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rote.circuits._choices import maximum, relu
from rote.circuits._circuit import Literals
from rote.circuits._multiply import multiple
from rote.circuits._words import add, extend, saturate, saturating_add
from rote.circuits.compile._affine import Multiplier
from rote.circuits.compile._fixed import FixedPoint
from rote.circuits.compile._grouped import RowByRow


class Step(Protocol):
    """One operation of a net on values, each the features of an example in torch's order."""

    @property
    def source(self) -> tuple[int, ...]:
        """Which values it reads: 0 is the net's input, n what step n − 1 answers."""

    def numbers(self, values: list[NDArray[np.int64]], form: FixedPoint) -> NDArray[np.int64]:
        """Activations ``[m, features]`` of each source to activations ``[m, features']``."""

    def gates(self, build: RowByRow, values: list[Literals], form: FixedPoint, times: Multiplier) -> Literals:
        """Words ``[features, activations]`` of each source to words ``[features', activations]``."""


@dataclass(frozen=True)
class Rectify:
    """ReLU: 0 instead of what is negative.

    Example:
        >>> Rectify((0,)).numbers([np.array([[-3, 3]])], FixedPoint()).tolist()
        [[0, 3]]
    """

    source: tuple[int]

    def numbers(self, values: list[NDArray[np.int64]], form: FixedPoint) -> NDArray[np.int64]:
        """As in `Step`."""
        return np.maximum(values[0], 0)

    def gates(self, build: RowByRow, values: list[Literals], form: FixedPoint, times: Multiplier) -> Literals:
        """As in `Step`."""
        return relu(build, values[0])


@dataclass(frozen=True)
class Together:
    """The sum of two values, saturating: where a residual branch comes back.

    Example:
        >>> Together((0, 0)).numbers([np.array([[-3, 20_000]])] * 2, FixedPoint()).tolist()
        [[-6, 32767]]
    """

    source: tuple[int, int]

    def numbers(self, values: list[NDArray[np.int64]], form: FixedPoint) -> NDArray[np.int64]:
        """As in `Step`."""
        return form.clipped(values[0] + values[1], form.activations)

    def gates(self, build: RowByRow, values: list[Literals], form: FixedPoint, times: Multiplier) -> Literals:
        """As in `Step`."""
        return saturating_add(build, *values)


@dataclass(frozen=True, eq=False)
class Largest:
    """Max-pooling: the largest of the features in each window.

    Attributes:
        source: Which value it reads.
        taps: Each window's features, shape ``[windows, K]``, int64; none is padding (a window at the edge
            names one of its features twice).

    Example:
        >>> Largest((0,), np.array([[0, 1, 2]])).numbers([np.array([[-3, 3, 1]])], FixedPoint()).tolist()
        [[3]]
    """

    source: tuple[int]
    taps: NDArray[np.int64]

    def numbers(self, values: list[NDArray[np.int64]], form: FixedPoint) -> NDArray[np.int64]:
        """As in `Step`."""
        return np.asarray(values[0][:, self.taps].max(axis=2))

    def gates(self, build: RowByRow, values: list[Literals], form: FixedPoint, times: Multiplier) -> Literals:
        """As in `Step`."""
        words = values[0][self.taps]
        while words.shape[1] > 1:
            even = words.shape[1] // 2 * 2
            best = maximum(build, words[:, 0:even:2], words[:, 1:even:2], signed=True)
            words = np.concatenate([best, words[:, even:]], axis=1)
        return words[:, 0]


@dataclass(frozen=True, eq=False)
class Mean:
    """Average-pooling: the sum over each window, times a constant of 8 bits that is nearly 1 / K, cut off.

    Attributes:
        source: Which value it reads.
        taps: Each window's features, −1 where it is padding, which counts as 0; shape ``[windows, K]``,
            int64.

    Example:
        >>> Mean((0,), np.array([[0, 1]])).numbers([np.array([[3, 4]])], FixedPoint()).tolist()
        [[3]]
    """

    source: tuple[int]
    taps: NDArray[np.int64]

    @property
    def factor(self) -> tuple[int, int]:
        """The constant and the shift: ``factor / 2^shift`` is 1 / K, exactly where K is a power of two."""
        shift = 7 + (self.taps.shape[1] - 1).bit_length()
        return round(2**shift / self.taps.shape[1]), shift

    def numbers(self, values: list[NDArray[np.int64]], form: FixedPoint) -> NDArray[np.int64]:
        """As in `Step`."""
        padded = np.concatenate([values[0], np.zeros((len(values[0]), 1), np.int64)], axis=1)
        factor, shift = self.factor
        return form.clipped(padded[:, self.taps].sum(axis=2) * factor >> shift, form.activations)

    def gates(self, build: RowByRow, values: list[Literals], form: FixedPoint, times: Multiplier) -> Literals:
        """As in `Step`."""
        width = form.activations + (self.taps.shape[1] - 1).bit_length()
        padded = np.concatenate([values[0], np.zeros_like(values[0][:1])])
        words = extend(padded[self.taps], width, signed=True)
        total = words[:, 0]
        for k in range(1, words.shape[1]):
            total = add(build, total, words[:, k])
        factor, shift = self.factor
        return saturate(build, multiple(build, total, factor)[:, shift:], form.activations)
