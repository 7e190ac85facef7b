"""The estimators as scikit-learn sees them: contract, classes, bits, memory, files, shards."""

import json
import pickle
import tracemalloc
from unittest import SkipTest

import joblib
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from rote.errors import InputError
from rote.luts import (
    IntegerBits,
    LookupTable,
    LUTNetworkClassifier,
    PCABits,
    Quantiles,
    Recipe,
    Thermometer,
    Threshold,
    code_matrix,
    fit_on_shards,
    load,
    save,
)
from rote.luts._codes import decode
from rote.luts._memory import bytes_needed, check_memory

DIGITS = load_digits()
X, Y = DIGITS.data > 7, DIGITS.target
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[Y]
ESTIMATORS = [LUTNetworkClassifier(6, 40, 2), LookupTable(), LUTNetworkClassifier(4, 30, 2, output="vote")]
BINARISERS = [Threshold(), Thermometer(), Quantiles(), PCABits(1)]
CHECKS = [pair for each in [*ESTIMATORS, *BINARISERS] for pair in estimator_checks_generator(each)]


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=lambda x: x.func.__name__ if hasattr(x, "func") else type(x).__name__
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_agrees(estimator, check):
    try:
        check(estimator)
    except SkipTest as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("codes", ["one-vs-rest", "bits", "error-correcting"])
def test_ten_classes(codes):
    fitted = LUTNetworkClassifier(8, 200, 2, codes=codes, output="vote").fit(X[:1200], NAMES[:1200])
    proba = fitted.predict_proba(X[1200:])
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert fitted.score(X[1200:], NAMES[1200:]) > 0.75
    assert len(fitted.networks_) == fitted.code_.shape[1]
    assert fitted.entries_ == len(fitted.networks_) * 2 * 200 * 256


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 17])
@pytest.mark.parametrize("codes", ["one-vs-rest", "bits", "error-correcting"])
def test_codes_tell_classes_apart(codes, classes):
    code = code_matrix(codes, classes)
    assert len({tuple(row) for row in code.tolist()}) == classes
    sure = np.where(code, 0.99, 0.01)  # each class answers as its code says
    assert decode(sure, code).argmax(axis=1).tolist() == list(range(classes))
    assert all(0 < column.sum() < classes for column in code.T)


def test_an_error_correcting_code_corrects_an_error():
    code = code_matrix("error-correcting", 10)
    shares = np.where(code, 0.9, 0.1)
    for wrong in range(code.shape[1]):
        flipped = shares.copy()
        flipped[:, wrong] = 1 - flipped[:, wrong]
        assert decode(flipped, code).argmax(axis=1).tolist() == list(range(10))


def test_bags_are_averaged():
    bagged = LUTNetworkClassifier(6, 30, 1, bags=3).fit(X, Y > 4)
    shares = [network.share(bagged._packed(X), m=len(X)) for network in bagged.networks_]
    np.testing.assert_allclose(bagged.predict_proba(X)[:, 1], np.mean(shares, axis=0))
    assert len({share.tobytes() for share in shares}) == 3


def test_unseen_entries_are_less_sure_than_seen_ones():
    fitted = LUTNetworkClassifier(2, 1, 0).fit([[0, 0]] * 5 + [[1, 1]] * 5, [0] * 5 + [1] * 5)
    proba = fitted.predict_proba([[0, 0], [1, 1], [0, 1], [1, 0]])[:, 1]
    assert proba[:2].tolist() == [1 / 8, 7 / 8]
    assert all(p in (1 / 3, 2 / 3) for p in proba[2:])


def test_numbers_become_quantile_bits_and_bits_stay():
    assert LUTNetworkClassifier(4, 8, 1).fit(DIGITS.data, Y).binariser_.cuts_.shape == (64, 8)
    fitted = LUTNetworkClassifier(4, 8, 1).fit(X.astype(float), Y)
    assert fitted.binariser_ is None
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict(X.astype(np.uint8)))
    with pytest.raises(InputError, match="`X` must hold only 0 and 1"):
        fitted.predict(DIGITS.data)


@pytest.mark.parametrize(
    "binariser", [Threshold(7), Thermometer(2), Quantiles(2), IntegerBits(5), PCABits(9)]
)
def test_a_binariser_within_and_before_is_the_same(binariser):
    within = LUTNetworkClassifier(4, 20, 1, binariser=binariser).fit(DIGITS.data, Y)
    before = make_pipeline(binariser, LUTNetworkClassifier(4, 20, 1)).fit(DIGITS.data, Y)
    np.testing.assert_array_equal(within.predict(DIGITS.data), before.predict(DIGITS.data))


