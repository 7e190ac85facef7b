"""What one step of training tells the stability accountant, read and checked."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch.optim import SGD, Optimizer

from rote.errors import InputError
from rote.gradients._record import Coherence


class Measured(NamedTuple):
    """Coherence and gradient norms at the weights before a step.

    Attributes:
        alpha: The unbiased coherence, not yet taken into 0…1; nan where a gradient is not finite.
        rms_norm: ``ḡ``, root mean square of the gradients before clipping; nan where it was not measured.
        largest_norm: The largest ``‖g_i‖`` before clipping; 0 where none was measured.
        norms: How many were measured.
        clip: Factor by which gradient clipping shortened the step; 1 where there was none.
        examples: Examples measured; ``None`` where that is not known.
    """

    alpha: float
    rms_norm: float
    largest_norm: float
    norms: int
    clip: float
    examples: float | None


def read_measured(
    coherence: Coherence | None, alpha: float | None, squared_norms: ArrayLike | None
) -> Measured:
    """What was measured, given as a record or as numbers.

    Example:
        >>> read_measured(None, 0.5, [9.0, 7.0]).largest_norm
        3.0
    """
    if (coherence is None) == (alpha is None):
        got = "neither" if alpha is None else "both"
        raise InputError(f"`coherence` or `alpha` must be given, and not both. Got {got}.")
    if coherence is None or alpha is not None:
        return Measured(_checked(alpha), *_norms(squared_norms), 1.0, None)
    if squared_norms is not None:
        raise InputError(
            "`squared_norms` must come with `alpha`. Got them with `coherence`, which has its own."
        )
    measured, clip = _unbiased(coherence), float(coherence.clip)
    if math.isnan(measured) or coherence.squared_norms is None or clip == 0:
        return Measured(measured, *_norms(None), clip, coherence.m)
    # The record's norms are those that clipping left; the step's length takes the factor in.
    return Measured(measured, *_norms(coherence.squared_norms / clip**2), clip, coherence.m)


def read_rate(learning_rate: float | None, optimizer: Optimizer | None) -> tuple[float, str]:
    """η, and the optimizer's rule; empty where it was not shown.

    Example:
        >>> read_rate(0.1, None)
        (0.1, '')
    """
    if learning_rate is not None and optimizer is None:
        rate, rule = float(learning_rate), ""
    elif learning_rate is None and optimizer is not None:
        rate, rule = read_optimizer(optimizer)
    else:
        got = "neither" if optimizer is None else "both"
        raise InputError(f"`learning_rate` or `optimizer` must be given, and not both. Got {got}.")
    if not (math.isfinite(rate) and rate >= 0):
        raise InputError(f"`learning_rate` must be a finite number, at least 0. Got {rate}.")
    return rate, rule


def read_optimizer(optimizer: Optimizer) -> tuple[float, str]:
    """The largest learning rate of an optimizer's groups, and its rule: ``SGD`` if the theorem covers it.

    With several rates the largest serves the bound. Weight decay does no harm while ``ηλ ≤ 2``: it only
    draws two runs together.

    Example:
        >>> import torch
        >>> w = [torch.zeros(1, requires_grad=True)]
        >>> read_optimizer(torch.optim.SGD(w, lr=0.5)), read_optimizer(torch.optim.Adam(w, lr=0.5))
        ((0.5, 'SGD'), (0.5, 'Adam'))
        >>> read_optimizer(torch.optim.SGD(w, lr=0.5, momentum=0.9))[1]
        'SGD with momentum 0.9'
    """
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    if type(optimizer) is not SGD:
        return max(rates), type(optimizer).__name__
    for rate, group in zip(rates, optimizer.param_groups, strict=True):
        if group["momentum"]:
            return max(rates), f"SGD with momentum {group['momentum']:g}"
        if group["maximize"]:
            return max(rates), "SGD that maximizes"
        if rate * group["weight_decay"] > 2:
            return max(rates), f"SGD with a weight decay of {group['weight_decay']:g}, above 2/η"
    return max(rates), "SGD"


def _unbiased(coherence: Coherence) -> float:
    """α of a record; 1 where every gradient is zero, for then nothing differs; nan if one is not finite."""
    if math.isnan(coherence.alpha):
        norms = coherence.squared_norms
        zero = coherence.steps > 0 if norms is None else not norms.any()
        return 1.0 if zero else math.nan
    if math.isnan(coherence.alpha_unbiased):
        raise InputError(
            "`coherence` must be of at least 2 examples, since one cannot disagree with itself. "
            f"Got m={coherence.m:g}: measure a larger batch, or a fixed sample."
        )
    return _checked(coherence.alpha_unbiased)


def _checked(alpha: float | None) -> float:
    if alpha is None or not -1 <= alpha <= 1 + 1e-6:
        raise InputError(f"`alpha` must be a coherence, at most 1 (not the m-coherence). Got {alpha}.")
    return float(alpha)


def _norms(squared_norms: ArrayLike | None) -> tuple[float, float, int]:
    """Root mean square, largest, and how many."""
    if squared_norms is None:
        return math.nan, 0.0, 0
    squares = np.asarray(squared_norms, dtype=np.float64).ravel()
    if not len(squares) or not np.isfinite(squares).all() or squares.min() < 0:
        raise InputError(
            "`squared_norms` must be finite numbers, at least 0, one for each example. Got others, or none."
        )
    return math.sqrt(squares.mean()), math.sqrt(squares.max()), len(squares)
