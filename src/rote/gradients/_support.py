"""Support: how many of the others' gradients help each example."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from rote.errors import InputError
from rote.gradients._loss import Loss, ReductionCheck
from rote.gradients._probe import Examples, backward, capturing, chunks, untouched
from rote.gradients._rerun import per_example_gradients, replay
from rote.gradients._single import Layers, Tensors, output_gradient, seen_layers, trusted
from rote.gradients._sums import GradientSum
from rote.gradients._units import Call

#: Bytes that the sums of gradients of several labels may take together.
SUMS_BYTES = 256 * 2**20


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
        way: How the inner products were taken: ``"layer by layer"`` where every layer is linear in its
            parameters; else ``"forward mode"``; ``"reverse mode twice"`` where a layer has no forward mode;
            ``"rerun per example"`` (much slower) where it has no second derivative either.

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
    way: str = "layer by layer"

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

    One backward pass per label gives ``S_c``. Where every layer is linear in its parameters (Linear,
    convolutions, norms and embeddings are), one more pass gives each layer's input and output gradient
    ``δ``, and ``⟨g_i, S_c⟩`` is the layer's output under the parameters ``S_c``, times ``δ_i``: one run of
    the layers by themselves for each direction (two; with ``per_label`` one for each label). Otherwise it
    is one forward-mode derivative of the losses along ``S_c``; a layer that has none is differentiated
    twice in reverse mode. Memory is that of a few copies of the parameters, with ``per_label`` up to 256 MB
    of them. The model is measured in eval mode and left untouched, as :func:`coherence` does.

    Args:
        model: Any module called as ``model(x)`` that returns one tensor, examples along the first
            dimension.
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
    x, y = joined(model, examples, chunk_size)
    groups = groups_of(y, labels)
    direction = Direction(model, loss, chunk_size)
    direction.value_of.weigh([y])
    own, whole = torch.zeros(len(y), dtype=torch.float64), torch.zeros(len(y), dtype=torch.float64)
    norms, m_label = own.clone(), torch.zeros(len(y), dtype=torch.int64)
    total: dict[str, Tensor] = {}
    table = None
    with untouched(model):
        if per_label:
            table, norms = direction.table(list(groups.values()), x, y)
        for column, index in enumerate(groups.values()):
            m_label[index] = len(index)
            if table is not None:
                own[index] = table[index, column]
                continue
            sums, norms[index] = direction.sum_and_norms(x, y, index)
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


class Direction:
    """Sums of gradients, and inner products with them, over chosen examples of one sample."""

    def __init__(self, model: nn.Module, loss: Loss, chunk_size: int) -> None:
        self.model, self.chunk_size = model, chunk_size
        self.value_of = ReductionCheck(loss)
        self.ways = ["layer by layer", "forward mode", "reverse mode twice", "rerun per example"]
        self.layers: Layers | None = None  # those that every pass so far found to stand by themselves

    def sum_and_norms(self, x: Tensor, y: Tensor, index: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """``Σ g_i`` by parameter (float64) and ``‖g_i‖²`` of the examples in ``index``."""
        total = GradientSum()
        with capturing(self.model, total) as capture:
            norms = [
                backward(capture, total, self.value_of, x[part], y[part], part).sum(0)
                for part in index.split(self.chunk_size)
            ]
            layers = trusted(capture)
        kept = layers if self.layers is None else self.layers
        self.layers = {name: local for name, local in layers.items() if name in kept}
        return total.buffers, torch.cat(norms)

    def table(self, groups: list[Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """``⟨g_i, S_c⟩`` of all examples and the sum over each group, ``[m, C]``, and ``‖g_i‖²``, ``[m]``."""
        everyone = torch.arange(len(y))
        table = torch.zeros(len(y), len(groups), dtype=torch.float64)
        norms = torch.zeros(len(y), dtype=torch.float64)
        size = 8 * sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        for columns in torch.arange(len(groups)).split(max(1, SUMS_BYTES // max(size, 1))):
            sums = []
            for column in columns.tolist():
                group_sum, norms[groups[column]] = self.sum_and_norms(x, y, groups[column])
                sums.append(group_sum)
            parts = [self._all_along(sums, x[i], y[i]) for i in everyone.split(self.chunk_size)]
            table[:, columns] = torch.cat(parts)
        return table, norms

    def along(self, sums: Tensors, x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """``⟨g_i, sums⟩`` for the examples in ``index``, shape of ``index``, float64 on the CPU."""
        return torch.cat(
            [self._all_along([sums], x[part], y[part])[:, 0] for part in index.split(self.chunk_size)]
        )

    def _all_along(self, sums: Sequence[Tensors], x: Tensor, y: Tensor) -> Tensor:
        """``⟨g_i, sums_c⟩`` of one chunk for each of several sums, ``[m, C]`` float64 on the CPU."""
        if self.ways[0] == "layer by layer":
            alone = {name for local in (self.layers or {}).values() for name in local}
            if alone.issuperset(name for each in sums for name in each):
                table = self._layer_by_layer(sums, x, y)
                if table is not None:
                    return table
            self.ways.pop(0)
        columns = []
        for each in sums:
            parameters = {n: p for n, p in self.model.named_parameters() if n in each}
            tangents = {n: each[n].to(p.dtype) for n, p in parameters.items()}
            columns.append(self._products(x, y, parameters, tangents).double().cpu())
        return torch.stack(columns, 1)

    def _layer_by_layer(self, sums: Sequence[Tensors], x: Tensor, y: Tensor) -> Tensor | None:
        """The same where every layer is linear in its parameters: its output under the sum, times ``δ``."""
        found, others = seen_layers(self.model, self.value_of, self.layers or {}, x, y)
        if others:
            return None
        table = torch.zeros(len(y), len(sums), dtype=torch.float64, device=x.device)
        for calls in found.values():
            for seen in calls:
                for column, each in enumerate(sums):
                    table[:, column] += seen.along(each)
        return table.cpu()

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
            delta, scale = output_gradient(self.value_of, outputs, y)
            return (delta * derivative).flatten(1).sum(1) * scale
        return self._by_rerun(x, y, parameters, tangents)

    def _by_rerun(self, x: Tensor, y: Tensor, parameters: Tensors, tangents: Tensors) -> Tensor:
        """Single gradients, a chunk at a time: slow, and possible for every model."""
        with torch.no_grad():
            delta, scale = output_gradient(self.value_of, self.model(x), y)
        run = replay(self.model, Call((x,), {}, [delta]), {id(p): n for n, p in parameters.items()}, len(x))
        chunks_ = per_example_gradients([run], len(x))
        return torch.cat([sum_of_products(chunk, tangents) for chunk in chunks_]) * scale


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


def joined(model: nn.Module, examples: Examples, chunk_size: int) -> tuple[Tensor, Tensor]:
    """The whole sample on the model's device."""
    batches = list(chunks(model, examples, chunk_size))
    if not batches:
        raise InputError("`examples` must hold at least one example. Got none.")
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def groups_of(y: Tensor, labels: Tensor | None) -> dict[int, Tensor]:
    """Positions of the examples of each label, labels ascending."""
    by = y if labels is None else labels
    if by.dim() != 1 or by.dtype.is_floating_point or len(by) != len(y):
        raise InputError(
            f"`labels` must be one whole number per example, {len(y)} in all. Got shape {tuple(by.shape)} of "
            f"{str(by.dtype).removeprefix('torch.')}: pass labels=."
        )
    cpu = by.cpu().long()
    return {int(label): (cpu == label).nonzero().flatten() for label in cpu.unique()}
