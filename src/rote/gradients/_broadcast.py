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
_TURNS = ("TransposeBackward0", "PermuteBackward0")
_SUMS = ("AddBackward0", "SubBackward0")
_MASKS = ("MulBackward0", "NativeDropoutBackward0")
_COPIES = ("ExpandBackward0", "RepeatBackward0")


@dataclass(eq=False, slots=True)
class Use:
    """The one place where something is broadcast over the examples.

    Attributes:
        shape: Of what is broadcast, as it is there; the examples' dimension is missing in it, or of length 1.
        factor: What it is multiplied with, or a number.
        inner: What it was multiplied with before, one for all examples, as by dropout.
        delta: Gradient of the loss at the result, ``[m, …]``, once it has come.
    """

    shape: tuple[int, ...]
    factor: Tensor | float
    inner: Tensor | float | None = None
    delta: Tensor | None = None

    def rows(self) -> Tensor:
        """Each example's gradient of what is broadcast, ``[m, …]``, in single precision at least."""
        assert self.delta is not None
        delta = self.delta.float() if self.delta.dtype in (torch.float16, torch.bfloat16) else self.delta
        delta = delta * self.factor
        own = (1,) * (delta.dim() - len(self.shape)) + self.shape
        added = [d for d in range(1, delta.dim()) if own[d] == 1 and delta.shape[d] != 1]
        rows = delta.sum(added, keepdim=True) if added else delta
        return rows if self.inner is None else rows * self.inner


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


def uses_of(
    outputs: object, wanted: Iterable[Any], m: int | None = None
) -> dict[Any, tuple[Any, Use] | None]:
    """Where each wanted thing is broadcast.

    Args:
        outputs: What the model returned.
        wanted: Parameters, or nodes of the graph that give what is broadcast.
        m: Examples in the batch, ``None`` if not known; a result that lists another number is no use.

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
    return {key: _use(start.get(key), consumers, m) for key in keys}


def _use(
    node: Any,  # noqa: ANN401
    consumers: dict[Any, list[tuple[Any, int]]],
    m: int | None,
) -> tuple[Any, Use] | None:
    place, inner = 0, None
    shape: tuple[int, ...] = ()
    while node is not None:
        shape = tuple(node.variable.shape if hasattr(node, "variable") else node._input_metadata[0].shape)
        following = consumers.get(node, [])
        if len(following) != 1:
            return None
        node, place = following[0]
        result = tuple(node._input_metadata[0].shape)
        if node.name() in _CARRIERS:
            # Behind a mask, what is carried must keep its places; one more dimension in front is none.
            if inner is not None and (result not in (shape, (1, *shape)) or node.name() in _TURNS):
                return None
            continue
        if _lists_examples(result, shape, m):
            factor = _factor(node, place)
            return None if factor is None else (node, Use(shape, factor, inner))
        mask = _factor(node, place) if result == shape and node.name() in _MASKS else None
        if mask is None:
            return None  # it meets something else before the examples
        inner = mask if inner is None else inner * mask
    return None


def _lists_examples(result: tuple[int, ...], shape: tuple[int, ...], m: int | None) -> bool:
    """Whether ``shape`` was broadcast over the examples in ``result``."""
    if not result or len(result) < len(shape) or (len(result) == len(shape) and shape[0] != 1):
        return False
    return result[0] != 1 if m is None else result[0] == m


def _factor(node: Any, place: int) -> Tensor | float | None:  # noqa: ANN401
    """What the gradient at the result is multiplied with; ``None`` for operations not known."""
    kind = node.name()
    if kind in _COPIES:
        return 1.0
    if kind in _SUMS:
        sign = -1.0 if kind == "SubBackward0" else 1.0
        return sign * float(node._saved_alpha) if place == 1 else 1.0
    if kind == "NativeDropoutBackward0":
        kept: Tensor = node._saved_result1
        return kept.detach() / (1 - node._saved_p) if node._saved_p < 1 else 0.0
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
