"""Downloads of the named datasets: checked digests, mirrors in order, and a part file to go on from."""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rote.data._idx import MNIST_FILES
from rote.data._places import NAMES, data_folder, find, is_complete
from rote.errors import InputError

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that are there, and the bytes it will have (0 if unknown)."""

_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        name: What it is called on disk.
        urls: Where to get it, best first.
        sha256: Digest of the file as the mirrors serve it.
        inner_sha256: Digest of what is inside, for a gzip file; so that a copy compressed anew is known as
            good.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    inner_sha256: str = ""


# Published digests of the files as served; the inner ones of the uncompressed IDX files.
_MNIST_DIGESTS = (
    (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
REMOTE: dict[str, tuple[RemoteFile, ...]] = {
    "mnist": tuple(
        RemoteFile(f"{name}.gz", tuple(f"{mirror}/{name}.gz" for mirror in _MNIST_MIRRORS), outer, inner)
        for name, (outer, inner) in zip(MNIST_FILES, _MNIST_DIGESTS, strict=True)
    ),
    "cifar10": (
        RemoteFile(
            "cifar-10-python.tar.gz",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/cifar-10-python.tar.gz",
            ),
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    ),
}


def fetch(name: str, *, data_dir: str | Path | None = None, progress: Progress | None = None) -> list[Path]:
    """Make sure that a named dataset is on this machine, downloading what is missing.

    Files go to the folder ``name`` in the data directory. A file appears under its name only when its SHA-256
    is right; what an interrupted download got so far lies beside it as ``.part``, and the next call goes on
    from it. What is there already is checked and never written over.

    Args:
        name: ``digits``, ``mnist`` or ``cifar10``.
        data_dir: Where to; by default the environment's ``ROTE_DATA``, else the user's cache.
        progress: Called with a file's name, the bytes there, and the bytes in all (0 if unknown).

    Returns:
        The files, or the folder or archive where another form of the dataset lies already; none for
        ``digits``.

    Raises:
        InputError: If no mirror serves the right bytes (the sentence lists them, and says where to put the
            files by hand), if another file has a name that is needed, or if the folder cannot be written to.

    Example:
        >>> fetch("digits")
        []
    """
    if name not in NAMES:
        raise InputError(f"`name` must be one of {', '.join(NAMES)} to be fetched, not {name!r:.60}.")
    if name == "digits":
        return []
    folder = data_folder(data_dir)
    there = find(name, folder)
    target = folder / name
    if (
        there is not None
        and is_complete(name, there)
        and there not in (target, *(target / file.name for file in REMOTE[name]))
    ):
        return [there]
    return fetch_files(REMOTE[name], target, progress=progress)


def fetch_files(files: Sequence[RemoteFile], folder: Path, *, progress: Progress | None = None) -> list[Path]:
    """Download those of ``files`` that ``folder`` lacks, and check those that it has.

    Raises:
        InputError: As `fetch` does.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = [file for file in files if not _is_there(file, folder)]
        with _quiet_pooch():
            for file in missing:
                _download(file, folder, progress or (lambda *_: None))
    except OSError as error:
        raise InputError(
            f"`{folder}` cannot be written to ({error.strerror or error}): name another folder with "
            f"`--data-dir`."
        ) from error
    return [folder / file.name for file in files]


def _is_there(file: RemoteFile, folder: Path) -> bool:
    path = folder / file.name
    if not path.exists():
        return False
    if _sha256(path, unzip=False) == file.sha256 or (
        file.inner_sha256 and _sha256(path, unzip=True) == file.inner_sha256
    ):
        return True
    raise InputError(f"`{path}` is not the official file, by its SHA-256: move it away and fetch again.")


def _sha256(path: Path, *, unzip: bool) -> str:
    try:
        with gzip.open(path) if unzip else path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return ""


def _download(file: RemoteFile, folder: Path, progress: Progress) -> None:
    """One file from the first mirror that serves the right bytes."""
    import pooch

    part = folder / f"{file.name}.part"
    # A part left behind may be damaged: then the right digest fails once, the part is gone, and the same
    # mirror is asked again for the whole file.
    tries = 2 if part.exists() else 1
    failed: dict[str, str] = {}
    for url in file.urls:
        for _ in range(tries):
            try:
                pooch.retrieve(
                    url,
                    known_hash=f"sha256:{file.sha256}",
                    fname=file.name,
                    path=folder,
                    downloader=lambda url, to, _: _resume(url, part, Path(to), file.name, progress),
                )
            except _RefusedError as error:
                failed[url] = str(error)
            except ValueError:  # pooch's word for another digest
                failed[url] = "wrong SHA-256"
            else:
                return
    tried = ", ".join(f"{url} ({reason})" for url, reason in failed.items())
    raise InputError(
        f"`{file.name}` could not be downloaded from {tried}: try again later, or put it into `{folder}` by "
        f"hand."
    )


class _RefusedError(OSError):
    """A mirror did not serve the file; the message says why in a few words."""


def _resume(url: str, part: Path, to: Path, name: str, progress: Progress) -> None:
    """Download ``url`` to ``to``, by way of ``part``, which is kept when the connection breaks."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    # Identity, because a server may else unpack the file on its way, and the digest is that of the packed
    # one.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == 416:
                part.unlink(missing_ok=True)  # it is longer than the file
            if response.status_code >= 400:
                raise _RefusedError(f"HTTP {response.status_code}")
            if response.status_code != 206:
                have = 0
            total = have + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if have else "wb") as stream:
                for piece in response.iter_content(1 << 16):
                    stream.write(piece)
                    have += len(piece)
                    progress(name, have, total)
    except requests.Timeout as error:
        raise _RefusedError("timed out") from error
    except requests.ConnectionError as error:
        raise _RefusedError("no connection") from error
    except requests.RequestException as error:
        raise _RefusedError(f"broken off: {type(error).__name__}") from error
    if have < total:
        raise _RefusedError(f"broken off at byte {have} of {total}")
    part.replace(to)


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Pooch tells its log what it downloads, on the terminal; here ``progress`` does that."""
    import pooch

    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
