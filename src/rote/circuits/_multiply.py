"""Products of words: by a constant with the fewest adders, and the array multiplier."""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from rote.circuits._build import Builder
from rote.circuits._circuit import Literals
from rote.circuits._words import add, constant_word, extend, negate, shift_left, subtract
from rote.errors import InputError


class Step(NamedTuple):
    """One adder of a constant multiplication: ``(terms[a] << i) ± (terms[b] << j)``, and what it makes."""

    a: int
    i: int
    b: int
    j: int
    minus: bool
    made: int


Plan = tuple[Step, ...]
_SEARCHED = 3  # adders; enough for every constant of 8 bits
_SEARCHED_BITS = 10  # the search takes 0.1 s for 8 bits, 0.3 s for 10


def adders(constant: int) -> Plan:
    """The fewest adders and subtractors of shifted terms that multiply by an odd constant.

    A breadth search, as the paper's compiler has (Chatterjee & Mishchenko, ICML 2020, §4.1: 5u = 4u + u, 11u
    = 16u − 4u − u): first all that one adder makes, then two, then three; of equally short ones the first
    found. Term 0 is the word itself, term n what adder n makes: 45 = 16 × 3 − 3 takes two. Constants out of
    its reach add a shifted word to the best plan of what is left.

    Args:
        constant: An odd number, at least 1.

    Returns:
        The adders in order; none for 1.

    Example:
        >>> [(step.made, len(adders(step.made))) for step in adders(45)]
        [(3, 1), (45, 2)]
        >>> max(len(adders(c)) for c in range(1, 128, 2))
        3
    """
    if constant < 1 or constant % 2 == 0:
        raise InputError(f"`constant` must be odd and at least 1. Got {constant}.")
    if constant == 1:
        return ()
    bits = max(constant.bit_length(), 8)
    found = _searched(bits).get(constant) if bits <= _SEARCHED_BITS else None
    return found if found is not None else _split(constant)


@cache
def _searched(bits: int) -> dict[int, Plan]:
    """A shortest plan for each odd constant of so many bits that at most three adders make."""
    plans: dict[int, Plan] = {}
    front: list[Plan] = [()]
    for depth in range(1, _SEARCHED + 1):
        after: list[Plan] = []
        for plan in front:
            for step in _next_steps([1, *(step.made for step in plan)], bits):
                longer = (*plan, step)
                plans.setdefault(step.made, longer)
                if depth < _SEARCHED:
                    after.append(longer)
        front = list({frozenset(s.made for s in plan): plan for plan in reversed(after)}.values())[::-1]
    return plans


def _next_steps(terms: list[int], bits: int) -> list[Step]:
    """Every adder that makes a new odd constant of so many bits of these terms, additions first."""
    steps, seen = [], set(terms)
    for minus, shift in product((False, True), range(bits + 1)):
        for (a, left), (b, right) in product(enumerate(terms), repeat=2):
            # One of the two shifts is 0, else the constant is even, and half of it takes as many adders.
            for i, j in ((shift, 0), (0, shift)):
                made = (left << i) - (right << j) if minus else (left << i) + (right << j)
                if 0 < made < 1 << bits and made % 2 and made not in seen:
                    seen.add(made)
                    steps.append(Step(a, i, b, j, minus, made))
    return steps


@cache
def _split(constant: int) -> Plan:
    """One signed digit less, the rest by the best plan known: the fewest of the ways to do so."""
    nearest: list[Plan] = []
    for other, minus in ((constant - 1, False), (constant + 1, True)):
        shift = (other & -other).bit_length() - 1
        rest = adders(other >> shift)
        nearest.append((*rest, Step(len(rest), shift, 0, 0, minus, constant)))
    return min(nearest, key=len)


