"""The study of counterfactual simulation: its claims on planted curves, its cells at toy size."""

import numpy as np
import pytest

from rote.circuits import simulate, unpack
from rote.studies import MissingCellError, Place, Row, decide
from rote.studies.counterfactual_simulation import STUDY, _cells, _configs, _data, _measures, _nets

FIGURES = {figure.name: figure for figure in STUDY.figures}
CLAIMS = {claim.name: (figure, claim) for figure in STUDY.figures for claim in figure.claims}
TOY = {"data": "digits", "train": 150, "halved": 0, "labels": "real", "kind": "simple", "limits": [1, 4, 16]}
NET = {"model": "net", "halved": 1, "hidden": [4], "stops": [1, 6], "epochs": 6, "batch": 20, "lr": 0.01}
NET |= {"multiplier": "shift-add", "xor": True}

# Where the curves of each kind of model begin to fall: as the paper found it, and the other way round.
LIKELY = {"short": 2, "long": 1, "random": 0, "rf-real": 7, "rf-random": 6, "tree": 8}
CONTRARY = {"short": 0, "long": 4, "random": 5, "rf-real": 2, "rf-random": 3, "tree": -5}
SHAKEN = {"short": 10, "long": 10, "random": 10, "rf-real": 18, "rf-random": 18}
SHAKEN_APART = {"short": 20, "long": 2, "random": 11, "rf-real": 3, "rf-random": 3}


def places(config):
    """Where a curve is looked at: log2 of each limit, or under noise how much more than 2^-30 it is."""
    return [30 - k if config["kind"] == "noise" else np.log2(k) for k in config["limits"]]


def falling(config, start, baseline=0.95, chance=0.1, most=1.0):
    """A curve that falls from its baseline to chance over three units, from ``start`` on."""
    lost = [min(max((x - start) / 3, 0.0), 1.0) * most for x in places(config)]
    return baseline, [baseline - (baseline - chance) * part for part in lost]


def through(config, number, level):
    """Curve ``number`` of several that all pass through ``level`` at l = 16: straight lines, ever steeper."""
    start = level + 0.03 + 0.06 * number
    return start, [max(start - (start - level) * (x + 1) / 5, 0.1) for x in places(config)]


def likely(config, level):
    """The curve that the paper would have us find."""
    net, kind = config["net"], config["kind"]
    if net in ("half", "third"):
        number = config["stops"].index(config["epochs"])
        if kind == "noise":
            return falling(config, 12, 0.55 + 0.07 * number)
        return through(config, number, level[net])
    if net == "table":
        return falling(config, -4, 1.0)
    if net in ("luts-r", "luts-p"):
        return falling(config, 6 if net == "luts-r" else 4, 0.9 if net == "luts-r" else 0.7, 0.5)
    start = (SHAKEN if kind == "noise" else LIKELY)[net]
    structure = {("array", True): -1, ("shift-add", False): 2}
    start += structure.get((config.get("multiplier"), config.get("xor")), 0)
    return falling(config, start, 1.0 if net == "tree" else 0.95)


def contrary(config, level):
    """The curve of a world in which it is all the other way round."""
    net, kind = config["net"], config["kind"]
    if net in ("half", "third"):
        number = config["stops"].index(config["epochs"])
        if kind == "noise":
            return through({**config, "kind": "simple", "limits": [2**x for x in range(13)]}, number, 0.4)
        return falling(config, 4 if kind == "simple" else 0, 0.55 + 0.07 * number)
    if net == "table":
        return falling(config, 6, 1.0)
    if net in ("luts-r", "luts-p"):
        return falling(config, -1 if net == "luts-r" else 0.5, 0.9 if net == "luts-r" else 0.7, 0.5)
    start = (SHAKEN_APART if kind == "noise" else CONTRARY)[net] + (4 if kind == "random" else 0)
    return falling(config, start, 0.8 if net == "tree" else 0.95, most=0.9)


