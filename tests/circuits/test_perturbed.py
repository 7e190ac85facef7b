"""Perturbed passes are what the definitions say, example by example."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles.circuit_perturbed as oracle
from oracles.circuit_truth import circuits, evaluate, random_circuit
from rote._native import Chance, _loops
from rote._native._simulate_twins import noise_row, random_row
from rote.circuits import Builder, Circuit, one_counts, pack, unpack
from rote.circuits import _chance as chance_module
from rote.circuits import _perturbed as passes
from rote.circuits._chance import thresholds
from rote.errors import InputError

AWKWARD = [0, 1, 63, 64, 65, 1025]
limits = st.integers(0, 12)


def bits(seed, m, n):
    return np.random.default_rng(seed).random((m, n)) < 0.3


def case(circuit, m=70, seed=1):
    x = bits(seed, m, len(circuit.inputs))
    return x, pack(x), one_counts(circuit, x)


@settings(max_examples=40)
@given(circuits(), limits)
def test_simple_passes_on_the_opposite(circuit, limit):
    x, X, ones = case(circuit)
    out = passes.simple(circuit, X, ones, 70, limit)
    np.testing.assert_array_equal(unpack(out), oracle.simple(circuit, x, x, limit))


@settings(max_examples=40)
@given(circuits(), limits)
def test_simple_spares_gates_that_only_drive_outputs(circuit, limit):
    x, X, ones = case(circuit)
    read = {f >> 1 for f in circuit.fanins.ravel().tolist()}
    spared = {g for g in range(circuit.gates) if circuit.first_gate + g not in read}
    out = passes.simple(circuit, X, ones, 70, limit, outputs=False)
    np.testing.assert_array_equal(unpack(out), oracle.simple(circuit, x, x, limit, spared))


@settings(max_examples=40)
@given(circuits(), limits)
def test_simple_of_inputs_too(circuit, limit):
    x, X, ones = case(circuit)
    changed = x.copy()
    for column in range(x.shape[1]):
        if x[:, column].sum() <= limit:
            changed[:, column] = False
        elif (~x[:, column]).sum() <= limit:
            changed[:, column] = True
    out = passes.simple(circuit, X, ones, 70, limit, inputs=True)
    np.testing.assert_array_equal(unpack(out), oracle.simple(circuit, changed, x, limit))


@settings(max_examples=40)
@given(circuits(), limits, st.booleans())
def test_composite_flips_rare_patterns(circuit, limit, unseen):
    x, X, ones = case(circuit)
    out = passes.composite(circuit, X, ones, 70, limit, unseen=unseen)
    np.testing.assert_array_equal(unpack(out), oracle.composite(circuit, x, x, limit, unseen))


@settings(max_examples=40)
@given(circuits())
def test_patterns_are_counted_from_ones(circuit):
    x, _, ones = case(circuit)
    counts = passes.pattern_counts(circuit, ones, 70)
    _, patterns = oracle.counted(circuit, x)
    for gate, seen in enumerate(patterns):
        assert counts[gate].tolist() == [seen.get((a, b), 0) for b in (False, True) for a in (False, True)]


@settings(max_examples=40)
@given(circuits(), st.lists(limits, min_size=1, max_size=4))
def test_examples_without_a_rare_value(circuit, several):
    x, X, ones = case(circuit)
    free = passes.rare_free(circuit, X, ones, 70, several)
    assert free.shape == (len(several), 70)
    for row, limit in zip(free, several, strict=True):
        np.testing.assert_array_equal(row, oracle.rare_free(circuit, x, limit))


def test_rare_values_of_inputs_count_where_asked():
    circuit = Builder(["a", "b"]).finish({"f": 2})
    x = np.array([[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]], bool)
    ones = one_counts(circuit, x)
    assert passes.rare_free(circuit, pack(x), ones, 5, [1]).all()
    free = passes.rare_free(circuit, pack(x), ones, 5, [0, 1], inputs=True)
    assert free.tolist() == [[True] * 5, [False, True, True, True, True]]


@settings(max_examples=40)
@given(circuits(), st.data())
def test_flipped_signals(circuit, data):
    x, X, _ = case(circuit, m=66)
    if not circuit.gates:
        return
    pairs = data.draw(st.lists(st.tuples(st.integers(0, circuit.gates - 1), st.integers(0, 65)), max_size=9))
    nodes = np.array([circuit.first_gate + gate for gate, _ in pairs], np.int64)
    lanes = np.array([lane for _, lane in pairs], np.int64)
    np.testing.assert_array_equal(
        unpack(passes.flipped(circuit, X, nodes, lanes, threads=2)), oracle.flipped(circuit, x, pairs)
    )


def test_flipped_inputs_are_flipped_examples():
    circuit = random_circuit(3, 4, 20, 5)
    x, X, _ = case(circuit)
    changed = x.copy()
    changed[[5, 69, 5], [0, 3, 1]] ^= True
    out = passes.flipped(circuit, X, np.array([1, 4, 2]), np.array([5, 69, 5]))
    np.testing.assert_array_equal(unpack(out), evaluate(circuit, changed))
    np.testing.assert_array_equal(unpack(X), x)


def by_rows(circuit, x, change):
    """Outputs where ``change(gate, row)`` says what a gate's row of bits becomes, whole rows kept."""
    m = len(x)
    rows = [np.zeros(m, bool), *x.T]
    for gate, ((f, g), exclusive) in enumerate(
        zip(circuit.fanins.tolist(), circuit.xor.tolist(), strict=True)
    ):
        a, b = rows[f >> 1] ^ bool(f & 1), rows[g >> 1] ^ bool(g & 1)
        rows.append(change(gate, a ^ b if exclusive else a & b))
    return (
        np.array([rows[d >> 1] ^ bool(d & 1) for d in circuit.drivers.tolist()], bool)
        .reshape(len(circuit.drivers), m)
        .T
    )


