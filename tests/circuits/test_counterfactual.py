"""Counterfactual simulation: planted answers, the definition example by example, and what adds."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config

from oracles.cfs_truth import composite, flipping_one, simple, without_rare
from oracles.circuit_truth import all_examples, evaluate, node_values, random_circuit
from rote.circuits import (
    Builder,
    Circuit,
    Counterfactual,
    Counts,
    Switches,
    answers,
    counterfactual_on_shards,
    pack,
)
from rote.errors import InputError


def cube(inputs, repeats=1):
    """Every row of bits, each so many times."""
    return np.repeat(all_examples(inputs), repeats, axis=0)


def first_input():
    return Builder(["a", "b", "c"]).finish({"f": 2})


def first_input_by_minterms():
    """The same function, as an OR of the four minterms in which input a is 1."""
    build = Builder(["a", "b", "c"])
    a, b, c = build.literals
    terms = [build.and_(build.and_(a, x), y) for x in (b, b ^ 1) for y in (c, c ^ 1)]
    return build.finish({"f": build.or_(build.or_(terms[0], terms[1]), build.or_(terms[2], terms[3]))})


def parity_by_shannon(inputs):
    """Parity as a tree of multiplexers, nothing shared between its branches."""
    build = Builder([f"x{i}" for i in range(inputs)])

    def tree(level, odd):
        if level == inputs - 1:
            return build.literals[level] ^ odd
        one, zero = tree(level + 1, 1 - odd), tree(level + 1, odd)
        return build.mux(build.literals[level], one, zero)

    return build.finish({"f": tree(0, 0)})


def lookup_table(X, y, classes):
    """The paper's figure 1: is it the first example, else the second, else …; class 0 if none."""
    build = Builder([f"x{i}" for i in range(X.shape[1])])
    said = [np.uint32(0)] * classes
    for bits, label in list(zip(X.tolist(), y.tolist(), strict=True))[::-1]:
        same = np.uint32(1)
        for literal, bit in zip(build.literals, bits, strict=True):
            same = build.and_(same, literal if bit else literal ^ 1)
        said = [build.mux(same, np.uint32(c == label), each) for c, each in enumerate(said)]
    return build.finish({f"class{c}": each for c, each in enumerate(said)})


def test_a_lookup_table_falls_to_chance_at_once():
    draw = np.random.default_rng(0)
    X = np.array([[n >> k & 1 for k in range(9)] for n in draw.permutation(512)[:90]], bool)
    y = np.arange(90) % 3
    found = lookup_table(X, y, 3).counterfactual(X, y, limits=[1, 2])
    assert found.baseline == 1
    assert found.accuracy.tolist() == [pytest.approx(1 / 3)] * 2
    assert found.no_rare.tolist() == [0, 0]
    assert (found.least_support == np.where(y == 0, -1, 1)).all()


def test_a_wire_and_the_same_function_by_minterms():
    X = cube(3)
    plain = first_input().counterfactual(X, X[:, 0], limits=[1])
    memorised = first_input_by_minterms().counterfactual(X, X[:, 0], limits=[1])
    assert (plain.baseline, plain.at(1)) == (1, 1)
    assert (memorised.baseline, memorised.at(1)) == (1, 0.5)  # the constant 0
    assert plain.least_support.tolist() == [-1] * 8
    assert memorised.least_support.tolist() == [-1, 1] * 4


@pytest.mark.parametrize("kind", ["simple", "random"])
def test_parity_by_shannon_expansion_is_spared_at_small_limits(kind):
    X = cube(4, repeats=8)
    y = X.sum(axis=1) % 2
    found = parity_by_shannon(4).counterfactual(X, y, limits=[1, 2, 4, 7], kind=kind)
    assert found.drop.tolist() == [0, 0, 0, 0]
    assert found.no_rare.tolist() == [128] * 4


def test_a_value_that_nobody_takes_changes_nothing_in_simple():
    """a AND NOT a is never 1: that the 1 is rare is no support of anything."""
    fanins = np.array([[2, 3], [7, 4]], np.uint32)  # never; NOT never AND b
    circuit = Circuit(("a", "b"), fanins, np.zeros(2, bool), ("f",), np.array([8], np.uint32))
    X = cube(2, repeats=4)
    found = circuit.counterfactual(X, X[:, 1], limits=[1])
    assert found.drop.tolist() == [0]
    assert found.no_rare.tolist() == [16]
    assert found.signals.rare == 0


