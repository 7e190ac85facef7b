"""Layers that are run again in the backward pass, and layers that are compiled."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from oracles import training
from rote.errors import InputError
from rote.gradients import coherence, watch

LOSS, on_each_device = training.LOSS, training.on_each_device
small, batch, step, assert_same = training.small, training.batch, training.step, training.assert_same


class Checkpointed(nn.Module):
    """A body that is run again in the backward pass, twice in a row."""

    def __init__(self, reentrant):
        super().__init__()
        self.first, self.body, self.head = nn.Linear(4, 4), small(), nn.Linear(3, 3)
        self.other, self.reentrant = nn.Linear(3, 3), reentrant

    def forward(self, x):
        x = checkpoint(self.body, torch.tanh(self.first(x)), use_reentrant=self.reentrant)
        return self.head(torch.tanh(checkpoint(self.other, x, use_reentrant=self.reentrant)))


@on_each_device
@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant, device):
    model, (x, y) = Checkpointed(reentrant).to(device), batch(device=device)
    plain = copy.deepcopy(model)
    plain.reentrant = False
    expected = coherence(plain, LOSS, (x, y))
    with watch(model) as meter:
        for _ in range(2):
            step(model, meter, x, y)
            assert_same(meter.last, expected)


class CheckpointedTwice(Checkpointed):
    """A layer used in two checkpoints: with reentry its gradient comes in two parts."""

    def forward(self, x):
        for _ in range(2):
            x = torch.tanh(checkpoint(self.first, x, use_reentrant=self.reentrant))
        return self.head(self.body(x))


def test_a_layer_in_two_checkpoints_is_exact_or_refused():
    x, y = batch()
    model = CheckpointedTwice(False)
    expected = coherence(model, LOSS, (x, y))
    with watch(model) as meter:
        step(model, meter, x, y)
        assert_same(meter.last, expected)
    model.reentrant = True
    with watch(model) as meter, pytest.raises(InputError, match=r"two backward passes through `first\.\w+`"):
        step(model, meter, x.requires_grad_(), y)


class Branching(nn.Module):
    """Several tensors leave each compiled piece, so gradients must be matched to outputs."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.a, self.norm, self.b = nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        h = self.a(x * self.scale)
        x = x + torch.relu(h)
        return self.head(x + self.b(self.norm(x)) * h)


@pytest.fixture
def compiling():
    """Dynamo with nothing compiled yet; what it warns of is its own business."""
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "backend"), [("compiled, watched", "aot_eager"), ("watched, compiled", "eager")]
)
def test_compiled_models_are_exact(order, backend, compiling):
    model, (x, y) = Branching(), batch()
    expected = coherence(model, LOSS, (x, y))
    called = torch.compile(model, backend=backend) if order == "compiled, watched" else model
    with watch(called, method="exact") as meter:
        called = torch.compile(model, backend=backend) if order == "watched, compiled" else called
        for _ in range(2):
            LOSS(called(x), y).backward()
            meter.update()
            got = meter.last
            assert got.alpha == pytest.approx(expected.alpha, rel=1e-10)
            alphas = [layer.alpha for layer in got.layers.values()]
            assert alphas == pytest.approx([layer.alpha for layer in expected.layers.values()], rel=1e-10)


@pytest.mark.slow
def test_what_ran_compiled_before_it_was_watched_is_refused(compiling):
    model, (x, y) = small(), batch()
    compiled = torch.compile(model, backend="eager")
    LOSS(compiled(x), y).backward()
    with watch(model) as meter:
        LOSS(compiled(x), y).backward()
        with pytest.raises(InputError, match="watch it before its first call"):
            meter.update()


@pytest.mark.parametrize("part", ["the model", "layer `2`"])
def test_models_compiled_in_place_or_in_parts_are_refused(part, compiling):
    model = small()
    (model if part == "the model" else model[2]).compile(backend="eager")
    with pytest.raises(InputError, match=f"Got that of {part}: watch it uncompiled"):
        watch(model, method="exact")