def planted(figure, curve_of, level=None, seeds=(0, 1, 2)):
    """Every cell of a figure at quick scale, with the curves of a made-up world."""
    good, rows = curve_of is likely, []
    gaps = {"short": 0.01, "long": 0.07, "random": 0.8} if good else {"short": 0.07, "long": 0.01}
    share = {"short": 0.8, "long": 0.85, "random": 0.9} if good else {"long": 0.6, "random": 0.3}
    for seed in seeds:
        for config in figure.configs("quick"):
            baseline, accuracy = curve_of(config, level or {"half": 0.5, "third": 0.66})
            rare_free = share.get(config["net"], 0.5) * 4000 + seed
            record = {
                "baseline": baseline + seed / 1000,
                "accuracy": [value + seed / 1000 for value in accuracy],
                "limits": config["limits"],
                "examples": 4000,
                "no_rare": [rare_free] * len(config["limits"]),
                "train": 0.95,
                "test": 0.95 - gaps.get(config["net"], 0.0),
            }
            rows.append(Row(config, seed, record))
    return rows


def word(name, curve_of, level=None):
    figure, claim = CLAIMS[name]
    return decide(claim, planted(figure, curve_of, level), [0, 1, 2])[1].word


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_holds_in_the_world_of_the_paper(name):
    assert word(name, likely) == "holds"


# Where no curves cross, they cross nowhere; these have worlds of their own below.
POINTS = ["half-cross-at-half", "half-cross-at-one-point", "third-cross-at-two-thirds"]
POINTS += ["less-noise-crosses-higher", "composite-crosses-at-half"]
OTHERS = [*POINTS, "structures-do-not-compare", "luts-tell-noise-apart"]


@pytest.mark.parametrize("name", [name for name in CLAIMS if name not in OTHERS])
def test_each_claim_differs_in_a_contrary_world(name):
    assert word(name, contrary) == "differs"


@pytest.mark.parametrize("name", POINTS)
def test_without_crossings_there_is_no_crossing_point(name):
    figure, claim = CLAIMS[name]
    assert decide(claim, planted(figure, contrary), [0, 1, 2])[1].why == "undefined for 3 of 3 seeds"


@pytest.mark.parametrize("name", [name for name in POINTS if name != "half-cross-at-one-point"])
def test_crossings_elsewhere_differ(name):
    assert word(name, likely, {"half": 0.3, "third": 0.2}) == "differs"


def test_curves_that_cross_here_and_there_do_not_at_one_point():
    def scattered(config, level):
        number = config["stops"].index(config["epochs"])
        if number:
            return 0.7 - 0.12 * number, [0.7 - 0.12 * number] * len(config["limits"])
        return 0.95, list(np.linspace(0.9, 0.16, len(config["limits"])))

    assert word("half-cross-at-one-point", scattered) == "differs"


def test_circuits_of_one_structure_do_compare():
    def same(config, level):
        return likely({**config, "multiplier": "shift-add", "xor": True}, level)

    assert word("structures-do-not-compare", same) == "differs"


def test_luts_that_lose_alike_are_not_told_apart():
    def alike(config, level):
        return falling(config, 5 if config["net"] == "luts-p" else 4, 0.9, 0.5)

    assert word("luts-tell-noise-apart", alike) == "differs"


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_is_not_measured_without_its_cells(name):
    assert decide(CLAIMS[name][1], [], [0, 1, 2])[1].why == "not measured"


def test_epochs_that_are_not_there_leave_a_claim_not_measured():
    rows = planted(FIGURES["half-random"], likely)[1:]
    with pytest.raises(MissingCellError):
        _measures.crossing_point([row for row in rows if row.seed == 0], net="half", kind="simple")


def test_limits_stand_for_the_same_share_of_fewer_examples():
    record = {"limits": list(_configs.LIMITS), "examples": 60_000}
    assert [_configs.LIMITS[_measures.counterpart(record, limit)] for limit in (64, 256)] == [64, 256]
    record["examples"] = 4000
    assert [_configs.LIMITS[_measures.counterpart(record, limit)] for limit in (64, 256)] == [4, 16]


