"""Closed forms of deep linear flow against finite differences, simulation and integrals."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.dynamics import (
    Completion,
    FactorRun,
    balanced_factors,
    complete_matrix,
    descend_factors,
    effective_rank,
    end_to_end_flow,
    end_to_end_velocity,
    factor_gradients,
    imbalance,
    mode_curve,
    mode_time,
    mode_velocity,
    product,
    tied_velocity,
)
from rote.errors import InputError

depths = pytest.mark.parametrize("depth", [1, 2, 3, 4])


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def symmetric(seed, d=4):
    A = drawn(seed, d, d)
    return (A + A.T) / 2


@depths
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 2), (1, 4)])
def test_balanced_factors_are_balanced_and_multiply_to_the_matrix(depth, shape):
    W = drawn(0, *shape)
    factors = balanced_factors(W, depth)
    np.testing.assert_allclose(product(factors), W, atol=1e-12)
    np.testing.assert_allclose(imbalance(factors), np.zeros(depth - 1), atol=1e-12)


@depths
def test_gradients_of_factors_are_those_of_autograd(depth):
    widths = [3, 4, 2, 5, 4][: depth + 1]
    factors = [torch.tensor(drawn(j, b, a), requires_grad=True) for j, (a, b) in enumerate(pairwise(widths))]
    target = torch.tensor(drawn(9, widths[-1], 3))
    W = factors[0]
    for factor in factors[1:]:
        W = factor @ W
    (0.5 * ((W - target) ** 2).sum()).backward()
    found = factor_gradients(factors, (W - target).detach())
    for factor, gradient in zip(factors, found, strict=True):
        np.testing.assert_allclose(gradient, factor.grad, atol=1e-12)


@depths
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 2)])
def test_the_end_to_end_velocity_is_that_of_the_factors(depth, shape):
    """A small step on balanced factors moves their product by the closed form."""
    W, G = drawn(1, *shape), drawn(2, *shape)
    factors = balanced_factors(W, depth)
    step = 1e-6
    ahead, behind = (
        product([f - sign * step * g for f, g in zip(factors, factor_gradients(factors, G), strict=True)])
        for sign in (1, -1)
    )
    np.testing.assert_allclose((ahead - behind) / (2 * step), end_to_end_velocity(W, G, depth), atol=1e-7)


def test_depth_one_is_the_plain_flow_and_a_zero_matrix_does_not_move_when_deep():
    G = drawn(3, 3, 4)
    np.testing.assert_allclose(end_to_end_velocity(drawn(4, 3, 4), G, 1), -G)
    np.testing.assert_allclose(end_to_end_velocity(np.zeros((3, 4)), G, 2), 0)


@depths
def test_of_one_output_depth_speeds_up_the_direction_it_has(depth):
    """-‖w‖^(2 - 2/N) (g + (N - 1) P g), P onto w."""
    w, g = drawn(15, 1, 5), drawn(16, 1, 5)
    P = w.T @ w / (w @ w.T)
    expected = -(np.linalg.norm(w) ** (2 - 2 / depth)) * (g + (depth - 1) * g @ P)
    np.testing.assert_allclose(end_to_end_velocity(w, g, depth), expected, atol=1e-7)


@depths
def test_the_tied_velocity_is_that_of_the_power(depth):
    A, G = symmetric(5), symmetric(6)
    move = sum(
        np.linalg.matrix_power(A, j) @ G @ np.linalg.matrix_power(A, depth - 1 - j) for j in range(depth)
    )
    step = 1e-6
    ahead, behind = (np.linalg.matrix_power(A - sign * step * move, depth) for sign in (1, -1))
    found = tied_velocity(A, G, depth)
    np.testing.assert_allclose((ahead - behind) / (2 * step), found, atol=1e-5 * np.abs(found).max())


def test_the_tied_velocity_of_two_factors_in_its_own_words():
    A, G = symmetric(7), symmetric(8)
    np.testing.assert_allclose(tied_velocity(A, G, 2), -(A @ A @ G + 2 * A @ G @ A + G @ A @ A), atol=1e-12)


@depths
def test_the_prefactor_is_n_squared_when_tied_and_n_when_not(depth):
    """Where A and G commute, both are the mode's own law."""
    a, g = np.array([0.5, 1.2]), np.array([1.0, -2.0])
    b = a**depth
    untied = np.diag(end_to_end_velocity(np.diag(b), np.diag(g), depth))
    tied = np.diag(tied_velocity(np.diag(a), np.diag(g), depth))
    np.testing.assert_allclose(untied, -depth * b ** (2 - 2 / depth) * g)
    np.testing.assert_allclose(tied, depth * untied)
    np.testing.assert_allclose(mode_velocity(b, g, depth), untied)
    np.testing.assert_allclose(mode_velocity(b, g, depth, tied=True), tied)


