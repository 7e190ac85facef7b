"""Lines between states: closed forms, both barriers, statistics, buffers, tied weights, modes."""

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from rote.dynamics import Path, evaluator, interpolated, line, recompute_statistics
from rote.errors import InputError


def scalar(value):
    return {"weight": torch.full((1, 1), value)}


def quartic(net):
    """Minima of loss 0 at -1 and 1, a maximum of 1 between; the error is the distance to 1."""
    w = net.weight.item()
    return abs(w - 1), (w**2 - 1) ** 2


ONE = nn.Linear(1, 1, bias=False)


def test_the_curve_of_a_quartic():
    path = line(ONE, scalar(-1.0), scalar(1.0), quartic, points=31)
    w = 2 * path.shares - 1
    np.testing.assert_allclose(path.shares, np.linspace(0, 1, 31))
    np.testing.assert_allclose(path.loss, (w**2 - 1) ** 2, atol=1e-6)
    assert path.barrier("loss") == pytest.approx(1.0)
    assert not path.stable()
    np.testing.assert_allclose(path.error, 1 - w, atol=1e-6)
    assert path.barrier("error", ends="line") == pytest.approx(0, abs=1e-6)  # a straight error has no barrier
    assert path.barrier("error", ends="mean") == pytest.approx(1.0)  # but an end above the mean


def test_a_valley_between_two_slopes_has_a_signed_curve():
    path = line(ONE, scalar(-2.0), scalar(2.0), lambda net: (0.0, net.weight.item() ** 2), points=5)
    assert path.barrier("loss") == 0.0
    assert path.barrier("loss", between=True) == pytest.approx(-3.0)
    np.testing.assert_allclose(path.excess("loss"), [0, -3, -4, -3, 0])
    assert path.stable()


def test_both_definitions_by_hand():
    path = Path.of([0, 0.25, 0.5, 1], [0.1, 0.3, 0.2, 0.5], [0, 0, 0, 0])
    np.testing.assert_allclose(path.excess(), [-0.2, 0, -0.1, 0.2])
    np.testing.assert_allclose(path.excess(ends="line"), [0, 0.1, -0.1, 0])
    assert path.barrier() == pytest.approx(0.2)
    assert path.barrier(ends="line") == pytest.approx(0.1)
    again = Path.from_dict(json.loads(json.dumps(path.to_dict())))
    assert repr(again) == repr(path)


