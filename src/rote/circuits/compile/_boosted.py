"""Boosted trees of LightGBM and XGBoost, read by treelite, in whole numbers."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from rote.circuits.compile._forest import Forest, Tree
from rote.errors import InputError

_SMALLER, _AT_MOST = 2, 3  # treelite's comparisons x < t and x <= t
_BINARY, _CLASSES = 0, 2  # treelite's tasks


def read_boosted(model: Any, *, fraction: int = 16) -> Forest:  # noqa: ANN401 - its library may be absent
    """What boosted trees of LightGBM or XGBoost know, in whole numbers, for `compile_trees`.

    A tree adds its leaf's value to the margin of a class; values are rounded to fixed point. Each tree's
    values are moved up so that the least is 0, and what that takes is in the forest's ``start``. Of two
    classes the first has the margin 0.

    Args:
        model: A file that LightGBM (``.txt``) or XGBoost (``.json``, ``.ubj``) saved, a booster or a
            classifier of theirs, or a treelite model; learnt from whole numbers.
        fraction: Bits behind the point of the leaves' values.

    Returns:
        The trees; compile them with enough ``count_bits`` for the largest value times ``2^fraction``.

    Raises:
        InputError: If treelite is not installed, the model is none of these or does not choose among classes,
            or its features were no whole numbers.

    Example:
        >>> read_boosted("nowhere.json")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        rote.errors.InputError: ...
    """
    if not 0 <= fraction <= 32:
        raise InputError(f"`fraction` must be 0 to 32. Got {fraction}.")
    loaded = _loaded(model)
    header = loaded.get_header_accessor()
    task, margins = int(header.get_field("task_type")[0]), int(header.get_field("num_class")[0])
    plain = (
        header.get_field("leaf_vector_shape").tolist() == [1, 1] and header.get_field("num_target")[0] == 1
    )
    if not plain or task not in (_BINARY, _CLASSES):
        raise InputError("`model` must choose among classes, one number a leaf: train a classifier.")
    first = int(margins == 1)  # two classes have one margin, that of the second
    base = np.zeros(first + margins)
    base[first:] = header.get_field("base_scores")
    if header.get_field("average_tree_output")[0]:
        base = base * loaded.num_tree
    trees = []
    start = np.rint(base * (1 << fraction)).astype(np.int64)
    for i, column in enumerate(header.get_field("class_id").tolist()):
        tree, least = _tree(loaded.get_tree_accessor(i), i, first + column, len(base), fraction)
        trees.append(tree)
        start[first + column] += least
    classes = np.asarray(getattr(model, "classes_", np.arange(len(base))))
    return Forest(tuple(trees), int(loaded.num_feature), classes, start)


def _tree(accessor: Any, number: int, column: int, columns: int, fraction: int) -> tuple[Tree, int]:  # noqa: ANN401
    """A tree whose least leaf is 0, and what its leaf was before."""
    left, right, comparison, threshold = (
        np.asarray(accessor.get_field(name)) for name in ("cleft", "cright", "cmp", "threshold")
    )
    leaf = left < 0
    strange = ~leaf & ~np.isin(comparison, (_SMALLER, _AT_MOST))
    if strange.any() or (accessor.get_field("node_type")[~leaf] != 1).any():
        raise InputError(
            f"`model`: tree {number} asks for a category, and only numbers are compiled: train without."
        )
    twice = 2 * threshold[~leaf].astype(np.float64)
    wrong = np.abs(twice - np.rint(twice)) > 1e-3
    if wrong.any():
        raise InputError(
            f"`model` must have been fitted on whole numbers, but tree {number} compares a feature with "
            f"{twice[wrong][0] / 2:.6g}: fit it on bytes, or on rounded multiples of the features."
        )
    cut = np.where(comparison == _SMALLER, np.ceil(threshold) - 1, np.floor(threshold))
    given = accessor.get_field("leaf_value").astype(np.float64)
    if not (np.abs(given) < 1 << 14).all():
        raise InputError(
            f"`model`: tree {number} has a leaf that is no number below {1 << 14}: train it again."
        )
    value = np.rint(given * (1 << fraction)).astype(np.int64)
    least = int(value[leaf].min())
    counts = np.zeros((len(leaf), columns), np.int64)
    counts[leaf, column] = value[leaf] - least
    tree = Tree(
        np.where(leaf, -1, accessor.get_field("split_index")).astype(np.int32),
        np.where(leaf, 0, np.clip(cut, -1, np.iinfo(np.int32).max)).astype(np.int32),
        left.astype(np.int32),
        right.astype(np.int32),
        counts,
    )
    return tree, least


def _loaded(model: Any) -> Any:  # noqa: ANN401
    """The model as treelite holds it."""
    try:
        import treelite
    except ImportError as error:
        raise InputError(
            "Boosted trees are read by treelite. Got an environment without: pip install 'rote[trees]'."
        ) from error
    if isinstance(model, treelite.Model):
        return model
    if isinstance(model, (str, Path)):
        return _from_file(treelite, Path(model))
    booster = getattr(model, "booster_", model)
    booster = booster.get_booster() if hasattr(booster, "get_booster") else booster
    kind = f"{type(booster).__module__}.{type(booster).__name__}"
    readers = {
        "lightgbm.basic.Booster": treelite.frontend.from_lightgbm,
        "xgboost.core.Booster": treelite.frontend.from_xgboost,
    }
    if kind not in readers:
        raise InputError(
            f"`model` must be a file, a booster or a fitted classifier of LightGBM or XGBoost. Got {kind}."
        )
    return readers[kind](booster)


def _from_file(treelite: Any, path: Path) -> Any:  # noqa: ANN401
    readers = {
        ".txt": treelite.frontend.load_lightgbm_model,
        ".json": treelite.frontend.load_xgboost_model,
        ".ubj": treelite.frontend.load_xgboost_model,
    }
    if path.suffix.lower() not in readers:
        raise InputError(f"`{path}` must end in .txt (LightGBM), .json or .ubj (XGBoost).")
    if not path.is_file():
        raise InputError(f"`{path}` is not there: check the path.")
    try:
        return readers[path.suffix.lower()](path)
    except (treelite.TreeliteError, ValueError, OSError) as error:
        reason = re.sub(
            r"\[[\d:]+\] \S+: ", "", " ".join(str(error).split())
        )  # the time, and treelite's own line
        raise InputError(f"`{path}` is no model of its kind ({reason:.160}): save it again.") from error
