"""Neural nets in fixed point: their whole numbers, and their gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from rote.circuits._circuit import Circuit, Literals
from rote.circuits._multiply import array_multiple, multiple
from rote.circuits.compile._affine import Affine
from rote.circuits.compile._fixed import FixedPoint
from rote.circuits.compile._grouped import RowByRow
from rote.circuits.compile._steps import Step
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import nn

_TAPPED = 1 << 24  # numbers that a layer may gather at a time


@dataclass(frozen=True, eq=False)
class FixedNet:
    """A net in whole numbers: the bit-exact reference of its circuit.

    Attributes:
        form: How its numbers are written.
        shape: The shape of one example.
        steps: Its operations in order; step n makes value n + 1, and value 0 is the example.
        clamped: How many weights lay outside the format's range, and were clamped to it.
        byte_inputs: Whether examples are bytes, else activations.

    Example:
        >>> from torch import nn
        >>> net = quantise_net(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), (4,))
        >>> net(np.zeros((3, 4), np.uint8)).shape
        (3, 2)
    """

    form: FixedPoint
    shape: tuple[int, ...]
    steps: tuple[Step, ...]
    clamped: int
    byte_inputs: bool = True

    def __call__(self, X: NDArray[np.generic]) -> NDArray[np.int64]:
        """What the net answers, in units of ``2^-fraction``.

        Args:
            X: Examples ``[m, *shape]``, or flat in the same order: bytes, or activations.

        Returns:
            Shape ``[m, outputs]``.

        Raises:
            InputError: If the shape is another, or what is no byte stands for one.
        """
        rows = _checked_examples(X, self)
        widest = max((step.taps.size for step in self.steps if isinstance(step, Affine)), default=1)
        block = max(1, _TAPPED // widest)
        parts = [self._answers(rows[first : first + block]) for first in range(0, len(rows), block)]
        return np.concatenate(parts) if parts else self._answers(rows)

    def _answers(self, X: NDArray[np.generic]) -> NDArray[np.int64]:
        first = self.form.pixels(X.astype(np.uint8)) if self.byte_inputs else X.astype(np.int64)
        values = [first]
        last = _last_uses(self.steps)
        for place, step in enumerate(self.steps):
            values.append(step.numbers([values[s] for s in step.source], self.form))
            for source in step.source:
                if last[source] == place:
                    values[source] = values[source][:0]
        return values[-1]


def quantise_net(
    module: "nn.Module",
    shape: Sequence[int],
    *,
    form: FixedPoint | None = None,
    byte_inputs: bool = True,
) -> FixedNet:
    """A torch net in fixed point.

    The net is traced (`torch.fx`) and read in evaluation mode. It may be made of ``Linear``, ``Conv2d``,
    ``BatchNorm`` (folded into the layer before it), ``ReLU``, ``MaxPool2d``, ``AvgPool2d`` and
    ``AdaptiveAvgPool2d``, ``Flatten``, ``Identity``, ``Dropout`` and sums of two values.

    Args:
        module: The net, from ``[m, *shape]`` to ``[m, classes]``; a byte is to it byte / 256.
        shape: The shape of one example.
        form: The number format; the paper's unless given.
        byte_inputs: Whether inputs are bytes, else activations.

    Returns:
        The net in whole numbers.

    Raises:
        InputError: If the net cannot be traced, or does what cannot be compiled.

    Example:
        >>> import torch
        >>> net = quantise_net(torch.nn.Linear(3, 1, bias=False), (3,))
        >>> net.steps[0].weights.shape, net.clamped
        ((1, 1, 3), 0)
    """
    from rote.circuits.compile._trace import read_module  # torch, met only where a net is read

    form = form or FixedPoint()
    steps, clamped = read_module(module, tuple(shape), form)
    return FixedNet(form, tuple(shape), steps, clamped, byte_inputs)


def compile_net(
    module: "nn.Module | FixedNet",
    shape: Sequence[int] = (),
    *,
    form: FixedPoint | None = None,
    multiplier: Literal["shift-add", "array"] = "shift-add",
    byte_inputs: bool = True,
) -> Circuit:
    """A torch net as gates in fixed point (Chatterjee & Mishchenko, ICML 2020, §4.1).

    Each multiply-add is gates of its own: a product by a constant and a saturating ripple-carry adder, one
    after another, bias first. Constants are propagated, nothing is shared. A neuron's gates stand together,
    which keeps what simulation holds small. The circuit answers as `quantise_net` does, bit for bit.

    Inputs are called ``x{feature}[{bit}]``, features in torch's order: `rote.circuits.input_bits` makes them
    of examples. Outputs are the signed words ``class{n}[{bit}]`` before any softmax; which is the largest is
    for the reader to say (`rote.circuits.answers`).

    Args:
        module: The net, from ``[m, *shape]`` to ``[m, classes]``, or what `quantise_net` made of it.
        shape: The shape of one example.
        form: The number format; the paper's unless given.
        multiplier: By shifts, adds and subtracts, the fewest; or by the rows of an array multiplier.
        byte_inputs: Whether inputs are bytes, else activations.

    Returns:
        The circuit; ``circuit.without_xor()`` has no XOR.

    Raises:
        InputError: If the net cannot be traced, or does what cannot be compiled.

    Example:
        >>> import torch
        >>> net = torch.nn.Linear(2, 1)
        >>> with torch.no_grad():
        ...     _ = net.weight.copy_(torch.tensor([[1.0, -0.5]])), net.bias.zero_()
        >>> compile_net(net, (2,))  # 64 a - 32 b
        Circuit(16 inputs, 16 outputs, 27 gates: 16 AND, 11 XOR)
    """
    if multiplier not in ("shift-add", "array"):
        raise InputError(f"`multiplier` must be shift-add or array. Got {multiplier!r:.80}.")
    if isinstance(module, FixedNet):
        if form is not None:
            raise InputError("`form` is for a net of torch: what quantise_net made has its format already.")
        net = module
    else:
        net = quantise_net(module, shape, form=form, byte_inputs=byte_inputs)
    times = multiple if multiplier == "shift-add" else array_multiple
    build = RowByRow(input_names(net))
    values = [_input_words(net, build.literals)]
    for step in net.steps:
        values.append(step.gates(build, [values[s] for s in step.source], net.form, times))
    return build.finish({f"class{n}": word for n, word in enumerate(values[-1])})


def input_names(net: FixedNet) -> list[str]:
    """The names of the circuit's inputs: ``x{feature}[{bit}]``.

    Example:
        >>> from torch import nn
        >>> input_names(quantise_net(nn.Identity(), (2,)))[7:9]
        ['x0[7]', 'x1[0]']
    """
    bits = 8 if net.byte_inputs else net.form.activations
    return [f"x{feature}[{bit}]" for feature in range(prod(net.shape)) for bit in range(bits)]


def _input_words(net: FixedNet, literals: Literals) -> Literals:
    """The activations that the inputs are, ``[features, activations]``."""
    words = literals.reshape(prod(net.shape), -1)
    if not net.byte_inputs:
        return words
    fraction, bits = net.form.fraction, net.form.activations
    out = np.zeros((len(words), bits), np.uint32)
    kept = words[:, max(8 - fraction, 0) :]
    start = max(fraction - 8, 0)
    out[:, start : start + kept.shape[1]] = kept
    return out


def _last_uses(steps: Sequence[Step]) -> dict[int, int]:
    return {source: place for place, step in enumerate(steps) for source in step.source}


def _checked_examples(X: NDArray[np.generic], net: FixedNet) -> NDArray[np.generic]:
    rows = np.asarray(X)
    if rows.ndim < 1 or rows.shape[1:] not in (net.shape, (prod(net.shape),)):
        raise InputError(f"`X` must have shape [m, {', '.join(map(str, net.shape))}]. Got {rows.shape}.")
    most = 255 if net.byte_inputs else (1 << (net.form.activations - 1)) - 1
    least = 0 if net.byte_inputs else -most - 1
    if rows.size and not (rows.min() >= least and rows.max() <= most and (rows == np.floor(rows)).all()):
        raise InputError(f"`X` must hold whole numbers from {least} to {most}: scale them first.")
    return rows.reshape(len(rows), prod(net.shape))
