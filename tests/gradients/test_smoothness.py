"""Smoothness by power iteration: quadratics whose curvature is known, and eigsh on small networks."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn

from rote.errors import InputError
from rote.gradients import smoothness
from rote.gradients._smoothness import power_iteration

EXACT = {"iterations": 2000, "tolerance": 1e-12}
CLOSE = {"iterations": 2000, "tolerance": 1e-9}


def quadratic(eigenvalues):
    """``½ wᵀHw`` as a mean of losses whose Hessian has these eigenvalues, in a rotated basis."""
    Q = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues))).Q
    H = Q @ torch.diag(torch.tensor(eigenvalues)) @ Q.T
    model = nn.Linear(len(eigenvalues), len(eigenvalues), bias=False)  # one row of weights per position

    def loss(outputs, _):
        w = outputs[0]  # the model is applied to the identity's first row: w is a column of its weight
        return 0.5 * w @ H @ w * len(outputs)

    return model, loss


def dense_hessian(model, loss, x, y):
    """Every entry, one second derivative at a time."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradient = torch.autograd.grad(loss(model(x), y), parameters, create_graph=True)
    rows = []
    for entry in torch.cat([g.flatten() for g in gradient]):
        row = torch.autograd.grad(entry, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([r.flatten() for r in row]))
    return torch.stack(rows)


def dominant(H):
    """The eigenvalue of largest magnitude, by scipy's Lanczos iteration."""
    operator = LinearOperator(H.shape, matvec=lambda v: H.numpy() @ v, dtype=float)
    return float(eigsh(operator, k=1, which="LM", return_eigenvectors=False, v0=np.ones(len(H)))[0])


@pytest.mark.parametrize(
    ("eigenvalues", "wanted"),
    [
        ([3.0, 1.0, 0.5], 3.0),
        ([-4.0, 3.0, 1.0], -4.0),  # the dominant one is negative
        ([5.0, 5.0, 1.0], 5.0),
        ([-2.0, 0.0, 0.0], -2.0),
    ],
)
def test_known_quadratics(eigenvalues, wanted):
    model, loss = quadratic(eigenvalues)
    x = torch.eye(len(eigenvalues))[:1]
    found = smoothness(model, loss, (x, torch.zeros(1)), **EXACT)
    assert found.value == found.mean_loss == pytest.approx(abs(wanted), rel=1e-9)
    assert found.eigenvalue == pytest.approx(wanted, rel=1e-9)
    assert found.converged


def test_eigenvalues_of_both_signs_and_one_size():
    model, loss = quadratic([2.0, -2.0, 0.1])
    found = smoothness(model, loss, (torch.eye(3)[:1], torch.zeros(1)), **EXACT)
    assert found.value == pytest.approx(2, rel=1e-9)
    assert abs(found.eigenvalue) < 2


def test_least_squares():
    """The Hessian of the mean of ½(w·x − y)² is E xxᵀ; that of one example has the eigenvalue ‖x‖²."""
    x, y = torch.randn(20, 4), torch.randn(20, 1)
    model = nn.Linear(4, 1, bias=False)

    def loss(outputs, targets):
        return 0.5 * nn.functional.mse_loss(outputs, targets)

    found = smoothness(model, loss, (x, y), per_example=20, **EXACT)
    assert found.mean_loss == pytest.approx(float(torch.linalg.eigvalsh(x.T @ x / 20)[-1]), rel=1e-9)
    assert found.examples == tuple(range(20))
    assert found.per_example == pytest.approx(x.square().sum(1).tolist(), rel=1e-9)
    assert found.value == max(found.per_example) > found.mean_loss


def network():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("chunk_size", [500, 5])
def test_a_network_against_eigsh(reduction, chunk_size):
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    loss = nn.CrossEntropyLoss(reduction=reduction)
    found = smoothness(model, loss, (x, y), chunk_size=chunk_size, **CLOSE)
    H = dense_hessian(model, nn.CrossEntropyLoss(), x, y)
    assert found.eigenvalue == pytest.approx(dominant(H), rel=1e-6)


def test_single_examples_of_a_network_against_eigsh():
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    found = smoothness(model, nn.CrossEntropyLoss(), [(x[:5], y[:5]), (x[5:], y[5:])], per_example=3, **CLOSE)
    assert len(set(found.examples)) == 3
    for i, value in zip(found.examples, found.per_example, strict=True):
        H = dense_hessian(model, nn.CrossEntropyLoss(), x[i : i + 1], y[i : i + 1])
        assert value == pytest.approx(abs(dominant(H)), rel=1e-6)


