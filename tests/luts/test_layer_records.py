"""Records of finished networks, counted again on any examples, and their summaries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote._lut._summary import BINS, groups, histogram, layers_summary
from rote.errors import InputError
from rote.luts import LUTNetworkClassifier, layer_records


def examples(m=300, n=12, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((m, n)) < 0.5
    return X, (X.sum(axis=1) + rng.integers(0, 2, m)) % classes


OPTIONS = [
    {},
    {"depth": 0},
    {"output": "vote"},
    {"output": "vote-all", "boost": 1.0, "skip": 0.5},
    {"tries": 4, "search": "greedy", "rare": 1},
    {"codes": "bits"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [2, 3])
def test_on_what_was_learnt_from_they_are_the_records_of_learning(options, classes):
    X, y = examples(classes=classes)
    network = LUTNetworkClassifier(**({"k": 3, "width": 10, "depth": 3} | options)).fit(X, y)
    again = layer_records(network, X, y)
    assert len(again) == len(network.records_)
    for here, there in zip(again, network.records_, strict=True):
        for a, b in zip(here, there, strict=True):
            for name in ("accuracy", "unseen", "once"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_on_other_examples_each_lut_is_judged_as_by_hand():
    X, y = examples()
    other, labels = examples(m=77, seed=1)
    network = LUTNetworkClassifier(k=4, width=9, depth=1).fit(X, y)
    (layer, last), (first, answer) = network.networks_[0].layers, layer_records(network, other, labels)[0]
    outputs = np.empty((77, 9), bool)
    for j, (wires, table) in enumerate(zip(layer.fanins, layer.answers(), strict=True)):
        patterns = [sum(int(row[wire]) << b for b, wire in enumerate(wires)) for row in other]
        outputs[:, j] = table[patterns]
        assert first.accuracy[j] == pytest.approx((outputs[:, j] == labels).mean())
        assert first.unseen[j] == 1 - len(set(patterns)) / 16
        assert first.once[j] == sum(patterns.count(p) == 1 for p in set(patterns))
    assert answer.accuracy[0] == pytest.approx(network.score(other, labels))
    assert last.width == 1


def test_a_label_that_was_not_learnt_is_refused():
    X, y = examples()
    network = LUTNetworkClassifier(k=3, width=4, depth=1).fit(X, y)
    with pytest.raises(InputError, match=r"`y` must hold the classes learnt \(0, 1\). Got 7"):
        layer_records(network, X[:2], [0, 7])


@given(depth=st.integers(1, 300), most=st.integers(2, 40), alone=st.booleans())
def test_groups_hold_every_layer_once(depth, most, alone):
    found = groups(depth, most, alone=alone)
    assert [layer for first, last in found for layer in range(first, last)] == list(range(depth))
    assert len(found) <= most
    if alone:
        assert found[-1] == (depth - 1, depth)


@settings(max_examples=30)
@given(st.lists(st.floats(0.25, 0.75), min_size=1, max_size=50))
def test_a_histogram_holds_every_lut(values):
    found = histogram(np.array(values), 0.25, 0.75)
    assert (len(found), sum(found)) == (BINS, len(values))


@pytest.mark.parametrize(("depth", "points"), [(1, 2), (60, 40)])
def test_a_summary_of_few_or_many_layers(depth, points):
    X, y = examples(classes=3)
    network = LUTNetworkClassifier(k=3, width=2, depth=depth).fit(X, y)
    found = layers_summary(network.networks_, network.records_, layer_records(network, X, y))
    assert len(found["layers"]) == points
    assert sum(layer["luts"] for layer in found["layers"]) == 3 * (2 * depth + 1)
    assert found["layers"][-1]["luts"] == 3  # the answers' luts stand alone
    assert found["ridges"][0]["train"] == found["ridges"][0]["test"]
    low, high = found["reach"]
    for layer in found["layers"]:
        assert low <= layer["accuracy"]["low"] <= layer["accuracy"]["high"] <= high
        assert layer["accuracy"] == layer["test_accuracy"]
        assert 0 <= layer["once"]["mean"] <= 1 - layer["unseen"]["mean"]
