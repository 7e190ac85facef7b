"""Words against whole numbers: every pair at small widths, drawn ones at larger."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_truth import all_examples, evaluate
from rote.circuits import Builder
from rote.circuits.words import (
    add,
    adders,
    all_of,
    argmax,
    array_multiple,
    choose,
    constant_word,
    equal,
    extend,
    less,
    less_equal,
    maximum,
    multiple,
    multiply,
    negate,
    popcount,
    relu,
    saturate,
    saturating_add,
    shift_left,
    subtract,
)
from rote.errors import InputError

WIDTHS = [1, 2, 3, 4]


def numbers(bits, signed):
    """The numbers that rows of bits are, the lowest bit first."""
    weights = 1 << np.arange(bits.shape[-1])
    if signed and len(weights):
        weights[-1] *= -1
    return bits @ weights


def words(*widths):
    """A builder, the input words of these widths, and every example of theirs as bits."""
    build = Builder([f"x{i}" for i in range(sum(widths))])
    cuts = np.cumsum(widths)[:-1]
    return build, np.split(build.literals, cuts), all_examples(sum(widths))


def values(widths, X, signed):
    return [numbers(part, signed) for part in np.split(X.astype(int), np.cumsum(widths)[:-1], axis=1)]


def run(build, word, X, signed):
    """What a word is on every example; and no gate is there for nothing."""
    circuit = build.finish({"y": word})
    used = {int(d) >> 1 for d in circuit.drivers}
    for gate in range(circuit.gates - 1, -1, -1):
        if gate + circuit.first_gate in used:
            used |= {int(f) >> 1 for f in circuit.fanins[gate]}
    assert used >= set(range(circuit.first_gate, circuit.nodes)), "a gate that nothing reads"
    return numbers(evaluate(circuit, X).astype(int), signed)


def wrapped(value, width, signed):
    value = value & ((1 << width) - 1)
    return np.where(signed & (value >> (width - 1) == 1), value - (1 << width), value)


def clipped(value, width):
    return np.clip(value, -(1 << (width - 1)), (1 << (width - 1)) - 1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("gates", "truth"),
    [
        (add, lambda a, b: a + b),
        (subtract, lambda a, b: a - b),
        (lambda build, a, _: negate(build, a), lambda a, b: -a),
    ],
    ids=["add", "subtract", "negate"],
)
def test_arithmetic_modulo(gates, truth, width, signed):
    build, (a, b), X = words(width, width)
    u, v = values((width, width), X, signed)
    assert np.array_equal(run(build, gates(build, a, b), X, signed), wrapped(truth(u, v), width, signed))


@pytest.mark.parametrize("width", WIDTHS)
def test_last_carries_and_borrows(width):
    build, (a, b, c), X = words(width, width, 1)
    u, v, bit = values((width, width, 1), X, signed=False)
    total = add(build, a, b, carry=c[0], keep_carry=True)
    assert np.array_equal(run(build, total, X, signed=False), u + v + bit)
    build, (a, b), X = words(width, width)
    u, v = values((width, width), X, signed=False)
    assert np.array_equal(run(build, subtract(build, a, b, keep_borrow=True), X, signed=True), u - v)


@pytest.mark.parametrize("width", WIDTHS)
def test_saturation(width):
    build, (a, b), X = words(width, width)
    u, v = values((width, width), X, signed=True)
    assert np.array_equal(run(build, saturating_add(build, a, b), X, signed=True), clipped(u + v, width))
    build, (a,), X = words(width + 3)
    (u,) = values((width + 3,), X, signed=True)
    for kept in range(1, width + 5):
        build = Builder(build.inputs)
        assert np.array_equal(run(build, saturate(build, a, kept), X, signed=True), clipped(u, kept))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_comparisons_and_choices(width, signed):
    build, (a, b, s), X = words(width, width, 1)
    u, v, bit = values((width, width, 1), X, signed)
    bit = bit != 0
    for answer, truth in [
        (equal(build, a, b), u == v),
        (less(build, a, b, signed=signed), u < v),
        (less_equal(build, a, b, signed=signed), u <= v),
    ]:
        assert np.array_equal(evaluate(build.finish({"y": answer}), X)[:, 0], truth)
    for word, truth in [
        (choose(build, s[0], a, b), np.where(bit, u, v)),
        (maximum(build, a, b, signed=signed), np.maximum(u, v)),
    ]:
        bits = evaluate(build.finish({"y": word}), X).astype(int)
        assert np.array_equal(numbers(bits, signed), truth)


@pytest.mark.parametrize("signed", [False, True])
def test_comparisons_with_every_constant_take_a_gate_a_bit(signed):
    build, (a,), X = words(4)
    (u,) = values((4,), X, signed)
    for constant in range(-8, 8) if signed else range(16):
        build = Builder(build.inputs)
        c = constant_word(constant, 4)
        for answer, truth in [
            (less(build, a, c, signed=signed), u < constant),
            (less_equal(build, a, c, signed=signed), u <= constant),
            (less_equal(build, c, a, signed=signed), u >= constant),
            (equal(build, a, c), u == constant),
        ]:
            assert np.array_equal(evaluate(build.finish({"y": answer}), X)[:, 0], truth)
        assert build.gates <= 4 * 3


@pytest.mark.parametrize("width", WIDTHS)
def test_relu_is_one_gate_a_bit(width):
    build, (a,), X = words(width)
    (u,) = values((width,), X, signed=True)
    word = relu(build, a)
    assert build.gates == width - 1
    assert word[-1] == 0
    assert np.array_equal(run(build, word, X, signed=True), np.maximum(u, 0))


@pytest.mark.parametrize("n", range(1, 10))
def test_popcount(n):
    build, (a,), X = words(n)
    word = popcount(build, a)
    assert word.shape == (n.bit_length(),)
    assert np.array_equal(run(build, word, X, signed=False), X.sum(axis=1))
    assert int(all_of(Builder([]), np.zeros(0, np.uint32))) == 1
    build = Builder(build.inputs)
    assert np.array_equal(run(build, all_of(build, a)[None], X, signed=False) == 1, X.all(axis=1))


def test_popcount_of_nothing_is_the_empty_word():
    assert popcount(Builder([]), np.zeros((3, 0), np.uint32)).shape == (3, 0)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_argmax_names_the_first_of_the_largest(n, signed):
    widths = (2,) * n
    build, parts, X = words(*widths)
    V = np.stack(values(widths, X, signed), axis=1)
    place, largest = argmax(build, np.stack(parts), signed=signed)
    circuit = build.finish({"place": place, "largest": largest})
    bits = evaluate(circuit, X).astype(int)
    assert np.array_equal(numbers(bits[:, :-2], signed=False), V.argmax(axis=1))
    assert np.array_equal(numbers(bits[:, -2:], signed), V.max(axis=1))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (2, 4), (4, 3), (4, 4)])
def test_array_multiplier(shape, signed):
    build, (a, b), X = words(*shape)
    u, v = values(shape, X, signed)
    product = multiply(build, a, b, signed=signed)
    assert product.shape == (sum(shape),)
    bits = evaluate(build.finish({"y": product}), X).astype(int)
    assert np.array_equal(numbers(bits, signed), u * v)


@pytest.mark.parametrize("times", [multiple, array_multiple], ids=["shift-add", "array"])
@pytest.mark.parametrize("pixel", [False, True], ids=["signed", "pixel"])
def test_every_8_bit_constant(times, pixel):
    for constant in [*range(-128, 129, 5), -127, -1, 0, 1, 2, 127, 128]:
        build, (a,), X = words(4)
        word = extend(a, 7, signed=False) if pixel else a
        (u,) = values((4,), X, signed=not pixel)
        product = times(build, word, constant)
        assert np.array_equal(run(build, product, X, signed=True), u * constant), constant


def test_adders_are_the_fewest():
    """Against sets of all that can be made, adder by adder: no plan is shorter."""

    def odd(n):
        while n and n % 2 == 0:
            n //= 2
        return n

    made, states = {1: 0}, {frozenset([1])}
    for depth in (1, 2):
        after = set()
        for terms in states:
            sums = {
                odd(abs((x << i) + s * y)) for x in terms for y in terms for i in range(9) for s in (1, -1)
            }
            for c in sums - {0}:
                if c < 512:
                    made.setdefault(c, depth)
                    after.add(terms | {c})
        states = after
    for constant in range(1, 256, 2):
        plan = adders(constant)
        assert len(plan) == made.get(constant, 3), constant
        terms = [1]
        for step in plan:
            left, right = terms[step.a] << step.i, terms[step.b] << step.j
            terms.append(left - right if step.minus else left + right)
            assert terms[-1] == step.made
        assert terms[-1] == constant


@given(st.integers(0, 2**24))
@settings(max_examples=25, deadline=None)
def test_plans_make_their_constant(number):
    constant = 2 * number + 1
    plan = adders(constant)
    assert (plan[-1].made if plan else 1) == constant


@given(st.data(), st.integers(5, 20), st.integers(5, 20))
@settings(max_examples=20, deadline=None)
def test_wide_words(data, v, w):
    a, b = Builder([]), Builder([])
    x = data.draw(st.integers(-(1 << (v - 1)), (1 << (v - 1)) - 1))
    y = data.draw(st.integers(-(1 << (w - 1)), (1 << (w - 1)) - 1))
    constants = constant_word(x, v), constant_word(y, w)
    assert numbers(multiply(a, *constants, signed=True).astype(int), signed=True) == x * y
    build = Builder([f"x{i}" for i in range(v)])
    circuit = build.finish({"y": multiple(build, build.literals, y)})
    bits = evaluate(circuit, constants[0][None].astype(bool)).astype(int)
    assert numbers(bits, signed=True) == x * y
    wide = [extend(c, 24, signed=True) for c in constants]
    assert numbers(subtract(b, *wide).astype(int), signed=True) == x - y
    assert numbers(saturating_add(b, *wide).astype(int), signed=True) == x + y
    assert b.gates == 0


def test_a_batch_is_built_as_one_by_one():
    build = Builder([f"x{i}" for i in range(24)])
    rows = build.literals.reshape(3, 2, 4)
    together = add(build, rows[:, 0], rows[:, 1])
    X = np.random.default_rng(0).random((50, 24)) < 0.5
    got = evaluate(build.finish({"y": together.ravel()}), X)
    for k in range(3):
        alone = Builder(build.inputs)
        word = add(alone, rows[k, 0], rows[k, 1])
        assert np.array_equal(evaluate(alone.finish({"y": word}), X), got[:, 4 * k : 4 * k + 4])


def test_nothing_times_a_constant_is_nothing():
    for times in (multiple, array_multiple):
        build = Builder([])
        for constant in (-3, 0, 5):
            assert numbers(
                times(build, constant_word([0, 0], 4), constant).astype(int), signed=True
            ).tolist() == [
                0,
                0,
            ]


def test_shifts_and_widths():
    assert shift_left(constant_word(3, 2), 2).tolist() == [0, 0, 1, 1]
    assert extend(constant_word(-1, 3), 2, signed=True).tolist() == [1, 1]
    with pytest.raises(InputError, match=r"same width. Got 2 and 3 bits"):
        add(Builder([]), constant_word(0, 2), constant_word(0, 3))
    with pytest.raises(InputError, match=r"odd and at least 1. Got 6"):
        adders(6)
