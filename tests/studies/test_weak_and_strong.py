"""The study of M3 and RM3: its claims on planted records, its cells at toy size."""

import numpy as np
import pytest
import torch

from rote.errors import InputError
from rote.studies import MissingCellError, Place, Row, decide
from rote.studies._redrawn import evenly, redrawn
from rote.studies.weak_and_strong import STUDY, _claims, _hardness, _panels, _train

TOY = {
    "data": "digits",
    "train": 120,
    "test": 60,
    "network": "mlp",
    "size": [12],
    "batch": 20,
    "epochs": 2,
    "lr": 0.1,
    "noise": 0.5,
}
GOOD = {"train": 0.55, "pristine": 0.95, "corrupt": 0.05, "test": 0.9, "proper": 0.55}
BAD = {"train": 1.0, "pristine": 1.0, "corrupt": 1.0, "test": 0.5, "proper": 0.55}
CLAIMS = {claim.name: claim for figure in STUDY.figures for claim in figure.claims}


def planted(suppressed, others, *, momentum=BAD, shift=0.001):
    """Rows of three seeds: M3 and RM3 as given, the controls as given."""
    rows = []
    for seed in range(3):
        for noise in (0.0, 0.5):
            for arm in _panels.ARMS:
                chosen = momentum if arm == "momentum" else suppressed if arm in ("m3", "rm3") else others
                record = {key: [0.1, value - seed * shift] for key, value in chosen.items()}
                record["proper"] = chosen["proper"] if noise else 1.0
                if not noise:
                    record |= {"corrupt": [None, None], "test": [0.1, 0.9 - chosen["corrupt"] / 4]}
                rows.append(Row({"noise": noise, "optimizer": arm}, seed, record | {"epoch": [0, 2]}))
    return rows


def word(name, rows):
    return decide(CLAIMS[name], rows, [0, 1, 2])[1].word


ABOUT_OPTIMIZERS = [name for name in CLAIMS if name.startswith("mnist-")]


def test_there_are_as_many_claims_about_both_data_sets():
    assert len(ABOUT_OPTIMIZERS) == 14
    assert [name.replace("mnist", "cifar") for name in ABOUT_OPTIMIZERS] == [
        name for name in CLAIMS if name.startswith("cifar-")
    ]


@pytest.mark.parametrize("name", ABOUT_OPTIMIZERS)
def test_each_claim_holds_where_only_they_suppress(name):
    assert word(name, planted(GOOD, BAD)) == "holds"


@pytest.mark.parametrize("name", ABOUT_OPTIMIZERS)
def test_each_claim_differs_where_they_suppress_less_than_the_others(name):
    momentum = {**GOOD, "train": 0.6, "test": 0.55}
    assert word(name, planted(BAD, GOOD, momentum=momentum)) == "differs"


@pytest.mark.parametrize("name", ABOUT_OPTIMIZERS)
def test_each_claim_is_not_measured_without_its_cells(name):
    assert decide(CLAIMS[name], [], [0, 1, 2])[1].why == "not measured"


def test_seeds_that_disagree_leave_it_open():
    rows = planted({**GOOD, "corrupt": 0.9}, BAD, momentum=BAD, shift=0.4)
    assert word("mnist-m3-memorises-less", rows) == "inconclusive"


def test_averaging_that_does_as_much_takes_the_credit_from_the_median():
    rows = planted(GOOD, {**GOOD, "corrupt": 0.01})
    assert word("mnist-rm3-memorises-less", rows) == "holds"
    assert word("mnist-rm3-by-the-median", rows) == "differs"


def test_where_nothing_was_memorised_there_is_no_ratio():
    rows = planted(GOOD, BAD, momentum={**GOOD, "corrupt": 0.0}, shift=0.0)
    assert np.isnan(_claims.removed([r for r in rows if r.seed == 0], "m3", against="momentum"))


