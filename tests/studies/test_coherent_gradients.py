"""The study of Chatterjee 2020: its claims on planted records, its cells on tiny configurations."""

import copy
import math

import numpy as np
import pytest
import torch

from rote.studies import MissingCellError, Place, Row, decide
from rote.studies.coherent_gradients import STUDY, _baseline, _measures, _winsorized

FIGURES = {figure.name: figure for figure in STUDY.figures}
CLAIMS = {claim.name: claim for figure in STUDY.figures for claim in figure.claims}
SEEDS = [0, 1, 2]
LOOKS = [*range(10), 10, 100, 1000]


def split(share, early, late, gap, nulls):
    """A decomposition: f^p early and late, and i^p − i^c after ten steps in every world."""
    worlds = [[1 - early] + [share] * len(nulls)] * 10 + [[1 - late] + [share] * len(nulls)] * 3
    total = np.cumsum(np.ones(10))
    half = np.array([gap, *nulls]) / 20
    return {
        "steps": LOOKS,
        "corrupt_share": share,
        "f_corrupt": worlds,
        "i_pristine": [[float(t * (1 + h)) for h in half] for t in total],
        "i_corrupt": [[float(t * (1 - h)) for h in half] for t in total],
    }


def baseline(noise, seed):
    """What the paper describes, as a record."""
    jitter, worse = seed / 1000, noise + seed / 1000
    early = {0.25: 0.9, 0.5: 0.7, 0.75: 0.4}
    late = {0.25: 0.3, 0.5: 0.2, 0.75: 0.1}
    record = {
        "steps": LOOKS,
        "proper": 1 - 0.9 * noise,
        "train_accuracy": [0.1] * 10 + [0.8 - noise / 2 - jitter, 0.95 - noise / 10, 1.0],
        "train_loss": [2.3] * 13,
        "test_accuracy": [0.1] * 10 + [0.9 - 0.8 * worse] * 3,
        "test_loss": [2.3] * 13,
        "pristine_accuracy": [0.1] * 10 + [0.97, 0.99, 1.0],
        "corrupt_accuracy": [0.1] * 10 + [0.2, 0.5, 1.0],
    }
    for name in ("learned", "kept"):
        record[f"{name}_pristine"] = [0.1] * 10 + [0.9 - jitter, 1.0, 1.0]
        record[f"{name}_corrupt"] = [0.1] * 10 + [0.2, 0.5, 1.0]
    if noise in _baseline.MIXED:
        for way in ("sample", "population"):
            record[way] = split(0.9 * noise, early[noise] - jitter, late[noise], 1.0, [0.1, -0.2, 0.05])
    return record


def winsorized(noise, c, seed):
    proper, slope = 1 - 0.9 * noise, 0.8 / (1 + c) + seed / 1000
    top = 1.0 if c == 0 else proper - 0.01
    falling = 0.1 if c == 8 else 0.0
    return {
        "steps": [0, 500, 1000],
        "proper": proper,
        "train_accuracy": [0.1, top, top - falling],
        "test_accuracy": [0.1, 0.9, 0.9 - falling],
        "pristine_accuracy": [0.1, 1.0, 1.0],
        "corrupt_accuracy": [0.1, 0.1, 0.1],
        "overfit": [0.0, slope * noise, slope * noise],
    }


def as_the_paper_says():
    rows = {
        "baseline": [
            Row({"noise": noise}, seed, baseline(noise, seed)) for noise in _baseline.NOISE for seed in SEEDS
        ],
        "winsorized": [
            Row({"noise": noise, "c": c}, seed, winsorized(noise, c, seed))
            for noise in _winsorized.NOISE
            for c in _winsorized.LEVELS
            for seed in SEEDS
        ],
    }
    return copy.deepcopy(rows)


def rows_for(name, rows):
    kind = "winsorized" if name in {c.name for c in FIGURES["fig-4"].claims} else "baseline"
    return rows[kind]


def verdict(name, rows):
    return decide(CLAIMS[name], rows_for(name, rows), SEEDS)[1]


@pytest.mark.parametrize("name", CLAIMS)
def test_what_the_paper_describes_holds(name):
    assert verdict(name, as_the_paper_says()).word == "holds"


def set_where(rows, key, value, **config):
    for row in rows:
        if all(row.config.get(k) == v for k, v in config.items()):
            row.record[key] = value(row) if callable(value) else value


def turned(row, way):
    """The worlds of pristine and corrupt exchanged."""
    part = row.record[way]
    part["f_corrupt"] = [[1 - world for world in worlds] for worlds in part["f_corrupt"]]
    part["i_pristine"], part["i_corrupt"] = part["i_corrupt"], part["i_pristine"]
    return part


