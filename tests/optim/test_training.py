"""Robust gradients in the ways people train: accumulation, scaling, checkpoints, groups, schedules."""

import copy
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from oracles.optim import clamped, rows_by_parameter
from oracles.robust_training import LOSS, assert_same, expected, in_grad, made, trusted
from rote.errors import InputError
from rote.optim import MedianOfMeans, TrimmedMean, WinsorizedSGD, winsorize


def test_level_zero_is_sgd_to_the_last_bit():
    model, x, y = made()
    twin = copy.deepcopy(model)
    ours, theirs = (
        WinsorizedSGD(model, lr=0.1, c=0, momentum=0.9),
        torch.optim.SGD(twin.parameters(), 0.1, 0.9),
    )
    for _ in range(4):
        for m, optimizer in ((model, ours), (twin, theirs)):
            optimizer.zero_grad()
            LOSS(m(x), y).backward()
            optimizer.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(p, q)


def test_steps_are_sgd_on_winsorized_gradients():
    model, x, y = made()
    twin = copy.deepcopy(model)
    ours = WinsorizedSGD(model, 0.1, 2, momentum=0.9, weight_decay=0.01)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(4):
        ours.zero_grad()
        LOSS(model(x), y).backward()
        ours.step()
        wanted = expected(twin, x, y)
        for name, p in twin.named_parameters():
            p.grad = torch.from_numpy(wanted[name]).view_as(p)
        theirs.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_any_optimizer_may_follow():
    model, x, y = made()
    with winsorize(model, c=2):
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            LOSS(model(x), y).backward()
            assert_same(in_grad(model), expected(model, x, y))
            optimizer.step()


def test_accumulation_adds_up_and_sums_are_scaled():
    model, x, y = made()
    first, second = expected(model, x, y), expected(model, x * 2, y)
    with winsorize(model, c=2) as robust:
        trusted(model, x, y, robust)
        LOSS(model(x), y).backward()
        LOSS(model(x * 2), y).backward()
        assert_same(in_grad(model), {n: first[n] + second[n] for n in first})
        model.zero_grad()
        nn.functional.cross_entropy(model(x), y, reduction="sum").backward()
        assert_same(in_grad(model), first, factor=len(y))


def test_forward_passes_without_backward_leave_nothing():
    model, x, y = made()
    with winsorize(model, c=2) as robust:
        for _ in range(2):  # before and after the self-check
            kept = x + 0
            model(kept)  # an evaluation without no_grad()
            alive = weakref.ref(kept)
            del kept
            assert alive() is None
            LOSS(model(x), y).backward()
            assert_same(in_grad(model), expected(model, x, y))
            model.zero_grad()
        assert not any(unit.calls for unit in robust.seen.units)