def test_never_above_the_truth_and_better_with_more_products():
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    truth = abs(dominant(dense_hessian(model, nn.CrossEntropyLoss(), x, y)))
    sizes = [
        smoothness(model, nn.CrossEntropyLoss(), (x, y), iterations=k, tolerance=0).value
        for k in (2, 4, 8, 16)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= truth * (1 + 1e-12)


def test_says_whether_it_converged():
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    hasty = smoothness(model, nn.CrossEntropyLoss(), (x, y), iterations=2, tolerance=1e-9)
    patient = smoothness(model, nn.CrossEntropyLoss(), (x, y))
    assert (hasty.converged, hasty.iterations) == (False, 2)
    assert patient.converged
    assert 2 < patient.iterations <= 100


def test_the_seed_decides():
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    one, same, other = (
        smoothness(model, nn.CrossEntropyLoss(), (x, y), per_example=2, iterations=4, seed=seed)
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_a_loss_that_is_linear_in_the_weights_has_no_curvature():
    model = nn.Linear(3, 1)
    found = smoothness(model, lambda out, y: out.mean(), (torch.randn(4, 3), torch.zeros(4)))
    assert (found.value, found.converged) == (0.0, True)


def test_frozen_parameters_do_not_count():
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    model[0].requires_grad_(False)
    found = smoothness(model, nn.CrossEntropyLoss(), (x, y), **EXACT)
    truth = dominant(dense_hessian(model, nn.CrossEntropyLoss(), x, y))
    assert found.eigenvalue == pytest.approx(truth, rel=1e-6)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


class Convolution(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Unflatten(1, (1, 5)),
            nn.Conv2d(1, 2, 3),
            nn.GroupNorm(1, 2),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(12, 3),
        )


@pytest.mark.parametrize("kind", [Attention, Recurrent, Convolution])
def test_layers_with_fused_kernels(kind):
    model, x, y = kind().eval(), torch.randn(4, 5, 4), torch.randint(3, (4,))
    found = smoothness(model, nn.CrossEntropyLoss(), (x, y), iterations=60, tolerance=1e-6)
    v, w = ([torch.randn_like(p) for p in model.parameters()] for _ in range(2))
    total = sum(p.numel() for p in model.parameters())
    assert total > 50
    assert found.value > 0
    quotients = [abs(rayleigh(model, x, y, u)) for u in (v, w)]
    assert all(q <= found.value for q in quotients)


def rayleigh(model, x, y, v, step=1e-4):
    """``vᵀHv/vᵀv`` by differences of the loss along v."""
    parameters = list(model.parameters())
    length = math.sqrt(sum(float(p.square().sum()) for p in v))
    losses = []
    with torch.no_grad():
        for sign in (1, -2, 1):
            losses.append(float(nn.functional.cross_entropy(model(x), y)))
            for p, d in zip(parameters, v, strict=True):
                p.add_(d, alpha=sign * step / length)
    middle, up, down = losses
    return (up - 2 * middle + down) / step**2


def test_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(), nn.Tanh(), nn.Linear(5, 3))
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before, state = [p.clone() for p in model.parameters()], torch.get_rng_state()
    found = [smoothness(model, nn.CrossEntropyLoss(), (torch.ones(4, 4), torch.tensor([0, 1, 2, 0])))] * 2
    assert found[0] == found[1]
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert model[3].weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)


def test_single_precision_is_close():
    model, x, y = network(), torch.randn(12, 4), torch.randint(3, (12,))
    exact = smoothness(model, nn.CrossEntropyLoss(), (x, y), iterations=50, tolerance=1e-5)
    rough = smoothness(model.float(), nn.CrossEntropyLoss(), (x.float(), y), iterations=50, tolerance=1e-5)
    assert rough.value == pytest.approx(exact.value, rel=1e-3)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("kind", [network, Attention, Recurrent])
def test_the_same_on_a_gpu(kind):
    model, y = kind(), torch.randint(3, (6,))
    x = torch.randn(6, 4) if kind is network else torch.randn(6, 5, 4)
    options = {"per_example": 2, "iterations": 500, "tolerance": 1e-10}
    here = smoothness(model, nn.CrossEntropyLoss(), (x, y), **options)
    there = smoothness(model.cuda(), nn.CrossEntropyLoss(), (x, y), **options)
    assert there.value == pytest.approx(here.value, rel=1e-5)
    assert there.examples == here.examples


def test_power_iteration_counts_its_products():
    calls = []

    def product(v):
        calls.append(1)
        return [3 * v[0], v[1]]

    found = power_iteration(product, [torch.ones(2), torch.ones(1)], 50, 1e-9)
    assert found.iterations == len(calls) < 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"iterations": 1}, "`iterations` must be at least 2"),
        ({"tolerance": 1.0}, "`tolerance` must"),
        ({"tolerance": -0.1}, "`tolerance` must"),
        ({"per_example": -1}, "`per_example` must"),
        ({"chunk_size": 0}, "`chunk_size` must"),
    ],
)
def test_options_out_of_range_are_refused(change, said):
    with pytest.raises(InputError, match=said):
        smoothness(nn.Linear(2, 2), nn.CrossEntropyLoss(), (torch.ones(2, 2), torch.tensor([0, 1])), **change)


def test_nothing_to_measure_is_said():
    y = torch.tensor([0, 1])
    with pytest.raises(InputError, match="`examples` must hold at least one"):
        smoothness(nn.Linear(2, 2), nn.CrossEntropyLoss(), (torch.ones(0, 2), y[:0]))
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(InputError, match="`model` must have a parameter"):
        smoothness(frozen, nn.CrossEntropyLoss(), (torch.ones(2, 2), y))
    with pytest.raises(InputError, match="`model` must have finite second derivatives"):
        smoothness(nn.Linear(2, 2), nn.CrossEntropyLoss(), (torch.full((2, 2), math.inf), y))