@pytest.mark.parametrize("binariser", [Threshold(7), Thermometer(3), Quantiles(3)])
def test_the_name_of_a_bit_says_what_it_is(binariser):
    bits = binariser.fit(DIGITS.data)
    names, made = bits.get_feature_names_out(), bits.transform(DIGITS.data)
    assert len(names) == made.shape[1]
    for j, name in enumerate(names):
        feature, cut = name[1:].split(">")
        np.testing.assert_array_equal(made[:, j], DIGITS.data[:, int(feature)] > float(cut))


def test_integer_bits_give_the_numbers_back():
    bits = IntegerBits(5).fit(DIGITS.data)
    digits = bits.transform(DIGITS.data).reshape(-1, 64, 5)
    np.testing.assert_array_equal(digits @ (1 << np.arange(5)), DIGITS.data)
    assert bits.get_feature_names_out(list("ab" * 32))[6] == "b[1]"
    with pytest.raises(InputError, match=r"row 0, feature 1: must be a whole number from 0 to 7.*Got 8"):
        IntegerBits(3).fit(DIGITS.data[:, :2]).transform([[0, 8]])


def test_principal_components_by_sign_and_by_quantile():
    sign, halves = PCABits(4).fit(DIGITS.data), PCABits(4, quantiles=True).fit(DIGITS.data)
    scores = sign.pca_.transform(DIGITS.data)
    np.testing.assert_array_equal(sign.transform(DIGITS.data), scores > 0)
    np.testing.assert_array_equal(halves.transform(DIGITS.data), scores > np.median(scores, axis=0))
    assert PCABits(4, 3).fit(DIGITS.data).transform(DIGITS.data).shape == (len(Y), 12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Threshold([1, 2]).fit(X), "64 numbers, one for each feature. Got shape"),
        (lambda: Quantiles(0).fit(X), "`bits` must be a whole number from 1 to 4096. Got 0"),
        (lambda: Thermometer(1.5).fit(X), "Got 1.5"),
        (lambda: IntegerBits(64).fit(X), "from 1 to 63"),
        (lambda: PCABits(65).fit(DIGITS.data), "must be at most 64 for 1797 examples"),
        (lambda: LUTNetworkClassifier(17).fit(X, Y), "`k` must be between 1 and 16. Got 17"),
        (lambda: LUTNetworkClassifier(True).fit(X, Y), "Got True"),
        (lambda: LUTNetworkClassifier(width=0).fit(X, Y), "`width` must be between 1"),
        (lambda: LUTNetworkClassifier(depth=2.0).fit(X, Y), "`depth` must be between 0"),
        (lambda: LUTNetworkClassifier(ties="never").fit(X, Y), "`ties` must be one of random, zero"),
        (lambda: LUTNetworkClassifier(output="x").fit(X, Y), "`output` must be one of table, vote"),
        (lambda: LUTNetworkClassifier(search="x").fit(X, Y), "`search` must be one of sets, greedy"),
        (lambda: LUTNetworkClassifier(search_examples=3).fit(X, Y), "`search_examples` must be between 64"),
        (lambda: LUTNetworkClassifier(boost=-1).fit(X, Y), "`boost` must be a number from 0 to 100"),
        (lambda: LUTNetworkClassifier(skip=1.5).fit(X, Y), "`skip` must be a number from 0 to 1. Got 1.5"),
        (lambda: LUTNetworkClassifier(boost=float("nan")).fit(X, Y), "Got nan"),
        (lambda: LUTNetworkClassifier(bags=0).fit(X, Y), "`bags` must be between 1"),
        (lambda: LUTNetworkClassifier(threads=0).fit(X, Y), "`threads` must be between 1"),
        (lambda: LUTNetworkClassifier(codes="x").fit(X, Y), "`codes` must be one of one-vs-rest"),
        (lambda: LUTNetworkClassifier(depth=0, output="vote").fit(X, Y), "needs a layer that votes"),
        (lambda: LUTNetworkClassifier().fit(X, Y * 0), "at least two classes. Got one class, .*0"),
        (lambda: LookupTable(ties="one").fit(X, Y), '`ties="one"` is for two classes. Got 10'),
        (lambda: LookupTable(ties="x").fit(X, Y), "`ties` must be one of"),
        (lambda: LookupTable().fit(X, Y * 0), "at least two classes"),
    ],
)
def test_bad_parameters(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    said = r"`width=1048576` luts of `k=16` in each of `depth=5` layers from 1797 examples .* needs .* MiB"
    with pytest.raises(InputError, match=said):
        LUTNetworkClassifier(16, 1 << 20, memory_limit=1 << 33).fit(X, Y)
    with pytest.raises(InputError, match="0 MiB may be used: choose a smaller `k` or `width`"):
        check_memory(Recipe(), m=10, inputs=10, networks=1, limit=1000)
    sizes = [bytes_needed(Recipe(k=k), m=60_000, inputs=784) for k in (2, 8, 12, 16)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output": "vote", "codes": "bits"},
        {"boost": 0.2, "skip": 1.0, "output": "vote-all", "bags": 2},
        *(
            {"binariser": b}
            for b in [Threshold(3), Thermometer(3), Quantiles(2), IntegerBits(5), PCABits(6, 2)]
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("y", [Y > 4, Y, NAMES, NAMES.astype(object)], ids=["bool", "int", "str", "object"])
def test_saved_and_loaded_it_answers_the_same(options, y, tmp_path):
    given = DIGITS.data if "binariser" in options else X
    fitted = LUTNetworkClassifier(5, 12, 2, **options).fit(given, y)
    again = load(save(fitted, tmp_path / "net.safetensors"))
    np.testing.assert_array_equal(again.predict_proba(given), fitted.predict_proba(given))
    assert again.predict(given).tolist() == fitted.predict(given).tolist()
    assert again.entries_ == fitted.entries_
    plain = {k: v for k, v in fitted.get_params().items() if not k.startswith("binariser")}
    assert plain == {k: v for k, v in again.get_params().items() if not k.startswith("binariser")}


def test_damaged_files_are_refused(tmp_path):
    path = save(LUTNetworkClassifier(3, 4, 1).fit(X, Y > 4), tmp_path / "net.safetensors")
    arrays, text = load_file(path), None
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        text = json.loads(file.metadata()["rote"])

    def refused(changed, words=text, said="is damaged"):
        bad = tmp_path / "bad.safetensors"
        save_file(changed, bad, metadata={"rote": json.dumps(words)})
        with pytest.raises(InputError, match=said):
            load(bad)

    refused({k: v for k, v in arrays.items() if k != "0.0.tables"})
    refused(arrays | {"0.0.fanins": arrays["0.0.fanins"] + 64})
    refused(arrays | {"0.1.tables": arrays["0.1.tables"][:, :0]})
    refused(arrays | {"0.counts": arrays["0.counts"][:1]})
    refused(arrays | {"code": arrays["code"][:1]})
    refused(arrays, text | {"format": "x"}, "must be a network saved by")
    refused(arrays, text | {"networks": 3})
    refused(arrays, text | {"parameters": {"nope": 1}})
    refused(arrays, text | {"binariser": {"name": "os", "parameters": {}}})
    (tmp_path / "junk").write_bytes(b"junk" * 9)
    with pytest.raises(InputError, match="is damaged"):
        load(tmp_path / "junk")
    odd = LUTNetworkClassifier(3, 4, 1).fit(X, Y > 4)
    odd.classes_ = np.array([object(), 1], object)
    with pytest.raises(InputError, match="`classes_` must be"):
        save(odd, tmp_path / "odd")
    odd = LUTNetworkClassifier(3, 4, 1, binariser=Named()).fit(X, Y > 4)
    with pytest.raises(InputError, match="`binariser` must be one of"):
        save(odd, tmp_path / "odd")


class Named(Threshold):
    """A transformer that is none of the room's own."""


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tries": 3, "search": "greedy", "boost": 0.3, "skip": 0.5, "output": "vote-all"},
        {"bags": 2, "output": "vote", "rare": 1, "ties": "neighbours"},
    ],
    ids=str,
)
@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_shards_learn_what_the_whole_learns(options, backend):
    estimator = LUTNetworkClassifier(5, 10, 2, **options)
    whole = estimator.fit(X[:600], Y[:600] % 3)
    cuts = [slice(0, 64), slice(64, 201), slice(201, 202), slice(202, 600)]
    shards = [(X[cut], Y[cut] % 3) for cut in cuts]
    shards[1] = lambda: (X[64:201], Y[64:201] % 3)
    with joblib.parallel_config(backend=backend):
        merged = fit_on_shards(estimator, shards, jobs=2)
    np.testing.assert_array_equal(merged.predict_proba(X), whole.predict_proba(X))
    assert merged.n_features_in_ == 64
    for a, b in zip(whole.records_, merged.records_, strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one.accuracy, other.accuracy)


def test_shards_with_a_fitted_binariser():
    bits = Quantiles(2).fit(DIGITS.data)
    estimator = LUTNetworkClassifier(4, 8, 1, binariser=bits)
    merged = fit_on_shards(estimator, [(DIGITS.data[:900], Y[:900]), (DIGITS.data[900:], Y[900:])])
    np.testing.assert_array_equal(
        merged.predict(DIGITS.data), estimator.fit(DIGITS.data, Y).predict(DIGITS.data)
    )


@pytest.mark.parametrize(
    ("estimator", "shards", "said"),
    [
        (LUTNetworkClassifier(), [], "at least one pair"),
        (LUTNetworkClassifier(search_examples=64), [(X, Y)], "must be None on shards"),
        (LUTNetworkClassifier(), [(X, Y), (X[:, 1:], Y)], "equally many bits. Got 63 and 64"),
        (LUTNetworkClassifier(), [(DIGITS.data, Y)], "must hold only 0 and 1"),
        (LUTNetworkClassifier(), [(X, Y * 0)], "at least two classes"),
    ],
)
def test_bad_shards(estimator, shards, said):
    with pytest.raises(InputError, match=said):
        fit_on_shards(estimator, shards)


def test_shards_need_a_binariser_that_knows_its_cuts():
    with pytest.raises(NotFittedError):
        fit_on_shards(LUTNetworkClassifier(binariser=Quantiles(2)), [(DIGITS.data, Y)])


def test_the_giant_table_memorises_and_does_not_generalise():
    big = (DIGITS.data[:, :, None] > np.array([3, 7, 11])).reshape(len(Y), -1)
    table = LookupTable().fit(big[:1500], Y[:1500] > 4)
    assert table.score(big[:1500], Y[:1500] > 4) == 1
    assert 0.35 < table.score(big[1500:], Y[1500:] > 4) < 0.65
    assert table.once_ > 1400
    assert (table.predict(big[1500:]) == table.predict(big[1500:])).all()


@pytest.mark.parametrize("ties", ["random", "zero", "one", "majority", "neighbours"])
def test_a_table_is_a_dictionary(ties):
    rng = np.random.default_rng(0)
    bits, y = rng.random((60, 6)) < 0.5, rng.random(60) < 0.4
    table = LookupTable(ties=ties, seed=4).fit(bits, y)
    every = (np.arange(64)[:, None] >> np.arange(6)) & 1
    said = table.predict(every)
    counts = {}
    for row, label in zip(bits.astype(int).tolist(), y.tolist(), strict=True):
        counts.setdefault(tuple(row), [0, 0])[label] += 1
    for row, answer in zip(every.tolist(), said.tolist(), strict=True):
        zero, one = counts.get(tuple(row), [0, 0])
        d = one - zero
        if d == 0 and ties == "majority":
            d = 2 * int(y.sum()) - 60
        if d == 0 and ties == "neighbours":
            around = [counts.get((*row[:i], 1 - b, *row[i + 1 :]), [0, 0]) for i, b in enumerate(row)]
            d = sum(c[1] - c[0] for c in around)
        if d or ties in ("zero", "one"):
            assert answer == (d > 0 if d else ties == "one")
    assert 0 < said.sum() < 64


def test_estimators_can_be_pickled_too():
    fitted = LUTNetworkClassifier(3, 4, 1).fit(X, Y)
    assert pickle.loads(pickle.dumps(fitted)).predict(X).tolist() == fitted.predict(X).tolist()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 12, "width": 40},
        {"boost": 1.0, "output": "vote-all"},
        {"tries": 8, "width": 60},
        {"tries": 8, "search": "greedy", "boost": 0.1, "output": "vote-all", "bags": 2, "width": 30},
        {"depth": 0, "k": 14},
    ],
    ids=str,
)
def test_no_more_memory_is_used_than_was_announced(options):
    rng = np.random.default_rng(0)
    big, y = rng.random((6000, 200)) < 0.3, rng.random(6000) < 0.5
    estimator = LUTNetworkClassifier(**{"k": 8, "width": 200, "depth": 2, **options})
    estimator.fit(big[:100], y[:100])
    tracemalloc.start()
    try:
        estimator.fit(big, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    validated = 2 * big.nbytes  # scikit-learn's checks may copy the examples
    assert peak < bytes_needed(estimator.recipe(), m=6000, inputs=200, networks=estimator.bags) + validated


def test_parameters_may_be_numbers_of_numpy(tmp_path):
    fitted = LUTNetworkClassifier(np.int64(3), np.int32(4), 1, boost=np.float64(0.5)).fit(X, Y > 4)
    again = load(save(fitted, tmp_path / "net.safetensors"))
    assert again.predict(X).tolist() == fitted.predict(X).tolist()
    fitted.memory_limit = object()
    with pytest.raises(InputError, match="A parameter cannot be saved"):
        save(fitted, tmp_path / "net.safetensors")


@pytest.mark.parametrize(("output", "codes", "whole"), [("table", "one-vs-rest", 18), ("vote", "bits", 8)])
def test_every_layer_is_told(output, codes, whole):
    rng, told = np.random.default_rng(0), []
    X, y = rng.random((60, 8)) > 0.5, np.arange(60) % 3
    model = LUTNetworkClassifier(2, 4, 2, output=output, codes=codes, bags=2)
    model.fit(X, y, on_layer=lambda done, total: told.append((done, total)))
    assert told == [(done, whole) for done in range(1, whole + 1)]
