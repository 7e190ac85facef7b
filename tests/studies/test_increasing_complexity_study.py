"""The study of functions of increasing complexity: claims on planted records, cells at toy size."""

import numpy as np
import pytest
import torch

from oracles.planted_study import Planted
from rote.dynamics import explained
from rote.learners import Recipe
from rote.studies import Place, Row
from rote.studies.increasing_complexity import STUDY, _disc, _images, _measures, _panels, _train

KNOWN = {"linear": 0.4, "cnn-1": 0.6, "cnn-2": 0.7}
MODEL = [0.0, 0.21, 0.3, 0.37, 0.56, 0.65, 0.8, 0.9]
STEPS = [0, 1, 2, 5, 10, 20, 50, 100]


def images(config, seed, told):
    """As if what is simple were learned first and kept, or neither."""
    simpler = {}
    for name, known in KNOWN.items():
        left = [0.04 * value if value <= known else value - 0.96 * known for value in MODEL]
        shared = [value - own for value, own in zip(MODEL, left, strict=True)]
        near = next(i for i, value in enumerate(MODEL) if value >= 0.9 * known)
        if not told:  # half of it is the network's own from the first, and what both had is lost
            left = [0.5 * value for value in MODEL[:-1]] + [0.3 + known / 10]
            shared = [value / 2 for value in MODEL[:-1]] + [0.1]
        simpler[name] = {
            "simple": known,
            "accuracy": 0.85,
            "shared": shared,
            "unexplained": left,
            "forgotten": [known - value for value in shared],
            "independent": [value * (0.5 if told else 0.49) for value in MODEL],
            "parting": STEPS[near if told else 1],
        }
    test = [0.5, 0.7, 0.75, 0.8, 0.9, 0.92, 0.95, 0.99]
    end = 0.999 if told else 0.9
    return {
        "step": STEPS,
        "train": test,
        "test": test,
        "train_end": end - seed / 10_000,
        "model": MODEL,
        "simpler": simpler,
    }


def disc(config, seed, told):
    at = {"line": 2, "curve": 4, "best": 5, "noise": 6, "end": 7}
    if not told:
        at |= {"curve": 6, "noise": 4}
    agreement = 0.98 if told else 0.8
    return {
        "step": STEPS,
        "train": [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0],
        "test": [0.5, 0.6, 0.85, 0.9, 0.95, 0.95, 0.9, 0.9 if told else 0.7],
        "wrong": [0.5, 0.2, 0.2, 0.2, 0.2, 0.3, 0.6, 0.95 if told else 0.2],
        "agreement": [agreement + seed / 1000] * 8,
        "linear": {"simple": 0.4, "accuracy": 0.85, **dict.fromkeys(_train.SAVED, MODEL)},
        "at": at,
        **{name: ["09", "3."] for name in ("points", "truth", "line")},
        "pictures": {name: ["09", "3."] for name in at},
    }


FOUR = ("mnist", "mnist-cnn-k", "cifar10", "cifar10-cnn-k")
PLANTED = Planted(STUDY, {**dict.fromkeys(FOUR, images), "disc": disc})


@pytest.mark.parametrize("name", PLANTED.claims)
def test_what_is_claimed_holds_where_it_was_planted(name):
    assert PLANTED.verdict(name, PLANTED.rows(PLANTED.claims[name][1])).word == "holds"


@pytest.mark.parametrize("name", PLANTED.claims)
def test_what_contradicts_it_differs(name):
    assert PLANTED.verdict(name, PLANTED.rows(PLANTED.claims[name][1], told=False)).word == "differs"


@pytest.mark.parametrize("name", PLANTED.claims)
def test_nothing_is_decided_without_cells(name):
    PLANTED.check_undecided(name)


@pytest.mark.parametrize("name", PLANTED.figures)
def test_panels_live_with_what_is_there(name):
    PLANTED.check_panels(name)
    assert list(PLANTED.figures[name].panels([])) == []


@pytest.mark.parametrize(
    "name", ["mnist-half-explained", "mnist-later-gain-is-new", "mnist-more-than-by-chance"]
)
def test_a_network_that_learns_nothing_leaves_it_open(name):
    rows = PLANTED.rows("mnist")
    for row in rows:
        row.record["model"] = [0.001] * 8
    assert PLANTED.verdict(name, rows).why == "undefined for 3 of 3 seeds"


def toy_images():
    config = {**_images.configs("mnist", "quick")[0], "data": "digits", "train": 300, "test": 100}
    return config | {
        "size": [4, 4],
        "channels": 2,
        "epochs": 2,
        "simple_epochs": 2,
        "settling": 1,
        "batch": 30,
        "penalty": 0.1,
    }


