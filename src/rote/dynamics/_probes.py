"""What can be read off each layer linearly: probes with a control task (Alain & Bengio, arXiv 1610.01644)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import matrix
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Layers = Mapping[str, "ArrayLike | Tensor"]


@dataclass(frozen=True)
class Probes:
    """One logistic regression a layer, on real and on shuffled labels.

    Attributes:
        layers: Names, in the order given.
        test: Accuracy on the examples held out, shape ``[L]``.
        train: Accuracy on the examples fitted, shape ``[L]``.
        control: The same as ``train`` where the labels were shuffled among them: what the probe can merely
            memorise, shape ``[L]``.
        converged: Whether both fits came to an end, shape ``[L]``.
        held_out: Which examples ``test`` is of, int64.
        predictions: What each layer's probe says of those, shape ``[L, len(held_out)]``: the simpler model
            of :func:`rote.dynamics.explained`, if you like.

    Example:
        >>> Probes(("0",), *(np.array([v]) for v in (0.9, 1.0, 0.6)), np.array([True]), np.arange(2),
        ...        np.zeros((1, 2)))
        Probes('0': test 0.9, selectivity 0.4)
    """

    layers: tuple[str, ...]
    test: NDArray[np.float64]
    train: NDArray[np.float64]
    control: NDArray[np.float64]
    converged: NDArray[np.bool_]
    held_out: NDArray[np.int64]
    predictions: NDArray[Any]

    @property
    def selectivity(self) -> NDArray[np.float64]:
        """``train - control``: near 0, the probe would have found a rule in any labels."""
        return self.train - self.control

    def __repr__(self) -> str:
        rows = zip(self.layers, self.test, self.selectivity, strict=True)
        return f"Probes({'; '.join(f'{n!r}: test {t:.3g}, selectivity {s:.3g}' for n, t, s in rows)})"


def linear_probes(
    layers: Layers, labels: ArrayLike, *, held_out: float = 0.5, strength: float = 1.0, seed: int = 0
) -> Probes:
    """How well the label can be read off each layer by logistic regression, and how much of it is memory.

    Units are standardised on the examples that are fitted. The control task is the same labels shuffled among
    these examples: its accuracy there says what a probe with so many units can memorise, and ``selectivity``
    compares the real labels' accuracy on the same examples with it (after Hewitt & Liang 2019,
    arXiv 1909.03368, whose control labels belong to word types, which examples do not have). With more units
    than examples both are 1: then only ``test`` says something.

    Args:
        layers: Features ``[m, …]`` by layer, as :func:`rote.dynamics.activations` gives them.
        labels: Shape ``[m]``, any integers.
        held_out: Share of the examples that the probes do not see.
        strength: Of the l2 penalty ``strength/2 · ‖w‖²`` beside the sum of the losses.
        seed: Of the split and of the shuffling, the same for every layer.

    Raises:
        InputError: If layers and labels are of different length, an example is missing on one side, or a
            number is out of range.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((200, 2))
        >>> found = linear_probes({"input": x, "product": x.prod(1, keepdims=True)}, x.prod(1) > 0)
        >>> (found.test > 0.9).tolist()
        [False, True]
    """
    if not strength > 0:
        raise InputError(f"`strength` must be above 0. Got {strength}.")
    features, y = _aligned(layers, labels)
    fitted, rest = split(len(y), held_out, seed)
    if len(np.unique(y[fitted])) < 2:
        raise InputError(
            "`labels` must be of two classes at least among the examples that are fitted. Got 1."
        )
    shuffled = np.random.default_rng([seed, 1]).permutation(y[fitted])
    scores, converged, predictions = [], [], []
    for X in features.values():
        X = _standardised(X, fitted)
        probe, done = _fit(X[fitted], y[fitted], strength)
        control, too = _fit(X[fitted], shuffled, strength)
        predictions.append(probe.predict(X[rest]))
        accuracy = probe.score(X[fitted], y[fitted]), control.score(X[fitted], shuffled)
        scores.append((np.mean(predictions[-1] == y[rest]), *accuracy))
        converged.append(done and too)
    test, train, controls = np.array(scores).T
    return Probes(tuple(features), test, train, controls, np.array(converged), rest, np.stack(predictions))


def split(m: int, held_out: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the examples that are fitted and of those held out, each in rising order.

    Example:
        >>> [len(part) for part in split(10, 0.3, 0)]
        [7, 3]
    """
    count = round(held_out * m)
    if not 0 < held_out < 1 or not 0 < count < m:
        raise InputError(
            f"`held_out` must leave examples on both sides. Got a share of {held_out} of {m} examples."
        )
    order = np.random.default_rng(seed).permutation(m)
    return np.sort(order[count:]), np.sort(order[:count])


def _aligned(layers: Layers, labels: ArrayLike) -> tuple[dict[str, NDArray[np.float64]], NDArray[Any]]:
    """Matrices by layer and labels of the same length."""
    detach = getattr(labels, "detach", None)
    y = np.asarray(labels if detach is None else detach().cpu().numpy())
    if y.ndim != 1 or y.dtype.kind not in "biu":
        raise InputError(f"`labels` must be integers of shape [m]. Got {y.dtype} of shape {y.shape}.")
    features = matrices(layers)
    for name, X in features.items():
        if len(X) != len(y):
            raise InputError(f"`labels` must be {len(X)}, as layer {name!r} has examples. Got {len(y)}.")
    return features, y


def matrices(layers: Layers) -> dict[str, NDArray[np.float64]]:
    """Layers as matrices ``[m, p]`` of equal length.

    Example:
        >>> matrices({"0": [[1], [2]]})["0"].shape
        (2, 1)
    """
    if not isinstance(layers, Mapping) or not layers:
        raise InputError(
            f"`layers` must be features by name, as `activations` gives them. Got {type(layers).__name__}"
            f"{' without entries' if isinstance(layers, Mapping) else ''}."
        )
    return {str(name): matrix(f"layers[{name!r}]", given) for name, given in layers.items()}


def _standardised(X: NDArray[np.float64], fitted: NDArray[np.int64]) -> NDArray[np.float64]:
    from sklearn.preprocessing import StandardScaler

    result: NDArray[np.float64] = StandardScaler().fit(X[fitted]).transform(X)
    return result


def _fit(X: NDArray[np.float64], y: NDArray[Any], strength: float) -> tuple[Any, bool]:
    """A logistic regression, and whether it came to an end."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe = LogisticRegression(C=1 / strength, max_iter=1000).fit(X, y)
    return probe, bool(np.max(probe.n_iter_) < probe.max_iter)
