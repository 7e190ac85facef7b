"""Reading a torch net: its traced graph becomes steps in whole numbers."""

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from rote.circuits.compile._affine import Affine
from rote.circuits.compile._fixed import FixedPoint
from rote.circuits.compile._nodes import (
    Shapes,
    is_relu,
    is_renaming,
    is_sum,
    module_of,
    named,
    overwrites,
    shape_of,
    tensors_of,
)
from rote.circuits.compile._steps import Largest, Mean, Rectify, Step, Together
from rote.circuits.compile._taps import channel_taps, convolution_taps, window_taps
from rote.errors import InputError

_EXAMPLES = 2  # of the traced batch: not 1, so that its axis is not taken for another


def read_module(module: nn.Module, shape: tuple[int, ...], form: FixedPoint) -> tuple[tuple[Step, ...], int]:
    """The steps of a net, and how many of its weights the format clamps.

    Args:
        module: The net; it is left as it is.
        shape: The shape of one example.
        form: The number format.

    Raises:
        InputError: If it cannot be traced, or does what cannot be compiled.

    Example:
        >>> steps, clamped = read_module(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), (2,), FixedPoint())
        >>> [type(step).__name__ for step in steps], clamped
        (['Affine', 'Rectify'], 0)
    """
    net = copy.deepcopy(module).eval()
    if fx.Tracer().is_leaf_module(net, ""):  # else the tracer looks into it
        net = nn.Sequential(net)
    try:
        graph = fx.symbolic_trace(net)
    except Exception as error:  # whatever the module's forward raises when it is given a proxy
        raise InputError(
            f"The net cannot be traced: {_first_line(error)} "
            f"Its forward must not depend on the values it computes."
        ) from error
    graph.graph.eliminate_dead_code()
    like = next(net.parameters(), torch.zeros(0))
    try:
        with torch.no_grad():
            shapes = Shapes(graph)
            shapes.extra_traceback = False
            shapes.run(torch.zeros(_EXAMPLES, *shape, dtype=like.dtype, device=like.device))
    except Exception as error:
        raise InputError(f"The net does not take examples of shape {shape}: {_first_line(error)}") from error
    reader = _Reader(graph, form)
    for node in graph.graph.nodes:
        reader.read(node)
    return tuple(reader.steps[: reader.answer]), sum(reader.clamped.values())


