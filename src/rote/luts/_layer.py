"""Layers of lookup tables, and the network that they are."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote._native import lut_outputs, pack_bits


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: W lookup tables of k inputs, all fed from the same rows.

    Attributes:
        fanins: The rows that each lut reads, shape ``[W, k]``, int32; the first is the pattern's lowest bit.
            Rows 0 … n−1 are the network's inputs, rows n … the luts of the layer before.
        tables: Packed answers, shape ``[W, max(1, 2^k / 64)]``, uint64: bit p answers pattern p.

    Example:
        >>> xor = Layer(np.array([[0, 1]], np.int32), np.array([[0b0110]], np.uint64))
        >>> xor.width, xor.k, xor.entries, xor.answers().astype(int).tolist()
        (1, 2, 4, [[0, 1, 1, 0]])
    """

    fanins: NDArray[np.int32]
    tables: NDArray[np.uint64]

    @property
    def width(self) -> int:
        """How many luts there are."""
        return len(self.fanins)

    @property
    def k(self) -> int:
        """How many inputs each has."""
        return int(self.fanins.shape[1])

    @property
    def entries(self) -> int:
        """How many bits the tables hold together."""
        return self.width << self.k

    def answers(self) -> NDArray[np.bool_]:
        """The tables as booleans, shape ``[W, 2^k]``."""
        rows = np.ascontiguousarray(self.tables.astype("<u8", copy=False)).view(np.uint8)
        return np.unpackbits(rows, axis=1, count=1 << self.k, bitorder="little").astype(np.bool_)


