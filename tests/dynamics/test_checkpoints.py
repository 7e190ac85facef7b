"""States by step: copies, files of every kind, and what is refused of them."""

import pickle

import pytest
import torch
from torch import nn

from rote.dynamics import Checkpoints, checkpoint_steps
from rote.dynamics._checkpoints import as_checkpoints, load
from rote.errors import InputError


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.b.weight = self.a.weight


@pytest.mark.parametrize("kept", ["memory", "folder"])
def test_what_is_recorded_is_a_copy(kept, tmp_path):
    model = Tied()
    checkpoints = Checkpoints(None if kept == "memory" else tmp_path / "new" / "folder")
    for step in (0, 10, 5):
        model.a.weight.data.fill_(step)
        checkpoints.add(step, model)
    model.a.weight.data.fill_(99)
    read = checkpoints if kept == "memory" else Checkpoints.read(tmp_path / "new" / "folder")
    assert read.steps == (0, 5, 10)
    assert len(read) == 3
    for step, state in read:
        assert state["b.weight"].unique().tolist() == [step]
        assert state["norm.num_batches_tracked"].dtype == torch.int64
        load(model, state, "x")
        assert torch.equal(read[step]["a.bias"], state["a.bias"])
    assert "steps 0 … 10" in repr(read)


def test_steps_are_read_from_paths(tmp_path):
    state = nn.Linear(1, 1).state_dict()
    torch.save(state, tmp_path / "epoch=3-step=1200.ckpt")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "at_7.pt")
    (tmp_path / "checkpoint-500").mkdir()
    torch.save(state, tmp_path / "checkpoint-500" / "pytorch_model.bin")
    found = Checkpoints.read(tmp_path)
    assert found.steps == (7, 500, 1200)
    assert all(torch.equal(s["weight"], state["weight"]) for _, s in found)
    only = Checkpoints(tmp_path)
    only.add(3, nn.Linear(1, 1))
    assert Checkpoints.read(tmp_path).steps == (3,)  # safetensors come first


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    (tmp_path / "1.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(InputError, match="holds tensors alone"):
        list(Checkpoints.read(tmp_path))
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"),
    [("1.safetensors", b""), ("1.safetensors", b"nonsense" * 9), ("1.pt", b""), ("1.pt", b"nonsense")],
)
def test_broken_files_are_refused_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}` must be a checkpoint") as caught:
        list(Checkpoints.read(tmp_path))
    assert "\n" not in str(caught.value)


def test_files_that_hold_something_else(tmp_path):
    torch.save([1, 2], tmp_path / "1.pt")
    with pytest.raises(InputError, match="state dict of tensors"):
        list(Checkpoints.read(tmp_path))


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "Got none"), (["model.pt"], "its step"), (["a-1.pt", "b-1.pt"], "two of step 1: .*a-1.pt.*b-1.pt")],
)
def test_folders_that_cannot_be_told_apart(tmp_path, names, words):
    for name in names:
        torch.save({}, tmp_path / name)
    with pytest.raises(InputError, match=words):
        Checkpoints.read(tmp_path)


def test_what_is_given_is_checked():
    state = nn.Linear(1, 1).state_dict()
    with pytest.raises(InputError, match="at least one"):
        as_checkpoints([])
    with pytest.raises(InputError, match="same ones for steps 3 and 9"):
        as_checkpoints([(3, state), (9, dict(state))])
    with pytest.raises(InputError, match="two of step 3"):
        as_checkpoints([(3, state), (3, state)])
    live = Checkpoints()
    live.add(1, nn.Linear(1, 1))
    for step in (1, -1):
        with pytest.raises(InputError, match="`step` must be a new one"):
            live.add(step, nn.Linear(1, 1))
    with pytest.raises(InputError, match=r"one of \[1\]. Got 2"):
        live[2]


def test_steps_are_dense_early_then_even():
    steps = checkpoint_steps(5000)
    assert (steps[0], steps[-1]) == (0, 5000)
    assert list(steps) == sorted(set(steps))
    assert set(range(0, 5001, 500)) <= set(steps)
    assert len([step for step in steps if step <= 100]) >= 6
    assert checkpoint_steps(1) == (0, 1)
    with pytest.raises(InputError, match="total=0"):
        checkpoint_steps(0)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"weight": torch.zeros(1, 1)}, "none of 'bias'"),
        ({"weight": torch.zeros(1, 1), "bias": torch.zeros(1), "x": torch.zeros(1)}, "'x', which the model"),
        ({"weight": torch.zeros(2, 1), "bias": torch.zeros(1)}, r"\(2, 1\) for 'weight', which is \(1, 1\)"),
        ({"x": torch.zeros(1)}, "none of 'weight' but 'x'"),
    ],
)
def test_a_state_must_fit(state, words):
    with pytest.raises(InputError, match=words):
        load(nn.Linear(1, 1), state, "It")
