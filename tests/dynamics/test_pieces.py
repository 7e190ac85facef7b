"""Networks whose pieces are known, and a fine grid that sees the same."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rote.dynamics import Pieces, linear_pieces, random_lines
from rote.errors import InputError


def tent():
    """2 relu(x) - 4 relu(x - ½), which maps [0, 1] onto itself twice."""
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        for p, values in zip(net.parameters(), ([[1.0], [1]], [0, -0.5], [[2.0, -4]], [0]), strict=True):
            p.copy_(torch.tensor(values))
    return net


def net(seed, widths=(3, 8, 8, 2)):
    torch.manual_seed(seed)
    layers = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def on_a_grid(model, start, end, points=5_001):
    """Changes of the activation pattern between neighbours on a fine grid, per layer, cumulated."""
    x = torch.lerp(start.double(), end.double(), torch.linspace(0, 1, points, dtype=torch.float64)[:, None])
    patterns, pieces = [], []
    for layer in model.double():
        if isinstance(layer, nn.ReLU):
            patterns.append(x > 0)
            every = torch.cat(patterns, 1)
            pieces.append(1 + int((every[1:] != every[:-1]).any(1).sum()))
        x = layer(x)
    return pieces


def test_a_sawtooth_doubles_its_pieces_with_each_layer():
    """Telgarsky 2015: k tents in a row are a sawtooth of 2^k pieces."""
    model = nn.Sequential(*[tent() for _ in range(8)])
    found = linear_pieces(model, torch.zeros(1, 1), torch.ones(1, 1))
    assert found.pieces.tolist() == [[2**k for k in range(1, 9)]]
    np.testing.assert_allclose(found.breakpoints[0], np.arange(1, 256) / 256, atol=1e-12)
    assert repr(found).startswith("Pieces(lines=1, '0.1': 2, '1.1': 4")
    assert isinstance(found, Pieces)


def test_one_layer_breaks_where_its_units_start():
    model = nn.Sequential(nn.Linear(1, 5), nn.ReLU(), nn.Linear(5, 1))
    starts = torch.tensor([-2.0, 0.1, 0.3, 0.3, 0.75])
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.copy_(-starts)
    found = linear_pieces(model, torch.zeros(1, 1), torch.ones(1, 1))
    np.testing.assert_allclose(found.breakpoints[0], [0.1, 0.3, 0.75], rtol=1e-6)  # one outside, two together
    assert found.pieces.tolist() == [[4]]


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_a_fine_grid_sees_the_same(seed):
    model = net(seed)
    starts, ends = torch.randn(3, 3), torch.randn(3, 3)
    found = linear_pieces(model, starts, ends, batch=7)
    for line in range(3):
        seen = on_a_grid(model, starts[line], ends[line])
        gaps = np.diff(np.r_[0, found.breakpoints[line], 1])
        if gaps.min() > 4e-4:  # what falls between two points of the grid it cannot see
            assert found.pieces[line].tolist() == seen


def test_convolutions_skips_norms_and_other_kinks():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.LeakyReLU())
            self.act = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.act(x + self.body(x)) + nn.functional.avg_pool2d(x, 1)

    model = nn.Sequential(nn.Conv2d(1, 2, 3), Skip(), nn.ReLU6(), nn.Dropout(), nn.Flatten(), nn.Linear(8, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = linear_pieces(model, *random_lines(torch.randn(5, 1, 4, 4), 4, seed=1))
    assert found.layers == ("1.body.2", "1.act", "2")
    assert (np.diff(found.pieces, axis=1) >= 0).all()
    assert found.pieces.max() > 4
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_hardtanh_has_two_kinks():
    found = linear_pieces(nn.Hardtanh(-1, 2), torch.tensor([[-4.0]]), torch.tensor([[4.0]]))
    np.testing.assert_allclose(found.breakpoints[0], [3 / 8, 6 / 8])


def test_a_line_that_is_a_point_is_one_piece():
    x = torch.ones(2, 3)
    assert linear_pieces(net(0), x, x).pieces.tolist() == [[1, 1]] * 2


def test_lines_join_different_examples_and_are_the_same_again():
    x = torch.arange(6.0)[:, None]
    starts, ends = random_lines(x, 200, seed=3)
    assert not (starts == ends).any()
    assert set(starts.flatten().tolist()) == set(ends.flatten().tolist()) == set(range(6))
    assert torch.equal(ends, random_lines(x, 200, seed=3)[1])


@pytest.mark.parametrize(
    "bend",
    [nn.Tanh(), nn.MaxPool1d(2), nn.GELU()],
    ids=lambda m: type(m).__name__,
)
def test_what_bends_elsewhere_is_refused(bend):
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), bend)
    with pytest.raises(InputError, match="output bends elsewhere"):
        linear_pieces(model, -torch.ones(4, 3) + 3 * torch.randn(4, 3), torch.ones(4, 3))


def test_hostile_input_is_refused():
    x = torch.zeros(2, 3)
    with pytest.raises(InputError, match="must have activations that are modules"):
        linear_pieces(nn.Linear(3, 2), x, x)
    with pytest.raises(InputError, match="same shape"):
        linear_pieces(net(0), x, x[:1])
    with pytest.raises(InputError, match=r"one tensor\. Got tuple"):
        linear_pieces(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.LSTM(3, 3)), x, x)
    with pytest.raises(InputError, match="join two of the examples"):
        random_lines(x[:1], 1)
