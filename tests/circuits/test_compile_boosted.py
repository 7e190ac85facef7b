"""Boosted trees as gates: the answers of LightGBM and XGBoost."""

import sys

import numpy as np
import pytest

from rote.circuits import answers, input_bits, simulate
from rote.circuits.compile import compile_trees, forest_counts, load_trees, read_boosted, save_trees
from rote.errors import InputError


def some_data(classes, m=300):
    draw = np.random.default_rng(0)
    X = draw.integers(0, 256, (m, 4))
    y = (1 * (X[:, 0] > 100) + (X[:, 1] > 50)) % classes
    noisy = draw.random(m) < 0.2
    y[noisy] = draw.integers(0, classes, noisy.sum())
    return X.astype(float), y


def lightgbm(**options):
    pytest.importorskip("treelite")
    library = pytest.importorskip("lightgbm")
    return library.LGBMClassifier(**({"n_estimators": 5, "verbose": -1, "n_jobs": 1} | options))


def xgboost(**options):
    pytest.importorskip("treelite")
    library = pytest.importorskip("xgboost")
    return library.XGBClassifier(**({"n_estimators": 5, "max_depth": 3, "n_jobs": 1} | options))


def margins(model, X):
    """What the library adds up, a column a class."""
    by_lightgbm = hasattr(model, "booster_")
    found = model.predict(X, raw_score=True) if by_lightgbm else model.predict(X, output_margin=True)
    return np.stack([0 * found, found], axis=1) if found.ndim == 1 else found


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lightgbm, {}),
        (lightgbm, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
        (xgboost, {}),
        (xgboost, {"tree_method": "exact"}),
    ],
)
def test_the_circuit_answers_as_the_library_does(make, options, classes, tmp_path):
    X, y = some_data(classes)
    names = np.arange(classes) if make is xgboost else np.array(["ash", "birch", "cedar"])[:classes]
    model = make(**options).fit(X, names[y])
    forest = read_boosted(model)
    assert np.array_equal(forest.classes, names)
    new = np.random.default_rng(1).integers(0, 256, (500, 4))
    sums = forest_counts(forest, new)
    assert np.abs(sums / 65536 - margins(model, new)).max() < 1e-4
    circuit = compile_trees(forest, count_bits=32)
    said = answers(circuit, simulate(circuit, input_bits(circuit, new)))
    assert np.array_equal(said, sums.argmax(axis=1))
    best = np.sort(margins(model, new), axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-3
    assert np.array_equal(names[said][clear], model.predict(new)[clear])
    again = load_trees(save_trees(forest, tmp_path / "trees.safetensors"))
    assert np.array_equal(forest_counts(again, new), sums)


@pytest.mark.filterwarnings("ignore")
def test_boosters_and_files_are_read_alike(tmp_path):
    X, y = some_data(3)
    new = np.random.default_rng(1).integers(0, 256, (50, 4))
    light, extreme = lightgbm().fit(X, y), xgboost().fit(X, y)
    light.booster_.save_model(tmp_path / "light.txt")
    for suffix in ("json", "ubj"):
        extreme.save_model(tmp_path / f"extreme.{suffix}")
    for model, others in (
        (light, [light.booster_, tmp_path / "light.txt"]),
        (extreme, [extreme.get_booster(), tmp_path / "extreme.json", str(tmp_path / "extreme.ubj")]),
    ):
        for other in others:
            assert np.array_equal(
                forest_counts(read_boosted(other), new), forest_counts(read_boosted(model), new)
            )


@pytest.mark.filterwarnings("ignore")
def test_the_command_reads_them(tmp_path, capsys):
    from rote.circuits import Circuit
    from rote.cli import main

    X, y = some_data(2)
    xgboost().fit(X, y).save_model(tmp_path / "model.ubj")
    assert main(["compile", str(tmp_path / "model.ubj"), "-o", str(tmp_path / "model.blif")]) == 0
    assert capsys.readouterr().out.splitlines()[0].split(maxsplit=1) == ["model", "5 boosted trees"]
    assert len(Circuit.read(tmp_path / "model.blif").inputs) == 32


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_compiled_is_refused():
    X, y = some_data(2)
    with pytest.raises(InputError, match="whole numbers, but tree 0 compares"):
        read_boosted(lightgbm().fit(X / 256, y))
    pytest.importorskip("lightgbm")
    from lightgbm import LGBMRegressor

    with pytest.raises(InputError, match="train a classifier"):
        read_boosted(LGBMRegressor(n_estimators=2, verbose=-1).fit(X, y))
    with pytest.raises(InputError, match="tree 0 asks for a category"):
        read_boosted(lightgbm(min_data_per_group=1, cat_smooth=0).fit(X // 32, y, categorical_feature=[0, 1]))
    with pytest.raises(InputError, match=r"Got builtins\.object"):
        read_boosted(object())
    with pytest.raises(InputError, match="`fraction` must be 0 to 32"):
        read_boosted(object(), fraction=99)


@pytest.mark.parametrize("suffix", ["txt", "json", "ubj"])
@pytest.mark.parametrize("content", [b"", b"{}", b"tree\nversion=v4\n", b'{"learner": 3}', b"\xff" * 40])
def test_damaged_files_are_refused(tmp_path, suffix, content):
    pytest.importorskip("treelite")
    path = tmp_path / f"model.{suffix}"
    with pytest.raises(InputError, match="is not there"):
        read_boosted(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no model of its kind") as caught:
        read_boosted(path)
    assert str(path) in str(caught.value)


def test_other_suffixes_are_refused(tmp_path):
    pytest.importorskip("treelite")
    with pytest.raises(InputError, match=r"must end in .txt \(LightGBM\)"):
        read_boosted("model.pkl")


def test_without_treelite_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "treelite", None)
    with pytest.raises(InputError, match=r"pip install 'rote\[trees\]'"):
        read_boosted("model.txt")
