"""Robust gradients beside other things: copies, meters, later hooks; and what is refused while training."""

import copy
import gc

import numpy as np
import pytest
import torch
from torch import nn

from oracles.optim import clamped
from oracles.robust_training import LOSS, assert_same, expected, in_grad, made, trusted
from rote.errors import InputError
from rote.gradients import coherence, watch
from rote.optim import MedianOfMeans, RobustGradients, WinsorizedSGD, winsorize


def test_an_optimizer_that_is_gone_leaves_no_hook():
    model, x, y = made()
    optimizer = WinsorizedSGD(model, lr=0.1, c=2)
    hooks = lambda: sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())  # noqa: E731
    assert hooks() > 0
    del optimizer
    gc.collect()
    assert hooks() == 0
    LOSS(model(x), y).backward()
    assert_same(in_grad(model), expected(model, x, y, 0))


def test_the_newest_wins():
    model, x, y = made()
    old = WinsorizedSGD(model, lr=0.1, c=1)
    new = WinsorizedSGD(model, lr=0.1, c=3)
    LOSS(model(x), y).backward()
    assert_same(in_grad(model), expected(model, x, y, 3))
    del old
    gc.collect()
    model.zero_grad()
    LOSS(model(x), y).backward()
    assert_same(in_grad(model), expected(model, x, y, 3))
    assert new.param_groups[0]["c"] == 3


def test_a_copied_model_has_plain_gradients_and_a_copied_optimizer_is_refused():
    model, x, y = made()
    optimizer = WinsorizedSGD(model, lr=0.1, c=2)
    for _ in range(2):  # before and after the self-check
        twin = copy.deepcopy(model)
        LOSS(twin(x), y).backward()
        assert_same(in_grad(twin), expected(twin, x, y, 0))
        trusted(model, x, y, optimizer.gradients)
    other = copy.deepcopy(optimizer)
    with pytest.raises(InputError, match="cannot be copied or unpickled"):
        other.step()
    optimizer.step()


@pytest.mark.parametrize("order", ["watch first", "winsorize first"])
def test_a_meter_beside_it_sees_plain_gradients(order):
    model, x, y = made()
    alpha = coherence(model, LOSS, (x, y)).alpha
    wanted = expected(model, x, y)
    if order == "watch first":
        meter = watch(model)
        robust = winsorize(model, c=2)
    else:
        robust = winsorize(model, c=2)
        meter = watch(model)
    with meter, robust:
        for _ in range(3):
            model.zero_grad()
            LOSS(model(x), y).backward()
            if order == "watch first":
                meter.update()
                assert meter.last.alpha == pytest.approx(alpha, rel=1e-10)
            assert_same(in_grad(model), wanted)
        assert coherence(model, LOSS, (x, y)).alpha == pytest.approx(alpha, rel=1e-10)
        model.zero_grad()


def test_a_meter_that_comes_too_late_refuses():
    model, x, y = made()
    with winsorize(model, c=2), watch(model) as meter:
        LOSS(model(x), y).backward()
        with pytest.raises(
            InputError, match=r"what replaces gradients \(rote.optim\) must come after `watch`"
        ):
            meter.update()


def test_layers_that_couple_examples_are_refused():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    with winsorize(model, c=1):
        with pytest.raises(InputError, match=r"layer `1` \(BatchNorm1d\).*nn.GroupNorm.*M3 or RM3"):
            model(torch.randn(5, 6))
        with torch.no_grad():
            model(torch.randn(5, 6))


def test_dropout_in_a_layer_that_is_run_again_is_refused():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.LSTM(4, 5, 2, dropout=0.5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.cell(x)[0][:, -1])

    model = Model()
    with winsorize(model, c=1), pytest.raises(InputError, match="set its dropout to 0"):
        LOSS(model(torch.randn(5, 3, 4)), torch.randint(0, 3, (5,))).backward()


def test_dropout_between_layers_is_fine():
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    _, x, y = made()
    hidden = []
    model[2].register_forward_pre_hook(lambda _, args: hidden.append(args[0].detach()))
    with winsorize(model, c=1):
        for _ in range(3):
            model.zero_grad()
            hidden.clear()
            out = model(x)
            LOSS(out, y).backward()
            delta = (out.detach().softmax(1) - nn.functional.one_hot(y, 3)) / len(y)
            rows = (delta.unsqueeze(2) * hidden[0].unsqueeze(1)).flatten(1)
            np.testing.assert_allclose(model[2].weight.grad.flatten(), clamped(rows.numpy(), 1), atol=1e-14)


def test_small_batches_are_refused_and_forgotten():
    model, x, y = made()
    optimizer = WinsorizedSGD(model, lr=0.1, c=5)
    with pytest.raises(InputError, match="Got c=5 with a batch of 10: use batches of at least 11"):
        LOSS(model(x[:10]), y[:10]).backward()
    optimizer.zero_grad()
    LOSS(model(x), y).backward()
    assert_same(in_grad(model), expected(model, x, y, 5))


def test_what_cannot_be_served_is_refused_at_once():
    model, *_ = made()
    compiled = nn.Linear(1, 1)
    compiled._compiled_call_impl = compiled._call_impl  # what compile() sets
    cases = [
        (lambda: WinsorizedSGD(model.parameters(), lr=0.1, c=1), "`model` must be a torch.nn.Module"),
        (lambda: WinsorizedSGD(model, lr=-1, c=1), "`lr` must be a number of at least 0"),
        (lambda: WinsorizedSGD(model, lr=0.1, c=-1), "`c` must be a whole number"),
        (lambda: MedianOfMeans(model, 0.1, 0), "`groups` must be a whole number of at least 1"),
        (lambda: WinsorizedSGD(model, 0.1, 1, params=[nn.Parameter(torch.ones(2))]), "parameters of `model`"),
        (lambda: winsorize(nn.Linear(1, 1).requires_grad_(False), c=1), "unfreeze a layer"),
        (lambda: winsorize(compiled, c=1), "must not be compiled"),
        (lambda: winsorize(nn.DataParallel(nn.Linear(1, 1)), c=1), "use DistributedDataParallel"),
    ]
    for call, said in cases:
        with pytest.raises(InputError, match=said):
            call()


def test_what_is_thawed_later_is_refused():
    model, x, _ = made()
    model[0].requires_grad_(False)
    with RobustGradients(model, lambda p: None):
        model[0].requires_grad_(True)
        with pytest.raises(InputError, match=r"`0.weight` was frozen"):
            model(x)


def test_submodules_called_alone_are_served_by_their_own_examples():
    model, x, y = made()
    with winsorize(model, c=2):
        h = model[0](x)
        LOSS(model[4](model[3](model[2](model[1](h)))), y).backward()
        assert_same(in_grad(model), expected(model, x, y))
