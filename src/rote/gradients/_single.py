"""Gradients of single examples, layer by layer, for the statistics that need more than their norms.

Two forms of the same thing. A *seen* layer is a pair: what went in, ``x``, and the gradient that came back,
``δ``; where the layer is linear in its parameters nothing else is needed, since
``⟨g_i, v⟩ = ⟨δ_i, layer(x_i; v)⟩``. *Rows* are the gradients themselves, a chunk of examples at a time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._loss import Loss, ReductionCheck
from rote.gradients._probe import backward, capturing, untouched
from rote.gradients._rerun import Replay, per_example_gradients, replay
from rote.gradients._sums import GradientSum, full_precision
from rote.gradients._units import RERUN_LAYER, RERUN_MODEL, Call

Tensors = Mapping[str, Tensor]

#: Layers that may be taken by themselves: of each its local parameter names, by the names in the model.
Layers = dict[str, dict[str, str]]

_LINEAR_IN_PARAMETERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.Embedding,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
)


@dataclass(frozen=True, eq=False)
class Seen:
    """One call of a layer that is linear in its parameters.

    Attributes:
        module: The layer.
        local: Its name of each trainable parameter, by the parameter's name in the model.
        x: Its input, examples first.
        delta: The gradient at its output of the sum of the examples' losses, examples first.
    """

    module: nn.Module
    local: dict[str, str]
    x: Tensor
    delta: Tensor

    def along(self, direction: Tensors) -> Tensor:
        """``⟨g_i, v⟩`` over this layer's parameters: its output under ``v``, times ``δ``; ``[m]``."""
        names = {local: name for name, local in self.local.items()}
        x, delta = (t if not t.is_floating_point() else full_precision(t)[0] for t in (self.x, self.delta))
        v = {
            local: direction[names[local]].to(delta.dtype)
            if names.get(local) in direction
            else torch.zeros_like(p, dtype=delta.dtype)
            for local, p in self.module.named_parameters(recurse=False)
        }
        with torch.no_grad():
            output: Tensor = functional_call(self.module, v, (x,))
        return (output * delta).flatten(1).sum(1)


@contextmanager
def single_gradients(model: nn.Module, loss: Loss) -> Iterator["SingleGradients"]:
    """Gradients of single examples of ``model``, which is put in eval mode and left as it was."""
    total = GradientSum()
    with untouched(model), capturing(model, total) as capture:
        yield SingleGradients(capture, total, ReductionCheck(loss))


class SingleGradients:
    """Single examples' gradients of one model at fixed weights, batch by batch.

    Attributes:
        names: Layers as reported, length L.
        owners: By parameter, the index of the layer that owns it.
        parameters: The trainable parameters.
        layers: The layers that may be taken by themselves, known after :meth:`norms`.
    """

    def __init__(self, capture: Capture, total: GradientSum, value_of: ReductionCheck) -> None:
        self.names, self.owners = capture.layer_names(), capture.owners()
        self.parameters, self._total = capture.parameters, total
        self.layers: Layers = {}
        self._capture, self._value_of, self._done = capture, value_of, 0

    def weigh(self, targets: Iterable[Tensor]) -> None:
        """All the targets of the sample, needed beforehand where a loss's mean weighs them differently."""
        self._value_of.weigh(targets)

    def norms(self, x: Tensor, y: Tensor) -> Tensor:
        """``‖g_i‖²`` per layer, ``[L, m]`` float64 on the CPU, by the backward pass the rest builds on.

        Raises:
            InputError: If the examples' gradients cannot be told apart, or one is not finite.
        """
        self._capture.paused, self._capture.keep = False, True  # every batch is self-checked
        self._total.buffers.clear()  # which says, too, what this batch reached
        norms = backward(
            self._capture, self._total, self._value_of, x, y, torch.arange(self._done, self._done + len(y))
        )
        self._capture.paused = True
        self._done += len(y)
        self.layers = trusted(self._capture)
        return norms

    def seen(self, x: Tensor, y: Tensor, names: Collection[str] | None = None) -> dict[str, list[Seen]]:
        """The calls of each layer that may be taken by itself (and owns one of ``names``), by its name."""
        wanted = {k: v for k, v in self.layers.items() if names is None or not v.keys().isdisjoint(names)}
        found, others = seen_layers(self._capture.model, self._value_of, wanted, x, y)
        for name in others:
            del self.layers[name]
        return found

    def rows(self, x: Tensor, y: Tensor, names: Collection[str]) -> Iterator[dict[str, Tensor]]:
        """Gradients of the named parameters in chunks of examples ``{name: [c, *shape]}``, in order.

        A layer that may be taken by itself is run again from its own input; for the others the whole model
        is.
        """
        m = len(y)
        replays: list[Replay] = []
        found = self.seen(x, y, names)
        for calls in found.values():
            for s in calls:
                wanted = {id(self.parameters[name]): name for name in s.local if name in names}
                replays.append(replay(s.module, Call((s.x,), {}, [s.delta]), wanted, m))
        alone = {name for local in self.layers.values() for name in local}
        rest = {id(self.parameters[name]): name for name in names if name not in alone}
        if rest:
            model = self._capture.model
            with torch.no_grad():
                outputs = model(x)
            delta, scale = output_gradient(self._value_of, outputs, y)
            replays.append(replay(model, Call((x,), {}, [delta * scale]), rest, m))
        # A layer whose output the loss does not need was not reached, and its gradients are zero.
        reached = {name for r in replays for name in r.local}
        zero = {name: self.parameters[name] for name in names if name not in reached}
        if not replays:
            yield {name: p.new_zeros(m, *p.shape) for name, p in zero.items()}
            return
        for chunk in per_example_gradients(replays, m):
            c = len(next(iter(chunk.values())))
            dense = {name: g.to_dense() if g.is_sparse else g for name, g in chunk.items()}
            yield {**dense, **{name: p.new_zeros(c, *p.shape) for name, p in zero.items()}}


