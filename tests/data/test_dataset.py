import numpy as np
import pytest

from rote.data import Dataset
from rote.errors import InputError


def toy(m=6, X=None, **options):
    X = np.arange(m * 2, dtype=np.float32).reshape(m, 2) if X is None else X
    return Dataset("toy", X, np.arange(m) % 2, np.arange(m) + 100, ("a", "b"), **options)


def test_a_selection_moves_everything_together():
    d = toy(true_y=np.array([1, 1, 0, 0, 1, 1]))
    some = d[np.array([4, 1])]
    assert some.ids.tolist() == [104, 101]
    assert some.y.tolist() == [0, 1]
    assert some.true_y.tolist() == [1, 1]
    assert some.X.tolist() == [[8, 9], [2, 3]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ids": np.array([0, 1, 0])}, "the id 0 stands in row 0 and again in row 2"),
        ({"ids": np.array(["x", "y", "y"])}, "the id 'y' stands in row 1 and again in row 2"),
        ({"y": np.array([0, 1])}, "Got 3 examples, 2 labels, 3 ids"),
        ({"y": np.array([0, 2, 1])}, r"example 1 \(row 1\) is 2, outside 0 to 1"),
        ({"y": np.array([0, -1, 1])}, "is -1, outside"),
        ({"true_y": np.array([0, 1])}, "Got 2 and 3"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, says):
    fields = {"X": np.zeros((3, 1), np.float32), "y": np.array([0, 1, 0]), "ids": np.arange(3)} | change
    with pytest.raises(InputError, match=says):
        Dataset("toy", classes=("a", "b"), **fields)


def test_images_are_scaled_and_tables_are_not():
    images = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
    scaled = toy(3, images).inputs()
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.ravel(), images.ravel().astype(np.float32) / np.float32(255))
    assert toy().inputs(np.array([1])).tolist() == [[2, 3]]


def test_pixels_show_bytes_as_they_are_and_stretch_floats():
    images = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    assert toy(2, images).pixels().tolist() == images.tolist()
    floats = np.array([[-1, 0, 1, 1], [7, 7, 7, 7]], np.float32).reshape(2, 1, 2, 2)
    assert toy(2, floats).pixels().reshape(2, 4).tolist() == [[0, 128, 255, 255], [0, 0, 0, 0]]
    with pytest.raises(InputError, match="must hold images"):
        toy().pixels()


def test_corrupt_labels_and_proper_accuracy():
    d = toy(4).with_labels(np.array([0, 0, 0, 1]), noise="by hand")
    assert d.corrupt.tolist() == [False, True, False, False]
    assert d.proper_accuracy == 0.75
    assert d.true_y.tolist() == [0, 1, 0, 1]
