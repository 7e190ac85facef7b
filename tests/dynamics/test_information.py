"""Information: the definition, exact identities, closed forms, the bias and the intervals."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracles.information import conditional, mutual
from rote.dynamics import Curves, Recorder, bits_of_accuracy, explained
from rote.dynamics._information import NAMES
from rote.errors import InputError

triples = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40)


def independent_errors():
    """800 examples, balanced: L is right in 85 %, F in 95 %, independently, exactly."""
    counts = {(1, 1): 323, (1, 0): 57, (0, 1): 17, (0, 0): 3}  # whether F and L are right
    rows = [
        (y if f else 1 - y, y if s else 1 - y, y)
        for y in (0, 1)
        for (f, s), n in counts.items()
        for _ in range(n)
    ]
    return np.array(rows).T


@given(triples)
def test_it_is_the_definition(rows):
    f, s, y = zip(*rows, strict=True)
    found = explained(f, s, y, corrected=False)
    wanted = [
        mutual(f, y),
        mutual(s, y),
        mutual(f, y) - conditional(f, y, s),
        conditional(f, y, s),
        conditional(s, y, f),
    ]
    np.testing.assert_allclose([getattr(found, n).value for n in NAMES], wanted, atol=1e-13)
    assert found.accuracy == np.mean(np.array(f) == y)


@given(triples, st.booleans())
def test_the_identities_are_exact(rows, corrected):
    f, s, y = zip(*rows, strict=True)
    found = explained(f, s, y, corrected=corrected)
    other = explained(s, f, y, corrected=corrected)
    assert found.shared.value == pytest.approx(found.simple.value - found.forgotten.value, abs=1e-13)
    assert found.shared.value == pytest.approx(other.shared.value, abs=1e-13)
    if not corrected:
        assert found.shared.value <= min(found.model.value, found.simple.value) + 1e-12


def test_independent_errors_share_too():
    found = explained(*independent_errors(), corrected=False)
    h2 = lambda p: -p * np.log2(p) - (1 - p) * np.log2(1 - p)  # noqa: E731
    right = 0.95 * 0.85 + 0.05 * 0.15  # F = L
    assert found.model.value == pytest.approx(1 - h2(0.95))
    assert found.simple.value == pytest.approx(1 - h2(0.85))
    # Given Y both err independently, so I(F;L|Y) = 0 and μ = I(F;L).
    assert found.shared.value == pytest.approx(1 - h2(right))


def test_together_alone_it_is_minus_one_bit():
    z, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = explained(z ^ y, z, y, corrected=False)
    assert (found.model.value, found.shared.value, found.unexplained.value) == (0, -1, 1)


@pytest.mark.parametrize(
    ("accuracy", "bits"),
    list(
        zip(
            [0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99],
            [0.029, 0.119, 0.278, 0.390, 0.531, 0.714, 0.859, 0.919],
            strict=True,
        )
    ),
)
def test_the_second_axis(accuracy, bits):
    assert bits_of_accuracy(accuracy) == pytest.approx(bits, abs=5e-4)


def test_the_second_axis_of_many_classes():
    y = np.repeat(np.arange(5), 40)
    f = y.copy()
    for c in range(5):  # of each class, 8 of 40 are wrong, 2 for each other class
        f[c * 40 : c * 40 + 8] = np.delete(np.arange(5), c).repeat(2)
    assert explained(f, f, y, corrected=False).model.value == pytest.approx(bits_of_accuracy(0.8, 5))
    assert bits_of_accuracy([0.2, 1.0], 5) == pytest.approx([0, np.log2(5)])


@pytest.mark.parametrize("m", [500, 10_000])
def test_the_bias_is_what_is_subtracted(m):
    """All independent, binary: mean plug-in values are the sheet's biases, corrected ones 0."""
    rng = np.random.default_rng(0)
    raw, fixed = [], []
    for _ in range(200 if m == 500 else 80):
        f, s, y = rng.integers(0, 2, (3, m))
        for found, corrected in ((raw, False), (fixed, True)):
            each = explained(f, s, y, corrected=corrected)
            found.append([each.model.value, each.unexplained.value])
    unit = 1 / (2 * m * np.log(2))
    error = np.std(raw, axis=0) / np.sqrt(len(raw))
    assert np.all(np.abs(np.mean(raw, axis=0) - [unit, 2 * unit]) < 4 * error + 0.02 * unit)
    assert np.all(np.abs(np.mean(fixed, axis=0)) < 4 * error + 0.02 * unit)


