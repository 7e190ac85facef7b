"""Parameters that every example meets alike: positions looked up once, class tokens, scales of a branch.

They enter the network by being broadcast over the examples, and autograd adds the examples up in the same
step. But the gradient that comes to the operation which broadcasts them still lists the examples; the graph
behind the model's output shows where that is. So such parameters need no rerun, and dropout does not matter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rote.gradients._tree import tensors_of

BROADCAST = "broadcast"
#: Operations that hand a parameter on as it is, or a part of it, so that norms stay.
_CARRIERS = {
    "SliceBackward0", "SelectBackward0", "UnsqueezeBackward0", "SqueezeBackward0", "SqueezeBackward1",
    "ViewBackward0", "UnsafeViewBackward0", "TransposeBackward0", "PermuteBackward0", "ToCopyBackward0",
    "AliasBackward0",
}  # fmt: skip
_SUMS = ("AddBackward0", "SubBackward0")
_COPIES = ("ExpandBackward0", "RepeatBackward0")


@dataclass(eq=False, slots=True)
class Use:
    """The one place where something is broadcast over the examples.

    Attributes:
        shape: Of what is broadcast, as it is there; the examples' dimension is missing in it, or of length 1.
        factor: What it is multiplied with, or a number.
        delta: Gradient of the loss at the result, ``[m, …]``, once it has come.
    """

    shape: tuple[int, ...]
    factor: Tensor | float
    delta: Tensor | None = None

    def rows(self) -> Tensor:
        """Each example's gradient of what is broadcast, ``[m, …]``, in single precision at least."""
        assert self.delta is not None
        delta = self.delta.float() if self.delta.dtype in (torch.float16, torch.bfloat16) else self.delta
        delta = delta * self.factor
        own = (1,) * (delta.dim() - len(self.shape)) + self.shape
        added = [d for d in range(1, delta.dim()) if own[d] == 1 and delta.shape[d] != 1]
        return delta.sum(added, keepdim=True) if added else delta


def packed() -> bool:
    """Whether tensors are saved in some other way just now, as under checkpointing.

    Example:
        >>> packed()
        False
    """
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None


def searchable() -> bool:
    """Whether the graph can be read: not under checkpointing, a transform or a compiler.

    Example:
        >>> searchable()
        True
    """
    return (
        not packed()
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch.autograd.forward_ad._current_level < 0
        and not torch.compiler.is_compiling()
    )


def uses_of(outputs: object, wanted: Iterable[Any]) -> dict[Any, tuple[Any, Use] | None]:
    """Where each wanted thing is broadcast.

    Args:
        outputs: What the model returned.
        wanted: Parameters, or nodes of the graph that give what is broadcast.

    Returns:
        By node, or by the ``id`` of a parameter: the node at which it is broadcast, and the use; ``None`` if
        it is used otherwise, in several places, or nowhere.
    """
    keys = {id(w) if isinstance(w, Tensor) else w for w in wanted}
    consumers: dict[Any, list[tuple[Any, int]]] = {}
    start: dict[Any, Any] = {}
    left = [t.grad_fn for t in tensors_of(outputs) if t.grad_fn is not None]
    seen = set(left)
    while left:
        node = left.pop()
        for place, (child, _) in enumerate(node.next_functions):
            if child is None:
                continue
            consumers.setdefault(child, []).append((node, place))
            if child not in seen:
                seen.add(child)
                left.append(child)
                variable = getattr(child, "variable", None)
                key = child if variable is None else id(variable)
                if key in keys:
                    start[key] = child
    return {key: _use(start.get(key), consumers) for key in keys}


def _use(node: Any, consumers: dict[Any, list[tuple[Any, int]]]) -> tuple[Any, Use] | None:  # noqa: ANN401
    place = 0
    shape: tuple[int, ...] = ()
    while node is not None:
        shape = tuple(node.variable.shape if hasattr(node, "variable") else node._input_metadata[0].shape)
        following = consumers.get(node, [])
        if len(following) != 1:
            return None
        node, place = following[0]
        if node.name() not in _CARRIERS:
            break
    if node is None:
        return None
    result = tuple(node._input_metadata[0].shape)
    if len(result) < len(shape) or (len(result) == len(shape) and shape[0] != 1) or result[0] == 1:
        return None
    factor = _factor(node, place)
    return None if factor is None else (node, Use(shape, factor))


def _factor(node: Any, place: int) -> Tensor | float | None:  # noqa: ANN401
    """What the gradient at the result is multiplied with; ``None`` for operations not known."""
    kind = node.name()
    if kind in _COPIES:
        return 1.0
    if kind in _SUMS:
        sign = -1.0 if kind == "SubBackward0" else 1.0
        return sign * float(node._saved_alpha) if place == 1 else 1.0
    if kind == "MulBackward0":
        other = node._saved_other if place == 0 else node._saved_self
        return None if other is None else other.detach()
    return None


def on_arrival(found: list[tuple[Any, Use]], done: Callable[[], None]) -> None:
    """Call ``done`` in the backward pass when the gradients of all the uses have come."""

    def hook_for(use: Use) -> Callable[[tuple[Tensor | None, ...]], None]:
        def hook(gradients: tuple[Tensor | None, ...]) -> None:
            if gradients[0] is not None:
                use.delta = gradients[0].detach()
                if all(u.delta is not None for _, u in found):
                    done()

        return hook

    for node, use in found:
        node.register_prehook(hook_for(use))
