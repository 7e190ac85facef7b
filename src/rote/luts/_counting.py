"""Counts of patterns by label: all that a layer is learnt from, and they add."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote._native import lut_counts
from rote.luts._layer import Layer, count_votes, layer_outputs
from rote.luts._wiring import bag_counts

_CHUNK = 1 << 26  # bytes of counts that exist at a time beside the result


@dataclass(frozen=True)
class Weighing:
    """How often each example counts.

    Attributes:
        boost: What a layer's vote weighs in the margin that examples are weighed by.
        on: Whether they are weighed by it.
        unit: The weight of an example that is certainly wrong.
        bag: The seed and number of a bag, or None for all examples once.

    Example:
        >>> Weighing().boost
        0.0
    """

    boost: float = 0.0
    on: bool = False
    unit: int = 1
    bag: tuple[int, int] | None = None


#: Counts ``[luts, 2, 2^k]``, int64, by label, of fan-ins that read the inputs and the last of the layers so
#: far, with a weighing, over all examples or over those of some words.
Words = tuple[int, ...] | None
Counter = Callable[[Sequence[Layer], NDArray[np.int32], Weighing, Words], NDArray[np.int64]]


class Examples:
    """Examples on their way through a network that is being learnt: the counts of one machine.

    Args:
        bits: Packed inputs, ``[n, words]``.
        label: Packed labels, ``[words]``.
        m: How many examples there are.
        first: The place of the first one among the examples of all parts.
        threads: Threads to use.

    Example:
        >>> bits = np.array([[0b0011], [0b0101]], np.uint64)
        >>> examples = Examples(bits, np.array([0b0110], np.uint64), m=4)
        >>> examples.counts((), np.array([[0, 1]], np.int32), Weighing(), None).tolist()
        [[[1, 0, 0, 1], [0, 1, 1, 0]]]
    """

    def __init__(
        self,
        bits: NDArray[np.uint64],
        label: NDArray[np.uint64],
        *,
        m: int,
        first: int = 0,
        threads: int = 1,
    ) -> None:
        self._bits, self._label, self._m, self._first, self._threads = bits, label, m, first, threads
        self._layers: list[Layer] = []
        self._before: NDArray[np.uint64] | None = None
        self._score = np.zeros(m)  # sum over layers of the share of votes for 1, less that for 0
        self._joined: dict[tuple[int, bool, bool, Words], NDArray[np.uint64]] = {}
        self._weighed: tuple[int, NDArray[np.uint32]] | None = None
        self._bags: dict[tuple[int, int], NDArray[np.uint32]] = {}

    def counts(
        self,
        layers: Sequence[Layer],
        fanins: NDArray[np.int32],
        weighing: Weighing,
        words: Words,
    ) -> NDArray[np.int64]:
        """Examples of each label at each pattern of each lut; see `Counter`."""
        self._advance(layers, votes=weighing.boost > 0)
        weights = self._weights(weighing)
        n = len(self._bits)
        reads_inputs = self._before is None or not fanins.size or bool(fanins.min() < n)
        reads_before = bool(fanins.size) and bool(fanins.max() >= n)
        rows, m = self._rows(reads_inputs, reads_before, words)
        places = fanins if reads_inputs else fanins - np.int32(n)
        luts, k = places.shape
        given = np.column_stack([places, np.full(luts, len(rows) - 1, np.int32)])
        chosen = weights
        if weights is not None and words is not None:
            chosen = weights[(64 * np.array(words)[:, None] + np.arange(64)).ravel()[:m]]
        counts = np.empty((luts, 2, 1 << k), np.int64)
        step = max(1, _CHUNK // (8 << k))
        for at in range(0, luts, step):
            part = lut_counts(rows, given[at : at + step], m=m, weights=chosen, threads=self._threads)
            counts[at : at + step] = part.reshape(-1, 2, 1 << k)
        return counts

    def _rows(self, inputs: bool, before: bool, words: Words) -> tuple[NDArray[np.uint64], int]:
        """The rows that are read, the label below them, and how many examples they hold; kept for later."""
        key = (len(self._layers) if before else 0, inputs, before, words)
        if key not in self._joined:
            parts = [self._bits] if inputs else []
            if before:
                assert self._before is not None
                parts.append(self._before)
            parts.append(self._label[None])
            rows = np.concatenate(parts if words is None else [part[:, words] for part in parts])
            self._joined = {k: v for k, v in self._joined.items() if not k[0] and k[3] is None} | {key: rows}
        rows = self._joined[key]
        missing = 64 * len(self._label) - self._m  # in the last word
        whole = words is None or words[-1] == len(self._label) - 1
        return rows, 64 * rows.shape[1] - (missing if whole else 0)

    def _advance(self, layers: Sequence[Layer], *, votes: bool) -> None:
        known = len(self._layers)
        if known > len(layers) or any(a is not b for a, b in zip(self._layers, layers, strict=False)):
            raise AssertionError("layers are only added")
        for layer in layers[known:]:
            self._before = layer_outputs(layer, self._bits, self._before, m=self._m, threads=self._threads)
            if votes:
                self._score += 2 * count_votes(self._before, self._m) / layer.width - 1
            self._layers.append(layer)

    def _weights(self, weighing: Weighing) -> NDArray[np.uint32] | None:
        bag = None
        if weighing.bag is not None:
            if weighing.bag not in self._bags:
                self._bags[weighing.bag] = bag_counts(*weighing.bag, self._first, self._m)
            bag = self._bags[weighing.bag]
        if not weighing.on or not self._layers:
            return bag
        if self._weighed is None or self._weighed[0] != len(self._layers):
            sign = 2.0 * count_votes(self._label[None], self._m) - 1
            # The derivative of the logistic loss, in whole numbers: these add in any order.
            share = 1 / (1 + np.exp(2 * weighing.boost * self._score * sign))
            weights = np.rint(1 + (weighing.unit - 1) * share).astype(np.uint32)
            self._weighed = len(self._layers), weights if bag is None else weights * bag
        return self._weighed[1]
