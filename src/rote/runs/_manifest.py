"""What was asked of a run, with which versions, and whether two runs are the same."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rote import __version__
from rote.errors import InputError
from rote.runs._json import content_hash, differences, plain

FORMAT = "rote run 1"


def make_manifest(
    *,
    command: Sequence[str],
    config: Mapping[str, object],
    data_sha256: str,
    seeds: Sequence[int],
    threads: int | None,
    device: str,
) -> dict[str, Any]:
    """The manifest of a run that starts now.

    Example:
        >>> m = make_manifest(command=[], config={}, data_sha256="00", seeds=[0], threads=2, device="cpu")
        >>> sorted(m)[:4], m["seeds"], len(m["content_hash"])
        (['command', 'config', 'content_hash', 'created'], [0], 64)
    """
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "command": list(command),
        "config": plain(dict(config), nonfinite=False),
        "seeds": [int(seed) for seed in seeds],
        "data_sha256": data_sha256,
        "threads": threads,
        "device": device,
        "versions": _versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return manifest | {"content_hash": content_hash(identity(manifest))}


def identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a manifest that makes two runs the same run: what changes results, not how or when it ran.

    Example:
        >>> identity({"config": {}, "seeds": [0], "data_sha256": "00", "versions": {"rote": "0.1.7"}})
        {'config': {}, 'seeds': [0], 'data_sha256': '00', 'rote': '0.1'}
    """
    return {
        "config": manifest["config"],
        "seeds": manifest["seeds"],
        "data_sha256": manifest["data_sha256"],
        "rote": ".".join(manifest["versions"]["rote"].split(".")[:2]),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "rote": __version__}
    for package in ("numpy", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest in a run folder.

    Raises:
        InputError: If the file is damaged or some other program's.
    """
    try:
        manifest = dict(json.loads(path.read_bytes()))
        known = manifest["format"] == FORMAT
        content = content_hash(identity(manifest))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); choose another --out.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is no manifest of a run, or damaged; choose another --out.") from None
    if not known or manifest.get("content_hash") != content:
        raise InputError(f"{path} was changed, or another version of rote wrote it; choose another --out.")
    return manifest


def refuse_another_run(path: Path, held: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on in a folder that holds another run.

    Raises:
        InputError: Naming what differs, from what the folder holds to what was asked.
    """
    if held["content_hash"] == asked["content_hash"]:
        return
    found = differences(identity(held), identity(asked))
    shown = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    raise InputError(f"`out`: {path} holds another run ({shown}); choose another --out.")
