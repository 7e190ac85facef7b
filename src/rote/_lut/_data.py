"""Data as networks of lookup tables take it: rows, labels in words, and how their bits are made."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin

from rote.data import Dataset, Splits, load, pla_dataset, read_pla, split
from rote.errors import InputError
from rote.luts import IntegerBits, PCABits, Quantiles, Thermometer, Threshold
from rote.runs import content_hash

BINARISERS = ("auto", "threshold", "thermometer", "quantiles", "pca", "integer")
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Reading:
    """How data is read.

    Attributes:
        data_dir: Where named datasets lie.
        label: A table's label column, or the output of a PLA file.
        every_output: Each output of a PLA file is a task of its own.
        dont_cares: What becomes of a PLA file's inputs that may be either: ``refuse`` or ``expand``.
        yes: Classes that are to be told from all others; none: each class is one.
        test: Data to judge on; without it a part is held out where the source has none of its own.
        limit: Learn from this many examples only.
    """

    data_dir: Path | None = None
    label: str | None = None
    every_output: bool = False
    dont_cares: str = "refuse"
    yes: tuple[str, ...] = ()
    test: str | None = None
    limit: int | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Some examples.

    Attributes:
        X: Pixels, numbers or bits, ``[m, features]``.
        y: Labels in words, ``[m]``.
        ids: ``[m]``.
    """

    X: NDArray[np.generic]
    y: NDArray[np.str_]
    ids: NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Task:
    """One thing to learn.

    Attributes:
        name: What the data is called.
        output: The PLA file's output, else empty.
        train: What is learnt from.
        test: What is judged on.
        columns: Names of a table's columns or a PLA file's inputs; empty for images.
        pixels: Whether the numbers are pixels from 0 to 255.
        source: Where the data came from.
        file: SHA-256 of the one file that it was read from; empty where there is no such file.
        sha256: Of both parts.
    """

    name: str
    output: str
    train: Part
    test: Part
    columns: tuple[str, ...]
    pixels: bool
    source: str
    file: str
    sha256: str


def read_tasks(data: str, reading: Reading) -> list[Task]:
    """What there is to learn in some data: one task, or one for each output of a PLA file.

    Raises:
        InputError: If the data cannot be read or learnt from.

    Example:
        >>> task = read_tasks("digits", Reading(yes=("5", "6", "7", "8", "9")))[0]
        >>> task.train.X.shape, sorted(set(task.test.y.tolist()))
        ((1438, 64), ['no', 'yes'])
    """
    pla = is_pla(data)
    if reading.every_output and not pla:
        raise InputError(f"`every_output` is for PLA files, but `{data}` is none: leave it out.")
    if reading.every_output and reading.label is not None:
        raise InputError("`every_output` learns all outputs: leave `label` out.")
    if reading.dont_cares != "refuse" and not pla:
        raise InputError(f"`dont_cares` is for PLA files, but `{data}` is none: leave it out.")
    if not reading.every_output:
        return [_task(data, reading, reading.label)]
    outputs = read_pla(Path(data).expanduser(), dont_cares=reading.dont_cares).outputs
    return [_task(data, reading, output) for output in outputs]


def _task(data: str, reading: Reading, output: str | None) -> Task:
    limit = None if reading.test else reading.limit
    parts = _splits(data, reading, output, limit)
    train, test, source = parts.train, parts.test, parts.source
    if reading.test:
        other = _splits(reading.test, reading, output, None)
        if other.train.columns != train.columns:
            raise InputError(_columns_differ(reading.test, other.train.columns, data, train.columns))
        both = _aligned(_joined(train, test), _joined(other.train, other.test))
        parts = split(*both, source=f"{source}, judged on {other.source}", limit=reading.limit)
        train, test, source = parts.train, parts.test, parts.source
    given = tuple(_part(each, reading.yes) for each in (train, test))
    return Task(
        train.name,
        (output or "") if is_pla(data) else "",
        given[0],
        given[1],
        train.columns,
        train.is_image and train.X.dtype == np.uint8,
        source,
        _file_digest(Path(data).expanduser()),
        content_hash([parts.sha256, list(reading.yes)]),
    )


def _file_digest(path: Path) -> str:
    """SHA-256 of a table or a PLA file; empty for anything else."""
    if path.suffix.lower() not in (".csv", ".parquet", ".pla"):
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_pla(data: str) -> bool:
    """Whether the data is an Espresso PLA file, by its name.

    Example:
        >>> is_pla("ex80.train.pla")
        True
    """
    return Path(data).suffix.lower() == ".pla"


def _splits(data: str, reading: Reading, output: str | None, limit: int | None) -> Splits:
    if is_pla(data):
        path = Path(data).expanduser()
        pla = read_pla(path, dont_cares=reading.dont_cares)
        return split(
            pla_dataset(pla, name=path.name, path=path, output=output), source=str(path), limit=limit
        )
    parts = load(data, data_dir=reading.data_dir, label=output, limit=limit)
    if not parts.std.size:
        return parts

    def undone(part: Dataset) -> Dataset:
        X: Any = unstandardised(
            part.X, parts.mean, parts.std
        )  # wider than a dataset's: time stamps stay apart
        return replace(part, X=X)

    return replace(parts, train=undone(parts.train), test=undone(parts.test))


