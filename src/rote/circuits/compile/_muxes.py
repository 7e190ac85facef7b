"""Muxes in bulk: decision trees from the leaves up, tables by Shannon expansion."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Literals


def at_most(build: Builder, words: Literals, constants: NDArray[np.int64]) -> Literals:
    """Whether unsigned words are at most constants: a gate for each bit above a constant's lowest 0.

    Args:
        build: Where gates are appended.
        words: Shape ``[n, bits]``, lowest bit first.
        constants: Shape ``[n]``; below 0 the answer is no, beyond the largest word it is yes.

    Returns:
        Shape ``[n]``.

    Example:
        >>> build = Builder(["b0", "b1", "b2"])
        >>> at_most(build, build.literals[None], np.array([5])).tolist(), build.gates  # not both of b1 and b2
        ([9], 1)
    """
    bits = words.shape[1]
    clipped = np.clip(constants, 0, (1 << bits) - 1)
    answer = (constants >= 0).astype(np.uint32)
    for k in range(bits):
        one = (clipped >> k & 1).astype(np.uint32)
        # At a constant's 1: x_k is 0, or the rest decides; at a 0: x_k is 0, and the rest decides.
        # An OR is an AND all of whose edges are complemented.
        answer = build.and_(words[:, k] ^ 1 ^ one, answer ^ one) ^ one
    return answer


def choose(build: Builder, select: Literals, one: Literals, zero: Literals) -> Literals:
    """`Builder.mux`, but no gate where both sides are the same literal; the arguments broadcast.

    Example:
        >>> build = Builder(["s", "a"])
        >>> choose(build, *np.array([[2], [4], [4]], np.uint32)).tolist(), build.gates
        ([4], 0)
    """
    select, one, zero = np.broadcast_arrays(select, one, zero)
    out = one.copy()
    apart = one != zero
    if apart.any():
        out[apart] = build.mux(select[apart], one[apart], zero[apart])
    return out


def shannon(build: Builder, selects: Literals, values: Literals) -> Literals:
    """What tables answer, by Shannon expansion: muxes from the lowest input up to the highest.

    Args:
        build: Where gates are appended.
        selects: The tables' inputs, shape ``[n, k]``; the first is the lowest bit of the entry's number.
        values: The tables' entries, shape ``[n, 2^k, w]``: w literals each, mostly constants.

    Returns:
        Shape ``[n, w]``.

    Example:
        Exclusive or of two inputs needs a mux; its cofactors are literals.

        >>> build = Builder(["a", "b"])
        >>> table = np.array([0, 1, 1, 0], np.uint32).reshape(1, 4, 1)
        >>> shannon(build, build.literals[None], table).tolist(), build.gates
        ([[11]], 3)
    """
    for k in range(selects.shape[1]):
        values = choose(build, selects[:, k, None, None], values[:, 1::2], values[:, 0::2])
    return values[:, 0]


def mux_tree(
    build: Builder,
    fronts: Sequence[NDArray[np.int64]],
    inner: NDArray[np.bool_],
    leaves: Literals,
    select: Callable[[NDArray[np.int64]], Literals],
) -> Literals:
    """A decision tree as muxes, level by level from the leaves.

    Args:
        build: Where gates are appended.
        fronts: The nodes of each depth, the root first; below the inner nodes of a depth stand all their left
            children, then all their right ones, in the same order.
        inner: Which nodes are no leaves, shape ``[nodes]``.
        leaves: What each leaf gives, shape ``[nodes, w]``, constants; rows of inner nodes are not read.
        select: ``select(nodes)`` appends what asks the nodes' questions, and gives the literals that are 1
            where the way is left.

    Returns:
        What the tree gives, shape ``[w]``.

    Example:
        >>> build = Builder(["a"])
        >>> fronts, inner = [np.array([0]), np.array([1, 2])], np.array([True, False, False])
        >>> leaves = np.array([[0, 0], [1, 0], [0, 1]], np.uint32)
        >>> mux_tree(build, fronts, inner, leaves, lambda nodes: build.literals).tolist(), build.gates
        ([2, 3], 0)
    """
    below = np.empty((0, leaves.shape[1]), np.uint32)
    for nodes in reversed(fronts):
        values = leaves[nodes]
        asks = inner[nodes]
        n = np.count_nonzero(asks)
        if n:
            values[asks] = choose(build, select(nodes[asks])[:, None], below[:n], below[n:])
        below = values
    return np.asarray(below[0])
