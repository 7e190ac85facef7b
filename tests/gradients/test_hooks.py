"""A meter leaves nothing behind, and says of each layer how it was measured."""

import copy

import pytest
import torch
from torch import nn

from oracles import training
from rote.errors import InputError
from rote.gradients import coherence, watch

LOSS, on_each_device = training.LOSS, training.on_each_device
small, batch, step, assert_same = training.small, training.batch, training.step, training.assert_same


MODULE_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def hooks_of(model):
    """How many hooks hang on each module and parameter, by the name of the dictionary."""
    counts = {}
    for name, module in model.named_modules():
        for kind in MODULE_HOOKS:
            counts[name, kind] = len(getattr(module, kind))
    for name, parameter in model.named_parameters():
        for kind in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            counts[name, kind] = len(getattr(parameter, kind, None) or ())
    return counts


def everything():
    return nn.Sequential(
        nn.Embedding(7, 4),
        nn.LSTM(4, 4, batch_first=True),
        First(),
        nn.LayerNorm(4),
        nn.Flatten(),
        nn.Linear(20, 3),
    )


class First(nn.Module):
    def forward(self, outputs):
        return outputs[0]


def ids(m=4):
    return torch.randint(0, 7, (m, 5)), torch.randint(0, 3, (m,))


@pytest.mark.parametrize("options", [{}, {"accumulate": True}, {"clipping": "after"}, {"bitwise": True}])
def test_no_hook_is_left_behind(options):
    model, (x, y) = everything(), ids()
    before = hooks_of(model)
    with watch(model, **options) as meter:
        step(model, meter, x, y)
        assert hooks_of(model) != before
    assert hooks_of(model) == before


def failing_forward(model, meter, x, y):
    model(x[:, :2])


def failing_update(model, meter, x, y):
    meter.update()


def failing_backward(model, meter, x, y):
    loss = LOSS(model(x), y)
    loss.register_hook(lambda gradient: 1 / 0)
    loss.backward()


@pytest.mark.parametrize("fail", [failing_forward, failing_update, failing_backward])
def test_no_hook_is_left_behind_after_an_exception(fail):
    model, (x, y) = everything(), ids()
    before = hooks_of(model)
    with pytest.raises((InputError, RuntimeError, ZeroDivisionError)), watch(model) as meter:
        fail(model, meter, x, y)
    assert hooks_of(model) == before


def test_a_model_that_is_refused_keeps_no_hook():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).requires_grad_(False)
    before = hooks_of(model)
    with pytest.raises(InputError, match="requires_grad=True"):
        watch(model, method="exact")
    assert hooks_of(model) == before


def test_the_gradients_are_those_of_an_unwatched_run_after_an_exception():
    model, (x, y) = small(), batch()
    plain = copy.deepcopy(model)
    with watch(model) as meter:
        with pytest.raises(RuntimeError):
            model(x[:, :2])
        step(model, meter, x, y)
    LOSS(plain(x), y).backward()
    for got, expected in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad, rtol=1e-12, atol=1e-14)


def test_each_layer_says_how_it_was_measured():
    model, (x, y) = everything(), ids()
    with watch(model) as meter:
        step(model, meter, x, y)
        for record in (meter.last, meter.compute()):
            assert {name: layer.way for name, layer in record.layers.items()} == meter.coverage
    expected = coherence(model, LOSS, (x, y))
    assert {name: layer.way for name, layer in expected.layers.items()} == meter.coverage
    assert set(meter.coverage.values()) >= {"embedding", "linear", "norm"}
