"""The stability bound as arrays over steps, in logarithms so that no product overflows.

Chatterjee & Zielinski 2022 (arXiv 2203.10036): train ``T`` steps of SGD on ``m`` examples, with a loss that
is L-Lipschitz and β-smooth in the weights for every example. Then training and test loss differ in
expectation by at most ``(L²/m) Σ_t [Π_{k>t} (1 + η_k β)] η_t √(2(1 − α_{t−1}))``.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StabilityBound:
    """How far training and test loss can lie apart, by the theorem; usually far too large to be of use.

    Attributes:
        value: ``(L²/m) Σ_t A_t η_t √(2(1−α))``; infinite where float64 cannot hold it.
        log10: Its decimal logarithm, always finite unless the bound is 0.
        sharper: ``(L/m) Σ_t A_t η_t ḡ_t √(2(1−α))``: the gradients' root mean square ``ḡ = √(E‖g‖²)`` for one
            of the two L, at each step where it was measured.
        sharper_log10: Its decimal logarithm.

    Example:
        >>> StabilityBound(0.5, math.log10(0.5), 0.2, math.log10(0.2)).sharper
        0.2
    """

    value: float
    log10: float
    sharper: float
    sharper_log10: float

    def to_dict(self) -> dict[str, float | None]:
        """The fields, ready for JSON: what is infinite becomes ``None``."""
        return finite(vars(self))


@dataclass(frozen=True, eq=False, repr=False)
class StabilityFactors:
    """What the bound is made of, step by step: ``contribution = (L²/m) · amplification · η · incoherence``.

    Every array has shape ``[T]``, float64. Products that float64 cannot hold are infinite; their logarithms
    are not.

    Attributes:
        learning_rate: ``η_t``, times the factor of gradient clipping where there was any.
        alpha: Coherence at the weights before the step, clipped to 0…1.
        incoherence: ``√(2(1−α))``, in 0…√2: 0 where all examples pull the same way.
        gradient_norm: ``ḡ_t``; nan where it was not measured.
        log10_amplification: of ``Π_{k>t} (1 + η_k β)``; never rises, and is 0 at the last step.
        log10_contribution: of the step's part of :attr:`StabilityBound.value`; −inf where that is 0.
        log10_sharper: of the step's part of :attr:`StabilityBound.sharper`.

    Example:
        >>> one = np.ones(2)
        >>> factors = stability_factors(one, 0.5 * one, one, m=8, lipschitz=2.0, smoothness=3.0)
        >>> factors.amplification, factors.contribution.round(9), factors.share
        (array([4., 1.]), array([2. , 0.5]), array([0.8, 0.2]))
    """

    learning_rate: Floats
    alpha: Floats
    incoherence: Floats
    gradient_norm: Floats
    log10_amplification: Floats
    log10_contribution: Floats
    log10_sharper: Floats

    def __len__(self) -> int:
        return len(self.alpha)

    def __repr__(self) -> str:
        return f"StabilityFactors(steps={len(self)})"

    @property
    def amplification(self) -> Floats:
        """``Π_{k>t} (1 + η_k β)``: how much the steps that follow can blow up what this one set apart."""
        return _power(self.log10_amplification)

    @property
    def contribution(self) -> Floats:
        """Each step's part of the bound with one L for all gradients."""
        return _power(self.log10_contribution)

    @property
    def sharper(self) -> Floats:
        """Each step's part of the bound with the gradients' measured size."""
        return _power(self.log10_sharper)

    @property
    def share(self) -> Floats:
        """Each step's part of the bound as a share of the whole, which never overflows; 0 if that is 0."""
        return _shares(self.log10_contribution)

    @property
    def sharper_share(self) -> Floats:
        """The same of the sharper form."""
        return _shares(self.log10_sharper)

    def bound(self) -> StabilityBound:
        """The sums over the steps."""
        plain, sharper = (_log10_sum(logs) for logs in (self.log10_contribution, self.log10_sharper))
        value, sharp = _power(np.array([plain, sharper])).tolist()
        return StabilityBound(value, plain, sharp, sharper)


def stability_factors(
    learning_rate: Floats,
    alpha: Floats,
    gradient_norm: Floats,
    *,
    m: int,
    lipschitz: float,
    smoothness: float,
) -> StabilityFactors:
    """The bound's factors (arXiv 2203.10036, main theorem).

    Args:
        learning_rate: ``η_t``, shape ``[T]``.
        alpha: ``α_{t−1}``, in 0…1, shape ``[T]``.
        gradient_norm: ``ḡ_{t−1}``, shape ``[T]``; where it is nan, unknown, the larger L stands for it.
        m: Examples trained on.
        lipschitz: L.
        smoothness: β.

    Example:
        >>> one = np.ones(1)
        >>> stability_factors(one, 0.5 * one, 0.5 * one, m=4, lipschitz=2, smoothness=1).incoherence
        array([1.])
    """
    log_amplification = amplification_logs(learning_rate, smoothness)
    incoherence = np.sqrt(2 * (1 - alpha))
    with np.errstate(divide="ignore"):  # log 0 = −inf: the step adds nothing
        log_size = np.log(np.where(np.isnan(gradient_norm), lipschitz, gradient_norm))
        shared = log_amplification + np.log(learning_rate) + np.log(incoherence)
        shared += np.log(lipschitz) - math.log(m)
        contribution, sharper = shared + np.log(lipschitz), shared + log_size
    return StabilityFactors(
        learning_rate,
        alpha,
        incoherence,
        gradient_norm,
        *(logs / math.log(10) for logs in (log_amplification, contribution, sharper)),
    )


def amplification_logs(learning_rate: Floats, smoothness: float) -> Floats:
    """``ln Π_{k>t} (1 + η_k β)`` for each step t, shape ``[T]`` → ``[T]``.

    Example:
        >>> np.exp(amplification_logs(np.array([9.0, 1.0, 3.0]), 1.0)).round(9)
        array([8., 4., 1.])
    """
    growth = np.log1p(learning_rate * smoothness)
    return np.concatenate([np.cumsum(growth[:0:-1])[::-1], np.zeros(min(len(growth), 1))])


def _log10_sum(log10: Floats) -> float:
    """``log₁₀ Σ 10^x``; −inf of nothing."""
    largest = float(log10.max(initial=-math.inf))
    if math.isinf(largest):
        return largest
    return largest + math.log10(float(_power(log10 - largest).sum()))


def _power(log10: Floats) -> Floats:
    with np.errstate(over="ignore"):
        power: Floats = np.power(10.0, log10)
    return power


def _shares(log10: Floats) -> Floats:
    total = _log10_sum(log10)
    return _power(log10 - total) if math.isfinite(total) else np.zeros_like(log10)


def in_words(log10: float) -> str:
    """A positive number known by its decimal logarithm, with three digits.

    Example:
        >>> in_words(math.log10(0.0254)), in_words(312.5), in_words(-math.inf)
        ('0.0254', '10^312', '0')
    """
    if log10 == -math.inf:
        return "0"
    return f"{10**log10:.3g}" if -4 <= log10 < 6 else f"10^{math.floor(log10)}"


def finite(record: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has no word for become ``None``."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