@pytest.mark.parametrize("unseen", [True, False])
def test_composite_takes_unseen_patterns_as_rare_unless_told(unseen):
    """An input pair that comes only once the gate before it was flipped."""
    build = Builder(["a", "b", "c"])
    a, b, c = build.literals
    both = build.and_(a, b)
    circuit = build.finish({"f": build.and_(both, c), "g": build.xor_(both, c)})
    X = np.array([[0, 0, 0]] * 5 + [[0, 1, 0]] * 5 + [[1, 1, 1]] * 5 + [[1, 0, 0]], bool)
    y = answers(circuit, evaluate(circuit, X))
    found = circuit.counterfactual(X, y, [1], "composite", switches=Switches(unseen=unseen))
    # The last example alone shows a without b: `both` becomes 1 and meets c = 0, which nobody showed before.
    # Left alone, f = 0 and g = 1 make it class 1; flipped, f = 1 and g = 0 make it class 0, as it was.
    wrong = found.least_support == 1
    assert wrong.tolist() == [False] * 15 + [not unseen]


def some(seed, m, gates=40, inputs=6, outputs=4):
    draw = np.random.default_rng(seed)
    circuit = random_circuit(seed, inputs, gates, outputs)
    X = draw.random((m, inputs)) < draw.random(inputs)
    y = answers(circuit, evaluate(circuit, X))
    y = np.where(draw.random(m) < 0.2, draw.integers(0, outputs, m), y)  # some are answered wrongly
    return circuit, X, y


