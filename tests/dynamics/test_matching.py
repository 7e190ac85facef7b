"""Groups of units that can be swapped, and the order in which they match another network's."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from rote.dynamics import match_weights, permuted, symmetries
from rote.dynamics._symmetry import Axis, Group
from rote.errors import InputError
from rote.learners import cnn, mlp, resnet18


def conv_net():
    """Maps that are pooled, normalised and flattened to four places a channel."""
    return nn.Sequential(
        nn.Conv2d(2, 7, 3, bias=False),
        nn.BatchNorm2d(7),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(7, 5, 2),
        nn.BatchNorm2d(5),
        nn.GELU(),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(20, 9),
        nn.BatchNorm1d(9),
        nn.Tanh(),
        nn.Linear(9, 3),
    )


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.norm, self.out = (
            nn.Conv2d(2, 6, 3),
            nn.Linear(54, 8),
            nn.LayerNorm(8),
            nn.Linear(8, 3),
        )

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv(x)), 2).relu()
        x = self.norm(self.fc(torch.flatten(x, 1)))
        return self.out(nn.functional.dropout(nn.functional.gelu(x), 0.1, self.training))


MODELS = {
    "mlp": (lambda: mlp((3, 2), 3, hidden=(8, 9, 7)), (3, 2)),
    "cnn": (lambda: cnn((1, 8, 8), 3, channels=(6, 5)), (1, 8, 8)),
    "convolutions": (conv_net, (2, 8, 8)),
    "functions": (Functional, (2, 8, 8)),
}
every_model = pytest.mark.parametrize(("make", "shape"), MODELS.values(), ids=MODELS)


def lively(make, seed=0):
    """A network whose statistics and affine parameters are not all alike."""
    torch.manual_seed(seed)
    net = make()
    for name, value in net.state_dict().items():
        if value.dim() == 1 and value.is_floating_point():
            value.copy_(torch.rand_like(value) + (0.5 if "var" in name else 0))
    return net.eval()


def shuffled(groups, state, seed=1):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(group.size) for group in groups]
    return orders, permuted(groups, state, orders)


@every_model
def test_another_order_computes_the_same(make, shape):
    net, other = lively(make), make().eval()
    groups = symmetries(net)
    _, state = shuffled(groups, net.state_dict())
    other.load_state_dict(state)
    x = torch.randn(5, *shape)
    torch.testing.assert_close(other(x), net(x), rtol=1e-4, atol=1e-5)
    moved = [n for n, v in net.state_dict().items() if v.dim() and not torch.equal(v, state[n])]
    last = list(net.state_dict())[-1]
    assert set(moved) == {n for n, v in net.state_dict().items() if v.dim()} - {last}  # all but the last bias


@every_model
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_planted_permutation_is_found_exactly(make, shape, noise):
    net = lively(make)
    groups, state = symmetries(net), net.state_dict()
    orders, moved = shuffled(groups, state)
    for name, value in moved.items():
        if value.is_floating_point() and "running" not in name:
            moved[name] = value + noise * value.std() * torch.randn_like(value)
    found = match_weights(net, state, moved, seed=3)
    for order, back in zip(orders, found.orders, strict=True):
        assert order[back].tolist() == list(range(len(order)))
    if not noise:
        assert all(torch.equal(found.state[name], state[name]) for name in state)
        assert found.after == pytest.approx(
            sum(float((state[n].double() ** 2).sum()) for n in matched(groups))
        )


def matched(groups):
    return {axis.name for group in groups for axis in group.axes if axis.weighs}


def test_matching_never_makes_it_worse_and_ends_at_a_local_optimum():
    make = MODELS["mlp"][0]
    for seed in range(4):
        a, b = lively(make, seed).state_dict(), lively(make, seed + 10).state_dict()
        found = match_weights(make(), a, b, seed=seed)
        assert found.after >= found.before
        again = match_weights(make(), a, found.state)
        assert again.after >= found.after - 1e-9
        inner = sum(
            float((a[n].double() * found.state[n].double()).sum()) for n in matched(symmetries(make()))
        )
        assert found.after == pytest.approx(inner)


def test_two_layers_are_solved_exactly():
    """With one group it is a single assignment: compared with every one of 120 orders."""
    from itertools import permutations

    net = mlp((3,), 2, hidden=(5,))
    a, b = lively(lambda: net, 0).state_dict(), None
    a = copy.deepcopy(a)
    b = copy.deepcopy(lively(lambda: mlp((3,), 2, hidden=(5,)), 1).state_dict())
    (group,) = symmetries(net)
    values = []
    for order in permutations(range(5)):
        moved = permuted([group], b, [np.array(order)])
        values.append(sum(float((a[n].double() * moved[n].double()).sum()) for n in matched([group])))
    assert match_weights(net, a, b).after == pytest.approx(max(values))


def test_states_are_left_as_they_were():
    net = conv_net()
    _, moved = shuffled(symmetries(net), net.state_dict())
    before = copy.deepcopy(moved)
    match_weights(net, net.state_dict(), moved)
    assert all(torch.equal(moved[name], before[name]) for name in moved)


def test_groups_can_be_written_down():
    """A residual connection, which is no chain: its units stand in four arrays."""

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x):
            h = self.a(x)
            return self.c(torch.relu(h + self.b(torch.relu(h))))

    net = Residual()
    with pytest.raises(InputError, match="pass `groups`"):
        symmetries(net)
    names = [("a.weight", 0), ("a.bias", 0), ("b.weight", 0), ("b.bias", 0), ("b.weight", 1), ("c.weight", 1)]
    group = Group(6, tuple(Axis(name, axis) for name, axis in names))
    order, moved = shuffled([group], net.state_dict())
    other = Residual()
    other.load_state_dict(moved)
    x = torch.randn(5, 4)
    torch.testing.assert_close(net(x), other(x))
    found = match_weights(net, net.state_dict(), moved, groups=[group])
    assert order[0][found.orders[0]].tolist() == list(range(6))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.b(self.a(self.a(x)))


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: resnet18((3, 16, 16), 2), "each fed by the one before|GroupNorm"),
        (lambda: nn.Sequential(nn.Linear(2, 4), nn.GroupNorm(2, 4), nn.Linear(4, 2)), "'1', a GroupNorm"),
        (lambda: nn.Sequential(nn.Linear(2, 4), nn.Softmax(1), nn.Linear(4, 2)), "'1', a Softmax"),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 1, groups=2), nn.Conv2d(4, 2, 1)), "'0', a Conv2d"),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 1), nn.Linear(4, 2)), "along the rows of maps"),
        (lambda: nn.Sequential(nn.Linear(2, 4), nn.Linear(5, 2)), "takes 5 inputs from 4 units"),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 1), nn.Flatten(2)), "flatten from dimension 2"),
        (lambda: nn.Sequential(nn.Linear(2, 4), nn.ReLU()), "at least two layers"),
        (Twice, "'a', which runs twice"),
        (Branching, "TraceError"),
    ],
)
def test_what_is_not_understood_is_refused_in_words(make, words):
    with pytest.raises(InputError, match=words) as caught:
        symmetries(make())
    assert "\n" not in str(caught.value)


def test_shared_parameters_are_refused():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    with pytest.raises(InputError, match="share parameters"):
        symmetries(net)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a, b: b.pop("3.weight"), "`b` must hold '3.weight' with 8 entries along axis 1. Got none"),
        (lambda a, b: a.update({"1.weight": torch.ones(9, 6)}), "`a` must hold '1.weight' with 8"),
        (lambda a, b: a["1.weight"].fill_(float("nan")), "finite"),
    ],
)
def test_states_that_do_not_fit_are_refused(change, words):
    net = mlp((3, 2), 3, hidden=(8,))
    a, b = copy.deepcopy(net.state_dict()), copy.deepcopy(net.state_dict())
    change(a, b)
    with pytest.raises(InputError, match=words):
        match_weights(net, a, b)


def test_orders_are_checked():
    net = mlp((3, 2), 3, hidden=(4,))
    groups = symmetries(net)
    for orders, words in [([], "1 groups"), ([np.array([0, 1, 1, 2])], "permutation of 4")]:
        with pytest.raises(InputError, match=words):
            permuted(groups, net.state_dict(), orders)
    with pytest.raises(InputError, match=r"must hold '1.weight'"):
        permuted(groups, {}, [np.arange(4)])
    with pytest.raises(InputError, match="`sweeps`"):
        match_weights(net, net.state_dict(), net.state_dict(), sweeps=0)
