"""Espresso's PLA files: rows of input bits and what each output answers to them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.data._pla_rows import read_cover
from rote.errors import InputError

_MOST_ROWS = 1 << 22  # rows that expanded don't-cares may become


@dataclass(frozen=True, eq=False)
class Pla:
    """A PLA file as read.

    Attributes:
        X: Input bits, shape ``[m, inputs]``, bool.
        Y: What each output answers, shape ``[m, outputs]``, int8: 1, 0, or −1 where the file says nothing.
        inputs: Names of the inputs: those of ``.ilb``, else ``x0, x1, …``.
        outputs: Names of the outputs: those of ``.ob``, else ``y0, y1, …``.
        type: ``"f"``, ``"fd"``, ``"fr"`` or ``"fdr"``.
        lines: The line of the file that each row comes from, shape ``[m]``.

    Example:
        >>> Pla(np.ones((1, 2), bool), np.array([[1]], np.int8), ("a", "b"), ("f",), "fr", np.array([4])).type
        'fr'
    """

    X: NDArray[np.bool_]
    Y: NDArray[np.int8]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    type: str
    lines: NDArray[np.int64]


def read_pla(path: str | Path, *, dont_cares: str = "refuse") -> Pla:
    r"""Read an Espresso PLA file.

    ``.type fr`` and ``.type fdr`` list rows that answer 1 and rows that answer 0. ``.type f`` and
    ``.type fd``, the format's default, list only those that answer 1; their 0 says nothing, nor does it here.

    Args:
        path: The file.
        dont_cares: What to do with inputs that may be either: ``"refuse"`` them, or ``"expand"`` a row into
            all rows that it stands for.

    Returns:
        Rows in the order of the file.

    Raises:
        InputError: If the file is absent or empty, a row has a wrong width or an unknown character, a count
            disagrees with ``.p``, or don't-cares are not to be expanded or would become too many rows; the
            sentence names the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "and.pla"
        ...     _ = path.write_text(".i 2\n.o 1\n.type fr\n11 1\n-0 0\n01 0\n.e\n")
        ...     pla = read_pla(path, dont_cares="expand")
        >>> pla.X.astype(int).tolist(), pla.Y[:, 0].tolist()
        ([[1, 1], [0, 0], [1, 0], [0, 1]], [1, 0, 0, 0])
    """
    if dont_cares not in ("refuse", "expand"):
        raise InputError(f"`dont_cares` must be refuse or expand. Got {dont_cares!r:.80}.")
    cover = read_cover(path)
    X, Y, lines = cover.X, cover.Y, cover.lines
    free = X < 0
    if free.any():
        row = int(np.flatnonzero(free.any(axis=1))[0])
        if dont_cares == "refuse":
            raise InputError(
                f"`{path}`, line {lines[row]}: input {int(np.flatnonzero(free[row])[0])} may be either: "
                f'expand such rows (`dont_cares="expand"`), or write them out.'
            )
        X, rows = _expanded(X, free, f"`{path}`", lines)
        Y, lines = Y[rows], lines[rows]
    return Pla(X == 1, Y, cover.inputs, cover.outputs, cover.type, lines)


def _expanded(
    X: NDArray[np.int8], free: NDArray[np.bool_], where: str, lines: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The rows that rows with don't-cares stand for, and which row each comes from."""
    many = free.sum(axis=1)
    total = sum(1 << int(n) for n in many)  # Python's numbers, which do not overflow
    if total > _MOST_ROWS or total * X.shape[1] > 1 << 31:
        worst = int(many.argmax())
        raise InputError(
            f"{where}, line {lines[worst]}: {int(many[worst])} inputs may be either, and expanded would "
            f"be {total:.3g} rows: at most {min(_MOST_ROWS, (1 << 31) // X.shape[1])} are."
        )
    rows = np.repeat(np.arange(len(X)), 1 << many)
    first = np.repeat(np.cumsum(1 << many) - (1 << many), 1 << many)
    number = np.arange(len(rows)) - first
    wide = X[rows]
    place = np.cumsum(free, axis=1) - 1
    for row in np.flatnonzero(many):
        here = slice(*np.searchsorted(rows, [row, row + 1]))
        for column in np.flatnonzero(free[row]):
            wide[here, column] = number[here] >> place[row, column] & 1
    return wide, rows


def pla_dataset(pla: Pla, *, name: str, path: Path, output: str | None = None) -> Dataset:
    """One output's rows as a dataset of two classes, "0" and "1"; rows it says nothing about are left out.

    Args:
        pla: The file as read.
        name: The dataset's name.
        path: Where it was read, for errors.
        output: The output's name; None where there is one only.

    Raises:
        InputError: If the output cannot be told, or no row answers 0 or none 1.

    Example:
        >>> X, Y = np.eye(2, dtype=bool), np.array([[1], [0]], np.int8)
        >>> pla = Pla(X, Y, ("a", "b"), ("f",), "fr", np.arange(2))
        >>> pla_dataset(pla, name="not b", path=Path("b.pla")).y.tolist()
        [1, 0]
    """
    listed = ", ".join(f"`{each}`" for each in pla.outputs[:20])
    if output is None and len(pla.outputs) > 1:
        raise InputError(
            f"`{path}` has {len(pla.outputs)} outputs: say with `label` which of {listed} it is."
        )
    if output is not None and output not in pla.outputs:
        raise InputError(f"`{path}` has no output `{output}`: `label` must be one of {listed}.")
    y = pla.Y[:, 0 if output is None else pla.outputs.index(output)].astype(np.int64)
    said = y >= 0
    for value in (0, 1):
        if not (y == value).any():
            why = (
                f": `.type {pla.type}` lists only rows that answer 1: write `.type fr` and the others too"
                if value == 0 and pla.type in ("f", "fd")
                else ": both are needed to learn from"
            )
            raise InputError(f"`{path}` has no row that answers {value}{why}.")
    X = pla.X[said].astype(np.float32)
    return Dataset(name, X, y[said], np.flatnonzero(said), ("0", "1"), columns=pla.inputs)
