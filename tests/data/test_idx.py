import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rote.data import load
from rote.data._idx import read_idx, read_mnist
from rote.errors import InputError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@given(st.lists(st.integers(1, 4), min_size=3, max_size=3), st.booleans(), st.randoms())
@quick
def test_reads_back_what_was_written(formats, scratch, shape, zipped, random):
    array = np.frombuffer(random.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)
    content = formats.idx(array)
    path = scratch / "file"
    path.write_bytes(gzip.compress(content) if zipped else content)
    np.testing.assert_array_equal(read_idx(path, ndim=3), array)


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_ids_go_on_in_the_test_part(formats, tmp_path, zipped):
    folder = formats.mnist(tmp_path / "mnist", zipped=zipped)
    parts = load("mnist", data_dir=tmp_path)
    assert parts.train.shape == (1, 4, 5)
    assert parts.train.X.dtype == np.uint8
    assert parts.train.ids.tolist() == list(range(12))
    assert parts.test.ids.tolist() == list(range(12, 18))
    assert parts.train.y.tolist() == [i % 10 for i in range(12)]
    assert parts.source == str(folder)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda b: b"", "is empty"),
        (lambda b: b"\x89PNG" + b[4:], "magic number 0x00000803, not 0x89504e47"),
        (lambda b: b[:3], "magic number 0x00000803, not 0x000008:"),
        (lambda b: b[:9], "cut short at byte 9 of "),
        (lambda b: b[:-1], "cut short at byte 255 of 256"),
        (lambda b: b + b"x", "goes on after byte 256"),
        (lambda b: b[:4] + b"\0\0\0\0" + b[8:], "at least one example"),
        (lambda b: gzip.compress(b)[:-20], "ends in the middle of its gzip data"),
        (lambda b: gzip.compress(b)[:30] + b"\xff\xff" + gzip.compress(b)[32:], "cannot be read|gzip data"),
        (lambda b: b[:4] + b"\xff\xff\xff\xff" * 3 + b[16:], "cut short at byte 256 of 792281"),
    ],
)
def test_a_damaged_file_is_named_with_the_byte(formats, tmp_path, damage, says):
    path = formats.mnist(tmp_path) / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=says) as caught:
        read_mnist(tmp_path)
    assert str(path) in str(caught.value)


def test_a_label_out_of_range_is_named_with_row_and_byte(formats, tmp_path):
    path = formats.mnist(tmp_path) / LABELS
    content = bytearray(path.read_bytes())
    content[8 + 7] = 10
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train-labels.*row 7 \(byte 15\) is 10, outside 0 to 9"):
        read_mnist(tmp_path)


def test_counts_and_sizes_must_agree(formats, tmp_path):
    formats.mnist(tmp_path)
    (tmp_path / LABELS).write_bytes(formats.idx(np.zeros(11, np.uint8)))
    with pytest.raises(InputError, match=r"holds 12 images but .* 11 labels"):
        read_mnist(tmp_path)
    formats.mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(formats.idx(np.zeros((6, 4, 4), np.uint8)))
    with pytest.raises(InputError, match="training images are 4×5 but test images 4×4"):
        read_mnist(tmp_path)


def test_a_missing_file_is_named(formats, tmp_path):
    (formats.mnist(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"lacks `t10k-labels-idx1-ubyte.gz`: run `rote data fetch mnist`"):
        load("mnist", data_dir=tmp_path)


@given(
    st.sampled_from([IMAGES, LABELS]), st.booleans(), st.integers(0, 400), st.integers(0, 255), st.booleans()
)
@quick
def test_any_damage_gives_a_dataset_or_one_sentence(formats, scratch, name, zipped, at, value, cut):
    folder = scratch / f"zipped-{zipped}"
    if not folder.exists():
        formats.mnist(folder, zipped=zipped)
    path = folder / (f"{name}.gz" if zipped else name)
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + (b"" if cut else bytes([value]) + whole[at + 1 :]))
    try:
        train, _ = read_mnist(folder)
    except InputError as error:
        message = str(error)
        assert str(folder) in message
    else:
        assert train.X.shape == (12, 1, 4, 5)
    finally:
        path.write_bytes(whole)
