"""The hooks on a model's layers and parameters whose gradients become robust ones."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._broadcast import packed
from rote.gradients._fused import cut_off, join
from rote.gradients._rules import coupling, wanted_dims
from rote.gradients._tree import detached, tensors_of
from rote.gradients._units import Call, Unit
from rote.optim._settle import CutCall

if TYPE_CHECKING:
    from rote.optim._robust import RobustGradients


class _Closed:
    """Sees the input and the output gradient of a layer with a closed form.

    Once the layer has passed the self-check its parameters are cut off from the graph in the forward pass, so
    that autograd does not form a gradient that is replaced anyway: a placeholder goes to their hooks, which
    tells, too, whether the parameters took part elsewhere.
    """

    def __init__(self, robust: "RobustGradients", unit: Unit) -> None:
        self.robust, self.unit = robust, unit
        self.fewest, self.most = wanted_dims(unit.module)
        self.general = general_hook(robust, unit)
        self.cut: dict[str, nn.Parameter] = {}

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Cut the parameters off where that changes nothing else."""
        robust, unit = self.robust, self.unit
        if self.cut or unit.rule is None or robust.looks_away(unit, module) or not robust.seen.trusts(unit):
            return
        own = [p for p in module._parameters.values() if p is not None and p.requires_grad]
        # Somebody else's hook on a parameter, such as a meter's, wants to see the plain gradient.
        if all(robust.alone(p) for p in own) and self._can_cut(args[0] if args else kwargs.get("input")):
            self.cut = cut_off(module)

    def after(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor | None
    ) -> Tensor | None:
        """Arrange for the output gradient to be seen; called also after a forward pass that failed."""
        unit, cut, robust = self.unit, self.cut, self.robust
        if cut:
            module._parameters.update(cut)
            self.cut = {}
        if output is None or not (cut or output.requires_grad):
            return None
        if not cut and robust.looks_away(unit, module):
            return None
        if unit.rule is None:
            self.general(module, args, kwargs, output)
            return None
        x: Tensor = args[0] if args else kwargs["input"]
        call, shape = (CutCall if cut else Call)((x.detach(),), {}, [None]), output.shape
        if cut:
            return join(output, x, cut, partial(self._give, call, shape, tuple(cut)))

        def on_delta(gradients: tuple[Tensor | None, ...]) -> None:
            if gradients[0] is not None:
                robust.arrive(unit, call, 0, gradients[0].reshape(shape))

        # A layer on [m, T, d] returns a view; an in-place operation after it leaves only the base's node.
        base = output._base
        node = output.grad_fn if base is None or base.grad_fn is None else base.grad_fn
        assert node is not None
        node.register_prehook(on_delta)
        return None

    def _can_cut(self, x: object) -> bool:
        return (
            isinstance(x, Tensor)
            and self.fewest <= x.dim() <= self.most
            and x.dtype in (torch.float32, torch.float64)
            and not torch.is_autocast_enabled(x.device.type)
            and not torch.compiler.is_compiling()
            and torch.autograd.forward_ad._current_level < 0
            and not packed()  # a checkpointed part must run the second time as it did the first
        )

    def _give(
        self, call: Call, shape: torch.Size, names: tuple[str, ...], x: Tensor, delta: Tensor
    ) -> tuple[Tensor, ...]:
        """Placeholders for the gradients of the parameters that were cut off."""
        robust, unit = self.robust, self.unit
        if torch.is_grad_enabled():
            raise InputError(
                "`create_graph` must be False: robust gradients have no second derivatives. Got a backward "
                f"pass with it through layer `{unit.name or type(unit.module).__name__}`: take these on a "
                "copy of the model."
            )
        if robust.paused:  # closed meanwhile: plain gradients
            return robust.seen.sums(unit, x, delta.reshape(shape), names)
        robust.arrive(unit, call, 0, delta.reshape(shape))
        return tuple(robust.seen.placeholder(unit, name) for name in names)


def closed_hooks(robust: "RobustGradients", unit: Unit) -> tuple[Callable[..., None], Callable[..., Any]]:
    """What is called before and after a layer with a closed form.

    Functions, not methods: a deep copy of a model copies the object behind a method, which would then serve
    the copy, but leaves functions alone.
    """
    closed = _Closed(robust, unit)

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        closed.before(module, args, kwargs)

    def after(
        module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor | None
    ) -> Tensor | None:
        return closed.after(module, args, kwargs, output)

    return before, after


def general_hook(robust: "RobustGradients", unit: Unit) -> Callable[..., None]:
    """Keeps what is needed to run a module again; the graph keeps it, and loses it with itself."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        if robust.looks_away(unit, module):
            return
        outputs = tensors_of(output)
        call = Call(detached(args), detached(kwargs), [None] * len(outputs))
        for position, tensor in enumerate(outputs):
            if tensor.requires_grad:
                tensor.register_hook(partial(robust.arrive, unit, call, position))

    return hook


def parameter_hook(robust: "RobustGradients", name: str) -> Callable[[Tensor], Tensor | None]:
    """Replaces one parameter's gradient."""

    def hook(gradient: Tensor) -> Tensor | None:
        return robust.replaced(name, gradient)

    return hook


def refuse_coupling(robust: "RobustGradients", name: str, watched: nn.Module) -> Callable[..., None]:
    """Refuses layers that couple the examples, in the forward pass."""

    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        why = coupling(module)
        if why and module is watched and torch.is_grad_enabled() and not robust.paused:
            raise InputError(
                f"`model`: layer `{name or type(module).__name__}` ({type(module).__name__}) {why}, so "
                "single examples have no gradient of their own: call model.eval() before the forward pass, "
                "replace the layer (nn.GroupNorm instead of BatchNorm), or use M3 or RM3."
            )

    return hook


def refuse_thawed(robust: "RobustGradients") -> Callable[..., None]:
    """Refuses a model of which more is trained than when its hooks were made."""

    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        thawed = next((name for name, p in robust.frozen.items() if p.requires_grad), None)
        if thawed is not None and module is robust.model and not robust.paused:
            raise InputError(
                f"`model`: parameter `{thawed}` was frozen when its gradients were to become robust and is "
                "not now: call winsorize(model, c), or make the optimizer, again."
            )

    return hook