@depths
def test_singular_values_move_by_their_projection(depth):
    W, G = drawn(9, 4, 3), drawn(10, 4, 3)
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    step = 1e-6
    velocity = end_to_end_velocity(W, G, depth)
    ahead, behind = (np.linalg.svd(W + sign * step * velocity, compute_uv=False) for sign in (1, -1))
    expected = mode_velocity(s, np.einsum("pr,pq,rq->r", U, G, Vt), depth)
    np.testing.assert_allclose((ahead - behind) / (2 * step), expected, atol=7e-5)


@depths
def test_small_steps_on_factors_follow_the_flow(depth):
    target = np.diag([2.0, 1.0, 0.5])
    W0 = 0.3 * np.eye(3) + 0.05 * drawn(11, 3, 3)
    run = descend_factors(balanced_factors(W0, depth), lambda W: W - target, rate=1e-3, steps=1000, every=500)
    path = end_to_end_flow(W0, lambda W: W - target, depth, [0, 0.5, 1])
    np.testing.assert_allclose(run.products, path, atol=5e-3)
    assert run.steps.tolist() == [0, 500, 1000]
    assert run.imbalances.max(initial=0) < 5e-3
    assert np.array_equal(product(run.factors), run.products[-1])
    assert repr(run) == f"FactorRun(factors={depth}, steps=1000, looks=3)"
    assert isinstance(run, FactorRun)


@depths
def test_the_plain_flow_has_a_closed_form(depth):
    """From multiples of the target's own directions every mode goes on its own."""
    target, times = np.diag([2.0, 1.0]), [0, 1, 4]
    path = end_to_end_flow(0.1 * np.eye(2), lambda W: W - target, depth, times)
    for mode, goal in enumerate((2.0, 1.0)):
        np.testing.assert_allclose(path[:, mode, mode], mode_curve(0.1, goal, depth, times), atol=1e-6)
    if depth == 1:
        np.testing.assert_allclose(path[:, 0, 0], 2 - 1.9 * np.exp(-np.array(times)), atol=1e-6)


@depths
def test_tied_factors_follow_the_tied_modes(depth):
    start = np.diag([0.6, 0.4])
    run = descend_factors(
        [start] * depth, lambda B: B - np.eye(2), rate=5e-4, steps=1000, every=1000, tied=True
    )
    for mode, a in enumerate((0.6, 0.4)):
        curve = mode_curve(a**depth, 1, depth, [0, 0.5], tied=True)
        np.testing.assert_allclose(run.products[:, mode, mode], curve, atol=2e-3)
    assert run.imbalances.shape == (2, 0)
    assert all(np.array_equal(factor, run.factors[0]) for factor in run.factors)


def test_imbalance_drifts_with_the_square_of_the_step():
    target = drawn(12, 3, 3)
    drift = [
        descend_factors(
            balanced_factors(0.3 * np.eye(3), 2), lambda W: W - target, rate=rate, steps=round(1 / rate)
        ).imbalances[-1, 0]
        for rate in (0.02, 0.01)
    ]
    assert drift[0] / drift[1] == pytest.approx(2, rel=0.2)  # as many more steps, each with a quarter
    assert drift[0] > 1e-3


@pytest.mark.parametrize(
    ("depth", "times"),
    [(1, (0.69, 0.69, 0.69)), (2, (3.47, 6.24, 11.06)), (3, (9.19, 17.9, 34.6)), (4, (15.6, 30.9, 60.9))],
)
def test_half_times(depth, times):
    """From 1e-3 to half of 1, ½ and ¼: one after the other, and the deeper the further apart."""
    found = [mode_time(1e-3, target, depth) for target in (1, 0.5, 0.25)]
    np.testing.assert_allclose(found, times, rtol=7e-3)


@settings(deadline=None, max_examples=20)
@given(start=st.floats(1e-4, 0.2), target=st.floats(0.5, 2), share=st.floats(0.45, 0.9))
def test_times_of_one_and_two_factors_have_closed_forms(start, target, share):
    s = share * target
    one = np.log((target - start) / (target - s))
    two = np.log(s * (target - start) / (start * (target - s))) / (2 * target)
    assert mode_time(start, target, 1, share=share) == pytest.approx(one)
    assert mode_time(start, target, 2, share=share) == pytest.approx(two)
    assert mode_time(start, target, 2, share=share, tied=True) == pytest.approx(two / 2)


