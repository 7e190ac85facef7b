"""Tensors inside the nested inputs and outputs of modules, and parameters inside modules."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def tensors_of(value: object) -> list[Tensor]:
    """All tensors in nested tuples, lists and dictionaries, in a fixed order.

    Example:
        >>> import torch
        >>> [t.item() for t in tensors_of((torch.tensor(1), {"a": [torch.tensor(2), 3]}))]
        [1, 2]
    """
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(value, note)
    return found


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401
    """The same nest with ``function`` applied to each tensor, in the order of ``tensors_of``."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {k: map_tensors(v, function) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(v, function) for v in value))
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(v, function) for v in value)
    return value


def detached(value: Any) -> Any:  # noqa: ANN401
    """The same nest of containers with its tensors detached."""
    return map_tensors(value, Tensor.detach)


def batch_dims(module: nn.Module, tensors: list[Tensor], *, outputs: bool) -> list[int]:
    """The dimension in which each tensor lists the examples: the first, but for stock sequence-first layers.

    Example:
        >>> import torch
        >>> batch_dims(nn.LSTM(2, 2), [torch.zeros(5, 3, 2)], outputs=False)
        [1]
    """
    if isinstance(module, nn.RNNBase):
        first = 0 if module.batch_first else 1
        return [first] + [1] * (len(tensors) - 1)  # states are [layers, m, h] whatever `batch_first` says
    if isinstance(module, nn.MultiheadAttention) and not module.batch_first:
        count = 1 if outputs else 3  # masks and returned attention weights list the examples first
        return [1 if i < count else 0 for i in range(len(tensors))]
    return [0] * len(tensors)


@contextmanager
def kept_buffers(model: nn.Module) -> Iterator[None]:
    """Put a model's buffers back at the end, such as running statistics.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> with kept_buffers(norm):
        ...     _ = norm(torch.ones(2, 1))
        >>> norm.running_mean.item(), norm.num_batches_tracked.item()
        (0.0, 0)
    """
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, saved in buffers:
                if not torch.equal(buffer, saved):
                    buffer.copy_(saved)


def trainable(module: nn.Module, name: str) -> bool:
    """Whether ``module`` has its own parameter ``name`` and it is not frozen.

    Example:
        >>> trainable(nn.Linear(1, 1), "weight"), trainable(nn.Linear(1, 1, bias=False), "bias")
        (True, False)
    """
    parameter = module._parameters.get(name)
    return parameter is not None and parameter.requires_grad
