"""Coherence of a fixed sample at fixed weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._capture import Capture, others_paused
from rote.gradients._coverage import coverage_of
from rote.gradients._finite import check_finite
from rote.gradients._loss import Loss, ReductionCheck
from rote.gradients._record import Coherence, single_step
from rote.gradients._settle import settle
from rote.gradients._sums import GradientSum
from rote.gradients._tree import kept_buffers

Examples = tuple[Tensor, Tensor] | Iterable[tuple[Tensor, Tensor]]


def coherence(model: nn.Module, loss: Loss, examples: Examples, *, chunk_size: int = 500) -> Coherence:
    """Coherence of a sample, measured in one pass over it in chunks.

    The model is put in eval mode for the measurement (dropout off, BatchNorm with its running
    statistics), and left as it was: mode, ``p.grad``, buffers and the state of the random generators.

    Args:
        model: Any module called as ``model(x)``, examples along the first dimension.
        loss: ``loss(outputs, targets)``, the mean or sum over the examples: ``nn.CrossEntropyLoss()``. Where
            that one, or ``nn.NLLLoss``, has class weights or ignored targets, its mean is ``Σ w_i l_i / Σ w``
            over the whole sample, ``g_i`` is m times the gradient of example i's part of it, as
            :func:`rote.watch` has it, and ``note`` says so.
        examples: ``(x, y)``, or an iterable of such batches (a ``DataLoader``), which is streamed.
        chunk_size: Examples per pass when ``examples`` is one pair; memory grows with it.

    Returns:
        The record, with ``squared_norms`` in the order of the examples, of ``g_i = ∇ loss(model(x_i), y_i)``.

    Raises:
        InputError: If the loss is not a mean or sum over examples, BatchNorm has no running statistics,
            a gradient is not finite, or there are no examples.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[5.0], [5.0]])
        >>> coherence(model, nn.MSELoss(), (x, y))
        Coherence(m=2, alpha=0.5, m_coherence=1, alpha_unbiased=0, noise_scale=inf, layers=1)
    """
    total = GradientSum()
    norms: list[Tensor] = []
    done = 0
    with untouched(model), capturing(model, total) as capture:
        value_of = ReductionCheck(loss)
        names = capture.layer_names()
        for x, y in chunks(model, examples, chunk_size):
            value_of.count(y)
            norms.append(backward(capture, total, value_of, x, y, torch.arange(done, done + len(y))))
            done += norms[-1].shape[1]
        owners, ways = capture.owners(), coverage_of(capture)
    if not norms:
        raise InputError("`examples` must hold at least one example. Got none.")
    scale = value_of.correction**2
    matrix = torch.cat(norms, dim=1).numpy() * scale
    s2 = np.zeros(len(names))
    for name, index in owners.items():
        s2[index] += total.squared(name) * scale
    statistics = single_step(names, s2, matrix.sum(1), matrix.sum(0))
    return statistics.coherence(ways=ways, left_out=value_of.remark)


@contextmanager
def capturing(model: nn.Module, total: GradientSum) -> Iterator[Capture]:
    """Hooks that add every gradient to ``total``; removed at the end. The first batch is self-checked."""
    capture = Capture(model, total.add)
    capture.keep = True
    try:
        yield capture
    finally:
        capture.detach()


def backward(
    capture: Capture, total: GradientSum, value_of: ReductionCheck, x: Tensor, y: Tensor, index: Tensor
) -> Tensor:
    """One forward and backward pass; ``Σ g_i`` goes to ``total``, ``‖g_i‖²`` per layer is returned.

    Args:
        capture: The hooks on the model.
        total: Receives the sum of the gradients; ``p.grad`` is not touched.
        value_of: The loss.
        x: Inputs, examples first.
        y: Targets, examples first.
        index: The examples' numbers in the user's sample, for messages.

    Returns:
        Shape ``[L, m]`` float64, on the CPU.
    """
    value, total.scale = value_of(capture.model(x), y)
    torch.autograd.grad(value, list(capture.parameters.values()), allow_unused=True)
    norms = settle(capture, total.buffers)
    check_finite(norms, capture.layer_names(), index)
    capture.clear()
    capture.keep = False
    return torch.stack([n.double() for n in norms]).cpu() * total.scale**2


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Eval mode with gradients on; mode, buffers and random states are put back afterwards."""
    modes = {module: module.training for module in model.modules()}
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
    kept = others_paused(model), kept_buffers(model), torch.random.fork_rng(devices=devices)
    with kept[0], kept[1], kept[2], torch.enable_grad():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode


def chunks(model: nn.Module, examples: Examples, chunk_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches on the model's device."""
    if chunk_size < 1:
        raise InputError(f"`chunk_size` must be at least 1. Got {chunk_size}.")
    device = next(model.parameters()).device
    if (
        isinstance(examples, (tuple, list))
        and len(examples) == 2
        and all(isinstance(e, Tensor) for e in examples)
    ):
        x, y = examples
        if len(x) != len(y):
            raise InputError(
                f"`examples` must have as many targets as inputs. Got {len(x)} inputs, {len(y)} targets."
            )
        batches: Iterable[Any] = (
            (x[i : i + chunk_size], y[i : i + chunk_size]) for i in range(0, len(x), chunk_size)
        )
    else:
        batches = examples
    for index, batch in enumerate(batches):
        if not (
            isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(b, Tensor) for b in batch)
        ):
            raise InputError(
                f"`examples` must be (inputs, targets) tensors or batches of them. "
                f"Got {type(batch).__name__} as batch {index}."
            )
        if len(batch[0]):
            yield batch[0].to(device), batch[1].to(device)
