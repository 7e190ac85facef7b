"""How people train: accumulated gradients, scaled losses, gradients that are not finite."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from oracles import gradients as oracle
from oracles import training
from rote.errors import InputError
from rote.gradients import NonFiniteGradientWarning, coherence, watch

LOSS, on_each_device = training.LOSS, training.on_each_device
small, batch, step, assert_same = training.small, training.batch, training.step, training.assert_same


@on_each_device
def test_the_same_as_a_loop_over_the_examples(device):
    model, (x, y) = small(device), batch(7, device)
    G = torch.cat(list(oracle.gradient_matrix(model, LOSS, x, y).values()), dim=1)
    with watch(model) as meter:
        step(model, meter, x, y)
        got = meter.last
    alpha, m_coherence, unbiased = oracle.coherence_of(G)
    assert (got.alpha, got.alpha_unbiased) == (pytest.approx(alpha), pytest.approx(unbiased))
    assert got.diversity == pytest.approx(1 / m_coherence, rel=1e-10)
    np.testing.assert_allclose(got.squared_norms, G.square().sum(1).cpu().numpy(), rtol=1e-10)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("clipping", ["before", "after"])
def test_layers_on_several_devices(clipping):
    model, (x, y) = small(), batch()
    expected = coherence(copy.deepcopy(model), LOSS, (x, y))
    model[2].to("cuda")
    with watch(model, clipping=clipping) as meter:
        LOSS(model[2](model[1](model[0](x)).to("cuda")), y.to("cuda")).backward()
        meter.update()
    assert_same(meter.last, expected)


@on_each_device
@pytest.mark.parametrize("weighting", ["plain", "constant", "by size"])
def test_a_short_last_chunk_counts_by_its_examples(weighting, device):
    model, (x, y) = small(device), batch(11, device)
    expected = coherence(model, LOSS, (x, y))
    factor = {"plain": 1.0, "constant": 1 / 3, "by size": 1 / 11}[weighting]
    reduction = "sum" if weighting == "by size" else "mean"
    with watch(model, accumulate=True, reduction=reduction) as meter:
        for part in torch.arange(11, device=device).split(4):
            loss = LOSS(model(x[part]), y[part]) * factor
            (loss * len(part) if weighting == "by size" else loss).backward()
            meter.update()
        got = meter.compute()
    np.testing.assert_allclose(got.squared_norms, expected.squared_norms * factor**2, rtol=1e-10)
    assert got.alpha_unbiased == pytest.approx(expected.alpha_unbiased, rel=1e-10)
    assert got.layers["0"].alpha == pytest.approx(expected.layers["0"].alpha, rel=1e-10)


@on_each_device
@pytest.mark.parametrize("unscaled_first", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
def test_statistics_of_a_scaled_loss_are_unscaled(accumulate, unscaled_first, device):
    model, (x, y) = small(device), batch(device=device)
    expected = coherence(model, LOSS, (x, y))
    scaler = torch.amp.GradScaler(device, init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, scaler=scaler, accumulate=accumulate) as meter:
        scaler.scale(LOSS(model(x), y)).backward()
        if unscaled_first:
            scaler.unscale_(optimizer)
        meter.update()
        assert_same(meter.compute(), expected)
        assert_same(meter.last, expected)


@on_each_device
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_autocast_is_summed_in_float32(half, device):
    model, (x, y) = small(device).float(), batch(20, device)
    exact = coherence(copy.deepcopy(model), LOSS, (x.float(), y))
    scaler = torch.amp.GradScaler(device, init_scale=2.0**12, enabled=half is torch.float16)
    with watch(model, scaler=scaler) as meter:
        for _ in range(2):
            with torch.autocast(device, dtype=half):
                loss = LOSS(model(x.float()), y)
            scaler.scale(loss).backward()
            meter.update()
            assert meter.last.alpha_unbiased == pytest.approx(exact.alpha_unbiased, rel=0.05)
            np.testing.assert_allclose(meter.last.squared_norms, exact.squared_norms, rtol=0.1)
    assert meter.coverage["0"] == "linear"


@on_each_device
def test_a_scaled_loss_that_overflows_is_marked_and_training_goes_on(device):
    model, (x, y) = small(device).float(), batch(device=device)
    scaler = torch.amp.GradScaler(device, init_scale=2.0**40, growth_interval=1000)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    exact = coherence(copy.deepcopy(model), LOSS, (x.float(), y))
    with watch(model, scaler=scaler) as meter:
        for _ in range(40):
            with torch.autocast(device, dtype=torch.float16):
                loss = LOSS(model(x.float()), y)
            scaler.scale(loss).backward()
            meter.update()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        got = meter.compute()
    assert 5 < len(meter.marked) < 35
    assert {mark.kind for mark in meter.marked} == {"overflow"}
    assert got.steps + len(meter.marked) == 40
    assert got.note == f"{len(meter.marked)} of 40 steps left out: not finite"
    assert got.alpha == pytest.approx(exact.alpha, rel=0.05)


def test_a_scaler_without_a_scale_is_refused():
    with pytest.raises(InputError, match=r"`scaler` must be a torch\.amp\.GradScaler"):
        watch(small(), scaler=object())


@on_each_device
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_marked_and_poisons_nothing(bad, accumulate, device):
    model, (x, y) = small(device), batch(device=device)
    broken = x.clone()
    broken[3, 0] = bad
    with watch(model, accumulate=accumulate) as meter:
        LOSS(model(broken), y).backward()
        with pytest.warns(NonFiniteGradientWarning, match="example 3 in layer `0`"):
            meter.update()
        assert meter.last.note.startswith("left out, step 0: nan in the gradient of example 3 in layer `0`")
        assert math.isnan(meter.last.alpha)
        assert math.isnan(meter.last.layers["0"].share)
        assert math.isnan(meter.compute().alpha)
        assert meter.statistics is None
        model.zero_grad()
        step(model, meter, x, y)
        assert_same(meter.last, coherence(model, LOSS, (x, y)))
        LOSS(model(broken), y).backward()
        meter.update()  # a warning would be an error here
        got = meter.compute()
        assert got.note == "2 of 3 steps left out: not finite"
        assert_same(got, coherence(model, LOSS, (x, y)))
        assert [(mark.step, mark.examples, mark.kind) for mark in meter.marked] == [
            (0, (3,), "nan"),
            (2, (3,), "nan"),
        ]
        meter.reset()
        assert meter.marked == ()
        with pytest.raises(InputError, match="at least one batch"):
            meter.compute()
    with pytest.raises(InputError, match="example 3 in layer `0` is not finite"):
        coherence(model, LOSS, (broken, y), chunk_size=2)


def test_marks_are_counted_but_not_hoarded(monkeypatch):
    monkeypatch.setattr("rote.gradients._ledger.KEPT_MARKS", 2)
    model, (x, y) = small(), batch()
    with watch(model) as meter, warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteGradientWarning)
        for _ in range(4):
            LOSS(model(x * math.nan), y).backward()
            meter.update()
        assert meter.compute().note == "4 of 4 steps left out: not finite"
        assert [mark.step for mark in meter.marked] == [0, 1]
        assert meter.last.note.startswith("left out, step 3")


def test_an_infinite_gradient_is_called_so():
    model = nn.Linear(2, 1, bias=False)
    x = torch.ones(3, 2)
    with watch(model) as meter, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (model(x).squeeze(1) * torch.tensor([1.0, 1.0, math.inf])).mean().backward()
        meter.update()
    assert [str(mark) for mark in meter.marked] == [
        "step 0: inf in the gradient of example 2 in layer `Linear`"
    ]
    assert caught[0].filename == __file__


def test_the_self_check_waits_for_a_finite_step():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        LOSS(model(x * math.nan), y).backward()
        with pytest.warns(NonFiniteGradientWarning):
            meter.update()
        (LOSS(model(x), y) + model[0].weight.square().sum()).backward()
        with pytest.raises(InputError, match="does not add up"):
            meter.update()
