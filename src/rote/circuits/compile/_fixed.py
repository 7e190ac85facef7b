"""Fixed point: how many bits a number has, and layers of multiply-adds in whole numbers, bit for bit.

The arithmetic is that of Chatterjee & Mishchenko (ICML 2020, §4.1): signed weights of 8 bits and activations
of 16, both with 6 fractional bits; products are summed one after another in 24 bits, saturating.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.errors import InputError

_ROWS = 4096  # examples at a time, so that float64 copies stay small


@dataclass(frozen=True)
class FixedPoint:
    """How a net's numbers are written in bits; all are signed, in two's complement.

    Attributes:
        weights: Bits of a weight.
        activations: Bits of what goes from layer to layer.
        fraction: Fractional bits of both.
        accumulator: Bits in which products are summed, with ``2 * fraction`` fractional bits.
        saturating: Whether each addition saturates; else sums are modulo ``2^accumulator``, and only the
            layer's answer saturates.

    Raises:
        InputError: If a number of bits is out of range, or a product does not fit in the accumulator.

    Example:
        >>> FixedPoint().quantised_weights([-3.0, 0.25, 1.995]).tolist()
        [-128, 16, 127]
    """

    weights: int = 8
    activations: int = 16
    fraction: int = 6
    accumulator: int = 24
    saturating: bool = True

    def __post_init__(self) -> None:
        for name, least, most in (("weights", 2, 16), ("activations", 2, 24), ("accumulator", 4, 48)):
            bits = getattr(self, name)
            if not least <= bits <= most:
                raise InputError(f"`{name}` must be {least} to {most} bits. Got {bits}.")
        most = min(self.weights, self.activations) - 1
        if not 0 <= self.fraction <= most:
            raise InputError(
                f"`fraction` must be 0 to {most}, less than the bits of weights and activations. "
                f"Got {self.fraction}."
            )
        if self.accumulator < self.weights + self.activations:
            raise InputError(
                f"`accumulator` must hold a product, {self.weights + self.activations} bits or more. "
                f"Got {self.accumulator}."
            )

    def quantised_weights(self, values: ArrayLike) -> NDArray[np.int64]:
        """Weights in units of ``2^-fraction``: clamped to the format's range, then rounded to the nearest.

        Args:
            values: Any shape; the default format's range is [-2, 2).

        Returns:
            The same shape.

        Example:
            >>> FixedPoint(weights=4, fraction=1).quantised_weights([1.0, 1.3, 9.0]).tolist()
            [2, 3, 7]
        """
        return _rounded(values, self.fraction, self.weights)

    def quantised_bias(self, values: ArrayLike) -> NDArray[np.int64]:
        """Biases as the accumulator's first value, in units of ``2^(-2 fraction)``.

        Example:
            >>> FixedPoint().quantised_bias([0.5]).tolist()
            [2048]
        """
        return _rounded(values, 2 * self.fraction, self.accumulator)

    def pixels(self, X: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Bytes as activations: 255 is just below 1; bits that do not fit in the fraction are cut off.

        Example:
            >>> FixedPoint().pixels(np.array([3, 4, 255], np.uint8)).tolist()
            [0, 1, 63]
        """
        return (np.asarray(X, np.int64) << self.fraction) >> 8

    def clipped(self, values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
        """Numbers kept in the range of so many bits.

        Example:
            >>> FixedPoint().clipped(np.array([-9, 9]), 4).tolist()
            [-8, 7]
        """
        return np.clip(values, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def _rounded(values: ArrayLike, fraction: int, bits: int) -> NDArray[np.int64]:
    scaled = np.rint(np.asarray(values, np.float64) * 2.0**fraction)
    return np.clip(scaled, -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1).astype(np.int64)


def multiply_add(
    x: NDArray[np.int64], weights: NDArray[np.int64], bias: NDArray[np.int64], form: FixedPoint
) -> NDArray[np.int64]:
    """A layer in whole numbers: what the gates answer, bit for bit.

    Each neuron starts from its bias and adds ``weights[n, k] * x[:, k]`` for k = 0, 1, …, after each of which
    it saturates (or wraps around); then the lowest bits are cut off and the answer saturates. Where the sum
    of the sizes of what is added fits in the accumulator, one matrix product gives the same.

    Args:
        x: Activations, shape ``[m, K]``.
        weights: Shape ``[N, K]``.
        bias: In the accumulator's units, shape ``[N]``.
        form: The format.

    Returns:
        Activations, shape ``[m, N]``.

    Example:
        >>> x, weights = np.array([[64, 32]]), np.array([[64, -128]])  # 1 and 0.5; 1 and -2
        >>> multiply_add(x, weights, np.array([4096]), FixedPoint()).tolist()  # 1 + 1 - 1
        [[64]]
    """
    out = np.empty((len(x), len(weights)), np.int64)
    for first in range(0, len(x), _ROWS):
        rows = x[first : first + _ROWS]
        total = _summed(rows, weights, bias, form)
        out[first : first + _ROWS] = form.clipped(total >> form.fraction, form.activations)
    return out


def _summed(
    x: NDArray[np.int64], weights: NDArray[np.int64], bias: NDArray[np.int64], form: FixedPoint
) -> NDArray[np.int64]:
    """The accumulators, ``[m, N]``. Float64 is exact: no sum of 2^20 products reaches 2^53."""
    total = _product(x, weights) + bias
    if not form.saturating:
        half = np.int64(1) << np.int64(form.accumulator - 1)
        return np.asarray(((total + half) & (2 * half - 1)) - half)
    most = (1 << (form.accumulator - 1)) - 1
    size = np.abs(x)
    reach = np.abs(weights) @ size.max(axis=0, initial=0) + np.abs(bias)
    near = np.flatnonzero(reach > most)
    if near.size:
        far = _product(size, np.abs(weights[near])) + np.abs(bias[near])
        rows, which = np.nonzero(far > most)
        part = max(1, (1 << 20) // max(x.shape[1], 1))
        for first in range(0, len(rows), part):
            at = rows[first : first + part], near[which[first : first + part]]
            total[at] = _one_by_one(x[at[0]].T, weights[at[1]].T, bias[at[1]], form)
    return total


def _product(x: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    return (x.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)


def _one_by_one(
    x: NDArray[np.int64], weights: NDArray[np.int64], bias: NDArray[np.int64], form: FixedPoint
) -> NDArray[np.int64]:
    """Saturating sums ``[n]`` of ``x * weights``, ``[K, n]`` each; step by step where one saturates."""
    terms = x * weights
    sums: NDArray[np.int64] = np.cumsum(terms, axis=0) + bias
    total: NDArray[np.int64] = sums[-1].copy()
    over = np.flatnonzero((sums != form.clipped(sums, form.accumulator)).any(axis=0))
    acc = bias[over]
    for term in terms[:, over]:
        acc = form.clipped(acc + term, form.accumulator)
    total[over] = acc
    return total
