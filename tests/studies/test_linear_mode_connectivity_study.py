"""The study of linear mode connectivity: its claims on planted records, its cells at toy size."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles.planted_study import Planted
from rote.dynamics import Path
from rote.studies import MissingCellError, Place
from rote.studies._redrawn import redrawn
from rote.studies.linear_mode_connectivity import STUDY, _measures, _panels, _permuted, _sweep
from rote.studies.linear_mode_connectivity._networks import network, resnet20
from rote.studies.linear_mode_connectivity._train import judged, moved, steps

SHARES = [0.0, 0.5, 1.0]
TOY = {"data": "digits", "train": 100, "test": 60, "noise": 0.0, "halved": 0, "batch": 20, "points": 3}
TOY |= {"weight_decay": 0.0, "momentum": 0.9, "drops": [6], "augment": False}
ADAM = {**TOY, "network": "mlp", "hidden": [12, 8], "optimizer": "adam", "lr": 1e-3}
SGD = {**TOY, "network": "resnet20", "width": 2, "optimizer": "sgd", "lr": 0.1, "statistics": 40}


def path(error, loss=0.1):
    """A line between ends with error 0.1, and loss 0.5."""
    return {"shares": SHARES, "error": [0.1, error, 0.1], "loss": [0.5, 0.5 + loss, 0.5]}


def planted_sweep(config, seed, told):
    """LeNet stable from the start, the ResNet after a while; or the other way round."""
    total, little = config["total"], seed / 1000
    if config["network"] == "mlp":
        errors = {0: 0.105 if told else 0.5, total // 4: 0.105}
    elif told:
        errors = {0: 0.9, total // 100: 0.3, total // 10: 0.11, total // 4: 0.105}
    else:
        errors = {0: 0.105, total // 4: 0.3, 9 * total // 10: 0.4}
    ways = {"distance": 5.0 if told else 0.1, "travelled": 10.0}
    pairs = [
        {"k": k, "seed": seed, "orders": [1, 2], "path": path(error + little), **ways}
        for k, error in errors.items()
    ]
    return {"copies": pairs, "stable_from": sorted(errors)[2 if told else -1] if len(errors) > 2 else None}


def planted_permuted(config, seed, told):
    """A barrier that matching takes from wide networks; or one that it makes, and the more, the wider."""
    little, width = seed / 1000, config["width"]
    matched = {32: (0.2, 0.3), 128: (0.11, 0.1), 512: (0.1, -0.1)}[width]
    if not told:
        matched = {32: (0.11, -0.1), 128: (0.2, 0.1), 512: (0.3, 0.3)}[width]
    plane = {"plane": [[0.1, 0.5], [0.1, 0.5]]} if "plane" in config else {}
    return {
        **plane,
        "naive": path((0.6 if told else 0.1) + little, 1.0),
        "matched": path(matched[0] + little, matched[1] + little),
        "recovered": 1.0 if told else 0.9,
        "sweeps": 3,
    }


PLANTED = Planted(STUDY, {"lenet": planted_sweep, "resnet": planted_sweep, "permuted": planted_permuted})
CLAIMS = sorted(PLANTED.claims)


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_holds_where_it_should(name):
    assert PLANTED.verdict(name, PLANTED.rows(PLANTED.claims[name][1])).word == "holds"


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_differs_where_it_should_not_hold(name):
    assert PLANTED.verdict(name, PLANTED.rows(PLANTED.claims[name][1], told=False)).word == "differs"


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_needs_its_cells(name):
    PLANTED.check_undecided(name)


@pytest.mark.parametrize("name", sorted(PLANTED.figures))
def test_panels_live_with_missing_cells(name):
    PLANTED.check_panels(name)
    assert list(PLANTED.figures[name].panels([])) == []


def test_a_sweep_that_never_gets_stable_is_stable_at_the_end_alone():
    rows = PLANTED.rows("resnet")
    for row in rows:
        row.record["stable_from"] = None
    assert PLANTED.verdict("resnet-stable-early", rows).interval.value == 1.0
    assert PLANTED.verdict("stable-copies-are-not-close", rows).why == "undefined for 3 of 3 seeds"


def test_barriers_that_are_all_alike_have_no_order():
    rows = PLANTED.rows("resnet")[:1]
    for pair in rows[0].record["copies"]:
        pair["path"] = path(0.1)
    assert np.isnan(_measures.falls(rows, "resnet20"))


def test_one_width_is_no_comparison():
    with pytest.raises(MissingCellError, match="two widths"):
        _measures.widths(PLANTED.rows("permuted")[:1])


def test_what_lies_below_the_ends_is_kept_below():
    dips = Path.of([0, 0.5, 1], [0.1, 0.1, 0.1], [0.4, 0.1, 0.2])
    assert _measures.signed(dips) == pytest.approx(-0.2)
    shown = _panels.permuted(PLANTED.rows("permuted"))[-2]
    assert min(y for line in shown.lines for run in line.runs for _, y in run) < 0


@pytest.mark.parametrize("config", [ADAM, SGD], ids=["adam", "resnet"])
def test_a_cell_of_a_sweep(config):
    config = {"statistics": 0, **config, "total": 4, "ks": [0, 4]}
    record = _sweep.cell(config, 1, Place())
    assert [pair["k"] for pair in record["copies"]] == [0, 4]
    assert [pair["distance"] > 0 for pair in record["copies"]] == [True, False]
    assert [len(pair["path"]["error"]) for pair in record["copies"]] == [3, 3]
    assert record["stable_from"] in (0, 4)  # copies that part at the end are one network
    assert record == _sweep.cell(config, 1, Place())


def test_a_cell_of_two_networks():
    config = {**ADAM, "total": 40, "width": 12, "hidden": [12, 12], "plane": 3}
    record = _permuted.cell(config, 0, Place())
    for name, edge in (("naive", record["plane"][0]), ("matched", [row[0] for row in record["plane"]])):
        assert edge == pytest.approx(record[name]["error"], abs=2e-3)
    assert record["recovered"] == 1.0
    assert record["naive"]["error"][0] == record["matched"]["error"][0]
    assert record["naive"]["error"][-1] == pytest.approx(record["matched"]["error"][-1], abs=1e-4)
    assert record == _permuted.cell(config, 0, Place())
    assert record["naive"] != _permuted.cell(config, 1, Place())["naive"]


def test_training_goes_on_where_it_stopped_over_a_drop_of_the_rate():
    data = redrawn(SGD, 0, Place())
    train = steps(data.x, data.y, {**SGD, "augment": True}, 0)
    once, halved = (network(SGD, data.x.shape[1:], 10, 3) for _ in range(2))
    train(once, None, 0, 8, 1)
    train(halved, train(halved, None, 0, 5, 1), 5, 8, 1)
    for a, b in zip(once.state_dict().values(), halved.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_each_seed_has_orders_of_its_own():
    data = redrawn(ADAM, 0, Place())
    nets = [network(ADAM, data.x.shape[1:], 10, 3) for _ in range(3)]
    for net, (seed, number) in zip(nets, [(0, 1), (0, 2), (1, 1)], strict=True):
        steps(data.x, data.y, ADAM, seed)(net, None, 0, 3, number)
    first, second, third = (net[1].weight for net in nets)
    assert not torch.equal(first, second)
    assert not torch.equal(first, third)


def test_images_are_moved_by_whole_pixels_and_mirrored():
    x = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3).repeat(64, 1, 1, 1)
    around = nn.functional.pad(x[:1], (1, 1, 1, 1))
    windows = [around[0, 0, i : i + 3, j : j + 3] for i in range(3) for j in range(3)]
    every = [*windows, *(window.flip(1) for window in windows)]
    found = [
        [k for k, window in enumerate(every) if torch.equal(image[0], window)]
        for image in moved(x, seed=0, step=0, by=1)
    ]
    assert all(found)
    assert len({k for ks in found for k in ks}) > 12


def test_resnet20_has_twenty_layers_and_the_size_of_the_paper():
    net = resnet20((3, 32, 32), 10)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(274_000, rel=0.02)
    assert sum(isinstance(m, nn.Linear | nn.Conv2d) for m in net.modules()) - 2 == 20  # but for shortcuts


def test_errors_are_those_of_test_examples():
    data = redrawn(ADAM, 0, Place())
    net = network(ADAM, data.x.shape[1:], 10, 0)
    wrong = (net(data.x_test).argmax(1) != data.y_test).double().mean()
    assert judged(data)(net)[0] == pytest.approx(float(wrong))


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        for config in configs:
            assert max(config.get("ks", [0])) <= config["total"] / 2
