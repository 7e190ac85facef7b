"""Every statistic says the same as the others, on the same gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles import gradients as oracle
from oracles.awkward_models import ZOO
from oracles.statistics import mean_cosine
from rote.gradients import class_coherence, coherence, decompose, gramian, gsnr, support

LOSS = nn.CrossEntropyLoss()
M = 8


@pytest.fixture(params=["mlp", "conv2d", "batch norm, eval", "tied", "class token", "attention", "gru"])
def case(request):
    make, inputs, _ = ZOO[request.param]
    return make().eval(), (inputs(M), torch.arange(M) % 3)


def close(value, *, rel=1e-8):
    return pytest.approx(value, rel=rel, abs=1e-12)


def test_alpha_by_every_road(case):
    model, examples = case
    c = coherence(model, LOSS, examples)
    K = gramian(model, LOSS, examples)
    g = gsnr(model, LOSS, examples)
    s = support(model, LOSS, examples)
    d = decompose(model, LOSS, examples, np.arange(M) < 3, nulls=0)
    G = torch.cat(list(oracle.gradient_matrix(model, LOSS, *examples).values()), 1)
    q = s.squared_norms.sum()

    assert K.sum() / (M * np.trace(K)) == close(c.alpha)  # 1ᵀK1/(m tr K)
    assert g.total.alpha == close(c.alpha)
    assert g.total.pooled / (1 + g.total.pooled) == close(c.alpha)  # r/(1 + r) of the whole vector
    r, square = (
        np.concatenate([a.ravel() for a in arrays.values()])
        for arrays in (g.ratio, {n: g.mean[n] ** 2 + g.variance[n] for n in g.mean})
    )
    with np.errstate(invalid="ignore"):
        of_coordinate = np.where(np.isinf(r), 1, r / (1 + r))
    weighted = np.where(square > 0, square * of_coordinate, 0).sum() / square.sum()
    assert weighted == close(c.alpha)  # Σ w_j r_j/(1 + r_j)
    assert ((s.whole + 1) * s.squared_norms).sum() / (M * q) == close(c.alpha)  # Σ ⟨g_i, S⟩/(mQ)
    assert d.products.sum() / (M * q) == close(c.alpha)
    assert mean_cosine(G) == close(c.alpha)  # pairwise cosines, weighted by the norms
    assert class_coherence(model, LOSS, examples).products.sum() / (M * q) == close(c.alpha)
    assert sum(part.share * part.alpha for part in c.layers.values()) == close(c.alpha)


def test_noise_scale_diversity_and_the_unbiased_value(case):
    model, examples = case
    c, K = coherence(model, LOSS, examples), gramian(model, LOSS, examples)
    g, s = gsnr(model, LOSS, examples), support(model, LOSS, examples)
    total, trace = K.sum(), np.trace(K)

    assert c.m_coherence == close(total / trace)
    assert trace / total == close(1 / c.m_coherence)  # gradient diversity (Yin 2018)
    assert M * trace / total == close(1 / c.alpha)  # its bound on the batch size
    assert c.diversity == close(trace / total)
    assert 1 / g.total.pooled == close((1 - c.alpha) / c.alpha)  # tr Σ/‖μ‖² of the sample itself
    assert c.alpha_unbiased == close((total - trace) / ((M - 1) * trace))
    assert class_coherence(model, LOSS, examples).parts.sum() == close(c.alpha_unbiased)
    helped = (s.whole * s.squared_norms).sum() / s.squared_norms.sum()
    assert helped / (M - 1) == close(c.alpha_unbiased)
    if c.alpha_unbiased > 0:
        assert 1 / (1 + c.noise_scale) == close(c.alpha_unbiased)


def test_squared_norms_and_support_from_the_gramian(case):
    model, examples = case
    c, K = coherence(model, LOSS, examples), gramian(model, LOSS, examples)
    s = support(model, LOSS, examples, per_label=True)
    np.testing.assert_allclose(np.diag(K), c.squared_norms, rtol=1e-9)
    np.testing.assert_allclose(s.whole, K.sum(1) / np.diag(K) - 1, rtol=1e-8, atol=1e-10)
    labels = examples[1].numpy()
    columns = np.stack([K[:, labels == k].sum(1) for k in s.labels], 1)
    np.testing.assert_allclose(s.per_label, columns, rtol=1e-8, atol=1e-12 * np.trace(K))
    table = np.stack([columns[labels == k].sum(0) for k in s.labels])
    np.testing.assert_allclose(
        class_coherence(model, LOSS, examples).products, table, rtol=1e-8, atol=1e-12 * np.trace(K)
    )
    d = decompose(model, LOSS, examples, labels == 1, nulls=0)
    assert d.f_corrupt == close(table[:, 1].sum() / table.sum())


def test_layer_by_layer(case):
    model, examples = case
    c, g = coherence(model, LOSS, examples), gsnr(model, LOSS, examples)
    K, classes = gramian(model, LOSS, examples, per_layer=True), class_coherence(model, LOSS, examples)
    for name, layer in c.layers.items():
        if not layer.share:
            continue
        assert K[name].sum() / (M * np.trace(K[name])) == close(layer.alpha)
        assert g.layers[name].alpha == close(layer.alpha)
        assert classes.layers[name].parts.sum() == close(layer.alpha_unbiased)
        assert np.trace(K[name]) / sum(np.trace(k) for k in K.values()) == close(layer.share)
