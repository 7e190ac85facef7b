"""MNIST as IDX files: a magic number, the sizes, then plain bytes."""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.errors import InputError

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_DIGITS = tuple(str(digit) for digit in range(10))
_GZIP_MAGIC = b"\x1f\x8b"


def find_mnist_file(folder: Path, name: str) -> Path | None:
    """The IDX file called ``name`` in ``folder``, gzipped or not, with a dash or a dot before ``idx``."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / f"{stem}{suffix}" for stem in (name, dotted) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def read_idx(path: Path, *, ndim: int) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes, gzipped or not.

    Args:
        path: The file; whether it is gzipped is told from its first two bytes.
        ndim: How many dimensions it must have: 3 for images, 1 for labels.

    Returns:
        uint8 array of the ``ndim`` sizes that the header states.

    Raises:
        InputError: If the magic number is another, the file is cut short or goes on too long, or is empty.

    Source: the IDX format as described on the MNIST page (LeCun, Cortes, Burges).
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=raw) as stream:
                    return _parse(stream, path, ndim)
            return _parse(raw, path, ndim)
    except (EOFError, zlib.error) as error:
        raise InputError(f"`{path}` ends in the middle of its gzip data: fetch it again.") from error
    except OSError as error:
        raise InputError(f"`{path}` cannot be read ({error.strerror or error}): fetch it again.") from error


def _parse(stream: BinaryIO | gzip.GzipFile, path: Path, ndim: int) -> NDArray[np.uint8]:
    header = stream.read(4 + 4 * ndim)
    magic = bytes((0, 0, 8, ndim))
    if not header:
        raise InputError(f"`{path}` is empty: fetch it again.")
    if header[:4] != magic:
        raise InputError(
            f"`{path}` must begin with the IDX magic number 0x{magic.hex()}, not 0x{header[:4].hex()}: "
            f"it is damaged or another kind of file."
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4, count=(len(header) - 4) // 4))
    size = math.prod(shape)
    if len(header) == 4 + 4 * ndim and size == 0:
        raise InputError(f"`{path}` must hold at least one example, but its header says {shape}.")
    body = _read_at_most(stream, size + 1)
    if len(header) < 4 + 4 * ndim or len(body) < size:
        raise InputError(
            f"`{path}` is cut short at byte {len(header) + len(body)} of {4 + 4 * ndim + size}: fetch it "
            f"again."
        )
    if len(body) > size:
        raise InputError(
            f"`{path}` goes on after byte {len(header) + size}, where it should end: fetch it again."
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_at_most(stream: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Up to ``size`` bytes, without reserving what a damaged header promises; writable, as torch wants it."""
    body = bytearray()
    while len(body) < size and (chunk := stream.read(min(size - len(body), 1 << 24))):
        body += chunk
    return body


def check_labels(
    labels: NDArray[np.uint8], classes: int, path: Path | str, *, step: int, offset: int
) -> None:
    """Refuse labels outside the classes, naming the row and the byte where the first of them stands."""
    outside = np.flatnonzero(labels >= classes)
    if outside.size:
        row = int(outside[0])
        raise InputError(
            f"`{path}`: the label in row {row} (byte {offset + step * row}) is {labels[row]}, "
            f"outside 0 to {classes - 1}: the file is damaged or of another dataset."
        )


def read_mnist(folder: Path) -> tuple[Dataset, Dataset]:
    """Training and test part of the four MNIST files in ``folder``; ids are rows, training part first.

    Raises:
        InputError: If a file is missing or damaged, counts differ, or a label lies outside 0 to 9.
    """
    arrays: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    for images_name, labels_name in (MNIST_FILES[:2], MNIST_FILES[2:]):
        images_path, labels_path = _existing(folder, images_name), _existing(folder, labels_name)
        images, labels = read_idx(images_path, ndim=3), read_idx(labels_path, ndim=1)
        if len(images) != len(labels):
            raise InputError(
                f"`{images_path}` holds {len(images)} images but `{labels_path}` {len(labels)} labels: "
                f"fetch both again."
            )
        check_labels(labels, 10, labels_path, step=1, offset=8)
        arrays.append((images[:, None], labels))
    (images, labels), (test_images, test_labels) = arrays
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"`{folder}`: training images are {images.shape[2]}×{images.shape[3]} "
            f"but test images {test_images.shape[2]}×{test_images.shape[3]}: they belong to different "
            f"datasets."
        )
    ids = np.arange(len(images) + len(test_images))
    return (
        Dataset("mnist", images, labels.astype(np.int64), ids[: len(images)], _DIGITS),
        Dataset("mnist", test_images, test_labels.astype(np.int64), ids[len(images) :], _DIGITS),
    )


def _existing(folder: Path, name: str) -> Path:
    path = find_mnist_file(folder, name)
    if path is None:
        raise InputError(f"`{folder}` lacks `{name}.gz`: run `rote data fetch mnist`, or put it there.")
    return path
