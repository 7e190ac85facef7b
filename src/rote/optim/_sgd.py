"""SGD with a robust mean of the examples' gradients in the place of their mean."""

import weakref
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.optimizer import Optimizer, ParamsT

from rote.aggregate import Aggregate, Clamp, Drop, GroupMedian
from rote.errors import InputError
from rote.optim._options import check_groups
from rote.optim._robust import RobustGradients


class _RobustSGD(SGD):
    """SGD whose model leaves robust gradients in ``p.grad`` for as long as the optimizer lives.

    Attributes:
        gradients: The hooks on the model: ``coverage``, ``check()``, ``close()``.
    """

    gradients: RobustGradients

    def __init__(
        self,
        model: nn.Module,
        level: dict[str, int],
        *,
        params: ParamsT | None,
        foreach: bool | None,
        **options: float,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(
                "`model` must be a torch.nn.Module, whose examples' gradients are needed. Got "
                f"{type(model).__name__}: pass the model, and parameter groups as params=."
            )
        check_groups(options)
        self._level, self._known = level, {id(p) for p in model.parameters()}
        self._group_of: dict[int, int] = {}
        super().__init__(model.parameters() if params is None else params, foreach=foreach, **options)  # type: ignore[arg-type]
        own = weakref.ref(self)  # the hooks stay on the model, and must not keep the optimizer

        def choice(p: nn.Parameter) -> Aggregate | None:
            optimizer = own()
            index = None if optimizer is None else optimizer._group_of.get(id(p))
            return (
                None if optimizer is None or index is None else optimizer._of(optimizer.param_groups[index])
            )

        self.gradients = RobustGradients(model, choice)
        weakref.finalize(self, self.gradients.close)

    def _of(self, group: dict[str, Any]) -> Aggregate:
        """What is made of the gradients of a group's parameters."""
        raise NotImplementedError

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of the model's parameters; options that it does not name are the optimizer's.

        Raises:
            InputError: If an option is out of range, or a parameter is not one of the model's.
        """
        group = {**self._level, **param_group}
        self._of(group)  # which checks the level
        check_groups({**self.defaults, **group})
        super().add_param_group(group)
        added: list[Tensor] = self.param_groups[-1]["params"]
        for p in added:
            if id(p) not in self._known:
                raise InputError(
                    f"`params` must be parameters of `model`. Got another one, of shape {tuple(p.shape)}: "
                    "give it to an optimizer of its own."
                )
            self._group_of[id(p)] = len(self.param_groups) - 1

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy, which no model serves, must not pass for the original."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if "gradients" not in self.__dict__:
            self.register_step_pre_hook(_refuse_copy)


class _AtTheEnds(_RobustSGD):
    """What :class:`WinsorizedSGD` and :class:`TrimmedMean` are given."""

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        c: int,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        *,
        params: ParamsT | None = None,
        foreach: bool | None = None,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(model, {"c": c}, params=params, foreach=foreach, **options)


class WinsorizedSGD(_AtTheEnds):
    """SGD with winsorized gradients of level c; with ``c=0`` it is SGD.

    Of each coordinate the c largest and the c smallest of the examples' gradients are clamped to the next
    ones (Chatterjee 2020, "Coherent Gradients", §3). The learning rate keeps its meaning. ``c`` is an option
    of a parameter group like ``lr``, so it may differ between groups or change while training. For an
    optimizer other than SGD see :func:`winsorize`, which says too what is refused.

    Args:
        model: The model, not its parameters: examples' gradients come from its layers.
        lr: Learning rate.
        c: How many to clamp at each end.
        momentum: As in SGD.
        weight_decay: As in SGD; the penalty is not winsorized.
        params: Parameters of the model, or groups of them; all by default. The others keep plain gradients.
        foreach: As in SGD.

    Raises:
        InputError: If an option is out of range, or the model cannot be served.

    Example:
        >>> model, x = nn.Linear(1, 1, bias=False), Tensor([[1.0], [2.0], [90.0]])
        >>> optimizer = WinsorizedSGD(model, lr=0.1, c=1)
        >>> model(x).mean().backward()
        >>> model.weight.grad
        tensor([[2.]])
        >>> optimizer.step()
    """

    def _of(self, group: dict[str, Any]) -> Aggregate:
        return Clamp(group["c"])


class TrimmedMean(_AtTheEnds):
    """SGD with trimmed means: the c largest and the c smallest are left out, not clamped.

    For comparison with :class:`WinsorizedSGD`, whose arguments and errors it has (Yin et al. 2018, arXiv
    1803.01498). The rest is scaled by ``m / (m - 2c)``, so that the learning rate keeps its meaning.

    Example:
        >>> model, x = nn.Linear(1, 1, bias=False), Tensor([[1.0], [2.0], [3.0], [90.0]])
        >>> optimizer = TrimmedMean(model, lr=0.1, c=1)
        >>> model(x).mean().backward()
        >>> model.weight.grad
        tensor([[2.5000]])
    """

    def _of(self, group: dict[str, Any]) -> Aggregate:
        return Drop(group["c"])


class MedianOfMeans(_RobustSGD):
    """SGD with the median of the means of groups of a batch: M3 within one batch if there are three.

    Groups are neighbours in the batch and differ in size by at most one. For comparison with :class:`M3`,
    which needs no examples' gradients, and :class:`WinsorizedSGD`, whose other arguments and errors it has.

    Args:
        model: The model.
        lr: Learning rate.
        groups: How many groups; 1 is SGD.
        momentum: As in SGD.
        weight_decay: As in SGD.
        params: See :class:`WinsorizedSGD`.
        foreach: As in SGD.

    Example:
        >>> model, x = nn.Linear(1, 1, bias=False), Tensor([[1.0], [2.0], [90.0]])
        >>> optimizer = MedianOfMeans(model, lr=0.1, groups=3)
        >>> model(x).mean().backward()
        >>> model.weight.grad
        tensor([[2.]])
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        groups: int = 3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        *,
        params: ParamsT | None = None,
        foreach: bool | None = None,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(model, {"groups": groups}, params=params, foreach=foreach, **options)

    def _of(self, group: dict[str, Any]) -> Aggregate:
        return GroupMedian(group["groups"])


def _refuse_copy(optimizer: Optimizer, *_: object) -> None:
    raise InputError(
        f"`{type(optimizer).__name__}` cannot be copied or unpickled, since its gradients come from the "
        "model it was made for: make a new one and load this one's state_dict()."
    )