def contrary(name):
    """Records in which the claim is false."""
    rows = as_the_paper_says()
    base, clamped = rows["baseline"], rows["winsorized"]
    way = "population" if name.endswith("everyone") else "sample"
    if name == "fits-everything":
        set_where(base, "train_accuracy", lambda row: [0.1] * 12 + [0.6], noise=1.0)
    elif name == "noise-slows":
        set_where(base, "train_accuracy", lambda row: [0.9] * 13, noise=0.75)
    elif name == "noise-costs":
        set_where(base, "test_accuracy", lambda row: [0.99 - row.seed / 1000] * 13, noise=1.0)
    elif name == "pristine-first":
        set_where(base, "kept_corrupt", lambda row: [1.0 - row.seed / 1000] * 13, noise=0.5)
    elif name.startswith("no-crossing"):
        for row in base:
            if row.config["noise"] == 0.75:
                row.record[way] = split(0.7, 0.7, 0.2, 1.0, [0.1, 0.1, 0.1])
    elif name.startswith("slopes-down"):
        for row in base:
            if row.config["noise"] == 0.75:
                row.record[way] = split(0.7, 0.2, 0.4, 1.0, [0.1, 0.1, 0.1])
    elif name.startswith("not-by-chance"):
        for row in base:
            if way in row.record:
                row.record[way] = split(0.7, 0.5, 0.2, 0.1, [1.0 + row.seed / 100, 0.5, -1.5])
    elif name in {"sgd-overfits", "overfit-falls-with-c"}:
        set_where(clamped, "overfit", lambda row: [0.0, 0.0, 0.01 * row.config["noise"]], c=0)
    elif name == "never-beyond-proper":
        set_where(clamped, "train_accuracy", lambda row: [0.1, 0.9 - row.seed / 1000, 0.5], c=4, noise=1.0)
    elif name == "peaks-and-falls":
        set_where(clamped, "train_accuracy", [0.1, 0.5, 0.5], c=8)
        set_where(clamped, "test_accuracy", [0.1, 0.9, 0.9], c=8)
    else:
        for row in base:
            if way in row.record:
                turned(row, way)
    return rows


@pytest.mark.parametrize("name", CLAIMS)
def test_what_contradicts_it_differs(name):
    assert verdict(name, contrary(name)).word == "differs"


@pytest.mark.parametrize("name", CLAIMS)
def test_two_seeds_or_a_missing_cell_decide_nothing(name):
    rows = rows_for(name, as_the_paper_says())
    assert decide(CLAIMS[name], [r for r in rows if r.seed < 2], SEEDS)[1].word == "inconclusive"
    assert decide(CLAIMS[name], [], SEEDS)[1].why == "not measured"
    last = 0.75 if name.startswith(("no-crossing", "slopes-down")) else 0.5
    part = [row for row in rows if row.config["noise"] != last or row.seed != 1]
    expected = "holds" if name.startswith(("no-crossing", "slopes")) and last == 0.5 else "inconclusive"
    assert decide(CLAIMS[name], part, SEEDS)[1].word == expected


def test_late_is_undefined_where_corrupt_labels_are_never_the_rest():
    record = baseline(0.5, 0)
    record["corrupt_accuracy"] = [1.0] * 13
    assert math.isnan(_measures.late_excess(record, "sample"))
    rows = [Row({"noise": noise}, 0, record) for noise in _baseline.NOISE]
    assert math.isnan(_measures.ends_below(rows, "sample"))


def test_early_and_late_by_hand():
    record = baseline(0.5, 0)
    assert _measures.early_excess(record, "sample") == pytest.approx(2 * 0.7 - 1)
    assert _measures.late_excess(record, "sample") == pytest.approx(2 * 0.2 - 1)


def test_unknown_fractions_do_not_count_late():
    record = baseline(0.5, 0)
    record["sample"]["f_corrupt"][11] = [None] * 4
    assert _measures.late_excess(record, "sample") == pytest.approx(-0.6)


def test_the_slope_needs_every_noise_level():
    rows = [Row({"noise": noise, "c": 1}, 0, winsorized(noise, 1, 0)) for noise in (0.0, 0.5)]
    with pytest.raises(MissingCellError):
        _measures.overfit_slope(rows, 1)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=lambda figure: figure.name)
def test_panels_live_with_what_is_there(figure):
    rows = as_the_paper_says()["winsorized" if figure.name == "fig-4" else "baseline"]
    whole = figure.panels(rows)
    assert whole
    assert {len(line.runs) for panel in whole for line in panel.lines} == {3}
    assert len(figure.panels(rows[:1])) <= len(whole)
    assert all(panel.lines for panel in whole)


def test_figures_two_and_three_show_the_real_world_and_three_null_ones():
    rows = as_the_paper_says()["baseline"]
    assert len(FIGURES["fig-2"].panels(rows)) == 3 * 4 * 2
    assert len(FIGURES["fig-3"].panels(rows)) == len(FIGURES["fig-3-everyone"].panels(rows)) == 3 * 4