def test_a_perfect_model_is_corrected_upwards():
    """Empty cells are no cells: the full table's formula would subtract from H(Y), which is too small."""
    y = np.arange(40) % 4
    found = explained(y, np.zeros(40, int), y)
    assert found.model.value == pytest.approx(2 + 3 / (2 * 40 * np.log(2)))
    assert found.model == found.unexplained
    assert found.shared.value == 0


def test_intervals_cover_the_truth():
    """60 samples from a planted table: 95 % intervals miss its values about as often as they should."""
    p = np.array([[[0.25, 0.02], [0.08, 0.05]], [[0.05, 0.1], [0.05, 0.4]]])
    cells = np.array(list(np.ndindex(2, 2, 2)))
    exact = explained(*np.repeat(cells, (p.ravel() * 1000).round().astype(int), axis=0).T, corrected=False)
    rng = np.random.default_rng(1)
    missed = np.zeros(5)
    for seed in range(60):
        drawn = cells[rng.choice(8, 400, p=p.ravel())].T
        found = explained(*drawn, resamples=200, seed=seed)
        for i, name in enumerate(NAMES):
            bits, truth = getattr(found, name), getattr(exact, name).value
            assert bits.low < bits.high
            missed[i] += not bits.low <= truth <= bits.high
    assert np.all(missed <= 9)  # 3 expected; 10 or more come once in a thousand
    assert missed.sum() >= 3


def test_intervals_are_seeded_and_chunks_do_not_matter(monkeypatch):
    f, s, y = independent_errors()
    first = explained(f, s, y, resamples=50, seed=3)
    assert first == explained(f, s, y, resamples=50, seed=3)
    assert first != explained(f, s, y, resamples=50, seed=4)
    monkeypatch.setattr("rote.dynamics._information._CELLS_AT_ONCE", 8 * 7)
    assert explained(f, s, y, resamples=50, seed=3) == first


def test_names_of_classes_do_not_matter():
    f, s, y = independent_errors()
    found = explained(f * 7 - 3, s + 100, y * -1)
    assert found.shared == explained(f, s, y).shared


def test_a_model_that_only_guesses_never_parts():
    _, s, y = independent_errors()
    recorder = Recorder(s, y)
    for step in range(3):
        recorder.add(step, np.random.default_rng(step).integers(0, 2, len(y)))
    assert recorder.curves().parting() is None


def test_tensors_and_booleans_are_numbers():
    f, s, y = independent_errors()
    assert explained(torch.tensor(f), s.astype(bool), y.tolist()).shared == explained(f, s, y).shared


@pytest.mark.parametrize(
    ("f", "s", "y", "options", "said"),
    [
        ([0, 1], [0], [0, 1], {}, "must be of the same examples. Got 2, 1 and 2"),
        ([0.2, 0.8], [0, 1], [0, 1], {}, "`model` must be whole numbers .* no scores. Got float64"),
        ([[0, 1]], [0, 1], [0, 1], {}, r"`model` must .* shape \(1, 2\)"),
        ([], [], [], {}, "`model` must be whole numbers"),
        (["a"], [0], [0], {}, "`model` must be whole numbers"),
        ([[0], [1, 2]], [0], [0], {}, "`model` must be an array of numbers. Got a list"),
        ([0], [0], [0], {"resamples": -1}, "`resamples` must be at least 0"),
        ([0], [0], [0], {"level": 1.0}, "`level` between 0 and 1"),
    ],
)
def test_what_cannot_be_counted_is_refused(f, s, y, options, said):
    with pytest.raises(InputError, match=said):
        explained(f, s, y, **options)


