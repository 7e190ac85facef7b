"""Losses whose mean weighs its targets: a fixed sample, a watched batch and a plain loop agree."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from oracles import gradients as oracle
from rote.errors import InputError
from rote.gradients import class_coherence, coherence, gramian, smoothness, support, watch
from rote.gradients._loss import ReductionCheck

WEIGHT = torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64)
LOSSES = {
    "weights": nn.CrossEntropyLoss(WEIGHT),
    "ignored": nn.CrossEntropyLoss(ignore_index=1),
    "both": nn.CrossEntropyLoss(WEIGHT, ignore_index=2),
    "smoothing": nn.CrossEntropyLoss(WEIGHT, ignore_index=2, label_smoothing=0.2),
}


class Pixels(nn.Module):
    """Logits for each position, as segmentation has them: ``[m, 3, T]``."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 3)

    def forward(self, x):
        return self.body(x).transpose(1, 2)


def flat():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), torch.randn(9, 4), torch.arange(9) % 3


def positions():
    torch.manual_seed(0)
    return Pixels(), torch.randn(6, 5, 4), torch.randint(0, 3, (6, 5))


def gradients(model, loss, x, y):
    """``m ∇(w_i l_i / Σ w)`` by one backward pass per example, ``[m, n]``."""
    counted = (y != loss.ignore_index).double()
    weight = counted if loss.weight is None else counted * loss.weight[y]
    options = {"ignore_index": loss.ignore_index, "label_smoothing": loss.label_smoothing}
    rows = []
    for i in range(len(y)):
        value = F.cross_entropy(model(x[i : i + 1]), y[i : i + 1], loss.weight, reduction="sum", **options)
        parts = torch.autograd.grad(len(y) * value / weight.sum(), list(model.parameters()))
        rows.append(torch.cat([p.flatten() for p in parts]))
    return torch.stack(rows)


@pytest.mark.parametrize("make", [flat, positions])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_sample_watch_and_loop_agree(loss, make):
    model, x, y = make()
    G = gradients(model, loss, x, y)
    with watch(model) as meter:
        loss(model(x), y).backward()
        meter.update()
        watched = meter.last
    for got in (watched, *(coherence(model, loss, (x, y), chunk_size=size) for size in (1, 4, 100))):
        np.testing.assert_allclose(got.squared_norms, G.square().sum(1), rtol=1e-10, atol=1e-14)
        assert got.alpha == pytest.approx(oracle.coherence_of(G)[0], rel=1e-10)
    assert "weighted mean" in coherence(model, loss, (x, y)).note


@pytest.mark.parametrize("make", [flat, positions])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_other_statistics_agree(loss, make):
    model, x, y = make()
    G, labels = gradients(model, loss, x, y), torch.arange(len(y)) % 2
    K = G @ G.T
    np.testing.assert_allclose(gramian(model, loss, (x, y), chunk_size=4), K, rtol=1e-9, atol=1e-13)
    found = support(model, loss, (x, y), labels=labels, chunk_size=4)
    np.testing.assert_allclose(found.squared_norms, K.diagonal(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.whole, oracle.support_of(G, labels.tolist())[0], rtol=1e-8, atol=1e-8)
    S = torch.stack([G[labels == c].sum(0) for c in (0, 1)])
    products = class_coherence(model, loss, (x, y), labels=labels, chunk_size=2).products
    np.testing.assert_allclose(products, S @ S.T, rtol=1e-9)


def test_curvature_of_the_weighted_mean():
    model, x, y = flat()
    loss = LOSSES["both"]
    whole = smoothness(model, loss, (x, y), iterations=200, tolerance=1e-9).mean_loss
    in_parts = smoothness(model, loss, (x, y), iterations=200, tolerance=1e-9, chunk_size=2).mean_loss
    names = [n for n, _ in model.named_parameters()]

    def value(*parameters):
        return loss(torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), x), y)

    blocks = torch.autograd.functional.hessian(value, tuple(p.detach() for p in model.parameters()))
    sizes = [p.numel() for p in model.parameters()]
    H = torch.cat(
        [
            torch.cat([b.reshape(rows, n) for b, n in zip(row, sizes, strict=True)], 1)
            for row, rows in zip(blocks, sizes, strict=True)
        ]
    )
    expected = float(torch.linalg.eigvalsh(H).abs().max())
    assert whole == pytest.approx(expected, rel=1e-3)
    assert in_parts == pytest.approx(whole, rel=1e-6)


def test_negative_log_likelihoods_are_weighed_too():
    model, x, y = flat()
    model.append(nn.LogSoftmax(1))
    a = coherence(model, nn.NLLLoss(WEIGHT, ignore_index=0), (x, y), chunk_size=4)
    b = coherence(model[:3], nn.CrossEntropyLoss(WEIGHT, ignore_index=0), (x, y))
    np.testing.assert_allclose(a.squared_norms, b.squared_norms, rtol=1e-10)


def test_a_target_ignored_first_in_a_later_batch():
    model, x, y = flat()
    y[8] = -100
    batches = DataLoader(TensorDataset(x, y), batch_size=4)
    got, G = coherence(model, nn.CrossEntropyLoss(), batches), gradients(model, nn.CrossEntropyLoss(), x, y)
    np.testing.assert_allclose(got.squared_norms, G.square().sum(1), rtol=1e-10)
    assert got.squared_norms[8] == 0


def test_an_even_mean_is_left_alone():
    model, x, y = flat()
    assert coherence(model, nn.CrossEntropyLoss(), (x, y)).note == ""
    value_of = ReductionCheck(nn.CrossEntropyLoss())
    assert value_of(model(x), y)[1] == 9.0
    assert value_of.correction == 1.0
    probabilities = torch.rand(9, 3).softmax(1)
    assert ReductionCheck(nn.CrossEntropyLoss(WEIGHT))(model(x), probabilities)[1] == 9.0


def test_nothing_but_ignored_targets():
    model, x, y = flat()
    got = coherence(model, nn.CrossEntropyLoss(ignore_index=0), (x, y * 0))
    assert np.isnan(got.alpha)
    assert not got.squared_norms.any()
    assert "every example's gradient is zero" in got.note


@pytest.mark.parametrize("ignored", [[0], [7], [0, 1, 2, 3], [4, 5, 6, 7, 8]])
def test_functions_that_hide_their_weights_are_refused(ignored):
    model, x, y = flat()
    y[ignored] = -100
    with pytest.raises(InputError, match=r"reduction='sum'"):
        coherence(model, lambda o, y: F.cross_entropy(o, y), (x, y))


def test_functions_are_held_to_what_they_were_on_the_first_batch():
    model, x, y = flat()
    y[8] = -100
    with pytest.raises(InputError, match=r"class weights or ignored targets, use reduction='sum'"):
        coherence(model, lambda o, y: F.cross_entropy(o, y), (x, y), chunk_size=3)
