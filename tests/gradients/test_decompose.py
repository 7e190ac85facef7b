"""The split of a step between pristine and corrupt examples, and its null worlds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oracles import gradients as oracle
from oracles import statistics as slow
from oracles.awkward_models import ZOO
from rote.errors import InputError
from rote.gradients import DecompositionRecorder, Sampled, decompose, support
from rote.gradients._worlds import checked_mask, sums_in_worlds, two_sided, worlds

LOSS = nn.CrossEntropyLoss()
M = 8
CORRUPT = np.array([True, False, False, True, False, False, True, False])


def of_zoo(name):
    make, inputs, _ = ZOO[name]
    return make(), inputs(M), torch.arange(M) % 3


def naive(model, x, y):
    return torch.cat(list(oracle.gradient_matrix(model.eval(), LOSS, x, y).values()), 1)


@pytest.mark.parametrize("name", ["mlp", "conv2d", "tied functionally", "lstm", "embedding bag"])
def test_exact_over_all_parameters_and_examples(name):
    model, x, y = of_zoo(name)
    G = naive(model, x, y)
    d = decompose(model, LOSS, (x, y), CORRUPT, nulls=9, chunk_size=3)
    assert d.f_corrupt == pytest.approx(slow.fraction_of_corrupt(G, CORRUPT), rel=1e-9)
    assert d.f_pristine == pytest.approx(slow.fraction_of_corrupt(G, ~CORRUPT), rel=1e-9)
    products = (G @ G.sum(0)).numpy()
    np.testing.assert_allclose(d.products, products, rtol=1e-9, atol=1e-14)
    assert d.i_pristine == pytest.approx(products[~CORRUPT].mean(), rel=1e-9)
    assert d.i_corrupt == pytest.approx(products[CORRUPT].mean(), rel=1e-9)
    assert (d.m, d.m_corrupt, d.examples.tolist(), d.note) == (M, 3, list(range(M)), "")


def test_follows_from_support():
    model, x, y = of_zoo("mlp")
    s, d = support(model, LOSS, (x, y)), decompose(model, LOSS, (x, y), CORRUPT, nulls=0)
    np.testing.assert_allclose(d.products, (s.whole + 1) * s.squared_norms, rtol=1e-9)
    assert d.p_value == 1


def test_planted_split():
    """Five pristine examples agree, two corrupt ones pull against them, one corrupt one stands apart."""
    x = torch.tensor([[1.0, 0]] * 5 + [[-1.0, 0]] * 2 + [[0, 1.0]])
    corrupt = [False] * 5 + [True] * 3
    d = decompose(nn.Linear(2, 1, bias=False), lambda o, y: o.sum(), (x, torch.zeros(8)), corrupt)
    assert (d.f_pristine, d.f_corrupt) == pytest.approx((1.5, -0.5))
    assert (d.i_pristine, d.i_corrupt) == pytest.approx((3, -5 / 3))
    assert d.p_value == pytest.approx(1 / 56, abs=0.015)


def test_fractions_of_null_worlds_centre_on_the_share_of_the_corrupt():
    model, x, y = of_zoo("mlp")
    d = decompose(model, LOSS, (x, y), CORRUPT, nulls=4000)
    spread = d.null_f_corrupt.std() / np.sqrt(4000)
    assert d.null_f_corrupt.mean() == pytest.approx(3 / 8, abs=4 * spread)


def test_p_value_is_that_of_all_permutations():
    model, x, y = of_zoo("mlp")
    d = decompose(model, LOSS, (x, y), CORRUPT, nulls=3999)
    assert d.p_value == pytest.approx(slow.exact_p_value(d.products.tolist(), CORRUPT.tolist()), abs=0.03)


def test_p_values_are_uniform_where_the_designation_means_nothing():
    """Under the null hypothesis P(p ≤ t) ≤ t, here from 400 random designations of one sample."""
    rng = np.random.default_rng(0)
    products = rng.standard_normal(30) + 0.5
    values = []
    for seed in range(400):
        mask = rng.permutation(np.arange(30) < 10)
        f = sums_in_worlds(worlds(mask, 99, seed), products) / products.sum()
        values.append(two_sided(f, 1 / 3))
    for t in (0.05, 0.2, 0.5):
        assert np.mean(np.array(values) <= t) == pytest.approx(t, abs=4 * np.sqrt(t * (1 - t) / 400))


def test_gradients_that_cancel():
    x = torch.tensor([[1.0], [-1.0]])
    d = decompose(nn.Linear(1, 1), lambda o, y: 0 * o.sum(), (x, torch.zeros(2)), [True, False], nulls=5)
    assert np.isnan([d.f_corrupt, d.f_pristine, d.p_value, *d.null_f_corrupt]).all()
    assert "add up to zero" in repr(d)


@pytest.mark.parametrize(
    ("corrupt", "sentence"),
    [
        (np.zeros(M, bool), "Got 0 marked of 8"),
        (np.ones(M, bool), "Got 8 marked of 8"),
        (CORRUPT[:5], r"each of the 8 examples. Got shape \(5,\)"),
        (np.arange(M), "true or false"),
        (np.full(M, np.nan), "true or false"),
    ],
)
@pytest.mark.parametrize("use", [decompose, DecompositionRecorder])
def test_masks_that_are_none(corrupt, sentence, use):
    model, x, y = of_zoo("mlp")
    with pytest.raises(InputError, match=sentence):
        use(model, LOSS, (x, y), corrupt)


def test_masks_may_be_tensors_lists_and_numbers():
    for corrupt in (
        torch.tensor(CORRUPT),
        CORRUPT.tolist(),
        CORRUPT.astype(int),
        torch.tensor(CORRUPT).int(),
    ):
        np.testing.assert_array_equal(checked_mask(corrupt, M), CORRUPT)


def test_negative_nulls():
    model, x, y = of_zoo("mlp")
    with pytest.raises(InputError, match=r"`nulls` must be 0 or more\. Got -1"):
        decompose(model, LOSS, (x, y), CORRUPT, nulls=-1)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(0, 50), st.integers(0, 2**31))
def test_worlds_keep_the_groups_sizes_and_the_seed(corrupt, nulls, seed):
    mask = np.array(corrupt)
    masks = worlds(mask, nulls, seed)
    assert masks.shape == (1 + nulls, len(mask))
    assert (masks.sum(1) == mask.sum()).all()
    np.testing.assert_array_equal(masks[0], mask)
    np.testing.assert_array_equal(masks, worlds(mask, nulls, seed))


def test_recorder_adds_up_with_the_same_permutations():
    """Against the definition of i^p and i^c, in the real world and in each null world."""
    model, x, y = of_zoo("mlp")
    recorder = DecompositionRecorder(model, LOSS, (x, y), CORRUPT, nulls=5, seed=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    i_p, i_c, f_c = [], [], []
    masks = worlds(CORRUPT, 5, 3)
    for _ in range(4):
        G = naive(model, x, y)
        products = (G @ G.sum(0)).numpy()
        i_p.append([products[~mask].mean() for mask in masks])
        i_c.append([products[mask].mean() for mask in masks])
        f_c.append([slow.fraction_of_corrupt(G, mask) for mask in masks])
        step = recorder.update()
        assert step.f_corrupt == pytest.approx(f_c[-1][0], rel=1e-9)
        assert step.i_corrupt == pytest.approx(i_c[-1][0], rel=1e-9)
        optimizer.zero_grad()
        LOSS(model(x), y).backward()
        optimizer.step()
    np.testing.assert_allclose(recorder.i_pristine, np.cumsum(i_p, 0), rtol=1e-9)
    np.testing.assert_allclose(recorder.i_corrupt, np.cumsum(i_c, 0), rtol=1e-9)
    np.testing.assert_allclose(recorder.f_corrupt, f_c, rtol=1e-9)
    gaps = np.abs(recorder.i_pristine - recorder.i_corrupt)
    expected = [(1 + (row[1:] >= row[0] * (1 - 1e-9)).sum()) / 6 for row in gaps]
    assert recorder.p_values.tolist() == pytest.approx(expected)


def test_recorder_without_steps_is_empty():
    model, x, y = of_zoo("mlp")
    recorder = DecompositionRecorder(model, LOSS, (x, y), CORRUPT, nulls=2)
    assert recorder.i_pristine.shape == recorder.f_corrupt.shape == (0, 3)
    assert recorder.p_values.shape == (0,)


def test_examples_of_a_loader_are_read_once():
    model, x, y = of_zoo("mlp")
    recorder = DecompositionRecorder(model, LOSS, iter([(x[:3], y[:3]), (x[3:], y[3:])]), CORRUPT, nulls=2)
    first, second = recorder.update(), recorder.update()
    assert first.f_corrupt == second.f_corrupt == decompose(model, LOSS, (x, y), CORRUPT).f_corrupt


@pytest.mark.parametrize("name", ["mlp", "conv2d", "lstm"])
def test_sampled_coordinates_are_those_of_the_gradients(name):
    model, x, y = of_zoo(name)
    sampled = Sampled(examples=6, weights=10)
    names = [n for n, p in model.named_parameters() if p.dim() > 1]
    chosen, picked = sampled.examples_of(M), sampled.coordinates_of(model)
    assert list(picked) == names
    rows = []
    for i in chosen:
        gradients = torch.autograd.grad(
            LOSS(model.eval()(x[i : i + 1]), y[i : i + 1]), [model.get_parameter(n) for n in names]
        )
        rows.append(torch.cat([g.flatten()[picked[n]] for n, g in zip(names, gradients, strict=True)]))
    G = torch.stack(rows)
    d = decompose(model, LOSS, (x, y), CORRUPT, sampled=sampled, nulls=3, chunk_size=4)
    assert (d.m, d.examples.tolist()) == (6, chosen.tolist())
    np.testing.assert_allclose(d.products, (G @ G.sum(0)).numpy(), rtol=1e-9, atol=1e-15)
    assert d.f_corrupt == pytest.approx(slow.fraction_of_corrupt(G, CORRUPT[chosen]), rel=1e-9)


def test_sampling_everything_is_exact():
    model, x, y = of_zoo("mlp")
    everything = Sampled(10**6, 10**6, tuple(n for n, _ in model.named_parameters()))
    a = decompose(model, LOSS, (x, y), CORRUPT, sampled=everything)
    b = decompose(model, LOSS, (x, y), CORRUPT)
    assert a.f_corrupt == pytest.approx(b.f_corrupt, rel=1e-9)
    np.testing.assert_allclose(a.products, b.products[a.examples], rtol=1e-9)


def test_draws_are_those_of_the_released_code():
    """There a weight's number is input·width + output, and each layer draws from a state of its own."""
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    picked = Sampled(weights=5).coordinates_of(model)
    assert list(picked) == ["0.weight", "2.weight"]
    drawn = np.random.RandomState(0).choice(24, 5, replace=False)
    assert picked["0.weight"].tolist() == [(n % 4) * 6 + n // 4 for n in drawn]
    assert Sampled().examples_of(1000).tolist() == np.random.RandomState(1).choice(1000, 400, False).tolist()


def test_recorder_may_sample():
    model, x, y = of_zoo("mlp")
    sampled = Sampled(examples=6, weights=10)
    recorder = DecompositionRecorder(model, LOSS, (x, y), CORRUPT, nulls=2, sampled=sampled)
    d = decompose(model, LOSS, (x, y), CORRUPT, nulls=2, sampled=sampled)
    assert recorder.update().f_corrupt == d.f_corrupt
    assert recorder.f_corrupt[0].tolist() == [d.f_corrupt, *d.null_f_corrupt]


def test_samples_that_are_none():
    model, x, y = of_zoo("mlp")
    with pytest.raises(InputError, match=r"`weights` of Sampled must be at least 1\. Got 0"):
        Sampled(weights=0)
    with pytest.raises(InputError, match=r"Got `head\.weight`; there are `0\.weight`"):
        decompose(model, LOSS, (x, y), CORRUPT, sampled=Sampled(parameters=("head.weight",)))
    with pytest.raises(InputError, match="all trainable parameters have one dimension"):
        decompose(nn.LayerNorm(3), LOSS, (torch.randn(M, 3), y), CORRUPT, sampled=Sampled())
    with pytest.raises(InputError, match="Got 0 marked of 2"):
        decompose(model, LOSS, (x, y), np.arange(M) == 0, sampled=Sampled(examples=2))
