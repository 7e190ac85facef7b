"""Decision trees and forests as gates."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Circuit, Literals
from rote.circuits._words import add, constant_word, extend
from rote.circuits.compile._forest import Tree, read_trees
from rote.circuits.compile._muxes import at_most, mux_tree
from rote.errors import InputError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from rote.circuits.compile._forest import Forest


def compile_trees(
    model: "BaseEstimator | Forest", *, bits: int = 8, count_bits: int = 16, share: int | None = None
) -> Circuit:
    """A decision tree or a forest as gates.

    Chatterjee and Mishchenko (2020), `Circuit-Based Intrinsic Methods to Detect Overfitting
    <https://proceedings.mlr.press/v119/chatterjee20a.html>`_, section 4: an inner node is a mux that a
    comparator with the threshold controls, a leaf the counts of its training examples by class, as constants;
    the trees' counts are added. Constants are propagated, common sub-expressions are left as they are.

    The class is the one of the largest word, the first of equals; it is found outside the circuit.
    `forest_counts` gives the same numbers without gates. A single tree answers as scikit-learn's ``predict``
    does. Of a forest scikit-learn averages the *shares* of the classes in the leaves, so that a leaf of one
    example has as much to say as one of a hundred; ``share`` does the same, up to rounding.

    Args:
        model: A fitted ``DecisionTreeClassifier``, ``RandomForestClassifier``, ``ExtraTreeClassifier`` or
            ``ExtraTreesClassifier`` of scikit-learn, or what `read_trees` or `load_trees` gave.
        bits: Features are whole numbers of so many bits, from 0.
        count_bits: Counts in a leaf are whole numbers of so many bits, from 0.
        share: Take each leaf's shares of the classes in units of ``1 / share`` instead of its counts.

    Returns:
        A circuit whose inputs are the features' bits, ``x0[0]`` (the lowest) … ``x0[7]``, ``x1[0]`` …, and
        whose outputs are one signed word a class, ``class0[0]`` ….

    Raises:
        InputError: If the model is another one, or its thresholds or counts need more bits.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> tree = DecisionTreeClassifier().fit([[3], [8], [9]], [0, 1, 1])
        >>> circuit = compile_trees(tree, bits=4)  # it asks whether x <= 5
        >>> circuit, circuit.outputs[:3]
        (Circuit(4 inputs, 6 outputs, 2 gates: 2 AND, 0 XOR), ('class0[0]', 'class0[1]', 'class0[2]'))
    """
    forest = read_trees(model, share=share)
    for number, tree in enumerate(forest.trees):
        _check(tree, number, bits, count_bits)
    build = Builder([f"x{i}[{k}]" for i in range(forest.features) for k in range(bits)])
    words = build.literals.reshape(forest.features, bits)
    return build.finish({f"class{c}": word for c, word in enumerate(_total(build, forest, words))})


def _total(build: Builder, forest: "Forest", words: Literals) -> Literals:
    """The sums of all trees as signed words, ``[classes, bits]``."""
    start = np.broadcast_to(forest.start, len(forest.classes))
    least, most = int(start.min()), int(start.max())
    signed = least < 0
    total = constant_word(start, max(1, least.bit_length(), most.bit_length()) + signed)
    for tree in forest.trees:
        most += int(tree.counts.max(initial=0))
        own, width = _counts(build, tree, words), max(total.shape[1], most.bit_length() + signed)
        total = add(build, extend(total, width, signed=signed), extend(own, width, signed=False))
    return extend(total, total.shape[1] + (not signed), signed=signed)


def _counts(build: Builder, tree: Tree, words: Literals) -> Literals:
    """A tree's counts, ``[classes, bits]`` literals, of features ``[features, bits]``."""
    width = int(tree.counts.max(initial=0)).bit_length()

    def goes_left(nodes: NDArray[np.int64]) -> Literals:
        return at_most(build, words[tree.feature[nodes]], tree.threshold[nodes].astype(np.int64))

    leaves = constant_word(tree.counts, width).reshape(len(tree.counts), -1)
    return mux_tree(build, tree.fronts(), tree.inner, leaves, goes_left).reshape(-1, width)


def _check(tree: Tree, number: int, bits: int, count_bits: int) -> None:
    cuts = tree.threshold[tree.inner]
    if cuts.size and not 0 <= cuts.min() <= cuts.max() < (1 << bits) - 1:
        wrong = int(cuts.max() if cuts.min() >= 0 else cuts.min())
        raise InputError(
            f"Features must be from 0 to {(1 << bits) - 1} with `bits={bits}`, but tree {number} asks "
            f"whether one is at most {wrong}: give more bits, or shift the features."
        )
    if (count := int(tree.counts.max(initial=0))) >= 1 << count_bits:
        raise InputError(
            f"`count_bits={count_bits}` holds counts below {1 << count_bits}, but tree {number} has a leaf "
            f"with {count}: give more bits."
        )
