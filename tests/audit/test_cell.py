"""One cell: inputs as networks see them, going on from a checkpoint, and networks that cannot be trained."""

import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from rote.audit import Plan, _cell, _cells
from rote.audit._cell import Cell, Material, standardised, train_cell
from rote.audit._cells import choose_workers
from rote.errors import InputError
from rote.learners import Recipe
from rote.runs import RunFolder

pytestmark = pytest.mark.usefixtures("warm")
IMAGES = hnp.arrays(np.uint8, st.tuples(st.integers(2, 6), st.integers(1, 3), st.just(2), st.just(3)))


@given(IMAGES)
def test_each_channel_has_mean_0_and_variance_1_over_the_examples_learned_from(x):
    learn = np.arange(0, len(x), 2)
    found = standardised(x, x, learn).numpy()
    assert found.dtype == np.float32
    for c in range(x.shape[1]):
        seen = x[learn, c].astype(float)
        spread = max(seen.std(), 1.0)
        np.testing.assert_allclose(found[:, c], (x[:, c] - seen.mean()) / spread, rtol=1e-4, atol=1e-4)


def test_a_constant_channel_becomes_zero():
    x = np.full((4, 2, 3, 3), 200, np.uint8)
    assert not standardised(x, x, np.arange(4)).any()


@pytest.mark.parametrize("writable", [True, False])
def test_tables_stay_as_they_are(writable):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    x.setflags(write=writable)  # workers are handed large arrays read-only; torch would warn of that
    np.testing.assert_array_equal(standardised(x, x[:0], np.array([0])).numpy(), x)


def material(m=24, classes=2, d=3):
    rng = np.random.default_rng(0)
    y = np.arange(m) % classes
    x = (rng.normal(size=(m, d)) + y[:, None]).astype(np.float32)
    return Material(x, x[:6] + 1, y[:6], y, classes, "cpu"), y


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.ReLU(), nn.Linear(4, 2))


@pytest.fixture
def new_run(tmp_path):
    """A function that opens a new run folder."""
    opened = []

    def make(name="run"):
        opened.append(RunFolder.open(tmp_path / name, command=[], config={}, data_sha256="0"))
        return opened[-1]

    yield make
    for run in opened:
        run.close()


PLAN = Plan(recipe=Recipe(epochs=5, batch=6, momentum=0.8), runs=2, probe=10)


def trained(run, factory=net, plan=PLAN, learn=None):
    given, y = material()
    learn = np.arange(4, 24) if learn is None else learn
    cell = Cell("cells/real-0", y, learn, 7, coherence=True, support=True, neighbours=True)
    train_cell(cell, given, factory, plan, run.path, threads=1)
    record, arrays = run.load("cells/real-0/track")
    return record, arrays, run.records("cells/real-0/curve"), run.records("cells/real-0/coherence")


def assert_same(found, want):
    assert found[0] == want[0]
    assert found[2:] == want[2:]
    assert found[1].keys() == want[1].keys()
    for name, values in want[1].items():
        np.testing.assert_array_equal(found[1][name], values, err_msg=name)


