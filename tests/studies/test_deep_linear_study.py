"""The study of deep linear networks: claims on planted records, cells on tiny matrices."""

import numpy as np
import pytest

from oracles.planted_study import Planted
from rote.studies import Place, Row
from rote.studies.deep_linear import STUDY, _completion, _flow, _modes


def modes(config, seed, told):
    depth = config["depth"]
    foretold = [[0.9, 1.0, 1.1] for _ in range(3)]
    if depth > 1:
        half = [depth * 3.0, depth * 6.0, depth * 12.0]
        foretold = [[h - 1 / depth, h, h + 1 / depth] for h in half]
    else:
        foretold = [[0.1, 0.7, 2.3]] * 3
    measured = foretold
    if not told:
        late = 1.0 if depth > 1 else 0.0
        measured = [[1.0, 4 + mode * (1 - late), 9.0 * depth] for mode in range(3)]
    time = [0.0, 100.0]
    curves = [[0.0, 1.0], [0.0, 0.01], [0.0, 0.0]] if told else [[0.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    return {"time": time, "modes": curves, "measured": measured, "foretold": foretold, "drift": 1e-6}


def flow(config, seed, told):
    depth, wrong = config["depth"], 0.3 + seed / 100
    return {
        "step": 1e-6 if told else wrong,
        "tied_step": 1e-6 if told else wrong,
        "speed": depth if told else depth * (1 + wrong),
        "tied_speed": depth**2 if told else depth * (1 + wrong),
        "time": [0.0, 1.0],
        "apart": [0.0, 0.01 if told else wrong],
        "closer": [0.0, 0.005 if told else wrong],
        "drift": [0.01, 0.005 if told else 0.01],
        "turning": (0.0 if depth == 1 else 0.3 + seed / 100) if told else (0.5 if depth == 1 else 1e-9),
    }


def completion(config, seed, told):
    depth = config["depth"]
    unseen = (1.0, 0.3, 0.02)[depth - 1] + seed / 1000
    rank = (17.0, 3.4, 2.0)[depth - 1] + seed / 1000
    return {
        "steps": [0, 100],
        "seen": [1.0, 9.9e-4 if told else 0.2 + seed / 100],
        "unseen": [1.0, unseen if told else depth / 10 + seed / 1000],
        "effective_rank": [20.0, rank if told else 5.0 * depth + seed / 1000],
        "nuclear_norm": [1.0, 40.0],
        "true_norm": 40.0,
        "converged": told,
    }


PLANTED = Planted(
    STUDY,
    {"modes": modes, "end-to-end": flow, "completion": completion},
)


@pytest.mark.parametrize("name", PLANTED.claims)
def test_what_is_claimed_holds_where_it_was_planted(name):
    PLANTED.check_holds(name)


@pytest.mark.parametrize("name", PLANTED.claims)
def test_what_contradicts_it_differs(name):
    PLANTED.check_differs(name)


@pytest.mark.parametrize("name", PLANTED.claims)
def test_nothing_is_decided_without_cells(name):
    PLANTED.check_undecided(name)


@pytest.mark.parametrize("name", PLANTED.figures)
def test_panels_live_with_what_is_there(name):
    PLANTED.check_panels(name)


def test_the_deepest_completion_is_of_the_scale_that_ran():
    rows = PLANTED.rows("completion")
    own = [row for row in rows if row.seed == 0]
    assert _completion.deepest(own, "effective_rank") == 2.0
    deeper = Row(own[0].config | {"depth": 4}, 0, completion({"depth": 3}, 2, True))
    assert _completion.deepest([*own, deeper], "effective_rank") == 2.002


@pytest.mark.parametrize("depth", [1, 2])
def test_modes_come_when_the_formula_says(depth):
    found = _modes.cell({"depth": depth, "d": 3, "start": 0.01, "rate": 0.02}, 0, Place())
    assert np.array(found["measured"]) == pytest.approx(np.array(found["foretold"]), rel=0.1)
    assert found["modes"][0][0] == pytest.approx(0.01)
    assert found["modes"][0][-1] == pytest.approx(1, abs=0.05)
    assert (found["drift"] > 0) is (depth > 1)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_product_moves_on_its_own(depth):
    found = _flow.cell({"depth": depth, "d": 2, "rate": 0.05, "time": 0.5}, 0, Place())
    assert found["step"] < 1e-5
    assert found["tied_step"] < 1e-5
    assert (found["speed"], found["tied_speed"]) == pytest.approx((depth, depth**2), rel=1e-5)
    assert found["time"] == pytest.approx([0.05 * step for step in range(11)])
    assert found["apart"][-1] / found["closer"][-1] == pytest.approx(2, rel=0.2)
    assert (found["turning"] > 0.01) is (depth > 1)


def test_a_matrix_is_completed():
    config = {"depth": 2, "rate": 0.03, "d": 8, "share": 0.7, "start": 1e-2, "tolerance": 0.02}
    found = _completion.cell(config | {"steps": 3000}, 0, Place())
    assert found["converged"]
    assert found["seen"][-1] < 0.02
    assert found["unseen"][-1] < found["unseen"][0]
    assert found["unseen"][0] == pytest.approx(1, abs=0.3)