def test_a_cell_of_images():
    record = _images.cell(toy_images(), 0, Place())
    assert record["step"][0] == 0
    assert record["step"][-1] == 20
    looks = len(record["step"])
    assert [len(record[name]) for name in ("train", "test", "model")] == [looks] * 3
    assert list(record["simpler"]) == ["linear", "cnn-1", "cnn-2"]
    for found in record["simpler"].values():
        together = np.add(found["shared"], found["unexplained"])
        np.testing.assert_allclose(together, record["model"], atol=2e-5)
        np.testing.assert_allclose(np.add(found["shared"], found["forgotten"]), found["simple"], atol=2e-5)
    assert record == _images.cell(toy_images(), 0, Place())


def test_only_the_classes_of_the_two_kinds_are_there():
    found = _images.of_two_kinds(toy_images() | {"kinds": [[0], [7, 9]]}, 0, Place())
    assert found.y.unique().tolist() == [0, 1]
    assert 0.2 < 1 - found.y.double().mean().item() < 0.5  # one class against two
    assert len(found.x) == len(found.y) == len(found.corrupt) < 150


def test_independent_errors_share_what_theory_says():
    labels, i, j = (each.ravel() for each in np.meshgrid([0, 1], np.arange(20), np.arange(20)))
    model, simple = labels ^ (i < 1), labels ^ (j < 3)  # 95 % and 85 % are right, whatever the other says
    agree = 0.95 * 0.85 + 0.05 * 0.15
    exact = 1 + agree * np.log2(agree) + (1 - agree) * np.log2(1 - agree)
    assert _train.independent(model, simple, labels) == pytest.approx(exact, abs=1e-12)
    assert explained(model, simple, labels, corrected=False).shared.value == pytest.approx(exact, abs=1e-12)


def test_errors_alike_share_more_than_independent_ones():
    labels = np.arange(4000) % 2
    model = np.where(np.arange(4000) % 10 < 2, 1 - labels, labels)
    assert explained(model, model, labels).shared.value > 1.5 * _train.independent(model, model, labels)


def test_the_linear_model_is_at_its_optimum():
    torch.manual_seed(0)
    x = torch.randn(400, 3)
    y = (x[:, 0] + 0.1 * torch.randn(400) > 0).long()
    assert (_train.linear(x, y, penalty=1e-3)(x) == y.numpy()).mean() > 0.95


def test_looks_are_at_the_start_and_the_end_and_do_not_change_what_is_learned():
    x, y = torch.randn(20, 2), torch.arange(20) % 2
    recipe, ends = Recipe(epochs=5, batch=6), []
    for look in (lambda step: None, lambda step: torch.manual_seed(step)):
        net = _train.convolutional((2, 1, 1), 2, layers=0, channels=1, seed=0)
        steps = _train.watched(net, x[:, :, None, None], y, recipe, seed=0, look=look)
        ends.append(net[1].weight.detach().clone())
    assert (steps[0], steps[-1]) == (0, 20)
    assert torch.equal(*ends)


def test_smaller_networks_do_not_start_as_the_larger_one():
    first = [
        _train.convolutional((1, 8, 8), 2, layers=1, channels=4, seed=seed)[0].weight for seed in (0, 1000)
    ]
    assert not torch.equal(*first)


TOY_DISC = {"train": 60, "test": 200, "size": [8, 8], "epochs": 4, "pixels": 9}


def test_a_cell_of_the_disc():
    config = {**_disc.configs("quick")[0], **TOY_DISC}
    record = _disc.cell(config, 0, Place())
    assert record["step"][-1] == 12
    assert all(len(rows) == 9 for rows in (record["points"], record["truth"], record["line"]))
    assert set(record["pictures"]) == {name for name, at in record["at"].items() if at is not None}
    assert record["truth"][0][4] == "9"
    assert record["truth"][8][4] == "0"
    assert record["truth"][0][0] == _disc.NOWHERE
    assert record == _disc.cell(config, 0, Place())
    assert _panels.disc([Row(config, 0, record)])


def test_the_wave_is_where_it_is_said_to_be():
    config = {"height": 0.4, "waves": 2}
    x, y = _disc.disc(20_000, config, np.random.default_rng(0))
    assert (x**2).sum(1).max() <= 1
    assert np.mean((x**2).sum(1) < 0.5) == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(y, x[:, 1] > 0.4 * np.sin(2 * np.pi * x[:, 0]))


def test_noise_counts_from_when_it_stays_fitted():
    record = {"test": [0.5, 0.9, 0.95, 0.95], "linear": {"accuracy": 0.8}}
    assert _disc.events(record | {"wrong": [0.6, 0.2, 0.4, 0.7]})["noise"] == 3
    assert _disc.events(record | {"wrong": [0.6, 0.7, 0.4, 0.3]})["noise"] is None
    row = Row({}, 0, {"at": {"line": 1, "curve": 2, "noise": None}})
    assert np.isnan(_measures.in_order([row]))