def multiple(build: Builder, word: Literals, constant: int) -> Literals:
    """A signed word times a constant, by shifts, adders and subtractors, the fewest of them.

    Bits at the top that are the constant 0 in every word of the batch (after a ReLU, of pixels) are known to
    stay 0, and cost nothing.

    Args:
        build: Where the gates go.
        word: Signed, shape ``[..., w]``.
        constant: Any whole number.

    Returns:
        The exact product, signed, shape ``[..., w']``: w' is w, and what the constant needs.

    Example:
        >>> build = Builder([f"x[{k}]" for k in range(4)])
        >>> build.finish({"11x": multiple(build, build.literals, 11)})  # 8x + (2x + x)
        Circuit(4 inputs, 8 outputs, 24 gates: 14 AND, 10 XOR)
    """
    if constant == 0:
        return np.zeros_like(word)
    if constant < 0:
        times = multiple(build, word, -constant)
        return negate(build, extend(times, times.shape[-1] + 1, signed=True))
    odd = constant >> (zeros := (constant & -constant).bit_length() - 1)
    signed, short = _live(word)
    if not short.shape[-1]:
        return word
    terms = [short]
    for step in adders(odd):
        width = short.shape[-1] + (step.made - 1).bit_length()
        left = extend(shift_left(terms[step.a], step.i), width, signed=signed)
        right = extend(shift_left(terms[step.b], step.j), width, signed=signed)
        terms.append((subtract if step.minus else add)(build, left, right))
    return _with_sign(shift_left(terms[-1], zeros), signed=signed, width=word.shape[-1])


def _live(word: Literals) -> tuple[bool, Literals]:
    """Whether a word can be negative, and its bits below the constant zeros at the top."""
    live = np.flatnonzero((word != 0).reshape(-1, word.shape[-1]).any(axis=0))
    top = int(live[-1]) + 1 if live.size else 0
    return top == word.shape[-1], word[..., :top]


def _with_sign(word: Literals, *, signed: bool, width: int) -> Literals:
    return extend(word, max(width, word.shape[-1] + (not signed)), signed=signed)


def multiply(build: Builder, a: Literals, b: Literals, *, signed: bool) -> Literals:
    """The exact product of two words by an array of full adders.

    Row k adds ``a``, where bit k of ``b`` is set, to the sum so far, and one bit of the product is done; the
    row of a sign is subtracted. Where ``b`` is constant, the rows of its zeros vanish.

    Args:
        build: Where the gates go.
        a: Shape ``[..., v]``.
        b: Shape ``[..., w]``.
        signed: Whether both are signed.

    Returns:
        Shape ``[..., v + w]``.

    Example:
        >>> build = Builder([f"x[{k}]" for k in range(8)])
        >>> a, b = build.literals.reshape(2, 4)
        >>> build.finish({"product": multiply(build, a, b, signed=False)})
        Circuit(8 inputs, 8 outputs, 64 gates: 44 AND, 20 XOR)
    """
    v, w = a.shape[-1], b.shape[-1]
    done: list[Literals] = []
    rest = np.zeros((*np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), v), np.uint32)
    for k in range(w):
        row = build.and_(a, b[..., k : k + 1])
        if signed:
            step = subtract if k == w - 1 else add
            total = step(build, extend(rest, v + 1, signed=True), extend(row, v + 1, signed=True))
        else:
            total = add(build, rest, row, keep_carry=True)
        done.append(total[..., :1])
        rest = total[..., 1:]
    return np.concatenate([*done, rest], axis=-1)


def array_multiple(build: Builder, word: Literals, constant: int) -> Literals:
    """A signed word times a constant by the array multiplier: a row for each 1 of the constant.

    Shapes and answers as `multiple`, with more adders (Chatterjee & Mishchenko, ICML 2020, experiment 2).

    Example:
        >>> build = Builder([f"x[{k}]" for k in range(4)])
        >>> build.finish({"7x": array_multiple(build, build.literals, 7)})  # 4x + (2x + x), not 8x - x
        Circuit(4 inputs, 8 outputs, 24 gates: 14 AND, 10 XOR)
    """
    if constant < 0:
        times = array_multiple(build, word, -constant)
        return negate(build, extend(times, times.shape[-1] + 1, signed=True))
    signed, short = _live(word)
    if not short.shape[-1]:
        return word
    factor = constant_word(constant, constant.bit_length() + signed)
    times = multiply(build, short, factor, signed=signed)
    return _with_sign(times, signed=signed, width=word.shape[-1])
