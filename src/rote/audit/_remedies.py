"""Remedies: what would help, tried on request and measured on the test part."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.audit._cell import Cell
from rote.audit._interval import interval

WHAT = {
    "early-stop": "Stop after the epoch that predicts held-out labels best.",
    "drop-suspects": "Train without the examples whose label is more likely wrong than right.",
    "relabel": "Give those examples their suggested labels, and train again.",
}
SUSPICIOUS = 0.5
"""Scores above this make a suspect that remedies act upon."""


def remedy_cells(
    name: str, real: Sequence[Cell], suspect: NDArray[np.bool_], suggested: NDArray[np.int64]
) -> list[Cell]:
    """What a remedy trains: each real cell's network again, on other labels or fewer examples.

    Args:
        name: ``"drop-suspects"`` or ``"relabel"``; ``"early-stop"`` trains nothing.
        real: The cells on the given labels.
        suspect: Which examples are acted upon, shape ``[m]``.
        suggested: Suggested labels, shape ``[m]``.

    Returns:
        One cell for each real one, or none.
    """
    # The suspects are part of the name: networks trained on others must not pass for these.
    acted = hashlib.sha256(suspect.tobytes() + np.where(suspect, suggested, -1).tobytes()).hexdigest()[:8]
    cells = []
    for k, cell in enumerate(real):
        changed = replace(
            cell, name=f"cells/{name}-{acted}-{k}", coherence=False, support=False, neighbours=False
        )
        if name == "drop-suspects":
            cells.append(replace(changed, learn=cell.learn[~suspect[cell.learn]]))
        elif name == "relabel":
            cells.append(replace(changed, y=np.where(suspect, suggested, cell.y)))
    return cells


def early_stop(curve: Sequence[dict[str, Any]]) -> tuple[int, float]:
    """The epoch that predicts held-out labels best, the earliest of equals, and its test accuracy.

    Args:
        curve: One run's records, one an epoch.

    Returns:
        Epoch and test accuracy.

    Example:
        >>> early_stop([{"epoch": 1, "held_out_accuracy": 0.9, "test_accuracy": 0.8},
        ...             {"epoch": 2, "held_out_accuracy": 0.8, "test_accuracy": 0.7}])
        (1, 0.8)
    """
    best = max(curve, key=lambda record: (record["held_out_accuracy"], -record["epoch"]))
    return int(best["epoch"]), float(best["test_accuracy"])


def remedy_record(
    name: str, before: Sequence[float], after: Sequence[float] | None, detail: str, command: str
) -> dict[str, object]:
    """A remedy's line on the page.

    Args:
        name: Of the remedy.
        before: Each run's test accuracy without it.
        after: Each run's test accuracy with it; ``None`` if it was not tried.
        detail: What it did here, in a few words, or why it could not be tried.
        command: What would try it.

    Returns:
        The record.
    """
    if after is None:
        return {
            "name": name,
            "ran": False,
            "what": WHAT[name],
            "before": interval(before).to_dict(),
            "after": None,
            "change": None,
            "sentence": detail or "Not tried.",
            "command": None if detail else command,
        }
    change = interval([a - b for a, b in zip(after, before, strict=True)])
    value, low, high = change.value or 0.0, change.low, change.high
    points = f"{100 * value:+.1f} points of test accuracy"
    if low is not None and high is not None:
        points += f" ({100 * low:+.1f} to {100 * high:+.1f})"
        verdict = "It helps" if low > 0 else "It hurts" if high < 0 else "No clear change"
    else:
        verdict = "One run only"
    return {
        "name": name,
        "ran": True,
        "what": WHAT[name],
        "before": interval(before).to_dict(),
        "after": interval(after).to_dict(),
        "change": change.to_dict(),
        "sentence": f"{verdict}: {points}. {detail}".strip(),
        "command": None,
    }
