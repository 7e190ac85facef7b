"""Options that optimizers share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from rote.errors import InputError


def check_groups(options: Mapping[str, Any]) -> None:
    """Raise unless learning rate, weight decay and momentum are numbers of at least 0.

    Example:
        >>> check_groups({"lr": 0.1, "weight_decay": 0.0, "momentum": 0.9})
    """
    for name in ("lr", "weight_decay", "momentum"):
        value = options[name]
        number = isinstance(value, (int, float, Tensor)) and not isinstance(value, bool)
        if not number or not math.isfinite(float(value)) or float(value) < 0:
            raise InputError(f"`{name}` must be a number of at least 0. Got {value!r}.")


def whole_tensors(foreach: bool | None, tensors: Sequence[Tensor]) -> bool:
    """Whether all tensors are to be updated at once: if asked for, and by default on a GPU.

    Example:
        >>> import torch
        >>> whole_tensors(None, [torch.ones(1)]), whole_tensors(True, [torch.ones(1)])
        (False, True)
    """
    return all(t.is_cuda for t in tensors) if foreach is None else foreach
