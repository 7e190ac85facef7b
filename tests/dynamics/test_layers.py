"""Features of layers: which, in which order, of which shape; and the model as it was."""

import pytest
import torch
from torch import nn

from rote.dynamics import activations
from rote.dynamics._layers import as_features
from rote.errors import InputError


class Backwards(nn.Module):
    """Runs its layers in another order than it names them, one of them twice."""

    def __init__(self):
        super().__init__()
        self.last, self.unused, self.first = nn.Linear(4, 2), nn.Linear(1, 1), nn.Linear(4, 4)

    def forward(self, x):
        return self.last(self.first(torch.relu(self.first(x))))


def test_layers_come_in_the_order_in_which_they_run():
    net, x = Backwards(), torch.randn(7, 4)
    found = activations(net, x, batch=3)
    assert list(found) == ["first", "first#2", "last"]
    torch.testing.assert_close(found["first"], net.first(x).detach())
    torch.testing.assert_close(found["last"], net(x).detach())


def test_the_model_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5).eval(), nn.Linear(3, 2))
    state = {name: value.clone() for name, value in net.state_dict().items()}
    first, second = (activations(net, torch.ones(6, 3), ["2"])["2"] for _ in range(2))
    assert torch.equal(first, second)  # no dropout
    assert [m.training for m in net] == [True, True, False, True]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())
    assert not first.requires_grad


def test_an_error_leaves_nothing_behind():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 2))
    with pytest.raises(RuntimeError):
        activations(net, torch.ones(6, 3))
    assert net.training
    assert not any(m._forward_hooks for m in net.modules())


def test_a_layer_that_works_in_place_does_not_change_what_was_seen():
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    x = torch.randn(5, 3)
    found = activations(net, x, ["0", "1"])
    assert (found["0"] < 0).any()
    torch.testing.assert_close(found["1"], found["0"].relu())


def test_maps_are_rows_of_examples_or_of_places():
    net, x = nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3)), torch.randn(5, 1, 4, 4)
    flat, space = (activations(net, x, ["0"], maps=maps)["0"] for maps in ("flat", "space"))
    maps = net[0](x).detach()
    assert torch.equal(flat, maps.flatten(1))
    assert torch.equal(space, maps.permute(0, 2, 3, 1).reshape(-1, 3))


def test_where_channels_are():
    tokens = torch.randn(2, 7, 5)
    assert as_features(tokens, nn.Linear(5, 5), maps="space").shape == (14, 5)
    assert as_features(tokens, nn.Conv1d(1, 7, 1), maps="space").shape == (10, 7)
    assert as_features(torch.randn(2, 3, 4, 5, 6), maps="space").shape == (2 * 4 * 5 * 6, 3)
    assert as_features(torch.randn(4)).shape == (4, 1)


def test_of_several_outputs_the_first_counts():
    found = activations(nn.Sequential(nn.LSTM(3, 4, batch_first=True)), torch.randn(5, 6, 3))
    assert found["0"].shape == (5, 24)
    attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    attention.train()
    names = list(activations(attention, torch.randn(5, 6, 4)))
    assert "linear2" in names or names == []  # the fused path runs no layer


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (["nope"], r"Got 'nope'; there are 'last', 'unused', 'first'"),
        ([], "Got none"),
        (["unused"], "'unused', which was not run"),
    ],
)
def test_unknown_layers_are_refused(layers, words):
    with pytest.raises(InputError, match=words):
        activations(Backwards(), torch.ones(2, 4), layers)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: activations(nn.Linear(2, 2), torch.ones(0, 2)), "at least one example"),
        (lambda: activations(nn.Linear(2, 2), torch.ones(3, 2), batch=0), "batch=0"),
        (lambda: activations(nn.ReLU(), torch.ones(3, 2)), "no module with parameters"),
        (lambda: activations(nn.Linear(2, 2), torch.ones(3, 2), maps="sideways"), "'sideways'"),
        (lambda: activations(nn.Sequential(Mean()), torch.ones(3, 2), ["0"]), r"returned shape \(2,\)"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
