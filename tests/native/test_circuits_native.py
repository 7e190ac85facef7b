"""Programs of circuits: every instruction set agrees with the twins on awkward sizes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote._native import Chance, Program, _loops, _simulate_twins, circuit_schedule, circuit_simulate
from rote._native._simulate_twins import FLIP, GATHER, MAYBE_ONE, MAYBE_ZERO, RANDOM_BIT, hashed, noise_row

ISAS = _loops._extension.instruction_sets() if _loops._extension else []
SIZES = [0, 1, 63, 64, 65, 511, 1025, 4096, 9000]
native = pytest.mark.skipif(not ISAS, reason="the native core is off")
every_isa = pytest.mark.parametrize("isa", ISAS)


def made(seed, inputs, gates, outputs):
    """Fan-ins, kinds and drivers: anything reads anything before it."""
    rng = np.random.default_rng(seed)
    most = 2 * np.arange(1 + inputs, 1 + inputs + gates)
    fanins = rng.integers(0, np.column_stack([most, most]), dtype=np.uint32).reshape(gates, 2)
    drivers = rng.integers(0, 2 * (1 + inputs + gates), outputs, dtype=np.uint32)
    return fanins, rng.random(gates) < 0.4, drivers


def packed(seed, rows, m):
    words = np.random.default_rng(seed).integers(0, 2**64, (rows, -(-m // 64)), dtype=np.uint64)
    if m % 64 and rows:
        words[:, -1] &= np.uint64((1 << m % 64) - 1)
    return words


def both(program, rows, outputs, m, *, count=False, span=None, **how):
    """What the extension and what the twin make of it: outputs and counts."""
    span = span or (0, rows.shape[1])
    chance = how.pop("chance", Chance())
    found = []
    for run in (circuit_simulate, _simulate_twins.simulate):
        out = np.zeros((outputs, rows.shape[1]), np.uint64)
        ones = np.zeros(len(program.code) if count else 0, np.uint32)
        more = how if run is circuit_simulate else {}
        run(program, rows, out, ones, m=m, span=span, chance=chance, **more)
        found.append((out, ones))
    return found


def same(found):
    (out, ones), (want_out, want_ones) = found
    np.testing.assert_array_equal(out, want_out)
    np.testing.assert_array_equal(ones, want_ones)


@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 30), st.integers(0, 5), st.booleans())
def test_the_schedule_is_the_twins(seed, inputs, gates, outputs, keep):
    circuit = made(seed, inputs, gates, outputs)
    program = circuit_schedule(inputs, *circuit, keep=keep)
    twin = _simulate_twins.schedule(inputs, *circuit, keep=keep)
    np.testing.assert_array_equal(program.code, twin.code)
    np.testing.assert_array_equal(program.events, twin.events)
    np.testing.assert_array_equal(program.reach, twin.reach)
    assert (program.slots, program.xors) == (twin.slots, twin.xors)
    if keep:
        assert len(program.code) == gates


def test_a_chain_needs_three_slots_whatever_its_length():
    fanins = np.array([[2, 4]] + [[2 * (3 + g), 3] for g in range(99)], np.uint32)
    program = circuit_schedule(2, fanins, np.zeros(100, bool), np.array([204], np.uint32), keep=False)
    assert program.slots == 3  # the constant, input a, and the chain, which takes the place of input b
    assert program.reach[:2].tolist() == [200, 0]


@native
@every_isa
@pytest.mark.parametrize("m", SIZES)
def test_every_instruction_set_agrees(m, isa):
    for seed, (inputs, gates, outputs) in enumerate([(3, 40, 6), (1, 0, 2), (0, 7, 3), (20, 200, 0)]):
        fanins, xors, drivers = made(seed, inputs, gates, outputs)
        rows = packed(seed, inputs, m)
        for no_xor in (False, True):
            program = circuit_schedule(inputs, fanins, xors & (not no_xor), drivers, keep=True)
            for vectors in range(1, 9):
                now = replace(program, vectors=vectors)
                same(both(now, rows, outputs, m, count=vectors % 3 > 0, isa=isa, threads=1 + vectors % 3))


@native
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3000), st.integers(1, 8), st.integers(1, 3), st.booleans())
def test_any_size_agrees(seed, m, vectors, threads, keep):
    program = replace(circuit_schedule(4, *made(seed, 4, 25, 3), keep=keep), vectors=vectors)
    same(both(program, packed(seed, 4, m), 3, m, count=True, threads=threads))


@native
@every_isa
@pytest.mark.parametrize("kind", [GATHER, FLIP, MAYBE_ZERO, MAYBE_ONE, RANDOM_BIT])
def test_what_happens_to_a_slot_agrees(kind, isa):
    rng = np.random.default_rng(kind)
    m, gates, outputs = 4500, 30, 4
    program = circuit_schedule(5, *made(kind, 5, gates, outputs), keep=True)
    where = rng.integers(0, gates, 12)
    most = {GATHER: 2 * outputs, FLIP: m}.get(kind, 10**6)
    slots = program.code[where, 2] >> 1
    more = np.column_stack([where + 1, np.full(12, kind), slots, rng.integers(0, most, 12)]).astype(np.uint32)
    events = np.concatenate([more, program.events])
    events = events[np.argsort(events[:, 0], kind="stable")]
    chance = Chance(key=2**63 + 5, first=6, before=64)
    for vectors, threads in ((1, 2), (3, 1), (8, 3)):
        now = replace(program, events=events, vectors=vectors)
        same(both(now, packed(kind, 5, m), outputs, m, chance=chance, isa=isa, threads=threads))
    parts = np.zeros((outputs, -(-m // 64)), np.uint64)
    for span in ((0, 8), (8, 71)):  # two shards are the whole
        circuit_simulate(
            now, packed(kind, 5, m), parts, np.zeros(0, np.uint32), m=m, span=span, chance=chance
        )
    np.testing.assert_array_equal(parts, both(now, packed(kind, 5, m), outputs, m, chance=chance)[0][0])


def cumulative(k):
    """Thresholds with exact fractions, of which the first differ from 1."""
    from fractions import Fraction
    from math import comb

    p, below, found = Fraction(1, 2**k), Fraction(0), []
    for flips in range(4097):
        below += comb(4096, flips) * p**flips * (1 - p) ** (4096 - flips)
        if 1 - below < Fraction(1, 2**53):
            break
        found.append(int(below * 2**64))
    return np.array(found, np.uint64)


@native
@every_isa
@pytest.mark.parametrize("k", [1, 2, 5, 8, 12])
def test_noise_agrees(k, isa):
    m, inputs, gates, outputs = 8300, 3, 12, 3
    program = circuit_schedule(inputs, *made(k, inputs, gates, outputs), keep=True)
    table = cumulative(k) if k > 5 else np.zeros(0, np.uint64)
    for before, threads in ((0, 1), (128, 3)):
        chance = Chance(key=7 * k, first=1 + inputs, k=k, before=before, thresholds=table)
        same(both(program, packed(k, inputs, m), outputs, m, chance=chance, isa=isa, threads=threads))


@pytest.mark.parametrize("k", [1, 3, 5, 8, 12])
def test_noise_is_as_frequent_as_it_should_be(k):
    table = cumulative(k) if k > 5 else np.zeros(0, np.uint64)
    chance = Chance(key=3, k=k, thresholds=table)
    rows = np.array([noise_row(chance, node, (0, 128)) for node in range(60)])
    bits, flips = 60 * 8192, int(np.bitwise_count(rows).sum())
    expected = bits / 2**k
    assert abs(flips - expected) < 5 * np.sqrt(expected)
    if k < 12:  # beyond, many rows have no flip
        assert len(np.unique(rows[:, :64], axis=0)) == 60
    assert not np.array_equal(rows[:, :64], rows[:, 64:])


def test_the_hash_is_splitmix64():
    assert [hex(word) for word in hashed(1234567, np.arange(3, dtype=np.uint64)).tolist()] == [
        "0x599ed017fb08fc85",
        "0x2c73f08458540fa5",
        "0x883ebce5a3f27c77",
    ]


@native
@pytest.mark.parametrize(
    "change",
    [
        {"code": np.array([[2, 5, 6]], np.uint32)},
        {"slots": 2},
        {"slots": 0},
        {"events": np.array([[1, 0, 1, 0], [0, 0, 2, 1]], np.uint32)},
        {"events": np.array([[0, 0, 1, 2]], np.uint32)},
        {"events": np.array([[0, 0, 9, 0]], np.uint32)},
        {"events": np.array([[2, 0, 1, 0]], np.uint32)},
        {"events": np.array([[1, 1, 1, 2]], np.uint32)},
        {"events": np.array([[0, 7, 1, 0]], np.uint32)},
        {"vectors": 0},
        {"vectors": 9},
    ],
    ids=str,
)
def test_the_extension_refuses_a_program_that_reaches_beyond(change):
    program = circuit_schedule(
        2, np.array([[2, 5]], np.uint32), np.array([False]), np.array([6], np.uint32), keep=True
    )
    with pytest.raises(ValueError, match="must"):
        both(replace(program, **change), packed(0, 2, 70), 1, 70)


@native
def test_the_extension_refuses_gates_out_of_order():
    with pytest.raises(ValueError, match="after its fan-ins"):
        circuit_schedule(
            1, np.array([[2, 4]], np.uint32), np.array([False]), np.array([4], np.uint32), keep=True
        )


def test_a_program_says_what_it_holds():
    program = circuit_schedule(
        0, np.empty((0, 2), np.uint32), np.empty(0, bool), np.empty(0, np.uint32), keep=True
    )
    assert isinstance(program, Program)
    assert (len(program.code), len(program.events), program.slots) == (0, 0, 1)
