"""Gradient signal-to-noise ratio of every parameter."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._loss import Loss
from rote.gradients._probe import Examples, chunks
from rote.gradients._single import SingleGradients, plain, single_gradients

Arrays = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class GSNRSummary:
    """The ratios of a layer, or of the whole model, in three numbers.

    Attributes:
        mean: Mean of the ratios ``r_j`` over the coordinates where they are finite; nan where none is.
        pooled: ``Σ μ_j²/Σ σ_j²``, the ratio of the whole vector; the noise scale of these m examples is its
            inverse.
        alpha: ``Σ μ_j²/Σ E g_j²`` = ``pooled/(1 + pooled)``, the coherence.

    Example:
        >>> GSNRSummary(mean=1.0, pooled=0.25, alpha=0.2).alpha
        0.2
    """

    mean: float
    pooled: float
    alpha: float


@dataclass(frozen=True, eq=False, repr=False)
class GSNR:
    """Signal and noise of every coordinate's gradient over a sample (Liu et al. 2020, arXiv 2001.07384).

    The variance is that of the m examples themselves, divided by m and not by m−1, so that the identities
    hold
    exactly: a coordinate's coherence is ``α_j = r_j/(1 + r_j)``, and ``α = Σ w_j α_j`` with ``w_j = E
        g_j²/Σ E g²``.
    Multiply by ``(m−1)/m`` for the unbiased variance. A coordinate of pure noise has ``r_j ≈ 1/m``, not 0.

    Attributes:
        m: Examples in the sample.
        mean: ``μ_j``, the mean gradient, by parameter, each of the parameter's shape, float64.
        variance: ``σ_j²``, likewise; 0 where it is below rounding.
        layers: Summaries by layer, in the order of the model.
        total: Summary of the whole model.

    Example:
        >>> GSNR(2, {"w": np.array([1.0])}, {"w": np.array([4.0])}).ratio["w"]
        array([0.25])
    """

    m: int
    mean: Arrays
    variance: Arrays
    layers: dict[str, GSNRSummary] = field(default_factory=dict)
    total: GSNRSummary = GSNRSummary(float("nan"), float("nan"), float("nan"))

    @property
    def ratio(self) -> Arrays:
        """``r_j = μ_j²/σ_j²``: infinite where all examples agree exactly, nan where none has a gradient."""
        return {name: _ratio(np.square(mu), self.variance[name]) for name, mu in self.mean.items()}

    def __repr__(self) -> str:
        size = sum(mu.size for mu in self.mean.values())
        t = self.total
        return (
            f"GSNR(m={self.m}, parameters={size}, mean={t.mean:.4g}, pooled={t.pooled:.4g}, "
            f"alpha={t.alpha:.4g}, layers={len(self.layers)})"
        )


def gsnr(model: nn.Module, loss: Loss, examples: Examples, *, chunk_size: int = 500) -> GSNR:
    """Gradient signal-to-noise ratio ``r_j = μ_j²/σ_j²`` of every coordinate j of every parameter.

    ``μ_j`` and ``σ_j²`` are the mean and the variance of ``∂ℓ_i/∂θ_j`` over the examples, from ``Σ g`` and
    ``Σ g²`` in float64. For a Linear layer on ``[m, d]`` these are two matrix products, ``δᵀx`` and
    ``(δ²)ᵀ(x²)``; of other layers the gradients are formed, a chunk of examples at a time. Memory: two
    float64 copies of the parameters, and a chunk. The model is measured in eval mode and left untouched, as
    :func:`coherence` does.

    Args:
        model: Any module called as ``model(x)`` that returns one tensor, examples along the first
            dimension.
        loss: ``loss(outputs, targets)``, the mean or the sum over the examples.
        examples: ``(x, y)``, or an iterable of such batches (a ``DataLoader``), which is streamed.
        chunk_size: Examples per pass when ``examples`` is one pair.

    Raises:
        InputError: As :func:`coherence`.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> x = torch.tensor([[3.0, 1.0], [1.0, -1.0]])
        >>> gsnr(model, lambda outputs, y: outputs.sum(), (x, torch.zeros(2))).ratio
        {'weight': array([[4., 0.]])}
    """
    with single_gradients(model, loss) as single:
        sums = {n: _moments(p) for n, p in single.parameters.items()}
        m = 0
        for x, y in chunks(model, examples, chunk_size):
            single.norms(x, y)
            _add(single, x, y, sums)
            m += len(y)
    if not m:
        raise InputError("`examples` must hold at least one example. Got none.")
    mean, variance, squares = {}, {}, {}
    for name, (first, second) in sums.items():
        eps = torch.finfo(single.parameters[name].dtype).eps
        mu, square = (first / m).cpu().numpy(), (second / m).cpu().numpy()
        spread = square - mu**2
        # What is left where all examples agree is rounding, of the gradients and of these sums.
        rounding = (16 * eps**2 + 8 * m * np.finfo(np.float64).eps) * square
        mean[name], variance[name] = mu, np.where(spread <= rounding, 0.0, spread)
        squares[name] = float(square.sum())
    members = [[n for n, owner in single.owners.items() if owner == k] for k in range(len(single.names))]
    layers = {
        layer: _summary(mean, variance, squares, names)
        for layer, names in zip(single.names, members, strict=True)
    }
    return GSNR(m, mean, variance, layers, _summary(mean, variance, squares, list(mean)))


def _moments(p: nn.Parameter) -> tuple[Tensor, Tensor]:
    """Room for ``Σ g`` and ``Σ g²`` of a parameter."""
    first = torch.zeros(p.shape, dtype=torch.float64, device=p.device)
    return first, first.clone()


def _add(single: SingleGradients, x: Tensor, y: Tensor, sums: dict[str, tuple[Tensor, Tensor]]) -> None:
    """Add ``Σ g`` and ``Σ g²`` of one batch."""
    done = set()
    for calls in single.seen(x, y).values():
        if (one := plain(calls)) is None:
            continue
        delta, into = one.delta.double(), one.x.double()
        for name, local in one.local.items():
            for power, total in enumerate(sums[name], start=1):
                d = delta**power
                total += d.T @ into**power if local == "weight" else d.sum(0)
            done.add(name)
    left = [name for name in sums if name not in done]
    if left:
        for chunk in single.rows(x, y, left):
            for name, rows in chunk.items():
                for g in rows.split(max(1, 2**22 // max(rows[0].numel(), 1))):
                    wide = g.double()
                    sums[name][0].add_(wide.sum(0))
                    sums[name][1].add_(wide.square_().sum(0))


def _ratio(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(signal / noise)


def _summary(mean: Arrays, variance: Arrays, squares: dict[str, float], names: list[str]) -> GSNRSummary:
    """Three numbers of the parameters in ``names``."""
    finite, count, signal, noise = 0.0, 0, 0.0, 0.0
    for name in names:
        square = np.square(mean[name])
        alive = variance[name] > 0
        finite += float((square[alive] / variance[name][alive]).sum())
        count += int(alive.sum())
        signal, noise = signal + float(square.sum()), noise + float(variance[name].sum())
    total = sum(squares[name] for name in names)
    nan = float("nan")
    pooled = signal / noise if noise > 0 else (float("inf") if signal > 0 else nan)
    return GSNRSummary(finite / count if count else nan, pooled, signal / total if total > 0 else nan)
