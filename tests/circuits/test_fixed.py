"""Fixed-point layers in numbers, against one multiply-add at a time in plain Python."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.circuits.compile import FixedPoint
from rote.circuits.compile._fixed import multiply_add
from rote.errors import InputError

SMALL = FixedPoint(weights=4, activations=5, fraction=2, accumulator=9)


def by_hand(x, weights, bias, form):
    """One example, one neuron, one product at a time; Python's integers never overflow."""

    def clip(value, bits):
        return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, value))

    def wrap(value, bits):
        value %= 2**bits
        return value - 2**bits if value >= 2 ** (bits - 1) else value

    keep = clip if form.saturating else wrap
    out = []
    for row in x:
        out.append([])
        for ws, b in zip(weights, bias, strict=True):
            total = b
            for w, value in zip(ws, row, strict=True):
                total = keep(total + w * value, form.accumulator)
            out[-1].append(clip(total >> form.fraction, form.activations))
    return np.array(out).reshape(len(x), len(weights))


@st.composite
def layers(draw):
    tiny = FixedPoint(weights=3, activations=3, fraction=1, accumulator=6)
    form = replace(draw(st.sampled_from([SMALL, tiny])), saturating=draw(st.booleans()))
    m, n, steps = draw(st.integers(0, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 12))

    def numbers(shape, bits):
        seed = draw(st.integers(0, 2**32))
        return np.random.default_rng(seed).integers(-(1 << (bits - 1)), 1 << (bits - 1), shape)

    x = numbers((m, steps), form.activations)
    if draw(st.booleans()):
        x = np.maximum(x, 0)
    return x, numbers((n, steps), form.weights), numbers(n, form.accumulator), form


@given(layers())
@settings(max_examples=100, deadline=None)
def test_multiply_add_is_one_after_another(layer):
    x, weights, bias, form = layer
    got = multiply_add(*(np.asarray(part, np.int64) for part in (x, weights, bias)), form)
    assert got.dtype == np.int64
    assert np.array_equal(got, by_hand(x.tolist(), weights.tolist(), bias.tolist(), form))


def test_saturation_forgets_what_a_sum_would_remember():
    """Up against the top, then down: the excess is lost. Without saturation it is not."""
    x = np.full((1, 64), 2**15 - 1)
    weights = np.array([[127] * 32 + [-128] * 32])
    bias = np.zeros(1, np.int64)
    top, low = 2**23 - 1, -(2**23)
    acc = top
    for _ in range(32):
        acc = max(low, acc - 128 * (2**15 - 1))
    (got,) = multiply_add(x, weights, bias, FixedPoint())[0]
    assert got == max(-(2**15), acc >> 6)
    (modulo,) = multiply_add(x, weights, bias, FixedPoint(saturating=False))[0]
    total = (-32 * (2**15 - 1) + 2**23) % 2**24 - 2**23
    assert modulo == max(-(2**15), total >> 6)
    assert got != modulo


def test_more_examples_than_are_taken_at_a_time():
    rng = np.random.default_rng(3)
    x = rng.integers(-(2**15), 2**15, (4100, 3))
    weights, bias = rng.integers(-128, 128, (2, 3)), rng.integers(-(2**23), 2**23, 2)
    got = multiply_add(x, weights, bias, FixedPoint())
    few = np.r_[0:5, 4090:4100]
    assert np.array_equal(got[few], by_hand(x[few].tolist(), weights.tolist(), bias.tolist(), FixedPoint()))


def test_weights_are_clamped_then_rounded():
    form = FixedPoint()
    given = [-2.5, -2.0, 0.0, 1.99, 2.0, 1 / 64, 0.4 / 64]
    assert form.quantised_weights(given).tolist() == [-128, -128, 0, 127, 127, 1, 0]
    assert form.quantised_bias([1.0, -1e9, 1e9]).tolist() == [4096, -(2**23), 2**23 - 1]
    assert FixedPoint(weights=12, fraction=9, accumulator=28).pixels(
        np.array([1, 255], np.uint8)
    ).tolist() == [2, 510]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": 1}, r"`weights` must be 2 to 16 bits. Got 1"),
        ({"activations": 25}, r"`activations` must be 2 to 24 bits. Got 25"),
        ({"accumulator": 49}, r"`accumulator` must be 4 to 48 bits. Got 49"),
        ({"fraction": 8}, r"`fraction` must be 0 to 7.*Got 8"),
        ({"fraction": -1}, r"Got -1"),
        ({"accumulator": 23}, r"must hold a product, 24 bits or more. Got 23"),
    ],
)
def test_formats_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        FixedPoint(**options)
