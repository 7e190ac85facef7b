"""The native loop agrees with its twin, and the twin with the definition, on awkward shapes."""

import subprocess
import sys

import numpy as np
import pytest

from rote._native import _loops, _twins, and_counts, pack_bits, status
from rote.errors import InputError

SHAPES = [(0, 3, 70), (3, 0, 70), (1, 1, 0), (1, 1, 1), (2, 5, 63), (5, 4, 64), (4, 7, 65), (3, 9, 129)]
LONG = [(2, 3, 64 * 63), (3, 5, 64 * 64 + 1), (2, 6, 64 * 127), (2, 5, 64 * 128), (3, 4, 64 * 203 + 17)]
ISAS = _loops._extension.instruction_sets() if _loops._extension else []


def patterns(a, b, m, *, share=0.5):
    rng = np.random.default_rng(a * 1000 + m)
    return rng.random((a, m)) < share, rng.random((b, m)) < share


def by_hand(x, y):
    """One pair of rows at a time, from the booleans."""
    return np.array([[int(np.sum(p & q)) for q in y] for p in x], np.int64).reshape(len(x), len(y))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES + LONG, ids=str)
def test_twin_is_the_definition(shape, share):
    x, y = patterns(*shape, share=share)
    np.testing.assert_array_equal(_twins.and_counts(pack_bits(x), pack_bits(y)), by_hand(x, y))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ["", *ISAS])
@pytest.mark.parametrize("shape", SHAPES + LONG, ids=str)
def test_every_instruction_set_agrees_with_the_twin(shape, isa, threads):
    for share in (0.3, 1.0):
        a, b = map(pack_bits, patterns(*shape, share=share))
        counts = and_counts(a, b, threads=threads, isa=isa)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, _twins.and_counts(a, b))


def test_tiles_beyond_the_cache_agree():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2**64, (rows, 150), np.uint64) for rows in (3, 401))
    np.testing.assert_array_equal(and_counts(a, b, threads=2), _twins.and_counts(a, b))


def test_rows_that_are_not_contiguous():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2**64, (6, 10), np.uint64)
    np.testing.assert_array_equal(
        and_counts(a[::2, ::2], a[:, ::2]), _twins.and_counts(a[::2, ::2].copy(), a[:, ::2].copy())
    )


@pytest.mark.parametrize("m", [0, 1, 63, 64, 65, 200])
def test_packing_puts_each_bit_in_its_place(m):
    x = np.random.default_rng(m).random((3, m)) < 0.5
    words = pack_bits(x)
    assert words.shape == (3, -(-m // 64))
    for i in range(m):
        np.testing.assert_array_equal((words[:, i // 64] >> np.uint64(i % 64)) & np.uint64(1), x[:, i])
    assert np.bitwise_count(words).sum() == x.sum()


@pytest.mark.parametrize(
    ("a", "b", "threads", "said"),
    [
        (np.zeros(3, np.uint64), np.zeros((1, 3), np.uint64), 1, "`a` must be a uint64 matrix"),
        (np.zeros((1, 3), np.uint64), np.zeros((1, 3), np.int64), 1, "`b` must be a uint64 matrix"),
        (np.zeros((1, 3), np.uint64), np.zeros((1, 4), np.uint64), 1, "equally many words. Got 3 and 4"),
        (np.zeros((1, 3), np.uint64), np.zeros((1, 3), np.uint64), 0, "`threads` must be at least 1"),
    ],
)
def test_bad_arguments(a, b, threads, said):
    with pytest.raises(InputError, match=said):
        and_counts(a, b, threads=threads)


@pytest.mark.parametrize("x", [np.zeros(3, bool), np.zeros((2, 3))])
def test_only_bool_matrices_are_packed(x):
    with pytest.raises(InputError, match="`patterns` must be a bool matrix"):
        pack_bits(x)


@pytest.mark.skipif(not ISAS, reason="the native core was not built")
def test_an_instruction_set_that_is_not_there():
    with pytest.raises(ValueError, match="has no neon9"):
        and_counts(np.zeros((1, 1), np.uint64), np.zeros((1, 1), np.uint64), isa="neon9")


@pytest.mark.skipif(not ISAS, reason="the native core was not built")
def test_status_names_the_best_instruction_set():
    assert status().on
    assert status().isa == ISAS[0]
    assert ISAS[-1] == "plain"


def test_it_can_be_switched_off(environment):
    code = (
        "import numpy as np; from rote._native import *; r = pack_bits(np.ones((1, 70), bool));"
        "print(status().on, status().why, and_counts(r, r).item())"
    )
    off = environment | {"ROTE_NATIVE": "off"}
    done = subprocess.run([sys.executable, "-c", code], env=off, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False ROTE_NATIVE=off is set 70"
