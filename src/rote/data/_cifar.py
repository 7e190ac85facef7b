"""CIFAR-10 in its two official forms, python batches and binary batches, from a folder or a tar archive.

The python batches are pickles, and a pickle may run any code. Here none runs: the opcodes are checked
against those of the official files first, and the only three names that the files use are replaced by
stand-ins that record their arguments.
"""

import io
import pickle
import pickletools
import re
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.data._idx import check_labels
from rote.data._words import reason
from rote.errors import InputError

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
PYTHON_FOLDER, BINARY_FOLDER = "cifar-10-batches-py", "cifar-10-batches-bin"
PYTHON_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
BINARY_BATCHES = tuple(f"{name}.bin" for name in PYTHON_BATCHES)
_PIXELS = 3 * 32 * 32
_MAX_BATCH_BYTES = 1 << 28
# What Python 2's cPickle wrote with protocol 2 for a dict of strings, lists of numbers and one array.
_OPCODES = re.compile(
    "PROTO|STOP|MARK|EMPTY_DICT|EMPTY_LIST|EMPTY_TUPLE|DICT|LIST|TUPLE[123]?|APPENDS?|SETITEMS?|"
    "(LONG_)?BIN(PUT|GET)|NONE|NEWTRUE|NEWFALSE|BININT[12]?|(SHORT_)?BINSTRING|BINUNICODE|GLOBAL|REDUCE|BUILD"
)

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class _Dtype:
    """Stands in for ``numpy.dtype``; only the name counts, the byte order of a byte does not."""

    def __init__(self, name: bytes, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """Stands in for ``numpy.ndarray``: keeps shape, dtype and bytes, and builds nothing."""

    def __init__(self, *_: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _BatchUnpickler(pickle.Unpickler):
    """Knows the three names that official batches use, and no other."""

    _NAMES: Mapping[tuple[str, str], type] = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
    }

    def find_class(self, module_name: str, global_name: str) -> type:
        try:
            return self._NAMES[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}") from None


def python_batch(content: bytes, path: str) -> Batch:
    """Images ``[n, 3, 32, 32]`` and labels ``[n]`` of one pickled batch, read without running any of it.

    Raises:
        InputError: If it holds anything that official batches do not, or is damaged.
    """
    try:
        for opcode, argument, position in pickletools.genops(content):
            if not _OPCODES.fullmatch(opcode.name):
                raise pickle.UnpicklingError(f"it uses {opcode.name} at byte {position}")
            # The C unpickler reserves a table of this length before it looks any further.
            if opcode.name == "LONG_BINPUT" and isinstance(argument, int) and argument > len(content):
                raise pickle.UnpicklingError(f"its table is too long at byte {position}")
        batch = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
        labels = np.array([_small(label) for label in batch[b"labels"]], np.uint8)
        _, shape, dtype, fortran, data = batch[b"data"].state
        if dtype.name != b"u1" or fortran or shape != (len(labels), _PIXELS):
            raise ValueError(f"its array has shape {shape} for {len(labels)} labels")
        images = np.frombuffer(bytearray(data), np.uint8).reshape(shape)
    except Exception as error:  # damaged pickles raise nearly anything
        raise InputError(
            f"`{path}` is no official CIFAR-10 batch ({reason(error)!a}): fetch it again."
        ) from error
    return _checked(images, labels, path, step=1, offset=0)


def _small(label: object) -> int:
    if not isinstance(label, int) or not 0 <= label <= 255:
        raise ValueError(f"a label is {label!a:.40}")
    return label


def binary_batch(content: bytes, path: str) -> Batch:
    """Images ``[n, 3, 32, 32]`` and labels ``[n]`` of one binary batch: per row a label and 3,072 pixels.

    Raises:
        InputError: If the length is not a whole number of rows, or a label lies outside 0 to 9.
    """
    rows, rest = divmod(len(content), 1 + _PIXELS)
    if rest:
        raise InputError(
            f"`{path}` is cut short in row {rows} at byte {len(content)}: rows have {1 + _PIXELS} bytes."
        )
    table = np.frombuffer(bytearray(content), np.uint8).reshape(rows, 1 + _PIXELS)
    return _checked(table[:, 1:], table[:, 0], path, step=1 + _PIXELS, offset=0)


def _checked(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], path: str, *, step: int, offset: int
) -> Batch:
    if not len(labels):
        raise InputError(f"`{path}` must hold at least one example, but is empty.")
    check_labels(labels, 10, path, step=step, offset=offset)
    return images.reshape(-1, 3, 32, 32), labels


def read_batches(path: Path) -> tuple[Dataset, Dataset]:
    """Training and test part of an official CIFAR-10 folder or ``.tar.gz``; ids are rows, training first.

    Raises:
        InputError: If a batch is missing, damaged, or would run code.
    """
    contents = _from_tar(path) if path.is_file() else _from_folder(path)
    read = binary_batch if BINARY_BATCHES[0] in contents else python_batch
    names = BINARY_BATCHES if read is binary_batch else PYTHON_BATCHES
    missing = [name for name in names if name not in contents]
    if missing:
        raise InputError(f"`{path}` lacks the batch `{missing[0]}`: run `rote data fetch cifar10`.")
    batches = [read(contents[name], f"{path}/{name}") for name in names]
    images = np.concatenate([images for images, _ in batches[:-1]])
    labels = np.concatenate([labels for _, labels in batches[:-1]]).astype(np.int64)
    test_images, test_labels = np.ascontiguousarray(batches[-1][0]), batches[-1][1].astype(np.int64)
    ids = np.arange(len(images) + len(test_images))
    return (
        Dataset("cifar10", images, labels, ids[: len(images)], CIFAR10_CLASSES),
        Dataset("cifar10", test_images, test_labels, ids[len(images) :], CIFAR10_CLASSES),
    )


def _from_folder(folder: Path) -> dict[str, bytes]:
    try:
        return {
            name: (folder / name).read_bytes()
            for name in (*PYTHON_BATCHES, *BINARY_BATCHES)
            if (folder / name).is_file()
        }
    except OSError as error:
        raise InputError(f"`{folder}` cannot be read ({error.strerror or error}).") from error


def _from_tar(path: Path) -> dict[str, bytes]:
    """The batches in a tar archive by their base names; nothing is unpacked onto the disk."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if name in (*PYTHON_BATCHES, *BINARY_BATCHES) and member.isreg():
                    if member.size > _MAX_BATCH_BYTES:
                        raise InputError(f"`{path}`: `{name}` claims {member.size} bytes: fetch it again.")
                    stream = archive.extractfile(member)
                    contents[name] = stream.read() if stream else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"`{path}` is cut short or damaged ({reason(error)}): fetch it again.") from error
    return contents
