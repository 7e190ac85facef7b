"""Optimizers that combine three gradients: M3, RM3 and, as their control, RA3.

Zielinski, Krishnan & Chatterjee 2020, "Weak and Strong Gradient Directions: Explaining Memorization,
Generalization, and Hardness of Examples at Scale", arXiv 2003.07422; details are those of the authors' code.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from rote.aggregate._means import means_of_three, medians_of_three
from rote.errors import InputError
from rote.optim._options import check_groups, whole_tensors

Combine = Callable[..., list[Tensor]]


class _OfThree(Optimizer):
    """Keeps two gradients of each parameter; the third one is ``p.grad``."""

    #: Three gradients at the same weights, one update; else the last three, an update at every step.
    _waits = False
    _combine: Combine = staticmethod(medians_of_three)

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        *,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        allow_momentum: bool = False,
        foreach: bool | None = None,
    ) -> None:
        self._allow_momentum = allow_momentum
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "foreach": foreach}
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters; options that it does not name are the optimizer's.

        Raises:
            InputError: If an option is out of range, or momentum is given and was not allowed.
        """
        options = {**self.defaults, **param_group}
        check_groups(options)
        if options["momentum"] and not self._allow_momentum:
            raise InputError(
                f"`momentum` makes {type(self).__name__} unstable, say its authors, who refuse it. Got "
                f"momentum={options['momentum']}: leave it 0, or say allow_momentum=True to try it."
            )
        super().add_param_group(param_group)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take this step's gradients and, if it is time, update the parameters.

        Args:
            closure: Computes the loss anew with its gradients, once; its value is returned.

        Raises:
            InputError: If a gradient is sparse or complex.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            ready: dict[int, list[Tensor]] = {}  # by the slot that the gradient goes to
            for p in group["params"]:
                if p.grad is not None:
                    slot = self._slot(p)
                    ready.setdefault(slot, []).append(p)
            for slot, parameters in ready.items():
                self._advance(group, parameters, slot)
        return loss

    def _slot(self, p: Tensor) -> int:
        """Count one more gradient. 0, 1: keep it there; 2, 3: update first, then keep it in 0 or 1."""
        state = self.state[p]
        seen = state["seen"] = state.get("seen", 0) + 1
        if self._waits:
            return 2 if seen % 3 == 0 else int(seen % 3 - 1)
        return int((seen - 1) % 2 + (2 if seen > 2 else 0))

    def _advance(self, group: dict[str, Any], parameters: list[Tensor], slot: int) -> None:
        """One step of parameters that have had equally many gradients."""
        foreach = whole_tensors(group["foreach"], parameters)
        gradients = [_dense(type(self).__name__, p) for p in parameters]
        if decay := group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=decay))
        states = [self.state[p] for p in parameters]
        if slot >= 2:
            three = [s["gradient_0"] for s in states], [s["gradient_1"] for s in states], gradients
            update = type(self)._combine(*three, foreach=foreach)
            if group["momentum"]:
                update = [_roll(s, u, group["momentum"]) for s, u in zip(states, update, strict=True)]
            _subtract(parameters, update, float(group["lr"]), foreach=foreach)
        if self._waits and slot == 2:
            return
        _keep(states, f"gradient_{slot % 2}", gradients, own=bool(decay), foreach=foreach)


class M3(_OfThree):
    """SGD with the median of three gradients at the same weights: one update for every three steps.

    Three successive minibatches are three groups of examples, and the median, coordinate by coordinate, drops
    what only one group wants; nothing is rescaled, so an epoch has a third of the updates at the same
    learning rate. Arithmetic is that of SGD: weight decay is added to each gradient before the median.

    Args:
        params: Parameters, or groups of them with options of their own.
        lr: Learning rate.
        weight_decay: Coupled L2 penalty.
        momentum: Refused unless ``allow_momentum``; then as in SGD, of the medians.
        allow_momentum: Whether momentum may be used, which the authors found to be unstable.
        foreach: Whether to update all tensors of a group at once; ``None``: on a GPU.

    Raises:
        InputError: If an option is out of range, or momentum is given and not allowed.

    Example:
        >>> w = torch.zeros(1, requires_grad=True)
        >>> optimizer = M3([w], lr=1.0)
        >>> for gradient in (1.0, 90.0, 2.0):
        ...     w.grad = torch.tensor([gradient])
        ...     optimizer.step()
        ...     print(w.item())
        0.0
        0.0
        -2.0
    """

    _waits = True


class RM3(_OfThree):
    """SGD with the median of the last three gradients: the cheaper, rolling M3.

    The first two steps update nothing; from the third on each does, with two gradients taken at older
    weights. Arguments and errors are those of :class:`M3`.

    Example:
        >>> w = torch.zeros(1, requires_grad=True)
        >>> optimizer = RM3([w], lr=1.0)
        >>> for gradient in (1.0, 90.0, 2.0, 3.0):
        ...     w.grad = torch.tensor([gradient])
        ...     optimizer.step()
        ...     print(w.item())
        0.0
        0.0
        -2.0
        -5.0
    """


class RA3(_OfThree):
    """SGD with the mean of the last three gradients: what RM3 is without the median.

    A control that tells the effect of the median from that of averaging and of older gradients. Arguments and
    errors are those of :class:`M3`.

    Example:
        >>> w = torch.zeros(1, requires_grad=True)
        >>> optimizer = RA3([w], lr=1.0)
        >>> for gradient in (1.0, 90.0, 2.0):
        ...     w.grad = torch.tensor([gradient])
        ...     optimizer.step()
        >>> w.item()
        -31.0
    """

    _combine: Combine = staticmethod(means_of_three)


def _dense(name: str, p: Tensor) -> Tensor:
    gradient = p.grad
    assert gradient is not None
    if gradient.is_sparse or not gradient.is_floating_point():
        what = "a sparse" if gradient.is_sparse else f"a {gradient.dtype}"
        raise InputError(
            f"`params` must have dense real gradients for {name}. Got {what} one of shape "
            f"{tuple(gradient.shape)}: use sparse=False in the embedding, or SGD for this parameter."
        )
    return gradient


def _keep(
    states: list[dict[str, Any]], slot: str, gradients: list[Tensor], *, own: bool, foreach: bool
) -> None:
    """Keep copies of the gradients, or the gradients if they are ours to keep."""
    if own or any(slot not in state for state in states):
        for state, gradient in zip(states, gradients, strict=True):
            state[slot] = gradient if own else gradient.clone()
        return
    kept = [state[slot] for state in states]
    if foreach:
        torch._foreach_copy_(kept, gradients)
    else:
        _each(Tensor.copy_, kept, gradients)


def _subtract(parameters: list[Tensor], update: list[Tensor], lr: float, *, foreach: bool) -> None:
    if foreach:
        torch._foreach_add_(parameters, update, alpha=-lr)
    else:
        _each(lambda p, u: p.add_(u, alpha=-lr), parameters, update)


def _roll(state: dict[str, Any], update: Tensor, momentum: float) -> Tensor:
    """SGD's momentum."""
    if "momentum_buffer" not in state:
        state["momentum_buffer"] = update.clone()
        return update
    buffer: Tensor = state["momentum_buffer"]
    return buffer.mul_(momentum).add_(update)


def _each(function: Callable[[Tensor, Tensor], object], a: Iterable[Tensor], b: Iterable[Tensor]) -> None:
    for left, right in zip(a, b, strict=True):
        function(left, right)
