"""Simulation answers what every gate answers, example by example."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_truth import circuits, evaluate, node_values, random_circuit
from rote._native import _loops
from rote.circuits import (
    Builder,
    Circuit,
    Packed,
    answers,
    one_counts,
    pack,
    simulate,
    simulate_counts,
    unpack,
)
from rote.circuits import _simulate as module
from rote.circuits._schedule import program, vectors
from rote.errors import InputError

AWKWARD = [0, 1, 63, 64, 65, 1025]


def bits(seed, m, n):
    return np.random.default_rng(seed).random((m, n)) < 0.4


@settings(max_examples=50)
@given(circuits(), st.integers(0, 130), st.integers(1, 3))
def test_answers_and_counts_are_those_of_the_gates(circuit, m, threads):
    x = bits(m, m, len(circuit.inputs))
    np.testing.assert_array_equal(simulate(circuit, x, threads=threads), evaluate(circuit, x))
    out, ones = simulate_counts(circuit, x, threads=threads)
    np.testing.assert_array_equal(unpack(out), evaluate(circuit, x))
    np.testing.assert_array_equal(ones, node_values(circuit, x).sum(axis=0))
    assert ones.dtype == np.int64
    np.testing.assert_array_equal(one_counts(circuit, pack(x)), ones)


@pytest.mark.parametrize("m", AWKWARD)
@pytest.mark.parametrize("gates", [0, 60])
def test_awkward_numbers_of_examples(m, gates):
    circuit = random_circuit(
        5, 6, gates, 40
    )  # constants, inputs, complements and repetitions among the outputs
    x = bits(1, m, 6)
    assert simulate(circuit, x).dtype == np.bool_
    np.testing.assert_array_equal(simulate(circuit, x), evaluate(circuit, x))
    out = simulate(circuit, pack(x))
    assert isinstance(out, Packed)
    assert out.words.shape == (40, -(-m // 64))
    np.testing.assert_array_equal(pack(unpack(out)).words, out.words)  # zero beyond the last example


def test_without_the_extension(monkeypatch):
    circuit, x = random_circuit(9, 5, 70, 5), bits(2, 200, 5)
    want, ones = simulate(circuit, x), one_counts(circuit, x)
    monkeypatch.setattr(_loops, "_extension", None)
    np.testing.assert_array_equal(simulate(circuit, x), want)
    np.testing.assert_array_equal(one_counts(circuit, x), ones)


def test_counts_of_shards_add():
    circuit, x = random_circuit(3, 5, 50, 2), bits(3, 1000, 5)
    parts = [one_counts(circuit, part) for part in (x[:130], x[130:131], x[131:])]
    np.testing.assert_array_equal(sum(parts), one_counts(circuit, x))


def test_shards_change_nothing_and_report_progress(monkeypatch):
    monkeypatch.setattr(module, "_SHARD", 1)
    circuit, x = random_circuit(4, 5, 50, 3), bits(4, 20_000, 5)
    told = []
    out, ones = simulate_counts(circuit, x, threads=2, on_progress=lambda done, of: told.append((done, of)))
    assert told == [(8192, 20_000), (16_384, 20_000), (20_000, 20_000)]
    monkeypatch.undo()
    want, want_ones = simulate_counts(circuit, x)
    np.testing.assert_array_equal(out.words, want.words)
    np.testing.assert_array_equal(ones, want_ones)


def test_ctrl_c_is_heard_between_shards(monkeypatch):
    monkeypatch.setattr(module, "_SHARD", 1)

    def interrupt(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(random_circuit(4, 5, 50, 3), bits(4, 20_000, 5), on_progress=interrupt)


@settings(max_examples=30)
@given(circuits(), st.sampled_from([1, 2, 5, 8]))
def test_dead_gates_are_left_out_and_slots_are_few(circuit, width):
    x = bits(0, 100, len(circuit.inputs))
    lean = replace(program(circuit, keep=False), vectors=width)
    assert len(lean.code) == circuit.cone().gates
    assert lean.slots <= 1 + len(circuit.inputs) + len(lean.code)
    out, _ = module.run(circuit, lean, pack(x))
    np.testing.assert_array_equal(unpack(out), evaluate(circuit, x))


def test_narrow_blocks_where_values_lie_far_apart():
    reach = np.zeros(32, np.int64)
    assert vectors(reach, 1) in range(1, 9)
    reach[:4] = 100
    assert vectors(reach, 10**6) == 8
    reach[:] = 0
    reach[12] = 100
    assert vectors(reach, 10**6) < 8
    assert vectors(reach, 20) == 8  # few slots: they all stay near


def test_counting_asks_for_blocks_at_least_as_wide():
    rng = np.random.default_rng(0)
    for _ in range(20):
        reach, slots = rng.integers(0, 1000, 32), int(rng.integers(1, 10**6))
        assert vectors(reach, slots, counting=True) >= vectors(reach, slots)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("berkeley-abc"), reason="berkeley-abc is not installed")
def test_abc_judges_a_real_circuit_alike(real_data, tmp_path):
    """ABC's checker of the IWLS 2021 contest counts as many right answers on images of random bytes."""
    path = real_data / "circuits/cifar10-cnn.aig"
    rows = np.random.default_rng(0).integers(0, 256, (2000, 3073), np.uint8)
    rows[:, 0] %= 10  # a label, then its image
    rows.tofile(tmp_path / "batch.bin")
    said = subprocess.run(
        ["berkeley-abc", "-c", f"&read {path}; &iwls21test {tmp_path}/batch.bin"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    circuit = Circuit.read(path)
    X = np.unpackbits(rows[:, 1:], axis=1, bitorder="little").astype(bool)
    right = int((answers(circuit, simulate(circuit, X)) == rows[:, 0]).sum())
    assert right == int(re.search(r"Correct = *(\d+)", said)[1])


CIRCUIT = Builder(["a", "b"]).finish({"f": 4})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: simulate(CIRCUIT, np.zeros((3, 3), bool)), r"`X` must be bool of shape \[m, 2\]. Got bool"),
        (lambda: simulate(CIRCUIT, np.zeros((3, 2))), "Got float64 of shape"),
        (lambda: simulate(CIRCUIT, np.zeros(2, bool)), "Got bool of shape"),
        (lambda: simulate(CIRCUIT, pack(np.zeros((3, 3), bool))), "a row for each of 2 inputs. Got 3"),
        (lambda: one_counts(CIRCUIT, np.zeros((3, 2), bool), threads=0), "`threads` must be at least 1"),
    ],
)
def test_examples_that_do_not_fit_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
