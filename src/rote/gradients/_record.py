"""Coherence as a record, and the additive statistics it is computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError


@dataclass(frozen=True)
class LayerCoherence:
    """Coherence of one layer's part of the gradients.

    Attributes:
        m: Examples in the sample (or per step; see :class:`Coherence`).
        alpha: ``‖S_l‖²/(m Q_l)``, in 0…1.
        m_coherence: ``‖S_l‖²/Q_l``, in 0…m; 1 is the level of orthogonal gradients.
        alpha_unbiased: ``(‖S_l‖²−Q_l)/((m−1)Q_l)``; may be negative.
        noise_scale: ``(1−α)/α`` of the unbiased α; infinite where that is not positive.
        share: ``f_l``, this layer's share of the squared norms; the shares add up to 1.
        way: How its norms were taken, as ``Meter.coverage`` names the ways; empty where nobody noted it.

    Example:
        >>> layer = LayerCoherence(4, 0.5, 2.0, 1 / 3, 2.0, 1.0, "linear")
        >>> layer.m_coherence, layer.diversity
        (2.0, 0.5)
    """

    m: float
    alpha: float
    m_coherence: float
    alpha_unbiased: float
    noise_scale: float
    share: float
    way: str = ""

    @property
    def diversity(self) -> float:
        """Gradient diversity ``Q_l/‖S_l‖²`` (Yin et al. 2018, arXiv 1706.05699): 1/m-coherence."""
        return _inverse(self.m_coherence)

    def to_dict(self) -> dict[str, float | str]:
        """The fields as a dictionary ready for JSON, except that nan and inf stay floats."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False, repr=False)
class Coherence:
    """How much the examples of a sample help each other, in total and per layer.

    ``S = Σ g_i`` and ``Q = Σ ‖g_i‖²`` over the ``m`` examples (Chatterjee & Zielinski 2020, arXiv
    2008.01217). ``alpha`` is exactly ``Σ f_l α_l`` over the layers. Values at different ``m`` can be
    compared only by ``alpha_unbiased``: ``alpha`` has the floor ``1/m`` and ``m_coherence`` grows with m.

    Degenerate samples: where ``Q = 0`` (every gradient is zero) all ratios are nan and ``note`` says so;
    with ``m = 1`` the unbiased α and the noise scale are nan, since one example cannot disagree with
    itself; where the unbiased α is not positive the noise scale is infinite.

    Attributes:
        m: Examples in the sample; over steps with batches of differing size, their mean weighted by Q.
        steps: Batches pooled, each at its own weights; 1 for a sample at fixed weights.
        alpha: ``‖S‖²/(m Q)``.
        m_coherence: ``‖S‖²/Q``.
        alpha_unbiased: ``(‖S‖²−Q)/((m−1)Q)``.
        noise_scale: ``(1−α)/α`` of the unbiased α (McCandlish et al. 2018, arXiv 1812.06162).
        squared_norms: ``‖g_i‖²``, shape ``[m]`` float64; ``None`` when several steps were pooled.
        layers: The same per layer, in the order of the model.
        note: Why a value is nan, which steps were left out, or how a weighted loss was taken; else empty.
        clip: The factor that clipping left of the gradient, and of every squared norm's root here; over
            steps, their mean. 1 where nothing was clipped or ``clipping="before"``.

    Example:
        >>> layer = LayerCoherence(4, 0.5, 2.0, 1 / 3, 2.0, 1.0)
        >>> Coherence(4, 1, 0.5, 2.0, 1 / 3, 2.0, None, {"fc": layer})
        Coherence(m=4, alpha=0.5, m_coherence=2, alpha_unbiased=0.3333, noise_scale=2, layers=1)
    """

    m: float
    steps: int
    alpha: float
    m_coherence: float
    alpha_unbiased: float
    noise_scale: float
    squared_norms: NDArray[np.float64] | None
    layers: dict[str, LayerCoherence] = field(default_factory=dict)
    note: str = ""
    clip: float = 1.0

    @property
    def diversity(self) -> float:
        """Gradient diversity ``Q/‖S‖²`` (Yin et al. 2018, arXiv 1706.05699): 1/m-coherence.

        ``m`` times it, ``1/α``, is the batch size up to which their bound promises no loss of speed.
        """
        return _inverse(self.m_coherence)

    def __repr__(self) -> str:
        pooled = f", steps={self.steps}" if self.steps > 1 else ""
        note = f", note={self.note!r}" if self.note else ""
        return (
            f"Coherence(m={self.m:g}{pooled}, alpha={self.alpha:.4g}, m_coherence={self.m_coherence:.4g}, "
            f"alpha_unbiased={self.alpha_unbiased:.4g}, noise_scale={self.noise_scale:.4g}, "
            f"layers={len(self.layers)}{note})"
        )

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain numbers, strings, lists and dictionaries; nan and inf become ``None``."""
        norms = None if self.squared_norms is None else self.squared_norms.tolist()
        plain = {k: v for k, v in vars(self).items() if k not in ("squared_norms", "layers")}
        layers = {name: _finite(layer.to_dict()) for name, layer in self.layers.items()}
        return {**_finite(plain), "squared_norms": norms, "layers": layers}


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over steps from which coherence follows; ``+`` pools the steps of two of them.

    Every step is one batch at its own weights, so pooling adds ``‖S_t‖²``, ``Q_t`` and ``m_t Q_t``: the
    averages are taken before the division, as the noise scale needs (McCandlish et al. 2018, appendix A).
    To join examples at the *same* weights, add their gradients first: see :func:`rote.gradients.coherence`.

    Attributes:
        names: Layer names, length L.
        s2: ``Σ_t ‖S_t‖²`` per layer, shape ``[L]`` float64.
        q: ``Σ_t Q_t`` per layer, shape ``[L]`` float64.
        mq: ``Σ_t m_t Q_t`` per layer, shape ``[L]`` float64.
        steps: Number of steps.
        examples: ``Σ_t m_t``.
        squared_norms: ``‖g_i‖²``, shape ``[m]``, of a single step; ``None`` of several.
        clip: Mean over the steps of the factor that clipping left of the gradient.

    Example:
        >>> one = Statistics(("a",), np.array([8.0]), np.array([4.0]), np.array([16.0]), 1, 4)
        >>> (one + one).coherence()
        Coherence(m=4, steps=2, alpha=0.5, m_coherence=2, alpha_unbiased=0.3333, noise_scale=2, layers=1)
    """

    names: tuple[str, ...]
    s2: NDArray[np.float64]
    q: NDArray[np.float64]
    mq: NDArray[np.float64]
    steps: int
    examples: int
    squared_norms: NDArray[np.float64] | None = None
    clip: float = 1.0

    def __add__(self, other: "Statistics") -> "Statistics":
        if self.names != other.names:
            raise InputError(
                f"`+` needs statistics of the same layers. Got {len(self.names)} and {len(other.names)} "
                "layers whose names differ: add only what was measured on one model."
            )
        return Statistics(
            self.names,
            self.s2 + other.s2,
            self.q + other.q,
            self.mq + other.mq,
            self.steps + other.steps,
            self.examples + other.examples,
            clip=(self.clip * self.steps + other.clip * other.steps) / (self.steps + other.steps),
        )

    def coherence(self, *, ways: Mapping[str, str] | None = None, left_out: str = "") -> Coherence:
        """The ratios, in total and per layer.

        Args:
            ways: By layer, how its norms were taken; see :class:`LayerCoherence`.
            left_out: Which steps are not in these sums, or another remark; joins the note.
        """
        ways = ways or {}
        total_mq = float(self.mq.sum())
        layers = {}
        for name, s2, q, mq in zip(
            self.names, self.s2.tolist(), self.q.tolist(), self.mq.tolist(), strict=True
        ):
            share = mq / total_mq if total_mq > 0 else float("nan")
            layers[name] = LayerCoherence(
                *_ratios(s2, q, mq, self.examples / self.steps), share, ways.get(name, "")
            )
        total = _ratios(float(self.s2.sum()), float(self.q.sum()), total_mq, self.examples / self.steps)
        note = "" if total_mq > 0 else "every example's gradient is zero, so the ratios are undefined"
        if not note and total[0] <= 1:
            note = "one example only: the unbiased coherence is undefined"
        note = "; ".join(part for part in (note, left_out) if part)
        return Coherence(total[0], self.steps, *total[1:], self.squared_norms, layers, note, self.clip)


