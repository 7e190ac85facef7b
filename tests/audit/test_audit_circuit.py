"""The audited network as a circuit: what is compiled, what its curve says, and that it is asked for once."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rote._audit import write_pages
from rote.audit import Plan, run_audit
from rote.audit._cells import step_operations
from rote.audit._circuit import _kept, _smaller, choose_subject
from rote.circuits import Builder
from rote.data import Dataset, split
from rote.learners import Recipe, cnn, mlp

PLAN = Plan(recipe=Recipe(epochs=8, batch=32, lr=0.1), runs=3, probe=40)


def small():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


def bent():
    """A small network with what has no gates."""
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))


def images(side, m=60, channels=1):
    X = np.random.default_rng(0).integers(0, 256, (m, channels, side, side), dtype=np.uint8)
    y = np.arange(m) % 2
    return split(Dataset("noise", X, y, np.arange(m), ("a", "b")))


def run(splits, out, model=small, plan=PLAN, **options):
    found = run_audit(model, splits, plan=plan, out=out, workers=(1, 1), write=write_pages, **options)
    json.dumps(found.report, allow_nan=False)
    return found


def test_a_small_network_is_compiled_itself(blobs):
    chosen = choose_subject(small(), small, blobs(), PLAN)
    assert (chosen.own, chosen.words) == (True, "The network of the first run was compiled.")


def test_what_has_no_gates_gets_a_narrow_one_in_its_place(blobs):
    chosen = choose_subject(bent(), bent, blobs(), PLAN)
    assert not chosen.own
    assert chosen.words.startswith("The network itself cannot be compiled (")
    assert chosen.words.endswith("a narrow one, three hidden layers of 64, was trained on the same labels.")


@pytest.mark.parametrize(
    ("side", "channels", "epochs", "words"),
    [
        (8, 1, 8, "three hidden layers of 48, was trained on the same labels."),
        (28, 1, 8, "three hidden layers of 32, was trained on the same labels and images of 14 × 14 pixels."),
        (
            28,
            1,
            10**6,
            "three hidden layers of 48, was trained on the same labels and images of 14 × 14 pixels.",
        ),
        (100, 3, 8, "three hidden layers of 24, was trained on the same labels and images of 9 × 9 pixels."),
    ],
)
def test_a_large_network_gets_the_widest_that_is_small_enough(side, channels, epochs, words):
    splits = images(side, channels=channels)
    made = (cnn if side >= 16 else mlp)((channels, side, side), 2)
    plan = replace(PLAN, recipe=replace(PLAN.recipe, epochs=epochs))
    chosen = choose_subject(made, lambda: made, splits, plan)
    assert chosen.words.startswith("The network itself would be about ")
    assert chosen.words.endswith(words)
    narrow = chosen.factory(chosen.x.shape[1:], 2)
    example = torch.zeros(2, *chosen.x.shape[1:])
    assert step_operations(narrow, example, batch=1) / 6 <= (20_000 if epochs > 8 else 9_000)
    assert chosen.test_x.shape[1:] == chosen.x.shape[1:]


def test_examples_with_too_many_features_are_left_alone():
    X = np.zeros((60, 5000), np.float32)
    wide = split(Dataset("wide", X, np.arange(60) % 2, np.arange(60), ("a", "b")))
    chosen = choose_subject(mlp((5000,), 2), mlp, wide, PLAN)
    assert chosen.endswith("and so would be a narrow one in its place: an example has too many features.")


def test_smaller_images_are_means_of_blocks():
    X = np.arange(2 * 1 * 31 * 24, dtype=np.float32).reshape(2, 1, 31, 24)
    small_ones = _smaller(X)
    assert small_ones.shape == (2, 1, 15, 12)
    assert small_ones[0, 0, 0, 0] == X[0, 0, :2, :2].mean()
    assert _smaller(X[:, :, :16, :16]).shape == (2, 1, 16, 16)


def test_what_is_kept_is_a_share_of_what_is_above_chance():
    build = Builder(["a", "b"])
    circuit = build.finish({"f": build.and_(2, 4)})
    X = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
    found = circuit.counterfactual(X, X.all(axis=1))
    assert _kept(found, 0.5) == [0.5]
    assert _kept(found, 0.75) == [0.0]
    assert _kept(found, 0.97) is None


@pytest.mark.slow
def test_the_curves_of_given_labels_and_control(blobs, tmp_path):
    report = run(blobs(), tmp_path / "run").report
    circuit = report["circuit"]
    assert (circuit["why_not"], circuit["own"]) == (None, True)
    for kind in ("real", "control"):
        found = circuit[kind]
        assert found["examples"] == found["learned_from"] == 80
        assert found["limits"] == [1, 2, 4, 8, 16, 32]
        assert found["wrong"] + found["never"] + sum(found["least_support"]) == 80
        assert abs(found["network_accuracy"] - found["baseline"]) < 0.1
        assert found["gates"] > 1000
    curve = report["curves"]["real"][0][-1]
    assert circuit["real"]["network_accuracy"] == pytest.approx(curve["train_accuracy"])
    assert circuit["real"]["at"] == 1
    assert "gates, in whole numbers of 8 and 16 bits" in circuit["sentences"][0]
    assert report["cost"]["networks"] == 9


@pytest.mark.slow
def test_a_narrow_network_is_trained_beside_the_others(blobs, tmp_path):
    report = run(blobs(), tmp_path / "run", model=bent).report
    circuit = report["circuit"]
    assert not circuit["own"]
    assert "Tanh" in circuit["words"]
    assert circuit["real"]["network_accuracy"] > 0.9
    assert report["cost"]["networks"] == 11
    assert report["cost"]["steps"] == 11 * 8 * 3


@pytest.mark.slow
def test_a_circuit_can_be_left_out_and_added_later(blobs, tmp_path):
    without = replace(PLAN, circuit=False)
    assert run(blobs(), tmp_path / "run", plan=without).report["circuit"] is None
    assert run(blobs(), tmp_path / "run", plan=without).reused
    added = run(blobs(), tmp_path / "run")
    assert not added.reused
    assert run(blobs(), tmp_path / "run").reused
    assert run(blobs(), tmp_path / "run", plan=without).reused
    more = run(blobs(), tmp_path / "run", plan=without, tries=("early-stop",)).report
    whole = run(blobs(), tmp_path / "whole").report
    assert added.report["circuit"] == whole["circuit"] == more["circuit"]


@pytest.mark.slow
def test_networks_trained_before_their_weights_were_kept_are_not_trained_again(blobs, tmp_path):
    run(blobs(), tmp_path / "run", plan=replace(PLAN, circuit=False))
    for file in (tmp_path / "run" / "records" / "cells" / "control-0").glob("weights*"):
        file.unlink()
    circuit = run(blobs(), tmp_path / "run").report["circuit"]
    assert circuit == {"why_not": "Its weights were not kept when it was trained: choose another --out."}
