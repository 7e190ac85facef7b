"""The stability accountant: what a step tells it, assumptions and verdict, resumption, bad input, a meter."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rote
from rote.errors import InputError
from rote.gradients import Coherence, Smoothness, StabilityAccountant, coherence
from rote.gradients._assumptions import Seen, assumptions
from rote.gradients._stability_report import judge
from rote.gradients._stability_step import read_optimizer

STEPS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)


def accountant_of(steps, m=50, lipschitz=2.0, smoothness=3.0):
    accountant = StabilityAccountant(m, lipschitz=lipschitz, smoothness=smoothness)
    for rate, alpha in steps:
        accountant.step(alpha=alpha, learning_rate=rate)
    return accountant


def measured(alpha, norms, m=None, **more):
    """A record as a meter gives it: unbiased coherence ``alpha``, norms of the examples."""
    squares = np.square(np.array(norms, dtype=float))
    return Coherence(m or len(squares), 1, alpha, 1.0, alpha, 1.0, squares, **more)


# ---- what a step tells


def test_the_sharper_form_uses_the_measured_size():
    accountant = StabilityAccountant(10, lipschitz=4.0, smoothness=0.0)
    accountant.step(measured(0.5, [1.0, 1.0, 3.0, 1.0]), learning_rate=0.1)  # ḡ² = 3
    accountant.step(alpha=0.5, learning_rate=0.1)
    factors = accountant.factors()
    assert factors.gradient_norm == pytest.approx([math.sqrt(3), math.nan], nan_ok=True)
    assert factors.contribution == pytest.approx([0.16, 0.16])
    assert factors.sharper == pytest.approx([0.04 * math.sqrt(3), 0.16])


def test_alpha_is_the_unbiased_one_taken_into_its_range():
    accountant = StabilityAccountant(10, lipschitz=1.0, smoothness=0.0)
    accountant.step(Coherence(2, 1, 0.4, 0.8, -0.2, math.inf, np.ones(2)), learning_rate=0.1)
    accountant.step(Coherence(2, 1, 0.8, 1.6, 0.6, 0.7, np.ones(2)), learning_rate=0.1)
    assert accountant.factors().alpha.tolist() == [0.0, 0.6]
    assert "taken as 0 at 1 of 2 steps" in accountant.report().assumptions[-1].detail


def test_gradients_that_are_all_zero_set_nothing_apart():
    accountant = StabilityAccountant(10, smoothness=1.0)
    accountant.step(measured(math.nan, [0.0, 0.0, 0.0]), learning_rate=0.1)
    assert accountant.bound().value == 0
    assert accountant.factors().alpha.tolist() == [1.0]


@pytest.mark.parametrize("squares", [None, np.array([1.0, math.nan]), np.array([1.0, 2.0])])
def test_a_step_that_is_not_finite_is_left_out_and_said(squares):
    nan = math.nan
    accountant = accountant_of([(0.1, 0.5)])
    accountant.step(Coherence(0, 0 if squares is None else 1, nan, nan, nan, nan, squares), learning_rate=0.1)
    assert len(accountant) == 1
    (row,) = [a for a in accountant.report().assumptions if "every step" in a.name]
    assert row.status == "unknown"
    assert row.detail.startswith("1 of 2 left out")


def test_clipping_shortens_the_step_and_leaves_the_gradient():
    """A record's norms are those that clipping left: here of gradients four times as long."""
    accountant = StabilityAccountant(10, smoothness=2.0)
    accountant.step(measured(0.5, [1.0, 1.0], clip=0.25), learning_rate=0.4)
    factors = accountant.factors()
    assert (factors.learning_rate[0], factors.gradient_norm[0]) == pytest.approx((0.1, 4.0))
    assert accountant.lipschitz == pytest.approx(4.0)
    assert status(accountant, "step sizes") == "violated"


def test_a_gradient_clipped_to_nothing():
    accountant = StabilityAccountant(10, lipschitz=1.0, smoothness=2.0)
    accountant.step(measured(0.5, [0.0, 0.0], clip=0.0), learning_rate=0.4)
    assert accountant.bound().value == 0


def test_repeat_stands_for_as_many_steps():
    one, many = StabilityAccountant(90, smoothness=2.0), StabilityAccountant(90, smoothness=2.0)
    for _ in range(3):
        one.step(measured(0.5, [1.0, 2.0]), learning_rate=0.1)
    many.step(measured(0.5, [1.0, 2.0]), learning_rate=0.1, repeat=3)
    assert many.bound() == one.bound()
    assert len(many) == 3


