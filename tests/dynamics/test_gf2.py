"""Elimination over GF(2): every assignment, planted answers, proofs, noise."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oracles.gf2 import solutions
from rote._native import _loops, gf2_echelon, pack_bits
from rote.dynamics import full_rank_probability, solve_gf2
from rote.errors import InputError

small = st.tuples(st.integers(0, 8), st.integers(0, 7)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape[0]))
)


def planted(m, n, *, seed=0, share=0.5):
    rng = np.random.default_rng(seed)
    A, x = rng.random((m, n)) < share, rng.random(n) < 0.5
    return A, x, (A.astype(int) @ x) % 2


@given(small)
def test_it_answers_as_trying_everything_does(system):
    A, b = system
    found, every = solve_gf2(A, b), solutions(A, b)
    if not len(every):
        assert found.kind == "inconsistent"
        rows = found.certificate
        assert not (A[rows].sum(0) % 2).any()
        assert b[rows].sum() % 2 == 1
        assert found.violated == np.sum((A.astype(int) @ found.x) % 2 != b) > 0
        return
    assert found.violated == len(found.certificate) == 0
    assert len(every) == 1 << found.free
    assert found.kind == ("unique" if len(every) == 1 else "underdetermined")
    assert any((found.x == x).all() for x in every)
    basis = found.null_space()
    assert basis.shape == (found.free, A.shape[1])
    combinations = np.array(list(np.ndindex(*[2] * found.free)), int).reshape(len(every), found.free)
    spanned = (found.x + combinations @ basis) % 2
    assert {tuple(x) for x in spanned} == {tuple(x) for x in every}


@pytest.mark.parametrize(("m", "n"), [(70, 60), (64, 64), (140, 130), (300, 257), (1100, 1024)])
def test_a_planted_answer_is_found(m, n):
    A, x, b = planted(m, n, seed=n)
    found = solve_gf2(A, b)
    every = solve_gf2(pack_bits(A), b, unknowns=n)
    assert np.array_equal((A.astype(int) @ found.x) % 2, b)
    assert np.array_equal(every.x, found.x)
    if m > n:
        assert found.kind == "unique"
        assert np.array_equal(found.x, x)
        assert str(found) == f"one solution: {m} equations of rank {n} in {n} unknowns"


def test_many_solutions():
    A, _, b = planted(50, 200)
    found = solve_gf2(A, b)
    assert (found.kind, found.rank, found.free) == ("underdetermined", 50, 150)
    basis = found.null_space()
    assert not ((A.astype(int) @ basis.T) % 2).any()
    assert solve_gf2(basis, np.zeros(150, int)).rank == 150
    assert (
        str(found)
        == "2^150 solutions: 50 equations of rank 50 in 200 unknowns; in `x` the 150 free ones are 0"
    )


def test_one_wrong_side_is_proved():
    A, _, b = planted(150, 100, seed=3)
    b[7] ^= 1
    found = solve_gf2(A, b)
    assert found.kind == "inconsistent"
    assert not (A[found.certificate].sum(0) % 2).any()
    assert b[found.certificate].sum() % 2 == 1
    assert 7 in found.certificate  # without it there is no contradiction
    assert "fails" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["kind"] == "inconsistent"


def test_noise_defeats_one_try_and_some_tries_find_the_answer():
    A, x, b = planted(400, 20, seed=5)
    wrong = np.random.default_rng(1).random(400) < 0.05
    wrong[:20] |= np.arange(20) == 3
    once = solve_gf2(A, b ^ wrong)
    assert once.violated > 150
    assert str(once).endswith("no fewer than a guess might")
    often = solve_gf2(A, b ^ wrong, tries=30)  # each succeeds with probability 0.95^20 = 0.36
    assert np.array_equal(often.x, x)
    assert often.violated == wrong.sum()
    assert str(often).endswith("it may be the answer, and those the wrong ones")
    assert np.array_equal(often.x, solve_gf2(A, b ^ wrong, tries=30).x)


def test_without_the_extension(monkeypatch):
    A, _, b = planted(90, 70, seed=9)
    first, wrong = solve_gf2(A, b), solve_gf2(A, b ^ (np.arange(90) == 4), tries=3)
    monkeypatch.setattr(_loops, "_extension", None)
    for found, twin in ((first, solve_gf2(A, b)), (wrong, solve_gf2(A, b ^ (np.arange(90) == 4), tries=3))):
        assert twin.to_dict() == found.to_dict()


def test_systems_of_nothing():
    assert str(solve_gf2(np.zeros((0, 3), int), [])).startswith("8 solutions: 0 equations")
    assert solve_gf2(np.zeros((0, 0), int), []).kind == "unique"
    found = solve_gf2(np.zeros((2, 0), int), [0, 1])
    assert (found.kind, found.certificate.tolist(), found.violated) == ("inconsistent", [1], 1)


@pytest.mark.parametrize(("more", "p"), [(0, 0.289), (1, 0.578), (2, 0.770), (5, 0.969), (10, 0.999)])
def test_how_often_the_rank_is_full(more, p):
    assert full_rank_probability(60 + more, 60) == pytest.approx(p, abs=5e-4)
    rng = np.random.default_rng(more)
    full = np.mean(
        [
            len(gf2_echelon(rng.integers(0, 2**60, (60 + more, 1), np.uint64), columns=60)[1]) == 60
            for _ in range(150)
        ]
    )
    assert abs(full - p) < 4 * np.sqrt(p * (1 - p) / 150) + 1e-3


def test_equations_needed_on_average():
    mean = 100 + sum(1 - full_rank_probability(m, 100) for m in range(100, 200))
    assert mean == pytest.approx(101.61, abs=0.005)
    assert full_rank_probability(99, 100) == 0
    assert full_rank_probability(5000, 0) == 1
    with pytest.raises(InputError, match="`m` and `n` must be at least 0"):
        full_rank_probability(-1, 0)


@pytest.mark.parametrize(
    ("A", "b", "options", "said"),
    [
        ([[0, 2]], [0], {}, "`A` must be 0 and 1. Got 0 to 2"),
        ([[0, -1]], [0], {}, "`A` must be 0 and 1. Got -1 to 0"),
        ([[0.5, 1]], [0], {}, "`A` must be 0 and 1, whole numbers or bool"),
        ([0, 1], [0], {}, r"of shape \[m, n\]. Got int64 of shape \(2,\)"),
        ([[0, 1]], [[0]], {}, r"`b` must be .* of shape \[m\]"),
        ([[0, 1]], [3], {}, "`b` must be 0 and 1. Got 3 to 3"),
        ([[0, 1]], [0, 1], {}, "equally many rows. Got 1 and 2"),
        ([[0, 1]], [0], {"tries": 0}, "`tries` must be at least 1"),
        ([[0, 1]], [0], {"threads": 0}, "`threads` must be at least 1"),
        ([[0, 1]], [0], {"unknowns": 65}, "packed rows of uint64, 2 words each"),
        (np.array([[4]], np.uint64), [0], {"unknowns": 2}, "0 beyond its 2 `unknowns`"),
    ],
)
def test_what_is_no_system_is_refused(A, b, options, said):
    with pytest.raises(InputError, match=said):
        solve_gf2(A, b, **options)