@dataclass
class _Layer:
    """Multiply-adds in real numbers, so that a normalisation can still be folded in; shapes as `Affine`."""

    taps: NDArray[np.int64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


@dataclass
class _Reader:
    """What has been read: which value each node of the graph is, and the steps that make them."""

    graph: fx.GraphModule
    form: FixedPoint
    steps: list[Step] = field(default_factory=list)
    values: dict[fx.Node, int] = field(default_factory=dict)
    layers: dict[fx.Node, _Layer] = field(default_factory=dict)
    clamped: dict[int, int] = field(default_factory=dict)  # by the value that a layer makes
    answer: int = 0

    def read(self, node: fx.Node) -> None:
        """Read the next node."""
        shape, tensors = shape_of(node), tensors_of(node)
        if node.op == "placeholder":
            if self.values:
                raise InputError(f"The net must take one argument, but takes `{node.name:.80}` too.")
            self.values[node] = 0
        elif node.op == "output":
            answer = node.args[0]
            if not isinstance(answer, fx.Node) or answer not in self.values:
                raise InputError("The net must answer one tensor.")
            self.answer = self.values[answer]
        elif shape is not None:
            if not tensors or any(source not in self.values for source in tensors):
                raise InputError(
                    f"{named(node)} is a tensor that no example goes into: it cannot be compiled."
                )
            if not shape or shape[0] != _EXAMPLES:
                raise InputError(f"{named(node)} mixes the examples of a batch: it cannot be compiled.")
            self._operation(node, module_of(node, self.graph))

    def _operation(self, node: fx.Node, module: nn.Module | None) -> None:
        sources = [self.values[source] for source in tensors_of(node)]
        shape = shape_of(tensors_of(node)[0]) or ()
        if overwrites(node, module):
            raise InputError(
                f"{named(node, module)} writes in place over what is read elsewhere: let it not be in place."
            )
        if is_relu(node, module):
            self._made(node, Rectify((sources[0],)))
        elif is_renaming(node, module):
            self.values[node] = sources[0]
        elif is_sum(node):
            self._made(node, Together((sources[0], sources[-1])))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            self._normalise(node, module, shape)
        elif isinstance(module, nn.Linear) and len(shape) == 2:
            taps = np.arange(module.in_features, dtype=np.int64)[None, None]
            self._layer(node, _Layer(taps, _array(module.weight)[None], _bias(module)[None]))
        elif isinstance(module, nn.Conv2d) and len(shape) == 4:
            weights = _array(module.weight).reshape(module.groups, module.out_channels // module.groups, -1)
            bias = _bias(module).reshape(module.groups, -1)
            self._layer(node, _Layer(convolution_taps(module, shape[1:]), weights, bias))
        elif isinstance(module, nn.MaxPool2d) and len(shape) == 4:
            self._made(node, Largest((sources[0],), window_taps(module, shape[1:])))
        elif isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d) and len(shape) == 4:
            self._made(node, Mean((sources[0],), window_taps(module, shape[1:])))
        else:
            raise InputError(
                f"{named(node, module)} cannot be compiled: a net may have Linear, Conv2d, BatchNorm, ReLU, "
                f"max- and average-pooling, Flatten, Identity, Dropout and sums of two values of the same "
                f"shape (leave a softmax out)."
            )

    def _made(self, node: fx.Node, step: Step) -> None:
        self.steps.append(step)
        self.values[node] = len(self.steps)

    def _layer(self, node: fx.Node, layer: _Layer, folded: fx.Node | None = None) -> None:
        """A step for a layer; in place of the step of the node that is folded into it, if one is."""
        if not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
            raise InputError(f"{named(node)} has weights that are no finite numbers: train the net again.")
        most = 2.0 ** (self.form.weights - 1)
        scaled = np.rint(layer.weights * 2.0**self.form.fraction)
        weights, bias = self.form.quantised_weights(layer.weights), self.form.quantised_bias(layer.bias)
        if folded is None:
            self._made(node, Affine((self.values[tensors_of(node)[0]],), layer.taps, weights, bias))
        else:
            place = self.values[node] = self.values[folded]
            source = self.steps[place - 1].source[0]
            self.steps[place - 1] = Affine((source,), layer.taps, weights, bias)
        self.layers[node] = layer
        self.clamped[self.values[node]] = int(np.count_nonzero((scaled < -most) | (scaled >= most)))

    def _normalise(
        self, node: fx.Node, module: nn.BatchNorm1d | nn.BatchNorm2d, shape: tuple[int, ...]
    ) -> None:
        if module.running_mean is None or module.running_var is None:
            raise InputError(
                f"{named(node, module)} keeps no running statistics, so it depends on the batch: it cannot "
                f"be compiled."
            )
        scale = 1 / np.sqrt(_array(module.running_var) + module.eps)
        scale = scale * _array(module.weight) if module.affine else scale
        shift = -_array(module.running_mean) * scale
        shift = shift + _array(module.bias) if module.affine else shift
        before = tensors_of(node)[0]
        if before in self.layers and len(before.users) == 1:
            layer = self.layers[before]
            scale, shift = scale.reshape(layer.bias.shape), shift.reshape(layer.bias.shape)
            weights, bias = layer.weights * scale[..., None], layer.bias * scale + shift
            self._layer(node, _Layer(layer.taps, weights, bias), folded=before)
        else:
            self._layer(node, _Layer(channel_taps(shape[1:]), scale[:, None, None], shift[:, None]))


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().to("cpu", torch.float64).numpy()
    return array


def _bias(module: nn.Linear | nn.Conv2d) -> NDArray[np.float64]:
    return np.zeros(len(module.weight)) if module.bias is None else _array(module.bias)


def _first_line(error: Exception) -> str:
    return f"{(str(error) or type(error).__name__).splitlines()[0]:.200}".rstrip(".") + "."
