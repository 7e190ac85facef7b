"""Into how many linear pieces a ReLU network cuts a line, layer by layer, exactly."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError

RESOLUTION = 1e-9  # of a line's length; breakpoints closer than that are one
ROUNDING = 1e-6  # of an output's size; a piece that bends more than that is not straight
KINKS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Hardtanh)  # ReLU6 is a Hardtanh

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pieces:
    """Linear pieces of each layer along each line.

    Attributes:
        layers: Names of the activation modules, in the order in which they run.
        pieces: Pieces into which everything up to and with that layer cuts the line, shape ``[lines, L]``.
        breakpoints: Where the line breaks, as shares of its length in rising order, one array a line.

    Example:
        >>> Pieces(("0", "2"), np.array([[3, 7], [5, 9]]), (np.zeros(6), np.zeros(8)))
        Pieces(lines=2, '0': 4, '2': 8)
    """

    layers: tuple[str, ...]
    pieces: NDArray[np.int64]
    breakpoints: tuple[Floats, ...]

    def __repr__(self) -> str:
        means = (f"{name!r}: {mean:.4g}" for name, mean in zip(self.layers, self.pieces.mean(0), strict=True))
        return f"Pieces(lines={len(self.pieces)}, {', '.join(means)})"


def random_lines(examples: Tensor, lines: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Lines from one example to another, drawn at random.

    Args:
        examples: Shape ``[m, …]``.
        lines: How many.
        seed: Of the draw; a pair may be drawn twice.

    Returns:
        Starts and ends, each ``[lines, …]``; the two of a line are different examples.

    Raises:
        InputError: If there are fewer than two examples or no lines are wanted.

    Example:
        >>> starts, ends = random_lines(torch.eye(5), 3)
        >>> starts.shape, bool((starts == ends).all(1).any())
        (torch.Size([3, 5]), False)
    """
    m = len(examples)
    if m < 2 or lines < 1:
        raise InputError(f"`lines` join two of the examples. Got {lines} lines and {m} examples.")
    rng = np.random.default_rng(seed)
    first = rng.integers(0, m, lines)
    second = (first + rng.integers(1, m, lines)) % m
    return examples[torch.from_numpy(first)], examples[torch.from_numpy(second)]


def linear_pieces(model: nn.Module, starts: Tensor, ends: Tensor, *, batch: int = 4096) -> Pieces:
    """Count the linear pieces of a piecewise linear network along lines, per layer.

    Between the breakpoints of the layers before it, a layer's pre-activations are straight, so that two of
    their values give their zeros exactly. One layer after the other adds its own, with one pass over the
    breakpoints so far: no grid that could step over a piece. The model is copied and computes in float64, in
    evaluation mode; breakpoints closer than 1e-9 of the line count as one.

    Args:
        model: Its activations are modules ``nn.ReLU``, ``LeakyReLU``, ``PReLU``, ``ReLU6`` or ``Hardtanh``,
            and everything else in it is linear in evaluation mode.
        starts: Where the lines start, shape ``[lines, …]``.
        ends: Where they end, the same shape.
        batch: Points a forward pass.

    Raises:
        InputError: If there is no such module, a shape is wrong, or the output bends elsewhere (max-pooling,
            tanh, attention, a ReLU that is called as a function).

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> with torch.no_grad():  # a tent on [0, 1]: 2·relu(x) - 4·relu(x - ½)
        ...     for tensor, values in zip(net.parameters(), ([[1], [1]], [0, -0.5], [[2, -4]], [0])):
        ...         _ = tensor.copy_(torch.tensor(values))
        >>> fold = nn.Sequential(net, net, net)
        >>> linear_pieces(fold, torch.zeros(1, 1), torch.ones(1, 1))
        Pieces(lines=1, '0.1': 2, '0.1#2': 4, '0.1#3': 8)
    """
    if starts.shape != ends.shape or starts.ndim < 2 or not len(starts) or batch < 1:
        raise InputError(
            f"`starts` and `ends` must have the same shape [lines, …], and `batch` be at least 1. "
            f"Got {tuple(starts.shape)}, {tuple(ends.shape)} and {batch}."
        )
    twin = copy.deepcopy(model).double().eval()
    device = next((p.device for p in twin.parameters()), starts.device)
    a, b = starts.to(device, torch.float64), ends.to(device, torch.float64)
    breaks = [np.array([0.0, 1.0]) for _ in range(len(a))]
    counts = []
    with _Watched(twin) as watched, torch.no_grad():
        names = watched.names(a[:1])
        for layer in names:
            for line, values in _along(partial(watched.inputs, layer), a, b, breaks, batch):
                breaks[line] = _with_zeros(breaks[line], values, watched.thresholds(layer))
            counts.append([len(ts) - 1 for ts in breaks])
        _check_straight(watched.outputs, a, b, breaks, batch)
    return Pieces(tuple(names), np.array(counts, np.int64).T, tuple(ts[1:-1] for ts in breaks))


