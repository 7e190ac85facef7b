"""One function for every source of data."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rote.data._cifar import CIFAR10_CLASSES, read_batches
from rote.data._dataset import Dataset, Splits
from rote.data._factory import read_factory
from rote.data._idx import read_mnist
from rote.data._images import read_images
from rote.data._pla import pla_dataset, read_pla
from rote.data._places import NAMES, absent, data_folder, find
from rote.data._splits import finish, held_out, held_out_rows, require_classes
from rote.data._tables import read_table, standardised, table_dataset
from rote.errors import InputError

_TABLES = (".csv", ".parquet", ".pla")


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    label: str | None = None,
    split_seed: int = 0,
    test_share: float = 0.2,
    limit: int | None = None,
) -> Splits:
    """Training and test part of a dataset, by name, path or factory.

    Args:
        name: ``digits``, ``mnist`` or ``cifar10``; the path of a folder or zip of images by class, or of a
            ``.csv``, ``.parquet`` or ``.pla`` file; or ``pkg.module:factory``, a callable that returns a
            map-style dataset of ``(x, y)`` or a tuple of two (training and test part).
        data_dir: Where the named datasets lie; by default the environment's ``ROTE_DATA``, else the user's
            cache.
        label: The label's column, for tables only; by default the one called label, class, target or y. For
            a ``.pla`` file: the output's name, where it has several.
        split_seed: Decides which examples are held out where the source has no test part, and which ``limit``
            keeps.
        test_share: The share that is held out, stratified by class, between 0 and 1.
        limit: Keep this many training examples: the first of a stratified permutation. The test part stays
            whole.

    Returns:
        Both parts. Ids are row numbers (a test part's go on after the training part's), paths for image
        folders and zips, or the ``id`` column of a table.

    Raises:
        InputError: If the source is absent, damaged, or cannot be learned from; the sentence names file and
            row.

    Example:
        >>> digits = load("digits", limit=500)
        >>> digits.train.X.shape, digits.test.X.shape, digits.source
        ((500, 1, 8, 8), (359, 1, 8, 8), 'scikit-learn')
    """
    if Path(name).suffix.lower() in _TABLES and name not in NAMES:
        return _load_table(
            Path(name).expanduser(), label, split_seed=split_seed, test_share=test_share, limit=limit
        )
    if label is not None:
        raise InputError(
            f"`label` names the column of a CSV or Parquet file, but `{name}` is none: leave it out."
        )
    train, test, source = _read(name, data_dir)
    if test is None:
        train, test = held_out(train, test_share=test_share, split_seed=split_seed)
    return finish(train, test, source=source, limit=limit, split_seed=split_seed)


def _read(name: str, data_dir: str | Path | None) -> tuple[Dataset, Dataset | None, str]:
    """Training part, test part if the source has one, and where they came from."""
    if name == "digits":
        return _digits(), None, "scikit-learn"
    if name in NAMES:
        folder = data_folder(data_dir)
        place = find(name, folder)
        if place is None:
            raise absent(name, folder)
        if name == "mnist":
            return *read_mnist(place), str(place)
        if place.suffix == ".zip" or (place / "train").is_dir():
            return *_cifar10_images(place), str(place)
        return *read_batches(place), str(place)
    path = Path(name).expanduser()
    if (name and path.is_dir()) or (path.is_file() and path.suffix.lower() == ".zip"):
        # `resolve` gives "." and "data/" a name.
        return *read_images(path, name=path.resolve().name), str(path)
    if _is_factory(name) and not path.exists():
        return *read_factory(name), name
    if name and path.exists():
        raise InputError(
            f"`{name}` must be a folder, or a .zip, .csv, .parquet or .pla file, to be read as data."
        )
    raise InputError(
        f"`{name}` is no known data: use digits, mnist, cifar10, pkg.module:factory, or the path of an "
        f"image folder, "
        f"a zip of one, a .csv, a .parquet or a .pla file that exists."
    )


def _is_factory(name: str) -> bool:
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), attribute))


def _digits() -> Dataset:
    """Scikit-learn's 1,797 digits of 8×8 pixels; their 17 grey levels are spread over 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    X = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    y = bunch.target.astype(np.int64)
    return Dataset("digits", X, y, np.arange(len(y)), tuple(str(digit) for digit in range(10)))


def _cifar10_images(place: Path) -> tuple[Dataset, Dataset | None]:
    train, test = read_images(place, name="cifar10")
    if train.classes != CIFAR10_CLASSES or train.shape != (3, 32, 32):
        raise InputError(
            f"`{place}` must hold CIFAR-10's ten classes in images of 32×32, but has {len(train.classes)} "
            f"classes of "
            f"shape {train.shape}: load it by its path instead."
        )
    return train, test


def _load_table(
    path: Path, label: str | None, *, split_seed: int, test_share: float, limit: int | None
) -> Splits:
    if not path.is_file():
        raise InputError(f"`{path}` is not there: check the path.")
    if path.suffix.lower() == ".pla":
        bits = pla_dataset(read_pla(path), name=path.name, path=path, output=label)
        train, test = held_out(bits, test_share=test_share, split_seed=split_seed)
        return finish(train, test, source=str(path), limit=limit, split_seed=split_seed)
    whole, numbers = table_dataset(read_table(path, label=label), name=path.name, path=path)
    require_classes(whole)
    kept = np.ones(len(whole), bool)
    kept[held_out_rows(whole.y, share=test_share, seed=split_seed)] = False
    X, mean, std = standardised(numbers, kept, whole.columns, path)
    whole = replace(whole, X=X)
    return finish(
        whole[kept], whole[~kept], source=str(path), limit=limit, split_seed=split_seed, mean=mean, std=std
    )
