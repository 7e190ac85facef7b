"""The study of features by depth: its claims on planted records, its cells at toy size."""

import numpy as np
import pytest

from rote.dynamics import gabor, orientation_tuning
from rote.studies import Pictures, Place, Row, decide
from rote.studies.features_by_depth import STUDY, _averaging, _depth, _edges, _pictures

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
            record |= {
                "random": [0.2, 0.4],
                "filters": {kind: [["0h", "yh"]] * 2 for kind in (*kinds, "added")},
            }
            rows.append(Row({"data": data}, seed, record))
    return rows


def planted_sought(*, taken):
    images = {"second": [["0h", "yh"]] * 3, "output": [["0y", "yh"]] * 10}
    classes = list(range(10)) if taken else [0] * 10
    return [
        Row(row.config, row.seed, {**row.record, "sought": {**images, "classes": classes}})
        for row in planted_edges(edges=True)
        if row.config["data"] == "mnist"
    ]


def planted_averaging(*, destroys):
    average = [0.5, 0.4, 0.5, 0.4] if destroys else [0.9, 0.1, 0.1, 0.1]
    record = {
        "degrees": [0.0, 45.0, 90.0, 135.0],
        "answers": [[1.0, 0.5, 0.0, 0.5], [0.0, 0.5, 1.0, 0.5], average],
        "selectivity": [0.6, 0.6, 0.07 if destroys else 0.6],
    }
    return [Row(_averaging.configs("quick")[0], seed, record) for seed in SEEDS]


PLANTED = {
    "depth": lambda good: planted_depth(deep=good),
    "edges": lambda good: planted_edges(edges=good),
    "sought": lambda good: planted_sought(taken=good),
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
    config = {**TOY, "channels": [4, 3], "kernel": 5, "epochs": 1, "shown": 2, "sought": None}
    record = _edges.cell(config, 0, Place())
    assert record["sought"] is None
    assert {kind: len(shown) for kind, shown in record["filters"].items()} == dict.fromkeys(
        (*_edges.KINDS, "added"), 2
    )
    for kind in _edges.KINDS:
        assert len(record[kind]["selectivity"]) == 4
        assert record[kind]["selectivity"] == sorted(record[kind]["selectivity"], reverse=True)
        assert record[kind]["answer"][0] == 1.0
    assert record["random"][0] < record["random"][1]


def test_images_that_units_look_for_are_of_the_inputs_shape():
    net = _edges.network((1, 8, 8), 3, {"channels": [4, 5], "kernel": 3})
    record = _pictures.sought(net, (1, 8, 8), shown=2, l2=[0.001, 0.01], jitter=1, steps=30, seed=0)
    assert [len(record[name]) for name in ("second", "output", "classes")] == [2, 3, 3]
    assert set(record["classes"]) <= {0, 1, 2}
    assert {len(line) for image in record["output"] for line in image} == {8}


def test_filters_are_shown_beside_what_they_were():
    filters, *_ = _pictures.filters(planted_edges(edges=True), {"mnist": "MNIST"})
    kinds = ("before", "after", "added", "average")
    assert [tile.title for tile in filters.tiles] == [f"{kind} {i}" for kind in kinds for i in (1, 2)]
    assert filters.across == 2
    assert filters.tiles[0].values == [[-1.0, 0.0], [1.0, 0.0]]


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


@pytest.mark.parametrize(
    ("figure", "panels"), [("depth", (4, 0)), ("edges", (4, 2)), ("sought", (0, 3)), ("averaging", (1, 1))]
)
def test_panels_live_with_missing_cells(figure, panels):
    drawn = FIGURES[figure].panels(PLANTED[figure](True))
    assert len(drawn) == sum(panels)
    assert sum(isinstance(each, Pictures) for each in drawn) == panels[1]
    assert FIGURES[figure].panels(PLANTED[figure](True)[:1])
    assert list(FIGURES[figure].panels([])) == []


def test_answers_are_drawn_around_the_middle():
    assert _edges._around([1.0, 0.5, 0.2, 0.4]) == [(-90, 0.2), (-45, 0.4), (0, 1.0), (45, 0.5), (90, 0.2)]


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own_and_has_a_cost(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        assert all(figure.cost(config) > 0 for config in configs)
