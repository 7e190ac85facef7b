"""The training loop."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rote.learners import Recipe, batches, logits, mlp, order, start, train_epoch

COUNTS = st.integers(1, 40)


@given(m=COUNTS, size=COUNTS, seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 10**6))
def test_an_epoch_visits_every_example_once(m, size, seed, epoch):
    parts = [part.tolist() for part in batches(m, size, seed=seed, epoch=epoch)]
    assert sorted(i for part in parts for i in part) == list(range(m))
    assert [len(part) for part in parts] == [size] * (m // size) + [m % size] * (m % size > 0)
    assert [i for part in parts for i in part] == order(m, seed=seed, epoch=epoch).tolist()


def test_orders_differ_between_seeds_and_between_epochs():
    found = {tuple(order(20, seed=seed, epoch=epoch).tolist()) for seed in range(4) for epoch in range(4)}
    assert len(found) == 16


def toy(m=21):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(m, 4, generator=generator)
    return x, (x[:, 0] > 0).long()


def trained(epochs, recipe, *, parts=None):
    """A network after some epochs; with ``parts`` it is put away and taken up again after each of them."""
    x, y = toy()
    torch.manual_seed(0)
    net = mlp((4,), 2, hidden=(8,))
    progress = start(net, recipe)
    for epoch in range(epochs):
        train_epoch(net, x, y, recipe, progress, seed=5)
        if parts and epoch in parts:
            weights, state = net.state_dict(), progress.optimizer.state_dict()
            torch.manual_seed(99)
            net = mlp((4,), 2, hidden=(8,))
            net.load_state_dict(weights)
            again = start(net, recipe)
            again.epoch, again.step = progress.epoch, progress.step
            again.optimizer.load_state_dict(state)
            progress = again
    return torch.cat([p.detach().flatten() for p in net.parameters()]), progress


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("parts", [{0}, {1}, {2}, {0, 1, 2, 3}])
def test_resuming_after_any_epoch_is_the_same_as_going_on(parts, momentum):
    recipe = Recipe(batch=4, momentum=momentum, weight_decay=0.01)
    (whole, _), (resumed, progress) = trained(5, recipe), trained(5, recipe, parts=parts)
    assert torch.equal(whole, resumed)
    assert (progress.epoch, progress.step) == (5, 30)


def test_one_epoch_is_sgd_with_momentum_and_coupled_decay():
    """The update written out: v = μ v + g + λ w, w = w - η v."""
    x, y = toy(6)
    recipe = Recipe(batch=2, lr=0.1, momentum=0.8, weight_decay=0.05)
    net = nn.Linear(4, 2, bias=False)
    weight, velocity = net.weight.detach().clone(), torch.zeros_like(net.weight)
    train_epoch(net, x, y, recipe, start(net, recipe), seed=1)
    for index in order(6, seed=1, epoch=0).reshape(3, 2):
        p = torch.softmax(x[index] @ weight.T, dim=1)
        gradient = (p - nn.functional.one_hot(y[index], 2)).T @ x[index] / 2
        velocity = 0.8 * velocity + gradient + 0.05 * weight
        weight = weight - 0.1 * velocity
    torch.testing.assert_close(net.weight.detach(), weight)


def test_the_loss_goes_down_and_the_labels_are_learned():
    x, y = toy(60)
    recipe = Recipe(batch=16, lr=0.1)
    net = mlp((4,), 2, hidden=(16,))
    progress = start(net, recipe)
    losses = []
    for _ in range(30):
        losses.append(nn.functional.cross_entropy(logits(net, x), y).item())
        train_epoch(net, x, y, recipe, progress, seed=0)
    assert losses[-1] < 0.2 * losses[0]
    assert (logits(net, x).argmax(1) == y).all()


def test_on_step_is_called_before_each_step_and_may_change_the_mode():
    x, y = toy(10)
    net, recipe, steps, modes = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2)), Recipe(batch=4), [], []
    net.register_forward_pre_hook(lambda *_: modes.append(net.training))
    before = net[1].weight.detach().clone()
    same = []

    def on_step(step):
        steps.append(step)
        same.append(torch.equal(net[1].weight, before))
        net.eval()

    progress = start(net, recipe)
    for _ in range(2):
        train_epoch(net, x, y, recipe, progress, seed=0, on_step=on_step)
    assert steps == list(range(6))
    assert same[:2] == [True, False]
    assert modes == [True] * 6


def test_frozen_weights_stay():
    net = mlp((4,), 2, hidden=(8,))
    net[1].weight.requires_grad_(False)
    before = net[1].weight.clone()
    recipe = Recipe(batch=4)
    train_epoch(net, *toy(), recipe, start(net, recipe), seed=0)
    assert torch.equal(net[1].weight, before)


@pytest.mark.parametrize("training", [True, False])
def test_logits_come_in_chunks_in_evaluation_mode_and_leave_the_mode(training):
    net = nn.Sequential(nn.Dropout(0.9), nn.Linear(4, 3)).train(training)
    x = torch.randn(7, 4)
    found = logits(net, x, chunk=3)
    torch.testing.assert_close(found, net[1](x))
    assert not found.requires_grad
    assert net.training is training


def test_logits_leave_the_mode_when_the_network_fails():
    net = nn.Linear(4, 3).train()
    with pytest.raises(RuntimeError):
        logits(net, torch.zeros(2, 5))
    assert net.training


def test_a_recipe_says_what_it_is():
    assert Recipe(epochs=3, lr=0.5).to_dict() == {
        "epochs": 3,
        "batch": 64,
        "lr": 0.5,
        "momentum": 0.9,
        "weight_decay": 0.0,
    }
