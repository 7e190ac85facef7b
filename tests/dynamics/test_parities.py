"""Parities: represented, found by elimination, learnt by descent or not, known to gradients or not."""

import json
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rote.dynamics import gradient_variance, hypercube, learn_parity, parity, parity_network, recover_parity
from rote.dynamics._parity_signal import krawtchouk
from rote.errors import InputError


def test_parities_are_orthonormal():
    x = hypercube(4)
    subsets = [np.flatnonzero([s >> i & 1 for i in range(4)]) for s in range(16)]
    values = np.stack([parity(x, s) for s in subsets]).astype(float)
    np.testing.assert_array_equal(values @ values.T / 16, np.eye(16))


@settings(max_examples=40)
@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_the_network_is_the_parity(case):
    n, subset = case
    x = hypercube(n)
    net = parity_network(n, sorted(subset))
    out = net(torch.tensor(x, dtype=torch.float32))[:, 0].detach().numpy()
    np.testing.assert_array_equal(out, parity(x, sorted(subset)))
    if subset:
        assert net[0].out_features == len(subset)


def test_the_network_is_exact_for_long_parities():
    x = np.random.default_rng(0).choice([-1.0, 1.0], (64, 1000))
    x[0], x[1] = 1, -1
    for subset in (np.arange(1000), np.arange(0, 1000, 3)):
        out = parity_network(1000, subset)(torch.tensor(x, dtype=torch.float32))[:, 0]
        np.testing.assert_array_equal(out.detach().numpy(), parity(x, subset))


@pytest.mark.parametrize("k", [0, 1, 5, 32, 64])
def test_elimination_finds_every_parity(k):
    rng = np.random.default_rng(k)
    x = rng.choice([-1, 1], (80, 64))
    subset = np.sort(rng.choice(64, k, replace=False))
    found = recover_parity(x, parity(x, subset))
    assert found.kind == "unique"
    assert np.flatnonzero(found.x).tolist() == subset.tolist()


def test_elimination_of_noisy_labels_says_so():
    x = np.random.default_rng(0).choice([-1, 1], (300, 16))
    y = parity(x, [1, 2, 3]).copy()
    y[::20] *= -1
    assert recover_parity(x, y).kind == "inconsistent"
    found = recover_parity(x, y, tries=40)
    assert (np.flatnonzero(found.x).tolist(), found.violated) == ([1, 2, 3], 15)


def test_a_sparse_parity_is_learnt_and_moves_first_where_it_is():
    curve = learn_parity(10, 2, check=25, seed=0)
    assert 25 <= curve.learned <= 200
    assert curve.steps.tolist() == list(range(0, curve.learned + 1, 25))
    assert curve.moved_on[0] == curve.moved_off[0] == 0
    assert curve.moved_on[-1] > curve.moved_off[-1]
    assert "learned at step" in repr(curve)
    again = learn_parity(10, 2, check=25, seed=0)
    assert json.dumps(again.to_dict()) == json.dumps(curve.to_dict())


def test_a_long_parity_is_not():
    curve = learn_parity(30, 15, steps=60, check=40, seed=0)
    assert curve.learned is None
    assert curve.steps.tolist() == [0, 40, 60]
    assert np.all(np.abs(curve.accuracy - 0.5) < 0.05)
    assert "not in 60 steps" in repr(curve)
    assert np.isfinite(curve.hidden_progress)


def test_a_parity_of_everything_has_no_other_coordinates():
    curve = learn_parity(3, 3, steps=4, check=2, seed=0)
    assert np.isnan(curve.moved_off).all()
    assert np.isnan(curve.hidden_progress)
    assert curve.to_dict()["moved_off"] == [None] * len(curve.steps)


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    learn_parity(4, 2, steps=2, seed=1)
    assert torch.equal(torch.rand(1), before)


def network(n, width=6, *, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(n, width), nn.ReLU(), nn.Linear(width, 1))


def by_hand(net, n):
    """Backward at every point and every subset, one after the other: mean square by degree, and G²."""
    net = net.double()
    x, rows = hypercube(n), []
    for point in x:
        net.zero_grad()
        net(torch.tensor(point)[None]).sum().backward()
        rows.append(torch.cat([p.grad.flatten() for p in net.parameters()]).numpy().copy())
    g, by_degree = np.array(rows), np.zeros(n + 1)
    for s in range(1 << n):
        subset = np.flatnonzero([s >> i & 1 for i in range(n)])
        by_degree[len(subset)] += np.sum(np.mean(parity(x, subset)[:, None] * g, axis=0) ** 2)
    return by_degree / [comb(n, k) for k in range(n + 1)], np.mean(np.sum(g**2, axis=1))


def test_exact_is_the_definition():
    found = gradient_variance(network(5), 5)
    by_degree, squared_norm = by_hand(network(5), 5)
    np.testing.assert_allclose(found.by_degree, by_degree, rtol=1e-9, atol=1e-14)
    assert found.squared_norm == pytest.approx(squared_norm)
    assert found.exact
    assert found.examples == 32
    assert not found.error.any()


