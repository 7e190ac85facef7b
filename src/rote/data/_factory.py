"""The user's own data: ``pkg.module:factory`` returns a map-style dataset, or a pair of them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset, Splits
from rote.data._words import reason
from rote.errors import InputError


def read_factory(name: str) -> tuple[Dataset, Dataset | None]:
    """What the callable ``pkg.module:factory`` returns, all of it read into memory.

    The module is looked for in the current folder too. The factory is called without arguments and returns a
    dataset with ``len()`` whose ``[i]`` is ``(x, y)``, a tuple of two such datasets (training and test part),
    or a `Dataset` or `Splits`. Class names are taken from an attribute ``classes``, else they are the label
    numbers. Ids are positions, training part first.

    Raises:
        InputError: If it cannot be imported, fails, or returns something else.
    """
    with _current_folder_importable():
        made = _call(name)
        if isinstance(made, Splits):
            return made.train, made.test
        if isinstance(made, tuple) and len(made) == 2:
            if isinstance(made[0], Dataset) and isinstance(made[1], Dataset):
                return made
            return _pair(name, _Part(name, made[0], "training "), _Part(name, made[1], "test "))
        if isinstance(made, Dataset):
            return made, None
        part = _Part(name, made, "")
        X, y = part.arrays()
        return Dataset(name, X, y, np.arange(len(y)), part.class_names(int(y.max()) + 1)), None


def _pair(name: str, train: "_Part", test: "_Part") -> tuple[Dataset, Dataset]:
    (X, y), (test_X, test_y) = train.arrays(), test.arrays()
    if X.dtype != test_X.dtype:
        # One part may happen to hold only multiples of 1/255: then both stay as they came.
        X, test_X = train.as_float(X), test.as_float(test_X)
    classes = train.class_names(1 + int(max(y.max(), test_y.max())))
    ids = np.arange(len(y) + len(test_y))
    return Dataset(name, X, y, ids[: len(y)], classes), Dataset(name, test_X, test_y, ids[len(y) :], classes)


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)


def _call(name: str) -> object:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code
        raise InputError(
            f"`{name}`: the module `{module_name}` cannot be imported ({_short(error)})."
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise InputError(
            f"`{name}`: `{module_name}` has no callable `{attribute}`: name a function or a class."
        )
    try:
        return factory()
    except Exception as error:
        raise InputError(
            f"`{name}` failed when it was called without arguments ({_short(error)})."
        ) from error


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {reason(error, most=200)}"


@dataclass(frozen=True)
class _Part:
    """One map-style dataset, and what to call it in errors."""

    name: str
    examples: Any
    part: str

    def arrays(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Inputs, ``[m, c, h, w]`` or ``[m, d]``, and labels ``[m]``."""
        try:
            m = len(self.examples)
            get = self.examples.__getitem__
        except (TypeError, AttributeError):
            raise InputError(
                f"`{self.name}` must return a dataset with len() and [i], or a tuple of two, "
                f"not {type(self.examples).__name__}."
            ) from None
        if m == 0:
            raise InputError(f"`{self.name}` must return at least one {self.part}example.")
        inputs: list[NDArray[Any]] = []
        labels = np.empty(m, np.int64)
        for i in range(m):
            x, labels[i] = self._example(get, i)
            if inputs and (x.shape != inputs[0].shape or x.dtype != inputs[0].dtype):
                raise self._wrong(
                    i,
                    f"is {x.dtype} {x.shape} but example 0 {inputs[0].dtype} {inputs[0].shape}: all must be "
                    f"alike",
                )
            if labels[i] >= max(1000, m):
                raise self._wrong(i, f"has the label {labels[i]}: labels must number the classes from 0")
            inputs.append(x)
        return self._stacked(np.stack(inputs)), labels

    def _example(self, get: Callable[[int], object], i: int) -> tuple[NDArray[Any], int]:
        try:
            pair = get(i)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise self._wrong(i, f"must be a pair (x, y), not {type(pair).__name__}")
            x, y = np.asarray(pair[0]), np.asarray(pair[1])
        except InputError:
            raise
        except Exception as error:  # reading runs the user's code
            raise self._wrong(i, f"cannot be read ({_short(error)})") from error
        if x.dtype.kind not in "buif":
            raise self._wrong(i, f"must have an x of numbers, not {type(pair[0]).__name__}")
        if y.ndim or y.dtype.kind not in "bui" or y < 0:
            raise self._wrong(i, f"must have a whole number from 0 as its label, not {str(pair[1])!a:.60}")
        if hasattr(pair[0], "getbands") and x.ndim == 3:  # a Pillow image: colours come last
            x = x.transpose(2, 0, 1)
        if x.ndim == 2:
            x = x[None]
        if x.ndim not in (1, 3):
            raise self._wrong(i, f"must be an image [c, h, w] or a row [d], not of shape {x.shape}")
        return x, int(y)

    def _stacked(self, X: NDArray[Any]) -> NDArray[Any]:
        if X.ndim == 4 and X.dtype.kind in "iu" and X.min() >= 0 and X.max() <= 255:
            return X.astype(np.uint8, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            X = X.astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(X).reshape(len(X), -1).all(axis=1))
        if wrong.size:
            raise self._wrong(int(wrong[0]), "must hold finite numbers only")
        if X.ndim == 2:
            return X
        # Image loaders often divide by 255 already; undone exactly, an image costs a quarter of the memory.
        grey = np.clip(np.rint(X * 255), 0, 255).astype(np.uint8)
        return grey if np.array_equal(grey.astype(np.float32) / np.float32(255), X) else X

    @staticmethod
    def as_float(X: NDArray[Any]) -> NDArray[np.float32]:
        """Images as float32, 0 to 1 where they were bytes."""
        return X.astype(np.float32) / np.float32(255) if X.dtype == np.uint8 else X.astype(np.float32)

    def class_names(self, at_least: int) -> tuple[str, ...]:
        """Names from the attribute ``classes`` if there are enough of them, else the numbers."""
        names = getattr(self.examples, "classes", None)
        if isinstance(names, (list, tuple)) and len(names) >= at_least:
            return tuple(str(name) for name in names)
        return tuple(str(number) for number in range(at_least))

    def _wrong(self, i: int, what: str) -> InputError:
        return InputError(f"`{self.name}`: {self.part}example {i} {what}.")
