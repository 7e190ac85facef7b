"""What happens to a folder before a run may be written in it."""

from pathlib import Path
from typing import Any

from rote.errors import InputError
from rote.runs._files import is_leftover, take_lock, write_atomic
from rote.runs._json import to_text
from rote.runs._manifest import read_manifest, refuse_another_run

LOCK, MANIFEST = ".lock", "manifest.json"


def refuse_a_stranger(path: Path) -> None:
    """Refuse, before anything is written, a folder that holds files but no run.

    Raises:
        InputError: Naming one of the files.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"`out` must be a folder. Got the file {path}; choose another --out.")
    if (path / MANIFEST).exists():
        read_manifest(path / MANIFEST)
    elif path.is_dir():
        strangers = sorted(f.name for f in path.iterdir() if f.name != LOCK and not is_leftover(f))
        if strangers:
            raise InputError(
                f"`out`: {path} is not empty and holds no run (it has {strangers[0]}); choose another --out."
            )


def lock_folder(path: Path) -> int:
    """Create the folder where it is absent, and hold its lock.

    Raises:
        InputError: If it cannot be written to, or another process holds it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        return take_lock(path / LOCK)
    except OSError as error:
        raise InputError(f"`out`: cannot write {path} ({error.strerror}); choose another --out.") from None


def settle(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Make the folder, whose lock is held, ready for the run that was asked; returns its manifest.

    Raises:
        InputError: If it holds another run.
    """
    for rest in filter(is_leftover, path.rglob(".*")):
        rest.unlink(missing_ok=True)
    if not (path / MANIFEST).exists():
        write_atomic(path / MANIFEST, to_text(asked))
        return asked
    held = read_manifest(path / MANIFEST)
    refuse_another_run(path, held, asked)
    return held
