"""Support: how many of the others' gradients help each example."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from rote.errors import InputError
from rote.gradients._capture import Call
from rote.gradients._loss import Loss, ReductionCheck
from rote.gradients._probe import Examples, backward, capturing, chunks, untouched
from rote.gradients._rerun import per_example_gradients, replay
from rote.gradients._sums import GradientSum

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False, repr=False)
class Support:
    """Support of each example, in the order of the examples.

    A step along the sum of the others' gradients lowers example i's loss ``whole[i]`` times as much as a
    step of the same size along its own gradient: 0 means that nobody else helps, negative that the others
    undo it. An example whose gradient is zero wants nothing, and its support is set to 0.

    Attributes:
        m: Examples in the sample; support grows with it.
        whole: ``⟨g_i, S − g_i⟩/‖g_i‖²``, shape ``[m]`` float64.
        same_label: ``⟨g_i, S_c − g_i⟩/‖g_i‖²``, ``S_c`` over the examples of i's own label, shape ``[m]``.
        squared_norms: ``‖g_i‖²``, shape ``[m]``.
        labels: The distinct labels c, ascending, shape ``[C]`` int64.
        m_label: How many examples share i's label, itself included, shape ``[m]`` int64.
        per_label: ``⟨g_i, S_c⟩`` for each c in ``labels``, shape ``[m, C]``; ``None`` unless asked for.
            It is not divided by ``‖g_i‖²`` and contains the example itself in its own label's column.
        way: How the inner products were taken: ``"forward mode"``; ``"reverse mode twice"`` where a layer has
            no forward mode; ``"rerun per example"`` (much slower) where it has no second derivative either.

    Example:
        >>> one, whole = np.ones(1), np.zeros(1, np.int64)
        >>> Support(1, 0 * one, 0 * one, one, whole, whole + 1)
        Support(m=1, labels=1, median whole=0, median same_label=0)
    """

    m: int
    whole: NDArray[np.float64]
    same_label: NDArray[np.float64]
    squared_norms: NDArray[np.float64]
    labels: NDArray[np.int64]
    m_label: NDArray[np.int64]
    per_label: NDArray[np.float64] | None = None
    way: str = "forward mode"

    def __repr__(self) -> str:
        return (
            f"Support(m={self.m}, labels={len(self.labels)}, median whole={np.median(self.whole):.4g}, "
            f"median same_label={np.median(self.same_label):.4g})"
        )


def support(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    *,
    labels: Tensor | None = None,
    per_label: bool = False,
    chunk_size: int = 500,
) -> Support:
    """How much the other examples, and those of the same label, help each example.

    One backward pass per label gives ``S_c``; ``⟨g_i, S_c⟩`` for many examples at once is one forward-mode
    derivative of their losses along ``S_c``. So the whole costs a forward and backward pass and two such
    derivatives per example (``per_label``: one for every label), and the memory of a few copies of the
    parameters. A layer that has no forward-mode derivative is differentiated twice in reverse mode instead.
    The model is measured in eval mode and left untouched, as :func:`coherence` does.

    Args:
        model: Any module called as ``model(x)`` that returns one tensor, examples along the first dimension.
        loss: ``loss(outputs, targets)``, the mean or the sum over the examples.
        examples: ``(x, y)``, or an iterable of such batches, which is read into memory.
        labels: What to group by, shape ``[m]`` integers; the targets where they are class numbers.
        per_label: Also return ``⟨g_i, S_c⟩`` for every label c.
        chunk_size: Examples per pass; the result does not depend on it.

    Raises:
        InputError: As :func:`coherence`, or if there are no labels to group by.

    Example:
        >>> model = nn.Linear(2, 2, bias=False)
        >>> x, y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
        >>> s = support(model, nn.CrossEntropyLoss(), (x, y))
        >>> (s.whole.round(5) + 0.0).tolist(), s.m_label.tolist()
        ([1.0, 1.0, 0.0], [2, 2, 1])
    """
    x, y = _joined(model, examples, chunk_size)
    groups = _groups(y, labels)
    direction = _Direction(model, loss, chunk_size)
    own, whole = torch.zeros(len(y), dtype=torch.float64), torch.zeros(len(y), dtype=torch.float64)
    norms, m_label = own.clone(), torch.zeros(len(y), dtype=torch.int64)
    table = torch.zeros(len(y), len(groups), dtype=torch.float64) if per_label else None
    total: dict[str, Tensor] = {}
    with untouched(model):
        for column, index in enumerate(groups.values()):
            sums, norms[index] = direction.sum_and_norms(x, y, index)
            m_label[index] = len(index)
            if table is not None:
                table[:, column] = direction.along(sums, x, y, torch.arange(len(y)))
                own[index] = table[index, column]
                continue
            own[index] = direction.along(sums, x, y, index)
            total = {n: total[n] + s if n in total else s for n, s in sums.items()}
        whole = table.sum(1) if table is not None else direction.along(total, x, y, torch.arange(len(y)))
    alive = norms > 0
    divisor = torch.where(alive, norms, 1.0)
    return Support(
        len(y),
        torch.where(alive, (whole - norms) / divisor, 0.0).numpy(),
        torch.where(alive, (own - norms) / divisor, 0.0).numpy(),
        norms.numpy(),
        np.array(list(groups), dtype=np.int64),
        m_label.numpy(),
        None if table is None else table.numpy(),
        direction.ways[0],
    )


class _Direction:
    """Sums of gradients, and inner products with them, over chosen examples of one sample."""

    def __init__(self, model: nn.Module, loss: Loss, chunk_size: int) -> None:
        self.model, self.chunk_size = model, chunk_size
        self.value_of = ReductionCheck(loss)
        self.ways = ["forward mode", "reverse mode twice", "rerun per example"]

    def sum_and_norms(self, x: Tensor, y: Tensor, index: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """``Σ g_i`` by parameter (float64) and ``‖g_i‖²`` of the examples in ``index``."""
        total = GradientSum()
        with capturing(self.model, total) as capture:
            norms = [
                backward(capture, total, self.value_of, x[part], y[part], part).sum(0)
                for part in index.split(self.chunk_size)
            ]
        return total.buffers, torch.cat(norms)

    def along(self, sums: dict[str, Tensor], x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """``⟨g_i, sums⟩`` for the examples in ``index``, shape of ``index``, float64 on the CPU."""
        parameters = {n: p for n, p in self.model.named_parameters() if n in sums}
        tangents = {n: sums[n].to(p.dtype) for n, p in parameters.items()}
        products = []
        for part in index.split(self.chunk_size):
            product = self._products(x[part], y[part], parameters, tangents)
            products.append(product.double().cpu())
        return torch.cat(products)

    def _products(self, x: Tensor, y: Tensor, parameters: Tensors, tangents: Tensors) -> Tensor:
        """``⟨g_i, tangents⟩`` of one chunk, by the first way that every layer of the model supports."""
        while self.ways[0] != "rerun per example":
            take = _forward_mode if self.ways[0] == "forward mode" else _reverse_twice
            try:
                # The fused kernels of attention have no second derivatives; the plain formula has.
                with sdpa_kernel(SDPBackend.MATH):
                    outputs, derivative = take(self.model, x, parameters, tangents)
            except (NotImplementedError, RuntimeError):
                self.ways.pop(0)
                continue
            delta, scale = self._delta(outputs, y)
            return (delta * derivative).flatten(1).sum(1) * scale
        return self._by_rerun(x, y, parameters, tangents)

    def _by_rerun(self, x: Tensor, y: Tensor, parameters: Tensors, tangents: Tensors) -> Tensor:
        """Single gradients, a chunk at a time: slow, and possible for every model."""
        with torch.no_grad():
            delta, scale = self._delta(self.model(x), y)
        run = replay(self.model, Call((x,), {}, [delta]), {id(p): n for n, p in parameters.items()}, len(x))
        chunks_ = per_example_gradients([run], len(x))
        return torch.cat([sum_of_products(chunk, tangents) for chunk in chunks_]) * scale

    def _delta(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """Gradient of the loss at the outputs and its factor."""
        leaf = outputs.detach().requires_grad_()
        with torch.enable_grad():
            value, scale = self.value_of(leaf, y)
        return torch.autograd.grad(value, leaf)[0], scale


def _forward_mode(
    model: nn.Module, x: Tensor, parameters: Tensors, tangents: Tensors
) -> tuple[Tensor, Tensor]:
    """Outputs and their derivative along the tangents, both ``[m, …]``."""
    primals = {n: p.detach() for n, p in parameters.items()}
    with torch.no_grad(), warnings.catch_warnings():
        # torch's own first use of forward mode warns of torch.jit.script; nothing a user could change.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        outputs, derivative = jvp(lambda p: functional_call(model, p, (x,)), (primals,), (tangents,))[:2]
    return outputs, derivative


def _reverse_twice(
    model: nn.Module, x: Tensor, parameters: Tensors, tangents: Tensors
) -> tuple[Tensor, Tensor]:
    """The same by differentiating the reverse mode, which is linear in a dummy output gradient."""
    outputs = model(x)
    dummy = torch.zeros_like(outputs, requires_grad=True)
    pulled = torch.autograd.grad(
        outputs, list(parameters.values()), dummy, create_graph=True, allow_unused=True
    )
    along = [(g * tangents[n]).sum() for n, g in zip(parameters, pulled, strict=True) if g is not None]
    (derivative,) = torch.autograd.grad(torch.stack(along).sum(), dummy)
    return outputs.detach(), derivative


def sum_of_products(chunk: dict[str, Tensor], tangents: Tensors) -> Tensor:
    """``Σ ⟨g_i, v⟩`` over the parameters, ``{name: [c, …]}`` and ``{name: […]}`` → ``[c]``.

    Example:
        >>> sum_of_products({"w": torch.tensor([[1.0, 2.0], [0.0, 1.0]])}, {"w": torch.tensor([3.0, 4.0])})
        tensor([11.,  4.])
    """
    return torch.stack([g.flatten(1) @ tangents[name].flatten() for name, g in chunk.items()]).sum(0)


def _joined(model: nn.Module, examples: Examples, chunk_size: int) -> tuple[Tensor, Tensor]:
    """The whole sample on the model's device."""
    batches = list(chunks(model, examples, chunk_size))
    if not batches:
        raise InputError("`examples` must hold at least one example. Got none.")
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def _groups(y: Tensor, labels: Tensor | None) -> dict[int, Tensor]:
    """Positions of the examples of each label, labels ascending."""
    by = y if labels is None else labels
    if by.dim() != 1 or by.dtype.is_floating_point or len(by) != len(y):
        raise InputError(
            f"`labels` must be one whole number per example, {len(y)} in all. Got shape {tuple(by.shape)} of "
            f"{str(by.dtype).removeprefix('torch.')}: pass labels=."
        )
    cpu = by.cpu().long()
    return {int(label): (cpu == label).nonzero().flatten() for label in cpu.unique()}
