"""Clipped gradients: measured before or after, and what is not clipping by norm."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles import training
from rote.errors import InputError
from rote.gradients import coherence, watch

LOSS, on_each_device = training.LOSS, training.on_each_device
small, batch, step, assert_same = training.small, training.batch, training.step, training.assert_same
clip_by_norm = nn.utils.clip_grad_norm_


@on_each_device
@pytest.mark.parametrize("largest", [0.01, 1e9])
def test_after_clipping_the_clipped_gradients_are_measured(largest, device):
    model, (x, y) = small(device), batch(device=device)
    expected = coherence(model, LOSS, (x, y))
    with watch(model, clipping="after") as meter:
        for _ in range(2):
            model.zero_grad()
            LOSS(model(x), y).backward()
            norm = float(clip_by_norm(model.parameters(), largest))
            meter.update()
        got = meter.last
    factor = min(1.0, largest / (norm + 1e-6))
    assert got.clip == pytest.approx(factor, rel=1e-10)
    assert meter.compute().clip == pytest.approx(factor, rel=1e-10)
    assert got.alpha == pytest.approx(expected.alpha, rel=1e-10)
    np.testing.assert_allclose(got.squared_norms, expected.squared_norms * factor**2, rtol=1e-10)


def test_before_clipping_nothing_is_clipped():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        clip_by_norm(model.parameters(), 0.01)
        meter.update()
    assert meter.last.clip == 1.0
    assert_same(meter.last, coherence(model, LOSS, (x, y)))


def test_the_mean_factor_of_several_steps():
    model, (x, y) = small(), batch()
    factors = []
    with watch(model, clipping="after") as meter:
        for largest in (0.01, 1e9, 0.02):
            model.zero_grad(set_to_none=False)
            LOSS(model(x), y).backward()
            clip_by_norm(model.parameters(), largest)
            meter.update()
            factors.append(meter.last.clip)
        assert meter.compute().clip == pytest.approx(sum(factors) / 3, rel=1e-12)
    assert factors[0] < factors[2] < factors[1] == 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clipping_by_value_is_refused(dtype):
    model, (x, y) = small().to(dtype), batch()
    with watch(model, clipping="after") as meter:
        LOSS(model(x.to(dtype)), y).backward()
        largest = max(float(p.grad.abs().max()) for p in model.parameters())
        nn.utils.clip_grad_value_(model.parameters(), 0.9 * largest)
        with pytest.raises(InputError, match="scaled by one factor, as clip_grad_norm_ does"):
            meter.update()


def test_clipping_only_one_layer_is_refused():
    model, (x, y) = small(), batch()
    with watch(model, clipping="after") as meter:
        LOSS(model(x), y).backward()
        clip_by_norm(model[2].parameters(), 0.01)
        with pytest.raises(InputError, match="clip the norm of all parameters together"):
            meter.update()


def test_an_older_gradient_is_noticed_where_it_matters():
    model, (x, y) = small(), batch()
    with watch(model, clipping="after") as meter:
        LOSS(model(x), y).backward()
        meter.update()
        LOSS(model(x * 2), y).backward()
        clip_by_norm(model.parameters(), 0.01)
        with pytest.raises(InputError, match=r"held an older gradient.*zero_grad\(\) before each backward"):
            meter.update()


def test_gradients_that_are_gone_are_noticed():
    model, (x, y) = small(), batch()
    with watch(model, clipping="after") as meter:
        LOSS(model(x), y).backward()
        model.zero_grad()
        with pytest.raises(InputError, match=r"no p\.grad of"):
            meter.update()


def test_clipping_with_a_scaler_needs_unscaled_gradients():
    model, (x, y) = small(), batch()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = coherence(model, LOSS, (x, y))
    with watch(model, clipping="after", scaler=scaler) as meter:
        scaler.scale(LOSS(model(x), y)).backward()
        with pytest.raises(InputError, match="unscale_"):
            meter.update()
        optimizer.zero_grad()
        scaler.scale(LOSS(model(x), y)).backward()
        scaler.unscale_(optimizer)
        clip_by_norm(model.parameters(), 0.01)
        meter.update()
    got = meter.last
    assert 0 < got.clip < 1
    np.testing.assert_allclose(got.squared_norms, expected.squared_norms * got.clip**2, rtol=1e-10)


def test_clipping_where_every_gradient_is_zero():
    model, scaler = nn.Linear(2, 1), torch.amp.GradScaler("cpu")
    with watch(model, clipping="after", scaler=scaler) as meter:
        (scaler.scale(model(torch.ones(3, 2)).mean()) * 0.0).backward()
        meter.update()
    assert meter.last.clip == 1.0
    assert "every example's gradient is zero" in meter.last.note


def test_clipping_after_several_backward_passes_is_refused():
    with pytest.raises(InputError, match=r"one backward pass for each p\.grad"):
        watch(small(), clipping="after", accumulate=True)
    with pytest.raises(InputError, match="`clipping` must be 'before' or 'after'"):
        watch(small(), clipping="value")
