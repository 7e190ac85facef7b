"""What a gradient knows of a parity: the lemma that says why no amount of descent finds a long one.

On the loss ``(f - χ_S)²/2``, or ``-χ_S f``, the part of the mean gradient that knows S is, but for its sign,
``E_x[χ_S(x) ∇f(x)]``. These are the Fourier coefficients of ∇f, so by Parseval their mean square over all 2^n
subsets is ``E_x‖∇f‖² / 2^n`` (Shalev-Shwartz, Shamir and Shammah 2017, arXiv 1703.07950, Theorem 1). It binds
those who see noisy or population gradients, not every way to use exact ones.
"""

import copy
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from rote.dynamics._evaluation import evaluation_mode
from rote.dynamics._fourier import hypercube, walsh_hadamard
from rote.errors import InputError

_EXACT_MOST = 14
_SAMPLED = 2000
_NUMBERS_MOST = 1 << 27
_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False, repr=False)
class GradientVariance:
    """How much of a model's mean gradient tells one parity from another.

    Attributes:
        n: Coordinates.
        squared_norm: ``G² = E_x‖∇f(x)‖²``.
        by_degree: Mean of ``‖E_x[χ_S(x) ∇f(x)]‖²`` over the subsets S of each size, shape ``[n + 1]``. Where
            it was sampled the estimate is unbiased, so it may lie below 0.
        error: Its standard errors, shape ``[n + 1]``; 0 where exact.
        examples: How many points x were used: all 2^n, or a sample.
        exact: Whether all.
        shared: ``‖∇f(1, …, 1)‖² / 4^n``, the square of what the mean over all subsets S has.

    Example:
        >>> gradient_variance(nn.Linear(6, 1), 6)
        GradientVariance(n=6, exact: mean square 0.1094 over all subsets, of 7 over all x)
    """

    n: int
    squared_norm: float
    by_degree: NDArray[np.float64]
    error: NDArray[np.float64]
    examples: int
    exact: bool
    shared: float

    @property
    def mean(self) -> float:
        """The mean over all 2^n subsets: ``G² / 2^n``, which is Parseval's identity, not a bound."""
        return self.squared_norm / 2.0**self.n

    @property
    def variance(self) -> float:
        """How much the gradient varies with S, drawn from all: below ``G² / 2^n``."""
        return self.mean - self.shared

    @property
    def bound(self) -> NDArray[np.float64]:
        """Theorem 1 for the parities of each size: ``G² / C(n, k)``, shape ``[n + 1]``."""
        return np.array([self.squared_norm / comb(self.n, k) for k in range(self.n + 1)])

    def to_dict(self) -> dict[str, Any]:
        """The fields, JSON-ready, with the mean and the bound."""
        return {
            "n": self.n,
            "squared_norm": self.squared_norm,
            "mean": self.mean,
            "variance": self.variance,
            "by_degree": self.by_degree.tolist(),
            "error": self.error.tolist(),
            "bound": self.bound.tolist(),
            "examples": self.examples,
            "exact": self.exact,
        }

    def __repr__(self) -> str:
        how = "exact" if self.exact else f"{self.examples} examples"
        return (
            f"GradientVariance(n={self.n}, {how}: mean square {self.mean:.4g} over all subsets, "
            f"of {self.squared_norm:.4g} over all x)"
        )


