import sys
import textwrap

import numpy as np
import pytest

from rote.data import load
from rote.errors import InputError


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """A module of the user in the current folder, and its name."""
    monkeypatch.chdir(tmp_path)

    def write(code):
        name = f"mine_{tmp_path.name}"
        (tmp_path / f"{name}.py").write_text("import numpy as np\n" + textwrap.dedent(code))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return f"{name}:data"

    before = list(sys.path)
    yield write
    assert sys.path == before


MAP_STYLE = """
class Data:
    classes = ["cat", "dog"]
    def __init__(self, m): self.m = m
    def __len__(self): return self.m
    def __getitem__(self, i):
        if i >= self.m: raise IndexError
        return np.full((1, 2, 3), i, np.uint8), i % 2
"""


def test_a_map_style_dataset(factory):
    parts = load(factory(MAP_STYLE + "data = lambda: Data(10)"))
    assert len(parts.train) == 8
    assert parts.train.classes == ("cat", "dog")
    assert (parts.train.X[:, 0, 0, 0] == parts.train.ids).all()
    assert parts.train.X.dtype == np.uint8


def test_a_pair_is_training_and_test_part(factory):
    parts = load(factory(MAP_STYLE + "data = lambda: (Data(6), Data(4))"))
    assert parts.train.ids.tolist() == list(range(6))
    assert parts.test.ids.tolist() == list(range(6, 10))


def test_lists_of_rows_and_torch_tensors(factory):
    parts = load(factory("data = lambda: [([i, 2.5], np.int64(i % 3)) for i in range(12)]"))
    assert parts.train.X.dtype == np.float32
    assert parts.train.classes == ("0", "1", "2")
    torch = pytest.importorskip("torch")
    code = """
    import torch
    from torch.utils.data import TensorDataset
    def data():
        return TensorDataset(torch.arange(8.).reshape(8, 1, 1, 1).expand(8, 3, 2, 2) / 255, torch.arange(8) %
        2)
    """
    parts = load(factory(code))
    assert parts.train.X.dtype == np.uint8
    assert (parts.train.X[:, 0, 0, 0] == parts.train.ids).all()
    assert torch.from_numpy(parts.train.X).shape == (6, 3, 2, 2)


@pytest.mark.parametrize(
    ("x", "dtype", "shape", "value"),
    [
        ("Image.fromarray(np.full((2, 3, 3), i, np.uint8))", np.uint8, (3, 2, 3), 3),
        ("Image.fromarray(np.full((2, 3), i, np.uint8))", np.uint8, (1, 2, 3), 3),
        ("np.full((2, 3), i, np.int64)", np.uint8, (1, 2, 3), 3),
        ("np.full((1, 2, 3), i - 1.5)", np.float32, (1, 2, 3), 1.5),
        ("np.full((1, 2, 3), i * 1000)", np.float32, (1, 2, 3), 3000),
    ],
)
def test_what_becomes_of_images(factory, x, dtype, shape, value):
    code = f"""
    from PIL import Image
    def data():
        return [({x}, i % 2) for i in range(4)], [({x}, 0) for i in range(1)]
    """
    train = load(factory(code)).train
    assert train.X.dtype == dtype
    assert train.shape == shape
    assert (train.X[3] == value).all()


def test_parts_of_different_kinds_become_floats(factory):
    code = """
    def data():
        return [(np.full((1, 1, 1), 0.5), i % 2) for i in range(4)], [(np.ones((1, 1, 1)), 1)]
    """
    parts = load(factory(code))
    assert parts.train.X.dtype == parts.test.X.dtype == np.float32
    assert parts.test.X.ravel().tolist() == [1.0]


def test_a_dataset_or_splits_passes_through(factory):
    parts = load(factory("from rote.data import load\ndata = lambda: load('digits')"), limit=50)
    digits = load("digits", limit=50)
    assert parts.sha256 == digits.sha256
    whole = load(factory("from rote.data import load\ndata = lambda: load('digits').train"))
    assert len(whole.train) + len(whole.test) == 1438


UNREADABLE = """
class data:
    def __len__(self): return 2
    def __getitem__(self, i): raise OSError('gone')
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("data = 3", "has no callable `data`"),
        ("def data(): raise KeyError('no disk')", r"failed when .* arguments \(KeyError: 'no disk'\)"),
        ("def data(x): return x", "failed when it was called without arguments"),
        ("data = lambda: 3", "must return a dataset with len.. and .i., or a tuple of two, not int"),
        ("data = lambda: None", "not NoneType"),
        ("data = lambda: []", "must return at least one example"),
        ("data = lambda: ([([1.], 0)], [])", "at least one test example"),
        ("data = lambda: [1, 2]", r"example 0 must be a pair \(x, y\), not int"),
        (
            "data = lambda: [([1.], 0), ([1., 2.], 1)]",
            r"example 1 is float64 \(2,\) but example 0 float64 \(1,\)",
        ),
        ("data = lambda: [([1.], 0), ([float('nan')], 1)]", "example 1 must hold finite numbers only"),
        ("data = lambda: [([1.], 0), ([1.], 'a')]", "example 1 must have a whole number .* label, not 'a'"),
        ("data = lambda: [([1.], 0), ([1.], -1)]", "example 1 must have a whole number from 0"),
        ("data = lambda: [([1.], 0), ([1.], 10**9)]", "example 1 has the label 1000000000"),
        ("data = lambda: [([1.], 0), (['x'], 1)]", "example 1 must have an x of numbers"),
        ("data = lambda: [([[[[1.]]]], 0)]", r"example 0 must be an image .* not of shape \(1, 1, 1, 1\)"),
        ("data = lambda: [([1.], 0), ([1.], 0)]", "at least two classes"),
        ("import nothing_of_this_name", "cannot be imported .ModuleNotFoundError"),
        ("syntax error", "cannot be imported .SyntaxError"),
        (UNREADABLE, "example 0 cannot be read .OSError: gone"),
    ],
)
def test_what_is_wrong_with_a_factory(factory, code, says):
    with pytest.raises(InputError, match=says) as caught:
        load(factory(code))
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there():
    with pytest.raises(InputError, match=r"the module `no\.such\.module` cannot be imported"):
        load("no.such.module:data")
