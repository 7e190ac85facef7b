"""Trees in one safetensors file: arrays, and JSON beside them; nothing in it is executed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rote.circuits.compile._forest import Forest, Tree, read_trees
from rote.errors import InputError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

_FORMAT = "rote trees 1"
_PARTS = ("feature", "threshold", "left", "right", "counts")


def save_trees(model: "BaseEstimator | Forest", path: str | Path, *, share: int | None = None) -> Path:
    """Write what `compile_trees` needs of a fitted tree or forest to a file.

    Args:
        model: A model that `read_trees` reads, or what it gave.
        path: Where to.
        share: As for `read_trees`.

    Returns:
        The path.

    Raises:
        InputError: If the model is another one, or its classes are neither numbers nor text.

    Example:
        >>> import tempfile
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> tree = DecisionTreeClassifier().fit([[3], [8]], ["dark", "bright"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load_trees(save_trees(tree, Path(folder) / "tree.safetensors"))
        Forest(1 tree, 3 nodes, 1 feature, 2 classes)
    """
    from safetensors.numpy import save_file

    forest = read_trees(model, share=share)
    classes = forest.classes
    if classes.dtype.kind not in "biufU" and not all(isinstance(name, str) for name in classes):
        raise InputError(f"`classes_` must be numbers, booleans or text to be saved. Got {classes.dtype}.")
    arrays = {name: np.concatenate([getattr(tree, name) for tree in forest.trees]) for name in _PARTS}
    arrays["nodes"] = np.array([len(tree.feature) for tree in forest.trees], np.int64)
    arrays["start"] = np.array(np.broadcast_to(forest.start, len(classes)), np.int64)
    text = {
        "format": _FORMAT,
        "features": forest.features,
        "classes": classes.tolist(),
        "dtype": classes.dtype.str,
    }
    save_file(arrays, str(path), metadata={"rote": json.dumps(text)})
    return Path(path)


def load_trees(path: str | Path) -> Forest:
    """Read what `save_trees` wrote.

    Raises:
        InputError: If the file is absent, damaged, or none of ours.

    Example:
        >>> load_trees("nowhere.safetensors")
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `nowhere.safetensors` is not there: check the path.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InputError(f"`{path}` is not there: check the path.")
    try:
        with safe_open(str(path), "numpy") as file:
            text = json.loads((file.metadata() or {}).get("rote", "{}"))
            if text.get("format") != _FORMAT:
                raise InputError(f"`{path}` must be trees saved by save_trees, and is none.")
            arrays = {name: file.get_tensor(name) for name in (*_PARTS, "nodes", "start")}
        return _rebuilt(text, arrays)
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        if isinstance(error, InputError) and f"`{path}`" in str(error):
            raise
        raise InputError(
            f"`{path}` is damaged ({type(error).__name__}: {error!s:.120}): save the trees again."
        ) from error


def _rebuilt(text: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Forest:
    classes = np.array(text["classes"], np.dtype(text["dtype"]))
    features, nodes, start = text["features"], arrays["nodes"], arrays["start"]
    total = len(arrays["feature"])
    for name in _PARTS:
        kind, shape = (np.int64, (total, len(classes))) if name == "counts" else (np.int32, (total,))
        if arrays[name].dtype != kind or arrays[name].shape != shape:
            raise ValueError(f"`{name}` is of another size or type")
    if nodes.dtype != np.int64 or nodes.ndim != 1 or (nodes < 1).any() or int(nodes.sum()) != total:
        raise ValueError("trees and nodes disagree")
    if not isinstance(features, int) or classes.ndim != 1:
        raise ValueError("features or classes are of another type")
    if start.dtype != np.int64 or start.shape != (len(classes),):
        raise ValueError("there is not a sum for each class")
    if (np.abs(start) >= 1 << 48).any() or (total and int(arrays["counts"].max()) >= 1 << 48):
        raise ValueError("a number is too large")
    ends = np.cumsum(nodes)
    trees = [
        Tree(*(arrays[name][end - count : end] for name in _PARTS))
        for count, end in zip(nodes.tolist(), ends.tolist(), strict=True)
    ]
    return Forest(tuple(trees), features, classes, start)