def single_step(
    names: Sequence[str],
    s2: NDArray[np.float64],
    q: NDArray[np.float64],
    norms: NDArray[np.float64],
    clip: float = 1.0,
) -> Statistics:
    """Statistics of one sample at fixed weights: ``s2`` and ``q`` of shape ``[L]``, ``norms`` ``[m]``."""
    m = len(norms)
    return Statistics(tuple(names), s2, q, m * q, 1, m, norms, clip)


def undefined(
    names: Sequence[str],
    note: str,
    norms: NDArray[np.float64] | None = None,
    ways: Mapping[str, str] | None = None,
) -> Coherence:
    """The record of a sample that says nothing: every ratio is nan, and ``note`` says why.

    Example:
        >>> undefined(["fc"], "no step was finite").alpha
        nan
    """
    nan, m = float("nan"), 0 if norms is None else len(norms)
    layers = {name: LayerCoherence(m, nan, nan, nan, nan, nan, (ways or {}).get(name, "")) for name in names}
    return Coherence(m, 0 if norms is None else 1, nan, nan, nan, nan, norms, layers, note)


def _ratios(s2: float, q: float, mq: float, mean_m: float) -> tuple[float, float, float, float, float]:
    """m, α, m-coherence, unbiased α and noise scale from ``‖S‖²``, ``Q`` and ``mQ``."""
    nan = float("nan")
    if q <= 0:
        return mean_m, nan, nan, nan, nan
    # All steps of one size is the rule; then m is a whole number and must not carry rounding.
    m = round(mq / q) if abs(mq / q - round(mq / q)) < 1e-9 * mq / q else mq / q
    if mq - q <= 1e-12 * mq:
        return m, s2 / mq, s2 / q, nan, nan
    unbiased = (s2 - q) / (mq - q)
    return m, s2 / mq, s2 / q, unbiased, (1 - unbiased) / unbiased if unbiased > 0 else float("inf")


def _inverse(value: float) -> float:
    """``1/value``, infinite for 0."""
    return 1 / value if value else float("inf")


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has no word for become ``None``."""
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in record.items()}
