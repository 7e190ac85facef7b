"""Coherence from microbatches: lower precision, a GPU, scaled losses, gradients that are not finite."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles import microbatch as oracle
from oracles.microbatch_runs import LOSS, Block, batch, expect, run, small
from rote.gradients import watch
from rote.gradients._finite import NonFiniteGradientWarning


def test_autocast_in_bfloat16_agrees_to_its_precision():
    model, parts = small().float(), [(x.float(), y) for x, y in batch(8, 8, 8, 8)]
    with watch(model, method="microbatch") as meter:
        for x, y in parts:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = model(x)
            LOSS(out.float(), y).backward()
        meter.update()
    W = oracle.microbatch_gradients(model, LOSS, parts)
    mean, square = oracle.moments(torch.cat(list(W.values()), 1), [8] * 4)
    assert meter.statistics.q.sum() / 32 == pytest.approx(square, rel=0.05)
    assert meter.last.alpha_unbiased == pytest.approx(mean / square, abs=0.05)


def test_update_inside_autocast_loses_no_precision():
    model, parts = small().float(), [(x.float(), y) for x, y in batch(8, 8, 8, 8)]
    found = []
    for enabled in (False, True):
        with watch(model, method="microbatch") as meter:
            for x, y in parts:
                LOSS(model(x), y).backward()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                meter.update()
            found.append(meter.statistics.s2)
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_layers_of_several_precisions():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.low, self.high = nn.Linear(4, 6).bfloat16(), nn.Linear(6, 3)

        def forward(self, x):
            return self.high(torch.tanh(self.low(x.bfloat16())).double())

    model, parts = Mixed(), batch(8, 8, 8, 8)
    with watch(model, method="microbatch") as meter:
        run(model, meter, parts)
    W = oracle.microbatch_gradients(model, LOSS, parts)
    got = meter.last.layers
    assert got["high"].alpha_unbiased == pytest.approx(oracle.pooled([(W["high"], [8] * 4)]), rel=1e-9)
    assert got["low"].alpha_unbiased == pytest.approx(oracle.pooled([(W["low"], [8] * 4)]), rel=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("sizes", [(8, 8, 8), (4, 4, 4, 4, 4, 4, 4, 4, 4, 2)])
def test_on_a_gpu(sizes):
    model, parts = (
        Block().cuda(),
        [(torch.randn(k, 1, 5, 5).cuda(), torch.randint(0, 3, (k,)).cuda()) for k in sizes],
    )
    with watch(model) as meter:
        run(model, meter, parts)
        got = meter.last
    expect(model, parts, got)
    scaler = torch.amp.GradScaler("cuda")
    with watch(model.float(), scaler=scaler) as meter:
        for x, y in parts:
            with torch.autocast("cuda", dtype=torch.float16):
                loss = LOSS(model(x.float()), y)
            scaler.scale(loss).backward()
        meter.update()
    assert not meter.marked
    assert meter.last.alpha_unbiased == pytest.approx(got.alpha_unbiased, abs=0.1)


def test_a_scaled_loss_is_unscaled_and_an_overflow_is_marked_quietly():
    model, parts = small().float(), [(x.float(), y) for x, y in batch(4, 4, 4)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with watch(model, method="microbatch") as plain:
        run(model, plain, parts)
        expected = plain.statistics
    with watch(model, method="microbatch", scaler=scaler) as meter:
        for factor in (1.0, float("inf"), 1.0):
            for x, y in parts:
                scaler.scale(factor * LOSS(model(x), y)).backward()
            meter.update()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        got = meter.compute()
    np.testing.assert_allclose(meter.statistics.q, 2 * expected.q, rtol=1e-5)
    assert [(mark.step, mark.kind) for mark in meter.marked] == [(1, "overflow")]
    assert got.steps == 2
    assert got.note == "of 3 steps left out: 1 not finite"


def test_a_gradient_that_is_not_finite_marks_its_step_and_warns_once():
    model, parts = small(), batch(4, 4, 4)
    broken = [(x.clone(), y) for x, y in parts]
    broken[1][0][0, 0] = float("nan")
    with watch(model, method="microbatch") as meter:
        with pytest.warns(
            NonFiniteGradientWarning, match="step 0: nan in the gradient of the batch in layer `0`"
        ):
            run(model, meter, broken)
        assert np.isnan(meter.last.alpha_unbiased)
        assert "nan" in meter.last.note
        assert np.isnan(meter.compute().alpha)
        run(model, meter, broken)
        run(model, meter, parts)
        assert meter.compute().alpha_unbiased == meter.last.alpha_unbiased
    assert len(meter.marked) == 2
