import subprocess
import sys

import numpy as np
import pytest

from rote.data import describe, load
from rote.errors import InputError


def test_digits_are_the_known_ones():
    from sklearn.datasets import load_digits

    parts = load("digits")
    bunch = load_digits()
    assert (len(parts.train), len(parts.test)) == (1438, 359)
    for part in (parts.train, parts.test):
        np.testing.assert_array_equal(np.rint(part.X[:, 0] * (16 / 255)), bunch.images[part.ids])
        np.testing.assert_array_equal(part.y, bunch.target[part.ids])
    assert parts.train.X.max() == 255


def test_the_digest_of_digits_is_the_recorded_one():
    """Run folders know their data by it: a change of split, ids or scaling must be meant."""
    assert load("digits").sha256 == "f8a8262eab280e4d8ba3b643c4a8a9c8495d4f63051705c6c469e68aa956cda3"


def test_limit_and_share_and_seed():
    parts = load("digits", limit=100, test_share=0.5, split_seed=3)
    assert (len(parts.train), len(parts.test)) == (100, 898)
    assert np.bincount(parts.train.y).min() >= 8
    assert parts.sha256 != load("digits", limit=100, test_share=0.5, split_seed=4).sha256
    assert len(load("digits", limit=10**6).train) == 1438


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_absent_data_says_what_to_do(tmp_path, name):
    with pytest.raises(
        InputError, match=f"`{name}` was not found in .*run `rote data fetch {name}`, or say where"
    ):
        load(name, data_dir=tmp_path)


def test_where_data_is_looked_for(formats, tmp_path, monkeypatch):
    formats.mnist(tmp_path / "given" / "mnist")
    formats.mnist(tmp_path / "set" / "MNIST" / "raw", m=14)
    formats.mnist(tmp_path / "cache" / "rote" / "mnist", m=16)
    monkeypatch.setenv("ROTE_DATA", str(tmp_path / "set"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert len(load("mnist", data_dir=tmp_path / "given").train) == 12
    assert len(load("mnist").train) == 14
    monkeypatch.delenv("ROTE_DATA")
    assert len(load("mnist").train) == 16
    monkeypatch.setenv("ROTE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(
        InputError, match=r"the environment's ROTE_DATA must be a folder, but .*nowhere` is none"
    ):
        load("mnist")
    with pytest.raises(InputError, match="`data_dir` must be a folder"):
        load("mnist", data_dir=tmp_path / "nowhere")


def test_a_complete_place_comes_before_an_incomplete_one(formats, tmp_path):
    (formats.mnist(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    assert describe(tmp_path)[1].where == str(tmp_path)
    formats.mnist(tmp_path / "mnist", m=14)
    assert len(load("mnist", data_dir=tmp_path).train) == 14


def test_describe_says_what_is_there(formats, tmp_path):
    formats.folder(tmp_path, formats.cifar10("py"))
    digits, mnist, cifar10 = describe(tmp_path)
    assert digits.found
    assert (mnist.found, mnist.where) == (False, "")
    assert "rote data fetch mnist" in mnist.advice
    assert (cifar10.found, cifar10.where, cifar10.advice) == (True, str(tmp_path / "cifar-10-batches-py"), "")


@pytest.mark.parametrize("name", ["imagenet", "data/none", "none.zip", "", "http://host/data"])
def test_unknown_names(name):
    with pytest.raises(InputError, match="is no known data"):
        load(name)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"must be a folder, or a .zip, .csv, .parquet or .pla file"):
        load(str(tmp_path / "notes.txt"))


def test_images_called_cifar10_must_be_cifar10(formats, tmp_path):
    image = formats.image(np.zeros((32, 32, 3), np.uint8))
    formats.folder(tmp_path / "cifar10", {f"train/{c}/0.png": image for c in ("airplane", "cat")})
    with pytest.raises(InputError, match="must hold CIFAR-10's ten classes"):
        load("cifar10", data_dir=tmp_path)


def test_importing_the_room_is_cheap():
    heavy = "{'torch', 'sklearn', 'PIL', 'pyarrow', 'pooch', 'requests', 'scipy', 'matplotlib'}"
    code = f"import sys, rote.data; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.realdata
@pytest.mark.slow
def test_real_mnist(real_data):
    parts = load("mnist", data_dir=real_data, limit=1000)
    assert (parts.train.shape, len(parts.test)) == ((1, 28, 28), 10_000)
    assert np.bincount(load("mnist", data_dir=real_data).train.y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


@pytest.mark.realdata
@pytest.mark.slow
def test_real_cifar10(real_data):
    parts = load("cifar10", data_dir=real_data)
    assert parts.train.X.shape == (50_000, 3, 32, 32)
    assert np.bincount(parts.test.y).tolist() == [1000] * 10
    assert parts.train.ids[0] == "train/airplane/0000.jpg"
