"""Hooks that put a robust gradient in the place of each parameter's gradient, while backward() runs.

A parameter's own hook is called when its whole gradient has come, and by then so have the inputs and output
gradients of the layers it took part in. What the hook returns goes on to ``p.grad``, so accumulation, loss
scaling, clipping and the averaging of ``DistributedDataParallel`` work as they do without it.
"""

import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from rote.aggregate import Aggregate, Clamp
from rote.errors import InputError
from rote.gradients._capture import _ACTIVE
from rote.gradients._conv import Conv
from rote.gradients._distributed import unwrap
from rote.gradients._microbatch_choice import why_not_exact
from rote.gradients._units import Call, Unit, units_of
from rote.optim._hooks import closed_hooks, general_hook, parameter_hook, refuse_coupling, refuse_thawed
from rote.optim._settle import Seen, settled

Choice = Callable[[nn.Parameter], Aggregate | None]


def winsorize(model: nn.Module, c: int) -> "RobustGradients":
    """From now on, let ``backward()`` leave winsorized gradients of level c in ``p.grad``.

    Coordinate by coordinate, the c largest and the c smallest of the examples' gradients are clamped to the
    next ones before they are summed, so that what only c examples want in one direction has no say
    (Chatterjee 2020, "Coherent Gradients", §3, where with a batch of 100 c is the percentile by nearest
    rank). Any optimizer may follow. The batch is that of one ``backward()``; several before a step add up.

    Args:
        model: Any module called as a whole, its inputs and outputs with the examples in their first
            dimension. Its loss must be the mean or the sum over the examples of the batch.
        c: How many to clamp at each end; 0 changes nothing.

    Returns:
        What undoes it: ``close()``, or the end of a ``with`` block. A later call on the same model replaces
        it.

    Raises:
        InputError: If ``c`` is no whole number of at least 0, or nothing in the model can be trained, or it
            is compiled, sharded, or wrapped in ``nn.DataParallel``. In the forward pass: if BatchNorm is in
            training mode, which couples the examples. In the backward pass: if the batch has fewer than
            ``2c + 1`` examples, or a layer's examples cannot be told apart.

    Example:
        >>> model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [2.0], [90.0]])
        >>> with winsorize(model, c=1):
        ...     model(x).mean().backward()
        >>> model.weight.grad
        tensor([[2.]])
    """
    return RobustGradients(model, Clamp(c))


