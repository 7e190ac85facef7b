"""Smoothness: how fast the gradient can turn, from Hessian-vector products."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rote.errors import InputError
from rote.gradients._loss import Loss, ReductionCheck
from rote.gradients._probe import Examples, chunks, untouched

Vector = list[Tensor]


@dataclass(frozen=True)
class Smoothness:
    """An estimate of β from below: the largest curvature found, at the weights the model has now.

    β itself is the supremum over all weights and all examples, which no measurement reaches.

    Attributes:
        value: The largest of ``mean_loss`` and ``per_example``.
        mean_loss: ``|λ|`` of the dominant eigenvalue of the Hessian of the mean loss.
        eigenvalue: The same with its sign; near 0 where eigenvalues of both signs are about equally large.
        per_example: ``|λ|`` for the Hessian of each of ``examples``.
        examples: Which examples these are, by their number in the sample.
        iterations: Hessian-vector products taken for the mean loss.
        converged: Whether the last one changed every estimate by less than the tolerance.

    Example:
        >>> Smoothness(3.0, 2.0, -2.0, (3.0, 1.0), (4, 7), 12, True).value
        3.0
    """

    value: float
    mean_loss: float
    eigenvalue: float
    per_example: tuple[float, ...]
    examples: tuple[int, ...]
    iterations: int
    converged: bool


def smoothness(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    *,
    per_example: int = 0,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
    chunk_size: int = 500,
) -> Smoothness:
    """Estimate β, the Lipschitz constant of the gradient, by power iteration on the Hessian.

    Each iteration is one product ``Hv`` (two backward passes over all examples). ``‖Hv‖`` for ``‖v‖ = 1``
    rises from iteration to iteration and never exceeds ``|λ|`` of the dominant eigenvalue, positive or
    negative. The model is measured in eval mode and left untouched, as :func:`rote.gradients.coherence` does.

    The stability bound needs a β that holds for *every* example; that of the mean loss is smaller.
    ``per_example`` examples drawn at random are measured on their own too, and the largest value counts.

    Args:
        model: Any module called as ``model(x)``, examples along the first dimension.
        loss: ``loss(outputs, targets)``, the mean or the sum over the examples.
        examples: ``(x, y)``, or an iterable of such batches, which is read into memory.
        per_example: How many single examples to measure as well.
        iterations: Most Hessian-vector products for each Hessian.
        tolerance: Stop where the estimate rises by less than this share of itself.
        seed: Of the first vector and of the choice of examples.
        chunk_size: Examples per pass when ``examples`` is one pair.

    Raises:
        InputError: If nothing can be trained, there are no examples, a curvature is not finite or the loss is
            not a mean or sum over the examples.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)  # the Hessian of the mean of (w·x)² is 2 E xxᵀ
        >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
        >>> found = smoothness(model, nn.MSELoss(), (x, torch.zeros(2, 1)), per_example=2)
        >>> round(found.mean_loss, 4), [round(v, 4) for v in sorted(found.per_example)]
        (9.0, [2.0, 18.0])
    """
    _check(iterations, tolerance, per_example)
    parameters: Vector = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise InputError(
            "`model` must have a parameter that can be trained. Got none with requires_grad=True."
        )
    batches = [(x, y) for x, y in chunks(model, examples, chunk_size)]
    if not batches:
        raise InputError("`examples` must hold at least one example. Got none.")
    count = sum(len(y) for _, y in batches)
    generator = torch.Generator().manual_seed(seed)
    chosen = sorted(torch.randperm(count, generator=generator)[:per_example].tolist())
    value_of = ReductionCheck(loss)
    value_of.weigh(y for _, y in batches)

    def iterate(part: Sequence[tuple[Tensor, Tensor]]) -> "_Found":
        start = [torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p) for p in parameters]
        return power_iteration(
            lambda v: _product(model, value_of, part, parameters, v), start, iterations, tolerance
        )

    with untouched(model), _twice_differentiable():
        whole = iterate(batches)
        single = [iterate([_one(batches, index)]) for index in chosen]
    values = tuple(found.size for found in single)
    return Smoothness(
        max(whole.size, *values) if values else whole.size,
        whole.size,
        whole.eigenvalue,
        values,
        tuple(chosen),
        whole.iterations,
        all(found.converged for found in (whole, *single)),
    )


@dataclass(frozen=True)
class _Found:
    size: float
    eigenvalue: float
    iterations: int
    converged: bool


def power_iteration(
    product: Callable[[Vector], Vector], start: Vector, iterations: int, tolerance: float
) -> _Found:
    """``|λ|`` of the dominant eigenvalue of a symmetric operator, from below.

    Args:
        product: ``v ↦ Hv``, on lists of tensors.
        start: Where to begin; not orthogonal to the dominant eigenvector.
        iterations: Most products to take.
        tolerance: Relative rise below which to stop.

    Example:
        >>> power_iteration(lambda v: [-2 * v[0], v[1]], [torch.ones(1), torch.ones(1)], 50, 1e-6).size > 1.99
        True
    """
    v, size, eigenvalue = start, 0.0, 0.0
    for count in range(1, iterations + 1):
        length = _norm(v)
        v = [part / length for part in v]
        moved = product(v)
        before, size = size, _norm(moved)
        if not math.isfinite(size):
            raise InputError(
                "`model` must have finite second derivatives on `examples`. Got a curvature that is not "
                "finite: look at the inputs and the loss, or lower the learning rate."
            )
        eigenvalue = sum(float((a.double() * b.double()).sum()) for a, b in zip(v, moved, strict=True))
        if size == 0 or abs(size - before) <= tolerance * size:
            return _Found(size, eigenvalue, count, True)
        v = moved
    return _Found(size, eigenvalue, iterations, False)


def _product(
    model: nn.Module,
    value_of: ReductionCheck,
    batches: Sequence[tuple[Tensor, Tensor]],
    parameters: Vector,
    v: Vector,
) -> Vector:
    """``Hv`` for the mean loss over all batches, by differentiating ``⟨∇loss, v⟩``."""
    total = [torch.zeros_like(p) for p in parameters]
    count = sum(len(y) for _, y in batches)
    for x, y in batches:
        value, scale = value_of(model(x), y)
        gradient = torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True)
        along = [(g * w).sum() for g, w in zip(gradient, v, strict=True) if g is not None and g.requires_grad]
        if not along:  # a loss that is linear in the weights
            continue
        products = torch.autograd.grad(torch.stack(along).sum(), parameters, allow_unused=True)
        for sum_, product in zip(total, products, strict=True):
            if product is not None:
                sum_.add_(product, alpha=scale / count)
    return total


@contextmanager
def _twice_differentiable() -> Iterator[None]:
    """The plain formulas of attention and recurrent layers: their fused kernels have no second derivative."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
        yield


def _one(batches: Sequence[tuple[Tensor, Tensor]], index: int) -> tuple[Tensor, Tensor]:
    """Example number ``index`` as a batch of one."""
    for x, y in batches:
        if index < len(y):
            return x[index : index + 1], y[index : index + 1]
        index -= len(y)
    raise IndexError(index)


def _norm(v: Vector) -> float:
    return math.sqrt(sum(float(part.double().square().sum()) for part in v))


def _check(iterations: int, tolerance: float, per_example: int) -> None:
    if iterations < 2:
        raise InputError(
            f"`iterations` must be at least 2, so that there is a change to judge. Got {iterations}."
        )
    if not 0 <= tolerance < 1:
        raise InputError(f"`tolerance` must lie between 0 and 1. Got {tolerance}.")
    if per_example < 0:
        raise InputError(f"`per_example` must be at least 0. Got {per_example}.")