@pytest.mark.parametrize("n", [4, 8, 11])
def test_the_lemma_holds_with_equality(n):
    found = gradient_variance(network(n, 8), n)
    mean = sum(comb(n, k) * found.by_degree[k] for k in range(n + 1)) / 2**n
    assert mean == pytest.approx(found.squared_norm / 2**n, rel=1e-12)
    assert found.mean == pytest.approx(mean, rel=1e-12)
    assert 0 < found.variance < found.mean
    assert np.all(found.by_degree <= found.bound * (1 + 1e-12))


def test_variance_over_subsets_is_the_definition():
    n, net = 4, network(4).double()
    x, g = hypercube(n), []
    for point in x:
        g.append(
            torch.cat(
                [
                    p.flatten()
                    for p in torch.autograd.grad(net(torch.tensor(point)[None]).sum(), list(net.parameters()))
                ]
            ).numpy()
        )
    means = np.array(
        [
            np.mean(parity(x, np.flatnonzero([s >> i & 1 for i in range(n)]))[:, None] * np.array(g), axis=0)
            for s in range(16)
        ]
    )
    variance = np.mean(np.sum((means - means.mean(0)) ** 2, axis=1))
    assert gradient_variance(net, n).variance == pytest.approx(variance)


@pytest.mark.parametrize("seed", range(3))
def test_samples_agree_with_all_points(seed):
    net = network(8, 4)
    exact, found = gradient_variance(net, 8), gradient_variance(net, 8, examples=600, seed=seed)
    assert not found.exact
    assert found.examples == 600
    assert np.all(found.error > 0)
    assert np.all(np.abs(found.by_degree - exact.by_degree) < 5 * found.error)
    assert found.squared_norm == pytest.approx(exact.squared_norm, rel=0.1)
    assert found.error.max() < 0.3 * exact.by_degree.max()


def test_beyond_fourteen_it_samples():
    found = gradient_variance(nn.Linear(40, 1), 40, examples=200)
    assert abs(found.by_degree[1] - 1) < 5 * found.error[1]
    assert abs(found.by_degree[0] - 1) < 5 * found.error[0] + 1e-12
    assert abs(found.by_degree[20]) < 1e-6  # among 10^11 subsets nothing is left
    assert found.mean == pytest.approx(41 / 2**40)
    assert json.loads(json.dumps(found.to_dict()))["exact"] is False
    assert "200 examples" in repr(found)


def test_means_of_parities_by_size():
    n = 6
    x = hypercube(n)
    minus = (x < 0).sum(1)
    for k in range(n + 1):
        subsets = [s for s in range(1 << n) if s.bit_count() == k]
        mean = np.mean([parity(x, np.flatnonzero([s >> i & 1 for i in range(n)])) for s in subsets], axis=0)
        np.testing.assert_allclose(krawtchouk(n)[k][minus], mean, atol=1e-14)
    assert np.abs(krawtchouk(200)).max() == 1


def test_the_model_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1)).train()
    net[0].bias.requires_grad_(False)
    before = [p.clone() for p in net.parameters()]
    found = gradient_variance(net, 3)
    assert net[1].training
    assert all(p.grad is None and torch.equal(p, b) for p, b in zip(net.parameters(), before, strict=True))
    assert net[0].weight.dtype == torch.float32
    whole = gradient_variance(net.requires_grad_(True), 3)
    assert found.squared_norm < whole.squared_norm


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: parity([[0, 1]], [0]), "`x` must be -1 and 1"),
        (lambda: parity([1, -1], [0]), r"shape \[m, n\]"),
        (lambda: parity([[1, -1]], [2]), "different places from 0 to 1"),
        (lambda: parity([[1, -1]], [-1]), "different places"),
        (lambda: parity([[1, -1]], [1, 1]), "different places"),
        (lambda: parity([[1, -1]], [0.5]), "different places"),
        (lambda: parity_network(0, []), "`n` must be at least 1"),
        (lambda: parity_network(2, [2]), "different places"),
        (lambda: recover_parity([[1, -1]], [0]), "`y` must be -1 and 1"),
        (lambda: recover_parity([[1, -1]], [1, 1]), "equally many rows"),
        (lambda: learn_parity(3, 4, seed=0), "`k` must be 1 to n"),
        (lambda: learn_parity(3, 2, lr=0, seed=0), "`lr` above 0"),
        (lambda: learn_parity(3, 2, batch=0, seed=0), "batch=0"),
        (lambda: gradient_variance(nn.Linear(3, 1), 0), "`n` must be at least 1"),
        (lambda: gradient_variance(nn.Linear(3, 1), 3, examples=2), "`examples` 3"),
        (lambda: gradient_variance(nn.Linear(3, 2), 3), "one number an example"),
        (lambda: gradient_variance(nn.ReLU(), 3), "trained parameters"),
        (
            lambda: gradient_variance(nn.Linear(14, 9000), 14),
            "1 to 8191 trained parameters for 16385 points",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
