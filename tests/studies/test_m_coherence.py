"""The study of coherence over training: its claims on planted curves, its cells at toy size."""

import math

import pytest
from torch import nn

from rote.learners import alexnet, cnn, mlp, resnet18
from rote.studies import Place, Row, decide
from rote.studies.m_coherence import STUDY, _claims, _identity, _panels, _train
from rote.studies.m_coherence._layers import places

TOY = {
    "data": "digits",
    "train": 120,
    "test": 60,
    "m": 40,
    "network": "mlp",
    "size": [12],
    "batch": 20,
    "steps": 6,
    "lr": 0.1,
}
STEPS = [0, 10, 25, 100, 200, 400, 800]
CLAIMS = {claim.name: claim for figure in STUDY.figures for claim in figure.claims}
ABOUT_CNN = [name for name in CLAIMS if name.startswith("cnn-")]
# As the paper tells it: high, low, a peak that is later and lower with noise, low again.
TOLD = {
    0.0: [90.0, 5.0, 6.0, 60.0, 20.0, 4.0, 1.0],
    0.5: [90.0, 3.0, 4.0, 10.0, 30.0, 5.0, 1.0],
    1.0: [90.0, 1.0, 1.0, 3.0, 6.0, 12.0, 1.0],
}
# The opposite of each: low, no drop, the peak early, no fall.
OPPOSITE = {
    0.0: [1.0, 1.0, 1.1, 1.1, 1.2, 1.3, 1.4],
    0.5: [1.0, 1.0, 1.1, 1.2, 1.3, 1.4, 1.3],
    1.0: [1.0, 1.0, 1.1, 1.5, 1.4, 1.4, 1.4],
}


def planted(curves, *, layers=(2.0, 1.0), spread=0.01, **config):
    """Rows of three seeds, the middle and the last layer at these multiples of the whole."""
    rows = []
    for seed in range(3):
        for noise, values in curves.items():
            whole = [value * (1 + seed * spread) for value in values]
            record = {"step": STEPS, "m": 100, "m_coherence": whole, "alpha": [v / 100 for v in whole]}
            for name, times in zip(("first", "middle", "last"), (1.0, *layers), strict=True):
                record[f"{name}_m_coherence"] = [times * value for value in whole]
            record |= {"train": [0.5] * len(STEPS), "test": [0.5] * len(STEPS)}
            rows.append(Row({"noise": noise, "size": [4, 4], **config}, seed, record))
    return rows


def verdict(name, rows):
    return decide(CLAIMS[name], rows, [0, 1, 2])[1]


@pytest.mark.parametrize("name", ABOUT_CNN)
def test_each_claim_holds_of_the_story_as_told(name):
    assert verdict(name, planted(TOLD)).word == "holds"


@pytest.mark.parametrize("name", ABOUT_CNN)
def test_each_claim_differs_of_its_opposite(name):
    assert verdict(name, planted(OPPOSITE, layers=(1.0, 2.0))).word == "differs"


@pytest.mark.parametrize("name", ABOUT_CNN)
def test_each_claim_is_not_measured_without_its_cells(name):
    assert verdict(name, planted({0.0: TOLD[0.0]})).why == "not measured"


def test_seeds_that_disagree_leave_it_open():
    rows = planted({**TOLD, 1.0: [9.0, 1.0, 1.0, 1.2, 1.5, 1.1, 1.0]}, spread=0.6)
    assert verdict("cnn-random-above-orthogonal", rows).word == "inconclusive"


@pytest.mark.parametrize("name", ["real-above-random-at-every-width", "real-above-random-at-every-depth"])
def test_one_size_where_random_labels_win_is_enough_to_differ(name):
    both = {0.0: TOLD[0.0], 1.0: TOLD[1.0]}
    turned = {0.0: TOLD[1.0], 1.0: TOLD[0.0]}
    right = [*planted(both, size=[4]), *planted(both, size=[8])]
    assert verdict(name, right).word == "holds"
    assert verdict(name, [*planted(both, size=[4]), *planted(turned, size=[8])]).word == "differs"
    assert verdict(name, []).why == "not measured"


def test_the_dense_network_has_no_claim_about_convolutions():
    assert "mlp-convolutions-above-dense" not in CLAIMS
    assert len(ABOUT_CNN) == 8


def test_valley_and_peak():
    record = {"step": [0, 5, 25, 30, 99], "m_coherence": [9.0, None, 2.0, 7.0, 3.0]}
    assert _claims.valley(record) == (25, 2.0)
    assert _claims.peak(record) == (30, 7.0)
    assert all(math.isnan(value) for value in _claims.peak({"step": [0], "m_coherence": [9.0]}))


