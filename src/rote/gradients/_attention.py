"""Closed form of multi-head attention: its projections found in the graph that the forward pass left.

``nn.MultiheadAttention`` applies its packed projection inside one function, where no hook sees it; but the
graph behind its output shows every product with its weights, what they were multiplied with, and, in the
backward pass, the gradient that came to it. So the layer is not run again, and its dropout is that of the
forward pass.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients._broadcast import searchable
from rote.gradients._products import product_norms, row_norms
from rote.gradients._sums import full_precision
from rote.gradients._tree import tensors_of
from rote.gradients._weighing import weighed

ATTENTION = "attention"
#: Nodes that only carry a weight to its product: transposed, cut, converted.
_CARRIERS = ("TBackward0", "ToCopyBackward0", "SplitWithSizesBackward0", "SplitBackward0")
#: In the order in which the packed bias has their parts.
_WEIGHTS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight")


@dataclass(eq=False, slots=True)
class Projection:
    """One product ``x Wᵀ`` with a weight of the layer, or with a part of it.

    Attributes:
        weight: The weight's name in the layer.
        part: Which of the parts into which the weight was cut, in its order.
        x: What was multiplied, ``[T m, d]``, positions first.
        delta: Gradient of the loss at the product, ``[T m, p]``, once it has come.
    """

    weight: str
    part: int
    x: Tensor
    delta: Tensor | None = None

    def by_example(self, m: int) -> tuple[Tensor, Tensor]:
        """``x`` and ``delta``, ``[m, T, d]`` and ``[m, T, p]``, in single precision at least."""
        assert self.delta is not None
        x, delta = full_precision(self.x, self.delta)
        x, delta = x.reshape(-1, m, x.shape[-1]), delta.reshape(-1, m, delta.shape[-1])
        return x.transpose(0, 1), delta.transpose(0, 1)

    @property
    def bias(self) -> str:
        """The name of the bias added to the product."""
        return "out_proj.bias" if self.weight == "out_proj.weight" else "in_proj_bias"


def projections(
    module: nn.MultiheadAttention,
    inputs: tuple[Any, ...],
    output: object,
    done: Callable[[list[Projection]], None],
) -> bool:
    """Watch every projection of one call; ``done`` is called in the backward pass when all gradients are in.

    Args:
        module: The layer.
        inputs: What it was called with; the graph is not searched beyond it.
        output: What it returned.
        done: Called with the projections, ordered by weight and part.

    Returns:
        Whether each trainable weight was found, each part once; else nothing is watched.
    """
    if not _can_search(module):
        return False
    names = {id(p): name for name, p in module.named_parameters() if p.requires_grad}
    stops = {t.grad_fn for t in tensors_of(inputs) if t.grad_fn is not None}
    found: dict[tuple[str, int], tuple[Any, Projection]] = {}
    for node in _nodes([t.grad_fn for t in tensors_of(output) if t.grad_fn is not None], stops):
        use = _use(node, names)
        if use is not None:
            if (use.weight, use.part) in found:
                return False
            found[use.weight, use.part] = node, use
    uses = [found[key][1] for key in sorted(found, key=lambda key: (_WEIGHTS.index(key[0]), key[1]))]
    biased = {use.bias for use in uses} & set(names.values())
    if not uses or {use.weight for use in uses} | biased != set(names.values()):
        return False
    for node, use in found.values():
        node.register_prehook(_arrival(use, uses, done))
    return True


def attention_norms(module: nn.MultiheadAttention, uses: list[Projection], m: int) -> Tensor:
    """``‖g_i‖²`` of all the layer's trainable parameters, shape ``[m]``."""
    biases = {name for name, p in module.named_parameters() if p.requires_grad and name.endswith("bias")}
    total = 0 * row_norms(uses[0].by_example(m)[1].flatten(1))
    for use in uses:
        x, delta = use.by_example(m)
        total += product_norms(delta, x)
        if use.bias in biases:
            total += row_norms(delta.sum(1))
    return total


def weighed_projection(use: Projection, m: int) -> Projection:
    """The same product, with each example's gradient times its weight in the check by example."""
    assert use.delta is not None
    delta = weighed(use.delta.reshape(-1, m, use.delta.shape[-1]), dim=1)
    return replace(use, delta=delta.flatten(0, 1))


def attention_sums(uses: list[Projection]) -> dict[str, Tensor]:
    """The gradients summed over the examples, by parameter of the layer."""
    parts: dict[str, list[Tensor]] = {}
    for use in uses:
        assert use.delta is not None
        x, delta = full_precision(use.x, use.delta)
        parts.setdefault(use.weight, []).append(delta.t() @ x)
        parts.setdefault(use.bias, []).append(delta.sum(0))
    return {name: torch.cat(p) for name, p in parts.items()}


def _can_search(module: nn.MultiheadAttention) -> bool:
    """Whether the graph can be read: no checkpointing, where what is saved is computed anew; no transform."""
    return type(module) is nn.MultiheadAttention and module.bias_k is None and searchable()


def _nodes(start: list[Any], stops: set[Any]) -> Iterator[Any]:
    """Every node behind the given ones, up to the inputs."""
    left, seen = list(start), set(stops)
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        left += [following for following, _ in node.next_functions if following is not None]


def _use(node: Any, names: dict[int, str]) -> Projection | None:  # noqa: ANN401
    """The projection that this node is, if it is one."""
    kind = node.name()
    if kind not in ("AddmmBackward0", "MmBackward0"):
        return None
    carrier, part = node.next_functions[-1]
    while carrier is not None and carrier.name() in _CARRIERS:
        carrier, following = carrier.next_functions[0]
        part = max(part, following)
    weight = names.get(id(getattr(carrier, "variable", None)))
    if weight is None:
        return None
    x = node._saved_mat1 if kind == "AddmmBackward0" else node._saved_self
    return Projection(weight, part, x.detach())


def _arrival(
    use: Projection, uses: list[Projection], done: Callable[[list[Projection]], None]
) -> Callable[[tuple[Tensor | None, ...]], None]:
    def hook(gradients: tuple[Tensor | None, ...]) -> None:
        if gradients[0] is not None:
            use.delta = gradients[0].detach()
            if all(u.delta is not None for u in uses):
                done(uses)

    return hook
