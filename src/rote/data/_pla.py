"""Espresso's PLA files: rows of input bits and what each output answers to them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.errors import InputError

#: What a character of an output says: 1, 0, or nothing (−1: a don't-care, or not of this file's type).
_OUTPUTS = {
    "fr": {"1": 1, "4": 1, "0": 0, "-": -1, "2": -1, "~": -1, "3": -1},
    "fdr": {"1": 1, "4": 1, "0": 0, "-": -1, "2": -1, "~": -1, "3": -1},
    "f": {"1": 1, "4": 1, "0": -1, "-": -1, "2": -1, "~": -1, "3": -1},
    "fd": {"1": 1, "4": 1, "0": -1, "-": -1, "2": -1, "~": -1, "3": -1},
}
_MOST_ROWS = 1 << 22  # rows that expanded don't-cares may become
_MOST_COLUMNS = 1 << 20
_IGNORED = (".phase", ".pair", ".label", ".kiss", ".mv", ".symbolic", ".symbolic-output")


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
    file = _File(Path(path))
    for number, text in _lines(Path(path)):
        if text in (".e", ".end"):
            break
        if text.startswith("."):
            file.directive(number, text.split())
        else:
            file.row(number, text)
    return file.finished(expand=dont_cares == "expand")


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


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines, comments and blanks left out."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"`{path}` is not there: check the path.") from None
    except OSError as error:
        raise InputError(f"`{path}` cannot be read ({error.strerror}).") from None
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        text = line.partition(b"#")[0].strip()
        if text:
            try:
                found.append((number, text.decode("ascii")))
            except UnicodeDecodeError:
                raise InputError(
                    f"`{path}`, line {number}: must be plain ASCII text; is this a PLA file?"
                ) from None
    if not found:
        raise InputError(f"`{path}` is empty: a PLA file begins with `.i` and `.o`.")
    return found


@dataclass
class _File:
    """What has been read so far."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    type: str = "fd"
    rows: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    counted: int = 0  # the line of `.p`

    def wrong(self, line: int, what: str) -> InputError:
        return InputError(f"`{self.path}`, line {line}: {what}.")

    def directive(self, line: int, words: list[str]) -> None:
        key, given = words[0], words[1:]
        if key in (".i", ".o", ".p"):
            low = 0 if key == ".p" else 1
            most = _MOST_COLUMNS if low else 1 << 40
            text = given[0] if len(given) == 1 else " ".join(given)
            if not text.isdigit() or len(text) > 15 or not low <= int(text) <= most:
                raise self.wrong(line, f"`{key}` must be one number from {low} to {most}, not {text!r:.60}")
            if self.rows and key != ".p":
                raise self.wrong(line, f"`{key}` must stand above the first row")
            if key in self.counts:
                raise self.wrong(line, f"`{key}` must stand in the file once")
            self.counts[key] = int(text)
            self.counted = line if key == ".p" else self.counted
        elif key == ".type":
            if len(given) != 1 or given[0] not in _OUTPUTS:
                raise self.wrong(
                    line, f"`.type` must be one of {', '.join(_OUTPUTS)}, not {' '.join(given)!r:.60}"
                )
            if self.rows:
                raise self.wrong(line, "`.type` must stand above the first row")
            self.type = given[0]
        elif key in (".ilb", ".ob"):
            if len(set(given)) != len(given):
                raise self.wrong(line, f"`{key}` must not name anything twice")
            self.names[key] = tuple(given)
        elif key in _IGNORED:
            raise self.wrong(line, f"`{key}` is not supported: write plain rows of 0 and 1")
        else:
            raise self.wrong(line, f"{key!r:.40} is no directive of a PLA file")

    def row(self, line: int, text: str) -> None:
        for key in (".i", ".o"):
            if key not in self.counts:
                raise self.wrong(line, f"`{key}` must stand above the first row")
        bits = "".join(text.replace("|", " ").split())
        inputs, outputs = self.counts[".i"], self.counts[".o"]
        if len(bits) != inputs + outputs:
            raise self.wrong(
                line,
                f"must have {inputs} input and {outputs} output characters as `.i` and `.o` say, but has "
                f"{len(bits)} in all",
            )
        for place, (part, known) in enumerate(((bits[:inputs], "01-2"), (bits[inputs:], "01-~234"))):
            strange = part.strip(known)  # quick for what is usual: nothing but known characters
            if strange:
                odd = next(c for c in part if c not in known)
                what = "output" if place else "input"
                raise self.wrong(line, f"an {what} must be one of {' '.join(known)}, not {odd!r}")
        self.rows.append(bits.encode())
        self.numbers.append(line)

    def finished(self, *, expand: bool) -> Pla:
        for key in (".i", ".o"):
            if key not in self.counts:
                raise InputError(f"`{self.path}` must say `{key}` above its rows; is this a PLA file?")
        if not self.rows:
            raise InputError(f"`{self.path}` must hold at least one row below its directives.")
        if self.counts.get(".p", len(self.rows)) != len(self.rows):
            raise self.wrong(
                self.counted,
                f"the file has {len(self.rows)} rows but `.p` says {self.counts['.p']}: the file is cut "
                f"off, or correct `.p`",
            )
        inputs, outputs = self.counts[".i"], self.counts[".o"]
        table = np.frombuffer(b"".join(self.rows), np.uint8).reshape(len(self.rows), inputs + outputs)
        lookup = np.zeros(256, np.int8)
        for character, value in _OUTPUTS[self.type].items():
            lookup[ord(character)] = value
        X, Y, lines = table[:, :inputs], lookup[table[:, inputs:]], np.array(self.numbers)
        free = np.isin(X, (ord("-"), ord("2")))
        if free.any():
            row = int(np.flatnonzero(free.any(axis=1))[0])
            if not expand:
                raise self.wrong(
                    self.numbers[row],
                    f"input {int(np.flatnonzero(free[row])[0])} may be either: expand such rows "
                    f'(`dont_cares="expand"`), or write them out',
                )
            X, Y, lines = self._expanded(X, Y, lines, free)
        return Pla(
            np.equal(X, ord("1")),
            Y,
            self._named(".ilb", "x", inputs),
            self._named(".ob", "y", outputs),
            self.type,
            lines,
        )

    def _expanded(
        self,
        X: NDArray[np.uint8],
        Y: NDArray[np.int8],
        lines: NDArray[np.int64],
        free: NDArray[np.bool_],
    ) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.int64]]:
        many = free.sum(axis=1)
        total = sum(1 << int(n) for n in many)  # Python's numbers, which do not overflow
        if total > _MOST_ROWS or total * X.shape[1] > 1 << 31:
            worst = int(many.argmax())
            raise self.wrong(
                int(lines[worst]),
                f"{int(many[worst])} inputs may be either, and expanded there would be {total:.3g} rows: "
                f"at most {min(_MOST_ROWS, (1 << 31) // X.shape[1])} are",
            )
        rows = np.repeat(np.arange(len(X)), 1 << many)
        first = np.repeat(np.cumsum(1 << many) - (1 << many), 1 << many)
        number = np.arange(len(rows)) - first
        wide = X[rows]
        place = np.cumsum(free, axis=1) - 1
        for row in np.flatnonzero(many):
            here = slice(*np.searchsorted(rows, [row, row + 1]))
            for column in np.flatnonzero(free[row]):
                wide[here, column] = ord("0") + (number[here] >> place[row, column] & 1)
        return wide, Y[rows], lines[rows]

    def _named(self, key: str, letter: str, count: int) -> tuple[str, ...]:
        names = self.names.get(key, tuple(f"{letter}{i}" for i in range(count)))
        if len(names) != count:
            raise InputError(
                f"`{self.path}`: `{key}` must name {count} columns as `.{key[1]}` says, not {len(names)}."
            )
        return names
