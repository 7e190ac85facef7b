"""Layers that form their own gradients: those are autograd's, and nothing else about training changes."""

import copy
import gc

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from oracles.awkward_models import ZOO
from rote.errors import InputError
from rote.gradients import watch

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
LOSS = nn.CrossEntropyLoss()


def small():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(True), nn.ConvTranspose2d(4, 3, 2, stride=2), nn.Flatten(2),
        nn.Linear(64, 5), nn.ReLU(True), nn.Flatten(), nn.Linear(15, 3),
    ).double()  # fmt: skip


def batch(m=6):
    return torch.randn(m, 1, 4, 4, dtype=torch.float64), torch.randint(0, 3, (m,))


def gradients(model):
    return [None if p.grad is None else p.grad.to_dense().clone() for p in model.parameters()]


def fused_units(meter):
    return {unit.name for unit in meter._capture.units if unit.fused}


@pytest.mark.parametrize("name", list(ZOO))
def test_gradients_are_those_of_an_unwatched_step(name):
    make, inputs, _ = ZOO[name]
    model, x, y = make(), inputs(6), torch.randint(0, 3, (6,))
    LOSS(model(x), y).backward()
    expected = gradients(model)
    for bitwise in (False, True):
        with watch(model, bitwise=bitwise) as meter:
            for _ in range(3):
                model.zero_grad()
                LOSS(model(x), y).backward()
                meter.update()
                for got, wanted in zip(gradients(model), expected, strict=True):
                    if wanted is None or bitwise:
                        assert (got is None) == (wanted is None)
                        assert wanted is None or torch.equal(got, wanted)
                    else:
                        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-13)


def test_layers_with_several_positions_are_fused_after_the_first_batch():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        assert type(model(x).grad_fn).__name__ == "AddmmBackward0"
        meter.update()
        assert fused_units(meter) == {"0", "2", "4"}
        hidden = model[0](x)
        assert type(hidden.grad_fn).__name__ == "_JoinBackward"
        meter.reset()
    assert type(model[0](x).grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.parametrize("bitwise", [False, True])
def test_nothing_is_fused_when_the_bits_must_stay(bitwise):
    model, (x, y) = small(), batch()
    torch.use_deterministic_algorithms(not bitwise)
    try:
        with watch(model, bitwise=bitwise) as meter:
            LOSS(model(x), y).backward()
            meter.update()
            assert not fused_units(meter)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_forward_pass_that_fails_leaves_the_parameters_in_place():
    model, (x, y) = small(), batch()
    before = dict(model.named_parameters())
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        with pytest.raises(RuntimeError):
            model[0](torch.zeros(6, 2, 4, 4, dtype=torch.float64))
        after = dict(model.named_parameters())
        assert all(after[name] is p for name, p in before.items())
        meter.reset()
        model.zero_grad()
        LOSS(model(x), y).backward()
        meter.update()
    assert all(p.grad is not None for p in model.parameters())


def test_second_derivatives_are_right_or_refused():
    model, (x, y) = small(), batch()
    x.requires_grad_()

    def penalty():
        value = LOSS(model(x), y)
        (into,) = torch.autograd.grad(value, x, create_graph=True)
        return value + into.square().sum()

    penalty().backward()
    expected = gradients(model)
    with watch(model) as meter:  # a penalty from the first step on: nothing is fused
        for _ in range(3):
            model.zero_grad()
            penalty().backward()
            meter.reset()
            for got, wanted in zip(gradients(model), expected, strict=True):
                torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-13)
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        assert fused_units(meter)
        with pytest.raises(InputError, match="bitwise"):
            penalty()


def test_parameters_called_twice_in_a_fused_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv1d(2, 2, 3, padding=1), nn.Linear(10, 3)

        def forward(self, x):
            return self.head(self.conv(torch.relu(self.conv(x)) if self.training else x).flatten(1))

    model = Twice().double().eval()
    x, y = torch.randn(4, 2, 5, dtype=torch.float64), torch.randint(0, 3, (4,))
    with watch(model) as meter:
        for mode in (False, False, True, True):
            model.train(mode)
            model.zero_grad()
            LOSS(model(x), y).backward()
            meter.update()
            got, seen = gradients(model), meter.last.squared_norms.sum()
            meter._capture.paused = True
            model.zero_grad()
            LOSS(model(x), y).backward()
            for one, other in zip(got, gradients(model), strict=True):
                torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)
            losses = F.cross_entropy(model(x), y, reduction="none")
            rows = [torch.autograd.grad(v, list(model.parameters()), retain_graph=True) for v in losses]
            meter._capture.paused = False
            assert seen == pytest.approx(sum(float(g.square().sum()) for row in rows for g in row))
    assert meter.coverage["conv"] == "convolution"


def test_checkpointed_layers_are_fused_too():
    model, (x, y) = small(), batch()

    def run():
        hidden = checkpoint(model[:5], x, use_reentrant=False)
        return LOSS(model[5:](hidden), y)

    run().backward()
    expected = gradients(model)
    root = nn.ModuleList([model])
    root.forward = lambda x: model[5:](checkpoint(model[:5], x, use_reentrant=False))
    with watch(root) as meter:
        for _ in range(3):
            root.zero_grad()
            LOSS(root(x), y).backward()
            meter.update()
            for got, wanted in zip(gradients(model), expected, strict=True):
                torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-13)
        norms = meter.last.squared_norms
    losses = F.cross_entropy(model(x), y, reduction="none")
    rows = [torch.autograd.grad(v, list(model.parameters()), retain_graph=True) for v in losses]
    torch.testing.assert_close(
        torch.from_numpy(norms), torch.stack([sum(g.square().sum() for g in row) for row in rows])
    )


def test_a_copy_of_a_watched_model_trains_by_itself():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        twin = copy.deepcopy(model)
        twin.zero_grad()
        LOSS(twin(x), y).backward()
        model.zero_grad()
        LOSS(model(x), y).backward()
        meter.update()
    for one, other in zip(gradients(twin), gradients(model), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


def test_functional_transforms_see_the_plain_layer():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        assert fused_units(meter)
        parameters = {name: p.detach() for name, p in model.named_parameters()}

        def loss(parameters, x, y):
            return LOSS(torch.func.functional_call(model, parameters, (x.unsqueeze(0),)), y.unsqueeze(0))

        G = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
        meter.reset()
        LOSS(model(x), y).backward()
        meter.update()
        expected = sum(g.flatten(1).square().sum(1) for g in G.values())
        torch.testing.assert_close(torch.from_numpy(meter.last.squared_norms), expected)


def test_no_graph_is_kept_alive():
    model, (x, y) = small(), batch()

    def tensors():
        gc.collect()
        return sum(type(o) is torch.Tensor for o in gc.get_objects())

    with watch(model) as meter:
        counts = []
        for _ in range(5):
            model.zero_grad()
            LOSS(model(x), y).backward()
            meter.update()
            meter.reset()
            counts.append(tensors())
    assert counts[-1] <= counts[1]