def test_constants_are_the_largest_seen_unless_given():
    accountant = StabilityAccountant(90)
    assert (accountant.lipschitz, accountant.smoothness) == (None, None)
    accountant.step(measured(0.5, [1.0, 3.0]), learning_rate=0.1)
    accountant.step(measured(0.5, [2.0, 1.0]), learning_rate=0.1)
    for value in (2.0, 5.0, 4.0):
        accountant.note(Smoothness(value, value, value, (), (), 9, True))
    assert (accountant.lipschitz, accountant.smoothness) == (3.0, 5.0)
    assert (status(accountant, "L-Lipschitz"), status(accountant, "β-smooth")) == ("estimated", "estimated")
    again = StabilityAccountant(90, smoothness=Smoothness(5.0, 4.0, -4.0, (5.0,), (0,), 9, True))
    assert again.smoothness == 5.0


W, V = ([torch.zeros(1, requires_grad=True)] for _ in range(2))


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (torch.optim.SGD(W, lr=0.1), "SGD"),
        (torch.optim.SGD(W, lr=0.1, weight_decay=0.1), "SGD"),
        (torch.optim.SGD(W, lr=0.1, weight_decay=21.0), "SGD with a weight decay of 21, above 2/η"),
        (torch.optim.SGD(W, lr=0.1, momentum=0.9), "SGD with momentum 0.9"),
        (torch.optim.SGD(W, lr=0.1, maximize=True), "SGD that maximizes"),
        (torch.optim.AdamW(W, lr=0.1), "AdamW"),
        (torch.optim.SGD([{"params": W, "lr": 0.1}, {"params": V, "lr": 0.01}], lr=1.0), "SGD"),
    ],
    ids=["plain", "decay", "much decay", "momentum", "maximize", "AdamW", "groups"],
)
def test_optimizers_are_read(optimizer, rule):
    assert read_optimizer(optimizer) == (pytest.approx(0.1), rule)


def test_the_bound_speaks_of_plain_sgd_only():
    def shown(*optimizers):
        accountant = StabilityAccountant(10, lipschitz=1.0, smoothness=1.0)
        for optimizer in optimizers:
            accountant.step(alpha=0.5, optimizer=optimizer)
        return status(accountant, "plain SGD")

    sgd, adam = torch.optim.SGD(W, lr=0.1), torch.optim.Adam(W)
    assert (shown(sgd), shown(adam)) == ("given", "violated")
    assert (shown(sgd, adam, sgd), shown(adam, sgd)) == ("violated", "violated")
    assert status(accountant_of([(0.1, 0.5)]), "plain SGD") == "unknown"


# ---- assumptions and the verdict


def status(accountant, name):
    (found,) = [a.status for a in accountant.report().assumptions if name in a.name]
    return found


def test_constants_that_were_given_too_small_are_noticed():
    accountant = StabilityAccountant(90, lipschitz=2.0, smoothness=1.0)
    accountant.step(measured(0.5, [1.0, 2.0]), learning_rate=0.1)
    assert (status(accountant, "L-Lipschitz"), status(accountant, "β-smooth")) == ("given", "given")
    accountant.step(measured(0.5, [1.0, 2.1]), learning_rate=0.1)
    accountant.note(Smoothness(1.5, 1.5, 1.5, (), (), 9, True))
    assert (status(accountant, "L-Lipschitz"), status(accountant, "β-smooth")) == ("violated", "violated")
    assert accountant.bound().value == accountant_of([(0.1, 0.5)] * 2, 90, 2.0, 1.0).bound().value


def test_examples_that_come_back_are_noticed():
    accountant = StabilityAccountant(8, smoothness=1.0)
    found = []
    for _ in range(3):
        accountant.step(measured(0.5, [1.0] * 4), learning_rate=0.1)
        found.append(status(accountant, "the examples of its batch"))
    assert found == ["given", "given", "violated"]
    accountant = StabilityAccountant(8, smoothness=1.0)
    accountant.step(
        measured(0.5, [1.0] * 8), learning_rate=0.1, batch_size=2
    )  # a fixed sample, measured apart
    accountant.step(measured(0.5, [1.0] * 8), learning_rate=0.1, batch_size=2)
    assert status(accountant, "the examples of its batch") == "given"


