"""Images as small PNGs inside the page."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rote.errors import InputError

LARGEST = 64
"""Longer sides are made this small: 48 thumbnails of noise then still fit into 1 MB."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture for a page.

    Attributes:
        uri: ``data:image/png;base64,…``.
        width: In pixels of the file.
        height: In pixels of the file.
        shrunk: Whether it is smaller than the original; if not, every pixel of the original is there.
    """

    uri: str
    width: int
    height: int
    shrunk: bool


def thumbnail(image: NDArray[np.uint8]) -> Thumbnail:
    """One image as a PNG data URI; the same image always gives the same bytes.

    Args:
        image: Shape ``[c, h, w]``, uint8; the first three channels are red, green and blue, and of one or
            two channels the first is grey.

    Returns:
        The picture, its longer side at most ``LARGEST`` pixels.

    Example:
        >>> small = thumbnail(np.zeros((1, 8, 8), np.uint8))
        >>> small.uri[:22], small.width, small.shrunk
        ('data:image/png;base64,', 8, False)
    """
    channels, height, width = image.shape
    pixels = image[0] if channels < 3 else np.ascontiguousarray(image[:3].transpose(1, 2, 0))
    picture = Image.fromarray(pixels)
    shrunk = max(height, width) > LARGEST
    if shrunk:
        picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
    return Thumbnail(uri, *picture.size, shrunk)


def check_images(images: NDArray[np.uint8] | None, suspects: int) -> None:
    """Refuse images that do not fit the suspects.

    Args:
        images: Shape ``[n, c, h, w]``, or None.
        suspects: What n must be.

    Raises:
        InputError: If shape or dtype differ.

    Example:
        >>> check_images(np.zeros((2, 1, 4, 4), np.uint8), 2)
    """
    if images is None:
        return
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) != suspects or 0 in images.shape[1:]:
        raise InputError(
            f"`images` must be uint8 of shape [n, c, h, w], one image for each of the {suspects} suspects. "
            f"Got {images.dtype} of shape {list(images.shape)}."
        )
