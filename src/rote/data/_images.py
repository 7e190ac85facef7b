"""Images by class, in a folder or a zip file: ``[train/ | test/] class / … / image``."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.data._words import reason
from rote.errors import InputError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_TEST_FOLDERS = ("test", "val", "valid", "validation")
_EIGHT_BIT_GREY, _DEEP_GREY = frozenset({"1", "L", "LA"}), frozenset({"I", "F", "I;16", "I;16B", "I;16L"})
_MAX_IMAGE_BYTES = 1 << 26

Entries = list[tuple[str, str]]
"""Image paths, each with its class."""


def read_images(path: Path, *, name: str) -> tuple[Dataset, Dataset | None]:
    """Training part, and test part where there is one, of a folder or zip of images by class.

    Ids are the paths below ``path``, with ``/`` between the parts; classes are the folders' names in the
    order of their code points. Images become uint8 ``[m, 1, h, w]`` if all are grey, else ``[m, 3, h, w]``.

    Raises:
        InputError: If a class folder is empty, an image cannot be read or has another size, a zip's paths
            lead elsewhere, or no class folders are there.
    """
    if path.is_dir():
        files, folders = _walk(path)
        return _read(path, name, files, folders, lambda file: (path / file).read_bytes())
    with _opened(path) as archive:
        files, folders = _zip_names(path, archive)
        return _read(path, name, files, folders, archive.read)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(f"`{path}` is no zip file, or a damaged one ({reason(error)}).") from error


def _read(
    path: Path, name: str, files: Iterable[str], folders: Iterable[str], read: Callable[[str], bytes]
) -> tuple[Dataset, Dataset | None]:
    parts = layout(files, folders, where=str(path))
    classes = tuple(sorted({label for _, label in parts["train"]}))
    for file, label in parts.get("test", []):
        if label not in classes:
            raise InputError(f"`{path}/{file}`: the class {label!r} has no training images.")
    entries = [entry for part in parts.values() for entry in part]
    images = _decode(path, entries, read, grey=True)
    if images is None:
        images = _decode(path, entries, read, grey=False)
    if images is None:
        raise InputError(f"`{path}` holds no images.")
    number = {label: i for i, label in enumerate(classes)}
    y = np.array([number[label] for _, label in entries], np.int64)
    ids = np.array([file for file, _ in entries])
    whole = Dataset(name, images, y, ids, classes)
    if "test" not in parts:
        return whole, None
    first = len(parts["train"])
    return whole[:first], whole[first:]


def layout(files: Iterable[str], folders: Iterable[str], *, where: str) -> dict[str, Entries]:
    """Which image belongs to which part and class, from the paths alone.

    Folders that wrap everything are looked through. ``train`` is the training part if it holds folders; then
    ``test``, or else ``val``, ``valid`` or ``validation``, is the test part. Otherwise every folder is a
    class.

    Args:
        files: Paths of all files, ``/`` between the parts.
        folders: Paths of all folders, also empty ones.
        where: What error messages call the whole.

    Returns:
        ``{"train": [(path, class), …]}``, and ``"test"`` where there is one, each sorted by path.

    Raises:
        InputError: If there are no class folders, one is empty, or an image lies in none.

    Example:
        >>> layout(["cat/1.png", "dog/2.png"], [], where="pets.zip")
        {'train': [('cat/1.png', 'cat'), ('dog/2.png', 'dog')]}
        >>> sorted(layout(["d/train/a/1.png", "d/train/b/2.png", "d/test/a/3.png"], [], where="d.zip"))
        ['test', 'train']
    """
    images = sorted(f for f in files if _visible(f) and PurePosixPath(f).suffix.lower() in SUFFIXES)
    known = {str(parent) for f in images for parent in PurePosixPath(f).parents} | set(
        filter(_visible, folders)
    )
    known.discard(".")
    base = ""
    while True:
        inside = _children(known, base)
        direct = any(_parent(image) == base for image in images)
        if direct or len(inside) != 1 or not _children(known, inside[0]):
            break
        base = inside[0]
    train = _join(base, "train")
    if train not in known or not _children(known, train):
        return {"train": _classes(images, known, base, where)}
    parts = {"train": _classes(images, known, train, where)}
    test = next((t for t in _TEST_FOLDERS if _children(known, _join(base, t))), None)
    if test:
        parts["test"] = _classes(images, known, _join(base, test), where)
    return parts


def _classes(images: list[str], known: set[str], base: str, where: str) -> Entries:
    """The images below ``base``, each with the name of the folder of ``base`` that it lies in."""
    depth = len(PurePosixPath(base).parts)
    below = [image for image in images if PurePosixPath(image).parts[:depth] == PurePosixPath(base).parts]
    folders = _children(known, base)
    if not folders:
        raise InputError(
            f"`{_join(where, base)}` must hold one folder of images for each class, but has no folder."
        )
    loose = next((image for image in below if _parent(image) == base), None)
    if loose:
        raise InputError(f"`{where}/{loose}` must lie in a class folder, not beside the class folders.")
    entries = [(image, PurePosixPath(image).parts[depth]) for image in below]
    filled = {label for _, label in entries}
    for folder in folders:
        if PurePosixPath(folder).name not in filled:
            raise InputError(
                f"`{where}/{folder}` must hold images of its class, but has none: fill or remove it."
            )
    return entries


def _children(known: set[str], base: str) -> list[str]:
    return sorted(folder for folder in known if _parent(folder) == base)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _join(base: str, name: str) -> str:
    return f"{base}/{name}" if base and name else base or name


def _visible(path: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)


def _walk(root: Path) -> tuple[list[str], list[str]]:
    """All files and folders below ``root``; links are followed, but no folder is entered twice."""
    files: list[str] = []
    folders: list[str] = []
    seen: set[str] = set()
    for place, inside, names in os.walk(root, followlinks=True):
        inside[:] = sorted(d for d in inside if os.path.realpath(os.path.join(place, d)) not in seen)
        seen.update(os.path.realpath(os.path.join(place, d)) for d in inside)
        relative = Path(place).relative_to(root)
        files += [_checked_name(root, (relative / file).as_posix()) for file in names]
        folders += [_checked_name(root, (relative / folder).as_posix()) for folder in inside]
    return files, folders


def _checked_name(root: Path, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"`{root}`: the file name {name!a} must be valid UTF-8: rename it.") from error
    return name


def _zip_names(path: Path, archive: zipfile.ZipFile) -> tuple[list[str], list[str]]:
    files: set[str] = set()
    folders: list[str] = []
    for info in archive.infolist():
        name = info.orig_filename
        parts = name.removesuffix("/").split("/")
        if "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts) or ":" in parts[0]:
            raise InputError(
                f"`{path}`: the entry {name!a} leads outside the archive: do not trust this file."
            )
        if info.is_dir():
            folders.append(name.removesuffix("/"))
            continue
        if name in files:
            raise InputError(f"`{path}`: the entry {name!a} is there twice, but ids must differ.")
        if info.file_size > _MAX_IMAGE_BYTES:
            raise InputError(
                f"`{path}`: the entry {name!a} has {info.file_size} bytes, too many for an image."
            )
        files.add(name)
    return sorted(files), folders


def _decode(
    path: Path, entries: Entries, read: Callable[[str], bytes], *, grey: bool
) -> NDArray[np.uint8] | None:
    """All images, ``[m, 1 or 3, h, w]``; nothing if ``grey`` was hoped for and one has colours."""
    from PIL import Image

    images: NDArray[np.uint8] | None = None
    for row, (file, _) in enumerate(entries):
        try:
            with Image.open(io.BytesIO(read(file))) as image:
                if grey and image.mode not in _EIGHT_BIT_GREY | _DEEP_GREY:
                    return None
                if image.mode in _DEEP_GREY:
                    raise InputError(
                        f"`{path}/{file}` must have 8 bits a channel, but its mode is {image.mode}."
                    )
                if images is None:
                    images = np.empty((len(entries), 1 if grey else 3, image.height, image.width), np.uint8)
                if (image.height, image.width) != images.shape[2:]:
                    raise InputError(
                        f"`{path}/{file}` is {image.width}×{image.height} pixels but `{entries[0][0]}` "
                        f"{images.shape[3]}×{images.shape[2]}: all images must have one size."
                    )
                pixels = np.asarray(image.convert("L" if grey else "RGB"))
        except InputError:
            raise
        except zlib.error as error:
            raise InputError(f"`{path}/{file}` is damaged inside the archive ({error}).") from error
        except Exception as error:  # damaged images raise nearly anything
            raise InputError(
                f"`{path}/{file}` cannot be read as an image ({type(error).__name__}): replace or remove it."
            ) from error
        images[row] = pixels if grey else pixels.transpose(2, 0, 1)
    return images
