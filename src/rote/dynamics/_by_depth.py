"""How complex a network's layers are, in one call: four measures by depth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.dynamics._dimension import two_nn
from rote.dynamics._given import matrix
from rote.dynamics._layers import activations
from rote.dynamics._linear_units import linear_units
from rote.dynamics._pieces import KINKS, linear_pieces, random_lines
from rote.dynamics._probes import linear_probes
from rote.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DepthProfile:
    """Four measures of each activation layer, in the order in which they run; each has shape ``[L]``.

    Attributes:
        layers: Names.
        probe: Accuracy of a linear probe on examples held out.
        selectivity: The probe's accuracy on the examples fitted beyond that with shuffled labels.
        linear_share: Share of the units that are linear in the input (R² above .9); NaN where half the
            examples are no more than the inputs have dimensions.
        dimension: TwoNN dimension; NaN where fewer than 10 examples differ.
        pieces: Mean number of linear pieces along lines between examples; NaN where no lines were asked for.

    Example:
        >>> DepthProfile(("1",), *(np.array([v]) for v in (0.9, 0.5, 0.1, 4.2, 17.0)))
        DepthProfile(
            '1': probe 0.9, linear share 0.1, dimension 4.2, pieces 17
        )
    """

    layers: tuple[str, ...]
    probe: Floats
    selectivity: Floats
    linear_share: Floats
    dimension: Floats
    pieces: Floats

    def __repr__(self) -> str:
        rows = zip(self.layers, self.probe, self.linear_share, self.dimension, self.pieces, strict=True)
        lines = (
            f"    {name!r}: probe {p:.3g}, linear share {share:.3g}, dimension {d:.3g}, pieces {cut:.4g}\n"
            for name, p, share, d, cut in rows
        )
        return f"DepthProfile(\n{''.join(lines)})"


def by_depth(model: nn.Module, x: Tensor, y: Tensor, *, lines: int = 50, seed: int = 0) -> DepthProfile:
    """Probe, linear share, intrinsic dimension and linear pieces after each activation of a network.

    Each is a function of its own with more to choose (:func:`linear_probes`, :func:`linear_units`,
    :func:`two_nn`, :func:`linear_pieces`); this calls them with their defaults.

    Args:
        model: Called on ``[b, …]``; its activations are modules (ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh).
        x: Examples, shape ``[m, …]``, a few hundred at least.
        y: Labels, shape ``[m]``.
        lines: Between random pairs of examples, for the pieces. 0 leaves them out, as is needed where the
            model is not piecewise linear.
        seed: Of splits, shuffling and lines.

    Raises:
        InputError: If there is no such module, or a measure refuses what it is given.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> x = torch.randn(200, 3)
        >>> by_depth(net, x, (x[:, 0] > 0).long()).layers
        ('1', '3')
    """
    names = [name for name, module in model.named_modules() if isinstance(module, KINKS)]
    if not names or lines < 0:
        raise InputError(
            "`model` must have activations that are modules (nn.ReLU and its like), and `lines` be 0 or "
            f"more. Got {len(names)} such modules and {lines} lines."
        )
    layers = activations(model, x, names)
    probes = linear_probes(layers, y, seed=seed)
    nothing = np.full(len(layers), np.nan)
    fits = len(x) - len(probes.held_out) > matrix("x", x).shape[1] + 1
    linear = linear_units(layers, x, seed=seed).share if fits else nothing
    pieces = linear_pieces(model, *random_lines(x, lines, seed=seed)).pieces.mean(0) if lines else nothing
    dimension = np.array([_dimension(features) for features in layers.values()])
    return DepthProfile(tuple(layers), probes.test, probes.selectivity, linear, dimension, pieces)


def _dimension(features: Tensor) -> float:
    try:
        return two_nn(features).value
    except InputError:  # a layer that is dead, or says a few things only
        return float("nan")
