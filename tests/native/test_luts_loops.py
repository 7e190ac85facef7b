"""The loops of lookup tables agree with their twins, and these with the definition, on awkward shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote._native import _loops, _lut_twins, lut_counts, lut_outputs, pack_bits, pack_columns
from rote.errors import InputError

ISAS = _loops._extension.instruction_sets() if _loops._extension else []
SHAPES = [
    (1, 1, 1),
    (5, 3, 2),
    (63, 20, 8),
    (64, 9, 1),
    (65, 9, 3),
    (513, 40, 7),
    (1030, 30, 9),
    (700, 30, 16),
]
every_isa = pytest.mark.parametrize("isa", ["", *ISAS])


def made(m, n, k, luts=5):
    rng = np.random.default_rng(m + n + k)
    X = rng.random((m, n)) < 0.4
    fanins = rng.integers(0, n, (luts, k), np.int32)
    tables = rng.random((luts, 1 << k)) < 0.5
    return X, fanins, tables, rng.integers(0, 1000, m, np.uint32)


def by_hand(X, fanins):
    """The pattern of each example at each lut, as Python numbers."""
    return [
        [sum(int(row[i]) << j for j, i in enumerate(lut)) for row in X.tolist()] for lut in fanins.tolist()
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twins_are_the_definition(shape):
    X, fanins, tables, weights = made(*shape)
    bits, m, k = pack_bits(np.ascontiguousarray(X.T)), len(X), fanins.shape[1]
    np.testing.assert_array_equal(_lut_twins.pack_columns(X.view(np.uint8)), bits)
    counts = _lut_twins.lut_counts(bits, fanins, m, np.empty(0, np.uint32))
    weighed = _lut_twins.lut_counts(bits, fanins, m, weights)
    out = _lut_twins.lut_outputs(bits, fanins, m, pack_bits(tables))
    for lut, patterns in enumerate(by_hand(X, fanins)):
        want, heavy = [0] * (1 << k), [0] * (1 << k)
        for example, pattern in enumerate(patterns):
            want[pattern] += 1
            heavy[pattern] += int(weights[example])
        assert counts[lut].tolist() == want
        assert weighed[lut].tolist() == heavy
        np.testing.assert_array_equal(out[lut], pack_bits(tables[lut][patterns][None])[0])


@every_isa
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [*SHAPES, (900, 30, 17), (2049, 5, 10), (2049, 20, 11)], ids=str)
def test_every_instruction_set_agrees_with_the_twins(shape, isa, threads):
    X, fanins, tables, weights = made(*shape)
    m, how = len(X), {"threads": threads, "isa": isa}
    bits = pack_columns(X, **how)
    np.testing.assert_array_equal(bits, pack_bits(np.ascontiguousarray(X.T)))
    for given_weights in (None, weights):
        np.testing.assert_array_equal(
            lut_counts(bits, fanins, m=m, weights=given_weights, **how),
            _lut_twins.lut_counts(
                bits, fanins, m, np.empty(0, np.uint32) if given_weights is None else weights
            ),
        )
    if shape[2] <= 16:
        packed = pack_bits(tables)
        out = lut_outputs(bits, fanins, packed, m=m, **how)
        np.testing.assert_array_equal(out, _lut_twins.lut_outputs(bits, fanins, m, packed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 700), st.integers(1, 12), st.integers(1, 12), st.integers(0, 4), st.integers(1, 3))
def test_any_shape_agrees(m, n, k, luts, threads):
    X, fanins, tables, _ = made(m, n, k, luts)
    bits = pack_columns(X, threads=threads)
    none = np.empty(0, np.uint32)
    counts = lut_counts(bits, fanins, m=m, threads=threads)
    np.testing.assert_array_equal(counts, _lut_twins.lut_counts(bits, fanins, m, none))
    assert (counts.sum(axis=1) == m).all()
    np.testing.assert_array_equal(
        lut_outputs(bits, fanins, pack_bits(tables), m=m, threads=threads),
        _lut_twins.lut_outputs(bits, fanins, m, pack_bits(tables)),
    )


def test_any_byte_but_zero_is_a_one():
    x = np.array([[0, 1, 2], [255, 0, 128]], np.uint8)
    assert pack_columns(x).tolist() == [[2], [1], [3]]
    assert pack_columns(np.asfortranarray(x)).tolist() == [[2], [1], [3]]


BITS, FANINS = np.zeros((3, 2), np.uint64), np.zeros((1, 2), np.int32)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: pack_columns(np.zeros(3, bool)), "`x` must be a matrix"),
        (lambda: pack_columns(np.zeros((3, 2))), "Got float64 of shape"),
        (lambda: pack_columns(np.zeros((3, 2), bool), threads=0), "`threads` must be at least 1"),
        (lambda: lut_counts(BITS, FANINS, m=200), "matrix of 4 words for 200 examples"),
        (lambda: lut_counts(BITS, FANINS + 3, m=100), "must name rows 0 to 2 of `bits`. Got 3 to 3"),
        (lambda: lut_counts(BITS, FANINS - 1, m=100), "Got -1 to -1"),
        (lambda: lut_counts(BITS, FANINS.astype(np.int64), m=100), "int32 matrix"),
        (lambda: lut_counts(BITS, np.zeros((1, 25), np.int32), m=100), "k between 1 and 24"),
        (lambda: lut_counts(BITS, FANINS, m=100, weights=np.ones(100)), "100 numbers of uint32"),
        (lambda: lut_counts(BITS, FANINS, m=100, threads=0), "`threads` must be at least 1"),
        (lambda: lut_outputs(BITS, np.zeros((1, 17), np.int32), BITS, m=100), "k between 1 and 16"),
        (lambda: lut_outputs(BITS, FANINS, BITS, m=100), "`tables` must be a uint64 matrix"),
    ],
)
def test_bad_arguments_to_the_loops_of_tables(call, said):
    with pytest.raises(InputError, match=said):
        call()
