"""Trees and forests as gates: the counts of an integer reference, the answers of scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from oracles.circuit_truth import all_examples, evaluate
from rote.circuits import Builder, answers, input_bits
from rote.circuits._words import constant_word
from rote.circuits.compile import Forest, Tree, compile_trees, forest_counts, read_trees
from rote.circuits.compile._muxes import at_most, choose, shannon
from rote.errors import InputError

MODELS = {
    "tree": DecisionTreeClassifier(random_state=0),
    "shallow": DecisionTreeClassifier(max_depth=2, random_state=0),
    "wide": DecisionTreeClassifier(max_leaf_nodes=9, random_state=0),
    "extra": ExtraTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(4, random_state=0),
    "paper": RandomForestClassifier(4, bootstrap=False, random_state=0),
    "stumps": RandomForestClassifier(7, max_depth=1, random_state=0),
    "extras": ExtraTreesClassifier(3, max_depth=4, random_state=0),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def some_data(seed=0, m=80, features=5, top=16, classes=3):
    draw = np.random.default_rng(seed)
    return draw.integers(0, top, (m, features)), draw.integers(0, classes, m)


def bits_of(X, bits):
    return (X[:, :, None] >> np.arange(bits) & 1).reshape(len(X), -1).astype(bool)


def words(circuit, x):
    """What the outputs ``class0[0]`` … say as numbers, ``[m, classes]``."""
    classes = 1 + max(int(name.split("[")[0].removeprefix("class")) for name in circuit.outputs)
    bits = evaluate(circuit, x).reshape(len(x), classes, -1).astype(int)
    weights = 1 << np.arange(bits.shape[2])
    weights[-1] *= -1
    return bits @ weights


@each_model
def test_words_are_the_sums_of_counts(model):
    X, y = some_data()
    model.fit(X, y)
    circuit = compile_trees(model, bits=4)
    new, _ = some_data(1, m=30)
    assert np.array_equal(words(circuit, bits_of(new, 4)), forest_counts(model, new))
    assert np.array_equal(
        answers(circuit, evaluate(circuit, bits_of(new, 4))), forest_counts(model, new).argmax(axis=1)
    )


@each_model
def test_with_shares_it_answers_as_scikit_learn_does(model):
    X, y = some_data(2)
    model.fit(X, y)
    new, _ = some_data(3, m=50)
    shares = forest_counts(read_trees(model, share=10**6), new) / 10**6
    assert np.allclose(shares / len(read_trees(model).trees), model.predict_proba(new), atol=1e-5)
    best = np.sort(model.predict_proba(new), axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-5
    circuit = compile_trees(model, bits=4, share=1 << 17, count_bits=18)
    said = model.classes_[words(circuit, bits_of(new[:20], 4)).argmax(axis=1)]
    assert np.array_equal(said[clear[:20]], model.predict(new[:20])[clear[:20]])


def test_one_tree_answers_as_scikit_learn_does_ties_included():
    X, y = some_data(4, m=200, features=2, top=4)
    names = np.array(["ash", "birch", "cedar"])[y]
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, names)
    every = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
    circuit = compile_trees(tree, bits=2)
    assert np.array_equal(
        tree.classes_[answers(circuit, evaluate(circuit, bits_of(every, 2)))], tree.predict(every)
    )


def test_bytes_are_read_pixel_by_pixel_lowest_bit_first():
    draw = np.random.default_rng(0)
    X = draw.integers(0, 256, (60, 3)).astype(np.uint8)
    forest = RandomForestClassifier(3, random_state=0).fit(X, draw.integers(0, 2, 60))
    circuit = compile_trees(forest)
    assert circuit.inputs[:9] == (*(f"x0[{k}]" for k in range(8)), "x1[0]")
    packed = input_bits(circuit, X)
    rows = np.unpackbits(packed.words.view(np.uint8), axis=1, count=60, bitorder="little").T
    assert np.array_equal(words(circuit, rows), forest_counts(forest, X))


def test_a_lone_leaf_is_constant():
    tree = DecisionTreeClassifier().fit([[3], [9]], [5, 5])
    circuit = compile_trees(tree)
    assert circuit.gates == 0
    assert words(circuit, np.zeros((1, 8), bool)).tolist() == [[2]]


def test_counts_of_many_trees_do_not_overflow():
    leaf = np.array([-1], np.int32)
    full = Tree(leaf, leaf, leaf, leaf, np.array([[65535, 0, 1]]))
    circuit = compile_trees(Forest((full,) * 9, 1, np.arange(3)))
    assert words(circuit, np.zeros((1, 8), bool)).tolist() == [[9 * 65535, 0, 9]]


def test_common_parts_are_not_shared():
    X, y = some_data(5)
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    one = read_trees(tree)
    twice = Forest(one.trees * 2, one.features, one.classes)
    assert compile_trees(twice, bits=4).gates >= 2 * compile_trees(one, bits=4).gates


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6).flatmap(lambda w: st.tuples(st.just(w), st.integers(-2, (1 << w) + 1))))
def test_at_most_is_a_comparison(case):
    width, constant = case
    build = Builder([f"b{k}" for k in range(width)])
    answer = at_most(build, build.literals[None], np.array([constant]))[0]
    circuit = build.finish({"f": answer})
    x = all_examples(width)
    assert np.array_equal(evaluate(circuit, x)[:, 0], x @ (1 << np.arange(width)) <= constant)
    clipped = min(max(constant, 0), (1 << width) - 1)
    ones = len(bin(clipped + 1)) - len(bin(clipped + 1).rstrip("0"))  # at the constant's low end
    assert circuit.gates == (0 if constant < 0 or ones >= width else width - 1 - ones)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 4), st.integers(1, 3), st.data())
def test_shannon_is_the_table(k, n, data):
    tables = np.array(
        data.draw(st.lists(st.integers(0, 7), min_size=n << k, max_size=n << k)), np.int64
    ).reshape(n, 1 << k)
    build = Builder([f"x{i}" for i in range(k)])
    rows = np.array(data.draw(st.permutations(range(k))) * n, int).reshape(n, k)
    found = shannon(build, build.literals[rows], constant_word(tables, 3))
    circuit = build.finish({f"t{i}": word for i, word in enumerate(found)})
    x = all_examples(k)
    out = evaluate(circuit, x).reshape(len(x), n, 3) @ (1 << np.arange(3))
    for i in range(n):
        assert np.array_equal(out[:, i], tables[i, x[:, rows[i]] @ (1 << np.arange(k))])


def test_equal_sides_need_no_mux():
    build = Builder(["s", "a", "b"])
    s, a, b = build.literals
    assert choose(build, s, np.array([a, a], np.uint32), np.array([a, b], np.uint32)).tolist()[0] == a
    assert build.gates == 3


def refused(model, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        compile_trees(model, **options)
    assert "\n" not in str(caught.value)


def test_refusals():
    X, y = some_data()
    refused(DecisionTreeClassifier(), "must be a fitted scikit-learn decision tree")
    refused(DecisionTreeRegressor().fit(X, y), "forest of classes. Got DecisionTreeRegressor")
    refused(GradientBoostingClassifier(n_estimators=2).fit(X, y), "GradientBoostingClassifier")
    refused(AdaBoostClassifier(n_estimators=2).fit(X, y), "AdaBoostClassifier, which boosts")
    refused(DecisionTreeClassifier().fit(X, np.stack([y, y], axis=1)), "several outputs")
    refused(DecisionTreeClassifier().fit(X / 16, y), "whole numbers, but tree 0 asks")
    refused(DecisionTreeClassifier().fit(X - 8, y), "at most -", bits=4)
    refused(DecisionTreeClassifier().fit(X, y), "with `bits=3`", bits=3)
    balanced = DecisionTreeClassifier(class_weight="balanced").fit(X, y)
    refused(balanced, "parts of examples", bits=4)
    assert compile_trees(balanced, bits=4, share=1).gates > 0
    refused(DecisionTreeClassifier(max_depth=1).fit(X, y), "`count_bits=4`", bits=4, count_bits=4)
    refused(balanced, "`share` must be at least 1", share=0)
    refused(read_trees(DecisionTreeClassifier().fit(X, y)), "where the trees were read", share=2)
    with pytest.raises(InputError, match=r"shape \[m, 5\]. Got \[3, 4\]"):
        forest_counts(DecisionTreeClassifier().fit(X, y), np.zeros((3, 4)))


def test_what_is_no_tree_is_refused():
    def tree(left, right):
        feature = np.array([0, 0, -1, -1, -1], np.int32)
        return Tree(
            feature, feature, np.array(left, np.int32), np.array(right, np.int32), np.zeros((5, 2), int)
        )

    assert tree([1, 3, 0, 0, 0], [2, 4, 0, 0, 0]).depth == 2
    for left, right in (
        ([1, 0, 0, 0, 0], [2, 4, 0, 0, 0]),  # a cycle
        ([1, 3, 0, 0, 0], [1, 4, 0, 0, 0]),  # one child twice
        ([1, 3, 0, 0, 0], [2, 2, 0, 0, 0]),  # a child of two
        ([1, 3, 0, 0, 0], [2, 5, 0, 0, 0]),  # not there
        ([2, 3, 0, 0, 0], [2, 4, 0, 0, 0]),
    ):
        with pytest.raises(InputError, match="A tree"):
            tree(left, right)
    with pytest.raises(InputError, match="a root that leads to every node"):
        Tree(*np.zeros((4, 0), np.int32), np.zeros((0, 2), int))


def test_forests_that_do_not_fit_their_trees_are_refused():
    stump = read_trees(DecisionTreeClassifier().fit([[3, 0], [8, 0]], [0, 1])).trees
    two = np.arange(2)
    assert Forest(stump, 1, two).features == 1
    for trees, features, classes, match in (
        ((), 1, two, "at least one tree"),
        (stump, 0, two, "Tree 0 asks about feature 0, but there are 0"),
        (stump, 1, np.arange(3), "Tree 0 must count 3 classes"),
    ):
        with pytest.raises(InputError, match=match):
            Forest(trees, features, classes)


def test_sums_may_start_below_zero():
    stump = read_trees(DecisionTreeClassifier().fit([[3], [8]], [0, 1])).trees
    forest = Forest(stump * 3, 1, np.arange(2), np.array([-5, 2]))
    every = np.arange(16)[:, None]
    found = words(compile_trees(forest, bits=4), bits_of(every, 4))
    assert np.array_equal(found, forest_counts(forest, every))
    assert found.min() == -5
    assert found.max() == 5
