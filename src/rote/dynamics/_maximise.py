"""What units look for: images that excite them, weights of the first layer, contours over the plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from rote.dynamics._evaluation import evaluation_mode
from rote.dynamics._layers import activations
from rote.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Maximised:
    """Images that excite units.

    Attributes:
        layer: Where the units are.
        units: Their numbers, shape ``[k]``.
        images: One for each, float32, shape ``[k, *shape]``.
        before: Activation of each unit on the noise it started from, shape ``[k]``.
        after: On its image, shape ``[k]``.

    Example:
        >>> Maximised("0", np.arange(2), np.zeros((2, 1, 4, 4), np.float32), np.zeros(2), np.ones(2))
        Maximised('0', units=2, images=(1, 4, 4), activation 0 to 1)
    """

    layer: str
    units: NDArray[np.int64]
    images: NDArray[np.float32]
    before: Floats
    after: Floats

    def __repr__(self) -> str:
        return (
            f"Maximised({self.layer!r}, units={len(self.units)}, images={self.images.shape[1:]}, "
            f"activation {self.before.mean():.3g} to {self.after.mean():.3g})"
        )


def maximise(
    model: nn.Module,
    layer: str,
    units: Sequence[int],
    shape: Sequence[int],
    *,
    steps: int = 200,
    rate: float = 0.05,
    l2: float = 1e-3,
    jitter: int = 2,
    seed: int = 0,
) -> Maximised:
    """Climb from noise to an image that excites each unit, by Adam on ``activation - l2 · ‖x‖²``.

    Each step sees the image shifted by up to ``jitter`` pixels each way, so that no single pixel counts
    (Erhan et al. 2009; Olah et al. 2017, distill.pub/2017/feature-visualization). The best image on the way
    is kept. The model is left as it was: mode, weights, gradients. For a linear unit without jitter the
    summit is ``w / (2 l2)``.

    Args:
        model: Called on ``[b, *shape]``.
        layer: Name of a module as in ``model.named_modules()``. Take the one before the ReLU: where a ReLU
            is off, there is nothing to climb.
        units: Which outputs of it; channels, of a convolution: the mean over their places is climbed.
        shape: Of one input, without the batch.
        steps: Of Adam.
        rate: Its learning rate, in units of the input.
        l2: Weight of the penalty.
        jitter: Pixels, for shapes with at least two dimensions; the last two are rows and columns.
        seed: Of the noise, of standard deviation 0.1, and of the shifts.

    Raises:
        InputError: If the layer or a unit is not there, or an option is out of range.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> found = maximise(net, "1", [1], (2, 2), jitter=0, l2=0.5, steps=400)
        >>> bool(np.allclose(found.images[0].ravel(), net[1].weight[1].detach(), atol=0.02))
        True
    """
    module = dict(model.named_modules()).get(layer)
    if module is None or steps < 1 or not rate > 0 or l2 < 0 or jitter < 0 or not len(units):
        raise InputError(
            "`layer` must name a module, `units` at least one of its outputs, `steps` be at least 1, `rate` "
            f"above 0, `l2` and `jitter` not below. Got layer={layer!r}, units={list(units)}, steps={steps}, "
            f"rate={rate}, l2={l2}, jitter={jitter}."
        )
    generator = torch.Generator().manual_seed(seed)
    first = next(iter(model.parameters()), torch.zeros(()))
    noise = 0.1 * torch.randn(len(units), *shape, generator=generator)
    x = noise.to(first).requires_grad_()
    wanted = torch.as_tensor(units, dtype=torch.int64, device=x.device)
    adam = torch.optim.Adam([x], lr=rate, maximize=True)

    def height(image: Tensor) -> tuple[Tensor, Tensor]:
        value = _excitement(model, module, layer, image, wanted)
        return value, value - l2 * (x**2).flatten(1).sum(1)

    with evaluation_mode(model), torch.enable_grad():
        before, highest = (value.detach() for value in height(x))
        best, after = x.detach().clone(), before.clone()
        for _ in range(steps):
            (x.grad,) = torch.autograd.grad(height(_shifted(x, jitter, generator))[1].sum(), [x])
            adam.step()
            with torch.no_grad():  # a shift may suit a unit better than the image as it is
                value, now = height(x)
            higher = now > highest
            best[higher], after[higher], highest[higher] = x.detach()[higher], value[higher], now[higher]
    return Maximised(
        layer,
        wanted.cpu().numpy(),
        best.cpu().float().numpy(),
        before.cpu().double().numpy(),
        after.cpu().double().numpy(),
    )


def _shifted(x: Tensor, jitter: int, generator: torch.Generator) -> Tensor:
    if not jitter or x.dim() < 3:
        return x
    down, right = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
    return x.roll((down, right), (-2, -1))


def _excitement(model: nn.Module, module: nn.Module, layer: str, x: Tensor, units: Tensor) -> Tensor:
    """Activation of unit i of the layer on row i, ``[k]``."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _given: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen.append(output.clone())  # the next layer may work in place

    handle = module.register_forward_hook(keep)
    try:
        model(x)
    finally:
        handle.remove()
    if not seen or seen[0].dim() < 2 or len(seen[0]) != len(x):
        raise InputError(f"`layer` must return a tensor with one row an example. Layer {layer!r} does not.")
    values = seen[0].flatten(2).mean(2) if seen[0].dim() > 2 else seen[0]
    if not 0 <= int(units.min()) <= int(units.max()) < values.shape[1]:
        raise InputError(
            f"`units` must be 0 to {values.shape[1] - 1} for layer {layer!r}. "
            f"Got {int(units.min())} to {int(units.max())}."
        )
    return values.gather(1, units[:, None])[:, 0]