def test_the_papers_protocol():
    for scale in ("quick", "paper"):
        found = FIGURES["fig-1"].configs(scale)
        assert [c["noise"] for c in found] == [0.0, 0.25, 0.5, 0.75, 1.0]
        assert {(tuple(c["hidden"]), c["batch"], c["lr"]) for c in found} == {((2048,), 100, 0.1)}
        assert {(c["sampled_examples"], c["sampled_weights"], c["nulls"]) for c in found} == {(400, 300, 3)}
        clamped = FIGURES["fig-4"].configs(scale)
        assert {(c["noise"], c["c"]) for c in clamped} == {
            (n / 4, c) for n in range(5) for c in (0, 1, 2, 4, 8)
        }
        assert {(tuple(c["hidden"]), c["batch"], c["lr"]) for c in clamped} == {((256,) * 3, 100, 0.1)}
    paper = FIGURES["fig-1"].configs("paper")[0], FIGURES["fig-4"].configs("paper")[0]
    assert [(c["train"], c["test"], c["steps"]) for c in paper] == [
        (None, None, 100_000),
        (None, None, 60_000),
    ]


TINY = {"data": "digits", "train": 60, "test": 40, "batch": 20, "lr": 0.1}


@pytest.fixture(scope="module")
def tiny():
    config = TINY | {"hidden": [16], "steps": 12, "noise": 0.5, "nulls": 3}
    return _baseline.cell(config | {"sampled_examples": 30, "sampled_weights": 20}, 0, Place())


def test_a_baseline_cell(tiny):
    assert tiny["steps"] == [*range(11), 12]
    assert all(len(tiny[name]) == 12 for name in _baseline._CURVES)
    kept = np.array(tiny["kept_corrupt"])
    assert (np.diff(kept) >= 0).all()
    assert kept[-1] == pytest.approx(tiny["corrupt_accuracy"][-1])
    assert (np.array(tiny["learned_pristine"]) >= tiny["kept_pristine"]).all()
    for way, steps in (("sample", 12), ("population", 11)):
        assert np.array(tiny[way]["f_corrupt"]).shape == (steps, 4)
        assert np.array(tiny[way]["i_pristine"]).shape == np.array(tiny[way]["i_corrupt"]).shape == (10, 4)


def test_accuracies_add_up(tiny):
    share = tiny["proper"]
    mixed = [
        share * p + (1 - share) * c
        for p, c in zip(tiny["pristine_accuracy"], tiny["corrupt_accuracy"], strict=True)
    ]
    assert mixed == pytest.approx(tiny["train_accuracy"])


def test_all_examples_of_all_worlds_lower_the_loss_alike(tiny):
    """|p| i^p + |c| i^c is Σ‖S‖² in every world."""
    part = tiny["population"]
    corrupt = round(part["corrupt_share"] * 60)
    total = (60 - corrupt) * np.array(part["i_pristine"]) + corrupt * np.array(part["i_corrupt"])
    assert total == pytest.approx(np.repeat(total[:, :1], 4, axis=1), rel=1e-6)


def test_without_noise_nothing_is_corrupt():
    found = _baseline.cell(TINY | {"hidden": [8], "steps": 2, "noise": 0.0, "nulls": 3}, 0, Place())
    assert (found["proper"], found["corrupt_accuracy"], found["kept_corrupt"]) == (1.0, [None] * 3, None)
    assert "sample" not in found


@pytest.mark.parametrize("c", [0, 2])
def test_a_winsorized_cell(c):
    config = TINY | {"hidden": [16], "steps": 3, "noise": 0.5, "c": c}
    found = _winsorized.cell(config, 0, Place())
    assert found == _winsorized.cell(config, 0, Place())
    assert found != _winsorized.cell(config, 1, Place())
    first = 0.05 + 0.5 * found["test_accuracy"][0]
    assert found["overfit"][0] == pytest.approx(found["train_accuracy"][0] - first)


def test_level_zero_is_plain_sgd():
    from rote.studies._noisy import endless_batches, network, noisy

    config = TINY | {"hidden": [16], "steps": 4, "noise": 0.5}
    found = _winsorized.cell(config | {"c": 0}, 0, Place())
    data = noisy(config, 0, Place())
    net, order = network((1, 8, 8), 10, [16], 0), endless_batches(60, 20, seed=0)
    for _ in range(4):
        chosen = next(order)
        torch.nn.functional.cross_entropy(net(data.x[chosen]), data.y[chosen]).backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
                p.grad = None
    assert float((net(data.x).argmax(1) == data.y).double().mean()) == found["train_accuracy"][-1]
