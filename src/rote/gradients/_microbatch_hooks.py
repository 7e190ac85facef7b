"""Hooks that sort the gradients of one step's backward passes into microbatches, and these into groups."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._capture import _ACTIVE, Capture
from rote.gradients._sums import squared_norm
from rote.gradients._tree import tensors_of


@dataclass(eq=False, slots=True)
class Forward:
    """One forward pass of the model: its number of examples and, once it got gradients, its microbatch."""

    size: int | None
    microbatch: int | None = None


class Layer:
    """One layer's sums over a step: a row of ``rows`` is ``S_g`` of one group, its parameters flat.

    Attributes:
        name: As reported.
        rows: ``[G', P_l]``, G' the groups met so far, in float32 or more.
        squares: ``Σ k_j ‖W_j‖²`` by group, from a group's second microbatch on; before it, ``‖S_g‖²/k``.
    """

    def __init__(self, name: str, parameters: dict[str, nn.Parameter]) -> None:
        self.name = name
        self.shapes = {key: parameter.shape for key, parameter in parameters.items()}
        first = next(iter(parameters.values()))
        dtypes = {parameter.dtype for parameter in parameters.values()}
        dtype = torch.float64 if torch.float64 in dtypes else torch.float32
        size = sum(parameter.numel() for parameter in parameters.values())
        self.rows = torch.empty(0, size, dtype=dtype, device=first.device)
        self.squares: dict[int, Tensor] = {}
        self._views: list[dict[str, Tensor]] = []
        self._empty: dict[str, Tensor] = {}

    def start(self, group: int) -> None:
        """Make room for a group's first microbatch."""
        if group == len(self.rows):
            self.rows = torch.cat([self.rows, self.rows.new_empty(1, self.rows.shape[1])])
            self._views = [self._parts(row) for row in self.rows]
        self._empty = dict(self._views[group])

    def join(self, group: int, size: int) -> None:
        """Make ready for a group's second microbatch, the first having had ``size`` examples."""
        self.squares[group] = squared_norm(self.rows[group]) / size

    def add(self, key: str, group: int, gradient: Tensor, factor: float, size: int) -> None:
        """Add ``factor · gradient`` to a group, of a microbatch of ``size`` examples."""
        dense = gradient.detach() if gradient.requires_grad else gradient
        if dense.dtype != self.rows.dtype or dense.is_sparse:
            dense = dense.to_dense().to(self.rows.dtype)
        room = self._empty.pop(key, None)
        if room is not None:
            torch.mul(dense, factor, out=room)  # so that what an earlier step left there is not read
        else:
            self._views[group][key].add_(dense, alpha=factor)
        if group in self.squares:
            self.squares[group].add_(squared_norm(dense), alpha=factor * factor / size)

    def finish(self) -> None:
        """Nothing more comes for this microbatch: the parameters it did not reach have the gradient 0."""
        for room in self._empty.values():
            room.zero_()
        self._empty.clear()

    def _parts(self, row: Tensor) -> dict[str, Tensor]:
        parts = row.split([shape.numel() for shape in self.shapes.values()])
        return {key: part.view(shape) for (key, shape), part in zip(self.shapes.items(), parts, strict=True)}


class Backwards:
    """The hooks on one model and what they saw since :meth:`clear`.

    A microbatch is one forward pass of the model and whatever backward passes go through it (also several
    losses, gradient penalties and reentrant checkpoints); forward passes that no gradient reaches do not
    count, and those that share a backward pass are one microbatch.

    Args:
        model: The module that is called: the compiled one, the ``DistributedDataParallel`` one.
        groups: Groups at most; microbatch j goes to group ``j % groups``.
        reduction: Whether the loss is the mean or the sum over the microbatch.
        size: Examples per microbatch; ``None``: the first dimension of the model's first input.

    Attributes:
        paused: Whether the hooks look away.
        sizes: Examples of each microbatch, in order.
        seen_forward: Whether there was a forward pass with gradients on.
        trouble: What went wrong, as a sentence; empty if nothing.
        frozen_layers: Layers with parameters that are not trained.
    """

    def __init__(
        self, model: nn.Module, *, groups: int, reduction: Literal["mean", "sum"], size: int | None
    ) -> None:
        self.model, self.groups, self.reduction, self.size = model, groups, reduction, size
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.frozen = {n: p for n, p in model.named_parameters() if not p.requires_grad}
        if not self.parameters:
            raise InputError(
                "`model` must have a parameter with requires_grad=True. Got none: unfreeze a layer."
            )
        self.layers = _layers_of(model, self.parameters)
        self.frozen_layers = sorted(set(_owners(model, self.frozen).values()))
        self.paused = False
        self._begun = 0
        self.clear()
        self._handles: list[Any] = []
        self.attach()

    def attach(self) -> None:
        """Put the hooks on the model, for the first time or again."""
        self.paused = False
        # Measurements of the same model make every capture in this set look away meanwhile.
        _ACTIVE.add(cast("Capture", self))
        hook = _forward_hook(self)
        if getattr(self.model, "_compiled_call_impl", None) is not None:
            hook = torch.compiler.disable(hook)  # or it would be compiled along with model.compile()'s graph
        self._handles.append(self.model.register_forward_hook(hook, with_kwargs=True))
        for layer in self.layers:
            for key in layer.shapes:
                self._handles.append(self.parameters[key].register_hook(_parameter_hook(self, layer, key)))

    def clear(self) -> None:
        """Forget the microbatches."""
        self.sizes: list[int] = []
        self.trouble = ""
        self.seen_forward = False
        self._fresh: list[Forward] = []
        self._task = self._fresh_task = -1
        self._met: set[str] = set()
        for layer in self.layers:
            layer.squares.clear()

    def detach(self) -> None:
        """Remove every hook."""
        self.paused = True
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def reached(self, forward: Forward) -> None:
        """A backward pass reached the output of a forward pass."""
        task = _backward_pass()
        if task != self._fresh_task:
            self._fresh.clear()  # what was reached before and gave no parameter a gradient does not count
            self._fresh_task = task
        if forward.microbatch is None:
            if all(forward is not other for other in self._fresh):
                self._fresh.append(forward)
        elif forward.microbatch != self._begun or not self.sizes:
            self.trouble = (
                "`update()` needs all backward passes of one microbatch before the next one's. Got one "
                "through a forward pass of an earlier microbatch: add its losses up and call backward() once."
            )

    def arrived(self, layer: Layer, key: str, gradient: Tensor) -> None:
        """A parameter got its gradient."""
        if self._fresh:
            self._open()
        if not self.sizes:
            self.trouble = self.trouble or (
                f"`{key}` got a gradient that did not come through the watched model's output: watch the "
                "module that you call (the compiled or wrapped one), and call it itself."
            )
            return
        if len(self.sizes) > self.groups and key in self._met:
            self.trouble = (
                "`groups` must be at least the number of microbatches where several backward passes go "
                f"through one. Got {self.groups}, and two gradients of `{key}` in microbatch "
                f"{len(self.sizes) - 1}: raise it, or add the losses up and call backward() once."
            )
        self._met.add(key)
        k = self.sizes[-1]
        group = (len(self.sizes) - 1) % self.groups
        layer.add(key, group, gradient, k if self.reduction == "mean" else 1.0, k)

    def _open(self) -> None:
        """Begin a microbatch with the forward passes that this backward pass reached, or add them to it."""
        sizes = {self.size or forward.size for forward in self._fresh}
        size = sizes.pop()
        joined = self._task == self._fresh_task and bool(self.sizes)
        if sizes or size is None or (joined and size != self.sizes[-1]):
            self.trouble = self.trouble or (
                "`microbatch_size` must be given where the model's first input does not tell the number of "
                f"examples. Got {'no tensor' if size is None else 'several sizes'} in one backward pass."
            )
        if not joined:
            turn, group = divmod(len(self.sizes), self.groups)
            for layer in self.layers:
                layer.finish()
                if turn == 0:
                    layer.start(group)
                elif turn == 1:
                    layer.join(group, self.sizes[group])
            self._met.clear()
            self.sizes.append(size or 1)
            self._begun += 1
            self._task = self._fresh_task
        for forward in self._fresh:
            forward.microbatch = self._begun
        self._fresh.clear()


def _owners(model: nn.Module, names: Iterable[str]) -> dict[str, str]:
    """By parameter, its layer as the exact meter names it, without what wrappers add to names."""
    # Attention applies its output projection without calling it, so the two are one layer.
    whole = [n for n, module in model.named_modules() if isinstance(module, nn.MultiheadAttention)]
    inner, prefix = wrappers(model)[-1]
    owners = {}
    for name in names:
        owner = name.rpartition(".")[0]
        owner = next((n for n in whole if not n or f"{owner}.".startswith(f"{n}.")), owner)
        plain = f"{owner}.".removeprefix(prefix).replace("_orig_mod.", "").rstrip(".")
        owners[name] = plain or type(inner).__name__
    return owners


def _layers_of(model: nn.Module, parameters: dict[str, nn.Parameter]) -> list[Layer]:
    """The layers with trainable parameters of their own, in the model's order."""
    owned: dict[str, dict[str, nn.Parameter]] = {}
    for name, owner in _owners(model, parameters).items():
        owned.setdefault(owner, {})[name] = parameters[name]
    return [Layer(name, group) for name, group in owned.items()]


def wrappers(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """The model and the modules that ``torch.compile`` and data-parallel wrappers hold, the outermost first.

    Beside each stands the prefix of its parameters' names in the model.

    Example:
        >>> wrappers(nn.ReLU())
        [(ReLU(), '')]
    """
    found = [(model, "")]
    while True:
        module, prefix = found[-1]
        if isinstance(getattr(module, "_orig_mod", None), nn.Module):
            found.append((cast("nn.Module", module._orig_mod), f"{prefix}_orig_mod."))
        elif isinstance(module, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            found.append((module.module, f"{prefix}module."))
        else:
            return found


def _forward_hook(seen: Backwards) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        # Inside a compiled graph Python's side effects are not to be had.
        if (
            torch.compiler.is_compiling()
            or seen.paused
            or module is not seen.model
            or not torch.is_grad_enabled()
        ):
            return
        seen.seen_forward = True
        inputs = [tensor for tensor in tensors_of((args, kwargs)) if tensor.dim()]
        forward = Forward(len(inputs[0]) if inputs else None)

        def on_gradient(gradient: Tensor) -> None:
            if not seen.paused:
                seen.reached(forward)

        plain = vars(output) if dataclasses.is_dataclass(output) and not isinstance(output, dict) else output
        for tensor in tensors_of(plain):
            if tensor.requires_grad:
                tensor.register_hook(on_gradient)

    return hook


def _parameter_hook(seen: Backwards, layer: Layer, key: str) -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        if not seen.paused:
            seen.arrived(layer, key, gradient)

    return hook


def _backward_pass() -> int:
    """A number that tells the backward pass under way from any other."""
    return int(torch._C._current_graph_task_id())