@settings(max_examples=50)
@given(
    st.builds(
        Seen,
        st.floats(0, 9),
        st.integers(0, 9),
        st.none() | st.floats(0, 9),
        st.floats(0, 99),
        *[st.integers(0, 9)] * 5,  # counts of steps
        st.sampled_from(["", "SGD", "Adam"]),
    ),
    st.none() | st.floats(0, 9),
    st.none() | st.floats(0, 9),
    st.integers(0, 9),
)
def test_every_assumption_is_always_listed(seen, L, beta, steps):
    rows = assumptions(seen, m=50, steps=steps, lipschitz=L, smoothness=beta)
    assert len({row.name for row in rows}) == len(rows) == 8
    assert {row.status for row in rows} <= {"given", "estimated", "violated", "unknown"}
    assert all(row.detail for row in rows)


def test_the_verdict_says_whether_the_bound_says_anything():
    small, large = accountant_of([(0.1, 0.5)], m=1000), accountant_of([(0.1, 0.5)] * 5000)
    assert small.report().vacuous is None
    assert "no range of the loss was given" in small.report().verdict
    assert small.report(loss_range=2.3).vacuous is False
    assert "below the loss's range, 2.3" in small.report(loss_range=2.3).verdict
    assert large.report(loss_range=2.3).vacuous is True
    assert "vacuous: it is 10^5" in large.report(loss_range=2.3).verdict
    assert all(a.report(loss_range=2.3).verdict.count(". ") == 0 for a in (small, large))  # one sentence


def test_a_bound_on_the_border_is_vacuous():
    assert judge(accountant_of([(0.0, 0.5)]).bound(), 1.0, ())[0] is False
    bound = accountant_of([(0.5, 0.5)], m=2, lipschitz=2.0).bound()
    assert judge(bound, 1.0 + 1e-9, ())[0] is False
    assert judge(bound, 1.0 - 1e-9, ())[0] is True


def test_the_report_as_text_and_json():
    report = accountant_of([(0.1, 0.5)] * 5000).report(loss_range=2.3)
    text = str(report)
    assert "T = 5000" in text
    assert text.count("\n") == 1 + len(report.assumptions)
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert record["bound"]["value"] is None
    assert record["bound"]["log10"] == report.bound.log10
    assert [a["status"] for a in record["assumptions"]] == [a.status for a in report.assumptions]


# ---- resumption


@settings(max_examples=50)
@given(STEPS, st.floats(0, 100), st.integers(0, 12))
def test_goes_on_where_it_stopped(steps, norm, cut):
    whole = StabilityAccountant(77, smoothness=0.1)
    part = StabilityAccountant(77, smoothness=0.1)
    for t, (rate, alpha) in enumerate(steps):
        if t == cut:
            part = StabilityAccountant.from_dict(json.loads(json.dumps(part.to_dict(), allow_nan=False)))
        for accountant in (whole, part):
            accountant.step(alpha=alpha, learning_rate=rate)
            accountant.step(measured(alpha, [norm, 1.0]), learning_rate=rate)
    assert part.bound() == whole.bound()
    assert part.report() == whole.report()
    assert part.to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "schema 2"),
        ({"alpha": [0.5]}, "differ in length"),
        ({"seen": {"no": 1}}, "damaged"),
        ({"m": None}, "`m`"),
        ({"learning_rate": ["a", "b"]}, "damaged"),
    ],
)
def test_damaged_records_are_refused(change, said):
    record = accountant_of([(0.1, 0.5)] * 2).to_dict() | change
    with pytest.raises(InputError, match=said):
        StabilityAccountant.from_dict(record)


# ---- bad input


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"m": 0}, "`m`"),
        ({"m": 2.5}, "`m`"),
        ({"m": True}, "`m`"),
        ({"m": 5, "lipschitz": -1.0}, "`lipschitz`"),
        ({"m": 5, "lipschitz": math.inf}, "`lipschitz`"),
        ({"m": 5, "smoothness": math.nan}, "`smoothness`"),
    ],
)
def test_constants_that_are_none_are_refused(keywords, said):
    with pytest.raises(InputError, match=f"{said} must be"):
        StabilityAccountant(**keywords)


GOOD = measured(0.5, [1.0, 1.0])