def test_a_dip_below_by_less_than_a_point_or_at_chance_is_no_crossing():
    assert _measures.crossing([0.9, 0.595, 0.7], [0.6, 0.6, 0.6]) is None
    assert _measures.crossing([0.9, 0.1], [0.6, 0.14]) is None
    # The lines cross where both have lost: not at a place that was looked at.
    assert _measures.crossing([0.8, 0.2], [0.6, 0.4]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("other", "sizes"),
    [
        ({}, {"train", "test", "clamped"}),
        ({"multiplier": "array", "kind": "noise", "limits": [20, 4]}, {"train"}),
        ({"xor": False, "labels": "permuted", "kind": "random"}, {"train"}),
        ({"labels": "uniform", "rate": 0.5, "kind": "composite", "epochs": 1}, {"train"}),
        ({"model": "forest", "trees": 2}, {"train", "test", "nodes"}),
        ({"model": "luts", "k": 4, "width": 16, "depth": 1, "labels": "permuted"}, {"train", "test"}),
        ({"model": "table"}, set()),
        ({"model": "tree", "labels": "permuted"}, set()),
    ],
)
def test_a_cell_learns_compiles_and_perturbs(other, sizes):
    config = {**TOY, **NET, **other}
    record = _cells.cell(config, 0, Place())
    assert sizes <= set(record)
    assert record["limits"] == config["limits"]
    assert len(record["accuracy"]) == len(config["limits"])
    assert 0 < record["depth"] <= record["gates"]
    assert record["wrong"] + record["never"] + sum(record["least_support"]) == record["examples"] == 150
    assert config["xor"] or not record["xors"]
    assert record == _cells.cell(config, 0, Place())


def test_a_table_is_at_chance_at_once_and_a_tree_is_not():
    table = _cells.cell({**TOY, "model": "table"}, 0, Place())
    tree = _cells.cell({**TOY, "model": "tree", "labels": "permuted"}, 0, Place())
    assert table["baseline"] == 1.0
    assert table["accuracy"][0] < 0.2
    assert tree["accuracy"][0] > 0.7


def test_the_gates_answer_as_the_net_in_whole_numbers():
    made = _cells.model_as_gates({**TOY, **NET}, 0, Place())
    choice = _data.Choice.of({**TOY, **NET})
    kept = _nets.snapshots(_nets.Training.of({**TOY, **NET}), 0, None)[6]
    bits = unpack(simulate(made.circuit, made.X)).reshape(150, 10, 16)
    numbers = (bits << np.arange(16)).sum(axis=2)
    expected = kept.net(_data.images(choice, 0, None).x)
    np.testing.assert_array_equal(numbers, expected & 0xFFFF)


def test_a_net_is_kept_at_each_stop_as_if_training_had_ended_there():
    whole = _nets.Training.of({**TOY, **NET})
    short = _nets.snapshots(whole._replace(stops=(1,)), 0, None)[1]
    early = _nets.snapshots(whole, 0, None)[1]
    assert short.train == early.train
    np.testing.assert_array_equal(short.net.steps[0].weights, early.net.steps[0].weights)


def test_labels_are_what_a_configuration_asks_for():
    def drawn(labels, **other):
        return _data.images(_data.Choice.of({**TOY, "train": 1000, "labels": labels, **other}), 0, None).y

    real, permuted, half = drawn("real"), drawn("permuted"), drawn("uniform", rate=0.5)
    assert sorted(permuted) == sorted(real)
    assert (permuted == real).mean() < 0.2
    assert 0.45 < (half == real).mean() < 0.65


def test_images_are_halved_by_means():
    whole, half = (_data.images(_data.Choice.of({**TOY, "halved": n}), 0, None).x for n in (0, 1))
    blocks = whole.reshape(150, 4, 2, 4, 2).astype(int).sum(axis=(2, 4)) // 4
    np.testing.assert_array_equal(half.reshape(150, 4, 4), blocks)


@pytest.mark.parametrize("name", FIGURES)
def test_panels_show_what_there_is(name):
    figure = FIGURES[name]
    rows = planted(figure, likely)
    shown = figure.panels(rows)
    assert shown
    assert all(line.runs and len(line.name) <= 9 for panel in shown for line in panel.lines)
    assert figure.panels(rows[:1])
    assert figure.panels([]) == []


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own_and_has_a_cost(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        assert all(figure.cost(config) > 0 for config in configs)
        for config in configs:
            most = 30 if config["kind"] == "noise" else ((config["train"] or 60_000) - 1) // 2
            assert max(config["limits"]) <= most


def test_the_first_figure_has_the_sizes_of_the_paper():
    found = FIGURES["nets"].configs("paper")
    assert [config["epochs"] for config in found] == [2, 100, 300]
    for config in found:
        assert (config["train"], config["halved"], config["hidden"]) == (None, 0, [256, 256, 256])
        assert config["limits"] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
        assert (config["lr"], config["batch"], config["kind"]) == (1e-3, 64, "simple")
