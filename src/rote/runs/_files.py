"""Files that appear whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from rote.errors import InputError

TEMPORARY = ".rote-tmp"
_serial = count()


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that at every moment the old one or the new one is there, whole (temp, fsync, rename).

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "deep" / "note"
        >>> write_atomic(path, b"one"); path.read_bytes()
        b'one'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_serial)}{TEMPORARY}")
    with _one_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_directory(path.parent)


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Say in one sentence that a file cannot be written: the disk is full, or not ours to write to."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); make room, or choose another --out."
        ) from error


def _sync_directory(path: Path) -> None:
    """Make renames in a directory survive a loss of power, where the file system can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems know no fsync of directories
        pass
    finally:
        os.close(handle)


def is_leftover(path: Path) -> bool:
    """Whether a file is what a killed writer left: a temporary file of :func:`write_atomic`.

    Example:
        >>> is_leftover(Path(".DONE.71-0.rote-tmp")), is_leftover(Path("DONE"))
        (True, False)
    """
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def append_line(path: Path, line: bytes) -> None:
    """Add one line; what a killed writer left of its last line is cut off first."""
    with _one_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, line + b"\n")


def _append(path: Path, line: bytes) -> None:
    with path.open("ab+") as file:
        whole = _length_of_whole_lines(file.fileno())
        if whole < os.fstat(file.fileno()).st_size:
            file.truncate(whole)
        file.write(line)


def _length_of_whole_lines(handle: int, block: int = 4096) -> int:
    """Offset just after the last line's end, read from the back."""
    end = os.fstat(handle).st_size
    while end > 0:
        start = max(0, end - block)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def take_lock(path: Path) -> int:
    """Hold the folder's lock until the handle is closed or the process dies.

    Raises:
        InputError: If another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(
            f"`out`: another process is writing {path.parent}; wait for it, or choose another --out."
        ) from None
    except OSError:
        os.close(handle)
        raise
    return handle