def plain(calls: Sequence[Seen]) -> Seen | None:
    """The one call of a Linear layer on ``[m, d]``, whose gradients are ``δ_i x_iᵀ``; else ``None``."""
    one = calls[0] if len(calls) == 1 else None
    return one if one and type(one.module) is nn.Linear and one.x.dim() == 2 else None


def trusted(capture: Capture) -> Layers:
    """Layers linear in their parameters whose calls the self-check found to be the whole story."""
    found: Layers = {}
    owners = Counter(name for unit in capture.units for name in unit.parameters)
    for unit in capture.units:
        own = {id(p): local for local, p in unit.module.named_parameters(recurse=False)}
        local = {name: own.get(id(capture.parameters[name]), "") for name in unit.parameters}
        if (
            type(unit.module) in _LINEAR_IN_PARAMETERS
            and getattr(unit.module, "max_norm", None) is None
            and unit.route not in (RERUN_LAYER, RERUN_MODEL)
            and not (unit.examples_in or unit.alike)
            and set(local.values()) <= {"weight", "bias"}
            and all(owners[name] == 1 for name in local)
        ):
            found[unit.name] = local
    return found


def seen_layers(
    model: nn.Module, value_of: ReductionCheck, layers: Layers, x: Tensor, y: Tensor
) -> tuple[dict[str, list[Seen]], set[str]]:
    """Inputs and output gradients of the named layers; those that the loss does not depend on are left out.

    So are layers that do not list the examples first, since they look something up once for all; their
    names are the second result.

    Each output is shifted by a zero of its own, whose gradient is what is wanted: no gradient of a weight
    is taken, and operations in place on the output do not matter.
    """
    if not layers:
        return {}, set()
    calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def shift(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor:
            zero = torch.zeros_like(output, requires_grad=True)
            calls.append((name, module, (args[0] if args else kwargs["input"]).detach(), zero))
            return output + zero

        return hook

    modules = dict(model.named_modules())
    handles = [modules[name].register_forward_hook(shift(name), with_kwargs=True) for name in layers]
    try:
        value, scale = value_of(model(x), y)
        called = list(calls)  # checkpointed layers are called again in the backward pass
        zeros = [zero for *_, zero in called]
        deltas = torch.autograd.grad(value, zeros, allow_unused=True) if zeros else ()
    finally:
        for handle in handles:
            handle.remove()
    found: dict[str, list[Seen]] = {}
    others = {name for name, _, *ends in called if any(len(t) != len(y) for t in ends)}
    for (name, module, into, _), delta in zip(called, deltas, strict=True):
        if delta is not None and name not in others:
            found.setdefault(name, []).append(Seen(module, layers[name], into, delta * scale))
    return found, others


def output_gradient(value_of: ReductionCheck, outputs: object, y: Tensor) -> tuple[Tensor, float]:
    """Gradient of the loss at the model's output, and the factor that makes it that of the examples' sum."""
    if not isinstance(outputs, Tensor):
        raise InputError(
            f"`model` must return one tensor here. Got {type(outputs).__name__}: wrap it in a module that "
            "returns the tensor which the loss needs."
        )
    leaf = outputs.detach().requires_grad_()
    with torch.enable_grad():
        value, scale = value_of(leaf, y)
    return torch.autograd.grad(value, leaf)[0], scale
