"""Trees in a file: what comes back, and what is refused."""

import json
from contextlib import suppress

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from rote.circuits.compile import compile_trees, forest_counts, load_trees, read_trees, save_trees
from rote.errors import InputError


def a_forest(names=("ash", "birch", "cedar")):
    draw = np.random.default_rng(0)
    y = np.array(names)[draw.integers(0, len(names), 60)]
    return RandomForestClassifier(3, random_state=0).fit(draw.integers(0, 16, (60, 4)), y)


@pytest.mark.parametrize("names", [("ash", "birch", "cedar"), (3, 5), (False, True), (2.0, 7.0)])
def test_what_was_saved_comes_back(tmp_path, names):
    forest = a_forest(names)
    path = save_trees(forest, tmp_path / "forest.safetensors")
    again = load_trees(path)
    assert np.array_equal(again.classes, forest.classes_)
    assert again.classes.dtype == forest.classes_.dtype
    X = np.random.default_rng(1).integers(0, 16, (50, 4))
    assert np.array_equal(forest_counts(again, X), forest_counts(forest, X))
    one, other = compile_trees(again, bits=4), compile_trees(forest, bits=4)
    assert np.array_equal(one.fanins, other.fanins)
    assert save_trees(again, tmp_path / "again").read_bytes() == path.read_bytes()


def test_shares_are_kept(tmp_path):
    forest = a_forest()
    again = load_trees(save_trees(forest, tmp_path / "f", share=12))
    assert [tree.counts.max() for tree in again.trees] == [12, 12, 12]


def test_classes_that_are_objects_are_refused(tmp_path):
    forest = read_trees(DecisionTreeClassifier().fit([[1], [2]], [0, 1]))
    object.__setattr__(forest, "classes", np.array([object(), object()]))
    with pytest.raises(InputError, match="numbers, booleans or text"):
        save_trees(forest, tmp_path / "f")


def rewritten(path, change):
    """A saved file with other arrays or other text."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        text = json.loads(file.metadata()["rote"])
        arrays = {name: file.get_tensor(name).copy() for name in file.keys()}  # noqa: SIM118
    change(text, arrays)
    save_file(arrays, path, metadata={"rote": json.dumps(text)})


@pytest.mark.parametrize(
    "change",
    [
        lambda text, arrays: text.update(format="rote lut network 1"),
        lambda text, arrays: text.update(features=2),
        lambda text, arrays: text.update(features="2"),
        lambda text, arrays: text.update(classes=["ash"]),
        lambda text, arrays: text.update(dtype="<M8[s]"),
        lambda text, arrays: text.pop("classes"),
        lambda text, arrays: arrays.pop("left"),
        lambda text, arrays: arrays.update(left=arrays["left"][:-1]),
        lambda text, arrays: arrays.update(left=arrays["left"].astype(np.int64)),
        lambda text, arrays: arrays["left"].__setitem__(0, 0),
        lambda text, arrays: arrays["left"].__setitem__(0, -7),
        lambda text, arrays: arrays["right"].__setitem__(0, 1 << 30),
        lambda text, arrays: arrays["counts"].__setitem__(0, -1),
        lambda text, arrays: arrays["nodes"].__setitem__(0, 0),
        lambda text, arrays: arrays["nodes"].__setitem__(0, arrays["nodes"][0] + 1),
        lambda text, arrays: arrays.update(nodes=arrays["nodes"][:0]),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, change):
    path = save_trees(a_forest(), tmp_path / "forest.safetensors")
    rewritten(path, change)
    with pytest.raises(InputError, match=r"is damaged|and is none") as caught:
        load_trees(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_safetensors_are_refused(tmp_path):
    path = save_trees(a_forest(), tmp_path / "forest.safetensors")
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for cut in (0, 7, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            load_trees(path)
    for _ in range(60):
        broken = bytearray(whole)
        for at in draw.integers(0, len(whole), 3):
            broken[at] = draw.integers(256)
        path.write_bytes(broken)
        with suppress(InputError):  # and nothing else
            load_trees(path)
