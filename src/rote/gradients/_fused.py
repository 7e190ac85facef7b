"""A layer's weight gradient and its examples' norms formed together, in autograd's place.

Autograd sums the examples' gradients without showing them. Where forming them costs as much as their sum,
both are had for the price of one: the layer runs with its parameters cut off from the graph, and a node set
behind its output gives the parameters their gradients.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients._rules import Fused
from rote.gradients._units import Unit

#: ``(x, δ)`` → gradients of the parameters cut off, in their order.
Give = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


class _Join(torch.autograd.Function):
    """The identity on a layer's output, whose backward pass also has the parameters' gradients."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, x: Tensor, give: Give, *parameters: Tensor) -> Tensor:  # noqa: ANN401
        ctx.mark_dirty(output)  # an alias would forbid in-place operations on it
        ctx.save_for_backward(x)
        ctx.give = give
        return output

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        given = ctx.give(x, delta)
        return (delta if ctx.needs_input_grad[0] else None, None, None, *given)


_join: Callable[..., Tensor] = _Join.apply


def cut_off(module: nn.Module) -> dict[str, nn.Parameter]:
    """Put detached tensors in the place of a module's trainable parameters; returns the parameters."""
    own = {n: p for n, p in module._parameters.items() if p is not None and p.requires_grad}
    for name, parameter in own.items():
        module._parameters[name] = parameter.detach()  # type: ignore[assignment]
    return own


def join(output: Tensor, x: Tensor, parameters: dict[str, nn.Parameter], give: Give) -> Tensor:
    """The layer's output, with the parameters that were cut off behind it in the graph."""
    base = output._base
    if base is None or base.numel() != output.numel():
        return _join(output, x, give, *parameters.values())
    # Linear on [m, T, d] returns a view, which would have to be rebuilt from its strides.
    return _join(base, x, give, *parameters.values()).view(output.shape)


def can_fuse(x: object, fewest: int, most: int) -> bool:
    """Whether a layer called with ``x`` may be cut off: full precision, examples, several positions."""
    return (
        isinstance(x, Tensor)
        and x.dim() > 2
        and len(x) > 0
        and fewest <= x.dim() <= most
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled(x.device.type)
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch.autograd.forward_ad._current_level < 0
    )


def fastest(unit: Unit, x: Tensor, delta: Tensor) -> Fused | None:
    """The fastest fused way for these shapes, tried twice each when they are met first; ``None``: no way."""
    key = (tuple(x.shape[1:]), tuple(delta.shape[1:]))
    if key not in unit.ways:
        assert unit.rule is not None
        ways = unit.rule.fused(unit.module, x, delta) if unit.rule.fused else {}
        if not ways:
            return None
        candidates = list(ways.values())
        times = [_seconds(way, unit.module, x, delta) for way in candidates] if len(ways) > 1 else [0.0]
        unit.ways[key] = candidates[times.index(min(times))]
    return unit.ways[key]


def _seconds(way: Fused, module: nn.Module, x: Tensor, delta: Tensor) -> float:
    taken = []
    for _ in range(2):
        _wait(x)
        start = time.perf_counter()
        way(module, x, delta)
        _wait(x)
        taken.append(time.perf_counter() - start)
    return min(taken)


def _wait(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
