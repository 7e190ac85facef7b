"""Strict JSON, its canonical form, and the hash of that form."""

import dataclasses
import hashlib
import json
import math
from pathlib import PurePath
from typing import Any

import numpy as np

from rote.errors import InputError

Json = Any
"""What ``json.loads`` returns."""


def plain(value: object, *, nonfinite: bool = True) -> Json:
    """The value as strict JSON knows it: tuples become lists, NumPy scalars numbers, dataclasses dicts.

    Args:
        value: What is to be written.
        nonfinite: Whether NaN and infinities, which JSON cannot say, become ``None``; else refused.

    Raises:
        InputError: For a NaN or an infinity, if ``nonfinite`` is false.
        TypeError: For anything that would not come back as it was (arrays, sets, keys that are no strings).

    Example:
        >>> plain({"loss": float("nan"), "shape": (2, 3), "m": np.int64(5)})
        {'loss': None, 'shape': [2, 3], 'm': 5}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        if nonfinite:
            return None
        raise InputError(f"A configuration must hold finite numbers. Got {value}; leave the key out instead.")
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item, nonfinite=nonfinite) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return _plain_dict(value, nonfinite)
    raise TypeError(f"A record cannot hold a {type(value).__name__}; arrays are saved beside it.")


def _plain_dict(value: dict[Any, object], nonfinite: bool) -> dict[str, Any]:
    strangers = [key for key in value if not isinstance(key, str)]
    if strangers:
        raise TypeError(f"A record's keys must be strings. Got {strangers[0]!r}.")
    return {key: plain(item, nonfinite=nonfinite) for key, item in value.items()}


def to_line(record: object) -> bytes:
    """One record on one line, without the line's end; NaN and infinities become ``null``.

    Example:
        >>> to_line({"step": 1, "loss": float("inf")})
        b'{"step": 1, "loss": null}'
    """
    return _utf8(json.dumps(plain(record), ensure_ascii=False, allow_nan=False))


def to_text(record: object) -> bytes:
    """One record, indented for people; NaN and infinities become ``null``.

    Example:
        >>> print(to_text({"a": 1}).decode(), end="")
        {
          "a": 1
        }
    """
    return _utf8(json.dumps(plain(record), ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def _utf8(text: str) -> bytes:
    # Names of files need not be Unicode; `json.loads` takes back what this makes of them.
    return text.encode("utf-8", "surrogatepass")


def content_hash(value: object) -> str:
    """SHA-256 of the value's canonical JSON (sorted keys, no spaces, UTF-8), in hexadecimal.

    Equal configurations have equal hashes, whatever the order of their keys, on every machine.

    Args:
        value: Numbers, strings, lists, dicts with string keys, dataclasses; ``1`` and ``1.0`` differ.

    Raises:
        InputError: If it holds a NaN or an infinity.
        TypeError: If it holds what JSON cannot say.

    Example:
        >>> content_hash({"a": 1, "b": [2, 3]}) == content_hash({"b": (2, 3), "a": 1})
        True
        >>> content_hash({"a": 1})[:12]
        '015abd7f5cc5'
    """
    text = json.dumps(
        plain(value, nonfinite=False),
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(_utf8(text)).hexdigest()


def differences(old: Json, new: Json, *, at: str = "") -> list[str]:
    """Which entries of two nested records differ, each as ``key: old → new``.

    Example:
        >>> differences({"config": {"epochs": 2, "lr": 0.1}}, {"config": {"epochs": 3, "lr": 0.1}})
        ['config.epochs: 2 → 3']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[str] = []
        for key in [*old, *(k for k in new if k not in old)]:
            place = f"{at}.{key}" if at else str(key)
            if key not in old or key not in new:
                shown = (_short(side[key]) if key in side else "absent" for side in (old, new))
                found.append(f"{place}: {' → '.join(shown)}")
            else:
                found += differences(old[key], new[key], at=place)
        return found
    return [] if old == new else [f"{at}: {_short(old)} → {_short(new)}"]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
