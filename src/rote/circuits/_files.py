"""Circuits as files: which suffix is which format."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from rote.circuits import _aiger, _bench, _blif, _cover, _verilog, _verilog_write
from rote.circuits._circuit import Circuit
from rote.errors import InputError


class _Format(NamedTuple):
    """What reads a file, and what gives the bytes of one."""

    read: Callable[[Path], Circuit]
    write: Callable[[Circuit], Iterable[bytes]]


_FORMATS = {
    ".aig": _Format(_aiger.read, _aiger.write_binary),
    ".aag": _Format(_aiger.read, _aiger.write_ascii),
    ".blif": _Format(_blif.read, _blif.write),
    ".pla": _Format(_cover.read, _cover.write),
    ".v": _Format(_verilog.read, _verilog_write.write),
    ".bench": _Format(_bench.read, _bench.write),
}


def read(path: str | Path) -> Circuit:
    """What `Circuit.read` does."""
    path = Path(path)
    try:
        return _format(path).read(path)
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"`{path}`: {error}") from None  # what Circuit's own checks say


def write(circuit: Circuit, path: str | Path) -> Path:
    """What `Circuit.write` does: the file appears when it is whole."""
    path = Path(path)
    data = _format(path).write(circuit)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.writelines(data)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"`{path}` cannot be written ({error.strerror}).") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _format(path: Path) -> _Format:
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"`{path}` must end in one of {', '.join(_FORMATS)}, which says the format of a circuit."
        )
    return found