def unstandardised(
    Z: NDArray[np.generic], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Numbers of a table as they stood in it, but for the rounding of float32.

    A bit should be cut, and named, at a value that its reader knows; zeros and ones must come back as such.

    Args:
        Z: Standardised, ``[m, d]``, float32.
        mean: What was subtracted, ``[d]``.
        std: What was then divided by, ``[d]``.

    Example:
        >>> x = np.array([[0.0, 2024], [1.0, 1999], [1.0, 2001]])
        >>> Z = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
        >>> unstandardised(Z, x.mean(axis=0), x.std(axis=0)).tolist()
        [[0.0, 2024.0], [1.0, 1999.0], [1.0, 2001.0]]
    """
    away = Z.astype(np.float64) * std
    X = away + mean
    for column, reach in enumerate(np.abs(away).max(axis=0, initial=0.0)):
        if reach > 0:  # float32 keeps seven digits of how far from its mean a number lies
            digits = int(np.floor(-np.log10(reach))) + 6
            X[:, column] = np.round(X[:, column], min(max(digits, -300), 300))
    return np.asarray(X)


def _joined(*parts: Dataset) -> Dataset:
    first = parts[0]
    X, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y"))
    return Dataset(first.name, X, y, np.arange(len(y)), first.classes, columns=first.columns)


def _aligned(train: Dataset, test: Dataset) -> tuple[Dataset, Dataset]:
    """The same with the same classes, and with ids that differ."""
    strangers = [name for name in test.classes if name not in train.classes]
    if strangers:
        raise InputError(
            f"`test`: `{test.name}` has the class {strangers[0]!r:.80}, which `{train.name}` has not: "
            f"judge on data with the same classes."
        )
    number = np.array([train.classes.index(name) for name in test.classes])
    y = number[test.y]
    ids = np.arange(len(train), len(train) + len(test))
    return train, replace(test, y=y, true_y=y, ids=ids, classes=train.classes)


def _part(data: Dataset, yes: Iterable[str]) -> Part:
    words = np.array(data.classes)[data.y]
    wanted = list(yes)
    if wanted:
        strange = [name for name in wanted if name not in data.classes]
        if strange:
            listed = ", ".join(data.classes[:20])
            raise InputError(f"`yes` must name classes of `{data.name}` ({listed}). Got {strange[0]!r:.80}.")
        if set(wanted) == set(data.classes):
            raise InputError(f"`yes` must leave out a class of `{data.name}`: all of them are named.")
        words = np.where(np.isin(words, wanted), YES, NO)
    return Part(data.X.reshape(len(data), -1), words, data.ids)


def _columns_differ(name: str, columns: tuple[str, ...], other: str, wanted: tuple[str, ...]) -> str:
    if len(columns) != len(wanted):
        return f"`{name}` has {len(columns)} columns beside the label, but `{other}` has {len(wanted)}."
    here, there = next((a, b) for a, b in zip(columns, wanted, strict=True) if a != b)
    return f"`{name}` has the column `{here}` where `{other}` has `{there}`: both must have the same columns."


def check_columns(task: Task, wanted: tuple[str, ...], features: int, model: str) -> None:
    """Refuse examples that are not of the kind a model was learnt from.

    Args:
        task: The examples.
        wanted: Names of the columns that it was learnt from; empty where nobody knows.
        features: How many numbers it reads.
        model: Its name, for the error.

    Raises:
        InputError: If the number of columns or their names differ.
    """
    width = task.train.X.shape[1]
    if width != features:
        raise InputError(
            f"`{task.source}` has {width} inputs, but `{model}` reads {features}: give data of the kind that "
            f"it was learnt from."
        )
    if wanted and task.columns and task.columns != wanted:
        raise InputError(_columns_differ(task.source, task.columns, model, wanted))


def make_binariser(name: str, bits: int, task: Task) -> TransformerMixin | None:
    """The transformer that makes bits of a task's numbers; None where they are taken, or chosen, as they are.

    Args:
        name: One of ``BINARISERS``; ``"auto"``: pixels above 127, else what the estimator chooses.
        bits: Bits of each number; for ``"pca"``, the components.
        task: What is to be learnt.

    Example:
        >>> make_binariser("auto", 8, read_tasks("digits", Reading())[0])
        Threshold(threshold=127)
    """
    middle = 127 if task.pixels else 0.5
    if name == "auto":
        return Threshold(middle) if task.pixels else None
    if name == "threshold":
        return Threshold(middle)
    if name == "pca":
        return PCABits(bits)
    makers = {"thermometer": Thermometer, "quantiles": Quantiles, "integer": IntegerBits}
    if name not in makers:
        raise InputError(f"`binariser` must be one of {', '.join(BINARISERS)}. Got {name!r:.80}.")
    return makers[name](bits)
