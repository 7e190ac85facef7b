"""The study of Chatterjee & Zielinski 2022: claims on planted records, cells on tiny configurations."""

import numpy as np
import pytest
import torch

from rote.studies import MissingCellError, Place, Row, decide
from rote.studies.generalization_mystery import STUDY, _bound, _six, _training

FIGURES = {figure.name: figure for figure in STUDY.figures}
CLAIMS = {claim.name: (claim, figure.name) for figure in STUDY.figures for claim in figure.claims}
SEEDS = [0, 1, 2]


def six(labels):
    shared = labels == "real"
    record = {
        "first_gradient": [-1.0] * 4 + [0.0, -4.0 if shared else 0.0],
        "m_coherence": 2.5 if shared else 1.0,
    }
    losses = {"test_loss": [0.5, 0.02 if shared else 0.5], "train_loss": [0.5, 0.0]}
    return record | losses | {"shared": [0.0, 0.8], "own": [0.0, 0.2]}


def bound(noise, train, seed):
    steps, norm = [0, 50, 100, 150], 1 + noise + seed / 100
    series = {"steps": steps, "alpha": [0.1 - 0.09 * noise] * 4, "rms_norm": [norm] * 4}
    return series | {"gap": noise + 100 / train + seed / 1000, "largest_norm": 5.0, "curvature": 1.0}


def training(noise, decay, seed):
    memorised = 0.9 - 20 * decay - seed / 1000
    return {
        "steps": [0, 10, 1000],
        "proper": 1 - 0.9 * noise,
        "train_loss": [2.3, 1.0, 0.0],
        "train_accuracy": [0.1, 0.9 - noise / 2 - seed / 1000, 1.0],
        "test_accuracy": [0.1, 0.9, 0.6 + 5 * decay - seed / 1000],
        "pristine_accuracy": [0.1, 0.9, 1.0],
        "corrupt_accuracy": [0.1, 0.1, memorised],
    }


def planted():
    quick = _training.DECAYS["quick"]
    size = _bound.SIZES["quick"]
    runs = [(noise, size[-1]) for noise in _bound.NOISE] + [(0.0, train) for train in size[:-1]]
    base = {"lr": 0.1, "batch": 50, "steps": 200}
    return {
        "six-dimensions": [Row({"labels": labels}, s, six(labels)) for labels in _six.LABELS for s in SEEDS],
        "bound": [Row(base | {"noise": n, "train": t}, s, bound(n, t, s)) for n, t in runs for s in SEEDS],
        "early-stopping": [_run(0.5, 0.0, s) for s in SEEDS],
        "l2": [_run(0.5, decay, s) for decay in quick for s in SEEDS],
        "speed": [_run(noise, 0.0, s) for noise in _training.NOISE for s in SEEDS],
    }


def _run(noise, decay, seed):
    return Row({"noise": noise, "weight_decay": decay}, seed, training(noise, decay, seed))


def verdict(name, rows):
    claim, figure = CLAIMS[name]
    return decide(claim, rows[figure], SEEDS)[1]


@pytest.mark.parametrize("name", CLAIMS)
def test_what_the_paper_describes_holds(name):
    assert verdict(name, planted()).word == "holds"


def contrary(name):
    rows = planted()
    for row in rows["six-dimensions"]:
        row.record.update(first_gradient=[-1.0] * 6, m_coherence=1.7, test_loss=[0.5, 0.25])
    for row in rows["bound"]:
        noise, train = row.config["noise"], row.config["train"]
        row.record.update(gap=1 - noise + train / 100 + row.seed / 1000)
        if name == "bound-orders-noise":
            row.record.update(rms_norm=[5 - noise * 4] * 4)
        if name == "bound-falls-with-size":
            row.record.update(rms_norm=[train**2 / 1e6] * 4)
        if name == "early-counts-more":
            row.record.update(rms_norm=[0.0, 0.0, 0.0, 1.0], curvature=0.001)
    for row in rows["early-stopping"]:
        row.record.update(test_accuracy=[0.1, 0.5, 0.5 + row.seed / 1000], corrupt_accuracy=[0.3, 0.1, 0.1])
    for row in rows["l2"]:
        decay = row.config["weight_decay"]
        row.record.update(
            corrupt_accuracy=[decay], test_accuracy=[0.5 - decay - row.seed / 1000 * bool(decay)]
        )
    for row in rows["speed"]:
        row.record.update(train_accuracy=[row.config["noise"]] * 3)
    return rows


