"""The arrays beside a record: one safetensors file, named by its digest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError


def arrays_file(record: Path, digest: str) -> Path:
    """Where a record's arrays lie.

    Example:
        >>> arrays_file(Path("records/losses.json"), "0123456789abcdef0123").name
        'losses.0123456789abcdef.safetensors'
    """
    return record.with_name(f"{record.stem}.{digest[:16]}.safetensors")


def pack(arrays: Mapping[str, NDArray[Any]]) -> tuple[bytes, str]:
    """Arrays of any shape as safetensors, and the SHA-256 of these bytes.

    Raises:
        TypeError: For arrays of anything but numbers and booleans.

    Example:
        >>> data, digest = pack({"a": np.arange(3)}); len(digest)
        64
    """
    from safetensors.numpy import save

    whole: dict[str, NDArray[Any]] = {}
    for key, value in arrays.items():
        array = np.asarray(value, order="C")
        if array.dtype.kind not in "biuf":
            raise TypeError(f"`arrays`: {key!r} must hold numbers or booleans. Got {array.dtype}.")
        whole[key] = array.astype(array.dtype.newbyteorder("="), copy=False)
    data = bytes(save(whole))
    return data, hashlib.sha256(data).hexdigest()


def read_arrays(record: Path, digest: str) -> dict[str, NDArray[Any]]:
    """The arrays beside a record.

    Raises:
        InputError: If the file is missing or its bytes are not those that were saved.
    """
    from safetensors.numpy import load

    path = arrays_file(record, digest)
    remedy = f"delete {record} and run the same command again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}.") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError(f"{path} is damaged (its SHA-256 is not the one saved); {remedy}.")
    return dict(load(data))
