"""Tables, CSV or Parquet: numbers in all columns but the label's and the ids'."""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.data._words import reason
from rote.errors import InputError

LABEL_COLUMNS = ("label", "class", "target", "y")
# A nameless column and ``__index_level_0__`` are where pandas writes its index.
ID_COLUMNS = ("id", "", "__index_level_0__")


@dataclass(frozen=True)
class Table:
    """A table as read: numbers as they stand in the file, not yet standardised.

    Attributes:
        X: Numbers, shape ``[m, d]``, float64.
        labels: The label column as text, ``m`` entries.
        ids: Row numbers from 0, or the id column, shape ``[m]``.
        columns: Names of the ``d`` columns of ``X``.
    """

    X: NDArray[np.float64]
    labels: list[str]
    ids: NDArray[np.generic]
    columns: tuple[str, ...]


def read_table(path: Path, *, label: str | None = None) -> Table:
    """The table in a ``.csv`` or ``.parquet`` file.

    Args:
        path: The file. CSV has commas, a header line and UTF-8.
        label: Name of the label's column; by default the one that is called label, class, target or y.

    Raises:
        InputError: If a cell is not a finite number, a label or id is missing, an id repeats, the file is
            damaged or empty, or the label's column cannot be told.
    """
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    return read(path, label)