def gradient_variance(
    model: nn.Module, n: int, *, examples: int | None = None, seed: int = 0
) -> GradientVariance:
    """How much the mean gradient of a model knows of which parity it is to learn, by the parity's size.

    Exact up to n = 14: the gradient at each of the 2^n points, and a fast Walsh-Hadamard transform. Beyond,
    from a sample: ``E_{|S|=k} ‖E_x[χ_S ∇f]‖²`` is the mean over pairs of ``<∇f(x), ∇f(x')>`` times a
    Krawtchouk polynomial of the distance of x and x', so that no subsets need be drawn; errors by the
    jackknife.

    Args:
        model: Gives one number an example, ``[m, n]`` to ``[m]`` or ``[m, 1]``; seen in evaluation mode, its
            weights as they are. Parameters that require no gradient do not count.
        n: Coordinates.
        examples: Sample so many points; None: all of them up to n = 14, then 2000.
        seed: Of the sample.

    Raises:
        InputError: If the model is none such, or the gradients of all points are too many numbers to hold.

    Example:
        >>> found = gradient_variance(nn.Linear(4, 1), 4)
        >>> found.by_degree.tolist()  # the gradient is (x, 1): no parity of two or more is seen
        [1.0, 1.0, 0.0, 0.0, 0.0]
    """
    if n < 1 or (examples is not None and examples < 3):
        raise InputError(f"`n` must be at least 1 and `examples` 3. Got n={n}, examples={examples}.")
    exact = examples is None and n <= _EXACT_MOST
    if exact:
        x = torch.from_numpy(hypercube(n))
    else:
        draw = torch.Generator().manual_seed(seed)
        x = 2.0 * torch.randint(0, 2, (examples or _SAMPLED, n), generator=draw) - 1
    ones = torch.ones(1, n)
    gradients = _gradients(model, torch.cat([ones.double(), x.double()]))
    first, rest = gradients[0], gradients[1:]
    by_degree, error = _transformed(rest, n) if exact else _sampled(rest, x.double().numpy())
    return GradientVariance(
        n=n,
        squared_norm=float(np.einsum("mp,mp->", rest, rest) / len(rest)),
        by_degree=by_degree,
        error=error,
        examples=len(x),
        exact=exact,
        shared=float(first @ first) / 4.0**n,
    )


def _gradients(model: nn.Module, x: Tensor) -> NDArray[np.float64]:
    """Each example's gradient of the output, shape ``[m, parameters]``."""
    net = copy.deepcopy(model).to("cpu", torch.float64)
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if not count or len(x) * count > _NUMBERS_MOST:
        raise InputError(
            f"`model` must have 1 to {_NUMBERS_MOST // len(x)} trained parameters for {len(x)} points. "
            f"Got {count}; take a smaller model or fewer `examples`."
        )
    trained = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}

    def output(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
        found: Tensor = functional_call(net, parameters, (one[None],))
        return found.sum()

    with evaluation_mode(net):
        with torch.no_grad():
            given = net(x[:2])
        if given.numel() != 2:
            raise InputError(f"`model` must give one number an example. Got {tuple(given.shape)} for two.")
        each = vmap(grad(output), in_dims=(None, 0), randomness="error")
        parts = [
            torch.cat([g.reshape(len(part), -1) for g in each(trained, part).values()], dim=1)
            for part in x.split(max(1, _AT_ONCE // count))
        ]
    found: NDArray[np.float64] = torch.cat(parts).numpy()
    return found


def _transformed(gradients: NDArray[np.float64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    energy = np.zeros(1 << n)
    at_once = max(1, _AT_ONCE >> n)
    for first in range(0, gradients.shape[1], at_once):
        coefficients = walsh_hadamard(gradients[:, first : first + at_once].T)
        energy += np.einsum("ps,ps->s", coefficients, coefficients)
    sizes = np.bitwise_count(np.arange(1 << n))
    total = np.bincount(sizes, energy, n + 1)
    return total / [comb(n, k) for k in range(n + 1)], np.zeros(n + 1)


def _sampled(
    gradients: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    m, n = x.shape
    by_distance = np.zeros((m, n + 1))  # of each example, sums of its products with others, by their distance
    for i, row in enumerate(gradients):
        products = gradients @ row
        products[i] = 0
        by_distance[i] = np.bincount(((n - x @ x[i]) / 2).round().astype(np.int64), products, n + 1)
    sums = by_distance @ krawtchouk(n).T
    total = sums.sum(axis=0)
    without = (total - 2 * sums) / ((m - 1) * (m - 2))
    error = np.sqrt((m - 1) / m * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return total / (m * (m - 1)), error


def krawtchouk(n: int) -> NDArray[np.float64]:
    """Mean of ``χ_S`` over the subsets S of size k, at a point with d coordinates of -1: ``[n + 1, n + 1]``.

    By the recurrence ``(k + 1) K_{k+1} = (n - 2 d) K_k - (n - k + 1) K_{k-1}`` in whole numbers.

    Example:
        >>> krawtchouk(2).tolist()
        [[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -1.0, 1.0]]
    """
    before, now = [0] * (n + 1), [1] * (n + 1)
    rows = []
    for k in range(n + 1):
        rows.append([value / comb(n, k) for value in now])
        after = [((n - 2 * d) * now[d] - (n - k + 1) * before[d]) // (k + 1) for d in range(n + 1)]
        before, now = now, after
    return np.array(rows)
