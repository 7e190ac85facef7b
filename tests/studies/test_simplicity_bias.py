"""The study of simplicity bias: its claims on planted records, its cells at toy size."""

import numpy as np
import pytest
import torch

from rote.dynamics import PlantedData, lms, stripes
from rote.studies import MissingCellError, Pictures, Place, Row, _pixels, decide
from rote.studies.simplicity_bias import (
    STUDY,
    _claims,
    _dominoes,
    _images,
    _panels,
    _plane,
    _slabs,
    _stripes,
    _train,
)

SEEDS = [0, 1, 2]
CLAIMS = {claim.name: claim for figure in STUDY.figures for claim in figure.claims}
FIGURES = {figure.name: figure for figure in STUDY.figures}
SGD = {"lr": 0.1, "batch": 20, "momentum": 0.0, "weight_decay": 0.0}
SHOWN = {"pictures": [2], "points": 5, "units": 2, "unit_points": 4}


def word(name, rows):
    return decide(CLAIMS[name], rows, SEEDS)[1].word


def planted_stripes(*, biased, wiggle=0.001):
    """Rows as if the right side were learned late and by the half-plane, or at once and by the stripes."""
    late, weaker = (2500, 1200) if biased else (400, 600)
    share, r2 = (0.9, [0.8, 0.5]) if biased else (0.4, [0.5, 0.8])
    stuck = [0.5, 0.95, 0.95, 0.95, 0.99] if biased else [0.5, 0.7, 0.8, 0.9, 0.99]
    rows = []
    for seed in SEEDS:
        for side, learned in (("left", 700), ("right", late), ("weaker", weaker)):
            record = {
                "learned": learned + 10 * seed,
                "step": [0, 50, 100, 150, 200],
                "accuracy": stuck,
                "rest_accuracy": [0.5] * 4 + [0.95 if biased else 0.5],
                "randomised_accuracy": [0.5] * 4 + [0.5 + seed * wiggle if biased else 0.95],
                "start": {"across": [0.5] * 3, "directions": [[1 / 18] * 18] * 3, "r2": [0.7, 0.6]},
                "end": {
                    "across": [share + seed * wiggle] * 3,
                    "directions": [[1 / 18] * 18] * 3,
                    "r2": [r2[0] + seed * wiggle, r2[1]],
                },
                "plane": {"step": [100, 200], "says": [["0y", "h0"]] * 2},
                "units": [[["0y", "h0"]] * 2] * 2,
            }
            config = {"side": side, "noise": _stripes.SIDES[side], "k": 5, "train": 40, "test": 10}
            rows.append(Row({**config, "points": 4, "pictures": [100]}, seed, record))
    return rows


def planted_slabs(*, biased):
    """Rows as if nets rested on the simple coordinate alone, or on the complex ones alone."""
    learned = {"lms-5": 200, "ms-5-7": 5000 if biased else 300, "lms-hat-7": None, "ms-7": 2000}
    rows = []
    for seed in SEEDS:
        for data in _slabs.DRAWN:
            hat = data == "lms-hat-7"
            whole = (0.945 if biased else 0.999) if hat else 1.0 if data != "ms-7" or biased else 0.6
            whole -= seed / 5000
            without, alone = (0.5 + seed / 5000, whole) if biased else (whole, 0.5 + seed / 5000)
            end = {"accuracy": whole, "auc": whole, "randomised_accuracy": without, "randomised_auc": without}
            record = {
                "learned": None if learned[data] is None else learned[data] + seed,
                "step": [0, 50],
                "train": [0.5, (0.99 if biased else 0.96) + seed / 5000],
                **{name: [0.5, 0.9] for name in _slabs.CURVES},
                "end": {**end, "rest_accuracy": alone, "rest_auc": alone},
            }
            rows.append(Row({"data": data}, seed, record))
    return rows


def planted_dominoes(*, biased):
    rows = []
    for seed in SEEDS:
        for upper in (True, False):
            alone = 0.8 if biased else 0.55
            end = {"accuracy": (0.999 if upper else alone) - seed / 5000}
            end |= {
                "randomised_accuracy": 0.5 + seed / 500 if biased else 0.9 + seed / 500,
                "rest_accuracy": end["accuracy"] if biased else 0.6 + seed / 500,
            }
            record = {"epoch": [0, 1], "train": [0.5, 0.9], "end": end}
            record |= {name: [0.5, end[name]] for name in _dominoes.CURVES}
            rows.append(Row({"name": "a", "upper": upper}, seed, record))
    return rows


