"""Hooks that see one backward pass: each layer's input, its output gradient, its parameters' gradients."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._hooks import (
    ClosedForm,
    attention_hook,
    broadcast_hook,
    general_hook,
    parameter_hook,
    refusal,
)
from rote.gradients._recurrent_calls import KINDS, recurrent_hook
from rote.gradients._tree import tensors_of
from rote.gradients._units import Call, Unit, units_of
from rote.gradients._weighing import Conditions, conditions


class Capture:
    """The hooks on one model: what they saw of the last backward pass, until :meth:`clear`.

    Args:
        model: Any module; its trainable parameters are listed now.
        on_gradient: Called with a parameter's name and its whole gradient in this backward pass, before it
            is added to ``p.grad``; so gradients left over from earlier passes do not matter.
        fused: Whether layers may form their gradients themselves (:mod:`rote.gradients._fused`), which is
            cheaper; the gradients then differ from autograd's in the last digits.

    Attributes:
        keep: Whether this backward pass is to be checked (:mod:`rote.gradients._check`).
        paused: Whether the hooks look away, as they must while layers are run again.
        sketches: A small projection of every gradient and its norm, while ``keep``.
        twice: The first layer that two backward passes reached, if any.
        half: Whether a pass to be checked was in half precision somewhere.
        packed: Whether a layer was called under checkpointing, where the graph cannot be read.
        conditions: What each call of the model met, while some layer is to be checked by example.
        reruns: Whether the model may be called again by itself; not while it is sharded.
        alike: Calls of an Embedding that may look up one row for all examples, and their nodes in the graph.
    """

    def __init__(
        self, model: nn.Module, on_gradient: Callable[[str, Tensor], None], *, fused: bool = False
    ) -> None:
        self.model, self.on_gradient, self.fused = model, on_gradient, fused
        self.keep = self.paused = False
        self.sketches: dict[str, tuple[Tensor, float]] = {}
        self.twice: str | None = None
        self.half = self.packed = False
        self.alike: list[tuple[ClosedForm, Call, Any]] = []
        self.conditions: list[Conditions] = []
        self.reruns = True
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise InputError(
                "`model` must have a parameter with requires_grad=True. Got none: unfreeze a layer."
            )
        self.frozen = {n: p for n, p in model.named_parameters() if not p.requires_grad}
        self.units = units_of(model, self.parameters)
        self.root = self.units[0] if self.units[0].name == "" else Unit("", model, (), None, "")
        self._bags = any(isinstance(module, nn.EmbeddingBag) for module in model.modules())
        self._handles: list[Any] = []
        self.attach()

    def layer_names(self) -> list[str]:
        """Names of the layers as reported; the model itself goes by its type."""
        return [unit.name or type(self.model).__name__ for unit in self.units if unit.counted]

    def owners(self) -> dict[str, int]:
        """By parameter, the index among the reported layers of the first that owns it."""
        found: dict[str, int] = {}
        for index, unit in enumerate(unit for unit in self.units if unit.counted):
            for name in unit.parameters:
                found.setdefault(name, index)
        return found

    def examples(self) -> int | None:
        """Examples in the batch: the length of the model's first input; ``None`` if it was not called.

        Where that is one list of ids, out of which an EmbeddingBag cuts bags, it is that of the output.
        """
        for call in self.root.calls[:1]:
            for tensor in tensors_of((call.args, call.kwargs)):
                if tensor.dim() == 1 and self._bags and not tensor.is_floating_point():
                    listed = [len(delta) for delta in call.deltas if delta is not None and delta.dim()]
                    return listed[0] if listed else len(tensor)
                if tensor.dim():
                    return len(tensor)
        return None

    def clear(self) -> None:
        """Forget the last backward pass."""
        self.twice, self.half, self.packed = None, False, False
        self.sketches.clear()
        self.alike.clear()
        self.conditions.clear()
        self.root.calls.clear()
        for unit in self.units:
            unit.forget()

    def detach(self) -> None:
        """Remove every hook; what was learnt of the layers stays for :meth:`attach`."""
        self.paused = True
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.clear()

    def looks_away(self, unit: Unit, module: nn.Module) -> bool:
        """Whether a call does not count; a copy of a watched module carries its hooks along."""
        return (
            self.paused
            or module is not unit.module
            or not torch.is_grad_enabled()
            or torch._C._functorch.peek_interpreter_stack() is not None
        )

    def weighs(self, unit: Unit) -> bool:
        """Whether this pass is to show that the layer tells the examples apart."""
        return self.reruns and (self.keep or not unit.checked)

    def _note_conditions(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if not self.reruns or self.looks_away(self.root, module) or torch.compiler.is_compiling():
            return
        if self.keep or not all(unit.checked for unit in self.units):
            self.conditions.append(conditions(self.parameters))

    def attach(self) -> None:
        """Put the hooks on the model, for the first time or again."""
        self.paused = False
        _ACTIVE.add(self)
        self._handles.append(self.model.register_forward_pre_hook(self._note_conditions))
        for name, module in self.model.named_modules():
            if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.Embedding, nn.EmbeddingBag)):
                self._handles.append(module.register_forward_pre_hook(refusal(name, module, self)))
        units = self.units if self.root in self.units else [self.root, *self.units]
        for unit in units:
            if unit.rule is None:
                hook = _hook_for(unit.module)(self, unit)
                self._handles.append(unit.module.register_forward_hook(hook, with_kwargs=True))
            else:
                closed = ClosedForm(self, unit)
                if self.fused and unit.rule.fused is not None:
                    before = unit.module.register_forward_pre_hook(closed.before, with_kwargs=True)
                    self._handles.append(before)
                after = unit.module.register_forward_hook(closed.after, with_kwargs=True, always_call=True)
                self._handles.append(after)
        for name, parameter in self.parameters.items():
            self._handles.append(parameter.register_hook(parameter_hook(self, name)))
        self._handles.append(self.model.register_forward_hook(broadcast_hook(self)))


def _hook_for(module: nn.Module) -> Callable[[Capture, Unit], Callable[..., None]]:
    """The hook of a layer without a rule."""
    if isinstance(module, nn.MultiheadAttention):
        return attention_hook
    return recurrent_hook if type(module) in KINDS else general_hook


#: Captures whose hooks are in place; those of one model look away while another measures it.
_ACTIVE: "weakref.WeakSet[Capture]" = weakref.WeakSet()


@contextmanager
def others_paused(model: nn.Module) -> Iterator[None]:
    """Let every meter that shares a parameter with ``model`` look away, for a measurement of its own."""
    mine = {id(p) for p in model.parameters()}
    watching = [c for c in _ACTIVE if not c.paused and mine & {id(p) for p in c.parameters.values()}]
    for capture in watching:
        capture.paused = True
    try:
        yield
    finally:
        for capture in watching:
            capture.paused = False
