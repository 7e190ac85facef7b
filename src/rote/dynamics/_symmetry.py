"""Which units of a network can be swapped without changing what it computes: found by tracing it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.pooling import (
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    _AvgPoolNd,
    _MaxPoolNd,
)

from rote.errors import InputError

Permutations = Sequence[NDArray[np.int64]]

_ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh),
    *(nn.Sigmoid, nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Identity, _DropoutNd),
)
_POOLING = (_AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd)
_FUNCTIONS: set[Callable[..., Any]] = {
    *(torch.relu, torch.tanh, torch.sigmoid, nn.functional.relu, nn.functional.gelu, nn.functional.silu),
    *(nn.functional.tanh, nn.functional.sigmoid, nn.functional.leaky_relu, nn.functional.elu),
    *(nn.functional.dropout, nn.functional.max_pool2d, nn.functional.avg_pool2d),
    nn.functional.adaptive_avg_pool2d,
}
_METHODS = {"relu", "tanh", "sigmoid", "contiguous"}


@dataclass(frozen=True)
class Axis:
    """One axis of a parameter or buffer along which a group's units lie.

    Attributes:
        name: As in the state dict.
        axis: Which axis.
        places: Neighbouring entries that belong to one unit: of a Linear layer after flattened maps, the
            places of a map.
        weighs: Whether it counts when units are matched; running statistics move along but do not count.

    Example:
        >>> Axis("2.weight", 1)
        Axis(name='2.weight', axis=1, places=1, weighs=True)
    """

    name: str
    axis: int
    places: int = 1
    weighs: bool = True


@dataclass(frozen=True)
class Group:
    """Units that are swapped together, in every array where they appear.

    Example:
        >>> Group(8, (Axis("0.weight", 0), Axis("0.bias", 0), Axis("2.weight", 1))).size
        8
    """

    size: int
    axes: tuple[Axis, ...]


def symmetries(model: nn.Module) -> tuple[Group, ...]:
    """The groups of hidden units of a chain of layers, from the input on.

    Known are Linear, Conv1d to Conv3d without groups, BatchNorm, LayerNorm over units, functions of single
    entries, dropout, pooling and flattening, one after the other. Other networks can be matched with groups
    that you write down.

    Args:
        model: Any module that ``torch.fx`` can trace into such a chain.

    Raises:
        InputError: If it is none; the sentence names the first thing that is not understood.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
        >>> for group in symmetries(net):
        ...     print(group.size, *((axis.name, axis.axis, axis.places) for axis in group.axes))
        3 ('0.weight', 0, 1) ('0.bias', 0, 1) ('3.weight', 1, 4)
    """
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    if len(names) > len(dict(model.named_parameters())):
        raise InputError(f"`model` must not share parameters between layers to be matched. Got {names}.")
    walk = _Walk()
    for node in _chain(model):
        walk.visit(node, model)
    if not walk.groups:
        raise InputError("`model` must have at least two layers with weights to be matched. Got fewer.")
    return tuple(Group(size, tuple(axes)) for size, axes in walk.groups)


def permuted(groups: Sequence[Group], state: Mapping[str, Tensor], orders: Permutations) -> dict[str, Tensor]:
    """A state with the units of each group in another order; the network computes the same.

    Args:
        groups: From :func:`symmetries`.
        state: What is permuted; copied where something moves.
        orders: For each group the new order: unit ``orders[g][i]`` comes to place i.

    Raises:
        InputError: If there are not as many orders as groups, or one is no permutation.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
        >>> moved = permuted(symmetries(net), net.state_dict(), [np.array([1, 0])])
        >>> torch.equal(moved["1.weight"], net[1].weight.flip(1))
        True
    """
    if len(orders) != len(groups):
        raise InputError(f"There must be an order for each of {len(groups)} groups. Got {len(orders)}.")
    made = dict(state)
    for group, order in zip(groups, orders, strict=True):
        if not np.array_equal(np.sort(order), np.arange(group.size)):
            raise InputError(f"An order must be a permutation of {group.size} units. Got {list(order)[:9]}.")
        for axis in group.axes:
            if axis.name not in made:
                raise InputError(f"The state must hold {axis.name!r}, which a group names. Got one without.")
            made[axis.name] = reordered(made[axis.name], axis, order)
    return made


def reordered(value: Tensor, axis: Axis, order: NDArray[np.int64]) -> Tensor:
    """One array with the units along one axis in another order.

    Example:
        >>> reordered(torch.arange(4), Axis("w", 0, places=2), np.array([1, 0])).tolist()
        [2, 3, 0, 1]
    """
    index = order[:, None] * axis.places + np.arange(axis.places)
    return value.index_select(axis.axis, torch.from_numpy(index.reshape(-1)).to(value.device))


def _chain(model: nn.Module) -> list[fx.Node]:
    try:
        traced = fx.symbolic_trace(model)
    except Exception as error:  # whatever a model's forward raises when it is traced
        raise InputError(
            f"`model` must be a chain of layers that torch.fx can trace. Got {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}"
        ) from None
    nodes = list(traced.graph.nodes)
    for before, node in pairwise(nodes):
        if node.all_input_nodes != [before] or (len(before.users) != 1):
            raise InputError(
                "`model` must be a chain of layers, each fed by the one before alone. Got "
                f"{node.target!s:.60}, which is not: pass `groups` that you wrote down."
            )
    return nodes[1:-1]


class _Walk:
    """Goes along the chain; ``open`` are the units between the last layer with weights and the next."""

    def __init__(self) -> None:
        self.groups: list[tuple[int, list[Axis]]] = []
        self._open: tuple[int, list[Axis]] | None = None
        self._flat = False  # flattened since the last layer with weights
        self._maps = False  # which was a convolution
        self._visited: set[str] = set()

    def visit(self, node: fx.Node, model: nn.Module) -> None:
        if node.op == "call_module":
            self._module(str(node.target), model.get_submodule(str(node.target)))
        elif node.op == "call_function" and node.target in _FUNCTIONS:
            pass
        elif node.target in (torch.flatten, "flatten"):
            self._flatten(node.args[1] if len(node.args) > 1 else node.kwargs.get("start_dim", 0))
        elif node.op != "call_method" or node.target not in _METHODS:
            raise _unknown(getattr(node.target, "__name__", str(node.target)))

    def _module(self, name: str, module: nn.Module) -> None:
        if name in self._visited and next(module.parameters(), None) is not None:
            raise _unknown(f"{name!r}, which runs twice")
        self._visited.add(name)
        if isinstance(module, nn.Linear):
            if self._maps and not self._flat:
                raise _unknown(f"{name!r}, a Linear along the rows of maps")
            self._weights(name, module.in_features, module.out_features, bias=module.bias is not None)
        elif isinstance(module, _ConvNd) and module.groups == 1 and not module.transposed:
            self._weights(name, module.in_channels, module.out_channels, bias=module.bias is not None)
            self._maps = True
        elif isinstance(module, _NormBase) or (isinstance(module, nn.LayerNorm) and self._of_units(module)):
            self._norm(name, module)
        elif isinstance(module, nn.Flatten):
            self._flatten(module.start_dim)
        elif not isinstance(module, (*_ELEMENTWISE, *_POOLING)):
            raise _unknown(f"{name!r}, a {type(module).__name__}")

    def _weights(self, name: str, fan_in: int, fan_out: int, *, bias: bool) -> None:
        if self._open is not None:
            size, axes = self._open
            places = fan_in // size
            if places * size != fan_in or (places > 1 and not self._flat):
                raise _unknown(f"{name!r}, which takes {fan_in} inputs from {size} units")
            axes.append(Axis(f"{name}.weight", 1, places))
            self.groups.append(self._open)
        own = [Axis(f"{name}.weight", 0), *([Axis(f"{name}.bias", 0)] if bias else [])]
        self._open, self._flat, self._maps = (fan_out, own), False, False

    def _norm(self, name: str, module: nn.Module) -> None:
        if self._open is None:
            return  # of the input, whose units stay where they are
        size, axes = self._open
        for key, value in module.state_dict().items():
            if value.dim() == 1:
                places = len(value) // size
                axes.append(Axis(f"{name}.{key}", 0, places, weighs=not key.startswith("running")))

    def _of_units(self, module: nn.LayerNorm) -> bool:
        whole = self._open is None or tuple(module.normalized_shape) == (self._open[0],)
        return whole and not (self._flat or self._maps)

    def _flatten(self, start: Any) -> None:  # noqa: ANN401
        if start != 1:
            raise _unknown(f"flatten from dimension {start}")
        self._flat = True


def _unknown(what: str) -> InputError:
    return InputError(
        "`model` must be a chain of Linear, convolution, normalisation, pooling and element-wise layers to "
        f"be matched. Got {what}: pass `groups` that you wrote down."
    )
