"""The sweep over k: who is trained how far, planted instability, and going on where it stopped."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from rote.dynamics import Copies, Path, evaluator, instability, line, sgd_steps, stable_from
from rote.errors import InputError
from rote.learners import Recipe, mlp


def linear(seed):
    torch.manual_seed(seed)
    return nn.Linear(2, 1, bias=False)


class Walk:
    """Training that moves by its step and order alone, and tells what it was asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, model, memory, first, last, order):
        self.calls.append((memory, first, last, order))
        model.weight.data.add_((last - first) * torch.tensor([[1.0, float(order)]]))
        return ("memory at", last, order)


def flat(model, a, b):
    return Path.of([0, 1], [0, 0], [0, 0])


def test_networks_are_trained_once_to_each_k_and_copies_from_there():
    walk = Walk()
    found = list(instability(linear, walk, flat, ks=[4, 0], total=10, seeds=[5], copies=3))
    assert [pair.key for pair in found] == [(k, 5, p) for k in (0, 4) for p in ((1, 2), (1, 3), (2, 3))]
    start, later = ("memory at", 0, 0), ("memory at", 4, 0)
    assert walk.calls == [
        (None, 0, 0, 0),
        *((start, 0, 10, order) for order in (1, 2, 3)),
        (start, 0, 4, 0),
        *((later, 4, 10, order) for order in (1, 2, 3)),
    ]
    assert found[0].distance == pytest.approx(10.0)  # orders 1 and 2 part by 1 a step
    assert found[1].distance == pytest.approx(20.0)
    assert found[3].distance == pytest.approx(6.0)
    ends = [np.hypot(10, 6 * order) for order in (1, 2)]
    assert found[3].travelled == pytest.approx(np.mean(ends))


def test_what_is_done_is_not_done_again():
    walk = Walk()
    every = list(instability(linear, walk, flat, ks=[0, 4], total=10, seeds=[5, 6], copies=3))
    done = {pair.key for pair in every} - {(4, 6, (1, 3))}
    walk.calls.clear()
    (rest,) = instability(linear, walk, flat, ks=[0, 4], total=10, seeds=[5, 6], copies=3, done=done)
    assert rest.key == (4, 6, (1, 3))
    assert [call[1:] for call in walk.calls] == [(0, 4, 0), (4, 10, 1), (4, 10, 3)]
    again = Copies.from_dict(json.loads(json.dumps(rest.to_dict())))
    assert repr(again) == repr(rest)


def test_a_planted_double_well_is_unstable_until_the_side_is_chosen():
    """Gradient descent with noise in (w²-1)²: copies that part before w has a sign may end on two sides."""

    def train(model, memory, first, last, order):
        for step in range(first, last):
            noise = torch.randn((), generator=torch.Generator().manual_seed(1000 * order + step)).item()
            w = model.weight.item()
            push = 0.3 * noise if step < 5 else 0.0
            model.weight.data.fill_(w - 0.05 * 4 * w * (w**2 - 1) + push)

    def well(net):
        w = net.weight.item()
        return (w**2 - 1) ** 2, (w**2 - 1) ** 2

    def start(seed):
        model = nn.Linear(1, 1, bias=False)
        model.weight.data.zero_()
        return model

    measure = partial(line, evaluate=well, points=31)
    found = list(
        instability(start, train, lambda m, a, b: measure(m, a, b), ks=[0, 5, 20], total=80, copies=6)
    )
    parted = [pair.path.barrier() for pair in found if pair.k == 0]
    assert max(parted) == pytest.approx(1.0, abs=0.01)  # over the hill at 0
    assert min(parted) == pytest.approx(0.0, abs=0.01)
    assert all(pair.path.barrier() < 1e-3 for pair in found if pair.k >= 5)
    assert stable_from(found) == 5


def test_sgd_on_a_network_with_the_real_line():
    x = torch.randn(60, 4)
    y = (x[:, 0] > 0).long()
    train = sgd_steps(x, y, Recipe(batch=16, lr=0.1))
    evaluate = evaluator([(x, y)])

    def network(seed):
        torch.manual_seed(seed)
        return mlp((4,), 2, hidden=(8,))

    def measure(model, a, b):
        return line(model, a, b, evaluate, points=5)

    found = list(instability(network, train, measure, ks=[0, 30], total=40, seeds=[0, 1]))
    assert [pair.key[:2] for pair in found] == [(0, 0), (30, 0), (0, 1), (30, 1)]
    assert all(0 < pair.distance < pair.travelled for pair in found)
    assert found[0].distance > found[1].distance
    again = list(instability(network, train, measure, ks=[0, 30], total=40, seeds=[0, 1]))
    assert [pair.to_dict() for pair in again] == [pair.to_dict() for pair in found]


def test_sgd_goes_on_as_if_it_had_not_stopped():
    x, y = torch.randn(10, 3), torch.randint(0, 2, (10,))
    train = sgd_steps(x, y, Recipe(batch=3, lr=0.1, momentum=0.9, weight_decay=0.01))
    ends = []
    for stops in ([9], [1, 4, 9], [4, 8, 9]):
        torch.manual_seed(0)
        model, memory, at = nn.Linear(3, 2), None, 0
        for stop in stops:
            memory, at = train(model, memory, at, stop, 1), stop
        ends.append(model.weight.detach())
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])
    other = nn.Linear(3, 2)
    train(other, None, 0, 9, 2)
    assert not torch.equal(other.weight, ends[0])


def pair(k, *heights):
    for height in heights:
        path = Path.of([0, 0.5, 1], [0.2, 0.2 + height, 0.2], [0, 0, 0])
        yield Copies(k, 0, (1, 2), path, 1.0, 2.0)


def test_stable_from_by_hand():
    found = [*pair(0, 0.5), *pair(10, 0.0), *pair(20, 0.01, 0.04), *pair(30, 0.0, 0.03), *pair(40, 0.01)]
    assert stable_from(found) == 30
    assert stable_from(found, level=0.03) == 10
    assert stable_from(found, level=0.001) is None
    with pytest.raises(InputError, match="at least one pair"):
        stable_from([])


@pytest.mark.parametrize(
    "options",
    [{"ks": []}, {"ks": [-1]}, {"ks": [11]}, {"ks": [0], "copies": 1}, {"ks": [0], "seeds": []}],
)
def test_what_cannot_be_is_refused_at_once(options):
    with pytest.raises(InputError, match="within 0 to 10"):
        instability(linear, Walk(), flat, total=10, **options)
