"""Closed forms of coherence, its degenerate cases, and the additive statistics."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rote.errors import InputError
from rote.gradients import Coherence, LayerCoherence, Statistics, coherence


def rows_as_gradients(G):
    """Coherence of a linear model's examples whose gradients are exactly the rows of ``G``."""
    model = nn.Linear(G.shape[1], 1, bias=False)
    return coherence(model, lambda out, y: out.sum(), (G, torch.zeros(len(G))))


def test_orthonormal_gradients_have_m_coherence_one():
    c = rows_as_gradients(torch.linalg.qr(torch.randn(5, 5)).Q)
    assert c.m_coherence == pytest.approx(1, rel=1e-12)
    assert c.alpha_unbiased == pytest.approx(0, abs=1e-12)


def test_identical_gradients_have_m_coherence_m():
    c = rows_as_gradients(torch.tensor([[3.0, 4.0]]).repeat(4, 1))
    assert (c.m, c.alpha, c.m_coherence, c.alpha_unbiased, c.noise_scale) == (4, 1.0, 4.0, 1.0, 0.0)


def test_gradients_that_cancel_have_coherence_zero_and_infinite_noise_scale():
    c = rows_as_gradients(torch.tensor([[1.0, 2.0], [-1.0, -2.0]]))
    assert (c.alpha, c.m_coherence, c.alpha_unbiased, c.noise_scale) == (0.0, 0.0, -1.0, math.inf)


@pytest.mark.parametrize("factor", [1e-12, 2.0, -3.0, 1e15])
def test_scale_changes_nothing(factor):
    G = torch.randn(5, 3)
    a, b = rows_as_gradients(G), rows_as_gradients(factor * G)
    assert b.alpha_unbiased == pytest.approx(a.alpha_unbiased, rel=1e-10)


def test_fitted_examples_leave_m_coherence_alone():
    G = torch.randn(5, 3)
    a, b = rows_as_gradients(G), rows_as_gradients(torch.cat([G, torch.zeros(5, 3)]))
    assert b.m_coherence == pytest.approx(a.m_coherence, rel=1e-12)
    assert b.alpha == pytest.approx(a.alpha / 2, rel=1e-12)


def test_minibatch_identity_on_an_exact_distribution():
    """``α(W) = kα/(1+(k−1)α)`` for means of k draws, the distribution being all k-tuples of three vectors."""
    V, k = torch.randn(3, 4), 3
    index = torch.cartesian_prod(*[torch.arange(3)] * k)
    a, w = rows_as_gradients(V).alpha, rows_as_gradients(V[index].mean(1)).alpha
    assert w == pytest.approx(k * a / (1 + (k - 1) * a), rel=1e-10)


def test_zero_gradients_are_nan_with_a_reason():
    c = rows_as_gradients(torch.zeros(3, 2))
    assert math.isnan(c.alpha)
    assert math.isnan(c.noise_scale)
    assert "every example's gradient is zero" in repr(c)


def test_one_example_has_no_unbiased_coherence():
    c = rows_as_gradients(torch.ones(1, 2))
    assert (c.m, c.alpha) == (1, pytest.approx(1.0))
    assert math.isnan(c.alpha_unbiased)
    assert "one example" in c.note


def test_repr_shows_m_and_to_dict_is_json():
    c = rows_as_gradients(torch.tensor([[1.0, 2.0], [-1.0, -2.0]]))
    assert "m=2" in repr(c)
    record = json.loads(json.dumps(c.to_dict(), allow_nan=False))
    assert record["m"] == 2
    assert record["noise_scale"] is None
    assert record["squared_norms"] == pytest.approx([5, 5])
    assert record["layers"]["Linear"]["share"] == 1.0


sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@given(sizes, st.integers(0, 2**31))
def test_pooling_is_a_ratio_of_sums_in_any_order(batches, seed):
    rng = np.random.default_rng(seed)
    steps = []
    for m in batches:
        g = [rng.normal(size=(m, 3)) + 0.3, rng.normal(size=(m, 2))]
        s2, q = np.array([(a.sum(0) ** 2).sum() for a in g]), np.array([(a**2).sum() for a in g])
        steps.append(Statistics(("a", "b"), s2, q, m * q, 1, m, sum((a**2).sum(1) for a in g)))
    pooled = steps[0]
    for step in steps[1:]:
        pooled = step + pooled
    c = pooled.coherence()
    total_s2, total_q = (sum(getattr(s, k).sum() for s in steps) for k in ("s2", "q"))
    assert c.m_coherence == pytest.approx(total_s2 / total_q, rel=1e-12)
    assert c.alpha == pytest.approx(total_s2 / sum(s.mq.sum() for s in steps), rel=1e-12)
    assert sum(a.share * a.alpha for a in c.layers.values()) == pytest.approx(c.alpha, rel=1e-12)
    assert c.m * c.alpha == pytest.approx(c.m_coherence, rel=1e-9)
    assert min(batches) - 1e-9 <= c.m <= max(batches) + 1e-9
    assert c.steps == len(batches)


def test_statistics_of_different_models_do_not_add_up():
    one = Statistics(("a",), np.ones(1), np.ones(1), np.ones(1), 1, 1)
    other = Statistics(("b",), np.ones(1), np.ones(1), np.ones(1), 1, 1)
    with pytest.raises(InputError, match="same layers"):
        one + other


def test_diversity_is_the_inverse_of_m_coherence():
    G = torch.randn(5, 3)
    c = rows_as_gradients(G)
    expected = (G.square().sum() / G.sum(0).square().sum()).item()
    assert c.diversity == pytest.approx(expected, rel=1e-12)
    assert c.layers["Linear"].diversity == pytest.approx(expected, rel=1e-12)
    cancelled = Coherence(2, 1, 0.0, 0.0, -1.0, math.inf, None)
    assert cancelled.diversity == math.inf
    assert math.isnan(LayerCoherence(3, *[math.nan] * 5).diversity)


def test_the_way_of_a_layer_is_in_the_record():
    one = Statistics(("a", "b"), np.ones(2), np.ones(2), np.ones(2), 1, 1)
    c = one.coherence(ways={"a": "linear"}, left_out="1 of 2 steps left out: not finite")
    assert {name: layer.way for name, layer in c.layers.items()} == {"a": "linear", "b": ""}
    assert (
        c.note == "one example only: the unbiased coherence is undefined; 1 of 2 steps left out: not finite"
    )
    record = json.loads(json.dumps(c.to_dict(), allow_nan=False))
    assert record["layers"]["a"]["way"] == "linear"
    assert record["clip"] == 1.0


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_the_clip_of_several_steps_is_their_mean(clips):
    steps = [Statistics(("a",), np.ones(1), np.ones(1), np.full(1, 3.0), 1, 3, None, clip) for clip in clips]
    pooled = steps[0]
    for step in steps[1:]:
        pooled = pooled + step
    assert pooled.coherence().clip == pytest.approx(sum(clips) / len(clips), rel=1e-12)
