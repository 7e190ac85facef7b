"""Random weights of the examples, and what a call of the model met: what the self-check by example needs.

See :mod:`rote.gradients._truth`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rote.gradients._sums import sketch
from rote.gradients._units import Unit


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a call of the model met, beside its inputs.

    Attributes:
        random: States of Python's, NumPy's and torch's generators, the latter by device (-1: the CPU).
        autocast: By kind of device, the half precision that autocast chose there; ``None`` for none.
    """

    random: tuple[Any, Any, dict[int, Tensor]]
    autocast: dict[str, torch.dtype | None]


def conditions(parameters: Mapping[str, Tensor]) -> Conditions:
    """What a model with these parameters would meet just now."""
    devices = _cuda(parameters)
    kinds = sorted({p.device.type for p in parameters.values()})
    half = {k: torch.get_autocast_dtype(k) if torch.is_autocast_enabled(k) else None for k in kinds}
    return Conditions((random.getstate(), np.random.get_state(), _states(devices)), half)


def weights(m: int, like: Tensor) -> Tensor:
    """The examples' weights, normal and the same for every batch of m; ``[m]``.

    Example:
        >>> bool((weights(3, torch.ones(1)) == weights(3, torch.ones(1))).all())
        True
    """
    generator = torch.Generator().manual_seed(m)
    dtype = like.dtype if like.dtype == torch.float64 else torch.float32
    return torch.randn(m, generator=generator, dtype=torch.float64).to(like.device, dtype)


def weighed(delta: Tensor, *, dim: int = 0) -> Tensor:
    """A gradient that lists the examples in ``dim``, each times its weight."""
    shape = [1] * delta.dim()
    shape[dim] = -1
    return (delta * weights(delta.shape[dim], delta).view(shape)).to(delta.dtype)


def weigh(unit: Unit, x: Tensor, delta: Tensor) -> None:
    """Note ``Σ w_i g_i`` of a closed form, from its input and output gradient with the examples first."""
    assert unit.rule is not None
    sums = unit.rule.sums(unit.module, x, weighed(delta))
    unit.weighed = {name: sketch(sums[name.rpartition(".")[2]]) for name in unit.parameters}


def restore(state: Conditions) -> None:
    """Put the random states back."""
    python, numpy, states = state.random
    random.setstate(python)
    np.random.set_state(numpy)
    for device, value in states.items():
        if device < 0:
            torch.set_rng_state(value)
        else:
            torch.cuda.set_rng_state(value, device)


def _cuda(parameters: Mapping[str, Tensor]) -> list[int]:
    return sorted({p.device.index or 0 for p in parameters.values() if p.is_cuda})


def _states(devices: list[int]) -> dict[int, Tensor]:
    return {-1: torch.get_rng_state(), **{d: torch.cuda.get_rng_state(d) for d in devices}}
