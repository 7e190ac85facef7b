"""Every statistic of every awkward model against one backward pass per example, in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles import gradients as oracle
from oracles.awkward_models import ZOO
from rote.gradients import coherence, support, watch

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
LOSS = nn.CrossEntropyLoss()
M = 6


@pytest.fixture(params=list(ZOO))
def case(request):
    make, inputs, route = ZOO[request.param]
    model, x, y = make(), inputs(M), torch.randint(0, 3, (M,))
    return model, x, y, route


def by_layer(gradients, names):
    """The oracle's layers gathered under the names reported (attention answers for its output projection)."""
    gathered = {name: [] for name in names}
    for layer, G in gradients.items():
        owner = layer if layer in gathered else layer.rpartition(".")[0]
        gathered[owner].append(G)
    return {name: torch.cat(parts, 1) for name, parts in gathered.items() if parts}


def assert_agrees(measured, gradients):
    layers = by_layer(gradients, measured.layers)
    assert list(measured.layers) == list(layers)
    whole = torch.cat(list(layers.values()), 1)
    np.testing.assert_allclose(measured.squared_norms, whole.square().sum(1).numpy(), rtol=1e-10, atol=1e-18)
    for part, G in [(measured, whole), *((measured.layers[n], G) for n, G in layers.items() if G.any())]:
        expected = oracle.coherence_of(G)
        got = (part.alpha, part.m_coherence, part.alpha_unbiased)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    assert sum(a.share * a.alpha for a in measured.layers.values() if a.share) == pytest.approx(
        measured.alpha, rel=1e-12
    )


def test_watched_step(case):
    model, x, y, route = case
    with watch(model) as meter:
        for _ in range(2):  # the first batch is self-checked and keeps more; the second does not
            LOSS(model(x), y).backward()
            meter.update()
            assert_agrees(meter.last, oracle.gradient_matrix_paused(meter, model, LOSS, x, y))
        if route is not None:
            assert meter.coverage[route[0]] == route[1]


def test_probe_in_chunks(case):
    model, x, y, _ = case
    for chunk_size in (4, 10):
        assert_agrees(
            coherence(model, LOSS, (x, y), chunk_size=chunk_size),
            oracle.gradient_matrix(model.eval(), LOSS, x, y),
        )


def test_support(case):
    model, x, y, _ = case
    G = torch.cat(list(oracle.gradient_matrix(model.eval(), LOSS, x, y).values()), 1)
    whole, same = oracle.support_of(G, y.tolist())
    got = support(model, LOSS, (x, y), per_label=True, chunk_size=4)
    np.testing.assert_allclose(got.whole, whole, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(got.same_label, same, rtol=1e-9, atol=1e-9)
    columns = [(G @ G[y == c].sum(0)).numpy() for c in got.labels.tolist()]
    np.testing.assert_allclose(got.per_label, np.stack(columns, 1), rtol=1e-9, atol=1e-12)
    assert got.m_label.tolist() == [(y == c).sum().item() for c in y]


def test_watching_changes_no_gradient(case):
    model, x, y, _ = case
    LOSS(model(x), y).backward()
    plain = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    meter = watch(model)
    LOSS(model(x), y).backward()
    meter.update()
    meter.close()
    for before, p in zip(plain, model.parameters(), strict=True):
        assert (before is None) == (p.grad is None)
        if before is not None:
            assert torch.equal(before.to_dense(), p.grad.to_dense())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert not any(p._backward_hooks for p in model.parameters())