@pytest.mark.parametrize(
    ("arguments", "keywords", "said"),
    [
        ([], {"learning_rate": 0.1}, "`coherence` or `alpha` must be given.*neither"),
        ([GOOD], {"alpha": 0.5, "learning_rate": 0.1}, "`coherence` or `alpha` .*both"),
        ([GOOD], {}, "`learning_rate` or `optimizer` .*neither"),
        ([GOOD], {"learning_rate": 0.1, "optimizer": torch.optim.SGD(W)}, "`learning_rate` .*both"),
        ([GOOD], {"learning_rate": -0.1}, "`learning_rate` must be a finite"),
        ([GOOD], {"learning_rate": math.nan}, "`learning_rate` must be a finite"),
        ([GOOD], {"learning_rate": 0.1, "squared_norms": [1.0]}, "`squared_norms` must come with `alpha`"),
        ([GOOD], {"learning_rate": 0.1, "repeat": 0}, "`repeat`"),
        ([GOOD], {"learning_rate": 0.1, "batch_size": 11}, "batch of 11"),
        ([], {"learning_rate": 0.1, "alpha": 1.5}, "not the m-coherence"),
        ([], {"learning_rate": 0.1, "alpha": math.nan}, "`alpha` must be"),
        ([], {"learning_rate": 0.1, "alpha": 0.5, "squared_norms": []}, "`squared_norms` must be"),
        ([], {"learning_rate": 0.1, "alpha": 0.5, "squared_norms": [-1.0]}, "`squared_norms` must be"),
        ([measured(0.5, [1.0] * 11)], {"learning_rate": 0.1}, "m=10 and a batch of 11"),
        ([Coherence(1, 1, 1.0, 1.0, math.nan, math.nan, np.ones(1))], {"learning_rate": 0.1}, "at least 2"),
    ],
)
def test_steps_that_say_too_little_or_too_much_are_refused(arguments, keywords, said):
    accountant = StabilityAccountant(10, lipschitz=1.0, smoothness=1.0)
    with pytest.raises(InputError, match=said):
        accountant.step(*arguments, **keywords)
    assert accountant.to_dict() == StabilityAccountant(10, lipschitz=1.0, smoothness=1.0).to_dict()


def test_what_is_missing_for_a_bound_is_said():
    accountant = StabilityAccountant(10)
    accountant.step(alpha=0.5, learning_rate=0.1)
    with pytest.raises(InputError, match=r"`smoothness` must be known.*note\(\)"):
        accountant.bound()
    accountant = StabilityAccountant(10, smoothness=1.0)
    accountant.step(alpha=0.5, learning_rate=0.1)
    with pytest.raises(InputError, match="`lipschitz` must be known"):
        accountant.report()
    with pytest.raises(InputError, match="`loss_range` must be"):
        accountant_of([(0.1, 0.5)]).report(loss_range=0)


# ---- with a meter


def test_a_watched_loop_gives_the_sum_of_what_it_measured():
    model, m, beta, rate = nn.Linear(3, 1), 12, 2.0, 0.05
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    x, y = torch.randn(m, 3), torch.randn(m, 1)
    accountant, delta, largest = StabilityAccountant(m, smoothness=beta), 0.0, 0.0
    with rote.watch(model) as meter:
        for batch in torch.arange(m).split(4):
            alone = coherence(model, nn.MSELoss(), (x[batch], y[batch]))
            nn.functional.mse_loss(model(x[batch]), y[batch]).backward()
            meter.update()
            accountant.step(meter.last, optimizer=optimizer)
            optimizer.step()
            optimizer.zero_grad()
            size = math.sqrt(alone.squared_norms.mean() * 2 * (1 - max(alone.alpha_unbiased, 0)))
            delta = (1 + rate * beta) * delta + rate / m * size
            largest = max(largest, math.sqrt(alone.squared_norms.max()))
    assert accountant.lipschitz == pytest.approx(largest, rel=1e-10)
    assert accountant.bound().sharper == pytest.approx(largest * delta, rel=1e-10)
    assert status(accountant, "plain SGD") == status(accountant, "the examples of its batch") == "given"


def test_a_meter_that_sees_clipping_shortens_the_steps():
    model = nn.Linear(3, 1)
    x, y = torch.randn(4, 3), torch.randn(4, 1) + 9
    free, clipped = (StabilityAccountant(12, smoothness=2.0) for _ in range(2))
    free.step(coherence(model, nn.MSELoss(), (x, y)), learning_rate=0.1)
    with rote.watch(model, clipping="after") as meter:
        nn.functional.mse_loss(model(x), y).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        meter.update()
        clipped.step(meter.last, learning_rate=0.1)
    factor = 0.5 / float(norm)
    assert clipped.factors().learning_rate[0] == pytest.approx(0.1 * factor, rel=1e-5)
    assert clipped.lipschitz == pytest.approx(free.lipschitz, rel=1e-5)
    assert clipped.bound().sharper == pytest.approx(free.bound().sharper * factor, rel=1e-4)
