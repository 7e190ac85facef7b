"""Echelon forms over GF(2): the definition, and every instruction set beside the twin."""

import numpy as np
import pytest

from rote._native import _loops, gf2_echelon, pack_bits
from rote.errors import InputError

ISAS = _loops._extension.instruction_sets() if _loops._extension else []
SHAPES = [(10, 10, 0.5), (100, 70, 0.5), (65, 200, 0.5), (300, 300, 0.02), (90, 5000, 0.5), (400, 96, 0.004)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ["", *ISAS])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_instruction_set_agrees_with_the_twin(shape, isa, threads, monkeypatch):
    m, n, share = shape
    rows = pack_bits(np.random.default_rng(m).random((m, n)) < share)
    before = rows.copy()
    columns = n - 5  # so that some columns only go along
    found, leads = gf2_echelon(rows, columns=columns, isa=isa, threads=threads)
    assert np.array_equal(rows, before)
    monkeypatch.setattr(_loops, "_extension", None)
    twin, twins = gf2_echelon(rows, columns=columns)
    np.testing.assert_array_equal(found, twin)
    np.testing.assert_array_equal(leads, twins)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_an_echelon_form(shape):
    m, n, share = shape
    A = np.random.default_rng(m).random((m, n)) < share
    found, leads = gf2_echelon(pack_bits(A), columns=n)
    rows, rank = np.unpackbits(found.view(np.uint8), axis=1, count=n, bitorder="little"), len(leads)
    assert len(set(leads.tolist())) == rank
    assert not rows[rank:].any()
    for r, lead in enumerate(leads):
        assert rows[r, lead]
        assert not rows[r + 1 :, lead].any()
        assert not rows[r, : lead // 32 * 32].any()
        window = leads // 32 == lead // 32
        assert rows[np.flatnonzero(window), lead].sum() == 1
    # The same space: nothing is added to the rank by putting both on top of each other.
    both = np.concatenate([pack_bits(A), found])
    assert len(gf2_echelon(both, columns=n)[1]) == rank


@pytest.mark.parametrize("rows", [np.zeros((2, 2)), np.zeros(2, np.uint64), np.zeros((2, 1), np.uint64)])
def test_rows_that_cannot_be_eliminated(rows):
    with pytest.raises(InputError, match="`rows` must be a uint64 matrix of at least 65 columns"):
        gf2_echelon(rows, columns=65)