def as_bits(words, m):
    return np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little", count=m).astype(bool)


@pytest.mark.parametrize("m", AWKWARD)
@pytest.mark.parametrize("limit", [1, 20, 600])
def test_random_bits_take_the_place_of_rare_values(m, limit):
    circuit = random_circuit(8, 6, 60, 7)
    x, X, ones = case(circuit, m)
    key = chance_module._key(11)

    def change(gate, row):
        node, span = circuit.first_gate + gate, (0, -(-m // 64))
        drawn = as_bits(random_row(Chance(key), node, span), m)
        rare = np.zeros(m, bool)
        rare |= row & (ones[node] <= limit)
        rare |= ~row & (m - ones[node] <= limit)
        return np.where(rare, drawn, row)

    out = passes.random(circuit, X, ones, m, limit, seed=11, threads=2)
    np.testing.assert_array_equal(unpack(out), by_rows(circuit, x, change))


@pytest.mark.parametrize("m", AWKWARD)
@pytest.mark.parametrize("k", [1, 4, 7, 14, 30])
def test_noise_flips_every_gate(m, k):
    circuit = random_circuit(8, 6, 40, 7)
    x, X, _ = case(circuit, m)
    chance = Chance(chance_module._key(12, k), k=k, thresholds=thresholds(k))

    def change(gate, row):
        return row ^ as_bits(noise_row(chance, circuit.first_gate + gate, (0, -(-m // 64))), m)

    out = passes.noise(circuit, X, k, seed=12, threads=2)
    np.testing.assert_array_equal(unpack(out), by_rows(circuit, x, change))


@pytest.mark.parametrize("kind", ["random", "noise"])
def test_shards_of_what_is_random_are_the_whole(kind):
    circuit = random_circuit(8, 6, 60, 7)
    x, _, ones = case(circuit, 9000)

    def outputs(part, first, seed=4):
        if kind == "noise":
            return unpack(passes.noise(circuit, pack(part), 3, seed=seed, first=first))
        return unpack(passes.random(circuit, pack(part), ones, 9000, 3000, seed=seed, first=first))

    whole = outputs(x, 0)
    np.testing.assert_array_equal(np.concatenate([outputs(x[:4096], 0), outputs(x[4096:], 4096)]), whole)
    assert not np.array_equal(outputs(x, 0, seed=5), whole)


@pytest.mark.parametrize("k", [6, 9, 13, 30])
def test_thresholds_are_the_binomial_distribution(k):
    found = thresholds(k)
    p, whole = 2.0**-k, math.lgamma(4097)
    terms = [
        math.exp(
            whole - math.lgamma(i + 1) - math.lgamma(4097 - i) + i * math.log(p) + (4096 - i) * math.log1p(-p)
        )
        for i in range(len(found))
    ]
    np.testing.assert_allclose(found / 2.0**64, np.cumsum(terms), rtol=1e-9, atol=1e-15)
    assert found[-1] > (1 - 1e-12) * 2.0**64
    assert (np.diff(found.astype(object)) >= 0).all()


@pytest.mark.parametrize("m", AWKWARD)
def test_awkward_numbers_of_examples(m):
    circuit = random_circuit(2, 6, 60, 40)
    x, X, ones = case(circuit, m)
    assert passes.rare_free(circuit, X, ones, m, [1, 3]).shape == (2, m)
    for out in (passes.simple(circuit, X, ones, m, 2), passes.composite(circuit, X, ones, m, 2)):
        assert out.words.shape == (40, -(-m // 64))
        np.testing.assert_array_equal(pack(unpack(out)).words, out.words)
    np.testing.assert_array_equal(
        unpack(passes.simple(circuit, X, ones, m, 2)), oracle.simple(circuit, x, x, 2)
    )


def test_at_limit_zero_nothing_that_happens_changes():
    circuit = random_circuit(6, 5, 40, 6)
    x, X, ones = case(circuit)
    want = evaluate(circuit, x)
    for out in (
        passes.simple(circuit, X, ones, 70, 0, inputs=True),
        passes.composite(circuit, X, ones, 70, 0),
        passes.random(circuit, X, ones, 70, 0),
        passes.noise(circuit, X, 40),
        passes.flipped(circuit, X, np.array([], np.int64), np.array([], np.int64)),
    ):
        np.testing.assert_array_equal(unpack(out), want)


def test_a_look_up_of_single_examples_falls_to_its_default():
    """Figure 1 of the paper: each comparator is 1 on one example, so 1-CFS leaves the default answer."""
    n, width = 20, 7
    x = np.random.default_rng(0).permutation(1 << width)[:n, None] >> np.arange(width) & 1 == 1
    build = Builder([f"x{i}" for i in range(width)])
    answer = np.uint32(0)
    for row, label in zip(x, np.arange(n) % 2, strict=True):
        here = np.uint32(1)
        for literal, bit in zip(build.literals, row, strict=True):
            here = build.and_(here, literal if bit else build.not_(literal))
        answer = build.mux(here, label, answer)
    table = build.finish({"y": answer})
    X, ones = pack(x), one_counts(table, x)
    assert unpack(passes.simple(table, X, ones, n, 0))[:, 0].tolist() == [False, True] * 10
    assert not unpack(passes.simple(table, X, ones, n, 1)).any()
    free = passes.rare_free(table, X, ones, n, [0, 1])
    assert free[0].all()
    assert not free[1].any()


@pytest.mark.parametrize("limit", [1, 3])
def test_without_the_extension(limit, monkeypatch):
    circuit = random_circuit(7, 6, 50, 6)
    _, X, ones = case(circuit, 300)
    nodes, lanes = np.array([8, 30, 2]), np.array([3, 299, 64])

    def all_passes():
        yield passes.simple(circuit, X, ones, 300, limit).words
        yield passes.composite(circuit, X, ones, 300, limit).words
        yield passes.random(circuit, X, ones, 300, limit).words
        yield passes.noise(circuit, X, 9 * limit).words
        yield passes.flipped(circuit, X, nodes, lanes).words
        yield passes.rare_free(circuit, X, ones, 300, [limit])

    with_it = list(all_passes())
    monkeypatch.setattr(_loops, "_extension", None)
    for got, want in zip(all_passes(), with_it, strict=True):
        np.testing.assert_array_equal(got, want)


def test_progress_is_reported():
    circuit = random_circuit(7, 6, 50, 6)
    _, X, ones = case(circuit, 300)
    told = Counter()
    more = {"on_progress": lambda done, of: told.update([(done, of)])}
    passes.simple(circuit, X, ones, 300, 1, **more)
    passes.composite(circuit, X, ones, 300, 1, **more)
    passes.random(circuit, X, ones, 300, 1, **more)
    passes.noise(circuit, X, 3, **more)
    passes.rare_free(circuit, X, ones, 300, [1], **more)
    passes.flipped(circuit, X, np.array([8]), np.array([3]), **more)
    assert told == {(300, 300): 6}


C = Circuit(("a",), np.array([[2, 3]], np.uint32), np.array([True]), ("f",), np.array([4], np.uint32))
X = pack(np.zeros((9, 1), bool))
ONES = np.zeros(3, np.int64)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: passes.simple(C, X, ONES[1:], 9, 1), r"counts of 3 nodes. Got shape \(2,\)"),
        (lambda: passes.simple(C, pack(np.zeros((9, 2), bool)), ONES, 9, 1), "each of 1 inputs. Got 2"),
        (lambda: passes.noise(C, X, 0), "`log2_p` must be from 1 to 40. Got 0"),
        (lambda: passes.noise(C, X, 41), "Got 41"),
        (lambda: passes.noise(C, X, 4, first=64), "`first` must be a multiple of 4,096. Got 64"),
        (lambda: passes.random(C, X, ONES, 9, 1, first=-64), "`first` must be a multiple of 64. Got -64"),
        (lambda: passes.flipped(C, X, np.array([0]), np.array([0])), "`nodes` must be from 1 to 2"),
        (lambda: passes.flipped(C, X, np.array([3]), np.array([0])), "Got 3 to 3"),
        (lambda: passes.flipped(C, X, np.array([1]), np.array([9])), "one of the 9 examples for each"),
        (lambda: passes.flipped(C, X, np.array([1, 2]), np.array([0])), "for each of `nodes`"),
    ],
)
def test_what_does_not_fit_a_pass_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
