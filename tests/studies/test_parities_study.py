"""The study of parities: claims on planted records, cells on a few coordinates."""

from math import comb

import pytest

from oracles.planted_study import Planted
from rote.dynamics import full_rank_probability
from rote.studies import Place, Row
from rote.studies.parities import STUDY, _elimination, _signal, _training


def elimination(config, seed, told):
    n, noise = config["n"], config["noise"]
    foretold = full_rank_probability(n + config["more"], n) * (1 - noise) ** n
    if told:
        found = {"unique": foretold, "right": foretold, "wrong": 0.0, "refused": float(noise > 0)}
    else:
        share = 0.5 + seed / 100
        found = {"unique": share, "right": share, "wrong": 0.1, "refused": 0.2 + seed / 100}
    return found | {"foretold": foretold}


def training(config, seed, told):
    n, k = config["n"], config["k"]
    dense = 2 * k == n
    steps = (100 * 2 ** (n // 2) if dense else 20 * k * n) * 10 // 8
    if not told:
        steps = 20_000 // (n * k)
    never = n == 24 if told else (n, k) == (10, 3)
    learned = None if never else steps + seed
    end = 0.5 if learned is None else 1.0 - seed / 1000
    at = steps * 3 // 4 if told else 1
    return {
        "steps": [0, at, steps],
        "accuracy": [0.5, 0.51, end],
        "moved_on": [0.0, 1.3 + seed / 100 if told else 0.8, 2.0],
        "moved_off": [0.0, 1.0, 1.1],
        "learned": learned,
        "solved": told,
    }


def lucky(config, seed):
    """Descent that learns the largest at once."""
    fields = {"learned": 10 + seed, "accuracy": [0.5, 0.9 + seed / 100], "steps": [0, 10], "solved": False}
    return fields | {"moved_on": [0.0, 1.0], "moved_off": [0.0, 1.0]}


def network(config, seed, told):
    return {"error": 0.0, "units": 1.0} if told else {"error": 0.5, "units": 2.0}


def signal(config, seed, told):
    n = config["n"]
    share = 2.0**-n if told else 2.0 ** (-n / 8)
    known = [share * (1 + seed / 100)] * (n + 1)
    bound = [1 / comb(n, k) if told else share / 3 for k in range(n + 1)]
    off = 1e-15 if told else 0.5 + seed / 100
    slope = -float(n) if told else -n / 2
    return {"known": known, "bound": bound, "mean": share, "squared": 1.0, "share": slope, "off": off}


PLANTED = Planted(
    STUDY,
    {
        "elimination": elimination,
        "noise": elimination,
        "dense": training,
        "sparse": training,
        "network": network,
        "signal": signal,
    },
)


@pytest.mark.parametrize("name", PLANTED.claims)
def test_what_is_claimed_holds_where_it_was_planted(name):
    PLANTED.check_holds(name)


@pytest.mark.parametrize("name", PLANTED.claims)
def test_what_contradicts_it_differs(name):
    rows = PLANTED.rows(PLANTED.claims[name][1], told=False)
    if name in ("descent-does-not", "descent-sees-more"):
        rows = [Row(row.config, row.seed, lucky(row.config, row.seed)) for row in rows]
    if name == "plateau-then-jump":
        for row in rows:
            row.record.update(learned=row.record["steps"][-1])
    assert PLANTED.verdict(name, rows).word == "differs"


@pytest.mark.parametrize("name", PLANTED.claims)
def test_nothing_is_decided_without_cells(name):
    PLANTED.check_undecided(name)


@pytest.mark.parametrize("name", PLANTED.figures)
def test_panels_live_with_what_is_there(name):
    PLANTED.check_panels(name)


def test_what_was_never_learnt_has_no_plateau():
    rows = [row for row in PLANTED.rows("sparse") if row.seed == 0]
    for row in rows:
        row.record.update(learned=None)
    assert _training.plateau(rows) != _training.plateau(rows)
    assert _training.all_learned(rows) == 0
    assert _training.taken(rows[0]) == 8000


def test_checks_that_saw_it_at_once_leave_no_plateau():
    assert _training.still_until({"steps": [0, 5], "accuracy": [0.5, 0.9]}) is None
    rows = [row for row in PLANTED.rows("sparse") if row.seed == 0]
    for row in rows:
        row.record.update(accuracy=[0.5, 0.9, 1.0])
    assert _training.plateau(rows) == 0
    assert _training.hidden_progress(rows) != _training.hidden_progress(rows)


def test_examples_needed_from_the_formula():
    rows = [row for row in PLANTED.rows("elimination") if row.seed == 0]
    assert _elimination.examples_needed(rows) == pytest.approx(1.607, abs=0.05)


def test_elimination_with_too_few_examples_with_enough_and_with_wrong_labels():
    base = {"n": 6, "trials": 20, "noise": 0.0}
    few, enough = (_elimination.cell(base | {"more": more}, 0, Place()) for more in (-1, 12))
    assert (few["unique"], few["right"], few["refused"]) == (0, 0, 0)
    assert (enough["unique"], enough["right"], enough["wrong"]) == (1, 1, 0)
    wrong = _elimination.cell(base | {"more": 30, "noise": 0.4}, 0, Place())
    assert wrong["refused"] == 1
    assert wrong["right"] < 0.5
    assert wrong["foretold"] == pytest.approx(0.6**6)


TINY = {"lr": 0.1, "batch": 16, "target": 0.95, "width": 30, "check": 20}


def test_a_small_parity_is_learnt_and_eliminated():
    found = _training.cell(TINY | {"n": 4, "k": 2, "steps": 1000}, 0, Place())
    assert found["learned"] == found["steps"][-1]
    assert found["solved"]
    short = _training.cell(TINY | {"n": 12, "k": 6, "steps": 20}, 0, Place())
    assert short["learned"] is None
    assert short["steps"] == [0, 20]


def test_lines_go_on_at_the_top_after_a_run_stopped():
    row = Row({"check": 5, "steps": 20}, 0, {"steps": [0, 5, 10], "accuracy": [0.5, 0.6, 1.0]})
    assert _training._accuracy(row) == [(0, 0.5), (5, 0.6), (10, 1.0), (15, 1.0), (20, 1.0)]


def test_the_lemma_and_the_network_in_small():
    found = _signal.cell({"n": 3, "width": 4}, 0, Place())
    assert found["mean"] == pytest.approx(found["squared"] / 8)
    assert found["share"] == pytest.approx(-3)
    assert found["off"] < 1e-12
    assert all(known <= bound for known, bound in zip(found["known"], found["bound"], strict=True))
    assert _signal.network_cell({"n": 3}, 0, Place()) == {"error": 0.0, "units": 1.0}
