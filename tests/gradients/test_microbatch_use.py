"""Coherence from microbatches: hooks, records, what is refused, and compiled networks."""

import copy
import itertools
import json

import numpy as np
import pytest
import torch
from torch import nn

from oracles.microbatch_runs import LOSS, batch, expect, normed, run, small
from rote.errors import InputError
from rote.gradients import watch
from rote.gradients._microbatch import MicrobatchMeter


def hooks(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    of_modules = [len(getattr(module, kind)) for module in model.modules() for kind in kinds]
    kinds = ("_backward_hooks", "_post_accumulate_grad_hooks")
    return of_modules + [len(getattr(p, kind) or ()) for p in model.parameters() for kind in kinds]


def failing(model, meter):
    run(model, meter, batch(3, 3))
    meter.reset()
    assert meter.statistics is None
    assert sum(hooks(model)) == 5
    meter.check()
    with meter:
        meter.compute()


def test_no_hook_is_left_behind_even_by_an_error():
    model = small()
    meter = watch(model, method="microbatch")
    with pytest.raises(InputError, match="at least one step"):
        failing(model, meter)
    assert sum(hooks(model)) == 0
    late = [LOSS(model(x), y) for x, y in batch(3, 3)]
    sum(late).backward()
    assert model[0].weight.grad is not None


def test_the_record_is_json_and_extrapolates():
    model = small()
    with watch(model, method="microbatch") as meter:
        run(model, meter, batch(4, 4, 4))
        got = meter.last
        two = batch(4, 4)
        run(model, meter, two)
        without = json.loads(json.dumps(meter.last.to_dict(), allow_nan=False))
    record = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert record["interval"] == list(got.interval)
    assert record["layers"]["0"]["interval"] == list(got.layers["0"].interval)
    assert record["layers"]["0"]["way"] == "microbatches"
    assert without["interval"] is None
    value, low, high = got.m_coherence_at(1001)
    assert value == pytest.approx(1 + 1000 * got.alpha_unbiased)
    assert low < value < high
    assert "±" in repr(got)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda model, meter: meter.update(), "no forward pass"),
        (
            lambda model, meter: (model(torch.randn(3, 4)), meter.update()),
            "a forward pass but no backward pass",
        ),
        (lambda model, meter: run(model, meter, batch(4)), r"two microbatches or more.*split the batch"),
        (
            lambda model, meter: (model[0](torch.randn(3, 4)).sum().backward(), meter.update()),
            "call it itself",
        ),
        (lambda model, meter: meter.compute(), "at least one step"),
        (lambda model, meter: meter.last, "at least one step"),
    ],
)
def test_wrong_calls_are_one_sentence_and_the_next_step_is_fine(call, sentence):
    model = small()
    with watch(model, method="microbatch") as meter:
        with pytest.raises(InputError, match=sentence):
            call(model, meter)
        parts = batch(3, 3)
        run(model, meter, parts)
        expect(model, parts, meter.last)


def test_one_microbatch_of_a_network_chosen_by_auto_says_why():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    with watch(model) as meter, pytest.raises(InputError, match=r"because layer `1` \(BatchNorm1d\).*split"):
        run(model, meter, batch(6))


def test_backward_passes_out_of_order_are_refused():
    model, parts = small(), batch(3, 3)
    with watch(model, method="microbatch") as meter:
        first, second = (LOSS(model(x), y) for x, y in parts)
        first.backward(retain_graph=True)
        second.backward()
        first.backward()
        with pytest.raises(InputError, match="earlier microbatch"):
            meter.update()


def test_sizes_that_cannot_be_told_are_refused():
    model, parts = small(), batch(3, 2)
    with watch(model, method="microbatch") as meter:
        sum(LOSS(model(x), y) for x, y in parts).backward()
        with pytest.raises(InputError, match=r"microbatch_size.*several sizes"):
            meter.update()


def test_a_parameter_unfrozen_later_is_noticed():
    model = small()
    model[0].requires_grad_(False)
    with watch(model, method="microbatch") as meter:
        model[0].requires_grad_(True)
        with pytest.raises(InputError, match=r"`0\.weight` was frozen"):
            run(model, meter, batch(3, 3))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"accumulate": True}, "`accumulate` must be False where method='microbatch'"),
        ({"clipping": "after"}, "`clipping` must be 'before' where method='microbatch'"),
        ({"reduction": "none"}, "`reduction` must be"),
        ({"scaler": 1024.0}, "`scaler` must be a torch.amp.GradScaler"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        watch(small(), method="microbatch", **options)


@pytest.mark.parametrize(("name", "value"), [("microbatch_size", 0), ("groups", 0), ("groups", 2.5)])
def test_counts_must_be_whole(name, value):
    with pytest.raises(InputError, match=f"`{name}` must be a whole number"):
        MicrobatchMeter(small(), **{name: value})


def test_a_model_without_trainable_parameters_is_refused():
    with pytest.raises(InputError, match="requires_grad=True"):
        watch(nn.ReLU(), method="microbatch")


def test_statistics_of_both_methods_do_not_mix():
    model, parts = small(), batch(3, 3)
    with watch(model, method="microbatch") as meter:
        run(model, meter, parts)
    with watch(model, method="exact") as exact:
        LOSS(model(parts[0][0]), parts[0][1]).backward()
        exact.update()
    with pytest.raises(InputError, match="two statistics of microbatches"):
        meter.statistics + exact.statistics
    joined = meter.statistics + meter.statistics
    assert joined.coherence().alpha_unbiased == pytest.approx(meter.last.alpha_unbiased, rel=1e-12)


def test_every_order_of_the_microbatches_gives_the_same_estimate():
    model, parts = small(), batch(3, 3, 2)
    with watch(model, method="microbatch") as meter:
        values = []
        for order in itertools.permutations(parts):
            run(model, meter, order)
            values.append((meter.last.alpha_unbiased, meter.last.standard_error))
    np.testing.assert_allclose(values, [values[0]] * 6, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_network_is_measured_by_microbatches(backend):
    model, parts = normed(), batch(4, 4, 4)
    compiled = torch.compile(model, backend=backend)
    with watch(compiled) as meter:
        assert meter.method == "microbatch"
        run(compiled, meter, parts)
        got = meter.last
    expect(model, parts, got)
    torch._dynamo.reset()


@pytest.mark.slow
def test_a_network_of_which_a_part_is_compiled_keeps_its_layers_names():
    inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    model, parts = nn.Sequential(torch.compile(inner, backend="eager"), nn.Linear(4, 3)), batch(4, 4, 4)
    with watch(model) as meter:
        assert meter.method == "microbatch"
        run(model, meter, parts)
        got = meter.last
    expect(nn.Sequential(inner, model[1]), parts, got)
    torch._dynamo.reset()


@pytest.mark.slow
def test_watching_the_module_inside_a_compiled_one_is_refused_not_miscounted():
    model, parts = normed(), batch(4, 4, 4)
    with watch(model, method="microbatch") as meter:
        compiled = torch.compile(model, backend="eager")
        with pytest.raises(InputError, match="watch the module that you call"):
            run(compiled, meter, parts)
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_a_network_compiled_in_place(late):
    plain, parts = normed(), batch(4, 4, 4)
    model = copy.deepcopy(plain)
    model.compile(backend="eager")
    if late:
        model(parts[0][0]).sum().backward()
    with watch(model) as meter:
        run(model, meter, parts)
        got = meter.last
    expect(plain, parts, got)
    torch._dynamo.reset()
