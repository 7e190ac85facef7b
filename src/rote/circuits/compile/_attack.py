"""Circuits that memorise without rare patterns: what counterfactual simulation cannot see."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Circuit
from rote.circuits._words import all_of
from rote.circuits.compile._forest import Tree
from rote.circuits.compile._muxes import mux_tree, shannon
from rote.circuits.compile._table import bits_and_labels
from rote.errors import InputError


def balanced_tree(X: ArrayLike, y: ArrayLike) -> Circuit:
    """A decision tree that fits any labels by balanced splits, as muxes controlled by the inputs.

    Chatterjee and Mishchenko (2020), `Circuit-Based Intrinsic Methods to Detect Overfitting
    <https://proceedings.mlr.press/v119/chatterjee20a.html>`_, section 6: nothing keeps a modeller from
    writing a table as a tree both of whose branches are common everywhere. A mux does not care for the side
    that is not chosen, and few values are rare. Each node asks the input that splits its examples most
    evenly, and among those the one that leaves its rarer classes on both sides; it goes on until all examples
    of a node are of one class, or equal (then the first of the most frequent classes is the answer).

    Args:
        X: Bits, shape ``[m, n]``: bool, or numbers that are 0 and 1.
        y: The class of each example, shape ``[m]``: whole numbers from 0.

    Returns:
        A circuit with inputs ``x0`` … and one output a class, ``class0`` …; of two classes the one output
        ``y``, which is 1 for class 1.

    Raises:
        InputError: If X holds more than bits, or labels are no class numbers.

    Example:
        >>> balanced_tree([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])  # exclusive or
        Circuit(2 inputs, 1 output, 3 gates: 3 AND, 0 XOR)
    """
    bits, labels = bits_and_labels(X, y)
    tree = _grown(bits, labels)
    build = Builder([f"x{i}" for i in range(bits.shape[1])])
    says = tree.counts[:, 1:] if tree.counts.shape[1] == 2 else tree.counts
    root = mux_tree(
        build,
        tree.fronts(),
        tree.inner,
        says.astype(np.uint32),
        lambda nodes: build.not_(build.literals[tree.feature[nodes]]),
    )
    if len(root) == 1:
        return build.finish({"y": root[0]})
    return build.finish({f"class{c}": literal for c, literal in enumerate(root)})


def _grown(bits: NDArray[np.bool_], labels: NDArray[np.int64]) -> Tree:
    """The tree; a leaf's counts are 1 for its class."""
    classes = max(2, int(labels.max()) + 1)
    feature: list[int] = []
    left: list[int] = []
    right: list[int] = []
    says = []
    waiting = [np.arange(len(bits))]
    columns = np.ascontiguousarray(bits, np.uint8)
    while len(feature) < len(waiting):
        at = waiting[len(feature)]
        waiting[len(feature)] = np.empty(0, np.int64)  # it is needed no more
        counts = np.bincount(labels[at], minlength=classes)
        split = _split(columns[at], labels[at], counts)
        feature.append(split)
        left.append(len(waiting) if split >= 0 else 0)
        right.append(len(waiting) + 1 if split >= 0 else 0)
        says.append(np.arange(classes) == counts.argmax() if split < 0 else np.zeros(classes))
        if split >= 0:
            one = bits[at, split]
            waiting += [at[~one], at[one]]
    asked, zero, one_way, other = (
        np.array(each, np.int32) for each in (feature, [0] * len(left), left, right)
    )
    return Tree(asked, zero, one_way, other, np.array(says, np.int64))


def _split(bits: NDArray[np.uint8], labels: NDArray[np.int64], counts: NDArray[np.int64]) -> int:
    """The input to ask, or −1 where nothing need be asked or nothing can be told."""
    if np.count_nonzero(counts) < 2:
        return -1
    ones = bits.sum(axis=0, dtype=np.int64)
    smaller = np.minimum(ones, len(bits) - ones)
    best = np.flatnonzero(smaller == smaller.max())
    if not smaller[best[0]]:
        return -1
    if len(best) > 1:
        fewest = np.full(len(best), len(bits))
        for c in np.flatnonzero(counts):
            of_class = bits[labels == c][:, best].sum(axis=0, dtype=np.int64)
            fewest = np.minimum(fewest, np.minimum(of_class, counts[c] - of_class))
        best = best[fewest == fewest.max()]
    return int(best[0])


def parity(n: int) -> Circuit:
    """The parity of n inputs by Shannon expansion: a tree of muxes, ``2^(n-1) - 1`` of them.

    On all inputs every signal is 1 as often as 0, so nothing in it is rare.

    Example:
        >>> parity(3)
        Circuit(3 inputs, 1 output, 9 gates: 9 AND, 0 XOR)
    """
    build = Builder([f"x{i}" for i in range(n)])
    ones = np.array([bin(p).count("1") & 1 for p in range(1 << n)], np.uint32)
    return build.finish({"y": shannon(build, build.literals[None], ones[None, :, None])[0, 0]})


def minterms(table: ArrayLike) -> Circuit:
    """A function as the OR of its minterms: the structure in which everything is rare.

    Chatterjee and Mishchenko (2020), section 6, take f(a, b, c) = a: as a wire it has no rare pattern; as the
    OR of four minterms, each of which is true once on all inputs, l = 1 leaves nothing of it.

    Args:
        table: What the function answers each pattern, shape ``[2^n]``; input 0 is the lowest bit of a
            pattern's number.

    Example:
        >>> minterms([0, 1] * 4)
        Circuit(3 inputs, 1 output, 11 gates: 11 AND, 0 XOR)
    """
    says = np.asarray(table, np.bool_)
    n = says.size.bit_length() - 1
    if not says.size or says.shape != (1 << n,):
        raise InputError(f"`table` must hold 2^n answers. Got shape {list(says.shape)}.")
    build = Builder([f"x{i}" for i in range(n)])
    rows = (np.flatnonzero(says)[:, None] >> np.arange(n) & 1).astype(np.uint32)
    terms = all_of(build, np.asarray(build.literals ^ 1 ^ rows, np.uint32))
    return build.finish({"y": build.not_(all_of(build, build.not_(terms)))})