def pack_tables(answers: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Tables ``[W, 2^k]`` as words, the form in which a `Layer` keeps them.

    Example:
        >>> pack_tables(np.array([[False, True, True, False]])).tolist()
        [[6]]
    """
    return pack_bits(answers)


def layer_outputs(
    layer: Layer,
    bits: NDArray[np.uint64],
    before: NDArray[np.uint64] | None,
    *,
    m: int,
    threads: int = 1,
) -> NDArray[np.uint64]:
    """What a layer answers to each example, packed: ``[W, words]``.

    Args:
        layer: The layer.
        bits: The network's inputs, packed rows ``[n, words]``.
        before: What the layer before answered, packed rows, or None for the first layer.
        m: How many examples there are.
        threads: Threads to use.

    Example:
        >>> xor = Layer(np.array([[0, 1]], np.int32), np.array([[0b0110]], np.uint64))
        >>> layer_outputs(xor, np.array([[0b0011], [0b0101]], np.uint64), None, m=4).tolist()
        [[6]]
    """
    rows, fanins = rows_read(bits, before, layer.fanins)
    return lut_outputs(rows, fanins, layer.tables, m=m, threads=threads)


def rows_read(
    bits: NDArray[np.uint64], before: NDArray[np.uint64] | None, fanins: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The rows that fan-ins name, and the fan-ins as places among these; nothing is copied where it need not.

    Example:
        >>> rows, at = rows_read(np.zeros((3, 1), np.uint64), np.ones((2, 1), np.uint64), np.array([[3, 4]]))
        >>> rows.tolist(), at.tolist()
        ([[1], [1]], [[0, 1]])
    """
    n = len(bits)
    if before is None or not fanins.size or fanins.max() < n:
        return bits, fanins
    if fanins.min() >= n:
        return before, fanins - np.int32(n)
    return np.concatenate([bits, before]), fanins


def count_votes(rows: NDArray[np.uint64], m: int) -> NDArray[np.int64]:
    """How many of some packed rows say 1 to each of m examples.

    Example:
        >>> count_votes(np.array([[0b011], [0b110]], np.uint64), 3).tolist()
        [1, 2, 1]
    """
    votes = np.zeros(m, np.int64)
    for first in range(0, len(rows), 128):  # so that only so many rows are unpacked at a time
        part = np.ascontiguousarray(rows[first : first + 128].astype("<u8", copy=False)).view(np.uint8)
        bits = np.unpackbits(part, axis=1, count=m, bitorder="little")
        votes += np.add.reduce(bits, axis=0, dtype=np.uint8)  # at most 128: fits a byte
    return votes


@dataclass(frozen=True, eq=False)
class Network:
    """A network of lookup tables that answers one yes-or-no question.

    Attributes:
        inputs: How many bits it reads.
        layers: Hidden layers first; with ``output="table"`` the last one is a single lut.
        output: ``"table"``, ``"vote"`` (of the last layer) or ``"vote-all"`` (of all layers).
        counts: For a table output: examples of label 0 and of label 1 at each entry of the last lut, shape
            ``[2, 2^k]``; else empty.
        coin: The frozen bit that decides a tied vote.
        rate: What a layer's vote weighs where later layers were trained on what earlier ones got wrong.

    Example:
        >>> xor = Layer(np.array([[0, 1]], np.int32), np.array([[0b0110]], np.uint64))
        >>> network = Network(2, (xor,), "table", np.array([[3, 0, 0, 3], [0, 3, 3, 0]]), True, 0.0)
        >>> network.share(np.array([[0b0011], [0b0101]], np.uint64), m=4).round(2).tolist()
        [0.17, 0.83, 0.83, 0.17]
    """

    inputs: int
    layers: tuple[Layer, ...]
    output: str
    counts: NDArray[np.int64]
    coin: bool
    rate: float

    @property
    def entries(self) -> int:
        """How many bits all tables hold together."""
        return sum(layer.entries for layer in self.layers)

    def share(self, bits: NDArray[np.uint64], *, m: int, threads: int = 1) -> NDArray[np.float64]:
        """How much each example is a 1, between 0 and 1; above one half where the network answers 1.

        A table answers with its last lut's counts, ``(c1 + 1 + b) / (c0 + c1 + 3)``, where b is the entry's
        own bit: so an unseen entry gives 1/3 or 2/3, and nothing is ever tied. A vote answers with the share
        of luts that say 1; where layers were trained on what others got wrong, with the logistic function of
        their margin.

        Args:
            bits: Packed rows of inputs, ``[inputs, words]``.
            m: How many examples there are.
            threads: Threads to use.

        Returns:
            Shape ``[m]``.
        """
        before: NDArray[np.uint64] | None = None
        votes = np.zeros(m, np.int64)
        score, cast = np.zeros(m), 0
        for layer in self.layers[: -1 if self.output == "table" else None]:
            before = layer_outputs(layer, bits, before, m=m, threads=threads)
            if self.output == "vote-all":
                ones = count_votes(before, m)
                votes += ones
                cast += layer.width
                score += self.rate * (2 * ones / layer.width - 1)
        if self.output == "table":
            return self._by_table(bits, before, m)
        if self.output == "vote":
            assert before is not None
            votes, cast = count_votes(before, m), len(before)
        if self.output == "vote-all" and self.rate:
            coin = 1e-9 if self.coin else -1e-9
            return np.asarray(1 / (1 + np.exp(-2 * (np.round(score, 12) + coin))))
        return np.asarray((votes + (0.75 if self.coin else 0.25)) / (cast + 1))

    def _by_table(
        self, bits: NDArray[np.uint64], before: NDArray[np.uint64] | None, m: int
    ) -> NDArray[np.float64]:
        last = self.layers[-1]
        rows, fanins = rows_read(bits, before, last.fanins)
        pattern = np.zeros(m, np.int64)
        for j, row in enumerate(fanins[0]):
            pattern |= count_votes(rows[row : row + 1], m) << j
        zero, one = self.counts
        answer = (one + 1 + last.answers()[0]) / (zero + one + 3)
        return np.asarray(answer[pattern])


def total_entries(networks: Iterable[Network]) -> int:
    """How many table bits several networks hold.

    Example:
        >>> total_entries([])
        0
    """
    return sum(network.entries for network in networks)
