"""Where data lies on this machine, and what there is."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rote.data._cifar import BINARY_BATCHES, BINARY_FOLDER, CIFAR10_CLASSES, PYTHON_BATCHES, PYTHON_FOLDER
from rote.data._idx import MNIST_FILES, find_mnist_file
from rote.errors import InputError

NAMES = ("digits", "mnist", "cifar10")
_MNIST_FOLDERS = ("", "mnist", "MNIST", "MNIST/raw", "mnist/raw")
_CIFAR_FOLDERS = ("", "cifar10", "CIFAR10", "cifar-10")
_CIFAR_FILES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz", "cifar10-jpeg.zip", "cifar10.zip")


@dataclass(frozen=True)
class Source:
    """One named dataset, as ``rote data list`` shows it.

    Attributes:
        name: What `load` calls it.
        found: Whether it can be loaded now.
        where: The file or folder it lies in, or ``"scikit-learn"``; empty where it was not found.
        examples: How many examples the full dataset has, training and test part together.
        classes: How many classes it has.
        advice: What to do where it was not found; empty otherwise.

    Example:
        >>> Source("digits", True, "scikit-learn", 1797, 10, "").where
        'scikit-learn'
    """

    name: str
    found: bool
    where: str
    examples: int
    classes: int
    advice: str


def data_folder(data_dir: str | Path | None = None) -> Path:
    """The data directory: the argument, else the environment's ``ROTE_DATA``, else the user's cache.

    Raises:
        InputError: If the argument or ``ROTE_DATA`` names no folder.
    """
    for given, said_by in (
        (data_dir, "`data_dir`"),
        (os.environ.get("ROTE_DATA"), "the environment's ROTE_DATA"),
    ):
        if given:
            folder = Path(given).expanduser()
            if not folder.is_dir():
                raise InputError(
                    f"{said_by} must be a folder, but `{folder}` is none: create it or name another."
                )
            return folder
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path("~/.cache").expanduser()) / "rote"


def find(name: str, folder: Path) -> Path | None:
    """Where in the data directory ``mnist`` or ``cifar10`` lies: a folder or an archive, or None.

    Where only some of its files are there, that place is the answer, so that reading it says which one is
    missing; but a complete place comes first.
    """
    try:
        places = list(_mnist_places(folder) if name == "mnist" else _cifar_places(folder))
    except OSError as error:
        raise InputError(f"`{folder}` cannot be read ({error.strerror or error}).") from error
    return next((place for place in places if is_complete(name, place)), places[0] if places else None)


def is_complete(name: str, place: Path) -> bool:
    """Whether no file of the dataset is missing in a place that `find` found."""
    if name == "mnist":
        return all(find_mnist_file(place, file) for file in MNIST_FILES)
    if place.is_file() or (place / "train").is_dir():
        return True
    return any(all((place / batch).is_file() for batch in form) for form in (PYTHON_BATCHES, BINARY_BATCHES))


def _mnist_places(folder: Path) -> Iterator[Path]:
    for place in (folder / sub for sub in _MNIST_FOLDERS):
        if any(find_mnist_file(place, name) for name in MNIST_FILES):
            yield place


def _cifar_places(folder: Path) -> Iterator[Path]:
    for place in (folder / sub for sub in _CIFAR_FOLDERS):
        for inner, batches in (
            (PYTHON_FOLDER, PYTHON_BATCHES),
            (BINARY_FOLDER, BINARY_BATCHES),
            ("", BINARY_BATCHES),
        ):
            if any((place / inner / batch).is_file() for batch in batches):
                yield place / inner
        for file in _CIFAR_FILES:
            if (place / file).is_file():
                yield place / file
        # An image folder counts only under its own name: any data directory may hold a folder called train.
        if place != folder and (place / "train" / CIFAR10_CLASSES[0]).is_dir():
            yield place


def absent(name: str, folder: Path) -> InputError:
    """The error that says a dataset is not there, and what to do."""
    return InputError(
        f"`{name}` was not found in `{folder}` or `{folder / name}`: run `rote data fetch {name}`, or say "
        f"where it "
        f"lies with `--data-dir` or ROTE_DATA."
    )


def describe(data_dir: str | Path | None = None) -> list[Source]:
    """The named datasets, and whether and where each was found; no file's content is read.

    Args:
        data_dir: Where to look; by default ROTE_DATA, else the user's cache.

    Example:
        >>> [(source.name, source.examples) for source in describe()]
        [('digits', 1797), ('mnist', 70000), ('cifar10', 60000)]
        >>> describe()[0].where
        'scikit-learn'
    """
    folder = data_folder(data_dir)
    sources = [Source("digits", True, "scikit-learn", 1797, 10, "")]
    for name, examples in (("mnist", 70_000), ("cifar10", 60_000)):
        place = find(name, folder)
        advice = (
            "" if place else f"run `rote data fetch {name}`, or name its folder with --data-dir or ROTE_DATA"
        )
        sources.append(Source(name, place is not None, str(place or ""), examples, 10, advice))
    return sources
