"""What users give as an array: NumPy's, a list, or a tensor on any device."""

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
    detach = getattr(given, "detach", None)
    try:
        return np.asarray(given if detach is None else detach().cpu().numpy())
    except (TypeError, ValueError):
        raise InputError(
            f"`{name}` must be an array of numbers. "
            f"Got a {type(given).__name__} whose parts have different shapes."
        ) from None