def easy_and_hard(easy, hard):
    return [
        Row(
            {},
            seed,
            {
                "epoch": [0, 1],
                "easy": {"train": [0.1, 1.0], "test": [0.1, easy + seed / 100], "whole": easy / 2},
                "hard": {"train": [0.1, 1.0], "test": [0.1, hard], "whole": hard / 2},
            },
        )
        for seed in range(3)
    ]


@pytest.mark.parametrize("name", ["easy-generalize-better", "easy-define-the-boundary"])
def test_easy_and_hard_can_come_out_either_way(name):
    assert word(name, easy_and_hard(0.9, 0.3)) == "holds"
    assert word(name, easy_and_hard(0.3, 0.9)) == "differs"


@pytest.mark.parametrize("optimizer", list(_panels.ARMS))
def test_a_cell_trains_and_says_what_was_learned(optimizer):
    record = _train.cell({**TOY, "optimizer": optimizer}, 0, Place())
    assert record["epoch"] == [0, 1, 2]
    assert [len(record[part]) for part, _ in _panels.PARTS] == [3] * 4
    # Half the labels drawn anew, of which one in ten keeps its own.
    assert 0.4 < record["proper"] < 0.7
    assert record == _train.cell({**TOY, "optimizer": optimizer}, 0, Place())


def test_the_learning_rate_falls_to_a_tenth_after_each_third(monkeypatch):
    seen = []

    def step(model, optimizer, x, y):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()

    monkeypatch.setattr(_train, "_step", step)
    _train.cell({**TOY, "optimizer": "sgd", "batch": 120, "epochs": 6}, 0, Place())
    assert seen == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_easy_and_hard_are_disjoint_and_as_many():
    first, second = _hardness.drawn(np.arange(10, 20), [5, 3], np.random.default_rng(0), "easy")
    assert len({*first.tolist(), *second.tolist()}) == 8
    with pytest.raises(InputError, match=r"`own_train` and `own_test` need 11 hard examples, but only 10"):
        _hardness.drawn(np.arange(10), [8, 3], np.random.default_rng(0), "hard")


def test_a_cell_of_easy_and_hard():
    config = {**TOY, "train": 200, "optimizer": "momentum", "own_train": 30, "own_test": 10, "early": 2}
    record = _hardness.cell(config, 0, Place())
    assert 0 < record["learned"] < 1
    for kind in ("easy", "hard"):
        assert len(record[kind]["test"]) == 3
        assert 0 <= record[kind]["whole"] <= 1
    assert len(_hardness.panels([Row(config, 0, record)])) == 2


def test_the_split_is_by_what_is_right_after_a_few_epochs():
    config = {**TOY, "train": 200, "optimizer": "momentum", "noise": 0.0, "early": 0}
    data = redrawn(config, 0, Place())
    before = _hardness.learned_early(config, data, 0).double().mean()
    after = _hardness.learned_early({**config, "early": 4}, data, 0).double().mean()
    assert before < 0.4 < after


def test_test_examples_are_of_every_class_though_they_come_class_by_class():
    y = torch.arange(10).repeat_interleave(100)
    assert y[evenly(1000, 50)].bincount().tolist() == [5] * 10


def test_images_are_halved_by_means():
    whole, half = (redrawn({**TOY, "halved": halved}, 0, Place()) for halved in (0, 1))
    assert half.x.shape == (120, 1, 4, 4)
    assert half.x_test.shape == (60, 1, 4, 4)
    torch.testing.assert_close(half.x[:, :, 0, 1], whole.x[:, :, :2, 2:4].mean((2, 3)))


def test_panels_live_with_missing_cells():
    rows = planted(GOOD, BAD)
    assert next(panel.title for panel in _panels.panels(rows)) == "0 % noise: all training examples"
    assert len(_panels.panels(rows)) == 6
    assert _panels.panels([]) == []
    with pytest.raises(MissingCellError):
        _claims.memorised([], "m3")


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own_and_has_a_cost(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        assert all(figure.cost(config) > 0 for config in configs)
