"""Words: numbers of several bits, as arrays of literals, and the gates that add, compare and choose them.

A word is an array of literals ``[..., w]`` whose last axis holds the bits, the lowest first. What stands
before it is a batch: one call builds the gates of a thousand adders, each with constants propagated. Signed
words are two's complement. Additions ripple their carry: a full adder is five gates, two XORs among them.
"""

import numpy as np
from numpy.typing import ArrayLike

from rote.circuits._build import Builder
from rote.circuits._circuit import FALSE, TRUE, Literals
from rote.errors import InputError


def constant_word(value: ArrayLike, width: int) -> Literals:
    """Numbers as words of constants, cut to their lowest ``width`` bits.

    Args:
        value: Whole numbers ``[...]``.
        width: Bits of each word, at most 63.

    Returns:
        Shape ``[..., width]``.

    Example:
        >>> constant_word([6, -1], 4).tolist()
        [[0, 1, 1, 0], [1, 1, 1, 1]]
    """
    bits = np.asarray(value, np.int64)[..., None] >> np.arange(width)
    return (bits & 1).astype(np.uint32)


def extend(word: Literals, width: int, *, signed: bool) -> Literals:
    """A word made wider by zeros or by copies of its sign, or cut to its lowest bits.

    Args:
        word: Shape ``[..., w]``.
        width: Bits of the answer.
        signed: Whether the sign is copied.

    Returns:
        Shape ``[..., width]``.

    Example:
        >>> extend(np.array([2, 4], np.uint32), 4, signed=True).tolist()
        [2, 4, 4, 4]
    """
    more = width - word.shape[-1]
    if more <= 0:
        return word[..., :width]
    top = word[..., -1:] if signed else np.zeros_like(word[..., -1:])
    return np.concatenate([word, np.repeat(top, more, axis=-1)], axis=-1)


def shift_left(word: Literals, by: int) -> Literals:
    """The word times ``2^by``: zeros come in at the lowest bits, and it grows by as many.

    Example:
        >>> shift_left(np.array([2, 4], np.uint32), 1).tolist()
        [0, 2, 4]
    """
    return np.concatenate([np.zeros((*word.shape[:-1], by), np.uint32), word], axis=-1)


def add(
    build: Builder, a: Literals, b: Literals, *, carry: ArrayLike = FALSE, keep_carry: bool = False
) -> Literals:
    """The sum of two words of the same width, signed or not.

    Args:
        build: Where the gates go.
        a: Shape ``[..., w]``.
        b: Shape ``[..., w]``.
        carry: A bit to be added besides, ``[...]``.
        keep_carry: Whether the last carry becomes the highest bit; else the sum is modulo ``2^w``.

    Returns:
        Shape ``[..., w]``, or ``[..., w + 1]`` with the carry.

    Example:
        >>> build = Builder([f"x[{k}]" for k in range(4)])
        >>> a, b = build.literals.reshape(2, 2)
        >>> build.finish({"sum": add(build, a, b, keep_carry=True)})
        Circuit(4 inputs, 3 outputs, 7 gates: 4 AND, 3 XOR)
    """
    width = _same_width(a, b)
    if width == 0:
        return a if not keep_carry else np.asarray(carry, np.uint32)[..., None]
    ripples = width if keep_carry else width - 1  # a last carry that nobody reads is not made
    half = build.xor_(a, b)
    no_carry = build.not_(build.and_(a[..., :ripples], b[..., :ripples]))
    carries = [np.broadcast_to(np.asarray(carry, np.uint32), half.shape[:-1])]
    for k in range(ripples):
        passed = build.and_(half[..., k], carries[-1])
        carries.append(build.not_(build.and_(no_carry[..., k], build.not_(passed))))
    total = build.xor_(half, np.stack(carries[:width], axis=-1))
    return np.concatenate([total, carries[-1][..., None]], axis=-1) if keep_carry else total


def subtract(build: Builder, a: Literals, b: Literals, *, keep_borrow: bool = False) -> Literals:
    """The difference ``a - b`` of two words of the same width: NOT (NOT a + b), as many gates as a sum.

    Args:
        build: Where the gates go.
        a: Shape ``[..., w]``.
        b: Shape ``[..., w]``.
        keep_borrow: Whether the last borrow becomes the highest bit: a sign, where both are unsigned.

    Returns:
        Shape ``[..., w]`` or ``[..., w + 1]``.

    Example:
        >>> build = Builder([])
        >>> subtract(build, constant_word(5, 4), constant_word(7, 4)).tolist()  # 14, which is -2
        [0, 1, 1, 1]
    """
    total = add(build, build.not_(a), b, keep_carry=keep_borrow)
    width = a.shape[-1]
    return np.concatenate([build.not_(total[..., :width]), total[..., width:]], axis=-1)


def negate(build: Builder, word: Literals) -> Literals:
    """``-word``, of the same width.

    Example:
        >>> negate(Builder([]), constant_word(3, 4)).tolist()
        [1, 0, 1, 1]
    """
    return subtract(build, np.zeros_like(word), word)


