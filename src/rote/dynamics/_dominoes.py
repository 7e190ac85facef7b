"""Dominoes: two images on top of each other, of which each tells the label."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import array
from rote.dynamics._simplicity import PlantedData
from rote.errors import InputError

Images = NDArray[np.generic]


def dominoes(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    pairs: Sequence[tuple[int, int]],
    *,
    seed: int,
) -> PlantedData:
    """Put images of two data sets on top of each other, so that both halves tell the label.

    Label c pairs the images of one class of each data set, one to one, in an order drawn at random. All
    classes are cut to the smallest of those used, so labels are balanced; ``note`` says to how many. Images
    are centred on black where the other's are larger, and gray ones repeated where the other's have colours.

    Args:
        first: The upper, simple images and their classes: ``[m, h, w]`` or ``[m, c, h, w]``, uint8 (0 to
            255) or numbers from 0 to 1, and ``[m]``.
        second: The lower ones, likewise.
        pairs: For label 0, then 1: the class above and the class below. MNIST on CIFAR-10 of Shah et al.
            2020: ``[(0, 1), (1, 9)]``, zeros on automobiles against ones on trucks.
        seed: Of the pairing.

    Returns:
        ``X`` of shape ``[m, c, h1 + h2, w]``, where both halves are padded to the same size, from 0 to 1;
        ``simple`` are the pixels of the upper half.

    Raises:
        InputError: If the arrays are no such images, or a class has no image.

    Example:
        >>> gray = np.zeros((4, 2, 2), np.uint8), [0, 0, 1, 1]
        >>> colour = np.full((5, 3, 4, 4), 255, np.uint8), [7, 7, 7, 8, 8]
        >>> data = dominoes(gray, colour, [(0, 7), (1, 8)], seed=0)
        >>> data, data.note
        (PlantedData(m=4: 3 x 8 x 4), '2 pairs for each label; their classes have 2 to 3 images')
    """
    (upper, above), (lower, below) = _images(first, "first"), _images(second, "second")
    if len(pairs) != 2 or any(len(pair) != 2 for pair in pairs):
        raise InputError(f"`pairs` must be two pairs of classes, for labels 0 and 1. Got {list(pairs)}.")
    channels = max(upper.shape[1], lower.shape[1])
    height, width = (max(upper.shape[i], lower.shape[i]) for i in (2, 3))
    upper, lower = (_fitted(half, channels, height, width) for half in (upper, lower))
    found = [(_of(above, over, "first"), _of(below, under, "second")) for over, under in pairs]
    sizes = [len(rows) for both in found for rows in both]
    rng, count = np.random.default_rng(seed), min(sizes)
    chosen = [[rng.permutation(rows)[:count] for rows in both] for both in found]
    X = np.concatenate([np.concatenate([upper[over], lower[under]], axis=2) for over, under in chosen])
    return PlantedData(
        X=X,
        y=np.repeat(np.arange(2), count),
        simple=np.flatnonzero(np.broadcast_to(np.arange(2 * height)[:, None] < height, X.shape[1:])),
        note=f"{count} pairs for each label; their classes have {min(sizes)} to {max(sizes)} images",
    )


def _images(given: tuple[ArrayLike, ArrayLike], name: str) -> tuple[NDArray[np.float32], Images]:
    X, y = array(given[0], name), array(given[1], name)
    if X.ndim == 3:
        X = X[:, None]
    if X.ndim != 4 or X.dtype.kind not in "uf" or y.shape != (len(X),):
        raise InputError(
            f"`{name}` must be images [m, h, w] or [m, c, h, w], uint8 or float, and their classes [m]. "
            f"Got {X.dtype} of shape {X.shape} and classes of shape {y.shape}."
        )
    return (X / 255 if X.dtype.kind == "u" else X).astype(np.float32), y


def _fitted(images: NDArray[np.float32], channels: int, height: int, width: int) -> NDArray[np.float32]:
    if images.shape[1] not in (1, channels):
        raise InputError(
            f"Gray images can be given colours, {images.shape[1]} channels cannot be {channels}."
        )
    down, across = height - images.shape[2], width - images.shape[3]
    padding = [(0, 0), (0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2)]
    return np.pad(np.repeat(images, channels // images.shape[1], axis=1), padding)


def _of(classes: Images, wanted: int, name: str) -> NDArray[np.int64]:
    rows = np.flatnonzero(classes == wanted)
    if not rows.size:
        raise InputError(f"`{name}` has no image of class {wanted}, which `pairs` asks for.")
    return rows
