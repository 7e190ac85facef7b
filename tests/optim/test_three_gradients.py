"""M3, RM3 and RA3 take the steps that their definition says, as true optimizers."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from oracles.optim import median_of_three
from rote.errors import InputError
from rote.optim import M3, RA3, RM3

ALL = pytest.mark.parametrize("kind", [M3, RM3, RA3])
FOREACH = pytest.mark.parametrize("foreach", [None, False, True])


def gradients(steps):
    return [torch.randn(3, 2) for _ in range(steps)]


def path(make, given, *, start=None):
    """The parameter after each step."""
    w = nn.Parameter(torch.ones(3, 2) if start is None else start.clone())
    optimizer = make([w])
    places = []
    for g in given:
        w.grad = g.clone()
        optimizer.step()
        places.append(w.detach().clone().numpy())
    return places


def by_definition(kind, given, *, lr=0.1, decay=0.0, momentum=0.0):
    """In NumPy, from the text of the definition."""
    w, seen, buffer, places = np.ones((3, 2)), [], None, []
    for g in given:
        seen.append(g.numpy() + decay * w)
        if len(seen) >= 3 and (kind is not M3 or len(seen) % 3 == 0):
            update = np.mean(seen[-3:], axis=0) if kind is RA3 else median_of_three(*seen[-3:])
            buffer = update if buffer is None else momentum * buffer + update
            w = w - lr * buffer
        places.append(w)
    return places


@FOREACH
@ALL
def test_steps_by_definition(kind, foreach):
    given = gradients(10)
    got = path(lambda p: kind(p, lr=0.1, weight_decay=0.3, foreach=foreach), given)
    np.testing.assert_allclose(got, by_definition(kind, given, decay=0.3), rtol=1e-12)
    got = path(lambda p: kind(p, lr=0.1, foreach=foreach), given)
    np.testing.assert_allclose(got, by_definition(kind, given), rtol=1e-12)


@ALL
def test_momentum_by_name(kind):
    given = gradients(10)
    got = path(lambda p: kind(p, lr=0.1, momentum=0.9, allow_momentum=True), given)
    np.testing.assert_allclose(got, by_definition(kind, given, momentum=0.9), rtol=1e-12)


def test_three_equal_gradients_are_a_step_of_sgd():
    g = torch.randn(3, 2)
    after = path(lambda p: torch.optim.SGD(p, lr=0.1), [g])[-1]
    for kind in (M3, RM3):
        np.testing.assert_array_equal(path(lambda p, k=kind: k(p, lr=0.1), [g, g, g])[-1], after)


@pytest.mark.parametrize(("kind", "updates"), [(M3, 4), (RM3, 11), (RA3, 11)])
def test_how_many_updates(kind, updates):
    places = [np.ones((3, 2)), *path(lambda p: kind(p, lr=0.1), [torch.ones(3, 2)] * 13)]
    assert sum(not np.array_equal(a, b) for a, b in pairwise(places)) == updates


@pytest.mark.parametrize("kind", [M3, RM3])
def test_one_wild_gradient_moves_nothing(kind):
    calm, wild = torch.full((3, 2), 2.0), torch.full((3, 2), 1e9)
    np.testing.assert_allclose(path(lambda p: kind(p, lr=0.1), [calm, wild, calm])[-1], 0.8)


@ALL
def test_the_state_goes_round_at_any_step(kind, tmp_path):
    given = gradients(9)
    whole = path(lambda p: kind(p, lr=0.1), given)
    for cut in range(1, 9):
        w = nn.Parameter(torch.ones(3, 2))
        first = kind([w], lr=0.1)
        for g in given[:cut]:
            w.grad = g.clone()
            first.step()
        torch.save(first.state_dict(), tmp_path / "state.pt")
        again = nn.Parameter(w.detach().clone())
        second = kind([again], lr=123.0)
        second.load_state_dict(torch.load(tmp_path / "state.pt"))
        for g in given[cut:]:
            again.grad = g.clone()
            second.step()
        np.testing.assert_array_equal(again.detach(), whole[-1])


@ALL
def test_it_keeps_copies_of_gradients(kind):
    """A loop that zeroes p.grad in place must not zero what was kept."""
    w = nn.Parameter(torch.ones(2))
    optimizer = kind([w], lr=1.0)
    w.grad = torch.zeros(2)
    for _ in range(3):
        w.grad.fill_(2.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    np.testing.assert_allclose(w.detach(), -1.0)


@FOREACH
@ALL
def test_groups_schedules_and_parameters_without_gradient(kind, foreach):
    a, b, idle = (nn.Parameter(torch.ones(2)) for _ in range(3))
    optimizer = kind([{"params": [a, idle]}, {"params": [b], "lr": 1.0}], lr=0.1, foreach=foreach)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    for step in range(6):
        a.grad = torch.ones(2)
        if step >= 2:  # b comes later, and counts its own gradients
            b.grad = torch.ones(2)
        optimizer.step()
        schedule.step()
    assert [g["lr"] for g in optimizer.param_groups] == [0.025, 0.25]
    updates = {M3: (0.1 + 0.05, 0.5), RM3: (0.1 + 3 * 0.05, 1.0), RA3: (0.1 + 3 * 0.05, 1.0)}[kind]
    np.testing.assert_allclose(a.detach(), 1 - updates[0])
    np.testing.assert_allclose(b.detach(), 1 - updates[1])
    np.testing.assert_array_equal(idle.detach(), 1.0)


@ALL
def test_closures_and_hooks(kind):
    w = nn.Parameter(torch.ones(2))
    optimizer, calls = kind([w], lr=0.1), []
    optimizer.register_step_post_hook(lambda *_: calls.append("hook"))

    def closure():
        optimizer.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    assert [float(optimizer.step(closure).detach()) for _ in range(3)] == [2.0, 2.0, 2.0]
    assert float(w[0].detach()) == pytest.approx(0.8)
    assert calls == ["hook"] * 3


@ALL
def test_grad_scaler_leaves_overflows_out(kind):
    w = nn.Parameter(torch.ones(2))
    optimizer, scaler = kind([w], lr=0.1), torch.amp.GradScaler("cpu", init_scale=4.0)
    for factor in (1.0, float("inf"), 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    np.testing.assert_allclose(w.detach(), 0.9, rtol=1e-6)
    assert optimizer.state[w]["seen"] == 3


@ALL
def test_copies_and_pickles_are_whole(kind):
    w = nn.Parameter(torch.ones(2))
    optimizer = kind([w], lr=0.1)
    w.grad = torch.ones(2)
    optimizer.step()
    other = copy.deepcopy(optimizer)
    assert other.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    for _ in range(2):
        other.param_groups[0]["params"][0].grad = torch.ones(2)
        other.step()
    np.testing.assert_allclose(other.param_groups[0]["params"][0].detach(), 0.9)


@ALL
def test_refusals(kind):
    w = nn.Parameter(torch.ones(2))
    for options, said in [
        ({"momentum": 0.9}, f"makes {kind.__name__} unstable.*allow_momentum=True"),
        ({"lr": -1.0}, "`lr` must be a number of at least 0. Got -1.0"),
        ({"lr": float("nan")}, "`lr` must be"),
        ({"weight_decay": -0.1}, "`weight_decay` must be"),
    ]:
        with pytest.raises(InputError, match=said):
            kind([w], **options)
    with pytest.raises(InputError, match="unstable"):
        kind([{"params": [w], "momentum": 0.5}], lr=0.1)
    embedding = nn.Embedding(3, 2, sparse=True)
    optimizer = kind(embedding.parameters(), lr=0.1)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(InputError, match="Got a sparse one"):
        optimizer.step()