def saturating_add(build: Builder, a: Literals, b: Literals) -> Literals:
    """The sum of two signed words, kept in their range: what does not fit becomes the nearest that does.

    Args:
        build: Where the gates go.
        a: Shape ``[..., w]``.
        b: Shape ``[..., w]``.

    Returns:
        Shape ``[..., w]``.

    Example:
        >>> saturating_add(Builder([]), constant_word(5, 4), constant_word(6, 4)).tolist()  # 7
        [1, 1, 1, 0]
    """
    total = add(build, a, b)
    signs = a[..., -1], b[..., -1], total[..., -1]
    above = build.and_(build.and_(build.not_(signs[0]), build.not_(signs[1])), signs[2])
    below = build.and_(build.and_(signs[0], signs[1]), build.not_(signs[2]))
    return _clamp(build, total, above, below)


def saturate(build: Builder, word: Literals, width: int) -> Literals:
    """A signed word in fewer bits: what does not fit becomes the nearest that does.

    Args:
        build: Where the gates go.
        word: Shape ``[..., w]``.
        width: Bits of the answer, at least 1.

    Returns:
        Shape ``[..., width]``.

    Example:
        >>> saturate(Builder([]), constant_word([-9, 5, 9], 5), 4).tolist()
        [[0, 0, 0, 1], [1, 0, 1, 0], [1, 1, 1, 0]]
    """
    if width >= word.shape[-1]:
        return extend(word, width, signed=True)
    if width == 1:
        return word[..., -1:]
    sign, over = word[..., -1], word[..., width - 1 : -1]
    above = build.and_(build.not_(sign), build.not_(all_of(build, build.not_(over))))
    below = build.and_(sign, build.not_(all_of(build, over)))
    low = np.concatenate([word[..., : width - 1], sign[..., None]], axis=-1)
    kept = build.and_(build.or_(low[..., :-1], above[..., None]), build.not_(below)[..., None])
    return np.concatenate([kept, low[..., -1:]], axis=-1)


def _clamp(build: Builder, total: Literals, above: Literals, below: Literals) -> Literals:
    """The largest number where ``above``, the smallest where ``below``, else the sum."""
    low = build.and_(build.or_(total[..., :-1], above[..., None]), build.not_(below)[..., None])
    sign = build.or_(build.and_(total[..., -1], build.not_(above)), below)
    return np.concatenate([low, sign[..., None]], axis=-1)


def all_of(build: Builder, bits: Literals) -> Literals:
    """Whether all bits of the last axis are 1: a balanced tree of ANDs, shape ``[...]``; true of none.

    Example:
        >>> int(all_of(Builder([]), constant_word(7, 3)))
        1
    """
    while bits.shape[-1] > 1:
        even = bits.shape[-1] // 2 * 2
        pairs = build.and_(bits[..., 0:even:2], bits[..., 1:even:2])
        bits = np.concatenate([pairs, bits[..., even:]], axis=-1)
    return bits[..., 0] if bits.shape[-1] else np.full(bits.shape[:-1], TRUE)


def full_adder(build: Builder, a: Literals, b: Literals, c: Literals) -> tuple[Literals, Literals]:
    """The sum and the carry of three bits ``[...]`` each: two XORs, two ANDs and an OR.

    Example:
        >>> build = Builder(["a", "b", "c"])
        >>> total, carry = full_adder(build, *build.literals)
        >>> build.finish({"sum": total, "carry": carry})
        Circuit(3 inputs, 2 outputs, 5 gates: 3 AND, 2 XOR)
    """
    half = build.xor_(a, b)
    return build.xor_(half, c), build.or_(build.and_(a, b), build.and_(half, c))


def popcount(build: Builder, bits: Literals) -> Literals:
    """How many of the bits of the last axis are 1, by full adders: about five gates a bit.

    Args:
        build: Where the gates go.
        bits: Shape ``[..., n]``.

    Returns:
        An unsigned word ``[..., w]``, where w is as small as n allows.

    Example:
        >>> popcount(Builder([]), constant_word(0b1011, 4)).tolist()
        [1, 1, 0]
    """
    counted, column = [], bits
    while column.shape[-1]:
        carries = []
        while column.shape[-1] > 2:
            third = column.shape[-1] // 3
            total, carry = full_adder(build, *(column[..., k * third : (k + 1) * third] for k in range(3)))
            carries.append(carry)
            column = np.concatenate([total, column[..., 3 * third :]], axis=-1)
        if column.shape[-1] == 2:
            carries.append(build.and_(column[..., :1], column[..., 1:]))
            column = build.xor_(column[..., :1], column[..., 1:])
        counted.append(column)
        column = np.concatenate([column[..., :0], *carries], axis=-1)  # they weigh twice as much
    return np.concatenate([bits[..., :0], *counted], axis=-1)


def _same_width(a: Literals, b: Literals) -> int:
    if a.shape[-1] != b.shape[-1]:
        raise InputError(
            f"Words must have the same width. Got {a.shape[-1]} and {b.shape[-1]} bits: extend one."
        )
    return int(a.shape[-1])
