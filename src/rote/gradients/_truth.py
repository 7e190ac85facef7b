"""The self-check by example: is what was taken of each example its own?

A sum over the batch does not see examples exchanged, or positions taken for examples. So the batch is run
again, from the random states that it met, with example i's part of the loss times a random number w_i. For
every layer ``Σ w_i g_i`` must then be what was captured gives: one more forward and backward pass checks all
examples of all layers. Wrong vectors pass with probability zero (Freivalds 1977, "Probabilistic machines can
use less running time").
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.stateless import _reparametrize_module

from rote.gradients._capture import Capture, others_paused
from rote.gradients._rerun import _kept_attributes
from rote.gradients._sums import full_precision, sketch, squared_norm
from rote.gradients._tree import kept_buffers, map_tensors, tensors_of
from rote.gradients._units import Unit
from rote.gradients._weighing import Conditions, conditions, restore


@dataclass(frozen=True, eq=False)
class Trace:
    """What is kept of a gradient: its sketch and its squared norm."""

    sketch: Tensor
    square: float


def weighed_gradients(capture: Capture, w: Tensor) -> dict[str, Trace] | None:
    """Traces of the gradients of the batch with example i's part of the loss times w_i, by parameter.

    The whole batch runs again, so layers see what they saw; random states and buffers are put back.

    Args:
        capture: What the hooks saw.
        w: The weights, ``[m]``.

    Returns:
        Those that are not zero; ``None`` where the model cannot be run again or an output does not list the
        examples.
    """
    calls, met = capture.root.calls, capture.conditions
    if not calls or len(calls) != len(met) or capture.root.rule is not None:
        return None
    ends = [_by_example(call.deltas, w) for call in calls]
    if not any(ends) or any(end is None for end in ends):
        return None
    leaves = {name: p.detach().requires_grad_() for name, p in capture.parameters.items()}
    total: dict[str, Tensor] = {}
    traces: dict[str, Trace] = {}
    if len(calls) == 1:  # then a parameter's gradient need not outlive the moment that it comes
        for name, leaf in leaves.items():
            leaf.register_hook(_keep_trace(traces, name))
    try:
        for call, end, now in zip(calls, ends, met, strict=True):
            if not end:
                continue
            with (
                _as_it_was(capture, now),
                _kept_attributes(capture.model),
                _in_place_of(capture.model, leaves),
            ):
                args, kwargs = map_tensors((call.args, call.kwargs), Tensor.clone)
                outputs = tensors_of(capture.model(*args, **kwargs))
                used = [outputs[i] for i in end]
                found = torch.autograd.grad(
                    used, list(leaves.values()), list(end.values()), allow_unused=True
                )
            for (name, _), g in zip(leaves.items(), found, strict=True):
                if g is not None and len(calls) > 1:
                    total[name] = total[name] + g if name in total else g
    except Exception:  # whatever a model may say when it is called again
        return None
    return traces | {name: _trace(g) for name, g in total.items()}


def _trace(gradient: Tensor) -> Trace:
    (whole,) = full_precision(gradient.detach())
    return Trace(sketch(whole), float(squared_norm(whole)))


def _keep_trace(traces: dict[str, Trace], name: str) -> Callable[[Tensor], Tensor]:
    def hook(gradient: Tensor) -> Tensor:
        traces[name] = _trace(gradient)
        if gradient.layout != torch.strided:
            return gradient
        return gradient.detach().new_zeros(()).expand(gradient.shape)  # lets the gradient go

    return hook


def strangers(
    units: list[Unit], truth: Mapping[str, Trace], tolerances: tuple[float, float]
) -> list[Unit] | None:
    """Units whose ``Σ w_i g_i`` is not the true one.

    Args:
        units: Whose norms are known.
        truth: The true sums, by parameter.
        tolerances: Relative to a parameter's sum, and to that of the whole model.

    Returns:
        The units; ``None`` where the sums are not finite.
    """
    whole = sum(trace.square for trace in truth.values()) ** 0.5
    if not np.isfinite(whole):
        return None
    return [
        unit
        for unit in units
        if any(_differs(unit, n, truth.get(n), whole, tolerances) for n in _known(unit))
    ]


def _known(unit: Unit) -> list[str]:
    return [*(unit.weighed or {}), *unit.weighed_norms]


def _differs(
    unit: Unit, name: str, true: Trace | None, whole: float, tolerances: tuple[float, float]
) -> bool:
    relative, absolute = tolerances
    if unit.weighed is None or name not in unit.weighed:
        norm = 0.0 if true is None else true.square**0.5
        return abs(unit.weighed_norms[name] - norm) > relative * norm + absolute * whole
    got = unit.weighed[name]
    expected = torch.zeros_like(got) if true is None else true.sketch.to(got)
    return float((got - expected).norm()) > relative * float(expected.norm()) + absolute * whole


def _by_example(deltas: list[Tensor | None], w: Tensor) -> dict[int, Tensor] | None:
    """Gradients at a call's outputs, by position; ``None`` if one of them does not list the examples."""
    listed = any(delta is not None and delta.dim() for delta in deltas)
    came = {i: d for i, d in enumerate(deltas) if d is not None and (d.dim() or not listed)}
    if any(not d.dim() or len(d) != len(w) for d in came.values()):
        return None
    return {i: d * w.to(d).view(-1, *[1] * (d.dim() - 1)) for i, d in came.items()}


@contextmanager
def _as_it_was(capture: Capture, met: Conditions) -> Iterator[None]:
    """The model's surroundings as a call met them; put back at the end."""
    kept = conditions(capture.parameters)
    with ExitStack() as stack:
        stack.enter_context(kept_buffers(capture.model))
        stack.enter_context(others_paused(capture.model))
        stack.enter_context(torch.enable_grad())
        for kind, half in met.autocast.items():
            stack.enter_context(torch.autocast(kind, dtype=half, enabled=half is not None))
        restore(met)
        try:
            yield
        finally:
            restore(kept)


@contextmanager
def _in_place_of(model: nn.Module, leaves: dict[str, Tensor]) -> Iterator[None]:
    """Stand-ins for the parameters, so that no hook on them and no ``p.grad`` sees the rerun."""
    frozen = {n: p.detach() for n, p in model.named_parameters() if n not in leaves}
    with _reparametrize_module(model, frozen | leaves, tie_weights=True):
        yield
