"""Which examples are held out, which are kept, and the digest that says which data a run saw."""

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset, Splits
from rote.errors import InputError


def stratified_order(y: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """A seeded permutation of the rows, each prefix of which has nearly the class shares of the whole.

    Within a class rows are shuffled; row ``r`` of the ``n_c`` of class c gets the key ``(r + u_c) / n_c``
    with one uniform ``u_c`` per class, and rows are ordered by key (systematic sampling).

    Args:
        y: Labels, shape ``[m]``, values from 0.
        seed: Decides the permutation.

    Returns:
        Row numbers, shape ``[m]``, int64.

    Raises:
        InputError: If the seed is negative.

    Example:
        >>> order = stratified_order(np.array([0, 0, 0, 0, 1, 1]), seed=0)
        >>> sorted(order.tolist()), np.bincount(np.array([0, 0, 0, 0, 1, 1])[order[:3]]).tolist()
        ([0, 1, 2, 3, 4, 5], [2, 1])
    """
    if seed < 0:
        raise InputError(f"`split_seed` must be 0 or more, not {seed}.")
    rng = np.random.default_rng(seed)
    shuffled = np.argsort(rng.random(len(y)), kind="stable")
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    counts = np.bincount(y)
    rank = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    key = (rank + np.repeat(rng.random(len(counts)), counts)) / np.repeat(counts, counts)
    return by_class[np.argsort(key, kind="stable")]


def held_out_rows(y: NDArray[np.int64], *, share: float, seed: int) -> NDArray[np.int64]:
    """Rows of a stratified test part, in ascending order; each class keeps at least one training row.

    Raises:
        InputError: If ``share`` is not between 0 and 1, or too few examples are there to hold any out.
    """
    if not 0 < share < 1:
        raise InputError(f"`test_share` must be between 0 and 1, not {share}.")
    order = stratified_order(y, seed=seed)
    last_of_class = len(y) - 1 - np.unique(y[order[::-1]], return_index=True)[1]
    free = np.delete(order, last_of_class)
    if not free.size:
        raise InputError(
            f"`test_share` {share} cannot be held out of {len(y)} examples: a class needs two examples at "
            f"least."
        )
    return np.sort(free[: max(1, round(share * len(y)))])


def split(
    dataset: Dataset,
    test: Dataset | None = None,
    *,
    source: str = "memory",
    split_seed: int = 0,
    test_share: float = 0.2,
    limit: int | None = None,
) -> Splits:
    """Training and test part of data in memory, checked and with their digest.

    Args:
        dataset: All examples, or the training part where ``test`` is given.
        test: The test part; without it a stratified share of ``dataset`` is held out.
        source: Where the data came from, in words.
        split_seed: Decides what is held out and what ``limit`` keeps.
        test_share: Share of ``dataset`` that is held out, between 0 and 1.
        limit: Keep this many training examples: the first of a stratified permutation, so that a smaller
            limit keeps a subset of what a larger one keeps. They stay in their order and keep their ids.

    Raises:
        InputError: If the parts disagree, share an id, or too few examples or classes are left.

    Example:
        >>> y = np.array([0, 1] * 5)
        >>> parts = split(Dataset("toy", np.zeros((10, 2), np.float32), y, np.arange(10), ("a", "b")))
        >>> len(parts.train), len(parts.test), len(parts.sha256)
        (8, 2, 64)
    """
    if test is None:
        dataset, test = held_out(dataset, test_share=test_share, split_seed=split_seed)
    return finish(dataset, test, source=source, limit=limit, split_seed=split_seed)


def held_out(dataset: Dataset, *, test_share: float, split_seed: int) -> tuple[Dataset, Dataset]:
    """The dataset without, and with only, the rows of a stratified test part."""
    require_classes(dataset)
    rows = held_out_rows(dataset.y, share=test_share, seed=split_seed)
    kept = np.ones(len(dataset), bool)
    kept[rows] = False
    return dataset[kept], dataset[rows]


def finish(
    train: Dataset,
    test: Dataset,
    *,
    source: str,
    limit: int | None,
    split_seed: int,
    mean: NDArray[np.float64] | None = None,
    std: NDArray[np.float64] | None = None,
) -> Splits:
    """Two parts, checked against each other, limited, and with their digest."""
    if train.shape != test.shape:
        raise InputError(
            f"`{train.name}`: training examples have shape {train.shape} but test examples {test.shape}: "
            f"both must be alike."
        )
    if train.classes != test.classes:
        raise InputError(f"`{train.name}`: the training and the test part must name the same classes.")
    shared = set(train.ids.tolist()) & set(test.ids.tolist())
    if shared:
        raise InputError(f"`{train.name}`: the id {min(shared)!r} is in the training and in the test part.")
    if not len(test):
        raise InputError(f"`{train.name}`: the test part must hold at least one example.")
    if limit is not None:
        if limit < 1:
            raise InputError(f"`limit` must be at least 1, not {limit}.")
        train = train[np.sort(stratified_order(train.y, seed=split_seed)[:limit])]
    require_classes(train)
    empty = np.empty(0)
    return Splits(
        train,
        test,
        source,
        digest(train, test),
        mean=empty if mean is None else mean,
        std=empty if std is None else std,
    )


def require_classes(dataset: Dataset) -> None:
    """Refuse a dataset in which fewer than two classes have an example."""
    present = np.unique(dataset.y)
    if len(present) < 2:
        only = f"only {dataset.classes[present[0]]!r}" if len(present) else "none"
        raise InputError(
            f"`{dataset.name}` must hold examples of at least two classes to learn from, but has {only}."
        )


def digest(*parts: Dataset) -> str:
    """SHA-256, as 64 hexadecimal digits, over inputs, labels, ids and names of the parts, in their order.

    Example:
        >>> d = Dataset("toy", np.zeros((2, 1), np.float32), np.array([0, 1]), np.arange(2), ("a", "b"))
        >>> digest(d) == digest(d[np.array([0, 1])]), digest(d) == digest(d[::-1])
        (True, False)
    """
    sha = hashlib.sha256()
    for part in parts:
        ids = part.ids.tolist()
        words = (part.X.shape, part.X.dtype.str, part.classes, part.columns, ids)
        # JSON closes every name with a quote, so that no two lists of names run together into the same bytes.
        sha.update(json.dumps(words).encode())
        for array in (part.X, part.y, part.true_y):
            sha.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()
