"""Hooks that see one backward pass: each layer's input, its output gradient, its parameters' gradients."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._rules import Rule, coupling, rule_for, wanted_dims
from rote.gradients._sums import full_precision, sketch, squared_norm
from rote.gradients._tree import detached, tensors_of

RERUN_LAYER = "rerun per example"
RERUN_MODEL = "whole model rerun per example"


@dataclass(eq=False, slots=True)
class Call:
    """One call of a module in one forward pass.

    Attributes:
        args: Positional inputs, detached.
        kwargs: Named inputs, detached.
        deltas: Gradient of the loss at each output tensor, in order; ``None`` until it has come.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    deltas: list[Tensor | None]

    @property
    def arrived(self) -> bool:
        """Whether the backward pass reached any output of this call."""
        return any(delta is not None for delta in self.deltas)


@dataclass(eq=False, slots=True)
class Unit:
    """A module that owns trainable parameters, and what was seen of it since the last update.

    Attributes:
        name: Qualified name in the model, ``""`` for the model itself.
        module: The module.
        parameters: Qualified names in the model of the trainable parameters it owns.
        rule: Closed form, where its type has one and no other module shares a parameter.
        route: How its norms are taken, in words, for the coverage table.
        counted: Whether it is the first owner of some parameter; the others' parameters count elsewhere.
        calls: Calls in this forward pass; emptied at each update.
        norms: ``‖g_i‖²`` of this unit's parameters, shape ``[m]``, once known.
    """

    name: str
    module: nn.Module
    parameters: tuple[str, ...]
    rule: Rule | None
    route: str
    counted: bool = True
    calls: list[Call] = field(default_factory=list)
    norms: Tensor | None = None

    def arrived(self) -> list[Call]:
        """The calls that the backward pass reached."""
        return [call for call in self.calls if call.arrived]

    def give_up(self) -> None:
        """From now on take this unit's norms by running the whole model again."""
        self.route, self.rule, self.norms = RERUN_MODEL, None, None


class Capture:
    """The hooks on one model: what they saw of the last backward pass, until :meth:`clear`.

    Args:
        model: Any module; its trainable parameters are listed now.
        on_gradient: Called with a parameter's name and its whole gradient in this backward pass, before it
            is added to ``p.grad``; so gradients left over from earlier passes do not matter.

    Attributes:
        keep: Whether all inputs and gradients are kept until :meth:`clear`, as the self-check needs.
        paused: Whether the hooks look away, as they must while layers are run again.
        sketches: A small projection of every gradient and its norm, while ``keep``.
        twice: The first layer that two backward passes reached, if any.
    """

    def __init__(self, model: nn.Module, on_gradient: Callable[[str, Tensor], None]) -> None:
        self.model, self.on_gradient = model, on_gradient
        self.keep = self.paused = False
        self.sketches: dict[str, tuple[Tensor, float]] = {}
        self.twice: str | None = None
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise InputError(
                "`model` must have a parameter with requires_grad=True. Got none: unfreeze a layer."
            )
        self.frozen = {n: p for n, p in model.named_parameters() if not p.requires_grad}
        self.units = _units_of(model, self.parameters)
        self.root = self.units[0] if self.units[0].name == "" else Unit("", model, (), None, "")
        self._handles: list[Any] = []
        self._attach()

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

    def clear(self) -> None:
        """Forget the last backward pass."""
        self.twice = None
        self.sketches.clear()
        self.root.calls.clear()
        for unit in self.units:
            unit.calls.clear()
            unit.norms = None

    def close(self) -> None:
        """Remove every hook."""
        self.paused = True
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.clear()

    def looks_away(self, unit: Unit, module: nn.Module) -> bool:
        """Whether a call does not count; a copy of a watched module carries its hooks along."""
        return self.paused or not torch.is_grad_enabled() or module is not unit.module

    def _attach(self) -> None:
        _ACTIVE.add(self)
        for name, module in self.model.named_modules():
            if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.Embedding, nn.EmbeddingBag)):
                self._handles.append(module.register_forward_pre_hook(_refusal(name, module, self)))
        units = self.units if self.root in self.units else [self.root, *self.units]
        for unit in units:
            hook = _closed_form_hook(self, unit) if unit.rule else _general_hook(self, unit)
            self._handles.append(unit.module.register_forward_hook(hook, with_kwargs=True))
        for name, parameter in self.parameters.items():
            self._handles.append(parameter.register_hook(_parameter_hook(self, name)))


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


