"""Coherence from the gradients of microbatches: the loop, and what counts as a microbatch."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from oracles import microbatch as oracle
from oracles.microbatch_runs import LOSS, Block, batch, expect, normed, oracle_gradient, run, small
from rote.errors import InputError
from rote.gradients import coherence, watch
from rote.gradients._microbatch import MicrobatchMeter


@pytest.mark.parametrize("groups", [1, 2, 3, 8])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (5, 5, 5, 5, 3), (1, 2, 7, 1, 1, 3, 2, 2, 4, 1)])
def test_several_steps_agree_with_a_loop_over_stored_gradients(sizes, groups):
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    steps, layer = [], []
    with MicrobatchMeter(model, groups=groups) as meter:
        for _ in range(3):
            parts = batch(*sizes)
            W = oracle.microbatch_gradients(copy.deepcopy(model), LOSS, parts)
            steps.append((torch.cat(list(W.values()), 1), sizes))
            layer.append((W["2"], sizes))
            run(model, meter, parts)
            optimizer.step()
            optimizer.zero_grad()
        got = meter.compute()
    assert (got.steps, got.squared_norms, got.m) == (3, None, sum(sizes))
    assert got.alpha_unbiased == pytest.approx(oracle.pooled(steps), rel=1e-9)
    assert got.layers["2"].alpha_unbiased == pytest.approx(oracle.pooled(layer), rel=1e-9)
    sizeable = groups > 1 and len(sizes) - -(-len(sizes) // groups) >= 2
    if sizeable:
        assert got.spread == "within steps"
        assert got.standard_error**2 == pytest.approx(oracle.jackknife_variance(steps, groups), rel=1e-7)
        expected = oracle.jackknife_variance(layer, groups)
        assert got.layers["2"].standard_error ** 2 == pytest.approx(expected, rel=1e-7)
        low, high = got.interval
        assert (low + high) / 2 == pytest.approx(got.alpha_unbiased, rel=1e-9)
        assert low < got.alpha_unbiased - 1.9 * got.standard_error
    else:
        assert got.spread == "between steps"


def test_splitting_a_sample_in_every_way_gives_its_exact_statistics_on_average():
    """Over all 15 ways of making three pairs of six examples, the mean estimate of Q is Q itself."""
    model, ((x, y),) = normed(), batch(6)
    exact = coherence(model, LOSS, (x, y))
    total = exact.squared_norms.sum()
    q = np.array([layer.share for layer in exact.layers.values()]) * total
    s2 = q * [layer.m_coherence for layer in exact.layers.values()]
    rest = [
        [(0, a), (b, c), (d, e)]
        for a in range(1, 6)
        for b, *others in [sorted({1, 2, 3, 4, 5} - {a})]
        for c in others
        for d, e in [sorted(set(others) - {c})]
    ]
    assert len(rest) == 15
    found = []
    with MicrobatchMeter(model) as meter:
        for pairs in rest:
            meter.reset()
            run(model, meter, [(x[list(pair)], y[list(pair)]) for pair in pairs])
            np.testing.assert_allclose(meter.statistics.s2, s2, rtol=1e-10)
            found.append(meter.statistics.q)
    np.testing.assert_allclose(np.mean(found, 0), q, rtol=1e-10)
    assert np.std(found, 0).max() > 1e-3 * q.max()


def test_microbatches_of_one_example_are_exact():
    model, ((x, y),) = normed(), batch(7)
    with watch(model, method="microbatch") as meter:
        run(model, meter, list(zip(x.split(1), y.split(1), strict=True)))
        got, exact = meter.last, coherence(model, LOSS, (x, y))
    for name in ("alpha", "m_coherence", "alpha_unbiased", "noise_scale"):
        assert getattr(got, name) == pytest.approx(getattr(exact, name), rel=1e-9)
    assert got.layers["1"].share == pytest.approx(exact.layers["1"].share, rel=1e-9)
    assert list(got.layers) == list(exact.layers)


def test_sum_and_mean_and_a_factor_of_the_loss_give_the_same_ratios():
    model, parts, records = small(), batch(4, 2, 3), []
    for reduction, factor in (("mean", 1.0), ("sum", 1.0), ("mean", 1 / 3)):
        loss = nn.CrossEntropyLoss(reduction=reduction)
        with watch(model, method="microbatch", reduction=reduction) as meter:
            run(model, meter, parts, lambda out, y, loss=loss, factor=factor: factor * loss(out, y))
            records.append(meter.last)
    for other in records[1:]:
        assert other.alpha_unbiased == pytest.approx(records[0].alpha_unbiased, rel=1e-10)
        assert other.standard_error == pytest.approx(records[0].standard_error, rel=1e-7)


def test_auto_measures_a_residual_network_with_batch_norm_by_microbatches():
    model = Block()
    plain = copy.deepcopy(model)
    x, y = torch.randn(24, 1, 5, 5), torch.randint(0, 3, (24,))
    parts = list(zip(x.split(8), y.split(8), strict=True))
    with watch(model) as meter:
        assert meter.method == "microbatch"
        assert set(meter.coverage.values()) == {"microbatches"}
        run(model, meter, parts)
        got = meter.last
    for part in parts:
        LOSS(plain(part[0]), part[1]).backward()
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    assert torch.equal(model.first.running_var, plain.first.running_var)
    expect(plain, parts, got)
    assert got.microbatch_size == 8
    k, alpha = 8, got.alpha_unbiased
    assert got.microbatch_alpha == pytest.approx(k * alpha / (1 + (k - 1) * alpha), rel=1e-12)


def test_auto_is_exact_where_it_can_be():
    model = Block().eval()
    with watch(model) as meter:
        assert meter.method == "exact"


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.body, self.head = nn.Linear(4, 4), small(), nn.Linear(3, 3)

        def forward(self, x):
            h = torch.tanh(self.first(x))
            h = checkpoint(self.body, h, use_reentrant=reentrant)
            return self.head(checkpoint(torch.tanh, h, use_reentrant=reentrant))

    model, parts = Checkpointed(), batch(3, 3, 2)
    with watch(model, method="microbatch") as meter:
        run(model, meter, parts)
        got = meter.last
    W = [oracle_gradient(model, part) for part in parts]
    assert got.alpha_unbiased == pytest.approx(oracle.pooled([(torch.stack(W), (3, 3, 2))]), rel=1e-9)


def test_several_losses_and_gradient_penalties_belong_to_their_microbatch():
    model, parts = small(), batch(3, 3, 3)

    def loss(out, y):
        return LOSS(out, y) + out.square().mean()

    with watch(model, method="microbatch") as meter:
        for x, y in parts:
            out = model(x)
            LOSS(out, y).backward(retain_graph=True)
            out.square().mean().backward()
        meter.update()
        twice = meter.last
        for x, y in parts:
            x = x.clone().requires_grad_()
            value = loss(model(x), y)
            torch.autograd.grad(value, x, retain_graph=True)
            value.backward()
        meter.update()
    expect(model, parts, twice, loss)
    expect(model, parts, meter.last, loss)


def test_several_losses_in_more_microbatches_than_groups_are_refused_not_miscounted():
    model = small()
    with MicrobatchMeter(model, groups=2) as meter:
        for x, y in batch(3, 3, 3):
            out = model(x)
            LOSS(out, y).backward(retain_graph=True)
            out.square().mean().backward()
        with pytest.raises(InputError, match=r"`groups` must be at least.*weight` in microbatch 2"):
            meter.update()


def test_forward_passes_that_are_not_trained_on_do_not_count():
    model, parts = small(), batch(3, 3, 2)
    with watch(model, method="microbatch") as meter:
        model(torch.randn(9, 4))  # validation that forgot no_grad
        attack = torch.randn(7, 4, requires_grad=True)
        torch.autograd.grad(model(attack).sum(), attack)
        with torch.no_grad():
            model(torch.randn(5, 4))
        LOSS(copy.deepcopy(model)(parts[0][0]), parts[0][1]).backward()
        probe = coherence(model, LOSS, parts[0])
        run(model, meter, parts)
        got = meter.last
    expect(model, parts, got)
    assert probe.m == 3


def test_two_forward_passes_in_one_backward_pass_are_one_microbatch():
    model, parts = small(), batch(3, 3, 2)
    with watch(model, method="microbatch") as meter:
        for x, y in parts:
            (LOSS(model(x), y) + LOSS(model(-x), y)).backward()
        meter.update()
        got = meter.last
    W = []
    for x, y in parts:
        value = LOSS(model(x), y) + LOSS(model(-x), y)
        W.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))]))
    assert got.alpha_unbiased == pytest.approx(oracle.pooled([(torch.stack(W), (3, 3, 2))]), rel=1e-9)


def test_forward_passes_first_and_backward_passes_later():
    model, parts = small(), batch(3, 3, 2)
    with watch(model, method="microbatch") as meter:
        losses = [LOSS(model(x), y) for x, y in parts]
        for value in losses:
            value.backward()
        meter.update()
        got = meter.last
    expect(model, parts, got)


def test_layers_that_some_microbatches_do_not_reach():
    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.head = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(3, 3)
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.scale * self.head(torch.tanh((self.left if len(x) % 2 else self.right)(x)))

    model = Routed()
    with watch(model, method="microbatch") as meter:
        for sizes in (
            (3, 2, 3, 4),
            (3, 3, 3),
            (3, 4),
        ):  # the buffers of an earlier step must not shine through
            parts = batch(*sizes)
            run(model, meter, parts)
            W = oracle.microbatch_gradients(copy.deepcopy(model), LOSS, parts)
            whole = torch.cat(list(W.values()), 1)
            assert meter.last.alpha_unbiased == pytest.approx(oracle.pooled([(whole, sizes)]), rel=1e-9)
    assert list(meter.last.layers) == ["Routed", "left", "right", "head"]


@pytest.mark.parametrize("sparse", [False, True])
def test_embeddings_attention_and_frozen_layers_are_named_as_in_the_exact_meter(sparse):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(7, 4, sparse=sparse)
            self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
            self.frozen, self.head = nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 3)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, ids):
            h = self.embed(ids)
            return self.head(self.frozen(self.attend(h, h, h)[0] * self.scale).mean(1))

    model, ids, y = Reader(), torch.randint(7, (6, 3)), torch.randint(3, (6,))
    with watch(model, method="exact") as exact, watch(model, method="microbatch") as meter:
        for i in range(6):
            LOSS(model(ids[i : i + 1]), y[i : i + 1]).backward()
            exact.update()
        meter.update()
        assert exact.coverage.keys() == meter.coverage.keys()
        assert meter.coverage["frozen"] == "frozen"
        got = meter.last
    expected = coherence(model, LOSS, (ids, y))
    assert list(got.layers) == list(expected.layers)
    for name, layer in expected.layers.items():
        assert got.layers[name].alpha_unbiased == pytest.approx(layer.alpha_unbiased, rel=1e-9), name


def test_the_size_can_be_given_where_the_input_does_not_tell_it():
    class SequenceFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 1)

        def forward(self, steps):
            return {"loss": self.head(torch.stack(steps)).square().mean()}

    model = SequenceFirst()
    with MicrobatchMeter(model, microbatch_size=6) as meter:
        for _ in range(3):
            model(steps=[torch.randn(6, 4) for _ in range(2)])["loss"].backward()
        meter.update()
    assert meter.last.m == 18


def test_long_runs_take_the_spread_between_steps():
    model = small()
    with MicrobatchMeter(model, groups=1) as meter:
        run(model, meter, batch(4, 4))
        assert np.isnan(meter.compute().standard_error)
        assert "no interval" in meter.compute().note
        for _ in range(20):
            run(model, meter, batch(4, 4))
        got = meter.compute()
    assert got.spread == "between steps"
    assert 1 <= got.freedom <= 10
    assert got.interval[0] < got.alpha_unbiased < got.interval[1]
    assert meter._seen.layers[0].rows.shape[0] == 1


def test_an_epochs_last_single_microbatch_is_left_out():
    model = small()
    with watch(model, method="microbatch") as meter:
        run(model, meter, batch(3, 3))
        before = meter.compute()
        run(model, meter, batch(3))
        assert "single microbatch" in meter.last.note
        after = meter.compute()
    assert after.alpha_unbiased == before.alpha_unbiased
    assert after.note.startswith("of 2 steps left out: 1 a single microbatch")
