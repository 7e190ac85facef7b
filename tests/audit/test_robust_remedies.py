"""Remedies that train with robust gradients: how strong, which steps they take, and where they cannot."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rote.audit import Plan, _cell
from rote.audit._cell import Cell, Material, train_cell
from rote.audit._remedies import Tried, remedy_cells, remedy_records, why_not_possible
from rote.audit._robust import level, robust, why_not
from rote.learners import Recipe
from rote.learners._train import batches
from rote.runs import RunFolder

pytestmark = pytest.mark.usefixtures("warm")
PLAN = Plan(recipe=Recipe(epochs=4, batch=7, momentum=0.8), runs=2)
NAMES = ("winsorize", "median")
each = pytest.mark.parametrize("name", NAMES)


@given(st.integers(1, 2000), st.integers(2, 200))
def test_levels_leave_something_between_them_and_never_silence_a_large_class(m, classes):
    c = level(m, classes)
    assert 2 * c < m
    assert (c == 0) == (m < 3)
    assert c <= max(1, m / classes / 3)
    robust("winsorize", classes).choose(m).check(m)
    robust("median", classes).choose(m).check(m)


@each
def test_what_a_cell_trains_with_reaches_other_processes(name):
    assert pickle.loads(pickle.dumps(robust(name, 5))).choose(40) == robust(name, 5).choose(40)


def material(m=26, d=3):
    rng = np.random.default_rng(0)
    y = np.arange(m) % 2
    x = (rng.normal(size=(m, d)) + y[:, None]).astype(np.float32)
    return Material(x, x[:6] + 1, y[:6], y, 2, "cpu")


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def cells_of(name):
    real = [Cell("cells/real-0", np.arange(26) % 2, np.arange(4, 26), 7, True, True, True)]
    nobody = np.zeros(26, bool)
    return remedy_cells(name, real, nobody, np.zeros(26, np.int64), 2)


def by_hand(name, seed=7):
    """Probabilities after training with one backward pass for each example, and NumPy."""
    given, (cell,) = material(), cells_of(name)
    x, y = torch.from_numpy(given.x), torch.from_numpy(cell.y)
    torch.manual_seed(seed)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=PLAN.recipe.lr, momentum=PLAN.recipe.momentum)
    for epoch in range(PLAN.recipe.epochs):
        for index in batches(len(cell.learn), PLAN.recipe.batch, seed=seed, epoch=epoch):
            rows = [torch.from_numpy(cell.learn)[i : i + 1] for i in index]
            gradients = []
            for row in rows:
                loss = nn.functional.cross_entropy(model(x[row]), y[row])
                gradients.append([g.numpy() for g in torch.autograd.grad(loss, list(model.parameters()))])
            for p, values in zip(model.parameters(), zip(*gradients, strict=True), strict=True):
                p.grad = torch.from_numpy(mean_by_hand(name, np.stack(values)))
            optimizer.step()
    with torch.no_grad():
        return model(x).softmax(1).numpy()


def mean_by_hand(name, rows):
    if name == "median":
        parts = np.array_split(rows, min(3, len(rows)))
        return np.median([part.mean(0) for part in parts], axis=0).astype(np.float32)
    c = {7: 1, 1: 0}[len(rows)]  # 22 examples learned from: three batches of 7 and one of 1
    ranked = np.sort(rows, axis=0)
    return np.clip(rows, ranked[c], ranked[len(rows) - 1 - c]).mean(0)


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


def trained(run, cell):
    train_cell(cell, material(), net, PLAN, run.path, threads=1)
    return run.load(f"{cell.name}/track")[1], run.records(f"{cell.name}/curve")


@each
def test_a_remedy_takes_the_steps_by_definition_and_as_many_as_its_pair(new_run, name):
    run, (cell,) = new_run(), cells_of(name)
    track, curve = trained(run, cell)
    np.testing.assert_allclose(track["probability_last"], by_hand(name), atol=2e-5)
    plain, its_curve = trained(run, replace(cell, name="cells/real-0", aggregate=None))
    assert [r["step"] for r in curve] == [r["step"] for r in its_curve] == [4, 8, 12, 16]
    assert np.abs(track["probability_last"] - plain["probability_last"]).max() > 1e-3


@each
def test_a_remedy_that_was_stopped_ends_as_if_it_had_not(new_run, monkeypatch, name):
    (cell,) = cells_of(name)
    want, want_curve = trained(new_run("whole"), cell)
    run, epoch = new_run("stopped"), _cell._Training._epoch
    monkeypatch.setattr(_cell, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)

    def stops(training):
        if training.progress.epoch == 2:
            raise KeyboardInterrupt
        epoch(training)

    with monkeypatch.context() as patch:
        patch.setattr(_cell._Training, "_epoch", stops)
        with pytest.raises(KeyboardInterrupt):
            trained(run, cell)
    found, curve = trained(run, cell)
    assert curve == want_curve
    for field, values in want.items():
        np.testing.assert_array_equal(found[field], values, err_msg=field)


@each
def test_cells_are_pairs_of_the_real_runs_without_their_measurements(name):
    (cell,) = cells_of(name)
    assert (cell.name, cell.seed) == (f"cells/{name}-0", 7)
    assert cell.aggregate.choose(60) == robust(name, 2).choose(60)
    assert (cell.coherence, cell.support, cell.neighbours) == (False, False, False)
    assert cell.learn.tolist() == list(range(4, 26))


@each
@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)),
            "Not possible here: layer `1` (BatchNorm1d) takes statistics over the batch, so single examples "
            "have no gradient of their own; with nn.GroupNorm in its place they have.",
        ),
        (net(), ""),
    ],
    ids=["batch norm", "plain"],
)
def test_whether_a_network_allows_it(name, model, said):
    model = copy.deepcopy(model)
    x, y = torch.randn(9, 3), torch.arange(9) % 2
    assert why_not(model.eval(), x, y, robust(name, 2)) == said


class Bare(nn.Module):
    """A bare parameter, for which the model is run again by example; it does what ``forward`` is told."""

    def __init__(self, forward):
        super().__init__()
        self.w, self.how = nn.Parameter(torch.randn(3, 2)), forward

    def forward(self, x):
        return self.how(x @ self.w)


def centred(h):
    return h - h.mean(0)


def never_alone(h):
    if len(h) < 9:
        raise RuntimeError("not\nalone")
    return h.tanh()


@each
@pytest.mark.parametrize(("how", "why"), [(centred, "does not add up"), (never_alone, "must be run again")])
def test_networks_whose_examples_cannot_be_told_apart_are_excused_in_one_sentence(name, how, why):
    said = why_not(Bare(how), torch.randn(9, 3), torch.arange(9) % 2, robust(name, 2))
    assert said.startswith("Not possible here: ")
    assert why in said
    assert "\n" not in said


def test_whether_a_recipe_allows_it():
    tiny = replace(PLAN, recipe=replace(PLAN.recipe, batch=2))
    said = why_not_possible(cells_of("median"), material(), net, tiny)
    assert said == "Not possible here: it takes batches of at least 3; choose a larger --batch."
    assert why_not_possible(cells_of("median"), material(), net, PLAN) == ""
    assert why_not_possible(cells_of("relabel"), material(), net, tiny) == ""
    assert why_not_possible([], material(), net, tiny) == ""
    empty = [replace(cells_of("median")[0], learn=np.arange(0))]
    assert "is a suspect." in why_not_possible(empty, material(), net, PLAN)


def curves(*ends):
    keys = ("test_accuracy", "train_accuracy", "held_out_accuracy")
    return [[dict(zip(keys, end, strict=True), epoch=1, step=9)] for end in ends]


REAL = curves((0.80, 1.0, 0.70), (0.82, 1.0, 0.72))


def said_of(tried):
    records = remedy_records(REAL, 5, tried, chance=0.1, batch=64, classes=10)
    return {r["name"]: (r["ran"], r["sentence"]) for r in records}


def test_the_page_says_the_level_and_what_becomes_of_memorising():
    better = curves((0.85, 0.88, 0.79), (0.87, 0.90, 0.81))
    said = said_of(Tried(("winsorize", "median"), {"winsorize": better, "median": better}))
    rest = "Memorised labels: 32.2 % without it, 10.0 % with it, -22.2 points (-36.3 to -8.1)."
    helps = "It helps: +5.0 points of test accuracy (+5.0 to +5.0)."
    assert said["winsorize"] == (True, f"{helps} Level 1 in batches of 64. {rest}")
    assert said["median"] == (True, f"{helps} 3 groups in batches of 64. {rest}")


def test_what_was_not_tried_says_what_it_would_take_and_what_cannot_be_says_why():
    said = said_of(Tried(("median",), {}, {"median": "Not possible here: no."}))
    assert said["winsorize"] == (False, "Not tried. It would train 2 more networks, with slower steps.")
    assert said["median"] == (False, "Not possible here: no.")
    assert said["relabel"] == (False, "Not tried.")
