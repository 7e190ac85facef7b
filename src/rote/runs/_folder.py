"""The run folder: manifest, records, arrays, streams, resume, done marker."""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from rote.errors import InputError
from rote.runs._arrays import arrays_file, pack, read_arrays
from rote.runs._files import append_line, write_atomic
from rote.runs._json import to_line, to_text
from rote.runs._manifest import make_manifest, read_manifest
from rote.runs._opening import MANIFEST, lock_folder, refuse_a_stranger, settle

_DONE, _RECORDS = "DONE", "records"
_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_REMEDY = "delete it and run the same command again"


class RunFolder:
    """A run folder that this process holds; use it in a ``with`` block, or :meth:`close` it.

    Opened by :meth:`open` (create or resume) or :meth:`reopen` (what is there). One process at a time.

    Attributes:
        path: The folder.
        manifest: What was asked and with which versions, as ``manifest.json`` says it.
        resumed: Whether the folder held this run before it was opened.

    Example:
        >>> import tempfile
        >>> with RunFolder.open(tempfile.mkdtemp(), command=[], config={}, data_sha256="00") as run:
        ...     run.save("result", {"accuracy": 0.5})
        ...     run.has("result"), run.load("result"), run.done
        (True, ({'accuracy': 0.5}, {}), False)
    """

    def __init__(self, path: Path, manifest: dict[str, Any], *, lock: int, resumed: bool) -> None:
        self.path, self.manifest, self.resumed = path, manifest, resumed
        self._lock = lock

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        command: Sequence[str],
        config: Mapping[str, object],
        data_sha256: str,
        seeds: Sequence[int] = (),
        threads: int | None = None,
        device: str = "cpu",
    ) -> Self:
        """Create a run folder, or resume the run it holds.

        Args:
            path: The folder; created with its parents where absent.
            command: The command line, for the reader.
            config: The resolved configuration: whatever changes the results, and nothing else.
            data_sha256: Identity of the data.
            seeds: Seeds of the run; part of its identity.
            threads: Threads used; never part of the identity.
            device: Device used; never part of the identity.

        Raises:
            InputError: If the folder holds another run or other files, or another process holds it.

        Example:
            >>> import tempfile
            >>> where = tempfile.mkdtemp()
            >>> RunFolder.open(where, command=[], config={"epochs": 2}, data_sha256="00").close()
            >>> RunFolder.open(where, command=[], config={"epochs": 3}, data_sha256="00")
            Traceback (most recent call last):
            ...
            rote.errors.InputError: `out`: ... holds another run (config.epochs: 2 → 3); choose another --out.
        """
        path = Path(path)
        asked = make_manifest(
            command=command,
            config=config,
            data_sha256=data_sha256,
            seeds=seeds,
            threads=threads,
            device=device,
        )
        refuse_a_stranger(path)
        lock = lock_folder(path)
        resumed = (path / MANIFEST).exists()
        try:
            manifest = settle(path, asked)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, manifest, lock=lock, resumed=resumed)

    @classmethod
    def reopen(cls, path: str | Path) -> Self:
        """Open the run that a folder holds, whatever it is.

        Raises:
            InputError: If the folder holds no run, or another process holds it.

        Example:
            >>> RunFolder.reopen("no/such/folder")
            Traceback (most recent call last):
            ...
            rote.errors.InputError: no/such/folder is no run folder (it has no manifest.json); ...
        """
        path = Path(path)
        if not (path / MANIFEST).is_file():
            raise InputError(
                f"{path} is no run folder (it has no {MANIFEST}); give the folder that --out named."
            )
        manifest = read_manifest(path / MANIFEST)
        return cls(path, manifest, lock=lock_folder(path), resumed=True)

    @classmethod
    def join(cls, path: str | Path) -> Self:
        """A handle for a worker of the process that holds the folder; it takes no lock of its own.

        Workers must write under names of their own.

        Example:
            >>> import tempfile
            >>> where = tempfile.mkdtemp()
            >>> held = RunFolder.open(where, command=[], config={}, data_sha256="00")
            >>> RunFolder.join(where).save("worker-1", {"done": True})
            >>> held.has("worker-1")
            True
        """
        path = Path(path)
        return cls(path, read_manifest(path / MANIFEST), lock=-1, resumed=True)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Keep other processes away from the records under a name; wait for one that is still there.

        Example:
            >>> import tempfile
            >>> run = RunFolder.open(tempfile.mkdtemp(), command=[], config={}, data_sha256="00")
            >>> with run.hold("cells/real-0"):
            ...     run.save("cells/real-0/track", {})
        """
        path = self._inside(name, ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def close(self) -> None:
        """Let other processes have the folder; calling it twice does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def done(self) -> bool:
        """Whether the run was finished."""
        return (self.path / _DONE).exists()

    def finish(self) -> None:
        """Mark the run as finished; nothing of it is written after this but pages redrawn from it."""
        for stream in (self.path / _RECORDS).rglob("*.jsonl"):
            with stream.open("rb") as file:
                os.fsync(file.fileno())
        write_atomic(self.path / _DONE, f"{self.manifest['content_hash']}\n".encode())

    def save(
        self, name: str, record: Mapping[str, object], arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        """Save a record, and arrays with it, under a name; an earlier one of that name is replaced.

        The arrays are written first, under their digest; the record's rename decides that both exist.

        Args:
            name: Letters, digits, ``-`` and ``_``, in parts separated by ``/``.
            record: What JSON can say; NaN and infinities become ``null``.
            arrays: Numbers or booleans of any shape.
        """
        path = self._record(name)
        text: dict[str, object] = {"record": dict(record)}
        if arrays:
            data, digest = pack(arrays)
            text["arrays_sha256"] = digest
            write_atomic(arrays_file(path, digest), data)
        write_atomic(path, to_text(text))
        self._drop_arrays(path, keep=str(text.get("arrays_sha256", "")))

    def has(self, name: str) -> bool:
        """Whether a record of that name was saved."""
        return self._record(name).exists()

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The record saved under a name, and its arrays (empty where it has none).

        Raises:
            InputError: If nothing was saved, or a file was damaged since; it names the file and the remedy.
        """
        path = self._record(name)
        try:
            held = json.loads(path.read_bytes())
            record, digest = dict(held["record"]), held.get("arrays_sha256")
        except FileNotFoundError:
            raise InputError(f"{self.path} holds no record {name!r}; run its command again.") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{path} is damaged (no whole JSON record); {_REMEDY}.") from None
        return record, {} if digest is None else read_arrays(path, str(digest))

    def names(self) -> list[str]:
        """Names of all saved records, sorted.

        Saved ones only: streams are not among them.
        """
        root = self.path / _RECORDS
        found = (file.relative_to(root).with_suffix("").as_posix() for file in root.rglob("*.json"))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def discard(self, name: str) -> None:
        """Forget a record and its arrays; one that was never saved is no error."""
        path = self._record(name)
        path.unlink(missing_ok=True)
        self._drop_arrays(path)

    def append(self, stream: str, record: Mapping[str, object]) -> None:
        """Add one record to a stream; NaN and infinities become ``null``."""
        append_line(self._stream(stream), to_line(dict(record)))

    def records(self, stream: str) -> list[dict[str, Any]]:
        """All whole records of a stream, in order; a line that a killed writer left torn is not among them.

        Raises:
            InputError: If a line before the last was damaged.
        """
        path = self._stream(stream)
        if not path.exists():
            return []
        *lines, _torn = path.read_bytes().split(b"\n")
        found: list[dict[str, Any]] = []
        for row, line in enumerate(lines, start=1):
            try:
                found.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                raise InputError(f"{path}, line {row} is damaged (no JSON record); {_REMEDY}.") from None
        return found

    def rewind(self, stream: str, keep: int) -> None:
        """Keep only the first records of a stream: those before the point a run goes on from."""
        path = self._stream(stream)
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        if keep < len(lines):
            write_atomic(path, b"".join(line + b"\n" for line in lines[:keep]))

    def write(self, name: str, data: str | bytes) -> Path:
        """Write a page or a table made from the records, atomically, and return its path.

        Args:
            name: A file name such as ``"report.html"``, without folders.
            data: Text (written as UTF-8) or bytes.
        """
        if "/" in name or name.startswith(".") or name in {"", MANIFEST, _DONE, _RECORDS}:
            raise ValueError(f"`name` must be the name of a file beside the manifest. Got {name!r}.")
        write_atomic(self.path / name, data.encode() if isinstance(data, str) else data)
        return self.path / name

    def _record(self, name: str) -> Path:
        return self._inside(name, ".json")

    def _stream(self, name: str) -> Path:
        return self._inside(name, ".jsonl")

    def _inside(self, name: str, suffix: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"`name` must be letters, digits, - and _, in parts joined by /. Got {name!r}.")
        return self.path / _RECORDS / f"{name}{suffix}"

    def _drop_arrays(self, record: Path, *, keep: str = "") -> None:
        pattern = re.compile(re.escape(record.stem) + r"\.[0-9a-f]{16}\.safetensors")
        for file in record.parent.glob(f"{record.stem}.*.safetensors"):
            if pattern.fullmatch(file.name) and not (keep and file == arrays_file(record, keep)):
                file.unlink(missing_ok=True)