def _units_of(model: nn.Module, parameters: dict[str, nn.Parameter]) -> list[Unit]:
    """Every module with trainable parameters of its own, in the model's order; tied ones without a rule."""
    known = {id(p): name for name, p in parameters.items()}
    owners: dict[str, int] = {}
    listed: list[tuple[str, nn.Module, tuple[str, ...]]] = []
    inside = ""
    for name, module in model.named_modules():
        if inside and name.startswith(inside):
            continue
        # Attention applies its output projection without calling it, so it answers for that one too.
        whole = isinstance(module, nn.MultiheadAttention)
        inside = f"{name}." if whole and name else inside
        own = tuple(dict.fromkeys(known[id(p)] for p in module.parameters(recurse=whole) if id(p) in known))
        for parameter in own:
            owners[parameter] = owners.get(parameter, 0) + 1
        if own:
            listed.append((name, module, own))
        if whole and not name:
            break
    units = []
    met: set[str] = set()
    for name, module, own in listed:
        tied = any(owners[parameter] > 1 for parameter in own) or len(own) < _own_count(module, own)
        found = None if tied else rule_for(module)
        rule, route = (found[1], found[0]) if found else (None, RERUN_LAYER)
        units.append(Unit(name, module, own, rule, route, counted=not met.issuperset(own)))
        met.update(own)
    return units


def _own_count(module: nn.Module, own: tuple[str, ...]) -> int:
    """Trainable parameters of the module counted by name, so that one used under two names counts twice."""
    if isinstance(module, nn.MultiheadAttention):
        return len(own)
    return sum(p is not None and p.requires_grad for p in module._parameters.values())


def _refusal(name: str, watched: nn.Module, capture: Capture) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        why = coupling(module)
        if why and module is watched and torch.is_grad_enabled() and not capture.paused:
            raise InputError(
                f"`model`: layer `{name or type(module).__name__}` ({type(module).__name__}) {why}, so "
                "single examples have no gradient of their own: call model.eval() before the forward pass, "
                "replace the layer (nn.GroupNorm instead of BatchNorm), or compare the gradients of "
                "microbatches instead."
            )

    return hook


def _closed_form_hook(capture: Capture, unit: Unit) -> Callable[..., None]:
    """Takes the norms as soon as the output gradient comes, so that nothing is kept longer than needed."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        if capture.looks_away(unit, module):
            return
        if unit.rule is None or not output.requires_grad:
            if unit is capture.root and unit.rule is None:
                general(module, args, kwargs, output)
            return
        x = args[0] if args else kwargs["input"]
        if not fewest <= x.dim() <= most:
            unit.give_up()
            return
        call = Call((x.detach(),), {}, [None])
        unit.calls.append(call)
        shape = output.shape

        def on_delta(gradients: tuple[Tensor | None, ...]) -> None:
            if capture.paused or gradients[0] is None:
                return
            if call.deltas[0] is not None:
                capture.twice = capture.twice or unit.name
            delta = gradients[0]
            if delta.shape != shape:
                delta = delta.reshape(shape)
            call.deltas[0] = delta
            if len(unit.calls) == 1 and unit.norms is None and unit.rule is not None:
                unit.norms = unit.rule(module, *full_precision(call.args[0], delta))
                if not capture.keep:
                    call.args, call.deltas[0] = (), delta.new_empty(0)  # a view would keep all of δ

        # A layer on [m, T, d] returns a view; an in-place operation after it leaves only the base's node.
        base = output._base
        node = output.grad_fn if base is None or base.grad_fn is None else base.grad_fn
        assert node is not None
        node.register_prehook(on_delta)

    fewest, most = wanted_dims(unit.module)
    general = _general_hook(capture, unit)
    return hook


def _general_hook(capture: Capture, unit: Unit) -> Callable[..., None]:
    """Keeps inputs and output gradients for a rerun."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        if capture.looks_away(unit, module):
            return
        outputs = tensors_of(output)
        if any(t.requires_grad for t in outputs):
            call = Call(detached(args), detached(kwargs), [None] * len(outputs))
            unit.calls.append(call)
            for position, tensor in enumerate(outputs):
                if tensor.requires_grad:
                    tensor.register_hook(_delta_hook(capture, unit, call, position))

    return hook


def _delta_hook(capture: Capture, unit: Unit, call: Call, position: int) -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        if not capture.paused:
            if call.deltas[position] is not None:
                capture.twice = capture.twice or unit.name or type(unit.module).__name__
            call.deltas[position] = gradient.detach()

    return hook


def _parameter_hook(capture: Capture, name: str) -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        if not capture.paused:
            if capture.keep:
                capture.sketches[name] = sketch(gradient), float(squared_norm(gradient)) ** 0.5
            capture.on_gradient(name, gradient)

    return hook