class RobustGradients:
    """Robust gradients in ``p.grad``, by any aggregate; :func:`winsorize` is this with :class:`Clamp`.

    Args:
        model: See :func:`winsorize`.
        aggregate: What to make of the examples' gradients of every parameter, or a function that says it of
            each parameter, and ``None`` where its gradient is to stay as it is.

    Raises:
        InputError: See :func:`winsorize`.

    Example:
        >>> from rote.aggregate import GroupMedian
        >>> model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [2.0], [90.0]])
        >>> with RobustGradients(model, GroupMedian(3)) as robust:
        ...     model(x).mean().backward()
        >>> model.weight.grad, robust.coverage
        (tensor([[2.]]), {'Linear': 'linear'})
    """

    def __init__(self, model: nn.Module, aggregate: Aggregate | Choice) -> None:
        refuse_unusable(model)
        self.model, _, _ = unwrap(model)
        self.parameters = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.frozen = {n: p for n, p in self.model.named_parameters() if not p.requires_grad}
        if not self.parameters:
            raise InputError(
                "`model` must have a parameter with requires_grad=True. Got none: unfreeze a layer."
            )
        self.paused = False
        self.choice: Choice = aggregate if callable(aggregate) else lambda p: aggregate
        units = units_of(self.model, self.parameters)
        root = units[0] if units[0].name == "" else Unit("", self.model, (), None, "")
        self.seen = Seen(self.model, self.parameters, units, root)
        self._queued = False
        self._handles: list[Any] = []
        self._replace_others()
        self._attach()

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, which way its gradient is taken; final after the first backward pass."""
        return {u.name or type(self.model).__name__: u.route for u in self.seen.units if u.counted}

    def check(self) -> None:
        """Ask for the self-check, made in the first backward pass, to be made in the next one again."""
        self.seen.keep = True

    def close(self) -> None:
        """Remove every hook: gradients are plain ones again."""
        self.paused = True
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _replace_others(self) -> None:
        mine = {id(p) for p in self.parameters.values()}
        for other in list(_ROBUST):
            if mine & {id(p) for p in other.parameters.values()}:
                other.close()
        _ROBUST.add(self)
        _ACTIVE.add(self)  # type: ignore[arg-type]  # so that it looks away while gradients are measured

    def _attach(self) -> None:
        hooks = self._handles
        for name, module in self.model.named_modules():
            if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.Embedding, nn.EmbeddingBag)):
                hooks.append(module.register_forward_pre_hook(refuse_coupling(self, name, module)))
        for unit in {id(u): u for u in (self.seen.root, *self.seen.units)}.values():
            if unit.rule is None:
                hooks.append(unit.module.register_forward_hook(general_hook(self, unit), with_kwargs=True))
                continue
            before, after = closed_hooks(self, unit)
            if isinstance(unit.module, (nn.Linear, Conv)):
                hooks.append(unit.module.register_forward_pre_hook(before, with_kwargs=True))
            hooks.append(unit.module.register_forward_hook(after, with_kwargs=True, always_call=True))
        hooks.append(self.model.register_forward_pre_hook(refuse_thawed(self)))
        for name, parameter in self.parameters.items():
            hooks.append(parameter.register_hook(parameter_hook(self, name)))

    def looks_away(self, unit: Unit, module: nn.Module) -> bool:
        """Whether a call does not count; a copy of a module carries its hooks along."""
        if self._queued and torch._C._current_graph_task_id() == -1:
            self._end()  # an exception ended the last backward pass
        return (
            self.paused
            or module is not unit.module
            or not torch.is_grad_enabled()
            or torch._C._functorch.peek_interpreter_stack() is not None
        )

    def alone(self, p: nn.Parameter) -> bool:
        """Whether nobody else has a hook on a parameter."""
        return len(p._backward_hooks or ()) == 1

    def arrive(self, unit: Unit, call: Call, position: int, delta: Tensor | None) -> None:
        """An output gradient of one call."""
        if self.paused or delta is None:
            return
        if not self._queued:
            self._queued = True
            torch.autograd.Variable._execution_engine.queue_callback(self._end)
        if not call.arrived:
            unit.calls.append(call)
        call.deltas[position] = delta.detach()

    def _end(self) -> None:
        """The backward pass is over; its graph may be used again, so the calls only lose what arrived."""
        self._queued = False
        done = self.seen.settled_any
        for unit in (self.seen.root, *self.seen.units):
            for call in unit.calls:
                call.deltas[:] = [None] * len(call.deltas)
            unit.calls.clear()
        if done:
            self.seen.keep = False
            self.seen.settled_any = False

    def replaced(self, name: str, gradient: Tensor) -> Tensor | None:
        """What goes on to ``p.grad`` in the place of the gradient of one parameter; ``None``: itself."""
        if self.paused:
            return None
        aggregate = self.choice(self.parameters[name])
        self.paused = True
        try:
            return settled(self.seen, name, gradient, aggregate)
        finally:
            self.paused = False


_ROBUST: "weakref.WeakSet[RobustGradients]" = weakref.WeakSet()


def refuse_unusable(model: nn.Module) -> None:
    """Raise for models whose layers' calls cannot be seen here."""
    reason = why_not_exact(model)
    if reason.endswith("is compiled"):
        raise InputError(
            f"`model` must not be compiled, since compiled code does not show its layers. Got one where "
            f"{reason}: give the model itself, or use M3 or RM3, which need no examples' gradients."
        )
    if any(type(module).__name__.startswith("FSDP") for module in model.modules()):
        raise InputError(
            "`model` must not be sharded (FSDP): no process has whole gradients of its examples. Use "
            "DistributedDataParallel, or M3 or RM3."
        )