class _Watched:
    """A network whose activation modules tell what they are given."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._modules = {name: m for name, m in model.named_modules() if isinstance(m, KINKS)}
        if not self._modules:
            raise InputError(
                "`model` must have activations that are modules (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ReLU6, "
                "nn.Hardtanh). Got none."
            )
        self._runs: Counter[str] = Counter()
        self._seen: dict[str, Tensor] = {}
        self._wanted: str | None = None

    def __enter__(self) -> "_Watched":
        self._handles = [
            module.register_forward_pre_hook(lambda m, given, name=name: self._keep(name, given[0]))
            for name, module in self._modules.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, name: str, given: Tensor) -> None:
        self._runs[name] += 1
        run = self._runs[name]
        full = name if run == 1 else f"{name}#{run}"
        if self._wanted in (None, full):
            self._seen[full] = given.detach().flatten(1).clone()

    def _run(self, x: Tensor, wanted: str | None) -> Tensor:
        self._runs.clear()
        self._seen = {}
        self._wanted = wanted
        output = self._model(x)
        if not isinstance(output, Tensor):
            raise InputError(f"`model` must return one tensor. Got {type(output).__name__}.")
        return output.flatten(1)

    def names(self, x: Tensor) -> list[str]:
        """The activations in the order in which they run; one that runs again is ``name#2``."""
        self._run(x, None)
        if not self._seen:
            raise InputError("`model` runs none of its activation modules in a forward pass.")
        return list(self._seen)

    def inputs(self, layer: str, x: Tensor) -> Tensor:
        """Pre-activations of that run, ``[points, units]``."""
        self._run(x, layer)
        return self._seen[layer]

    def outputs(self, x: Tensor) -> Tensor:
        """What the whole network says, ``[points, outputs]``."""
        return self._run(x, "")

    def thresholds(self, layer: str) -> tuple[float, ...]:
        """Where that activation has its kinks."""
        module = self._modules[layer.partition("#")[0]]
        return (module.min_val, module.max_val) if isinstance(module, nn.Hardtanh) else (0.0,)


def _along(
    values: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, shares: list[Floats], batch: int
) -> Iterator[tuple[int, Floats]]:
    """What ``values`` says at those shares of each line, line by line, ``[points, units]``."""
    lengths = [len(ts) for ts in shares]
    lines = torch.from_numpy(np.repeat(np.arange(len(a)), lengths)).to(a.device)
    t = torch.from_numpy(np.concatenate(shares)).to(a.device)
    parts = []
    for line, share in zip(lines.split(batch), t.split(batch), strict=True):
        share = share.reshape(-1, *[1] * (a.dim() - 1))
        parts.append(values((1 - share) * a[line] + share * b[line]).cpu())
    every = torch.cat(parts).numpy()
    for line, (start, end) in enumerate(pairwise(np.cumsum([0, *lengths]))):
        yield line, every[start:end]


def _with_zeros(ts: Floats, values: Floats, thresholds: tuple[float, ...]) -> Floats:
    """Those shares and the ones between them where a unit, straight in between, crosses a threshold."""
    found = []
    for threshold in thresholds:
        above = values > threshold
        place, unit = np.nonzero(above[1:] != above[:-1])
        left, right = values[place, unit] - threshold, values[place + 1, unit] - threshold
        found.append(ts[place] + (ts[place + 1] - ts[place]) * left / (left - right))
    zeros = np.sort(np.concatenate(found))
    after = np.searchsorted(ts, zeros).clip(1, len(ts) - 1)
    zeros = zeros[(zeros - ts[after - 1] > RESOLUTION) & (ts[after] - zeros > RESOLUTION)]
    return np.sort(np.concatenate([ts, zeros[np.diff(zeros, prepend=-1) > RESOLUTION]]))


def _check_straight(
    outputs: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, breaks: list[Floats], batch: int
) -> None:
    """Each piece's middle must be the mean of its ends, or something bends that was not looked at."""
    middles = [(ts[1:] + ts[:-1]) / 2 for ts in breaks]
    ends = _along(outputs, a, b, breaks, batch)
    for (_, at_ends), (_, at_middles) in zip(ends, _along(outputs, a, b, middles, batch), strict=True):
        bend = np.abs(at_middles - (at_ends[1:] + at_ends[:-1]) / 2)
        if not bend.max(initial=0) <= ROUNDING * np.abs(at_ends).max():
            raise InputError(
                "`model` must be straight except at modules nn.ReLU, LeakyReLU, PReLU, ReLU6 and Hardtanh. "
                "Its output bends elsewhere: make modules of functions such as F.relu, and take a model "
                "without max-pooling and smooth activations."
            )
