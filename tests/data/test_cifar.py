import os
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rote.data import load
from rote.data._cifar import binary_batch, python_batch
from rote.errors import InputError

quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("form", ["py.tar", "bin.tar", "py", "bin"])
def test_all_official_forms_hold_the_same_examples(formats, tmp_path, form):
    kind = form.split(".")[0]
    files = formats.cifar10(kind)
    if form.endswith("tar"):
        name = {"py": "cifar-10-python.tar.gz", "bin": "cifar-10-binary.tar.gz"}[kind]
        (tmp_path / "cifar10").mkdir()
        formats.tar(tmp_path / "cifar10" / name, files)
    else:
        formats.folder(tmp_path, files)
    parts = load("cifar10", data_dir=tmp_path)
    expected = np.random.default_rng(0).integers(256, size=(4, 3072), dtype=np.uint8)
    np.testing.assert_array_equal(parts.train.X[:4].reshape(4, -1), expected)
    assert parts.train.X.shape == (20, 3, 32, 32)
    assert parts.train.y.tolist() == [i % 10 for i in range(20)]
    assert parts.test.ids.tolist() == [20, 21, 22, 23]
    assert parts.train.classes[3] == "cat"
    assert parts.sha256 == load("cifar10", data_dir=tmp_path).sha256


class _Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is no official CIFAR-10 batch"):
        python_batch(pickle.dumps({b"labels": [1], b"data": _Harm()}, protocol), "batch")
    assert not (tmp_path / "harm").exists()


def test_a_pickle_naming_anything_else_says_so():
    with pytest.raises(InputError, match=r"it names posix.system"):
        python_batch(b"\x80\x02cposix\nsystem\nU\x02ls\x85R.", "batch")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02}.",
        b"\x80\x02K\x01.",
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # asks for a table of two thousand million entries
        b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f.",  # asks for a byte array as large as memory can be
    ],
)
def test_a_pickle_that_is_no_batch_is_refused(content):
    with pytest.raises(InputError, match="`batch` is no official CIFAR-10 batch"):
        python_batch(content, "batch")


def test_labels_out_of_range_name_the_row(formats):
    images = np.zeros((3, 3072), np.uint8)
    with pytest.raises(InputError, match=r"`b`: the label in row 2 \(byte 6146\) is 10"):
        binary_batch(formats.binary_batch(images, [0, 9, 10]), "b")
    with pytest.raises(InputError, match="the label in row 1"):
        python_batch(formats.pickled_batch(images, [0, 200, 1]), "b")


def test_counts_must_agree(formats):
    with pytest.raises(InputError, match="no official"):
        python_batch(formats.pickled_batch(np.zeros((3, 3072), np.uint8), [0, 1]), "b")


def test_a_cut_binary_batch_names_row_and_byte():
    with pytest.raises(InputError, match="cut short in row 1 at byte 3080"):
        binary_batch(bytes(3080), "b")
    with pytest.raises(InputError, match="at least one example"):
        binary_batch(b"", "b")


def test_a_missing_batch_and_a_cut_archive(formats, tmp_path):
    files = formats.cifar10("bin")
    files.pop("cifar-10-batches-bin/data_batch_3.bin")
    path = formats.tar(tmp_path / "cifar-10-binary.tar.gz", files)
    with pytest.raises(InputError, match=r"lacks the batch `data_batch_3.bin`"):
        load("cifar10", data_dir=tmp_path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError, match="is cut short or damaged"):
        load("cifar10", data_dir=tmp_path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="is cut short or damaged"):
        load("cifar10", data_dir=tmp_path)


@given(
    st.sampled_from(["py", "bin"]), st.integers(0, 10**6), st.integers(0, 255), st.booleans(), st.booleans()
)
@quick
def test_any_damage_gives_examples_or_one_sentence(formats, kind, at, value, cut, in_header):
    images = np.zeros((2, 3072), np.uint8)
    write, read = {
        "py": (formats.pickled_batch, python_batch),
        "bin": (formats.binary_batch, binary_batch),
    }[kind]
    content = write(images, [3, 4])
    at %= 180 if in_header else len(content)
    content = content[:at] + (b"" if cut else bytes([value]) + content[at + 1 :])
    try:
        pixels, labels = read(content, "batch.file")
    except InputError as error:
        message = str(error)
        assert "batch.file" in message
    else:
        assert pixels.shape[0] == len(labels)
        assert labels.max() <= 9
