"""The learner agrees, bit for bit, with dictionaries that look at one example at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import luts as oracle
from rote._native import _loops, pack_bits, pack_columns
from rote.luts import LayerRecord, LUTNetworkClassifier
from rote.luts._counting import Examples, Weighing
from rote.luts._layer import Layer, count_votes, layer_outputs, pack_tables
from rote.luts._learning import decide, uncertainty
from rote.luts._recipe import Recipe
from rote.luts._wiring import bag_counts, draw_fanins, fills_of, wire


def bits_and_labels(m, n, seed):
    rng = np.random.default_rng(seed)
    X = rng.random((m, n)) < 0.5
    y = np.where(rng.random(m) < 0.8, X[:, 0] ^ X[:, -1], rng.random(m) < 0.5)
    y[:2] = [False, True]
    return X, y


def answers_by_layer(network, X):
    """What each layer of a fitted network answers to each example."""
    before, found = None, []
    for layer in network.layers:
        before = layer_outputs(layer, pack_columns(X), before, m=len(X))
        rows = np.unpackbits(before.view(np.uint8), axis=1, count=len(X), bitorder="little")
        found.append(rows.T.astype(int).tolist())
    return found


def assert_equals_dictionaries(fitted, X, y, new):
    [network] = fitted.networks_
    wiring = [layer.fanins.tolist() for layer in network.layers]
    fills = [
        fills_of(fitted.seed, 0, depth, (layer.width, 1 << layer.k)).tolist()
        for depth, layer in enumerate(network.layers)
    ]
    rule = {"ties": fitted.ties, "rare": fitted.rare}
    layers = oracle.run(X.astype(int).tolist(), y, wiring, fills, new=new.astype(int).tolist(), **rule)
    for depth, (old, asked) in enumerate(
        zip(answers_by_layer(network, X), answers_by_layer(network, new), strict=True)
    ):
        answers, answers_new, dictionaries = layers[depth]
        assert old == [list(row) for row in answers]
        assert asked == [list(row) for row in answers_new]
        record = fitted.records_[0][depth]
        right = np.mean(np.array(old) == np.array(y)[:, None], axis=0)
        np.testing.assert_allclose(record.accuracy, right)
        entries = 1 << network.layers[depth].k
        assert record.unseen.tolist() == [1 - len(counts) / entries for counts in dictionaries]
        once = [sum(sum(c) == 1 for c in counts.values()) for counts in dictionaries]
        assert record.once.tolist() == once
    if fitted.output == "table":
        assert fitted.predict(new).tolist() == [bool(row[0]) for row in layers[-1][1]]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 140),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from(["random", "zero", "one", "majority", "neighbours"]),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 99),
)
def test_tables_are_those_of_dictionaries(m, n, k, width, depth, ties, replacement, rare, skip, seed):
    X, y = bits_and_labels(m, n, seed)
    new = np.random.default_rng(seed + 1).random((20, n)) < 0.5
    fitted = LUTNetworkClassifier(
        k, width, depth, ties=ties, replacement=replacement, rare=rare, skip=skip, seed=seed
    ).fit(X, y)
    assert_equals_dictionaries(fitted, X, y, new)


@pytest.mark.parametrize("options", [{"k": 12}, {"tries": 4}, {"tries": 3, "search": "greedy"}], ids=str)
@pytest.mark.parametrize("native", [True, False])
def test_wide_luts_and_chosen_fanins_too(monkeypatch, native, options):
    if not native:
        monkeypatch.setattr(_loops, "_extension", None)
    X, y = bits_and_labels(130, 20, 3)
    fitted = LUTNetworkClassifier(**{"k": 4, "width": 3, "depth": 2, **options}).fit(X, y)
    assert_equals_dictionaries(fitted, X, y, ~X)


def test_the_native_loops_and_their_twins_learn_the_same(monkeypatch):
    X, y = bits_and_labels(200, 30, 0)
    options = {"k": 5, "width": 6, "depth": 4, "boost": 0.3, "skip": 0.5, "tries": 4, "search": "greedy"}
    fast = LUTNetworkClassifier(output="vote-all", bags=2, **options).fit(X, y)
    monkeypatch.setattr(_loops, "_extension", None)
    slow = LUTNetworkClassifier(output="vote-all", bags=2, **options).fit(X, y)
    np.testing.assert_array_equal(fast.predict_proba(X), slow.predict_proba(X))


def test_threads_change_nothing():
    X, y = bits_and_labels(300, 30, 0)
    one, three = (LUTNetworkClassifier(5, 20, 3, threads=t).fit(X, y) for t in (1, 3))
    np.testing.assert_array_equal(one.predict_proba(X), three.predict_proba(X))


def test_votes_are_majorities():
    X, y = bits_and_labels(150, 12, 1)
    for output in ("vote", "vote-all"):
        fitted = LUTNetworkClassifier(3, 7, 2, output=output).fit(X, y)
        answers = answers_by_layer(fitted.networks_[0], X)
        rows = np.array(answers[-1]) if output == "vote" else np.hstack(answers)
        ones, cast = rows.sum(axis=1), rows.shape[1]
        tied = 2 * ones == cast
        assert (fitted.predict(X)[~tied] == (2 * ones > cast)[~tied]).all()
        assert len({*fitted.predict(X)[tied]}) <= 1  # the frozen coin


def test_boosting_weighs_what_the_vote_so_far_gets_wrong():
    """With one lut per layer on one row each, by hand."""
    X, y = bits_and_labels(64, 3, 5)
    fitted = LUTNetworkClassifier(1, 1, 2, skip=1.0, boost=0.4, output="vote-all").fit(X, y)
    second = fitted.networks_[0].layers[1]
    signs = 2 * np.array(answers_by_layer(fitted.networks_[0], X)[0])[:, 0] - 1
    margin = 0.4 * signs * (2 * y.astype(int) - 1)
    weights = np.rint(1 + 65535 / (1 + np.exp(2 * margin)))
    column = X[:, second.fanins[0, 0]]
    for value in (0, 1):
        here = column == value
        pull = np.sum(np.where(y, weights, -weights)[here])
        assert second.answers()[0, value] == (pull > 0)


def test_a_margin_is_answered_by_the_logistic_function():
    X, y = bits_and_labels(100, 8, 2)
    fitted = LUTNetworkClassifier(3, 1, 5, skip=1.0, boost=0.2, output="vote-all").fit(X, y)
    score = 0.2 * sum(2 * np.array(rows)[:, 0] - 1 for rows in answers_by_layer(fitted.networks_[0], X))
    np.testing.assert_allclose(fitted.predict_proba(X)[:, 1], 1 / (1 + np.exp(-2 * score)), atol=1e-6)


def test_xor_of_two_among_many_needs_the_search():
    rng = np.random.default_rng(0)
    X = rng.random((600, 12)) < 0.5
    y = X[:, 3] ^ X[:, 8]
    searched = LUTNetworkClassifier(2, 1, 1, tries=2000, output="vote").fit(X, y)
    assert sorted(searched.networks_[0].layers[0].fanins[0].tolist()) == [3, 8]
    assert searched.score(X, y) == 1


def test_depth_and_choice_help_on_the_digits():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    X, y = bunch.data > 7, bunch.target >= 5
    plain = [LUTNetworkClassifier(6, 100, depth).fit(X[:1200], y[:1200]) for depth in (0, 4)]
    shallow, deep = (fitted.score(X[1200:], y[1200:]) for fitted in plain)
    boosted = LUTNetworkClassifier(
        6, 1, 60, skip=1.0, boost=0.2, tries=16, search="greedy", output="vote-all"
    ).fit(X[:1200], y[:1200])
    assert deep > shallow + 0.1
    assert boosted.score(X[1200:], y[1200:]) > deep
    assert boosted.entries_ < plain[1].entries_ / 5


@pytest.mark.parametrize(("k", "pool"), [(1, 1), (3, 3), (3, 40), (8, 784)])
def test_fanins_are_distinct_and_everywhere(k, pool):
    fanins = draw_fanins((500, k), pool, replacement=False, rng=np.random.default_rng(0))
    assert all(len({*row}) == k for row in fanins.tolist())
    assert len(np.unique(fanins)) > 0.98 * pool
    counts = np.bincount(fanins.ravel(), minlength=pool)
    assert counts.max() < 500 * k / pool * 4 + 10


def test_skipped_fanins_come_from_the_inputs():
    fanins = wire((400, 4), inputs=10, before=20, skip=0.25, replacement=False, rng=np.random.default_rng(0))
    assert 0.2 < np.mean(fanins < 10) < 0.3
    assert fanins.max() < 30


def test_bags_are_poisson():
    counts = bag_counts(3, 0, 0, 100_000)
    share = np.bincount(counts, minlength=4)[:4] / 100_000
    np.testing.assert_allclose(share, [0.3679, 0.3679, 0.1839, 0.0613], atol=0.006)
    assert (bag_counts(3, 1, 0, 100_000) != counts).mean() > 0.5


def test_uncertainty_is_conditional_entropy():
    counts = np.random.default_rng(0).integers(0, 9, (5, 2, 8))
    p = counts / counts.sum(axis=(1, 2), keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(p * np.log(p / p.sum(axis=1, keepdims=True)), axis=(1, 2))
    np.testing.assert_allclose(uncertainty(counts), entropy * counts.sum(axis=(1, 2)))


def test_votes_of_many_rows():
    rows = np.random.default_rng(0).random((300, 77)) < 0.7
    assert count_votes(pack_bits(rows), 77).tolist() == rows.sum(axis=0).tolist()


def test_rare_entries_are_unseen_entries():
    counts = np.array([[[1, 0, 5, 2], [0, 2, 1, 2]]])
    fills = np.array([[True, False, False, True]])
    said = decide(counts, counts, fills, ties="random", rare=2)
    assert said.tolist() == [[True, False, False, True]]


def test_records_are_arrays():
    assert LayerRecord(np.ones(1), np.ones(1), np.ones(1, np.int64)).once.tolist() == [1]
    assert Recipe().depth == 5


def test_a_search_that_looks_at_some_examples_sees_all_classes():
    """Even where the examples are sorted by label."""
    rng = np.random.default_rng(0)
    X = rng.random((3000, 40)) < 0.5
    y = X[:, 7]
    order = np.argsort(y, kind="stable")
    fitted = LUTNetworkClassifier(
        1, 1, 1, tries=400, search="greedy", search_examples=256, output="vote"
    ).fit(X[order], y[order])
    assert fitted.networks_[0].layers[0].fanins.tolist() == [[7]]


@pytest.mark.parametrize("boost", [0.0, 0.3])
@pytest.mark.parametrize("m", [130, 192, 1000])
def test_counts_over_some_words_are_counts_of_their_examples(boost, m):
    X, y = bits_and_labels(m, 9, 1)
    whole = Examples(pack_columns(X), pack_bits(y[None])[0], m=m)
    fanins = np.array([[0, 3, 8], [1, 2, 4]], np.int32)
    layer = Layer(fanins, pack_tables(np.arange(16).reshape(2, 8) % 3 == 0))
    weighing = Weighing(boost, boost > 0, 1000)
    words = -(-m // 64)
    each = [whole.counts((layer,), fanins, weighing, (w,)) for w in range(words)]
    np.testing.assert_array_equal(sum(each), whole.counts((layer,), fanins, weighing, None))
    np.testing.assert_array_equal(
        whole.counts((layer,), fanins, weighing, (0, words - 1)), each[0] + each[-1]
    )


@pytest.mark.parametrize("search", ["sets", "greedy"])
@pytest.mark.parametrize("skip", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("n", "k"), [(1, 3), (4, 4), (5, 3)])
def test_searched_fanins_are_distinct_too(search, skip, n, k):
    X, y = bits_and_labels(100, n, 0)
    fitted = LUTNetworkClassifier(k, 6, 3, tries=2, search=search, skip=skip).fit(X, y)
    for layer in fitted.networks_[0].layers:
        assert all(len({*row}) == layer.k for row in layer.fanins.tolist())
        assert layer.k <= k
