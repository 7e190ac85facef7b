"""Coherence as an estimate: the record with a standard error and an interval beside each coherence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rote.gradients._record import Coherence, LayerCoherence

_NAN = float("nan")
_NOWHERE = (_NAN, _NAN)


@dataclass(frozen=True, kw_only=True)
class LayerEstimate(LayerCoherence):
    """Coherence of one layer's part of the gradients, estimated from microbatches.

    Attributes:
        standard_error: Standard error of ``alpha_unbiased``; nan where there is none to be had.
        interval: 95 % interval of ``alpha_unbiased``, low and high; not clipped, so it may reach below 0.

    Example:
        >>> layer = LayerEstimate(4, 0.5, 2.0, 1 / 3, 2.0, 1.0, standard_error=0.1, interval=(0.1, 0.6))
        >>> layer.m_coherence_at(11)
        (4.333333333333333, 2.0, 7.0)
    """

    standard_error: float = _NAN
    interval: tuple[float, float] = _NOWHERE

    def m_coherence_at(self, m: float) -> tuple[float, float, float]:
        """m-coherence ``1+(m−1)α̂`` to be expected of ``m`` examples, and the ends of its 95 % interval."""
        return _extrapolated(m, self.alpha_unbiased, self.interval)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dictionary ready for JSON, except that nan and inf stay floats."""
        return {**super().to_dict(), "interval": _plain(self.interval)}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Estimate(Coherence):
    """Coherence estimated from the gradients of microbatches, in total and per layer.

    The fields of :class:`Coherence` mean what they mean there, with ``Q`` replaced by its unbiased estimate:
    ``m`` counts the examples of a step, ``alpha_unbiased`` is the estimate of the coherence of single
    examples. Of a network that couples the examples of a microbatch (BatchNorm in training mode) it is the
    coherence that independent examples would need for their microbatches to agree as much as these do;
    compare such values at one size of microbatch only.

    Attributes:
        standard_error: Standard error of ``alpha_unbiased``; nan where there is none to be had.
        interval: 95 % interval of ``alpha_unbiased``, low and high; not clipped, so it may reach below 0.
        freedom: Degrees of freedom behind the standard error.
        spread: Where the standard error comes from: ``"within steps"``, ``"between steps"`` or ``""``.
        microbatches: Microbatches per step, the mean over the steps.
        microbatch_size: Examples per microbatch, the mean.

    Example:
        >>> e = Estimate(
        ...     *(64, 1, 0.2, 12.8, 0.19, 4.3, None),
        ...     standard_error=0.02,
        ...     interval=(0.14, 0.24),
        ...     microbatch_size=8,
        ... )
        >>> e
        Estimate(m=64, alpha_unbiased=0.19 ± 0.02, interval=(0.14, 0.24), layers=0)
        >>> e.m_coherence_at(1001)[0], round(e.microbatch_alpha, 3)
        (191.0, 0.652)
    """

    standard_error: float = _NAN
    interval: tuple[float, float] = _NOWHERE
    freedom: float = 0.0
    spread: str = ""
    microbatches: float = 0.0
    microbatch_size: float = _NAN

    @property
    def microbatch_alpha(self) -> float:
        """Coherence of the microbatch gradients themselves, ``kα/(1+(k−1)α)``, k the ``microbatch_size``."""
        k, alpha = self.microbatch_size, self.alpha_unbiased
        return k * alpha / (1 + (k - 1) * alpha)

    def m_coherence_at(self, m: float) -> tuple[float, float, float]:
        """m-coherence ``1+(m−1)α̂`` to be expected of ``m`` examples, and the ends of its 95 % interval."""
        return _extrapolated(m, self.alpha_unbiased, self.interval)

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain numbers, strings, lists and dictionaries; nan and inf become ``None``."""
        return {**super().to_dict(), "interval": _plain(self.interval)}

    def __repr__(self) -> str:
        pooled = f", steps={self.steps}" if self.steps > 1 else ""
        low, high = self.interval
        note = f", note={self.note!r}" if self.note else ""
        return (
            f"Estimate(m={self.m:g}{pooled}, alpha_unbiased={self.alpha_unbiased:.4g} ± "
            f"{self.standard_error:.2g}, interval=({low:.4g}, {high:.4g}), layers={len(self.layers)}{note})"
        )


def undefined(names: Sequence[str], m: int, microbatches: int, note: str) -> Estimate:
    """The record of a step that could not be measured: nan everywhere, and ``note`` says why.

    Example:
        >>> undefined(("fc",), 8, 1, "one microbatch only").layers["fc"].alpha
        nan
    """
    layer = LayerEstimate(m, _NAN, _NAN, _NAN, _NAN, _NAN)
    size = m / microbatches if microbatches else _NAN
    return Estimate(
        m,
        1,
        _NAN,
        _NAN,
        _NAN,
        _NAN,
        None,
        dict.fromkeys(names, layer),
        note,
        microbatches=microbatches,
        microbatch_size=size,
    )


def _extrapolated(m: float, alpha: float, interval: tuple[float, float]) -> tuple[float, float, float]:
    low, high = interval
    return 1 + (m - 1) * alpha, 1 + (m - 1) * low, 1 + (m - 1) * high


def _plain(interval: tuple[float, float]) -> list[float] | None:
    """A list for JSON; ``None`` where there is no interval."""
    return list(interval) if all(end == end for end in interval) else None
