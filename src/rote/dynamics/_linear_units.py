"""How many units of each layer are linear functions of the input."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import matrix
from rote.dynamics._probes import Layers, matrices, split
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LinearUnits:
    """How much of each unit a linear function of the input explains.

    Attributes:
        layers: Names, in the order given.
        r2: ``1 - residual/variance`` of each unit on the examples held out, one array ``[p]`` a layer; NaN
            for a unit that says the same of all of them.
        threshold: Above it a unit counts as linear.

    Example:
        >>> LinearUnits(("0", "2"), (np.array([1.0, 0.4]), np.array([0.2, np.nan])), 0.9)
        LinearUnits('0': 50% of 2; '2': 0% of 1)
    """

    layers: tuple[str, ...]
    r2: tuple[NDArray[np.float64], ...]
    threshold: float

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of linear units among those that vary, shape ``[L]``; NaN where none does."""
        counts = self.units
        linear = np.array([np.sum(r2 > self.threshold) for r2 in self.r2], float)
        shares: NDArray[np.float64] = np.divide(
            linear, counts, out=np.full(len(counts), np.nan), where=counts > 0
        )
        return shares

    @property
    def units(self) -> NDArray[np.int64]:
        """Units that vary, shape ``[L]``."""
        return np.array([np.isfinite(r2).sum() for r2 in self.r2], np.int64)

    def __repr__(self) -> str:
        rows = zip(self.layers, self.share, self.units, strict=True)
        return f"LinearUnits({'; '.join(f'{n!r}: {100 * s:.3g}% of {u}' for n, s, u in rows)})"


def linear_units(
    layers: Layers,
    inputs: "ArrayLike | Tensor",
    *,
    threshold: float = 0.9,
    held_out: float = 0.5,
    seed: int = 0,
) -> LinearUnits:
    """Fit each unit by least squares on the inputs and see how much that explains on other examples.

    On the examples that were fitted, d inputs would explain about d/m of anything. Take several times as many
    examples as the inputs have dimensions: with hardly more, the fit is poor on other examples wherever a
    unit is not exactly linear.

    Args:
        layers: Features ``[m, …]`` by layer, as :func:`rote.dynamics.activations` gives them.
        inputs: The inputs that gave them, shape ``[m, …]``; a constant is added.
        threshold: R² above which a unit counts as linear.
        held_out: Share of the examples on which R² is measured.
        seed: Of the split.

    Raises:
        InputError: If the lengths differ, or the inputs have as many dimensions as examples that are fitted.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((400, 2))
        >>> linear_units({"plain": x @ np.eye(2), "bent": np.c_[abs(x[:, 0]), x[:, 1]]}, x)
        LinearUnits('plain': 100% of 2; 'bent': 50% of 2)
    """
    X = matrix("inputs", inputs)
    features = matrices(layers)
    fitted, rest = split(len(X), held_out, seed)
    if len(fitted) <= X.shape[1] + 1:
        raise InputError(
            f"`inputs` must have more examples to fit than dimensions. Got {len(fitted)} examples to fit, of "
            f"{X.shape[1]} dimensions and a constant: give more examples, or project the inputs first."
        )
    for name, Z in features.items():
        if len(Z) != len(X):
            raise InputError(f"`inputs` must be {len(Z)}, as layer {name!r} has examples. Got {len(X)}.")
    X = X - X[fitted].mean(0)
    # One singular value decomposition serves all layers; directions that do not vary are left out.
    U, s, Vt = np.linalg.svd(X[fitted], full_matrices=False)
    kept = s > s[0] * max(X[fitted].shape) * np.finfo(float).eps
    inverse = (Vt[kept].T / s[kept]) @ U[:, kept].T
    r2 = []
    for Z in features.values():
        mean = Z[fitted].mean(0)
        errors = Z[rest] - mean - X[rest] @ (inverse @ (Z[fitted] - mean))
        variation = ((Z[rest] - Z[rest].mean(0)) ** 2).sum(0)
        varies = variation > 1e-20 * (Z[rest] ** 2).sum(0)
        share = np.divide((errors**2).sum(0), variation, out=np.full(len(mean), np.nan), where=varies)
        r2.append(1 - share)
    return LinearUnits(tuple(features), tuple(r2), threshold)
