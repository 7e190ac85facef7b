"""Espresso's PLA files, row by row as they stand."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

#: What a character of an output says: 1, 0, or nothing (−1: a don't-care, or not of this file's type).
_OUTPUTS = {
    "fr": {"1": 1, "4": 1, "0": 0, "-": -1, "2": -1, "~": -1, "3": -1},
    "fdr": {"1": 1, "4": 1, "0": 0, "-": -1, "2": -1, "~": -1, "3": -1},
    "f": {"1": 1, "4": 1, "0": -1, "-": -1, "2": -1, "~": -1, "3": -1},
    "fd": {"1": 1, "4": 1, "0": -1, "-": -1, "2": -1, "~": -1, "3": -1},
}
_MOST_COLUMNS = 1 << 20
_IGNORED = (".phase", ".pair", ".label", ".kiss", ".mv", ".symbolic", ".symbolic-output")


@dataclass(frozen=True, eq=False)
class Cover:
    """A PLA file as read, with its don't-cares.

    Attributes:
        X: What each row asks of the inputs, shape ``[p, inputs]``, int8: 1, 0, or −1 for either.
        Y: What each output answers, as in `Pla`, shape ``[p, outputs]``, int8.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        type: ``"f"``, ``"fd"``, ``"fr"`` or ``"fdr"``.
        lines: The line of the file that each row comes from, shape ``[p]``.

    Example:
        >>> Cover(np.array([[1, -1]], np.int8), np.array([[1]], np.int8), ("a", "b"), ("f",), "f",
        ...     np.array([3])).X.tolist()
        [[1, -1]]
    """

    X: NDArray[np.int8]
    Y: NDArray[np.int8]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    type: str
    lines: NDArray[np.int64]


def read_cover(path: str | Path) -> Cover:
    r"""Read an Espresso PLA file as it stands, inputs that may be either left so.

    Args:
        path: The file.

    Returns:
        Rows in the order of the file.

    Raises:
        InputError: As `read_pla`, but for don't-cares.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "or.pla"
        ...     _ = path.write_text(".i 2\n.o 1\n1- 1\n-1 1\n.e\n")
        ...     read_cover(path).X.tolist()
        [[1, -1], [-1, 1]]
    """
    file = _File(Path(path))
    for number, text in _lines(Path(path)):
        if text in (".e", ".end"):
            break
        if text.startswith("."):
            file.directive(number, text.split())
        else:
            file.row(number, text)
    return file.finished()


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

    def finished(self) -> Cover:
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
        asked, answers = np.full(256, -1, np.int8), np.zeros(256, np.int8)
        asked[[ord("0"), ord("1")]] = 0, 1
        for character, value in _OUTPUTS[self.type].items():
            answers[ord(character)] = value
        return Cover(
            asked[table[:, :inputs]],
            answers[table[:, inputs:]],
            self._named(".ilb", "x", inputs),
            self._named(".ob", "y", outputs),
            self.type,
            np.array(self.numbers),
        )

    def _named(self, key: str, letter: str, count: int) -> tuple[str, ...]:
        names = self.names.get(key, tuple(f"{letter}{i}" for i in range(count)))
        if len(names) != count:
            raise InputError(
                f"`{self.path}`: `{key}` must name {count} columns as `.{key[1]}` says, not {len(names)}."
            )
        return names
