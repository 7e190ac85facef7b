"""What a model rests on: its accuracy where some features no longer belong to their examples."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from rote.dynamics._evaluation import evaluation_mode
from rote.dynamics._given import array
from rote.errors import InputError

Model = nn.Module | Callable[[NDArray[np.float32]], ArrayLike]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Reliance:
    """How a model does as it is, with features S of other examples, and with all others' features.

    Attributes:
        accuracy: On the examples as they are.
        auc: Area under the ROC curve; of several classes the mean of each against the rest.
        randomised_accuracy: With S taken from other examples.
        randomised_auc: Likewise.
        rest_accuracy: With all features but S taken from other examples.
        rest_auc: Likewise.
        m: Examples.
        scores: The model's outputs in the three cases, for histograms; each ``[m]`` or ``[m, classes]``.

    Example:
        >>> found = Reliance(0.95, 0.99, 0.5, 0.5, 0.95, 0.99, m=1000)
        >>> found.exclusive()
        True
    """

    accuracy: float
    auc: float
    randomised_accuracy: float
    randomised_auc: float
    rest_accuracy: float
    rest_auc: float
    m: int
    scores: tuple[Scores, ...] = field(default=(), repr=False, compare=False)

    def exclusive(self, tolerance: float = 0.02) -> bool:
        """Whether the model rests on S alone: without S a guess, without the rest as good as ever.

        In areas under the curve: ``randomised_auc`` is 0.5 and ``rest_auc`` is ``auc``, up to ``tolerance``.
        """
        return abs(self.randomised_auc - 0.5) <= tolerance and self.auc - self.rest_auc <= tolerance

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the scores, JSON-ready."""
        return {name: value for name, value in vars(self).items() if name != "scores"}

    def __str__(self) -> str:
        rows = [
            ("as it is", self.accuracy, self.auc),
            ("S randomised", self.randomised_accuracy, self.randomised_auc),
        ]
        rows.append(("the rest randomised", self.rest_accuracy, self.rest_auc))
        return "\n".join(f"{name:<20} accuracy {a:.3f}, AUC {auc:.3f}" for name, a, auc in rows)


def randomised(
    model: Model,
    X: ArrayLike,
    y: ArrayLike,
    group: ArrayLike,
    *,
    rotation: NDArray[np.float64] | None = None,
    seed: int = 0,
    batch: int = 4096,
) -> Reliance:
    """Accuracy and AUC where a group S of features, and then all others, come from other examples.

    S-randomised (Shah et al. 2020, §2): one permutation of the test examples is drawn, and S moved along it,
    which keeps S's own distribution and destroys what it says. Features that were rotated are moved in the
    basis in which they were made.

    Args:
        model: Called on float32 examples ``[b, …]``; gives scores ``[b]`` or ``[b, 1]``, positive for label
            1, or ``[b, classes]``. A module is called in evaluation mode, anything else with NumPy arrays.
        X: Test examples, shape ``[m, …]``.
        y: Labels, shape ``[m]``, integers from 0.
        group: S: places of the features, or True and False for each, of an example as it is flattened.
        rotation: ``X = raw @ rotation.T``, shape ``[d, d]``; None: S are features of ``X`` itself.
        seed: Of the permutation.
        batch: Examples that the model sees at a time.

    Returns:
        The three pairs of numbers, and the scores.

    Raises:
        InputError: If shapes disagree, only one label occurs, or a score is not finite.

    Example:
        >>> from rote.dynamics import lms
        >>> data = lms(5, 2000, d=5, seed=0)
        >>> linear = lambda X: (X @ data.rotation)[:, 0]  # knows where the linear coordinate is
        >>> found = randomised(linear, data.X, data.y, data.simple, rotation=data.rotation)
        >>> found.accuracy, found.rest_accuracy, abs(found.randomised_accuracy - 0.5) < 0.05
        (1.0, 1.0, True)
    """
    given, labels = array(X, "X").astype(np.float32), array(y, "y")
    if given.ndim < 2 or labels.shape != given.shape[:1] or labels.dtype.kind not in "iub" or len(given) < 2:
        raise InputError(
            f"`X` must be examples [m, …] and `y` their labels [m], whole numbers, m at least 2. "
            f"Got shapes {given.shape} and {labels.shape} ({labels.dtype})."
        )
    if len(np.unique(labels)) < 2 or labels.min() < 0:
        raise InputError("`y` must hold two labels at least, from 0; an area under the curve needs both.")
    raw: NDArray[Any] = given.reshape(len(given), -1)
    mask = _mask(group, raw.shape[1])
    if rotation is not None:
        if np.shape(rotation) != (raw.shape[1],) * 2:
            raise InputError(f"`rotation` must have shape {(raw.shape[1],) * 2}. Got {np.shape(rotation)}.")
        raw = raw.astype(np.float64) @ rotation
    other = raw[np.random.default_rng(seed).permutation(len(raw))]
    scores = []
    for moved in (None, mask, ~mask):
        mixed = raw if moved is None else np.where(moved, other, raw)
        turned = given if moved is None else mixed if rotation is None else mixed @ rotation.T
        scores.append(_scores(model, turned.reshape(given.shape).astype(np.float32), labels, batch))
    (plain, auc), (without, auc_without), (alone, auc_alone) = (_judged(each, labels) for each in scores)
    return Reliance(
        accuracy=plain,
        auc=auc,
        randomised_accuracy=without,
        randomised_auc=auc_without,
        rest_accuracy=alone,
        rest_auc=auc_alone,
        m=len(labels),
        scores=tuple(scores),
    )


