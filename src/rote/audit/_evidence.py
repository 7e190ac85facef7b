"""What a group of runs says of each example, put together from their records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.audit._neighbours import distances_to_classes, label_agreement
from rote.audit._track import FLOOR

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Per-example evidence from runs that each left out one part of m examples; C classes.

    Attributes:
        y: The labels the runs were given, shape ``[m]``.
        mean_loss: Loss on the given label while it was trained on, mean over runs and looks, shape ``[m]``.
        last_loss: The same at the last look only, shape ``[m]``.
        held_out: Class probabilities at the end, by the run that left the example out, shape ``[m, C]``.
        log_belief: Log-probabilities, mean over all runs and looks, shape ``[m, C]``.
        belief: Probabilities, mean over all runs and looks, shape ``[m, C]``.
        confidence: Probability of the given label while trained on, mean over looks, shape ``[m]``.
        variability: Its standard deviation over looks, shape ``[m]``.
        first: Median epoch of being first predicted, over the runs that trained on it; 0 for never, shape
            ``[m]``.
        good: The same for the epoch since which it always was, shape ``[m]``.
        fitted: Share of the runs that trained on it and predict its label at the end, shape ``[m]``.
        agreement: Share of the 10 nearest inputs that carry its label, shape ``[m]``.
        input_distance: Distances to the classes among inputs, shape ``[m, C]``.
        inside_distance: Distances to the classes as the run that left it out represents them, shape
            ``[m, C]``.
        support: Support of all the others, mean over looks, shape ``[m]``; nan where it was not measured.
        support_same_label: Support of those with its label, shape ``[m]``.
    """

    y: NDArray[np.int64]
    mean_loss: Array
    last_loss: Array
    held_out: Array
    log_belief: Array
    belief: Array
    confidence: Array
    variability: Array
    first: Array
    good: Array
    fitted: Array
    agreement: Array
    input_distance: Array
    inside_distance: Array
    support: Array
    support_same_label: Array


def gather(
    tracks: Sequence[Mapping[str, NDArray[Any]]],
    y: NDArray[np.int64],
    neighbours: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> Evidence:
    """Put the records of runs together.

    Args:
        tracks: The arrays each run saved.
        y: The labels they were given, shape ``[m]``.
        neighbours: Nearest inputs and their distances.

    Returns:
        The evidence; every example is left out by at least one of the runs.
    """
    out = np.stack([t["held_out"].astype(float) for t in tracks])
    inside = 1.0 - out
    looks = np.array([float(t["looks"][0]) for t in tracks])

    def trained(name: str, scale: NDArray[np.float64] | float = 1.0) -> Array:
        values = np.stack([t[name] for t in tracks]) / np.reshape(scale, (-1, 1))
        return np.asarray((values * inside).sum(0) / inside.sum(0))

    def everywhere(name: str) -> Array:
        return np.asarray(np.mean([t[name] / n for t, n in zip(tracks, looks, strict=True)], axis=0))

    def left_out(name: str) -> Array:
        return np.asarray(
            np.einsum("km,kmc->mc", out, np.stack([t[name] for t in tracks])) / out.sum(0)[:, None]
        )

    confidence = trained("given", looks)
    spread = np.sqrt(np.maximum(trained("given_squared", looks) - confidence**2, 0.0))
    belief = everywhere("probability")
    rows = np.arange(len(y))
    last = -np.log(np.maximum(np.stack([t["probability_last"][rows, y] for t in tracks]), FLOOR))
    right = np.stack([t["probability_last"].argmax(1) == y for t in tracks])
    measured = all("support" in t for t in tracks)
    unknown = np.full(len(y), np.nan)
    return Evidence(
        y=y,
        mean_loss=trained("loss", looks),
        last_loss=np.asarray((last * inside).sum(0) / inside.sum(0)),
        held_out=left_out("probability_last"),
        log_belief=everywhere("log_probability"),
        belief=belief,
        confidence=confidence,
        variability=spread,
        first=_median_epoch([t["first"] for t in tracks], inside),
        good=_median_epoch([t["good"] for t in tracks], inside),
        fitted=np.asarray((right * inside).sum(0) / inside.sum(0)),
        agreement=label_agreement(neighbours[0], y),
        input_distance=distances_to_classes(*neighbours, belief.astype(np.float32)).astype(float),
        inside_distance=left_out("representation_distance"),
        support=trained("support") if measured else unknown,
        support_same_label=trained("support_same_label") if measured else unknown,
    )


def margin(values: Array, y: NDArray[np.int64]) -> Array:
    """By how much the best other class beats the given one, positive where it does.

    Args:
        values: What speaks for each class, shape ``[m, C]``, C at least 2.
        y: Given labels, shape ``[m]``.

    Returns:
        Shape ``[m]``.

    Example:
        >>> margin(np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([0, 1])).tolist()
        [2.0, -2.0]
    """
    rows = np.arange(len(y))
    others = values.copy()
    others[rows, y] = -np.inf
    return np.asarray(others.max(1) - values[rows, y])


def _median_epoch(epochs: Sequence[NDArray[np.int64]], inside: Array) -> Array:
    """Median over the runs that trained on an example, never counting as later than any; 0 for never."""
    values = np.stack([np.where(e == 0, np.inf, e) for e in epochs])
    masked = np.where(inside > 0, values, np.nan)
    ordered = np.sort(masked, axis=0)  # nan last
    middle = ((inside.sum(0) - 1) // 2).astype(int)
    median = ordered[middle, np.arange(ordered.shape[1])]
    return np.where(np.isinf(median), 0.0, median)