@pytest.mark.parametrize("name", CLAIMS)
def test_what_contradicts_it_differs(name):
    assert verdict(name, contrary(name)).word == "differs"


@pytest.mark.parametrize("name", [n for n, (claim, _) in CLAIMS.items() if not claim.exact])
def test_two_seeds_or_a_missing_cell_decide_nothing(name):
    claim, figure = CLAIMS[name]
    rows = planted()[figure]
    assert decide(claim, [r for r in rows if r.seed < 2], SEEDS)[1].word == "inconclusive"
    assert decide(claim, [], SEEDS)[1].why == "not measured"
    part = [r for r in rows if r.seed != 1 or r.config["noise"] != 0.0]
    part = [r for r in part if r.seed != 1 or r.config.get("weight_decay") != 0.0]
    assert decide(claim, part, SEEDS)[1].why == "measured for 2 of 3 seeds"


@pytest.mark.parametrize("figure", FIGURES.values(), ids=lambda figure: figure.name)
def test_panels_live_with_what_is_there(figure):
    rows = planted()[figure.name]
    whole = figure.panels(rows)
    assert whole
    assert figure.panels(rows[:1])


def test_six_dimensions_by_hand():
    """Gradient descent on Σ ½(w·x−y)² moves along (1,1,1,1,0,4) only, towards 0.2 of it."""
    found = _six.cell({"labels": "real"}, 0, Place())
    shrink = (1 - 5 * _six.LEARNING_RATE) ** np.arange(_six.STEPS + 1)
    assert found["shared"] == pytest.approx(0.8 * (1 - shrink))
    assert found["own"] == pytest.approx(0.2 * (1 - shrink))
    assert found["test_loss"] == pytest.approx(0.5 * (1 - np.array(found["shared"])) ** 2)
    other = _six.cell({"labels": "random"}, 0, Place())
    assert other["train_loss"] == pytest.approx(
        0.5 * (1 - _six.LEARNING_RATE) ** (2 * np.arange(_six.STEPS + 1))
    )
    assert (other["m_coherence"], found["m_coherence"]) == pytest.approx((1.0, 2.5))


TINY = {"data": "digits", "train": 60, "test": 40, "batch": 20, "lr": 0.1, "hidden": [16], "noise": 0.5}


def test_a_training_cell():
    found = _training.cell(TINY | {"steps": 3, "weight_decay": 0.0}, 0, Place())
    assert found["steps"] == [0, 1, 2, 3]
    assert all(len(found[name]) == 4 for name in _training._CURVES)
    decayed = _training.cell(TINY | {"steps": 3, "weight_decay": 0.5}, 0, Place())
    assert found["train_loss"][0] == decayed["train_loss"][0]
    assert found["train_loss"][1] != decayed["train_loss"][1]


def test_a_cell_of_the_bound():
    found = _bound.cell(TINY | {"steps": 8, "sample": 30}, 0, Place())
    assert found["steps"] == list(range(8))
    assert len(found["alpha"]) == len(found["rms_norm"]) == 8
    assert found["largest_norm"] >= max(found["rms_norm"])
    assert found["curvature"] > 0


def test_the_bound_of_a_run_by_hand():
    config = {"train": 100, "lr": 0.1, "batch": 10, "steps": 3}
    record = {"steps": [0, 2], "alpha": [0.5, 0.0], "rms_norm": [2.0, 1.0]}
    found = _bound.accountant(config, record, lipschitz=3.0, curvature=1.0).bound().sharper
    by_hand = 3 / 100 * 0.1 * (2 * 1.1**2 + 2 * 1.1 + 2**0.5)
    assert found == pytest.approx(by_hand)


def test_runs_are_compared_with_the_same_constants():
    rows = [
        Row({"lr": 0.1, "batch": 50, "steps": 200, "noise": n, "train": 100}, 0, bound(n, 100, 0))
        for n in (0, 1)
    ]
    rows[1].record.update(largest_norm=50.0, curvature=3.0)
    together = _bound.bounds(rows)
    alone = _bound.bounds(rows[:1])
    assert together[100, 0] > alone[100, 0] + 1
    with pytest.raises(MissingCellError):
        _bound.bounds([])


def test_noise_on_the_test_labels():
    y = torch.arange(1000) % 10
    changed = _bound.with_noise(y, 0.5, 0)
    assert 0.4 < float((changed != y).double().mean()) < 0.5
    assert changed.bincount().tolist() == y.bincount().tolist()