def first_layer_filters(model: nn.Module, shape: Sequence[int] | None = None) -> NDArray[np.float32]:
    """Weights of the first layer that has any: what its units look for, exactly.

    Args:
        model: Its first ``nn.Linear`` or convolution, in the order of ``model.modules()``, is taken.
        shape: Of one input, to see a linear layer's rows as images.

    Returns:
        A copy: ``[units, c, h, w]`` of a 2-d convolution, ``[units, *shape]`` of a linear layer.

    Raises:
        InputError: If there is no such layer, or the shape does not fit.

    Example:
        >>> first_layer_filters(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2)).shape
        (5, 3, 2, 2)
    """
    layer = next((m for m in model.modules() if isinstance(m, nn.Linear | _ConvNd)), None)
    if layer is None:
        raise InputError("`model` must have a linear or convolutional layer. Got none.")
    weights: NDArray[np.float32] = layer.weight.detach().cpu().float().numpy().copy()
    if shape is None or isinstance(layer, _ConvNd):
        return weights
    if prod(shape) != weights.shape[1]:
        raise InputError(
            f"`shape` must have {weights.shape[1]} numbers, as the layer has inputs. Got {tuple(shape)}."
        )
    return weights.reshape(-1, *shape)


@dataclass(frozen=True)
class Contours:
    """Units of a network with two inputs, over a square grid.

    Attributes:
        x: First input, shape ``[r]``.
        y: Second input, shape ``[r]``.
        values: By layer, ``[units, r, r]``: rows are y, from the lowest, columns x.

    Example:
        >>> Contours(np.arange(3.0), np.arange(3.0), {"0": np.zeros((4, 3, 3))})
        Contours(3 × 3, '0': 4)
    """

    x: Floats
    y: Floats
    values: dict[str, Floats]

    def __repr__(self) -> str:
        layers = ", ".join(f"{name!r}: {len(units)}" for name, units in self.values.items())
        return f"Contours({len(self.x)} × {len(self.y)}, {layers})"


def unit_contours(
    model: nn.Module,
    layers: Sequence[str] | None = None,
    *,
    extent: tuple[float, float] = (-1.0, 1.0),
    resolution: int = 101,
) -> Contours:
    """What every unit says over a square of the plane, for a model with two inputs.

    Args:
        model: Called on ``[b, 2]``.
        layers: Names as in ``model.named_modules()``; all with parameters of their own, unless given.
        extent: Least and largest value of both inputs.
        resolution: Points a side.

    Raises:
        InputError: If the extent is empty, there are fewer than two points a side, or a layer is not there.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> unit_contours(net, resolution=21)
        Contours(21 × 21, '0': 3, '2': 1)
    """
    low, high = extent
    if not low < high or resolution < 2:
        raise InputError(
            f"`extent` must rise and `resolution` be at least 2. Got {tuple(extent)} and {resolution}."
        )
    axis = np.linspace(low, high, resolution)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    points = torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1)).to(dtype)
    values = {
        name: features.T.double().cpu().numpy().reshape(-1, resolution, resolution)
        for name, features in activations(model, points, layers).items()
    }
    return Contours(axis, axis.copy(), values)
