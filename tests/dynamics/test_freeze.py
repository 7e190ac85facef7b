"""Freeze training: the schedule, that frozen layers stand still, what is saved."""

import pytest
import torch
from torch import nn

from rote.dynamics import FreezeTraining
from rote.errors import InputError


def network():
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)
    )


def state(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def test_each_layer_stands_still_from_its_share_on():
    net = network()
    freeze = FreezeTraining(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    assert freeze.schedule == pytest.approx({"0": 0.25, "1": 0.5, "3": 0.75})
    for step in range(20):
        net.train()
        frozen = freeze.step(step / 20)
        assert frozen == ("0", "1", "3")[: step // 5]
        before = state(net)
        optimizer.zero_grad()
        net(torch.randn(6, 4)).square().mean().backward()
        optimizer.step()
        after = net.state_dict()
        moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
        assert moved == {"0", "1", "3", "5"} - set(frozen)
    saving = freeze.saving()
    sizes = {"0": 40, "1": 16, "3": 72, "5": 18}
    assert saving.frozen == pytest.approx({"0": 0.75, "1": 0.5, "3": 0.25, "5": 0.0})
    assert saving.parameters == pytest.approx((0.75 * 40 + 0.5 * 16 + 0.25 * 72) / sum(sizes.values()))


def test_backward_stops_where_all_below_is_frozen():
    net = network()
    seen = []
    net[3].register_full_backward_hook(lambda *_: seen.append("3"))
    freeze = FreezeTraining(net)
    freeze.step(0.8)
    net(torch.randn(6, 4)).sum().backward()
    assert net[0].weight.grad is None
    assert seen == []


def test_going_on_from_a_checkpoint():
    fresh, resumed = FreezeTraining(network()), FreezeTraining(network())
    for step in range(20):
        fresh.step(step / 20)
    for step in range(12, 20):
        frozen = resumed.step(step / 20)
    assert frozen == ("0", "1", "3")
    assert resumed.saving().parameters == pytest.approx(fresh.saving().parameters)


def test_release_gives_back_what_learnt_before():
    net = network()
    net[0].bias.requires_grad_(False)
    freeze = FreezeTraining(net)
    freeze.step(1.0)
    freeze.release()
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["0.bias"]
    assert freeze.saving().parameters == 0
    assert freeze.step(0.0) == ()


def test_a_tied_weight_freezes_with_the_last_layer_that_has_it():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    net[2].weight = net[0].weight
    freeze = FreezeTraining(net)
    freeze.step(0.5)
    assert net[0].weight.requires_grad
    assert not net[0].bias.requires_grad
    freeze.step(0.75)
    assert not net[0].weight.requires_grad
    # From shares 1/4, 1/2 and 3/4 on: the bias of the first, all of the second, the tied weight and a bias.
    freeze.step(1.0)
    own = {"0": 3, "1": 12, "2": 12, "3": 4}
    saved = 0.75 * own["0"] + 0.5 * own["1"] + 0.25 * own["2"]
    assert freeze.saving().parameters == pytest.approx(saved / sum(own.values()))


def test_named_layers_and_shares():
    net = nn.ModuleDict({"body": network(), "head": nn.Linear(2, 1)})
    freeze = FreezeTraining(net, ["body.0", "body.3", "head"], start=0.1, end=0.6)
    assert freeze.schedule == pytest.approx({"body.0": 0.1, "body.3": 0.6})
    assert FreezeTraining(net).schedule == {"body": 0.5}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: FreezeTraining(network(), ["0", "nope"]), "Got 'nope'"),
        (lambda: FreezeTraining(network(), ["0"]), "at least two"),
        (lambda: FreezeTraining(network(), ["0", "0"]), "each once"),
        (lambda: FreezeTraining(nn.Linear(2, 2)), "at least two"),
        (lambda: FreezeTraining(network(), start=0.9, end=0.1), "Got 0.9 and 0.1"),
        (lambda: FreezeTraining(network(), end=1.1), "Got 0.25 and 1.1"),
        (lambda: FreezeTraining(network()).step(1.5), "Got 1.5 after 0"),
        (lambda: [f.step(s) for f in [FreezeTraining(network())] for s in (0.5, 0.4)], "Got 0.4 after 0.5"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
