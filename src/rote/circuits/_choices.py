"""Words compared, and chosen by it: comparators, muxes, ReLU, maximum and argmax.

Words are little-endian arrays of literals ``[..., w]``, as in `rote.circuits._words`. A comparison with a
constant is a comparison with `constant_word`: what the constant decides costs no gate.
"""

import numpy as np

from rote.circuits._build import Builder
from rote.circuits._circuit import FALSE, Literals
from rote.circuits._words import all_of, constant_word


def equal(build: Builder, a: Literals, b: Literals) -> Literals:
    """Whether two words of the same width are equal.

    Args:
        build: Where the gates go.
        a: Shape ``[..., w]``.
        b: Shape ``[..., w]``.

    Returns:
        Shape ``[...]``.

    Example:
        >>> build = Builder(["x[0]", "x[1]"])
        >>> build.finish({"is2": equal(build, build.literals, constant_word(2, 2))})
        Circuit(2 inputs, 1 output, 1 gate: 1 AND, 0 XOR)
    """
    return all_of(build, build.not_(build.xor_(a, b)))


def less(build: Builder, a: Literals, b: Literals, *, signed: bool) -> Literals:
    """Whether ``a < b``: a chain of four gates a bit, of one a bit where either is constant.

    Args:
        build: Where the gates go.
        a: Shape ``[..., w]``.
        b: Shape ``[..., w]``.
        signed: Whether the words are signed.

    Returns:
        Shape ``[...]``.

    Example:
        >>> int(less(Builder([]), constant_word(-3, 4), constant_word(2, 4), signed=True))
        1
    """
    a, b = np.broadcast_arrays(a, b)
    if signed:  # signs the other way round make unsigned words of the same order
        flip = np.zeros(a.shape[-1], np.uint32)
        flip[-1:] = 1
        a, b = a ^ flip, b ^ flip
    answer = np.full(a.shape[:-1], FALSE)
    for k in range(a.shape[-1]):
        below = build.not_(a[..., k])
        sure, open_ = build.and_(below, b[..., k]), build.or_(below, b[..., k])
        answer = build.or_(sure, build.and_(open_, answer))
    return answer


def less_equal(build: Builder, a: Literals, b: Literals, *, signed: bool) -> Literals:
    """Whether ``a <= b``: NOT ``b < a``; shapes as in `less`.

    Example:
        >>> int(less_equal(Builder([]), constant_word(2, 4), constant_word(2, 4), signed=False))
        1
    """
    return build.not_(less(build, b, a, signed=signed))


def choose(build: Builder, select: Literals, one: Literals, zero: Literals) -> Literals:
    """The word ``one`` where ``select``, else ``zero``: three gates a bit.

    Args:
        build: Where the gates go.
        select: Shape ``[...]``.
        one: Shape ``[..., w]``.
        zero: Shape ``[..., w]``.

    Returns:
        Shape ``[..., w]``.

    Example:
        >>> select = np.array([1, 0], np.uint32)
        >>> choose(Builder([]), select, constant_word(3, 2), constant_word(0, 2)).tolist()
        [[1, 1], [0, 0]]
    """
    return build.mux(np.asarray(select, np.uint32)[..., None], one, zero)


def relu(build: Builder, word: Literals) -> Literals:
    """A signed word, but 0 where it is negative: a comparator and a mux.

    Constants leave of the comparator the sign, and of the mux one AND a bit.

    Args:
        build: Where the gates go.
        word: Shape ``[..., w]``.

    Returns:
        Shape ``[..., w]``; the sign is the constant 0.

    Example:
        >>> relu(Builder([]), constant_word([-3, 3], 4)).tolist()
        [[0, 0, 0, 0], [1, 1, 0, 0]]
    """
    zero = constant_word(0, word.shape[-1])
    return choose(build, less(build, word, zero, signed=True), zero, word)


def maximum(build: Builder, a: Literals, b: Literals, *, signed: bool) -> Literals:
    """The larger of two words of the same width; shapes as in `add`.

    Example:
        >>> maximum(Builder([]), constant_word(-3, 4), constant_word(2, 4), signed=True).tolist()
        [0, 1, 0, 0]
    """
    return choose(build, less(build, a, b, signed=signed), b, a)


def argmax(build: Builder, words: Literals, *, signed: bool) -> tuple[Literals, Literals]:
    """Which of n words is the largest, the first of equals, and the largest: a tournament of neighbours.

    Args:
        build: Where the gates go.
        words: Shape ``[..., n, w]``, n at least 1.
        signed: Whether the words are signed.

    Returns:
        The place, an unsigned word ``[..., bits]`` wide enough for n − 1, and the largest, ``[..., w]``.

    Example:
        >>> place, largest = argmax(Builder([]), constant_word([1, 3, 3], 4), signed=True)
        >>> place.tolist(), largest.tolist()
        ([1, 0], [1, 1, 0, 0])
    """
    n = words.shape[-2]
    places = constant_word(np.arange(n), int(n - 1).bit_length())
    places = np.broadcast_to(places, (*words.shape[:-2], *places.shape))
    while words.shape[-2] > 1:
        even = words.shape[-2] // 2 * 2
        left, right = words[..., 0:even:2, :], words[..., 1:even:2, :]
        second = less(build, left, right, signed=signed)  # the first wins where they are equal
        best = choose(build, second, right, left)
        where = choose(build, second, places[..., 1:even:2, :], places[..., 0:even:2, :])
        words = np.concatenate([best, words[..., even:, :]], axis=-2)
        places = np.concatenate([where, places[..., even:, :]], axis=-2)
    return places[..., 0, :], words[..., 0, :]