def _mask(group: ArrayLike, d: int) -> NDArray[np.bool_]:
    places = array(group, "group")
    if places.dtype == np.bool_:
        if places.size != d:
            raise InputError(f"`group` must say True or False of {d} features. Got {places.size}.")
        return places.reshape(d)
    mask = np.zeros(d, bool)
    if places.size:
        if places.ndim != 1 or places.dtype.kind not in "iu" or places.min() < 0 or places.max() >= d:
            raise InputError(f"`group` must be places from 0 to {d - 1}, or {d} times True or False.")
        mask[places] = True
    return mask


def _scores(model: Model, X: NDArray[np.float32], labels: NDArray[Any], batch: int) -> Scores:
    if isinstance(model, nn.Module):
        parameter = next(model.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        with evaluation_mode(model), torch.no_grad():
            parts = [
                model(part.to(device)).float().cpu().numpy() for part in torch.from_numpy(X).split(batch)
            ]
    else:
        parts = [array(model(X[at : at + batch]), "model") for at in range(0, len(X), batch)]
    found = np.concatenate(parts).astype(np.float64)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    classes = 2 if found.ndim == 1 else found.shape[-1]
    if found.ndim not in (1, 2) or len(found) != len(X) or labels.max() >= classes:
        raise InputError(
            f"`model` must give scores [m], or [m, classes] for labels to {labels.max()}. "
            f"Got shape {found.shape}."
        )
    if not np.isfinite(found).all():
        raise InputError("`model` must give finite scores; at least one is not.")
    return found


def _judged(scores: Scores, labels: NDArray[Any]) -> tuple[float, float]:
    """Accuracy and the area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    if scores.ndim == 2 and scores.shape[1] == 2:
        scores = scores[:, 1] - scores[:, 0]
    if scores.ndim == 1:
        return float(np.mean((scores > 0) == labels)), float(roc_auc_score(labels, scores))
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = shifted / shifted.sum(axis=1, keepdims=True)
    areas = [roc_auc_score(labels == c, shares[:, c]) for c in np.unique(labels)]
    return float(np.mean(scores.argmax(axis=1) == labels)), float(np.mean(areas))