def table_dataset(table: Table, *, name: str, path: Path) -> tuple[Dataset, NDArray[np.float64]]:
    """The dataset of a table, its numbers still zero, and the numbers themselves in float64.

    Numbers are standardised only after the test part is known, and in float64: a column such as a time stamp
    has a mean so large that float32 would lose the differences.
    """
    classes = tuple(sorted(set(table.labels), key=_numbers_first))
    if len(classes) > max(2, len(table.labels) // 2):
        raise InputError(
            f"`{path}`: the label column holds {len(classes)} different values in {len(table.labels)} rows: "
            f"it must name classes, so choose another with `label`."
        )
    number = {text: i for i, text in enumerate(classes)}
    y = np.array([number[text] for text in table.labels], np.int64)
    X = np.zeros(table.X.shape, np.float32)
    return Dataset(name, X, y, table.ids, classes, columns=table.columns), table.X


def _numbers_first(text: str) -> tuple[bool, float, str]:
    try:
        value = float(text)
    except ValueError:
        return True, 0.0, text
    return False, value, text


def standardised(
    X: NDArray[np.float64],
    train_rows: NDArray[np.integer] | NDArray[np.bool_],
    columns: Sequence[str],
    path: Path,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """``(X − mean) / std`` by the training rows' mean and standard deviation; constant columns become 0.

    Args:
        X: Numbers, shape ``[m, d]``.
        train_rows: Which rows the statistics are taken from.
        columns: Names of the columns, for errors.
        path: The file, for errors.

    Returns:
        The standardised numbers ``[m, d]`` in float32, the mean ``[d]`` and the divisor ``[d]`` in float64.

    Raises:
        InputError: If numbers are too large for it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        trained = X[train_rows]
        # Told apart by its bounds, because the rounding of the mean alone gives a constant column a
        # deviation.
        constant = trained.min(axis=0) == trained.max(axis=0)
        mean = np.where(constant, trained[0], trained.mean(axis=0))
        std = np.where(constant, 1.0, trained.std(axis=0))
        Z = ((X - mean) / std).astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(Z).all(axis=0))
    if wrong.size:
        raise InputError(
            f"`{path}`: the numbers in column `{columns[wrong[0]]}` are too large: rescale them."
        )
    return Z, mean, std


def _read_csv(path: Path, label: str | None) -> Table:
    values, labels, ids, lines = array("d"), [], [], array("q")
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True, skipinitialspace=True)
            header = next(rows, [])
            line = rows.line_num
            label_at, id_at, features = _columns(path, header, label)
            for cells in filter(None, rows):
                line = rows.line_num
                if len(cells) != len(header):
                    raise InputError(
                        f"`{path}`, line {line}: must have {len(header)} cells as the header has, not "
                        f"{len(cells)}."
                    )
                labels.append(cells[label_at])
                if id_at is not None:
                    ids.append(cells[id_at])
                lines.append(line)
                values.extend(_numbers(path, header, features, cells, len(labels) - 1, line))
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InputError(f"`{path}`, after line {line}: cannot be read as CSV ({reason(error)}).") from error
    X = np.frombuffer(values, np.float64).reshape(len(labels), len(features))
    names = [header[i] for i in features]
    places = [f"row {row} (line {line})" for row, line in enumerate(lines)]
    return _checked(path, X, labels, ids if id_at is not None else None, names, header[label_at], places)


def _numbers(
    path: Path, header: list[str], features: list[int], cells: list[str], row: int, line: int
) -> list[float]:
    try:
        # Python reads 1_000 as a number; nobody else does.
        if any("_" in cells[i] for i in features):
            raise ValueError
        return [float(cells[i]) for i in features]
    except ValueError:
        wrong = next(i for i in features if "_" in cells[i] or not _is_number(cells[i]))
        raise InputError(
            f"`{path}`, row {row} (line {line}), column `{header[wrong]}`: must be a finite number, "
            f"not {cells[wrong]!r:.80}."
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path, label: str | None) -> Table:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"`{path}` cannot be read as Parquet ({reason(error)}).") from error
    header = list(table.column_names)
    label_at, id_at, features = _columns(path, header, label)
    X = np.empty((table.num_rows, len(features)))
    for j, i in enumerate(features):
        column: Any = table.column(i)
        kind = column.type
        if not (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_decimal(kind)
        ):
            first = repr(column[0].as_py())[:80] if table.num_rows else str(kind)
            raise InputError(
                f"`{path}`, row 0, column `{header[i]}`: must be a finite number, not {first}, of type "
                f"{kind}."
            )
        X[:, j] = pc.cast(column, pa.float64(), safe=False).to_numpy()
    labels = ["" if value is None else str(value) for value in table.column(label_at).to_pylist()]
    ids = None
    if id_at is not None:
        ids = ["" if value is None else str(value) for value in table.column(id_at).to_pylist()]
    places = [f"row {row}" for row in range(len(labels))]
    return _checked(path, X, labels, ids, [header[i] for i in features], header[label_at], places)


def _columns(path: Path, header: list[str], label: str | None) -> tuple[int, int | None, list[int]]:
    """Where in a row the label, the id (if any) and the features stand."""
    listed = ", ".join(f"`{name}`" for name in header)
    if not header:
        raise InputError(f"`{path}` is empty: it must begin with a line that names the columns.")
    odd = next((name for name in header if not name.isprintable()), None)
    if odd is not None:
        raise InputError(f"`{path}`: the column name {odd!a:.80} must be printable text on one line.")
    twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if twice is not None:
        raise InputError(f"`{path}` names the column `{twice}` twice: rename one.")
    if label is None:
        found = [name for name in header if name.lower() in LABEL_COLUMNS]
        if len(found) != 1:
            raise InputError(
                f"`{path}` has {'several columns' if found else 'no column'} called "
                f"{', '.join(LABEL_COLUMNS[:-1])} or {LABEL_COLUMNS[-1]}: say with `label` which of "
                f"{listed} it is."
            )
        label = found[0]
    if label not in header:
        raise InputError(f"`{path}` has no column `{label}`: `label` must be one of {listed}.")
    label_at = header.index(label)
    id_at = next((header.index(n) for n in ID_COLUMNS if n in header and header.index(n) != label_at), None)
    features = [i for i in range(len(header)) if i not in (label_at, id_at)]
    if not features:
        raise InputError(f"`{path}` must have a column of numbers beside {listed}.")
    return label_at, id_at, features


def _checked(
    path: Path,
    X: NDArray[np.float64],
    labels: list[str],
    ids: list[str] | None,
    columns: list[str],
    label: str,
    places: list[str],
) -> Table:
    """The table, unless it is empty, lacks a label, an id or a number, or repeats an id."""
    if not labels:
        raise InputError(f"`{path}` must hold at least one row below its header.")
    wrong = np.argwhere(~np.isfinite(X))
    if len(wrong):
        row, j = (int(i) for i in wrong[0])
        raise InputError(
            f"`{path}`, {places[row]}, column `{columns[j]}`: must be a finite number, not {X[row, j]}."
        )
    for what, texts in ((f"the label in column `{label}`", labels), ("the id", ids or [])):
        empty = next((i for i, text in enumerate(texts) if text.strip().lower() in ("", "nan")), None)
        if empty is not None:
            raise InputError(f"`{path}`, {places[empty]}: {what} must not be empty.")
    if ids is None:
        return Table(X, labels, np.arange(len(labels)), tuple(columns))
    first: dict[str, int] = {}
    for row, text in enumerate(ids):
        if first.setdefault(text, row) != row:
            raise InputError(
                f"`{path}`, {places[row]}: the id {text!r:.80} stands already in {places[first[text]]}."
            )
    numbers = all(
        text.isascii() and text.isdigit() and len(text) < 19 and text == str(int(text)) for text in ids
    )
    return Table(X, labels, np.array(ids, np.int64) if numbers else np.array(ids), tuple(columns))
