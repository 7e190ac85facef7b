"""Plans, parts, looks, and the networks that names and factories stand for."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rote.audit import Plan, default_model, find_factory
from rote.audit._plan import architecture, build, log_steps, parts
from rote.errors import InputError
from rote.learners import Recipe, mlp

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@given(y=LABELS, n=st.integers(2, 7), seed=st.integers(0, 2**32 - 1))
def test_parts_are_equal_shares_of_everything_and_of_each_class(y, n, seed):
    part = parts(y, n, seed=seed)
    for rows in (part, *(part[y == c] for c in np.unique(y))):
        sizes = np.bincount(rows, minlength=n)
        assert len(sizes) == n
        assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(part, parts(y, n, seed=seed))


def test_parts_are_shuffled_by_the_seed():
    y = np.zeros(100, int)
    assert (parts(y, 5, seed=0) != parts(y, 5, seed=1)).any()


@given(st.integers(0, 100_000))
def test_looks_begin_and_end_and_thin_out(total):
    steps = log_steps(total)
    assert steps[0] == 0
    assert steps[-1] == total
    assert steps == sorted(set(steps))
    gaps = np.diff(steps[:-1])
    assert (np.diff(gaps) >= 0).all()
    assert len(steps) <= 2 * max(total, 1).bit_length() + 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"runs": 1}, "`seeds` must be at least 2"),
        ({"recipe": Recipe(epochs=0)}, "`epochs` and `batch` must be at least 1. Got 0 and 64."),
        ({"recipe": Recipe(batch=0)}, "`epochs` and `batch`"),
        ({"recipe": Recipe(lr=0.0)}, "`lr` must be positive. Got 0.0."),
        ({"recipe": Recipe(lr=float("nan"))}, "`lr`"),
        ({"recipe": Recipe(lr=float("inf"))}, "`lr`"),
        ({"recipe": Recipe(momentum=1.0)}, "`momentum` must be at least 0 and below 1"),
        ({"recipe": Recipe(momentum=-0.1)}, "`momentum`"),
        ({"recipe": Recipe(weight_decay=-1.0)}, "`weight_decay` at least 0"),
        ({"recipe": Recipe(weight_decay=float("nan"))}, "`weight_decay` at least 0"),
        ({"seed": -1}, "`seed` must be a whole number from 0 to 4294967295. Got -1."),
        ({"seed": 2**32}, "`seed`"),
        ({"probe": 1}, "`probe` must be at least 2 examples. Got 1."),
        ({"planted": 0.0}, "`planted` must be above 0 and at most 0.5. Got 0.0."),
        ({"planted": 0.6}, "`planted`"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(fields, said):
    with pytest.raises(InputError) as error:
        Plan(**fields)
    assert said in str(error.value)


def test_all_of_a_plan_is_in_its_configuration():
    base = Plan().config()
    for changed in (
        Plan(model="cnn"),
        Plan(recipe=Recipe(lr=0.1)),
        Plan(runs=3),
        Plan(seed=1),
        Plan(probe=9),
        Plan(planted=0.2),
    ):
        assert sum(changed.config()[name] != value for name, value in base.items()) == 1
    assert Plan(circuit=False).config() == base  # more on the page, and no other networks in the main part
    assert base.keys() == set(Plan.__dataclass_fields__) - {"circuit"}


def test_largest_seed_fits_the_generators():
    from rote.learners import order

    assert len(order(3, seed=(2**32 - 1) * 1000 + 999, epoch=10**6)) == 3


@pytest.mark.parametrize(
    ("shape", "name"),
    [((1, 16, 16), "cnn"), ((3, 16, 15), "mlp"), ((400,), "mlp"), ((3, 224, 224), "cnn")],
)
def test_the_default_model_goes_by_the_shape(shape, name):
    assert default_model(shape) == name


BROKEN = "x = 1\ndef net():\n    pass\nthing = 3\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes a module into the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


@pytest.mark.parametrize(
    ("text", "attribute", "said"),
    [
        ("", "net", "has no attribute 'net'"),
        ("thing = 3", "thing", "must be a function that returns a module. Got int."),
        ("raise RuntimeError('not today')", "net", "RuntimeError: not today"),
        ("def net(:", "net", "SyntaxError"),
        ("import no_such_module_anywhere", "net", "No module named 'no_such_module_anywhere'"),
    ],
)
def test_a_factory_that_cannot_be_had_is_refused(module, text, attribute, said):
    name = module("rote_test_broken", text)
    with pytest.raises(InputError, match=r"^`model`: ") as error:
        find_factory(f"{name}:{attribute}")
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["vgg", "", "mlp ", "no_such_module:net", ":net", "os:", "..x:y"])
def test_a_name_that_stands_for_nothing_is_refused(name):
    with pytest.raises(InputError, match=r"^`model`"):
        find_factory(name)


def test_a_factory_in_the_current_folder_is_found_and_stays_importable(module, tmp_path):
    name = module("rote_test_mine", "import torch\ndef net():\n    return torch.nn.Linear(2, 2)\n")
    assert isinstance(build(find_factory(f"{name}:net"), (2,), 2), nn.Linear)
    assert str(tmp_path) in sys.path


class Picky(nn.Linear):
    def __init__(self, shape, classes):
        super().__init__(shape[0], classes)


@pytest.mark.parametrize(
    "factory",
    [
        lambda: nn.Linear(4, 3),
        lambda shape, classes: nn.Linear(shape[0], classes),
        lambda shape, classes, width=3: nn.Linear(shape[0], classes),
        lambda *anything: nn.Linear(4, 3),
        lambda width=4: nn.Linear(width, 3),
        Picky,
        mlp,
    ],
)
def test_factories_of_two_arguments_and_of_none(factory):
    model = build(factory, (4,), 3)
    assert list(model.parameters())[-1].shape == (3,)


def frozen():
    return nn.Linear(2, 2).requires_grad_(False)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (lambda: 3, "must return a torch module with trainable parameters"),
        (lambda: None, "must return a torch module"),
        (nn.ReLU, "ReLU must return a torch module with trainable parameters"),
        (frozen, "trainable parameters"),
        (lambda shape: nn.Linear(2, 2), "failed (TypeError"),
        (lambda: 1 / 0, "failed (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_factory_that_builds_nothing_is_refused(factory, said):
    with pytest.raises(InputError, match=r"^`model`: ") as error:
        build(factory, (2,), 2)
    assert said in str(error.value)


def test_architectures_differ_by_structure_and_not_by_weights():
    def two(*middle):
        return nn.Sequential(nn.Linear(2, 2), *middle)

    assert architecture(two(nn.ReLU())) == architecture(two(nn.ReLU()))
    assert len({architecture(m) for m in (two(), two(nn.ReLU()), two(nn.Tanh()), nn.Linear(2, 2))}) == 4