@pytest.mark.parametrize("momentum", [0.8, 0.0])
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_cell_that_was_stopped_after_a_checkpoint_ends_as_if_it_had_not(
    new_run, monkeypatch, stop, momentum
):
    plan = replace(PLAN, recipe=replace(PLAN.recipe, momentum=momentum))
    want = trained(new_run("whole"), plan=plan)
    run = new_run("stopped")
    monkeypatch.setattr(_cell, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    epoch = _cell._Training._epoch

    def stops(training):
        if training.progress.epoch == stop:
            # What is after the checkpoint must be forgotten.
            training.run.append("cells/real-0/curve", {"epoch": 99})
            training.run.append("cells/real-0/coherence", {"step": 99})
            raise KeyboardInterrupt
        epoch(training)

    with monkeypatch.context() as patch:
        patch.setattr(_cell._Training, "_epoch", stops)
        with pytest.raises(KeyboardInterrupt):
            trained(run, plan=plan)
    assert run.has("cells/real-0/checkpoint")
    assert not run.has("cells/real-0/track")
    assert_same(trained(run, plan=plan), want)
    assert not run.has("cells/real-0/checkpoint")


def test_a_cell_that_was_stopped_before_any_checkpoint_begins_again(new_run):
    want = trained(new_run("whole"))
    run = new_run("stopped")
    run.append("cells/real-0/curve", {"epoch": 1})
    run.append("cells/real-0/coherence", {"step": 0})
    assert_same(trained(run), want)


def test_a_finished_cell_is_not_trained_again(new_run):
    run = new_run()
    want = trained(run)

    def never():
        raise AssertionError("this cell was done")

    assert_same(trained(run, never), want)


def test_what_a_cell_leaves(new_run):
    record, arrays, curve, looks = trained(new_run())
    assert record == {"epochs": 5, "steps": 20}
    assert [r["epoch"] for r in curve] == [1, 2, 3, 4, 5]
    assert [r["step"] for r in looks] == [0, 1, 2, 3, 4, 6, 8, 12, 16, 20]
    assert {r["m"] for r in looks} == {10}
    assert np.flatnonzero(arrays["held_out"]).tolist() == [0, 1, 2, 3]
    assert not arrays["representation_distance"][4:].any()
    assert arrays["representation_distance"][:4].all()
    assert not arrays["support"][:4].any()
    assert arrays["looks"].tolist() == [5]
    assert curve[0]["corrupt_accuracy"] is None


@pytest.mark.parametrize("lr", [1e4, 1e18])
def test_training_that_diverges_is_one_sentence_that_names_the_learning_rate(new_run, lr):
    plan = replace(PLAN, recipe=replace(PLAN.recipe, epochs=30, lr=lr))
    with pytest.raises(InputError, match=r"^`lr` must be small enough .* choose a smaller --lr\.$"):
        trained(new_run(), lambda: nn.Sequential(nn.Linear(3, 9), nn.Linear(9, 9), nn.Linear(9, 2)), plan)


def test_a_network_that_fails_in_training_is_one_sentence(new_run):
    class Moody(nn.Linear):
        def forward(self, x):
            if self.training:
                raise RuntimeError("not\nin the mood")
            return super().forward(x)

    with pytest.raises(
        InputError, match=r"^`model`: the network failed in training \(RuntimeError: not in the"
    ):
        trained(new_run(), lambda: Moody(3, 2))


def test_batch_normalisation_of_a_lone_last_example_says_which_option_helps(new_run):
    with pytest.raises(InputError, match=r"one example only: try another --batch\.$"):
        trained(new_run(), learn=np.arange(5, 24))  # 19 examples in batches of 6


def test_a_worker_ends_when_its_parent_is_gone(monkeypatch):
    left = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda status: left.set())
    monkeypatch.setattr(_cells, "_SECONDS_BETWEEN_LOOKS", 0.01)
    parent = os.getppid()
    for _ in range(3):
        _cells.end_with(parent)
    assert sum(thread.name == f"as long as {parent}" for thread in threading.enumerate()) == 1
    assert not left.wait(0.05)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert left.wait(5)


@pytest.mark.parametrize("jobs", [None, 1, 2])
def test_workers_share_the_cores(jobs):
    how = choose_workers(15, 1e6, jobs=jobs)
    assert how.jobs >= 1
    assert how.threads == 1  # small steps
    assert choose_workers(15, 1e12, jobs=jobs).threads >= 1
    assert choose_workers(15, 1e6, jobs=jobs, threads=3).threads == 3
    assert jobs is None or how.jobs == jobs
    assert choose_workers(1, 1e6).jobs == 1


def test_curves_tell_pristine_from_corrupt_labels(new_run):
    given, y = material()
    flipped = y.copy()
    flipped[[5, 6]] ^= 1
    run = new_run()
    train_cell(Cell("cells/a-0", flipped, np.arange(4, 24), 1), given, net, PLAN, run.path, threads=1)
    last, track = run.records("cells/a-0/curve")[-1], run.load("cells/a-0/track")[1]
    right = track["probability_last"].argmax(1) == flipped
    assert last["corrupt_accuracy"] == pytest.approx(right[[5, 6]].mean())
    assert last["train_accuracy"] == pytest.approx(right[4:].mean())
    assert last["held_out_accuracy"] == pytest.approx(right[:4].mean())
    assert not {"support", "representation_distance"} & track.keys()
    assert run.records("cells/a-0/coherence") == []


def test_a_chosen_seed_decides_everything(new_run):
    torch.manual_seed(1)
    first = trained(new_run("a"))
    torch.manual_seed(2)
    assert_same(trained(new_run("b")), first)