@depths
def test_a_curve_is_at_half_at_its_half_time(depth):
    time = mode_time(0.01, 0.8, depth)
    assert mode_curve(0.01, 0.8, depth, [0, time])[1] == pytest.approx(0.4, rel=1e-5)
    assert mode_curve(2.0, 0.8, depth, [0, 200])[1] == pytest.approx(0.8)  # from above too


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_effective_rank_of_equal_singular_values(rank):
    Q = np.linalg.qr(drawn(13, 6, 6))[0]
    assert effective_rank(3 * Q[:, :rank] @ Q[:rank]) == pytest.approx(rank)
    assert effective_rank(np.zeros((2, 3))) == 0


def of_rank_one(d, share, seed=0):
    rng = np.random.default_rng(seed)
    M = np.outer(rng.standard_normal(d), rng.standard_normal(d))
    return M * d / np.linalg.norm(M), rng.random((d, d)) < share


def test_deeper_factorisations_find_lower_rank():
    M, seen = of_rank_one(12, 0.5)
    runs = [
        complete_matrix(M, seen, depth=depth, rate=rate, tolerance=0.02)
        for depth, rate in ((1, 0.2), (2, 0.03), (3, 0.02))
    ]
    assert all(run.converged and run.seen[-1] < 0.02 for run in runs)
    ranks = [run.effective_rank[-1] for run in runs]
    errors = [run.unseen[-1] for run in runs]
    assert ranks == sorted(ranks, reverse=True)
    assert errors == sorted(errors, reverse=True)
    assert ranks[0] > 4
    assert ranks[2] < 1.5
    assert errors[0] > 0.8
    assert errors[2] < 0.3
    assert runs[1].nuclear_norm[-1] == pytest.approx(np.linalg.norm(runs[1].matrix, "nuc"))
    assert runs[2].imbalances.shape == (len(runs[2].steps), 2)
    assert repr(runs[0]).startswith("Completion(depth=1, steps=")
    assert isinstance(runs[0], Completion)


def test_depth_one_leaves_the_unseen_entries_as_they_were():
    M, seen = of_rank_one(6, 0.5)
    before = complete_matrix(M, seen, depth=1, rate=0.5, steps=1, tolerance=1e-9, start=0.3).matrix
    after = complete_matrix(M, seen, depth=1, rate=0.5, start=0.3).matrix
    assert np.array_equal(before[~seen], after[~seen])
    np.testing.assert_allclose(after[seen], M[seen], atol=1e-2)


def test_a_matrix_seen_whole_is_fitted_and_other_shapes_will_do():
    M = drawn(14, 3, 5)
    run = complete_matrix(M, np.ones((3, 5), bool), depth=2, rate=0.05)
    np.testing.assert_allclose(run.matrix, M, atol=0.01)
    assert run.converged
    assert np.isnan(run.unseen).all()
    short = complete_matrix(M, np.ones((3, 5), bool), depth=2, rate=0.05, steps=3)
    assert not short.converged
    assert short.steps.tolist() == [0, 1, 2, 3]


def test_hostile_input_is_refused():
    W = np.eye(2)
    for call, message in [
        (lambda: product([]), "at least one matrix"),
        (lambda: product([np.ones((2, 3)), np.ones((2, 3))]), r"factors\[0\] of shape \(2, 3\) under"),
        (lambda: factor_gradients([W], np.ones((1, 2))), "shape of the product"),
        (lambda: balanced_factors(W, 0), "at least 1 factor"),
        (lambda: end_to_end_velocity(W, np.ones((1, 2)), 2), r"must have shape \(2, 2\)"),
        (lambda: tied_velocity(np.triu(np.ones((2, 2))), W, 2), "`A` must be symmetric"),
        (lambda: tied_velocity(W, np.triu(np.ones((2, 2))), 2), "`gradient` must be symmetric"),
        (lambda: end_to_end_flow(W, lambda W: W, 2, [1, 0]), "must rise"),
        (lambda: descend_factors([W, 2 * W], lambda W: W, rate=1, steps=1, tied=True), "They differ"),
        (lambda: descend_factors([W], lambda W: W, rate=1, steps=1, every=0), "`every`"),
        (lambda: descend_factors([W], lambda W: W, rate=1e5, steps=9), "at which step 3 blew up"),
        (lambda: mode_velocity([-1], [1], 2), "0 or more"),
        (lambda: mode_curve(0, 1, 2, [0, 1]), "`start` and `target`"),
        (lambda: mode_time(0.5, 1, 2), "between start/target = 0.5 and 1"),
        (lambda: complete_matrix(W, W == 5, depth=1, rate=1), "some of them true"),
        (lambda: complete_matrix(W, W > 0, depth=2, rate=1, start=0), "above 0"),
        (lambda: complete_matrix(9 * W, W > 0, depth=2, rate=1), "blew up"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
