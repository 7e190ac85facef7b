"""The Gram matrix of the gradients against one backward pass per example."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles import gradients as oracle
from oracles.awkward_models import ZOO
from rote.errors import InputError
from rote.gradients import coherence, gramian
from rote.gradients._gramian import column_blocks

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
LOSS = nn.CrossEntropyLoss()
M = 5


def of_zoo(name):
    make, inputs, _ = ZOO[name]
    return make(), inputs(M), torch.randint(0, 3, (M,))


def naive(model, x, y):
    gradients = oracle.gradient_matrix(model.eval(), LOSS, x, y)
    return {name: (G @ G.T).numpy() for name, G in gradients.items()}


def gathered(K, names):
    """The oracle's layers under the names reported (attention answers for its output projection)."""
    found = dict.fromkeys(names, 0)
    for layer, part in K.items():
        found[layer if layer in found else layer.rpartition(".")[0]] += part
    return found


@pytest.mark.parametrize("name", ZOO)
def test_every_model_agrees_with_the_naive_loop(name):
    model, x, y = of_zoo(name)
    expected = naive(model, x, y)
    whole = sum(expected.values())
    layers = gramian(model, LOSS, (x, y), per_layer=True, chunk_size=2)
    expected = gathered(expected, layers)
    for layer, K in layers.items():
        np.testing.assert_allclose(K, expected[layer], rtol=1e-10, atol=1e-12 * whole.max())
    np.testing.assert_allclose(gramian(model, LOSS, (x, y)), whole, rtol=1e-10, atol=1e-12 * whole.max())


@pytest.mark.parametrize(
    "name", ["mlp", "n-d linear", "conv2d", "tied functionally", "class token", "reused"]
)
def test_blocks_of_columns_add_up_to_the_whole(name):
    """Room for three columns of five examples at a time, so that parameters are cut across."""
    model, x, y = of_zoo(name)
    np.testing.assert_allclose(
        gramian(model, LOSS, (x, y), memory=M * 8 * 8, chunk_size=3), gramian(model, LOSS, (x, y)), rtol=1e-9
    )


def test_blocks_cover_every_column_once_and_fit():
    parameters = {n: nn.Parameter(torch.zeros(k)) for n, k in {"a": 7, "b": 1, "c": 12}.items()}
    for memory in (1, 40, 8 * 5 * 6, 10**6):
        blocks = list(column_blocks(parameters, 5, memory))
        columns = [(name, j) for block in blocks for name, lo, hi in block for j in range(lo, hi)]
        assert columns == [(name, j) for name, p in parameters.items() for j in range(p.numel())]
        assert all(sum(hi - lo for _, lo, hi in b) * 5 * 8 <= max(memory, 5 * 8) for b in blocks)


def test_planted_gradients():
    """Orthonormal, equal and opposite gradients, and one that is zero."""
    x = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [-2.0, 0, 0], [0, 1.0, 0], [0, 0, 0]])
    K = gramian(nn.Linear(3, 1, bias=False), lambda o, y: o.sum(), (x, torch.zeros(5)))
    assert K.dtype == np.float64
    np.testing.assert_array_equal(K, (x @ x.T).numpy())


def test_plain_layers_form_no_gradient(monkeypatch):
    """A multilayer perceptron never takes the slow way."""
    monkeypatch.setattr("rote.gradients._single.per_example_gradients", None)
    model, x, y = of_zoo("mlp")
    K = gramian(model, LOSS, (x, y))
    monkeypatch.undo()
    np.testing.assert_allclose(K, sum(naive(model, x, y).values()), rtol=1e-10)


def test_is_that_of_torchjd():
    autogram = pytest.importorskip("torchjd.autogram")
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    x, y = torch.randn(7, 6), torch.arange(7) % 3
    expected = autogram.Engine(model, batch_dim=0).compute_gramian(
        nn.CrossEntropyLoss(reduction="none")(model(x), y)
    )
    got = gramian(model, LOSS, (x, y))
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-10, atol=1e-12)


def test_float32_keeps_its_digits():
    model, x, y = of_zoo("conv2d")
    expected = sum(naive(model, x, y).values())
    K = gramian(model.float(), LOSS, (x.float(), y))
    np.testing.assert_allclose(K, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert np.linalg.eigvalsh(K).min() > -1e-9 * np.trace(K)


def test_the_model_is_left_as_it_was():
    model, x, y = of_zoo("conv2d")
    model.train()
    gramian(model, LOSS, (x, y))
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any(p._backward_hooks for p in model.parameters())


def test_dropout_is_off_and_batch_norm_uses_its_running_statistics():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))
    x, y = torch.randn(M, 6), torch.arange(M) % 3
    got = gramian(model, LOSS, (x, y))
    np.testing.assert_allclose(got, sum(naive(model, x, y).values()), rtol=1e-10)
    assert np.array_equal(got, gramian(model, LOSS, (x, y)))
    c = coherence(model, LOSS, (x, y))
    np.testing.assert_allclose(np.diag(got), c.squared_norms, rtol=1e-12)


def test_out_of_proportion_is_refused():
    model, x, y = of_zoo("conv2d")
    with pytest.raises(InputError, match=r"`examples` must be few, since every pair.*Got 5.*1 × 5² numbers"):
        gramian(model, LOSS, (x, y), memory=199)
    with pytest.raises(InputError, match=r"2 × 5² numbers"):
        gramian(model, LOSS, (x, y), memory=399, per_layer=True)
    linear = nn.Sequential(nn.Linear(6, 5000, bias=False), nn.LayerNorm(5000), nn.Linear(5000, 3))
    with pytest.raises(InputError, match=r"5 examples need 2000 passes.*memory=4001 or more"):
        gramian(linear, LOSS, (torch.randn(5, 6), y), memory=200)


def test_bad_input():
    with pytest.raises(InputError, match="at least one example"):
        gramian(nn.Linear(2, 2), LOSS, [])
    with pytest.raises(InputError, match="takes statistics over the batch"):
        gramian(nn.BatchNorm1d(3, track_running_stats=False), LOSS, (torch.randn(4, 3), torch.arange(4) % 3))
    with pytest.raises(InputError, match="example 1 in layer `Linear` is not finite"):
        gramian(nn.Linear(1, 2), LOSS, (torch.tensor([[0.0], [torch.inf]]), torch.tensor([0, 1])))
