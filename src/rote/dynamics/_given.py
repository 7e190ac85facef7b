"""What users give as an array (NumPy's, a list, a tensor on any device), and as numbers of a known shape."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def array(given: "ArrayLike | Tensor", name: str) -> NDArray[Any]:
    """As an array of whatever type and shape it has.

    Raises:
        InputError: If it is none, for example rows of different lengths.

    Example:
        >>> array([[1, 2]], "x").shape
        (1, 2)
    """
    try:
        return np.asarray(_plain(given))
    except (TypeError, ValueError):
        raise InputError(
            f"`{name}` must be an array of numbers. "
            f"Got a {type(given).__name__} whose parts have different shapes."
        ) from None


def numbers(name: str, given: "ArrayLike | Tensor", *, shape: str, dimensions: int) -> NDArray[np.float64]:
    """Finite numbers with so many dimensions, or a sentence.

    Args:
        name: What the user calls it.
        given: An array, a list, or a tensor on any device.
        shape: The shape wanted, in words for the message.
        dimensions: How many it must have.

    Example:
        >>> numbers("X", [[1, 2]], shape="[m, n]", dimensions=2)
        array([[1., 2.]])
    """
    try:
        result = np.asarray(_plain(given), np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"`{name}` must be numbers of shape {shape}. Got {type(given).__name__} of something else."
        ) from None
    if result.ndim != dimensions or not result.size:
        raise InputError(f"`{name}` must have shape {shape}, none of them 0. Got {result.shape}.")
    if not np.isfinite(result).all():
        raise InputError(
            f"`{name}` must be finite. Got {np.count_nonzero(~np.isfinite(result))} values that are not."
        )
    return result


def matrix(name: str, given: "ArrayLike | Tensor") -> NDArray[np.float64]:
    """Finite numbers, one row an example, shape ``[m, p]``; more dimensions of an example are made one.

    Example:
        >>> matrix("X", np.zeros((4, 2, 3))).shape
        (4, 6)
    """
    shape = getattr(given, "shape", None)
    several = len(shape) if shape is not None else np.ndim(given)
    if several > 2:
        wide = numbers(name, given, shape="[m, …]", dimensions=several)
        return wide.reshape(len(wide), -1)
    return numbers(name, given, shape="[m, p]", dimensions=2)


def _plain(given: "ArrayLike | Tensor") -> ArrayLike:
    """Off its device and out of its graph, if it is a tensor."""
    detach = getattr(given, "detach", None)
    return given if detach is None else detach().cpu().numpy()
