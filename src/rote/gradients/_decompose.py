"""Which part of a step comes from the pristine examples, and which from the corrupt ones?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.gradients._loss import Loss
from rote.gradients._probe import Examples, untouched
from rote.gradients._sampled import Sampled, sampled_gradients
from rote.gradients._support import Direction, joined
from rote.gradients._worlds import Float, Mask, checked_mask, sums_in_worlds, two_sided, worlds

Corrupt = Tensor | NDArray[np.bool_] | Sequence[bool]


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition:
    """A step's first-order effect on the loss, split between pristine and corrupt examples.

    A step along ``S`` lowers the loss of all examples by ``‖S‖² = Σ ⟨g_i, S⟩`` (per unit of learning rate).
    The split ``S = S^p + S^c`` into pristine and corrupt examples splits it: ``f^p = ⟨S, S^p⟩/‖S‖²`` and
    ``f^c = ⟨S, S^c⟩/‖S‖²`` add up to 1, and each may leave 0…1 (Chatterjee 2020, arXiv 2002.10657,
    section 2). Per example it is ``i^p = ⟨S, S^p⟩/|p|`` and ``i^c = ⟨S, S^c⟩/|c|``. In a *null world* the
    designations are permuted among the examples; there ``f^c`` is ``|c|/m`` on average.

    Attributes:
        m: Examples.
        m_corrupt: Corrupt ones among them, ``|c|``.
        f_pristine: ``f^p``; nan where ``S = 0``.
        f_corrupt: ``f^c``.
        i_pristine: ``i^p`` of this step: the mean of ``⟨g_i, S⟩`` over the pristine examples.
        i_corrupt: ``i^c`` of this step.
        p_value: Share of worlds whose ``f^c`` is at least as far from ``|c|/m`` as the real one, itself
            included.
        null_f_corrupt: ``f^c`` in each null world, shape ``[nulls]``; ``f^p`` there is 1 minus it.
        products: ``⟨g_i, S⟩``, shape ``[m]`` float64.
        examples: Numbers of the examples in the user's sample, shape ``[m]``; all of them unless sampled.
        note: Why a value is nan; empty otherwise.

    Example:
        >>> products, corrupt = np.array([4.0, 4.0, 1.0, -1.0]), np.array([False, False, True, True])
        >>> split(products, np.array([0.0, 5.0, 3.0]), corrupt)
        Decomposition(m=4, m_corrupt=2, f_pristine=1, f_corrupt=0, i_pristine=4, i_corrupt=0, p_value=0.3333)
    """

    m: int
    m_corrupt: int
    f_pristine: float
    f_corrupt: float
    i_pristine: float
    i_corrupt: float
    p_value: float
    null_f_corrupt: Float
    products: Float
    examples: NDArray[np.int64]
    note: str = ""

    def __repr__(self) -> str:
        note = f", note={self.note!r}" if self.note else ""
        return (
            f"Decomposition(m={self.m}, m_corrupt={self.m_corrupt}, f_pristine={self.f_pristine:.4g}, "
            f"f_corrupt={self.f_corrupt:.4g}, i_pristine={self.i_pristine:.4g}, "
            f"i_corrupt={self.i_corrupt:.4g}, p_value={self.p_value:.4g}{note})"
        )


def decompose(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    corrupt: Corrupt,
    *,
    nulls: int = 999,
    seed: int = 0,
    sampled: Sampled | None = None,
    chunk_size: int = 500,
) -> Decomposition:
    """Split a step along the sum of all examples' gradients between pristine and corrupt examples.

    Exact over all parameters and all examples: one pass gives ``S``, one derivative along it gives every
    ``⟨g_i, S⟩``, and the null worlds only add these numbers up in other groups. ``sampled`` does as the
    paper did
    instead: some examples, some coordinates of some weights. The model is measured in eval mode and left
        untouched.

    Args:
        model: Any module called as ``model(x)`` that returns one tensor, examples along the first
            dimension.
        loss: ``loss(outputs, targets)``, the mean or the sum over the examples.
        examples: ``(x, y)``, or an iterable of such batches, which is read into memory.
        corrupt: True for each example whose label is wrong, shape ``[m]``.
        nulls: Null worlds.
        seed: Of the permutations.
        sampled: Which examples and coordinates to measure; ``None`` for all.
        chunk_size: Examples per pass; the result does not depend on it.

    Raises:
        InputError: As :func:`coherence`, or if ``corrupt`` is no mask of the examples or marks none or all.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> d = decompose(model, lambda o, y: o.sum(), (x, torch.zeros(3)), [False, False, True], nulls=2)
        >>> d.f_pristine, d.f_corrupt, d.products
        (0.8, 0.2, array([2., 2., 1.]))
    """
    x, y = joined(model, examples, chunk_size)
    chosen = _chosen(sampled, len(y))
    mask = checked_mask(checked_mask(corrupt, len(y))[chosen], len(chosen))
    products = _products(model, loss, (x, y), sampled, chunk_size)
    return split(products, sums_in_worlds(worlds(mask, nulls, seed), products), mask, chosen)


def split(
    products: Float, of_corrupt: Float, corrupt: Mask, examples: NDArray[np.int64] | None = None
) -> Decomposition:
    """The decomposition from ``⟨g_i, S⟩``, ``[m]``, and its sums over the corrupt examples of each world."""
    m, count = len(products), int(corrupt.sum())
    whole, nan = float(products.sum()), float("nan")
    f = of_corrupt / whole if whole > 0 else np.full(len(of_corrupt), nan)
    return Decomposition(
        m=m,
        m_corrupt=count,
        f_pristine=1 - float(f[0]),
        f_corrupt=float(f[0]),
        i_pristine=(whole - float(of_corrupt[0])) / (m - count),
        i_corrupt=float(of_corrupt[0]) / count,
        p_value=two_sided(f, count / m) if whole > 0 else nan,
        null_f_corrupt=f[1:],
        products=products,
        examples=np.arange(m) if examples is None else examples,
        note="" if whole > 0 else "the gradients add up to zero, so the fractions are undefined",
    )


class DecompositionRecorder:
    """Decompositions of one sample step after step, added up, each null world keeping its permutation.

    ``i^p`` after t steps is ``(1/|p|) Σ_{t'≤t} ⟨S_t', S^p_t'⟩``, and ``i^c`` likewise: times the learning
    rate, how much the steps so far have lowered the mean loss of a pristine, and of a corrupt, example to
    first order (Chatterjee 2020, arXiv 2002.10657, figures 2 and 3). In all arrays column 0 is the real
    world.

    Args:
        model: The model, measured as it is at each :meth:`update`.
        loss: As for :func:`decompose`.
        examples: The fixed sample, read into memory.
        corrupt: True for each example whose label is wrong, shape ``[m]``.
        nulls: Null worlds; ``nulls × m`` bytes are kept.
        seed: Of the permutations.
        sampled: Which examples and coordinates to measure; ``None`` for all.
        chunk_size: Examples per pass.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model, examples = nn.Linear(3, 2), (torch.randn(20, 3), torch.arange(20) % 2)
        >>> corrupt = np.arange(20) < 5
        >>> recorder = DecompositionRecorder(model, nn.CrossEntropyLoss(), examples, corrupt, nulls=3)
        >>> round(recorder.update().f_corrupt, 4)
        0.2606
        >>> recorder.i_corrupt.shape, recorder.p_values.shape
        ((1, 4), (1,))
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        examples: Examples,
        corrupt: Corrupt,
        *,
        nulls: int = 999,
        seed: int = 0,
        sampled: Sampled | None = None,
        chunk_size: int = 500,
    ) -> None:
        self._measure = partial(_products, model, loss, sampled=sampled, chunk_size=chunk_size)
        self._examples = joined(model, examples, chunk_size)
        m = len(self._examples[1])
        self.examples = _chosen(sampled, m)
        self.corrupt = checked_mask(checked_mask(corrupt, m)[self.examples], len(self.examples))
        self._worlds = worlds(self.corrupt, nulls, seed)
        self._of_corrupt: list[Float] = []
        self._whole: list[float] = []

    def update(self) -> Decomposition:
        """Measure the model as it is, before the optimizer's step, and add it up; returns this step alone."""
        products = self._measure(self._examples)
        self._of_corrupt.append(sums_in_worlds(self._worlds, products))
        self._whole.append(float(products.sum()))
        return split(products, self._of_corrupt[-1], self.corrupt, self.examples)

    @property
    def f_corrupt(self) -> Float:
        """``f^c`` of each step in each world, ``[steps, 1 + nulls]``; nan where ``S = 0``."""
        sums, whole = self._sums, np.broadcast_to(self._wholes, self._sums.shape)
        return np.divide(sums, whole, where=whole > 0, out=np.full_like(sums, np.nan))

    @property
    def i_pristine(self) -> Float:
        """``i^p`` up to each step in each world, ``[steps, 1 + nulls]``."""
        return np.cumsum(self._wholes - self._sums, 0) / int((~self.corrupt).sum())

    @property
    def i_corrupt(self) -> Float:
        """``i^c`` up to each step in each world, ``[steps, 1 + nulls]``."""
        return np.cumsum(self._sums, 0) / int(self.corrupt.sum())

    @property
    def p_values(self) -> Float:
        """For each step, the share of worlds whose gap ``|i^p − i^c|`` is as wide as the real one."""
        return np.array([two_sided(gap, 0.0) for gap in self.i_pristine - self.i_corrupt])

    @property
    def _sums(self) -> Float:
        return np.array(self._of_corrupt).reshape(-1, len(self._worlds))

    @property
    def _wholes(self) -> Float:
        return np.array(self._whole).reshape(-1, 1)


def _chosen(sampled: Sampled | None, m: int) -> NDArray[np.int64]:
    return np.arange(m) if sampled is None else sampled.examples_of(m)


def _products(
    model: nn.Module,
    loss: Loss,
    examples: tuple[Tensor, Tensor],
    sampled: Sampled | None,
    chunk_size: int,
) -> Float:
    """``⟨g_i, S⟩``, of all examples and parameters or of the sampled ones, ``[m]``."""
    x, y = examples
    if sampled is not None:
        chosen = torch.as_tensor(sampled.examples_of(len(y)))
        rows = sampled_gradients(model, loss, x[chosen], y[chosen], sampled.coordinates_of(model), chunk_size)
        return np.asarray(rows @ rows.sum(0))
    direction = Direction(model, loss, chunk_size)
    direction.value_of.weigh([y])
    everyone = torch.arange(len(y))
    with untouched(model):
        total, _ = direction.sum_and_norms(x, y, everyone)
        return direction.along(total, x, y, everyone).numpy()
