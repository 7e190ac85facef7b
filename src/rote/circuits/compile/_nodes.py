"""What the nodes of a traced net do, in whichever of torch's ways it is written."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

_SHAPE = "rote_shape"
_SAME = (nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_SAME_CALLS = {torch.flatten, functional.dropout, functional.dropout2d}
_SAME_METHODS = {"flatten", "view", "reshape", "contiguous", "squeeze", "unsqueeze"}
_RELU_CALLS = {torch.relu, functional.relu, torch.relu_}
_ADD_CALLS = {operator.add, operator.iadd, torch.add}
_POOL_CALLS: dict[Any, Callable[..., nn.Module]] = {
    functional.max_pool2d: nn.MaxPool2d,
    functional.avg_pool2d: nn.AvgPool2d,
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
}


class Shapes(fx.Interpreter):
    """Runs a graph, and notes the shape of every tensor for `shape_of`.

    Example:
        >>> graph = fx.symbolic_trace(nn.Sequential(nn.Linear(3, 2)))
        >>> _ = Shapes(graph).run(torch.zeros(5, 3))
        >>> [shape_of(node) for node in graph.graph.nodes]
        [(5, 3), (5, 2), (5, 2)]
    """

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401
        """Run one node."""
        result = super().run_node(n)
        n.meta[_SHAPE] = tuple(result.shape) if isinstance(result, torch.Tensor) else None
        return result


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape of what a node makes, if that is one tensor and `Shapes` has run."""
    shape: tuple[int, ...] | None = node.meta.get(_SHAPE)
    return shape


def tensors_of(node: fx.Node) -> list[fx.Node]:
    """The nodes whose tensors a node reads."""
    return [source for source in node.all_input_nodes if shape_of(source) is not None]


def module_of(node: fx.Node, graph: fx.GraphModule) -> nn.Module | None:
    """The module that a node calls, or one that does what the function does that it calls."""
    if node.op == "call_module":
        return graph.get_submodule(str(node.target))
    if node.op == "call_function" and node.target in _POOL_CALLS and len(node.args) <= 5:
        options: dict[str, Any] = {name: value for name, value in node.kwargs.items() if name != "input"}
        return _POOL_CALLS[node.target](*node.args[1:], **options)
    return None


def is_relu(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node is a ReLU."""
    if node.op == "call_method":
        return node.target in ("relu", "relu_")
    return isinstance(module, nn.ReLU) or (node.op == "call_function" and node.target in _RELU_CALLS)


def is_renaming(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node has the same features in the same order as what it reads."""
    if node.op == "call_method":
        return node.target in _SAME_METHODS
    return isinstance(module, _SAME) or (node.op == "call_function" and node.target in _SAME_CALLS)


def is_sum(node: fx.Node) -> bool:
    """Whether a node is the sum of two tensors of the same shape."""
    named = node.target in (_ADD_CALLS if node.op == "call_function" else {"add", "add_"})
    shapes = [shape_of(arg) if isinstance(arg, fx.Node) else None for arg in node.args]
    return named and not node.kwargs and len(shapes) == 2 and None not in shapes and shapes[0] == shapes[1]


def overwrites(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node writes over what it reads, and something else reads that too."""
    in_place = getattr(module, "inplace", False) or node.kwargs.get("inplace", False)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    calls = node.op != "call_module" and (name.endswith("_") or node.target is operator.iadd)
    tensors = tensors_of(node)
    return bool((in_place or calls) and tensors and len(tensors[0].users) > 1)


def named(node: fx.Node, module: nn.Module | None = None) -> str:
    """What a node is called in the user's own net."""
    kind = f" ({type(module).__name__})" if module is not None else ""
    if node.op in ("call_module", "get_attr"):
        return f"The module `{node.target!s:.80}`{kind}"
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.target)
    return f"The operation `{target!s:.80}`"