class Awkward(nn.Module):
    """A tied weight, dropout, batch normalisation with its integer buffer, one module in another mode."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        return self.drop(self.b(torch.relu(self.norm(self.a(x)))))


def two_states():
    torch.manual_seed(0)
    models = [Awkward(), Awkward()]
    for k, model in enumerate(models):
        model.count.fill_(k + 3)
        model.norm.running_mean.fill_(k + 1.0)
    return models, [m.state_dict() for m in models]


X, Y = torch.randn(40, 3), torch.randint(0, 3, (40,))
BATCHES = [(X[:20], Y[:20]), (X[20:], Y[20:])]


def test_ends_are_the_models_themselves_where_statistics_are_interpolated():
    models, (a, b) = two_states()
    path = line(models[0], a, b, evaluator(BATCHES), points=3, statistics="interpolate")
    for end, model in ((0, models[0]), (-1, models[1])):
        with torch.no_grad():
            outputs = model.eval()(X)
        assert path.loss[end] == pytest.approx(nn.functional.cross_entropy(outputs, Y).item(), rel=1e-6)
        assert path.error[end] == pytest.approx((outputs.argmax(1) != Y).float().mean().item())


def test_the_model_and_the_states_are_left_as_they_were():
    (model, _), (a, b) = two_states()
    model.norm.eval()
    before = copy.deepcopy((a, b))
    seen = []

    def evaluate(net):
        seen.append((net.training, net.drop.training, net.a.weight is net.b.weight, net.count.item()))
        return 0.0, 0.0

    line(model, a, b, evaluate, points=3, statistics=[X])
    assert seen == [(False, False, True, 3)] * 3
    assert (model.training, model.norm.training, model.drop.training) == (True, False, True)
    for state, old in zip((a, b), before, strict=True):
        assert all(torch.equal(state[name], old[name]) for name in old)


def test_statistics_are_those_of_the_data_at_every_point():
    (model, _), (a, b) = two_states()
    found = []

    def evaluate(net):
        inputs = net.a(X)
        expected = torch.stack([part.mean(0) for part in inputs.split(20)]).mean(0)
        variance = torch.stack([part.var(0) for part in inputs.split(20)]).mean(0)
        norm = net.norm
        found.append((norm.running_mean - expected).abs().max() + (norm.running_var - variance).abs().max())
        return 0.0, 0.0

    line(model, a, b, evaluate, points=4, statistics=BATCHES)
    assert max(found) < 1e-5


def test_recomputing_leaves_modes_and_momenta():
    model = Awkward()
    model.norm.momentum = 0.3
    recompute_statistics(model, [X])
    assert (model.norm.momentum, model.norm.training, model.drop.training) == (0.3, True, True)
    assert model.norm.num_batches_tracked == 1
    with pytest.raises(InputError, match="at least one batch"):
        recompute_statistics(model, [])
    recompute_statistics(nn.Linear(1, 1), [])  # nothing to do


def test_interpolation_by_hand():
    a = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor([7]), "flag": torch.tensor(True)}
    b = {"w": torch.tensor([1.0, 4.0]), "n": torch.tensor([9]), "flag": torch.tensor(False)}
    found = interpolated(a, b, 0.25)
    assert found["w"].tolist() == [0.25, 2.5]
    assert (found["n"].item(), found["flag"].item()) == (7, True)
    assert interpolated(a, b, 1)["w"] is b["w"]
    assert interpolated(a, b, 0)["w"] is a["w"]


def test_the_evaluator_weighs_examples_not_batches():
    net = nn.Linear(3, 3)
    uneven = evaluator([(X[:33], Y[:33]), (X[33:], Y[33:])])(net)
    assert uneven == pytest.approx(evaluator([(X, Y)])(net), rel=1e-5)
    mine = evaluator([(X, Y)], loss=nn.functional.cross_entropy, error=lambda o, y: o.new_tensor(0.25))(net)
    assert mine[0] == 0.25


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, a, b: line(m, a, b, quartic), "Got none for 'norm'"),
        (lambda m, a, b: line(m, a, b, quartic, points=1), "at least 2"),
        (lambda m, a, b: line(m, a, b, quartic, statistics="recompute"), "Got 'recompute'"),
        (lambda m, a, b: line(m, a, b, quartic, statistics=iter(BATCHES)), "used up"),
        (lambda m, a, b: line(m, a, b, quartic, statistics=[]), "at least one batch"),
        (lambda m, a, b: line(m, a, dict(a), quartic, statistics=[X]), "same tensor for 'a.weight'"),
        (lambda m, a, b: line(m, a, {}, quartic), "`b` must fit the model"),
        (lambda m, a, b: interpolated(a, {}, 0.5), "same names and shapes"),
        (lambda m, a, b: evaluator(iter(BATCHES)), "used up"),
        (lambda m, a, b: evaluator([])(m), "at least one example"),
        (lambda m, a, b: Path.of([0.0], [0.0], [0.0]), "at least two points"),
        (lambda m, a, b: Path.of([0, 1], [0, 1], [0, 1, 2]), "Got 2, 2, 3"),
        (lambda m, a, b: Path.of([0, 1], [0, 1], [0, 1]).barrier(between=True), "path of two"),
        (lambda m, a, b: Path.of([0, 1], [0, 1], [0, 1]).barrier("accuracy"), "'accuracy' and 'mean'"),
        (lambda m, a, b: Path.of([0, 1], [0, 1], [0, 1]).barrier(ends="max"), "'error' and 'max'"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    (model, _), (a, b) = two_states()
    with pytest.raises(InputError, match=words):
        call(model, a, b)