def test_two_forward_passes_before_one_backward_are_the_same_examples():
    """The loss of two views of each example: gradients of an example add up before the clamping."""
    model, x, y = made()
    both = lambda outputs, y: LOSS(outputs, y)  # noqa: E731

    class TwoViews(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model

        def forward(self, x):
            return self.net(x) + self.net(x.sin())

    whole = TwoViews()
    wanted = {n: clamped(G, 2) for n, G in rows_by_parameter(whole, both, x, y).items()}
    with winsorize(whole, c=2):
        for _ in range(2):
            whole.zero_grad()
            LOSS(whole(x), y).backward()
            assert_same(in_grad(whole), wanted)


def test_a_layer_that_is_used_once_more_later_is_noticed():
    """After the self-check has passed, the weight takes part outside its layer."""

    class Switch(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.extra = nn.Linear(4, 4), False

        def forward(self, x):
            h = self.body(x)
            return h @ self.body.weight if self.extra else h

    model, x, y = Switch(), torch.randn(9, 4), torch.randint(0, 4, (9,))
    with winsorize(model, c=2) as robust:
        LOSS(model(x), y).backward()
        model.zero_grad()
        model.extra = True
        LOSS(model(x), y).backward()
        got, coverage = in_grad(model), robust.coverage
    assert coverage == {"body": "whole model rerun per example"}
    assert_same(got, expected(model, x, y))


@pytest.mark.parametrize("late", [False, True])
def test_a_penalty_in_the_loss_is_refused_with_a_remedy(late):
    model, x, y = made()
    with winsorize(model, c=2) as robust:
        if late:
            trusted(model, x, y, robust)
        with pytest.raises(InputError, match="weight_decay"):
            (LOSS(model(x), y) + model[0].weight.square().sum()).backward()
        model.zero_grad()
        LOSS(model(x), y).backward()  # the next pass is as if nothing had been
        assert_same(in_grad(model), expected(model, x, y))


def slope_penalty(model, x, y):
    (slope,) = torch.autograd.grad(LOSS(model(x), y), x, create_graph=True)
    slope.square().sum().backward()


@pytest.mark.parametrize("late", [False, True])
def test_second_derivatives_are_refused(late):
    model, x, y = made()
    with winsorize(model, c=2) as robust:
        if late:
            trusted(model, x, y, robust)
        x.requires_grad_()
        with pytest.raises(InputError, match="create_graph" if late else "does not add up"):
            slope_penalty(model, x, y)


def test_gradients_of_the_input_and_graphs_used_twice():
    model, x, y = made()
    wanted = expected(model, x, y)
    with winsorize(model, c=2) as robust:
        trusted(model, x, y, robust)
        x.requires_grad_()
        loss = LOSS(model(x), y)
        (slope,) = torch.autograd.grad(loss, x, retain_graph=True)
        for _ in range(2):
            model.zero_grad()
            loss.backward(retain_graph=True)
            assert_same(in_grad(model), wanted)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert_same({n: g.flatten().numpy() for n, g in zip(wanted, gradients, strict=True)}, wanted)
    twin = copy.deepcopy(model)
    (plain,) = torch.autograd.grad(LOSS(twin(x), y), x)
    torch.testing.assert_close(slope, plain)


def test_closed_between_forward_and_backward_gives_plain_gradients():
    model, x, y = made()
    robust = trusted(model, x, y, winsorize(model, c=2))
    loss = LOSS(model(x), y)
    robust.close()
    loss.backward()
    assert_same(in_grad(model), expected(model, x, y, c=0))


class Checkpointed(nn.Module):
    def __init__(self, body, *, reentrant):
        super().__init__()
        self.body, self.head, self.reentrant = body, nn.Linear(3, 3), reentrant

    def forward(self, x):
        return self.head(checkpoint(self.body, x.requires_grad_(), use_reentrant=self.reentrant))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_layers(reentrant):
    body, x, y = made()
    model = Checkpointed(body, reentrant=reentrant)
    plain = nn.Sequential(body, model.head)
    wanted = list(expected(plain, x, y).values())
    with winsorize(model, c=2):
        for _ in range(3):
            model.zero_grad()
            LOSS(model(x.detach()), y).backward()
            got = in_grad(model)
            for value, right in zip(got.values(), wanted, strict=True):
                np.testing.assert_allclose(value, right, rtol=1e-9, atol=1e-14)


def test_autocast_and_grad_scaler():
    model, x, y = made(40)
    model, x = model.float(), x.float()
    wanted = expected(model, x, y)
    optimizer, scaler = WinsorizedSGD(model, lr=0.0, c=2), torch.amp.GradScaler("cpu", init_scale=256.0)
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = LOSS(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        for name, value in in_grad(model).items():
            assert np.linalg.norm(value - wanted[name]) < 0.05 * np.linalg.norm(wanted[name])
        scaler.step(optimizer)
        scaler.update()


def test_an_overflow_reaches_the_scaler():
    model, x, y = made()
    optimizer, scaler = WinsorizedSGD(model, lr=0.1, c=2), torch.amp.GradScaler("cpu", init_scale=256.0)
    before = [p.detach().clone() for p in model.parameters()]
    x[3] = float("inf")
    scaler.scale(LOSS(model(x), y)).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 128.0
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_levels_by_group_survive_the_state_dict():
    model, x, y = made()
    groups = lambda net: [{"params": net[0].parameters(), "c": 3}, {"params": net[2].parameters(), "lr": 0.5}]  # noqa: E731
    optimizer = WinsorizedSGD(model, lr=0.1, c=1, momentum=0.9, params=groups(model))
    twin = copy.deepcopy(model)
    two, one, none = expected(model, x, y, 3), expected(model, x, y, 1), expected(model, x, y, 0)
    LOSS(model(x), y).backward()
    got = in_grad(model)
    assert_same(got, {n: two[n] for n in two if n[0] == "0"})
    assert_same(got, {n: one[n] for n in one if n[0] == "2"})
    assert_same(got, {n: none[n] for n in none if n[0] == "4"})  # in no group
    optimizer.step()
    other = WinsorizedSGD(twin, lr=9.0, c=0, params=groups(twin))
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    twin.load_state_dict(model.state_dict())
    assert [(g["c"], g["lr"]) for g in other.param_groups] == [(3, 0.1), (1, 0.5)]
    for net, each in ((model, optimizer), (twin, other)):
        each.zero_grad()
        net[4].zero_grad()
        LOSS(net(x), y).backward()
        each.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(p, q)
    optimizer.param_groups[0]["c"] = 0
    model.zero_grad()
    LOSS(model(x), y).backward()
    assert_same(in_grad(model), {n: v for n, v in expected(model, x, y, 0).items() if n[0] in "04"})


def test_closures_and_schedules():
    model, x, y = made()
    optimizer = WinsorizedSGD(model, lr=0.1, c=2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)

    def closure():
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        loss.backward()
        return loss

    values = []
    for _ in range(5):
        values.append(float(optimizer.step(closure).detach()))
        schedule.step()
    assert values == sorted(values, reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0)


def test_trimmed_means_and_medians_of_means_are_optimizers():
    model, x, y = made()
    for make in (TrimmedMean, MedianOfMeans):
        optimizer = make(model, 0.1, 2)
        before = float(LOSS(model(x), y).detach())
        for _ in range(5):
            optimizer.zero_grad()
            LOSS(model(x), y).backward()
            optimizer.step()
        assert float(LOSS(model(x), y).detach()) < before
