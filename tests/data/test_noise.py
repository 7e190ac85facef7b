import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import label_noise
from rote.data import NOISE_KINDS, Dataset, load, nearness_to_other_class, parse_noise, plant
from rote.data import _noise as noise_module
from rote.errors import InputError


@pytest.fixture(scope="module")
def oracle():
    return label_noise


def toy(y, X=None, classes=None):
    y = np.asarray(y, np.int64)
    X = np.zeros((len(y), 1), np.float32) if X is None else np.asarray(X, np.float32)
    return Dataset("toy", X, y, np.arange(len(y)) + 7, tuple("abcdefghij"[: classes or y.max() + 1]))


labels = st.integers(2, 5).flatmap(
    lambda c: st.tuples(st.just(c), st.lists(st.integers(0, c - 1), min_size=1, max_size=40))
)
random_kinds = st.sampled_from(["permute", "uniform", "pair"])


@given(labels, random_kinds, st.floats(0, 1), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_what_random_noise_always_keeps(drawn, kind, rate, seed):
    c, y = drawn
    d = toy(y, classes=c)
    noisy, again = plant(d, kind, rate, seed=seed), plant(d, kind, rate, seed=seed)
    assert noisy.y.tolist() == again.y.tolist()
    assert noisy.ids.tolist() == d.ids.tolist()
    assert noisy.X is d.X
    assert noisy.true_y.tolist() == y
    assert d.y.tolist() == y
    assert noisy.corrupt.tolist() == [a != b for a, b in zip(noisy.y.tolist(), y, strict=True)]
    if kind == "permute":
        assert sorted(noisy.y.tolist()) == sorted(y)
    if kind == "pair":
        assert noisy.y[noisy.corrupt].tolist() == ((d.y[noisy.corrupt] + 1) % c).tolist()


@given(labels, st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_rate_0_changes_nothing_and_pair_at_rate_1_everything(drawn, seed):
    c, y = drawn
    d = toy(y, classes=c)
    for kind in ("permute", "uniform", "pair"):
        assert not plant(d, kind, 0, seed=seed).corrupt.any()
    assert plant(d, "pair", 1, seed=seed).corrupt.all()


@pytest.mark.parametrize("kind", ["permute", "uniform", "pair"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("shares", [[0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
def test_proper_accuracy_is_what_the_formula_says(kind, rate, shares):
    """Within five standard deviations of one draw: m Bernoulli trials, and for permutations their spread
    besides."""
    m = 40_000
    p = np.array(shares)
    d = toy(np.repeat(np.arange(4), np.round(p * m).astype(int)))
    stays = {"permute": (p**2).sum(), "uniform": 1 / 4, "pair": 0.0}[kind]
    expected = 1 - rate + rate * stays
    measured = plant(d, kind, rate, seed=3).proper_accuracy
    assert abs(measured - expected) <= 5 * np.sqrt(max(expected * (1 - expected), 1e-12) / m) + 1e-12


def test_uniform_draws_every_class_alike():
    d = toy(np.arange(20_000) % 5)
    drawn = np.bincount(plant(d, "uniform", 1.0, seed=0).y, minlength=5)
    # Chi-square with 4 degrees of freedom exceeds 23.5 once in ten thousand seeds.
    assert ((drawn - 4000) ** 2 / 4000).sum() < 23.5


def test_kinds_and_seeds_select_differently():
    d = toy(np.arange(500) % 2)
    drawn = {tuple(plant(d, "pair", 0.3, seed=s).y) for s in range(3)}
    assert len(drawn) == 3
    permuted, redrawn = plant(d, "permute", 0.5, seed=0).corrupt, plant(d, "uniform", 0.5, seed=0).corrupt
    assert (permuted != redrawn).any()


def test_noise_on_noise_keeps_the_earliest_labels():
    d = toy(np.arange(100) % 3)
    twice = plant(plant(d, "pair", 0.5, seed=0), "uniform", 0.25, seed=1)
    assert twice.true_y.tolist() == d.y.tolist()
    assert twice.noise == "pair:0.5 seed 0, uniform:0.25 seed 1"


@pytest.mark.parametrize("small", [False, True])
def test_nearness_is_what_the_loops_say(oracle, monkeypatch, small):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3)).astype(np.float32)
    points[5] = points[4]  # copies
    y = rng.integers(3, size=60)
    y[:2], y[2:4] = 3, 2  # a small class
    y[10] = 4  # the only one of its class
    if small:
        monkeypatch.setattr(noise_module, "_NEIGHBOURS", 2)
    score, other = nearness_to_other_class(toy(y, points))
    expected = oracle.nearness(points.tolist(), y.tolist(), 2 if small else 10)
    np.testing.assert_allclose(score, [s for s, _ in expected], rtol=1e-5)
    assert other.tolist() == [c for _, c in expected]
    assert score[10] == 1.0


def test_copies_in_two_classes_are_as_near_to_one_as_to_the_other():
    score, _ = nearness_to_other_class(toy([0, 0, 1, 1], np.zeros((4, 2))))
    assert score.tolist() == [0.5] * 4


def test_instance_noise_relabels_the_nearest_first():
    points = [[0.0], [1.0], [2.0], [5.5], [10.0], [11.0], [12.0]]
    d = toy([0, 0, 0, 0, 1, 1, 1], points)
    noisy = plant(d, "instance", 1 / 7, seed=0)
    assert np.flatnonzero(noisy.corrupt).tolist() == [3]
    assert noisy.y[3] == 1
    assert noisy.noise.startswith("instance:0.14285714285714285 seed")


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.33, 1.0])
def test_instance_noise_changes_exactly_its_share(rate):
    rng = np.random.default_rng(1)
    d = toy(rng.integers(3, size=50), rng.normal(size=(50, 60)))
    counts = [plant(d, "instance", rate, seed=s).corrupt.sum() for s in (0, 1)]
    assert counts == [round(rate * 50)] * 2


def test_many_columns_and_large_classes_take_the_short_way(monkeypatch):
    """With projection and evenly spaced neighbours the planted outliers are still found first."""
    monkeypatch.setattr(noise_module, "_PER_CLASS", 40)
    monkeypatch.setattr(noise_module, "_FIT_ON", 100)
    rng = np.random.default_rng(2)
    y = np.arange(300) % 2
    X = rng.normal(size=(300, 80)) + 4 * y[:, None]
    X[:6] += np.where(y[:6] == 0, 4, -4)[:, None]
    noisy = plant(toy(y, X), "instance", 6 / 300, seed=0)
    assert np.flatnonzero(noisy.corrupt).tolist() == list(range(6))


@pytest.mark.slow
def test_the_same_in_another_process_whatever_the_threads():
    code = (
        "import hashlib; from rote.data import *; d = load('digits').train[:300];"
        "print(hashlib.sha256(b''.join(plant(d, k, 0.3, seed=5).y.tobytes() for k in "
        "NOISE_KINDS)).hexdigest())"
    )
    d = load("digits").train[:300]
    here = hashlib.sha256(b"".join(plant(d, k, 0.3, seed=5).y.tobytes() for k in NOISE_KINDS)).hexdigest()
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | threads, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == here


@pytest.mark.parametrize(
    "text", ["uniform", "uniform:", "uniform:x", "uniform:1.5", "uniform:-0.1", "flip:0.2", "uniform:nan", ""]
)
def test_noise_that_cannot_be_read(text):
    with pytest.raises(
        InputError, match="`label_noise` must be KIND:RATE with a kind of permute, uniform, pair, instance"
    ):
        parse_noise(text)


@given(st.sampled_from(NOISE_KINDS), st.floats(0, 1))
def test_noise_reads_back(kind, rate):
    assert parse_noise(f"{kind}:{rate}") == (kind, rate)


def test_noise_needs_a_seed_that_is_not_negative():
    with pytest.raises(InputError, match="`seed` must be 0 or more, not -1"):
        plant(toy([0, 1]), "pair", 0.5, seed=-1)


def test_noise_needs_two_classes():
    with pytest.raises(InputError, match="at least two classes"):
        plant(toy([0, 0], classes=1), "pair", 0.5, seed=0)
    with pytest.raises(InputError, match="examples of two classes"):
        plant(toy([0, 0], classes=2), "instance", 0.5, seed=0)
