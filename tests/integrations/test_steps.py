"""The meter that a framework drives: which steps it measures, and what it does in between."""

import copy
import importlib
import json
import math
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

from rote.errors import InputError
from rote.gradients import coherence, watch
from rote.integrations._derive import derive
from rote.integrations._steps import StepMeter

LOSS = nn.CrossEntropyLoss()


def small():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def batches(sizes=(5, 5, 3, 5, 5, 3)):
    return [(torch.randn(m, 4, dtype=torch.float64), torch.randint(0, 3, (m,))) for m in sizes]


def step(meter, model, parts, optimizer=None):
    for x, y in parts:
        meter.begin(model)
        LOSS(model(x), y).backward()
        meter.backward()
    meter.before_step()
    record = meter.end()
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad()
    return record


def test_pooled_as_a_plain_meter_pools(plain_loop, assert_same):
    model, parts, steps = small(), batches(), StepMeter()
    twin = copy.deepcopy(model)
    sgd = partial(torch.optim.SGD, lr=0.1)
    records, pooled = plain_loop(
        twin, parts, lambda net, b: LOSS(net(b[0]), b[1]), optimizer=sgd(twin.parameters())
    )
    optimizer = sgd(model.parameters())
    for part, wanted in zip(parts, records, strict=True):
        assert_same(step(steps, model, [part], optimizer), wanted, rel=1e-12)
    assert_same(steps.compute(), pooled, rel=1e-12)
    assert steps.coverage == {"0": "linear", "2": "linear"}
    assert steps.compute().layers["2"].way == "linear"


def test_batches_of_a_step_stand_for_themselves_or_are_one_sample():
    model, parts = small(), batches((5, 3, 4))
    apart = step(StepMeter(), model, parts)
    assert (apart.steps, apart.squared_norms) == (3, None)
    joined = step(StepMeter(accumulate=True), model, parts)
    whole = coherence(model, LOSS, [torch.cat(part) for part in zip(*parts, strict=True)])
    assert joined.alpha == pytest.approx(whole.alpha, rel=1e-10)
    assert joined.m == 12
    assert joined.squared_norms.tolist() == pytest.approx(whole.squared_norms.tolist(), rel=1e-10)


def test_steps_between_carry_no_hook(hooks_of):
    model, steps = small(), StepMeter(every=3)
    for number, part in enumerate(batches()):
        steps.begin(model)
        assert (hooks_of(model) > 0) == (number % 3 == 0)
        LOSS(model(part[0]), part[1]).backward()
        steps.backward()
        assert (steps.end() is not None) == (number % 3 == 0)
        assert hooks_of(model) == 0
    assert steps.compute().steps == 2


def test_a_step_without_a_backward_pass_is_no_step():
    model, steps = small(), StepMeter()
    ((x, y),) = batches((5,))
    steps.begin(model)
    model(x)  # the loop skips this batch
    assert steps.end() is None
    record = step(steps, model, [(x, y)])
    assert record.alpha == pytest.approx(coherence(model, LOSS, (x, y)).alpha, rel=1e-12)


def test_unfrozen_layers_are_measured_from_then_on(hooks_of):
    model, steps = small(), StepMeter()
    model[0].requires_grad_(False)
    parts = batches()
    assert list(step(steps, model, parts[:1]).layers) == ["2"]
    model[0].requires_grad_(True)
    assert list(step(steps, model, parts[1:2]).layers) == ["0", "2"]
    assert steps.compute().steps == 1
    steps.close()
    assert hooks_of(model) == 0


def test_an_error_leaves_no_hook(hooks_of):
    model, steps = small(), StepMeter()
    steps.begin(model)
    with pytest.raises(InputError, match=r"update\(\)"):
        steps.backward()
    assert hooks_of(model) == 0


def test_a_state_survives_json():
    model, steps = small(), StepMeter(every=2)
    for part in batches()[:3]:
        step(steps, model, [part])
    again = StepMeter(every=2)
    again.load_state_dict(json.loads(json.dumps(steps.state_dict())))
    assert again.compute().to_dict() == steps.compute().to_dict() | {"squared_norms": None}
    assert step(again, model, batches()[:1]) is None  # the fourth step
    steps.load_state_dict(StepMeter().state_dict())
    assert steps.statistics is None


def normalised():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).double()


def test_microbatches_are_compared_step_by_step(assert_same):
    """As ``watch(method="microbatch")`` in a plain loop; a lone batch at the end of an epoch is left out."""
    model, groups = normalised(), [batches((4, 4, 4)), batches((4, 4)), batches((4,)), batches((4, 4, 4))]
    twin, steps = copy.deepcopy(model), StepMeter()
    records = [step(steps, model, group) for group in groups]
    assert records[2] is None
    with watch(twin, method="microbatch") as meter:
        for group, record in zip(groups, records, strict=True):
            for x, y in group:
                LOSS(twin(x), y).backward()
            meter.update()
            if record is not None:
                assert_same(record, meter.last, rel=1e-12)
        assert_same(steps.compute(), meter.compute(), rel=1e-12)
    again = StepMeter()
    again.load_state_dict(json.loads(json.dumps(steps.state_dict())))
    assert_same(again.compute(), steps.compute(), rel=1e-12)
    assert again.compute().interval == steps.compute().interval


def test_a_single_microbatch_is_refused_at_first(hooks_of):
    model, steps = normalised(), StepMeter()
    with pytest.raises(InputError, match="BatchNorm1d"):
        step(steps, model, batches((4,)))
    assert hooks_of(model) == 0


@pytest.mark.filterwarnings("ignore::rote.gradients.NonFiniteGradientWarning")
def test_a_step_that_is_not_finite_is_marked_and_left_out():
    model, steps = small(), StepMeter(every=2)
    for number, (x, y) in enumerate(batches((5,) * 6)):
        record = step(steps, model, [(x * (float("inf") if number == 2 else 1), y)])
        if number == 2:
            assert math.isnan(record.alpha)
    assert [mark.step for mark in steps.marked] == [2]
    assert steps.compute().steps == 2
    steps.reset()
    assert steps.marked == ()


def test_reset_forgets():
    model, steps = small(), StepMeter(watch=partial(watch, reduction="sum"))
    step(steps, model, batches()[:1])
    steps.reset()
    for ask in (steps.compute, lambda: steps.last):
        with pytest.raises(InputError, match="needs at least one measured step"):
            ask()


def test_every_must_be_positive():
    with pytest.raises(InputError, match="`every` must be at least 1 step"):
        StepMeter(every=0)


@pytest.mark.parametrize(
    ("module", "package"), [("lightning", "pytorch_lightning"), ("transformers", "transformers")]
)
def test_what_is_missing_is_named_when_it_is_asked_for(module, package, monkeypatch):
    room = importlib.import_module(f"rote.integrations.{module}")
    monkeypatch.delitem(vars(room), "CoherenceCallback", raising=False)
    monkeypatch.setattr("rote.integrations._derive.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=rf"`rote.integrations.{module}` needs .*{package}.*rote\[{module}\]"
    ):
        _ = room.CoherenceCallback
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = room.Nope


def test_the_package_in_use_comes_first():
    assert "threading" in sys.modules
    made = derive(nn.Module, "Made", "Thread", ("wave.no", "threading"), extra="x")
    assert made.__mro__[2].__module__ == "threading"


@pytest.mark.slow  # a new process imports torch
def test_the_room_imports_no_framework(environment):
    rooms = "rote.integrations.lightning, rote.integrations.transformers"
    code = f"import sys, {rooms}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not {"lightning", "pytorch_lightning", "transformers", "tensorboard"} & set(done.stdout.split())
