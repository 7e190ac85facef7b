"""Examples as circuits are asked about them: bits or bytes, and labels as numbers of classes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rote.circuits import Circuit
from rote.circuits._answers import Decode, class_names
from rote.data import Dataset, digest, load, pla_dataset, read_pla
from rote.data._splits import stratified_order
from rote.data._tables import read_table, table_dataset
from rote.errors import InputError

PARTS = ("auto", "train", "test", "all")
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Reading:
    """How data is read.

    Attributes:
        part: Which examples: ``train``, ``test`` or ``all``; ``auto`` is all of a table or a PLA file, which
            is what a circuit was learnt from, and the training part of anything else.
        data_dir: Where named datasets lie.
        label: A table's label column, or the output of a PLA file.
        yes: Classes that are to be told from all others; none: each class is one.
        limit: Look at so many examples only, drawn evenly over the classes.
    """

    part: str = "auto"
    data_dir: Path | None = None
    label: str | None = None
    yes: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise InputError(f"`part` must be one of {', '.join(PARTS)}. Got {self.part!r:.80}.")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"`limit` must be at least 1. Got {self.limit}.")


@dataclass(frozen=True, eq=False)
class Examples:
    """What circuits are asked about.

    Attributes:
        data: Features as they stand in the data (a table's are no longer standardised), labels, classes.
        part: Which examples of the data, in words.
        of: How many there were before ``limit``.
        source: Where the data came from.
        sha256: Of the examples.
    """

    data: Dataset
    part: str
    of: int
    source: str
    sha256: str


def read_examples(data: str, reading: Reading) -> Examples:
    """The examples of some data.

    Raises:
        InputError: If the data cannot be read.

    Example:
        >>> found = read_examples("digits", Reading(limit=100))
        >>> found.data.shape, found.part, found.of
        ((1, 8, 8), 'training part', 1438)
    """
    suffix = Path(data).suffix.lower()
    whole, part, source = (
        _table(data, reading) if suffix in (".pla", ".csv", ".parquet") else _named(data, reading)
    )
    if reading.yes:
        whole = _asked(whole, reading.yes)
    of = len(whole)
    if reading.limit is not None and reading.limit < of:
        whole = whole[np.sort(stratified_order(whole.y, seed=0)[: reading.limit])]
    return Examples(whole, part, of, source, digest(whole))


def _named(data: str, reading: Reading) -> tuple[Dataset, str, str]:
    parts = load(data, data_dir=reading.data_dir, label=reading.label)
    if reading.part == "all":
        return _joined(parts.train, parts.test), "all examples", parts.source
    chosen, words = (parts.test, "test part") if reading.part == "test" else (parts.train, "training part")
    return chosen, words, parts.source


def _joined(train: Dataset, test: Dataset) -> Dataset:
    X, y, ids = (
        np.concatenate([getattr(part, name) for part in (train, test)]) for name in ("X", "y", "ids")
    )
    return Dataset(train.name, X, y, ids, train.classes, columns=train.columns)


def _table(data: str, reading: Reading) -> tuple[Dataset, str, str]:
    """A whole file; a part of it as `rote.data.load` splits it, by the ids that this keeps."""
    path = Path(data).expanduser()
    if path.suffix.lower() == ".pla":
        whole = _pla(path, reading.label)
    else:
        if not path.is_file():
            raise InputError(f"`{path}` is not there: check the path.")
        whole, numbers = table_dataset(read_table(path, label=reading.label), name=path.name, path=path)
        whole = replace(whole, X=numbers)  # type: ignore[arg-type]  # float64: codes and years stay what they are
    if reading.part in ("auto", "all"):
        return whole, "all examples", str(path)
    parts = load(data, label=reading.label)
    kept = parts.test if reading.part == "test" else parts.train
    words = "test part" if reading.part == "test" else "training part"
    return whole[np.isin(whole.ids, kept.ids)], words, str(path)


def _pla(path: Path, label: str | None) -> Dataset:
    """The rows of one output, or of several of which each row has exactly one 1: the number of its class."""
    pla = read_pla(path)
    if label is not None or len(pla.outputs) == 1:
        return pla_dataset(pla, name=path.name, path=path, output=label)
    wrong = np.flatnonzero((pla.Y == 1).sum(axis=1) != 1)
    if wrong.size:
        raise InputError(
            f"`{path}`, line {pla.lines[wrong[0]]}: has {len(pla.outputs)} outputs, of which exactly one "
            f"must be 1, the class; or say with `label` which output is asked about."
        )
    y = (pla.Y == 1).argmax(axis=1).astype(np.int64)
    return Dataset(path.name, pla.X.astype(np.uint8), y, np.arange(len(y)), pla.outputs, columns=pla.inputs)


def _asked(data: Dataset, yes: tuple[str, ...]) -> Dataset:
    strange = [name for name in yes if name not in data.classes]
    if strange:
        listed = ", ".join(data.classes[:20])
        raise InputError(f"`yes` must name classes of `{data.name}` ({listed}). Got {strange[0]!r:.80}.")
    y = np.isin(np.array(data.classes)[data.y], yes).astype(np.int64)
    return Dataset(data.name, data.X, y, data.ids, (NO, YES), columns=data.columns)


def labels_for(circuit: Circuit, data: Dataset, decode: Decode | None = None) -> NDArray[np.int64]:
    """Labels as the classes that a circuit names: by their names where it bears these, else by number.

    Example:
        >>> from rote.circuits import Builder
        >>> X, y = np.zeros((2, 1), np.float32), np.array([0, 1])
        >>> data = Dataset("pets", X, y, np.arange(2), ("cat", "dog"))
        >>> labels_for(Builder(["fur"]).finish({"dog": 2, "cat": 3}), data).tolist()
        [1, 0]
    """
    names = class_names(circuit, decode)
    if names and set(data.classes) <= set(names):
        return np.array([names.index(name) for name in data.classes], np.int64)[data.y]
    return data.y


def answered(circuit: Circuit, data: Dataset, classes: NDArray[np.int64], decode: Decode | None) -> list[str]:
    """What some classes that a circuit names are called."""
    names = class_names(circuit, decode)
    if not (names and set(data.classes) <= set(names)):
        names = data.classes
    return [names[c] if c < len(names) else f"class {c}" for c in classes.tolist()]