def test_what_is_unknown_anywhere_is_unknown():
    assert math.isnan(_claims.least([1.0, math.nan]))
    assert math.isnan(_claims.most([math.nan, 1.0]))
    rows = planted({**TOLD, 1.0: [None] * 7} | {1.0: [math.nan] * 7})
    assert verdict("cnn-falls-in-the-end", rows).word == "inconclusive"


@pytest.mark.parametrize("steps", [1, 24, 25, 26, 300, 5000])
def test_looks_begin_at_0_end_at_the_last_step_and_see_the_beginning(steps):
    found = _train.looks(steps)
    assert found[0] == 0
    assert found[-1] == steps
    assert found == sorted(set(found))
    assert min(steps, 25) in found


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (mlp((4,), 2, hidden=(3, 3)), {"first": "1", "middle": "3", "last": "5"}),
        (cnn((1, 8, 8), 2), {"first": "0", "middle": "4", "last": "9"}),
        (alexnet((1, 16, 16), 2, width=1), {"first": "0", "middle": "10", "last": "18"}),
    ],
)
def test_first_middle_and_last_layer(model, expected):
    assert places(model) == expected


def test_a_shortcut_is_no_layer_of_its_own():
    model = resnet18((1, 8, 8), 2, width=2)
    found = places(model)
    assert (found["first"], found["last"]) == ("0", "13")
    middle = model.get_submodule(found["middle"])
    assert isinstance(middle, nn.Conv2d)
    assert middle.kernel_size == (3, 3)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_cell_measures_on_the_way(noise):
    record = _train.cell({**TOY, "noise": noise}, 0, Place())
    assert record["step"] == [0, 1, 2, 3, 5, 6]
    assert all(len(record[key]) == 6 for key in ("alpha", "m_coherence", "last_m_coherence", "train", "test"))
    for alpha, count in zip(record["alpha"], record["m_coherence"], strict=True):
        assert count == pytest.approx(40 * alpha)
    assert record == _train.cell({**TOY, "noise": noise}, 0, Place())


def test_measuring_changes_nothing_of_the_training(monkeypatch):
    often = _train.cell({**TOY, "noise": 0.0}, 0, Place())
    monkeypatch.setattr(_train, "looks", lambda steps: [steps])
    assert _train.cell({**TOY, "noise": 0.0}, 0, Place())["m_coherence"] == often["m_coherence"][-1:]


def test_the_identity_is_exact_on_every_partition_and_near_on_one():
    config = {**TOY, "noise": 0.0, "size": [6], "looks": [0, 4], "few": 6, "few_sizes": [2, 3], "m": 60}
    row = Row({}, 0, _identity.cell({**config, "sizes": [2, 5]}, 0, Place()))
    assert _identity.largest_difference([row]) < 1e-9
    assert 0.7 < _identity.ratio_of_means([row]) < 1.3
    assert [panel.title for panel in _identity.panels([row])] == ["After 0 steps", "After 4 steps"]
    assert _identity.panels([]) == []


@pytest.mark.parametrize(("off", "word"), [(0.0, "holds"), (0.2, "differs")])
def test_claims_of_the_identity_can_come_out_either_way(off, word):
    found = [[{"k": 2, "measured": 0.5 + off, "identity": 0.5}]]
    rows = [Row({}, seed, {"step": [0], "every": found, "random": found}) for seed in range(3)]
    assert verdict("identity-exact", rows).word == word
    assert verdict("identity-in-training", rows).word == word


def test_panels_live_with_missing_cells():
    rows = planted(TOLD)
    assert [len(panel.lines) for panel in _panels.panels(rows)] == [3] * 7
    assert all(not panel.lines for panel in _panels.panels([]))
    found = _panels.sweep_panels(planted(TOLD, size=[4, 4]), of="width")
    assert [panel.title for panel in found] == ["Peak over width", "Width 4"]
    assert found[0].lines[0].runs[0] == [(4.0, 60.0)]
    assert _panels.sweep_panels(planted(TOLD, size=[4, 4]), of="depth")[1].title == "Depth 2"


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_configuration_is_its_own_and_has_a_cost(scale):
    for figure in STUDY.figures:
        configs = figure.configs(scale)
        assert len({str(config) for config in configs}) == len(configs)
        assert all(figure.cost(config) > 0 for config in configs)