@given(st.integers(0, 10**6), st.sampled_from([3, 20, 64, 65, 130]), st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_simple_is_what_the_paper_says(seed, m, inputs, outputs):
    circuit, X, y = some(seed, m)
    limits = [limit for limit in (1, 3, 9) if 2 * limit < m]
    switches = Switches(inputs=inputs, outputs=outputs)
    found = circuit.counterfactual(X, y, limits, switches=switches)
    said = {0: answers(circuit, evaluate(circuit, X))}
    for limit in limits:
        said[limit] = answers(circuit, simple(circuit, X, limit, inputs=inputs, outputs=outputs))
    accuracy = {limit: np.mean(each == y) for limit, each in said.items()}
    assert found.baseline == pytest.approx(accuracy[0])
    assert found.accuracy.tolist() == pytest.approx([accuracy[limit] for limit in limits])
    for i in range(m):
        wrong = [limit for limit, each in said.items() if each[i] != y[i]]
        assert found.least_support[i] == (wrong[0] if wrong else -1)
    if not inputs:
        assert found.no_rare.tolist() == [without_rare(circuit, X, limit).sum() for limit in limits]


@given(st.integers(0, 10**6), st.sampled_from([3, 64, 100]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_composite_is_what_the_paper_says(seed, m, unseen):
    circuit, X, y = some(seed, m)
    limit = min(5, (m - 1) // 2)
    found = circuit.counterfactual(X, y, [limit], "composite", switches=Switches(unseen=unseen))
    truth = answers(circuit, composite(circuit, X, limit, unseen=unseen))
    assert found.at(limit) == pytest.approx(np.mean(truth == y))


@given(st.integers(0, 10**6), st.sampled_from([10, 64, 150]))
@settings(max_examples=15, deadline=None)
def test_single_signals_cost_what_flipping_them_costs(seed, m):
    circuit, X, y = some(seed, m)
    limit = min(8, (m - 1) // 2)
    found = circuit.counterfactual(X, y, [1], switches=Switches(signals_at=limit)).signals
    ones = node_values(circuit, X).sum(axis=0)
    right = answers(circuit, evaluate(circuit, X)) == y
    rare = [n for n in range(circuit.first_gate, circuit.nodes) if 0 < ones[n] <= limit]
    rare += [n for n in range(circuit.first_gate, circuit.nodes) if limit < ones[n] < m <= ones[n] + limit]
    assert sorted(found.node.tolist()) == sorted(rare)
    assert found.rare == len(rare)
    assert (np.diff(found.lost) <= 0).all()
    for i, node in enumerate(found.node.tolist()):
        outputs, here = flipping_one(circuit, X, node, limit)
        wrong = answers(circuit, outputs) != y
        assert found.lost[i] == (right & wrong & here).sum()
        assert found.taken[i] == here.sum()
        assert found.value[i] == (ones[node] <= limit)


def test_a_signal_that_drives_an_output_bears_its_name():
    circuit = first_input_by_minterms()
    X = cube(3)
    found = circuit.counterfactual(X, X[:, 0], switches=Switches(signals_at=1)).signals
    assert found.lost.tolist() == [1, 1, 1, 1]  # the four minterms, one example each
    assert found.level.tolist() == [2, 2, 2, 2]
    assert found.name == ("",) * 4
    many = Builder(["a", "b"])
    both = many.finish({"both": many.and_(2, 4)})
    rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
    assert both.counterfactual(rows, rows.all(axis=1)).signals.name == ("both",)


def test_few_lanes_try_some_signals_and_say_so():
    circuit, X, y = some(3, 150, gates=200)
    every = circuit.counterfactual(X, y, [1], switches=Switches(signals_at=20)).signals
    few = circuit.counterfactual(X, y, [1], switches=Switches(signals_at=20, lanes=60)).signals
    again = circuit.counterfactual(X, y, [1], switches=Switches(signals_at=20, lanes=60)).signals
    other = circuit.counterfactual(X, y, [1], switches=Switches(signals_at=20, lanes=60, seed=1)).signals
    assert few.rare == every.rare > len(few.node) > 0
    assert few.taken.sum() <= 60
    assert few.node.tolist() == again.node.tolist() != other.node.tolist()
    known = dict(zip(every.node.tolist(), every.lost.tolist(), strict=True))
    assert [known[node] for node in few.node.tolist()] == few.lost.tolist()
    assert circuit.counterfactual(X, y, [1], switches=Switches(lanes=0)).signals is None


@pytest.mark.parametrize("kind", ["simple", "composite"])
def test_shards_add_up_to_the_whole(kind):
    circuit, X, y = some(7, 200, gates=80)
    whole = circuit.counterfactual(X, y, kind=kind)
    parts = [slice(0, 64), slice(64, 65), slice(65, 200)]
    counts = circuit.counts(X[parts[0]])
    for part in parts[1:]:
        counts = counts + circuit.counts(X[part])
    shards = [
        circuit.counterfactual(X[p], y[p], [1, 2, 4, 8, 16, 32, 64], kind, counts=counts) for p in parts
    ]
    joined = shards[0] + shards[1] + shards[2]
    assert joined.record() == whole.record()
    assert (joined.least_support == whole.least_support).all()


@pytest.mark.parametrize("jobs", [1, 2])
def test_shards_in_several_places_find_what_the_whole_finds(jobs):
    circuit, X, y = some(7, 200, gates=80)
    pieces = [(X[p], y[p]) for p in (slice(0, 64), slice(64, 65), slice(65, 200))]
    shards = [pieces[0], partial(tuple, pieces[1]), pieces[2]]
    with parallel_config(backend="threading"):
        found = counterfactual_on_shards(circuit, shards, jobs=jobs)
    whole = circuit.counterfactual(X, y)
    assert found.record() == whole.record()
    assert (found.least_support == whole.least_support).all()


def test_shards_draw_noise_of_their_own():
    circuit, X, y = some(7, 64, gates=80)
    alike = counterfactual_on_shards(circuit, [(X, y), (X, y)], [1], "noise")
    assert alike.m == 128
    assert alike.least_support[:64].tolist() != alike.least_support[64:].tolist()
    assert alike.switches == Switches()
    with pytest.raises(InputError, match="at least one pair"):
        counterfactual_on_shards(circuit, [])


def test_shards_of_different_counts_do_not_add():
    circuit, X, y = some(7, 50)
    half = circuit.counterfactual(X[:25], y[:25])
    with pytest.raises(InputError, match="only where `limits` is the same"):
        half + circuit.counterfactual(X, y)
    with pytest.raises(InputError, match="only where `counted` is the same"):
        half + circuit.counterfactual(X, y, half.limits)
    with pytest.raises(InputError, match="of one circuit"):
        circuit.counts(X) + first_input().counts(X[:, :3])


def test_random_and_noise_are_the_same_every_time():
    circuit, X, y = some(11, 130, gates=100)
    for kind, limits in (("random", [60]), ("noise", [2])):
        runs = [circuit.counterfactual(X, y, limits, kind, switches=Switches(seed=s)) for s in (0, 0, 1)]
        assert runs[0].least_support.tolist() == runs[1].least_support.tolist()
        assert runs[0].least_support.tolist() != runs[2].least_support.tolist()


def test_noise_grows_along_its_limits():
    circuit, X, y = some(5, 130, gates=300)
    found = circuit.counterfactual(X, y, [1, 30], "noise")
    assert found.limits == (30, 1)
    assert found.drop[0] == 0 < found.drop[1]
    assert found.no_rare is None
    assert set(found.least_support.tolist()) <= {-1, 0, 1}
    assert circuit.counterfactual(X, y, kind="noise").limits == tuple(range(30, 4, -1))


def test_packed_examples_are_the_same():
    circuit, X, y = some(1, 70)
    assert circuit.counterfactual(pack(X), y).record() == circuit.counterfactual(X, y).record()


def test_progress_is_told_pass_by_pass():
    circuit, X, y = some(1, 70)
    told = []
    circuit.counterfactual(X, y, [1, 4], on_progress=lambda *step: told.append(step))
    assert [done for done, _, _ in told] == list(range(6))[: len(told)]
    assert {total for _, total, _ in told} == {5}
    assert [text for _, _, text in told] == ["plain", "l = 1", "l = 4", "rare values", "single signals", ""]


def test_usual_limits_stay_below_half_of_the_examples():
    circuit, X, y = some(1, 70)
    assert circuit.counterfactual(X, y).limits == (1, 2, 4, 8, 16, 32)


def test_a_record_says_it_all():
    circuit, X, y = some(1, 70)
    found = circuit.counterfactual(X, y)
    record = found.record()
    assert record["wrong"] + record["never"] + sum(record["least_support"]) == record["examples"] == 70
    assert record["drop"] == found.drop.tolist()
    assert repr(found).startswith("Counterfactual(simple, 70 examples: ")
    assert isinstance(found, Counterfactual)
    with pytest.raises(InputError, match=r"one of 1, 2, 4, 8, 16, 32. Got 3"):
        found.at(3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limits": [10]}, "from 1 to 9, below half of the 20 examples. Got 10"),
        ({"limits": [0]}, "Got 0"),
        ({"limits": []}, "at least one"),
        ({"limits": [31], "kind": "noise"}, "the k of probabilities"),
        ({"kind": "sharp"}, "must be one of simple, composite, random, noise"),
        ({"y": np.full(20, 4)}, "classes from 0 to 3, all that the circuit can answer. Got 4"),
        ({"y": np.full(20, -1)}, "Got -1"),
        ({"y": np.zeros(19, int)}, "20 whole numbers"),
        ({"y": np.zeros(20)}, "whole numbers, one for each example. Got float64"),
        ({"X": np.zeros((20, 5), bool)}, "the 6 bits that the circuit reads. Got 5"),
        ({"X": np.zeros(20, bool)}, "shape [m, inputs]"),
        ({"X": np.zeros((0, 6), bool), "y": np.zeros(0, int)}, "at least one example"),
        ({"X": np.zeros((2, 6), bool), "y": np.zeros(2, int)}, "at least 3 examples"),
        ({"counts": Counts(np.zeros(3, int), 20)}, "counts of 3"),
        ({"counts": Counts(np.zeros(47, int), 19), "limits": [1]}, "these 20 among them. Got 19"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_what_cannot_be_asked_is_refused(change, says):
    circuit, X, y = some(0, 20)
    asked = {"X": X, "y": y, "limits": [1], "kind": "simple"} | change
    with pytest.raises(InputError) as error:
        circuit.counterfactual(asked.pop("X"), asked.pop("y"), **asked)
    assert says in str(error.value)
