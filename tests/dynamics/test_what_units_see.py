"""Images, filters, contours and orientation of units whose optimum is known."""

import numpy as np
import pytest
import torch
from torch import nn

from rote.dynamics import (
    Contours,
    Maximised,
    Tuning,
    first_layer_filters,
    gabor,
    maximise,
    orientation_selectivity,
    orientation_tuning,
    unit_contours,
)
from rote.errors import InputError
from rote.learners import cnn, mlp

torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # loads slowly, and would be timed with the first test


def test_a_linear_unit_is_climbed_to_its_weights():
    net = mlp((1, 3, 3), 4, hidden=(5,))
    found = maximise(net, "1", [3, 0], (1, 3, 3), jitter=0, l2=0.5, steps=100)
    np.testing.assert_allclose(found.images.reshape(2, 9), net[1].weight[[3, 0]].detach(), atol=0.01)
    assert (found.after > found.before).all()
    np.testing.assert_allclose(
        found.after, (net[1].weight[[3, 0]] ** 2).sum(1).detach() + net[1].bias[[3, 0]].detach(), rtol=0.1
    )
    assert repr(found).startswith("Maximised('1', units=2, images=(1, 3, 3), activation")
    assert isinstance(found, Maximised)


def test_a_channel_of_a_convolution_grows_and_nothing_else_changes():
    net = cnn((1, 8, 8), 3, channels=(4, 4))
    net[0].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = maximise(net, "2", [0, 1, 2, 3], (1, 8, 8), steps=40)
    assert (found.after >= found.before).all()
    assert (found.after > found.before).sum() >= 3  # one may start where its ReLUs leave it nowhere to go
    assert found.images.shape == (4, 1, 8, 8)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert net.training
    assert not net[0].training
    assert not net[2]._forward_hooks
    again = maximise(net, "2", [0, 1, 2, 3], (1, 8, 8), steps=40)
    assert np.array_equal(found.images, again.images)


def test_jitter_spreads_what_one_pixel_would_have():
    """A unit that sees one pixel: without jitter that pixel only, with it the neighbours too."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(25, 1))
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(25)[12][None])
    plain = maximise(net, "1", [0], (5, 5), jitter=0, l2=0.5, steps=80).images[0]
    spread = maximise(net, "1", [0], (5, 5), jitter=1, l2=0.5, steps=80).images[0]
    assert plain[2, 2] == pytest.approx(1, abs=0.05)
    assert np.abs(plain).sum() - plain[2, 2] < 0.2
    assert spread[2, 2] < 0.6
    assert spread[1:4, 1:4].sum() - spread[2, 2] > 0.3
    np.testing.assert_allclose(spread[[0, 0, 4, 4], [0, 4, 0, 4]], 0, atol=0.02)


def test_filters_of_the_first_layer():
    net = mlp((1, 2, 3), 2, hidden=(4,))
    filters = first_layer_filters(net, (1, 2, 3))
    assert np.array_equal(filters.reshape(4, 6), net[1].weight.detach())
    filters[:] = 0
    assert net[1].weight.abs().sum() > 0
    assert first_layer_filters(net).shape == (4, 6)
    assert first_layer_filters(cnn((3, 8, 8), 2, channels=(5,))).shape == (5, 3, 3, 3)


def test_contours_are_the_units_at_the_points():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0], [10, 1]]))
        net[0].bias.zero_()
    found = unit_contours(net, ["0", "1"], extent=(-2, 2), resolution=5)
    assert found.x.tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(found.values["0"][0], np.tile(found.x, (5, 1)))
    np.testing.assert_allclose(found.values["0"][1], 10 * found.x[None] + found.y[:, None])
    np.testing.assert_allclose(found.values["1"], np.maximum(found.values["0"], 0))
    assert repr(found) == "Contours(5 × 5, '0': 2, '1': 2)"
    assert isinstance(found, Contours)


@pytest.mark.parametrize("angle", [0, 0.5, np.pi / 2, 2.5])
def test_an_edge_detector_prefers_its_own_orientation(angle):
    found = orientation_tuning(gabor(11, angle, wavelength=8, width=4)[None], wavelength=8, angles=180)
    assert found.preferred[0] == pytest.approx(angle, abs=0.02)
    assert found.selectivity[0] > 0.5
    assert isinstance(found, Tuning)


def test_averaging_two_edge_detectors_leaves_little_selectivity():
    """11 × 11, 0 and 90 degrees: .675 each, .074 on average, and half the peak."""
    wave = {"wavelength": 7, "width": 3.75}
    edges = np.stack([gabor(11, a, **wave) for a in (0, np.pi / 2)])
    found = orientation_tuning(np.concatenate([edges, edges.mean(0)[None]]), **wave, angles=180)
    np.testing.assert_allclose(found.selectivity, [0.675, 0.675, 0.074], atol=2e-3)
    np.testing.assert_allclose(found.peak[2], found.peak[:2] / 2)


def test_the_best_phase_is_found_in_closed_form():
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((2, 3, 7, 7))
    found = orientation_tuning(kernel, wavelength=5, angles=4)
    phases = np.linspace(0, 2 * np.pi, 500)
    slow = [
        max((kernel[1].sum(0) * gabor(7, a, wavelength=5, phase=p)).sum() for p in phases)
        for a in found.angles
    ]
    np.testing.assert_allclose(found.responses[1], slow, rtol=1e-4)


def test_selectivity_at_its_ends_and_in_closed_form():
    angles = np.arange(36) * np.pi / 36
    one = (np.arange(36) == 5).astype(float)
    raised = 1 + 0.6 * np.cos(2 * (angles - 1))
    found = orientation_selectivity([one, np.ones(36), raised, np.zeros(36)], angles)
    np.testing.assert_allclose(found, [1, 0, 0.3, 0], atol=1e-12)


def test_hostile_input_is_refused():
    net = mlp((2,), 2, hidden=(3,))
    with pytest.raises(InputError, match="`layer` must name a module"):
        maximise(net, "nope", [0], (2,))
    with pytest.raises(InputError, match=r"0 to 2 for layer '1'\. Got 0 to 3"):
        maximise(net, "1", [0, 3], (2,))
    with pytest.raises(InputError, match=r"layer=.*units="):
        maximise(net, "1", [], (2,))
    with pytest.raises(InputError, match="one row an example"):
        maximise(nn.Sequential(nn.LSTM(2, 2)), "0", [0], (3, 2))
    with pytest.raises(InputError, match="none"):
        first_layer_filters(nn.ReLU())
    with pytest.raises(InputError, match=r"must have 2 numbers.*\(3, 3\)"):
        first_layer_filters(net, (3, 3))
    with pytest.raises(InputError, match="must rise"):
        unit_contours(net, extent=(1, 1))
    with pytest.raises(InputError, match="squares"):
        orientation_tuning(np.zeros((1, 3, 4)))
    with pytest.raises(InputError, match="not negative"):
        orientation_selectivity([[-1.0, 1]], [0, 1])
    with pytest.raises(InputError, match="must be positive"):
        gabor(0, 0, wavelength=1)