def planted_images(*, biased):
    record = {"images": [[["00", "yy"]] * 2, [["hh", "00"]] * 2], "lower": 0.7}
    return [
        Row({"name": "a"}, seed, {**record, "upper": (0.99 if biased else 0.6) + seed / 1000})
        for seed in SEEDS
    ]


PLANTED = {
    "stripes": planted_stripes,
    "slabs": planted_slabs,
    "domino-images": planted_images,
    "dominoes": planted_dominoes,
}
EVERY = [(figure, claim.name) for figure in FIGURES for claim in FIGURES[figure].claims]


@pytest.mark.parametrize(("figure", "name"), EVERY)
def test_each_claim_holds_where_nets_take_what_is_simple(figure, name):
    assert word(name, PLANTED[figure](biased=True)) == "holds"


@pytest.mark.parametrize(("figure", "name"), EVERY)
def test_each_claim_differs_where_they_do_not(figure, name):
    assert word(name, PLANTED[figure](biased=False)) == "differs"


@pytest.mark.parametrize(("figure", "name"), EVERY)
def test_no_claim_is_measured_without_its_cells(figure, name):
    assert decide(CLAIMS[name], [], SEEDS)[1].why == "not measured"


def test_what_is_never_learned_leaves_the_speed_open():
    rows = planted_slabs(biased=True)
    for row in rows:
        if row.config["data"] == "ms-5-7":
            row.record["learned"] = None
    assert decide(CLAIMS["five-slabs-later-than-linear"], rows, SEEDS)[1].why == "undefined for 3 of 3 seeds"


@pytest.mark.parametrize("side", list(_stripes.SIDES))
def test_a_cell_of_stripes(side):
    config = {**SGD, "side": side, "noise": _stripes.SIDES[side], "k": 3, "train": 200, "test": 100}
    config |= {"hidden": [6, 6], "steps": 4, "every": 2, "enough": 0.99, **SHOWN}
    record = _stripes.cell(config, 0, Place())
    assert record["step"] == [0, 2, 4]
    assert [len(record[name]) for name in _stripes.CURVES] == [3] * 3
    assert [sum(shares) for shares in record["end"]["directions"]] == pytest.approx([1.0] * 3)
    assert record["plane"]["step"] == [2, 4]
    assert [len(rows) for rows in record["plane"]["says"]] == [5, 5]
    assert [len(shown) for shown in record["units"]] == [2, 2]
    assert record == _stripes.cell(config, 0, Place())


def test_what_is_said_over_the_plane_stands_the_right_way_up():
    net = torch.nn.Sequential(torch.nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.0, 100.0]]))  # label 1 where the second input is above 0
        net[0].bias.zero_()
    assert _plane.says(net, 3) == ["yyy", "hhh", "000"]


def test_units_that_are_never_on_are_not_shown():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.1, 0.0], [0.0, 0.0], [0.0, 5.0]]))
        net[0].bias.zero_()
    X = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    ((right, up),) = _plane.units(net, X, 2, 3)
    assert right == ["00y"] * 3
    assert up == ["yyy", "000", "000"]


def test_training_stops_at_what_is_enough():
    config = {**SGD, "side": "left", "noise": None, "k": 3, "train": 200, "test": 100}
    config |= {"hidden": [6, 6], "steps": 4, "every": 2, "enough": 0.0, **SHOWN}
    record = _stripes.cell(config, 0, Place())
    assert record["step"] == record["plane"]["step"] == [0]
    assert record["learned"] == 0


def test_gradients_are_those_of_autograd():
    net = _train.classifier(2, [5, 4], seed=0).double()
    X = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    for layer, found in zip((2, 4, 6), _stripes.layer_gradients(net, X), strict=True):
        for i, point in enumerate(torch.from_numpy(X).double()):
            exact = torch.autograd.functional.jacobian(lambda x, end=layer: net[:end](x[None])[0], point)
            np.testing.assert_allclose(found.reshape(3, -1, 2)[i], exact, atol=1e-12)


@pytest.mark.parametrize(("normal", "share", "peak"), [(1, 1.0, 9), (0, 0.0, 0)])
def test_a_planted_direction_is_found(normal, share, peak):
    data = stripes(50, seed=0)
    net = _train.classifier(2, [3, 2], seed=0)
    with torch.no_grad():  # every unit of the first layer looks along one axis of the stripes
        along = torch.from_numpy(data.rotation[:, normal]).float()
        net[1].weight.copy_(along * torch.tensor([[1.0], [-2.0], [0.5]]))
    found = _stripes.by_layer(net, data)
    assert found["across"] == pytest.approx([share] * 3, abs=1e-6)
    assert [int(np.argmax(shares)) for shares in found["directions"]] == [peak] * 3


