"""The plain lookup table: a comparator for each example, and a chain that gives the first one's class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Circuit, Literals
from rote.circuits._words import all_of
from rote.errors import InputError

_BLOCK = 256  # examples whose comparators are built together: their gates stand near each other


def compile_table(X: ArrayLike, y: ArrayLike, *, classes: int | None = None, default: int = 0) -> Circuit:
    """A lookup table of examples as gates: memorising, and nothing else.

    Chatterjee and Mishchenko (2020), `Circuit-Based Intrinsic Methods to Detect Overfitting
    <https://proceedings.mlr.press/v119/chatterjee20a.html>`_, figure 1: ``s_i`` is 1 where the input is
    example i; a chain of muxes gives the class of the first i whose ``s_i`` is 1, and class ``default`` where
    there is none. Each ``s_i`` of different examples is 1 on one example only, so that counterfactual
    simulation at l = 1 leaves nothing but the default.

    Args:
        X: Bits, shape ``[m, n]``: bool, or numbers that are 0 and 1.
        y: The class of each example, shape ``[m]``: whole numbers from 0.
        classes: How many classes there are; as many as the labels need unless told, at least two.
        default: The class of any other input.

    Returns:
        A circuit with inputs ``x0`` … and one output a class, ``class0`` …; of two classes the one output
        ``y``, which is 1 for class 1.

    Raises:
        InputError: If X holds more than bits, or labels are no class numbers.

    Example:
        >>> compile_table([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])  # 11 gives what is default anyway
        Circuit(2 inputs, 1 output, 5 gates: 5 AND, 0 XOR)
    """
    bits, labels = bits_and_labels(X, y)
    most = max(2, int(labels.max(initial=0)) + 1)
    classes = most if classes is None else classes
    if classes < most or not 0 <= default < classes:
        raise InputError(
            f"`classes` must be at least {most} and `default` one of them. Got {classes} and {default}."
        )
    build = Builder([f"x{i}" for i in range(bits.shape[1])])
    needed = 1 + int(np.flatnonzero(labels != default).max(initial=-1))  # the rest says the default anyway
    bits, labels = bits[:needed], labels[:needed]
    same = np.concatenate(
        [np.empty(0, np.uint32)]
        + [_same(build, bits[first : first + _BLOCK]) for first in range(0, len(bits), _BLOCK)]
    )
    if classes == 2:
        return build.finish({"y": _first(build, same, labels == 1, other=default == 1)})
    return build.finish(
        {f"class{c}": _first(build, same, labels == c, other=c == default) for c in range(classes)}
    )


def bits_and_labels(X: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Examples as bits ``[m, n]``, and their classes ``[m]``.

    Raises:
        InputError: If they are anything else.

    Example:
        >>> bits_and_labels([[0, 1]], [3])[1].tolist()
        [3]
    """
    rows, labels = np.asarray(X), np.asarray(y)
    if rows.ndim != 2 or labels.shape != (len(rows),) or not rows.size:
        raise InputError(
            f"`X` must be of shape [m, n] and `y` [m], neither empty. "
            f"Got {list(rows.shape)} and {list(labels.shape)}."
        )
    if rows.dtype != np.bool_ and not ((rows == 0) | (rows == 1)).all():
        raise InputError("`X` must hold only 0 and 1: make bits of numbers first (see rote.luts.Threshold).")
    if labels.dtype.kind not in "bui" or labels.min() < 0:
        raise InputError(f"`y` must hold the classes' numbers, from 0. Got {labels.dtype}.")
    return rows != 0, labels.astype(np.int64)


def _same(build: Builder, bits: NDArray[np.bool_]) -> Literals:
    """Whether the input is each of some examples: comparators with constants, ``[b, n]`` to ``[b]``."""
    return all_of(build, np.asarray(build.literals ^ ~bits, np.uint32))


def _first(build: Builder, same: Literals, says: NDArray[np.bool_], *, other: bool) -> Literals:
    """The muxes ``same[0] ? says[0] : same[1] ? says[1] : … : other``: an OR for each yes, an AND for a no.

    Those at the end that say what the rest says anyway are constants.
    """
    mux = np.flatnonzero(says != other)
    if not mux.size:
        return np.asarray(np.uint32(other))
    last = int(mux[-1])  # here stands a literal: constants are propagated so far
    innermost = same[last] ^ np.uint32(other)
    order = np.arange(last)[::-1]
    yes = says[order].astype(np.uint32)
    own = 2 * (build.nodes + np.arange(last, dtype=np.uint32)) ^ yes  # an OR is a NOT of an AND of NOTs
    before = np.concatenate([innermost[None], own[:-1]]) if last else np.empty(0, np.uint32)
    build.append(np.stack([same[order] ^ 1, before ^ yes], axis=1), False)
    return np.asarray(own[-1] if last else innermost)
