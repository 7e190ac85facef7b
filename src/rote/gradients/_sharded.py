"""Models whose parameters FSDP2 (``fully_shard``) keeps in pieces: what can be seen of their gradients.

Autograd's hooks on sharded parameters do not fire, and a layer cannot be run again on a piece of its weight.
So only layers with a closed form, called once, are measured; the gradient of all ranks is the sharded
``p.grad``, whose squared norm is taken piece by piece as soon as it is there.
"""

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._check import HALF_TOLERANCES, TOLERANCES
from rote.gradients._distributed import Ranks
from rote.gradients._rules import may_be_second
from rote.gradients._settle import batch_size
from rote.gradients._sums import full_precision, sketch


class Shards:
    """Hooks on sharded parameters.

    Args:
        capture: The hooks on the model.
        on_gradient: Called with a parameter's name and this rank's piece of the gradient of all ranks.
    """

    def __init__(self, capture: Capture, on_gradient: Callable[[str, Tensor], None]) -> None:
        self._capture = capture
        self._on_gradient = on_gradient
        self._older: str | None = None
        self._handles: list[Any] = []
        self.attach()

    def attach(self) -> None:
        """Put the hooks on the model, for the first time or again."""
        capture = self._capture
        self._handles.append(capture.model.register_forward_pre_hook(self._before))
        for name, parameter in capture.parameters.items():
            ready = _ready(capture, name, self._on_gradient)
            self._handles.append(parameter.register_post_accumulate_grad_hook(ready))

    def detach(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def prepare(self, reached: Collection[str]) -> None:
        """Raise unless the gradient of all ranks, and only of this backward pass, is there.

        Args:
            reached: Parameters whose gradient came.
        """
        capture = self._capture
        older, self._older = self._older, None
        if older is not None:
            raise InputError(
                f"`p.grad` of `{older}` held an older gradient when the model was called, so what is there "
                "now is not this batch's: call optimizer.zero_grad() before each forward pass."
            )
        if not reached and any(unit.norms is not None for unit in capture.units):
            raise InputError(
                "`update()` needs the gradient of all ranks. Got none of this backward pass: measure only "
                "passes after set_requires_gradient_sync(True)."
            )

    def complete(self, reached: Collection[str]) -> None:
        """Make sure that every layer is measured already, so that none must be run again.

        Args:
            reached: Parameters whose gradient came.
        """
        capture = self._capture
        m = batch_size(capture)
        for unit in capture.units:
            if not any(name in reached for name in unit.parameters):
                unit.norms = torch.zeros(m, device=capture.parameters[unit.parameters[0]].device)
            elif unit.norms is None or len(unit.calls) != 1 or len(unit.norms) != m:
                raise InputError(
                    f"`model`: layer `{unit.name}` ({type(unit.module).__name__}) has no closed form or is "
                    "called more than once, and cannot be run again while FSDP shards it: shard only blocks "
                    "around single layers, or train with DistributedDataParallel."
                )

    def check(self, ranks: Ranks) -> None:
        """The self-check: what was captured of each layer is all of its gradient. Every rank must call it."""
        capture = self._capture
        for unit in capture.units:
            if unit.doubtful and may_be_second(unit.module, unit.calls[0].args[0]):
                raise InputError(
                    f"`model`: layer `{unit.name}` ({type(unit.module).__name__}) met as many positions as "
                    "examples, and which is which cannot be tried while FSDP shards the model: take another "
                    "number of examples, or of positions, on the first step."
                )
        known = {name: s for unit in capture.units for name, s in (unit.implied or {}).items()}
        expected = {}
        for name, p in capture.parameters.items():
            whole: Any = p.grad
            if whole is not None:
                expected[name] = sketch(full_precision(whole.full_tensor())[0]).double().view(-1)
        none = {name: torch.zeros_like(e) for name, e in expected.items()}
        flat = ranks.mean(torch.cat([known.get(name, none[name]).double().view(-1) for name in expected]))
        implied = dict(zip(expected, flat.split([len(e) for e in expected.values()]), strict=True))
        # Whatever changed all of p.grad by one factor since then, as clipping does, is no matter.
        dot = sum(torch.dot(implied[n], e) for n, e in expected.items())
        square = sum(torch.dot(i, i) for i in implied.values())
        c = float(dot / square) if float(square) > 0 else 1.0
        total = float(square) ** 0.5 * abs(c)
        differences = {name: float((c * implied[name] - e).norm()) for name, e in expected.items()}
        for name in sorted(differences, key=lambda name: -differences[name]):
            tolerances = TOLERANCES.get(capture.parameters[name].dtype, HALF_TOLERANCES)
            relative, absolute = HALF_TOLERANCES if capture.half else tolerances
            if differences[name] > relative * float(expected[name].norm()) + absolute * total:
                raise InputError(
                    f"`model`: what was captured of its layers does not add up to the gradient of `{name}`: "
                    "under FSDP the loss must reach it only through the module that owns it, and the "
                    "gradient must be the mean over the ranks."
                )

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if self._capture.paused or not torch.is_grad_enabled():
            return
        for name, parameter in self._capture.parameters.items():
            grad: Any = parameter.grad
            if grad is not None and bool(grad.to_local().any()):
                self._older = name
                return
        self._older = None


def _ready(capture: Capture, name: str, on_gradient: Callable[[str, Tensor], None]) -> Callable[[Any], None]:
    def hook(parameter: Any) -> None:  # noqa: ANN401
        if not capture.paused and parameter.grad is not None:
            on_gradient(name, parameter.grad.to_local())

    return hook


def whole_squares(squares: dict[str, Tensor], names: Collection[str], ranks: Ranks) -> dict[str, float]:
    """Squared norms of whole gradients from those of this rank's pieces; 0 where none came.

    Args:
        squares: By parameter, of this rank's piece.
        names: All parameters, the same on every rank.
        ranks: Who holds the other pieces; all of them must call this.
    """
    own = torch.stack(
        [squares[n].double().cpu() if n in squares else torch.zeros(()).double() for n in names]
    )
    return dict(zip(names, ranks.total(own).tolist(), strict=True))
