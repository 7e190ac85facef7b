"""Decision trees as arrays of whole numbers: what compiling needs of them, and what they count."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.errors import InputError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


@dataclass(frozen=True, eq=False)
class Tree:
    """A decision tree on whole numbers.

    Attributes:
        feature: What each node asks about, −1 at leaves; shape ``[nodes]``, int32. Node 0 is the root.
        threshold: An example whose feature is at most this goes left; shape ``[nodes]``, int32.
        left: The left child of each inner node, shape ``[nodes]``, int32.
        right: The right one.
        counts: The training examples of each class in each leaf, shape ``[nodes, classes]``, int64; 0 at
            inner nodes.

    Raises:
        InputError: If it is no tree.

    Example:
        >>> stump = Tree(*np.array([[0, -1, -1], [9, 0, 0], [1, 0, 0], [2, 0, 0]], np.int32),
        ...              np.array([[0, 0], [5, 1], [0, 4]]))
        >>> stump.depth, stump.leaf(np.array([[9], [10]])).tolist()
        (1, [1, 2])
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.fronts()

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Which nodes ask something, shape ``[nodes]``."""
        return self.feature >= 0

    @property
    def depth(self) -> int:
        """The most questions on a way to a leaf."""
        return len(self.fronts()) - 1

    def fronts(self) -> list[NDArray[np.int64]]:
        """The nodes of each depth, the root first: all left children, then all right ones.

        Example:
            >>> leaf = np.array([-1], np.int32)
            >>> [front.tolist() for front in Tree(leaf, leaf, leaf, leaf, np.ones((1, 2), int)).fronts()]
            [[0]]
        """
        nodes = len(self.feature)
        inner = self.inner
        seen = np.zeros(nodes, np.bool_)
        fronts = [np.zeros(min(nodes, 1), np.int64)]
        while fronts[-1].size:
            front = fronts[-1]
            if seen[front].any():
                raise InputError(
                    f"A tree's node must be the child of one other. Node {front[seen[front]][0]} is that of "
                    f"more."
                )
            seen[front] = True
            asks = front[inner[front]]
            below = np.concatenate([self.left[asks], self.right[asks]]).astype(np.int64)
            if below.size and not 0 <= below.min() <= below.max() < nodes:
                raise InputError(f"A tree's children must be nodes 0 … {nodes - 1}. Got {below.max()}.")
            if len(np.unique(below)) < len(below):
                raise InputError("A tree's node must be the child of one other. One is the child of two.")
            fronts.append(below)
        if not seen.all() or not nodes:
            raise InputError(f"A tree must have a root that leads to every node. Got {nodes} nodes.")
        return fronts[:-1]

    def leaf(self, X: NDArray[Any]) -> NDArray[np.int64]:
        """The leaf that each example ``X [m, features]`` comes to, ``[m]``."""
        at = np.zeros(len(X), np.int64)
        going = np.arange(len(X))
        while (going := going[self.inner[at[going]]]).size:
            node = at[going]
            left = X[going, self.feature[node]] <= self.threshold[node]
            at[going] = np.where(left, self.left[node], self.right[node])
        return at


@dataclass(frozen=True, eq=False)
class Forest:
    """Decision trees whose leaves' counts are added, class by class; the largest sum wins.

    Attributes:
        trees: The trees.
        features: How many features an example has.
        classes: What the classes are called, shape ``[classes]``, sorted.
        start: What the sums start from, shape ``[classes]``, int64; one for all, 0, unless given.

    Raises:
        InputError: If there is no tree, or one asks or counts what is not there.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> read_trees(DecisionTreeClassifier().fit([[3], [8]], ["a", "b"]))
        Forest(1 tree, 3 nodes, 1 feature, 2 classes)
    """

    trees: tuple[Tree, ...]
    features: int
    classes: NDArray[Any]
    start: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))

    def __post_init__(self) -> None:
        if not self.trees:
            raise InputError("A forest must have at least one tree. Got none.")
        for number, tree in enumerate(self.trees):
            if int(tree.feature.max()) >= self.features:
                raise InputError(
                    f"Tree {number} asks about feature {int(tree.feature.max())}, but there are "
                    f"{self.features}, from 0."
                )
            if tree.counts.shape != (len(tree.feature), len(self.classes)) or int(tree.counts.min()) < 0:
                raise InputError(f"Tree {number} must count {len(self.classes)} classes, from 0.")

    def __repr__(self) -> str:
        parts = [(len(self.trees), "tree"), (sum(len(t.feature) for t in self.trees), "node")]
        parts += [(self.features, "feature")]
        words = [f"{n:,} {word}" if n == 1 else f"{n:,} {word}s" for n, word in parts]
        return f"Forest({', '.join(words)}, {len(self.classes)} classes)"


def read_trees(model: "BaseEstimator | Forest", *, share: int | None = None) -> Forest:
    """What a fitted scikit-learn tree or forest of classes knows, in whole numbers.

    Args:
        model: ``DecisionTreeClassifier``, ``RandomForestClassifier``, ``ExtraTreeClassifier`` or
            ``ExtraTreesClassifier``, fitted on whole numbers; thresholds are rounded down.
        share: None: leaves hold how many training examples of each class they have, as in Chatterjee and
            Mishchenko (2020). Else the shares of the classes, which scikit-learn averages, in units of
            ``1 / share``, rounded.

    Raises:
        InputError: If it is another model, is not fitted, or its counts are no whole numbers.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> read_trees(DecisionTreeClassifier().fit([[3], [8], [9]], [0, 1, 1])).trees[0].counts.tolist()
        [[0, 0], [1, 0], [0, 2]]
    """
    if isinstance(model, Forest):
        if share is not None:
            raise InputError("`share` is for scikit-learn's models: give it where the trees were read.")
        return model
    found: Sequence[Any] = getattr(model, "estimators_", [model])
    classes = getattr(model, "classes_", None)
    if classes is None or len(found) == 0 or not all(hasattr(each, "tree_") for each in found):
        raise InputError(
            f"`model` must be a fitted scikit-learn decision tree or forest of classes. "
            f"Got {type(model).__name__}."
        )
    if isinstance(classes, list):
        raise InputError("`model` must answer one question. It has several outputs: fit one for each.")
    if hasattr(model, "init_") or hasattr(model, "estimator_weights_"):
        raise InputError(f"`model` must weigh its trees alike. Got {type(model).__name__}, which boosts.")
    if share is not None and share < 1:
        raise InputError(f"`share` must be at least 1. Got {share}.")
    for i, each in enumerate(found):
        _check_whole(each, i)
    trees = tuple(_read(each, i, share) for i, each in enumerate(found))
    return Forest(trees, int(model.n_features_in_), np.asarray(classes))


def _check_whole(estimator: "BaseEstimator", number: int) -> None:
    """Refuse a tree learnt from fractions; one that draws its thresholds cannot be told."""
    twice = 2 * estimator.tree_.threshold[estimator.tree_.children_left >= 0]
    if getattr(estimator, "splitter", "best") == "best" and (twice != np.floor(twice)).any():
        cut = float(twice[twice != np.floor(twice)][0]) / 2
        raise InputError(
            f"`model` must have been fitted on whole numbers, but tree {number} asks whether a feature is at "
            f"most {cut:.6g}: fit it on bytes, or on rounded multiples of the features."
        )


def _read(estimator: "BaseEstimator", number: int, share: int | None) -> Tree:
    """One of scikit-learn's trees; since version 1.3 its values are shares of the node's weight."""
    tree = estimator.tree_
    weight = np.ones(tree.node_count) * share if share else tree.weighted_n_node_samples
    exact = tree.value[:, 0, :] * weight[:, None]
    counts = np.rint(exact).astype(np.int64)
    if not share and (np.abs(exact - counts) > 1e-6 * np.maximum(1, weight[:, None])).any():
        raise InputError(
            f"`model`: tree {number} has leaves with parts of examples (class weights or sample weights?): "
            f"fit it with whole weights, or give `share`."
        )
    leaf = tree.children_left < 0
    counts[~leaf] = 0
    cut = np.clip(np.floor(tree.threshold), -1, np.iinfo(np.int32).max)
    return Tree(
        np.where(leaf, -1, tree.feature).astype(np.int32),
        np.where(leaf, 0, cut).astype(np.int32),
        tree.children_left.astype(np.int32),
        tree.children_right.astype(np.int32),
        counts,
    )


def forest_counts(forest: "BaseEstimator | Forest", X: ArrayLike) -> NDArray[np.int64]:
    """The sums of the leaves' counts, in plain integers: what `compile_trees` makes gates of.

    Args:
        forest: A `Forest`, or a model that `read_trees` reads.
        X: Whole numbers, shape ``[m, features]``.

    Returns:
        Shape ``[m, classes]``; the class is the largest's, the first of equals.

    Raises:
        InputError: If there are not so many features.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> tree = DecisionTreeClassifier().fit([[3], [8], [9]], [0, 1, 1])
        >>> forest_counts(tree, [[0], [6]]).tolist()
        [[1, 0], [0, 2]]
    """
    known = read_trees(forest)
    rows = np.asarray(X)
    if rows.ndim != 2 or rows.shape[1] != known.features:
        raise InputError(f"`X` must be of shape [m, {known.features}]. Got {list(rows.shape)}.")
    sums = np.zeros((len(rows), len(known.classes)), np.int64) + known.start
    for tree in known.trees:
        sums += tree.counts[tree.leaf(rows)]
    return sums