@pytest.mark.parametrize("name", list(_slabs.DRAWN))
def test_a_cell_of_slabs(name):
    config = {**SGD, "data": name, "d": 4, "train": 60, "test": 40, "hidden": [5], "steps": 3, "every": 2}
    record = _slabs.cell({**config, "enough": 0.0}, 0, Place())
    assert record["step"] == [0, 2, 3]
    assert record["end"]["m"] == 40
    assert _slabs.cell({**config, "enough": 9.0}, 0, Place())["step"] == [0]


def test_a_linear_coordinate_is_learned_at_once():
    data = lms(5, 1200, d=3, seed=0)
    net = _train.classifier(3, [16], seed=0)
    config = {**SGD, "lr": 0.5, "steps": 150, "every": 150}
    _train.train(net, data[:1000], config, 0, lambda step: False)
    assert _train.accuracy(net, data[1000:]) > 0.95
    assert _slabs.mean_loss(net, data[1000:]) < 0.3


@pytest.mark.parametrize("upper", [True, False])
def test_a_cell_of_dominoes(upper):
    config = {"upper_data": "digits", "lower_data": "digits", "train": 20, "test": 10, "channels": [2, 2]}
    config |= {"pairs": [[0, 5], [1, 8]], "name": "a", "upper": upper, "epochs": 1}
    config |= {"lr": 0.05, "momentum": 0.9, "batch": 10, "weight_decay": 5e-5}
    record = _dominoes.cell(config, 0, Place())
    assert record["epoch"] == [0, 1]
    assert record["end"]["m"] == 20
    if not upper:  # nothing is above, so nothing is lost there
        assert record["randomised_accuracy"] == record["accuracy"]


def test_a_cell_of_domino_images():
    config = {"upper_data": "digits", "lower_data": "digits", "train": 20, "test": 10, "name": "a"}
    record = _images.cell(config | {"pairs": [[0, 5], [1, 8]], "shown": 2}, 0, Place())
    assert [len(shown) for shown in record["images"]] == [2, 2]
    assert {(len(image), len(image[0])) for shown in record["images"] for image in shown} == {(16, 8)}
    assert 0 <= record["lower"] <= 1


def test_pictures_come_back_as_they_were_written():
    values = np.random.default_rng(0).uniform(-2, 2, (3, 5))
    found = _pixels.read(_pixels.written(values, -2, 2), -2, 2)
    np.testing.assert_allclose(found, values, atol=2 / 34 + 1e-4)


def test_dominoes_differ_by_seed_and_stay_balanced():
    config = {"upper_data": "digits", "lower_data": "digits", "train": 15, "test": 10}
    config |= {"pairs": [[0, 5], [1, 8]]}
    first, second = (_dominoes.pairs_of(config, "train", seed, Place()) for seed in (0, 1))
    assert np.bincount(first.y).tolist() == [15, 15]
    assert (first.X != second.X).any()


def test_curves_that_stopped_go_on_flat():
    assert _panels.held([]) == []
    assert _panels.held([[(0, 1.0)], [(0, 0.0), (5, 0.5)]])[0] == [(0, 1.0), (5, 1.0)]


@pytest.mark.parametrize(
    ("figure", "panels"),
    [("stripes", (4, 4)), ("slabs", (4, 0)), ("domino-images", (0, 1)), ("dominoes", (2, 0))],
)
def test_panels_live_with_missing_cells(figure, panels):
    rows = PLANTED[figure](biased=True)
    drawn = FIGURES[figure].panels(rows)
    assert len(drawn) == sum(panels)
    assert sum(isinstance(each, Pictures) for each in drawn) == panels[1]
    assert len(FIGURES[figure].panels(rows[:1])) >= 1
    assert list(FIGURES[figure].panels([])) == []


def test_claims_name_the_cell_that_is_missing():
    with pytest.raises(MissingCellError, match="side=right"):
        _claims.stuck(planted_stripes(biased=True)[:1])


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own_and_has_a_cost(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        assert all(figure.cost(config) > 0 for config in configs)


def test_planted_data_of_black_upper_halves_keep_what_they_say():
    data = PlantedData(np.ones((2, 1, 4, 2), np.float32), np.array([0, 1]), np.arange(4), note="2 pairs")
    assert _dominoes.blanked(data).note == "2 pairs"
    assert data.X.min() == 1  # the given ones are left alone