@pytest.mark.parametrize("arguments", [(1.1,), (-0.1,), (float("nan"),), (0.5, 1)])
def test_accuracies_that_are_none(arguments):
    with pytest.raises(InputError, match="`accuracy` must be from 0 to 1"):
        bits_of_accuracy(*arguments)


def recorded():
    f, s, y = independent_errors()
    recorder = Recorder(s, y)
    for step, predictions in ((0, np.zeros_like(f)), (10, s), (50, f), (99, y)):
        recorder.add(step, predictions)
    return recorder


def test_curves_are_each_step_on_its_own():
    recorder = recorded()
    curves = recorder.curves(resamples=20, seed=1)
    assert curves.steps.tolist() == [0, 10, 50, 99]
    for t, step in enumerate(curves.steps.tolist()):
        each = recorder.at(step, resamples=20, seed=1)
        for name in NAMES:
            bits = getattr(each, name)
            assert (curves.values[name][t], curves.low[name][t], curves.high[name][t]) == (
                bits.value,
                bits.low,
                bits.high,
            )
    assert curves.accuracy.tolist() == [0.5, 0.85, 0.95, 1.0]
    assert curves.simple_accuracy == 0.85
    assert curves.parting() == 50
    assert curves.parting(share=2) is None
    assert repr(curves).startswith("Curves(4 steps to 99; at the last, model=1.0")


def test_everything_comes_back_from_json():
    recorder = recorded()
    again = Recorder.from_dict(json.loads(json.dumps(recorder.to_dict())))
    again.add(120, again.labels)
    assert repr(again) == "Recorder(m=800, steps=5)"
    for options in ({}, {"resamples": 5}):
        curves = recorder.curves(**options)
        text = json.dumps(curves.to_dict(), allow_nan=False)
        back = Curves.from_dict(json.loads(text))
        assert json.dumps(back.to_dict()) == text


def test_one_byte_an_example():
    recorder = Recorder(np.zeros(10, int), np.zeros(10, int))
    recorder.add(0, np.full(10, 255))
    recorder.add(1, np.full(10, 256))
    assert [each.nbytes for each in recorder._predictions] == [10, 20]


def test_the_recorder_keeps_its_own_copy():
    predictions = np.zeros(4, np.uint8)
    recorder = Recorder([0, 0, 1, 1], [0, 0, 1, 1])
    recorder.add(0, predictions)
    predictions[:] = 1
    assert recorder.to_dict()["predictions"] == [[0, 0, 0, 0]]


def test_what_cannot_be_recorded_is_refused():
    recorder = Recorder([0, 1], [0, 1])
    with pytest.raises(InputError, match="before there are curves"):
        recorder.curves()
    recorder.add(5, [0, 1])
    with pytest.raises(InputError, match=r"above the one recorded before, 5. Got 5"):
        recorder.add(5, [0, 1])
    with pytest.raises(InputError, match=r"same 2 examples. Got 3"):
        recorder.add(6, [0, 1, 1])
    with pytest.raises(InputError, match=r"from 0 to 65535. Got -1 to 1"):
        recorder.add(6, [-1, 1])
    with pytest.raises(InputError, match=r"one that was recorded. Got 6"):
        recorder.at(6)
    with pytest.raises(InputError, match=r"same 2 examples. Got 1"):
        Recorder([0, 1], [0])
    with pytest.raises(InputError, match="record must have"):
        Recorder.from_dict({"simple": [0]})
    with pytest.raises(InputError, match="as many steps as predictions"):
        Recorder.from_dict(recorder.to_dict() | {"steps": []})
    with pytest.raises(InputError, match="must have accuracy"):
        Curves.from_dict({k: v for k, v in recorder.curves().to_dict().items() if k != "accuracy"})
