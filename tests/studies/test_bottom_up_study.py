"""The study of layers that settle from below: its claims on planted records, its cells at toy size."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from oracles.planted_study import Planted
from rote.dynamics import CKA, SVCCA, Checkpoints, FreezeTraining, activations
from rote.studies import Panel, Pictures, Place
from rote.studies._redrawn import redrawn
from rote.studies.bottom_up import STUDY, _identification, _panels, _training
from rote.studies.bottom_up._network import backward_shares, blocks, network, planned
from rote.studies.bottom_up._settling import settled, settling

LAYERS = ["conv1", "conv2", "conv3", "fc1", "fc2", "out"]
TOY = {
    "data": "digits",
    "train": 120,
    "test": 100,
    "noise": 0.0,
    "probe": 80,
    "plan": ["c2", "p", "c3", "f4"],
}
TOY |= {"epochs": 2, "batch": 30, "lr": 0.05, "momentum": 0.9, "early": 2, "even": 2, "halved": 0}


def planted_training(config, seed, told):
    """A network whose lower layers settled first and whose top was early, or one of the opposite kind."""
    little = seed / 1000
    accuracy = 0.7 + little if config["frozen"] == told else 0.65
    record = {"epoch": [0, 1], "train": [0.1, 0.9], "test": [0.1, accuracy]}
    if config["frozen"]:
        return {**record, "multiplications": 0.4 if told else -0.1}
    reached = [0.1, 0.2, 0.3, 0.9, 0.5, 0.4] if told else [0.9, 0.8, 0.1, 0.2, 0.5, 0.6]
    initial = [0.9, 0.8, 0.7, 0.5, 0.3, 0.2] if told else [0.2, 0.3, 0.5, 0.7, 0.8, 0.9]
    own = [initial, [0.9 - little] * 6, [1.0] * 6]
    one = {
        "own": own,
        "excess": [[0.0] * 6, [0.5] * 5 + [0.8 + little if told else 0.3], [1.0] * 6],
        "initial": initial,
        "other": [0.8 if told else 0.95] * 6,
        "reached": reached,
        "all": 0.6 + little if told else -0.6,
        "lower": 1.0 if told else -1.0,
        "warnings": [],
    }
    panels = [{"share": share, "matrix": np.eye(6).tolist()} for share in (0.0, 0.5, 1.0)]
    normal = dict.fromkeys(LAYERS[:-1], 0.99 if told else 0.5)
    shown = {"layers": LAYERS, "share": [0.0, 0.5, 1.0], "panels": panels, "normalised": normal}
    return {**record, **shown, "settled": {"CKA": one, "SVCCA": one}}


def planted_identification(config, seed, told):
    """CKA finds all layers and the others a third, or the other way round."""
    good, bad = [1.0, 1.0, 1.0 - seed / 100], [1.0, 0.0, seed / 100]
    indices = {
        name: {
            "found": good if (name in _identification.CCA) != told else bad,
            "similarity": np.eye(3).tolist(),
        }
        for name in _identification.INDICES
    }
    return {"layers": ["conv1", "conv2", "out"], "test": [0.5, 0.6], "indices": indices}


PLANTED = Planted(
    STUDY,
    {
        "convergence": planted_training,
        "freezing": planted_training,
        "identification": planted_identification,
    },
)
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


def test_a_layer_that_never_had_a_way_to_go_leaves_the_top_open():
    rows = PLANTED.rows("convergence")
    for row in rows:
        row.record["settled"]["SVCCA"]["reached"][-1] = None
    verdict = PLANTED.verdict("mnist-svcca-the-top-settles-early", rows)
    assert verdict.why == "undefined for 3 of 3 seeds"


def test_pictures_are_means_over_seeds():
    rows = PLANTED.rows("convergence")
    rows[0].record["panels"][0]["matrix"][0][0] = 0.4
    pictures = next(p for p in _panels.convergence(rows) if isinstance(p, Pictures))
    assert [tile.title for tile in pictures.tiles] == ["0 %", "50 %", "100 %"]
    assert pictures.tiles[0].values[0][:2] == [0.8, 0.0]


def test_a_cell_of_training():
    record = _training.cell({**TOY, "frozen": False}, 0, Place())
    assert record["epoch"] == [0, 1, 2]
    assert record["layers"] == ["conv1", "conv2", "fc1", "out"]
    assert record["share"] == [0.0, 0.125, 0.375, 0.5, 1.0]
    assert set(record["settled"]) == {"CKA", "SVCCA"}
    for found in record["settled"].values():
        assert found["own"][-1] == pytest.approx([1.0] * 4, abs=1e-3)
        assert found["excess"][0] == [0.0] * 4
        assert max(found["other"]) < 1
    assert min(record["normalised"].values()) > 0.9
    assert record == _training.cell({**TOY, "frozen": False}, 0, Place())


def test_freezing_leaves_the_first_share_of_training_alone():
    """K blocks: until 1/K of training both go the same way, after that blocks stand still one by one."""
    config = {**TOY, "epochs": 4}
    data = redrawn(config, 0, Place())
    plain = _training.train(planned(config, (1, 8, 8), 10, 0), data, config, 0)
    record = _training.cell({**config, "frozen": True}, 0, Place())
    assert record["test"][:2] == plain["test"][:2]
    assert record["train"] != plain["train"]
    assert list(record["frozen_for"].values()) == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert 0 < record["multiplications"] < 0.75


def test_frozen_normalisations_stand_still(monkeypatch):
    seen = []

    class Watched(FreezeTraining):
        def step(self, fraction):
            found = super().step(fraction)
            statistics = {n: m[1].running_mean.clone() for n, m in self._modules.items() if n in found}
            seen.append(statistics)
            return found

    monkeypatch.setattr(_training, "FreezeTraining", Watched)
    config = {**TOY, "epochs": 4}
    _training.frozen(config, redrawn(config, 0, Place()), 0)
    kept = [(a["conv1"], b["conv1"]) for a, b in pairwise(seen) if "conv1" in a]
    assert len(kept) == 11
    assert all(torch.equal(a, b) for a, b in kept)


def test_a_cell_of_identification():
    config = {**TOY, "networks": 3, "plan": ["c2", "s3", "m"]}
    record = _identification.cell(config, 0, Place())
    assert record["layers"] == ["conv1", "conv2", "out"]
    assert len(record["test"]) == 3
    for found in record["indices"].values():
        assert np.array(found["similarity"]).shape == (3, 3)
        assert all(0 <= share <= 1 for share in found["found"])


def test_a_layer_of_which_an_index_says_nothing_is_not_found():
    features = [[torch.zeros(20, 2), torch.randn(20, 2)] for _ in range(2)]
    assert _identification.nearest(SVCCA(), features)["found"][0] == 0.0


def test_quarters_are_means():
    maps = torch.randn(3, 2, 4, 4)  # as rows: an example's places one after another
    rows = maps.movedim(1, -1).reshape(-1, 2)
    expected = torch.nn.functional.avg_pool2d(maps, 2).flatten(1)
    torch.testing.assert_close(_identification.quartered(rows, 3), expected)


def test_settling_is_what_each_layer_says_by_itself():
    """SVCCA of channels, as taken of one layer, on a quarter of the probe for maps and on all for vectors."""
    net = planned({"plan": ["c2", "p", "c3", "f4"]}, (1, 4, 4), 3, seed=0)
    twin = planned({"plan": ["c2", "p", "c3", "f4"]}, (1, 4, 4), 3, seed=1)
    checkpoints, probe = Checkpoints(), torch.randn(200, 1, 4, 4)
    for step, some in enumerate((twin, net)):
        checkpoints.add(step, some)
    found = settling(net, checkpoints, probe, blocks(net), other=twin.state_dict())
    index = SVCCA()
    for at, (name, examples) in enumerate({"conv1": 50, "conv2": 50, "fc1": 200, "out": 200}.items()):
        kept = [
            index.prepare(activations(model, probe[:examples], [name], maps="space")[name])
            for model in (twin, net)
        ]
        expected = index.compare(kept[:1], kept[1:]).item()
        assert found["SVCCA"].similarity["SVCCA"][0, at, at] == pytest.approx(expected)
        assert found["SVCCA"].other["SVCCA"][at] == pytest.approx(expected)
    assert settled(found["CKA"])["own"][1] == pytest.approx([1.0] * 4, abs=1e-3)


def test_multiplications_are_those_of_torch():
    net = network((2, 8, 8), 3, ["c3", "s4", "p", "f5"])
    x = torch.randn(1, 2, 8, 8)
    counted = {}
    with torch.no_grad():
        state = x
        for name, child in net.eval().named_children():
            with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
                state = child(state)
            counted[name] = counter.get_total_flops()
    backward = {name: flops * (1 if name == "conv1" else 2) for name, flops in counted.items() if flops}
    expected = {name: flops / sum(backward.values()) for name, flops in backward.items()}
    assert backward_shares(net.train(), x) == pytest.approx(expected)
    assert net.training


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_convergence_and_freezing_share_the_plain_cells(scale):
    plain, both = _training.configs(scale), _training.both(scale)
    assert [config for config in both if not config["frozen"]] == plain
    assert len({str(config) for config in both}) == 2 * len(plain)


def test_lines_have_styles_of_their_own():
    for figure in PLANTED.figures:
        for panel in PLANTED.figures[figure].panels(PLANTED.rows(figure)):
            if isinstance(panel, Panel):
                assert len({line.style for line in panel.lines}) == len(panel.lines) <= 6


def test_indices_are_told_apart():
    assert CKA().name == "CKA"
    assert set(_identification.CCA) < set(_identification.INDICES)
