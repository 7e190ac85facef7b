"""The study of features by depth: its claims on planted records, its cells at toy size."""

import numpy as np
import pytest

from rote.dynamics import gabor, orientation_tuning
from rote.studies import Place, Row, decide
from rote.studies.features_by_depth import STUDY, _averaging, _depth, _edges

SEEDS = [0, 1, 2]
CLAIMS = {claim.name: claim for figure in STUDY.figures for claim in figure.claims}
FIGURES = {figure.name: figure for figure in STUDY.figures}
TOY = {"data": "digits", "noise": 0.0, "train": 200, "test": 80, "batch": 20, "lr": 0.05, "momentum": 0.9}


def word(name, rows):
    return decide(CLAIMS[name], rows, SEEDS)[1].word


def planted_depth(*, deep):
    rising, falling = [0.9, 0.91, 0.93, 0.96], [0.9, 0.8, 0.7, 0.6]
    before = {"probe": falling if deep else rising, "r2": [1.0, 0.8, 0.7, 0.6]}
    before |= {"pieces": [1.0, 10.0, 20.0, 30.0], "dimension": [10.0, 9.0, 9.0, 9.0]}
    after = {
        "probe": rising if deep else falling,
        "r2": [1.0, *([0.7, 0.5, 0.3] if deep else [0.8, 0.9, 0.95])],
    }
    after |= {"pieces": [1.0, 12.0, 30.0, 60.0 if deep else 15.0]}
    after |= {"dimension": [10.0, 8.0, 7.0, 5.0 if deep else 9.0]}
    rows = []
    for seed in SEEDS:
        shifted = [
            {
                name: [v * (1 + seed * layer / 1000) for layer, v in enumerate(values)]
                for name, values in each.items()
            }
            for each in (before, after)
        ]
        rows.append(Row({}, seed, {"before": shifted[0], "after": shifted[1]}))
    return rows


def planted_edges(*, edges):
    rows = []
    for seed in SEEDS:
        for data in _edges.NAMES:
            kinds = {"before": 0.2, "after": 0.6 if edges else 0.1, "averages": 0.1 if edges else 0.4}
            record = {
                kind: {"selectivity": [value + seed / 100, value], "answer": [1.0, 0.5, 0.2, 0.5]}
                for kind, value in kinds.items()
            }
            rows.append(Row({"data": data}, seed, {"random": [0.2, 0.4], **record}))
    return rows


def planted_averaging(*, destroys):
    average = [0.5, 0.4, 0.5, 0.4] if destroys else [0.9, 0.1, 0.1, 0.1]
    record = {
        "degrees": [0.0, 45.0, 90.0, 135.0],
        "answers": [[1.0, 0.5, 0.0, 0.5], [0.0, 0.5, 1.0, 0.5], average],
        "selectivity": [0.6, 0.6, 0.07 if destroys else 0.6],
    }
    return [Row({}, seed, record) for seed in SEEDS]


PLANTED = {
    "depth": lambda good: planted_depth(deep=good),
    "edges": lambda good: planted_edges(edges=good),
    "averaging": lambda good: planted_averaging(destroys=good),
}
EVERY = [(figure, claim.name) for figure in FIGURES for claim in FIGURES[figure].claims]


@pytest.mark.parametrize(("figure", "name"), EVERY)
def test_each_claim_holds_where_features_grow_with_depth(figure, name):
    assert word(name, PLANTED[figure](True)) == "holds"


@pytest.mark.parametrize(("figure", "name"), EVERY)
def test_each_claim_differs_where_they_do_not(figure, name):
    assert word(name, PLANTED[figure](False)) == "differs"


@pytest.mark.parametrize(("figure", "name"), EVERY)
def test_no_claim_is_measured_without_its_cells(figure, name):
    assert decide(CLAIMS[name], [], SEEDS)[1].why == "not measured"


def test_a_measure_that_is_undefined_leaves_it_open():
    rows = planted_depth(deep=True)
    rows[1].record["after"]["dimension"][-1] = None
    assert decide(CLAIMS["deeper-on-fewer-dimensions"], rows, SEEDS)[1].why == "undefined for 1 of 3 seeds"


def test_a_cell_measures_every_layer_before_and_after():
    config = {**TOY, "network": "mlp", "size": [6, 5], "epochs": 1, "halved": 1, "lines": 2, "components": 5}
    record = _depth.cell(config, 0, Place())
    for when in _depth.WHEN:
        assert [len(record[when][name]) for name in _depth.MEASURES] == [3] * 6
    assert record["before"]["probe"][0] == record["after"]["probe"][0]  # the input does not learn
    assert record["before"]["probe"][1:] != record["after"]["probe"][1:]
    assert record == _depth.cell(config, 0, Place())


def test_a_cell_of_edges():
    config = {**TOY, "channels": [4, 3], "kernel": 5, "epochs": 1}
    record = _edges.cell(config, 0, Place())
    for kind in _edges.KINDS:
        assert len(record[kind]["selectivity"]) == 4
        assert record[kind]["selectivity"] == sorted(record[kind]["selectivity"], reverse=True)
        assert record[kind]["answer"][0] == 1.0
    assert record["random"][0] < record["random"][1]


def test_planted_edge_detectors_are_found_and_their_averages_are_not():
    edges = np.stack(
        [gabor(11, angle, wavelength=7, width=3.75) for angle in (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)]
    )
    own = _edges.tuned(orientation_tuning(edges))["selectivity"]
    average = _edges.tuned(orientation_tuning(_edges.averages(edges)))["selectivity"]
    assert min(own) > 0.4
    assert max(average) < 0.5 * min(own)


def test_averages_do_not_depend_on_how_large_a_filter_is():
    edges = np.stack([gabor(7, angle, wavelength=7) for angle in (0, np.pi / 2)])
    sizes = np.array([[[3.0]], [[0.1]]])
    np.testing.assert_allclose(_edges.averages(edges), _edges.averages(edges * sizes), atol=1e-15)


def test_the_average_of_two_gabor_filters_is_as_computed_elsewhere():
    record = _averaging.cell(_averaging.configs("quick")[0], 0, Place())
    assert record["selectivity"] == pytest.approx([0.675, 0.675, 0.074], abs=2e-3)
    assert _averaging.peak([Row({}, 0, record)]) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(("figure", "panels"), [("depth", 4), ("edges", 4), ("averaging", 1)])
def test_panels_live_with_missing_cells(figure, panels):
    rows = PLANTED[figure](True)
    assert len(FIGURES[figure].panels(rows)) == panels
    assert list(FIGURES[figure].panels([])) == []


def test_answers_are_drawn_around_the_middle():
    assert _edges._around([1.0, 0.5, 0.2, 0.4]) == [(-90, 0.2), (-45, 0.4), (0, 1.0), (45, 0.5), (90, 0.2)]


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own_and_has_a_cost(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        assert all(figure.cost(config) > 0 for config in configs)
