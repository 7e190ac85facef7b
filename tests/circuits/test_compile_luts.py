"""Lookup tables as gates: the answers of ``predict``."""

import itertools

import numpy as np
import pytest

from oracles.circuit_truth import all_examples, evaluate
from rote.circuits import answers
from rote.circuits.compile import compile_luts
from rote.errors import InputError
from rote.luts import IntegerBits, LookupTable, LUTNetworkClassifier

WAYS = [
    {"output": output, "boost": boost, "bags": bags, "depth": depth}
    for output, boost, bags, depth in itertools.product(
        ("table", "vote", "vote-all"), (0.0, 0.5), (1, 3), (0, 1, 2)
    )
    if (output == "table" or depth) and (output == "vote-all" or not boost)
]


def some_data(classes, m=90, n=7, seed=0):
    draw = np.random.default_rng(seed)
    X = draw.random((m, n)) < 0.5
    return X, (X.sum(axis=1) + draw.integers(0, 2, m)) % classes


def agree(model, X):
    """Whether the circuit answers as predict does, but where two classes are equally probable."""
    circuit = compile_luts(model)
    said = model.classes_[answers(circuit, evaluate(circuit, X))]
    first, second = np.sort(model.predict_proba(X), axis=1)[:, :-3:-1].T
    return bool(((said == model.predict(X)) | (first - second < 1e-12)).all())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize("k", [1, 3, 5])
def test_two_classes(way, k):
    X, y = some_data(2)
    model = LUTNetworkClassifier(k=k, width=6, rare=k % 3, **way).fit(X, y)
    circuit = compile_luts(model)
    assert circuit.outputs == ("y",)
    every = all_examples(7)
    if model.bags == 1:  # nothing is ever tied
        assert np.array_equal(evaluate(circuit, every)[:, 0].astype(int), model.predict(every))
    else:
        assert agree(model, every)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
def test_more_classes(way):
    X, y = some_data(4)
    assert agree(LUTNetworkClassifier(k=4, width=6, **way).fit(X, y), X[:40])


@pytest.mark.parametrize("codes", ["bits", "error-correcting"])
@pytest.mark.parametrize("output", ["table", "vote", "vote-all"])
@pytest.mark.parametrize("classes", [3, 4])
def test_other_codes(codes, output, classes):
    X, y = some_data(classes)
    names = np.array(["ash", "birch", "cedar", "dogwood"])[y]
    model = LUTNetworkClassifier(k=3, width=5, depth=1, codes=codes, output=output, boost=0.0)
    assert agree(model.fit(X, names), X[:25])


def test_a_network_of_it_is_a_question():
    X, y = some_data(3)
    model = LUTNetworkClassifier(k=3, width=6, depth=2).fit(X, y)
    every = all_examples(7)
    for network in model.networks_:
        rows = np.ascontiguousarray(every.T)
        words = np.zeros((7, 2), np.uint64)
        packed = np.packbits(rows, axis=1, bitorder="little")
        words.view(np.uint8)[:, : packed.shape[1]] = packed
        circuit = compile_luts(network)
        assert np.array_equal(evaluate(circuit, every)[:, 0], network.share(words, m=128) > 0.5)


def test_every_table_of_two_inputs():
    for number in range(1, 15):
        y = [number >> p & 1 for p in range(4)]
        x = all_examples(2)
        circuit = compile_luts(LUTNetworkClassifier(k=2, depth=0).fit(x, y))
        assert evaluate(circuit, x)[:, 0].astype(int).tolist() == y
        assert circuit.gates <= 3


def test_the_widest_luts():
    X, y = some_data(2, m=60, n=18)
    model = LUTNetworkClassifier(k=16, depth=0, ties="zero").fit(X, y)  # few entries are not 0
    circuit = compile_luts(model)
    assert np.array_equal(evaluate(circuit, X[:20])[:, 0].astype(int), model.predict(X[:20]))
    assert 100 < circuit.gates < 2000


def test_luts_that_nobody_reads_are_left_out():
    X, y = some_data(2, m=300, n=12)
    few, many = (LUTNetworkClassifier(k=2, width=w, depth=3).fit(X, y) for w in (8, 500))
    assert compile_luts(many).gates <= (2 + 4 + 8 + 1) * 3
    assert compile_luts(few).gates > 0


def test_what_binarisers_make_are_the_inputs():
    draw = np.random.default_rng(0)
    X, y = draw.integers(0, 256, (60, 2)), draw.integers(0, 2, 60)
    model = LUTNetworkClassifier(k=4, width=8, depth=1, binariser=IntegerBits(8)).fit(X, y)
    circuit = compile_luts(model)
    bits = model.binariser_.transform(X)
    assert len(circuit.inputs) == bits.shape[1] == 16
    assert np.array_equal(evaluate(circuit, bits)[:, 0].astype(int), model.predict(X))


@pytest.mark.parametrize(("ties", "classes"), [("majority", 2), ("majority", 3), ("zero", 2), ("one", 2)])
def test_the_giant_table(ties, classes):
    X, y = some_data(classes, n=6)
    y[:9] = 1  # classes of different sizes
    names = np.array(["ash", "birch", "cedar"])[y]
    table = LookupTable(ties=ties).fit(X, names)
    circuit = compile_luts(table)
    every = all_examples(6)
    said = table.classes_[answers(circuit, evaluate(circuit, every))]
    assert np.array_equal(said, table.predict(every))


def test_the_giant_table_of_numbers_reads_their_bits():
    X = np.random.default_rng(0).random((30, 2))
    y = np.arange(30) % 3 // 2
    table = LookupTable(ties="majority").fit(X, y)
    circuit = compile_luts(table)
    bits = table.binariser_.transform(X)
    assert np.array_equal(evaluate(circuit, bits)[:, 0].astype(int), table.predict(X))


def test_refusals():
    X, y = some_data(3)
    for ties in ("random", "neighbours"):
        with pytest.raises(InputError, match=f'ties="{ties}"` answers each unseen pattern in its own way'):
            compile_luts(LookupTable(ties=ties).fit(X, y))
    with pytest.raises(InputError, match="equally many examples"):
        compile_luts(LookupTable(ties="majority").fit([[0], [1]], [0, 1]))
    with pytest.raises(InputError, match="Several bags of codes"):
        compile_luts(LUTNetworkClassifier(k=2, width=3, depth=1, bags=2, codes="bits").fit(X, y))
    for model in (LUTNetworkClassifier(), LookupTable(), "model.safetensors"):
        with pytest.raises(InputError, match="must be a fitted LUTNetworkClassifier"):
            compile_luts(model)
