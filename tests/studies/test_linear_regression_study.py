"""The study of linear regression: claims on planted records, cells on tiny problems."""

import numpy as np
import pytest

from oracles.planted_study import Planted
from rote.studies import Place, Row
from rote.studies.linear_regression import STUDY, _kaczmarz, _limit, _rates, _shapes
from rote.studies.linear_regression._problem import problem

OVER = "condition-as-marchenko-pastur"


def limit(config, seed, told):
    end = 1e-14 if told else 0.1
    return {
        "passes": [0.0, 1.0],
        "error": [0.0, -14.0],
        "distance": end * (1 + seed / 10),
        "strayed": end,
        "norm": 1.0 if told else 1.2 + seed / 100,
        "apart": None if config["start"] == "zero" else 1.0 if told else 0.3,
    }


def rates(config, seed, told):
    foretold = 0.85 if config["rate"] == "best" else 0.9
    more = 0.0 if told else 0.1 + seed / 100
    return {"steps": [0, 9], "error": [0.0, -1.0], "foretold": foretold, "measured": foretold + more} | (
        {"measured": 1.2 + seed / 1000} if config["rate"] == "best" and not told else {}
    )


def edge(config, seed, told):
    at = (2.0 if config["halved"] else 1.0) * (1.0 if told else 1.1 + seed / 1000)
    return {"edge": at, "shares": [0.9, 1.1], "growth": [-1.0, 1.0]}


def kaczmarz(config, seed, told):
    return {
        "steps": [0, 5, 20],
        "mean": [0.0, -1.0, -2.0 - seed / 10],
        "bound": [0.0, -0.5, -1.0] if told else [0.0, -2.0, -4.0],
        "measured": 0.98 if told else 0.999,
        "bounded": 0.99,
    }


def shape(config, seed, told):
    closeness = min(config["ratio"], 1 / config["ratio"])
    theory = ((1 + closeness**0.5) / (1 - closeness**0.5)) ** 2 if closeness < 1 else None
    measured = (theory or 1e6) * (1 + seed / 100)
    return {
        "condition": measured if told else 1 / measured,
        "theory": theory,
        "far": 0.01 if told else 0.3 + seed / 100,
        "at": [0.5, 1.0],
        "density": [0.4, 0.5],
        "law": [0.4, 0.5],
    }


def square(config, seed, told):
    return {"median": (config["n"] if told else config["n"] ** 2) * (1 + seed / 100)}


def regime(config, seed, told):
    slow = config["regime"] == "as many"
    return {
        "steps": [0, 9],
        "error": [0.0, -3.0],
        "needed": (2000 + 10 * seed if slow else 6) if told else 10 + seed,
        "condition": (1500.0 if slow else 3.7) if told else 9.0 + seed / 10,
        "still": 0.9 if config["regime"] == "few" and told else 0.0,
    }


PLANTED = Planted(
    STUDY,
    {
        "limit": limit,
        "rates": rates,
        "edge": edge,
        "kaczmarz": kaczmarz,
        "condition": shape,
        "square": square,
        "regimes": regime,
    },
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


@pytest.mark.parametrize("method", _limit.METHODS)
@pytest.mark.parametrize("start", _limit.STARTS)
def test_runs_end_where_they_should(method, start):
    found = _limit.cell({"n": 4, "d": 12, "passes": 600, "method": method, "start": start}, 0, Place())
    assert found["distance"] < 1e-9
    assert found["strayed"] < 1e-12
    assert found["error"][0] == 0
    if start == "zero":
        assert found["norm"] == pytest.approx(1)
        assert found["apart"] is None
    else:
        assert found["norm"] > 1.1
        assert found["apart"] == pytest.approx(1)


@pytest.mark.parametrize("rate", [0.5, 1.05, "best"])
def test_rates_and_edge_of_one_problem(rate):
    found = _rates.cell({"n": 4, "d": 12, "rate": rate}, 0, Place())
    assert found["measured"] == pytest.approx(found["foretold"], rel=1e-3)
    X = problem({"n": 4, "d": 12}, 0)[0]
    values = np.linalg.eigvalsh(X @ X.T)
    kappa = values[-1] / values[0]
    known = {0.5: 1 - 1 / kappa, 1.05: 1.1, "best": (kappa - 1) / (kappa + 1)}
    assert found["foretold"] == pytest.approx(known[rate])


def test_the_edge_is_found_without_the_formula():
    found = [
        _rates.edge_cell({"n": 3, "d": 9, "halved": half, "steps": 40}, 0, Place()) for half in (True, False)
    ]
    assert found[0]["edge"] == pytest.approx(2, abs=0.01)
    assert found[1]["edge"] == pytest.approx(1, abs=0.01)
    growth = dict(zip(found[0]["shares"], found[0]["growth"], strict=True))
    assert growth[0.5] < 0 < growth[max(growth)]


def test_kaczmarz_is_below_its_bound():
    found = _kaczmarz.cell({"n": 3, "d": 9, "runs": 10, "passes": 6}, 0, Place())
    assert found["steps"][-1] == 18
    assert found["mean"][-1] < found["bound"][-1] < 0
    assert found["measured"] < found["bounded"] < 1


def test_looks_within_the_first_pass_are_not_judged():
    rows = [Row({"n": 10}, 0, {"steps": [0, 5, 20], "mean": [0.0, 0.5, -2.0], "bound": [0.0, -0.1, -1.0]})]
    assert _kaczmarz.over_the_bound(rows) == -1


def test_eigenvalues_near_the_law_and_far_from_it():
    found = _shapes.cell({"ratio": 0.25, "size": 160}, 0, Place())
    assert found["theory"] == pytest.approx(9)
    assert found["condition"] == pytest.approx(9, rel=0.4)
    assert found["far"] < 0.1
    width = found["at"][1] - found["at"][0]
    assert sum(found["density"]) * width == pytest.approx(1, abs=0.05)
    wide = _shapes.cell({"ratio": 4.0, "size": 160}, 0, Place())
    assert sum(wide["density"]) * (wide["at"][1] - wide["at"][0]) == pytest.approx(0.25, abs=0.02)
    assert _shapes.cell({"ratio": 1.0, "size": 20}, 0, Place())["theory"] is None


def test_square_matrices_and_regimes_in_small():
    median = _shapes.square_cell({"n": 8, "draws": 9}, 0, Place())["median"]
    assert 3 < median < 300
    few = _shapes.regime_cell({"regime": "few", "d": 20, "n": 2}, 0, Place())
    assert few["still"] == pytest.approx(0.9)
    assert 0 < few["needed"] < 20
    assert few["error"][0] == 0
