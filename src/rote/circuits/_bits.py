"""Examples as the bits that a circuit reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.circuits._circuit import Circuit
from rote.circuits._packed import Packed, pack
from rote.errors import InputError

_BLOCK = 1 << 12  # examples at a time: eight bools for each byte would not fit in memory


def input_bits(circuit: Circuit, X: NDArray[Any], *, threads: int = 1) -> Packed:
    """Examples as the bits of a circuit's inputs.

    Where there are as many features as inputs, each is one bit: 0 or 1, else bytes above 127. Where there are
    eight inputs for each feature, the features are bytes, and input ``8 * f + k`` is bit k of byte f, the
    lowest first. Images go as they lie in memory: colour by colour, each row by row, as in CIFAR-10's files.

    Args:
        circuit: Which reads them.
        X: Features ``[m, d]``, or images ``[m, c, h, w]``: bits (bool, or numbers that are 0 and 1) or bytes.
        threads: Threads to use.

    Returns:
        Rows of bits, one for each input.

    Raises:
        InputError: If the number of features fits neither way, or the features are neither bits nor bytes.

    Example:
        >>> from rote.circuits import Builder, unpack
        >>> circuit = Builder([f"pixel[{k}]" for k in range(8)]).finish({"dark": 2})
        >>> unpack(input_bits(circuit, np.array([[6]], np.uint8))).astype(int).tolist()
        [[0, 1, 1, 0, 0, 0, 0, 0]]
    """
    inputs, m = len(circuit.inputs), len(X)
    features = int(np.prod(X.shape[1:], dtype=np.int64))
    if inputs not in (features, 8 * features):
        raise InputError(
            f"The circuit reads {inputs:,} bits, but an example has {features:,} features: give data with "
            f"{inputs:,} bits"
            + (f", or {inputs // 8:,} bytes, an example." if inputs % 8 == 0 else " an example.")
        )
    words = np.zeros((inputs, -(-m // 64)), np.uint64)
    if m and inputs:
        top = _checked(X)
        for first in range(0, m, _BLOCK):
            rows = X[first : first + _BLOCK].reshape(-1, features)
            if inputs == features:
                bits = np.asarray(rows > (127 if top > 1 else 0))
            else:
                octets = np.ascontiguousarray(rows.astype(np.uint8, copy=False))
                bits = np.unpackbits(octets, axis=1, bitorder="little").view(np.bool_)
            block = pack(np.ascontiguousarray(bits), threads=threads).words
            words[:, first // 64 : first // 64 + block.shape[1]] = block
    return Packed(words, m)


def _checked(X: NDArray[Any]) -> float:
    """The largest feature, once it is known that all are whole numbers from 0 to 255."""
    if X.dtype == np.bool_:
        return 1
    for first in range(0, len(X), _BLOCK):
        rows = X[first : first + _BLOCK]
        wrong = ~((rows >= 0) & (rows <= 255) & (rows == np.floor(rows)))  # NaN is wrong too
        if wrong.any():
            at = np.argwhere(wrong)[0]
            raise InputError(
                f"`X` must hold bits or bytes, whole numbers from 0 to 255, but example {first + at[0]} has "
                f"{rows[tuple(at)]!s:.40}: make bits of them first (rote.luts.Quantiles)."
            )
    return float(X.max())
