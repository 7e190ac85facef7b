"""Remedies: what would help, tried on request and measured on the test part."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rote.audit._cell import Cell, Material, standardised
from rote.audit._interval import Interval, interval
from rote.audit._plan import REMEDIES, Factory, Plan, build
from rote.audit._robust import GROUPS, level, robust, why_not

WHAT = {
    "early-stop": "Stop after the epoch that predicts held-out labels best.",
    "drop-suspects": "Train without the examples whose label is more likely wrong than right.",
    "relabel": "Give those examples their suggested labels, and train again.",
    "winsorize": (
        "Train again with winsorized gradients: in every step and of every coordinate, the largest and the "
        "smallest among the batch's examples are clamped, so that what a few examples want has no say."
    ),
    "median": (
        "Train again with medians: a step follows, coordinate by coordinate, the median of the gradients of "
        "three groups of the batch, so that what one group wants has no say."
    ),
}
SUSPICIOUS = 0.5
"""Scores above this make a suspect that remedies act upon."""

Curve = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Tried:
    """What became of the remedies that were asked for.

    Attributes:
        names: Which those are.
        curves: Of each that was trained, one list of records a run.
        excuses: Of each that could not be, why.
    """

    names: tuple[str, ...] = ()
    curves: dict[str, list[Curve]] = field(default_factory=dict)
    excuses: dict[str, str] = field(default_factory=dict)


def remedy_cells(
    name: str, real: Sequence[Cell], suspect: NDArray[np.bool_], suggested: NDArray[np.int64], classes: int
) -> list[Cell]:
    """What a remedy trains: each real cell's network again, on other labels, fewer examples, or otherwise.

    Args:
        name: Of the remedy; ``"early-stop"`` trains nothing.
        real: The cells on the given labels.
        suspect: Which examples are acted upon, shape ``[m]``.
        suggested: Suggested labels, shape ``[m]``.
        classes: Number of classes.

    Returns:
        One cell for each real one, or none.
    """
    # The suspects are part of the name: networks trained on others must not pass for these.
    acted = hashlib.sha256(suspect.tobytes() + np.where(suspect, suggested, -1).tobytes()).hexdigest()[:8]
    aggregate = robust(name, classes)
    cells = []
    for k, cell in enumerate(real):
        changed = replace(
            cell, name=f"cells/{name}-{acted}-{k}", coherence=False, support=False, neighbours=False
        )
        if name == "drop-suspects":
            cells.append(replace(changed, learn=cell.learn[~suspect[cell.learn]]))
        elif name == "relabel":
            cells.append(replace(changed, y=np.where(suspect, suggested, cell.y)))
        elif aggregate is not None:
            cells.append(replace(changed, name=f"cells/{name}-{k}", aggregate=aggregate))
    return cells


def why_not_possible(cells: Sequence[Cell], material: Material, factory: Factory, plan: Plan) -> str:
    """Why a remedy's cells cannot be trained, in a sentence; ``""`` if they can.

    Args:
        cells: The remedy's.
        material: The inputs.
        factory: Of the network.
        plan: Recipe and seed.
    """
    if not all(len(cell.learn) for cell in cells):
        return "Not possible here: each example that some network learns from is a suspect."
    if not cells or cells[0].aggregate is None:
        return ""
    if plan.recipe.batch < GROUPS:
        return f"Not possible here: it takes batches of at least {GROUPS}; choose a larger --batch."
    index = cells[0].learn[: plan.recipe.batch]
    x, y = standardised(material.x[index], material.x, index), torch.from_numpy(cells[0].y[index])
    torch.manual_seed(plan.seed)
    return why_not(build(factory, material.x.shape[1:], material.classes), x, y, cells[0].aggregate)


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


def remedy_records(
    real: Sequence[Curve], suspects: int, tried: Tried, *, chance: float, batch: int, classes: int
) -> list[dict[str, Any]]:
    """The page's lines on all remedies.

    Args:
        real: Curves of the runs on the given labels.
        suspects: How many examples remedies acted upon.
        tried: What became of the remedies.
        chance: Share of the commonest class.
        batch: Examples a step.
        classes: Number of classes.

    Returns:
        One record each.
    """
    before = [curve[-1]["test_accuracy"] for curve in real]
    records = []
    for name in REMEDIES:
        after, detail, cost = None, "", ""
        if name in tried.names and name == "early-stop":
            stops = [early_stop(curve) for curve in real]
            after = [accuracy for _, accuracy in stops]
            detail = f"Stopped after epoch {', '.join(str(epoch) for epoch, _ in stops)}."
        elif name in tried.curves:
            curves = tried.curves[name]
            after = [curve[-1]["test_accuracy"] for curve in curves]
            if robust(name, classes) is None:
                detail = (
                    f"{suspects} examples were {'left out' if name == 'drop-suspects' else 'relabelled'}."
                )
            else:
                strength = f"Level {level(batch, classes)}" if name == "winsorize" else f"{GROUPS} groups"
                detail = f"{strength} in batches of {batch}. {_memorised(real, curves, chance)}"
        elif name in tried.names:
            detail = tried.excuses[name]
        elif robust(name, classes) is not None:
            cost = f"It would train {len(real)} more networks, with slower steps."
        records.append(remedy_record(name, before, after, detail, f"--try {name}", cost=cost))
    return records


def _memorised(real: Sequence[Curve], curves: Sequence[Curve], chance: float) -> str:
    """What a remedy changes of the share of labels that is predicted because it was seen."""

    def shares(runs: Sequence[Curve]) -> list[float]:
        last = [run[-1] for run in runs]
        return [(r["train_accuracy"] - r["held_out_accuracy"]) / (1 - chance) for r in last]

    before, after = shares(real), shares(curves)
    change = interval([a - b for a, b in zip(after, before, strict=True)])
    points, ends = _points(change)
    return (
        f"Memorised labels: {_percent(interval(before))} without it, {_percent(interval(after))} with it, "
        f"{points} points{ends}."
    )


def _percent(found: Interval) -> str:
    return f"{100 * (found.value or 0.0):.1f} %"


def _points(change: Interval) -> tuple[str, str]:
    """A change in points, and its interval in brackets if it has one."""
    value, low, high = change.value or 0.0, change.low, change.high
    ends = "" if low is None or high is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{100 * value:+.1f}", ends


def remedy_record(
    name: str,
    before: Sequence[float],
    after: Sequence[float] | None,
    detail: str,
    command: str,
    *,
    cost: str = "",
) -> dict[str, object]:
    """A remedy's line on the page.

    Args:
        name: Of the remedy.
        before: Each run's test accuracy without it.
        after: Each run's test accuracy with it; ``None`` if it was not tried.
        detail: What it did here, in a few words, or why it could not be tried.
        command: What would try it.
        cost: What that would take, in a sentence.

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
            "sentence": detail or f"Not tried. {cost}".strip(),
            "command": None if detail else command,
        }
    change = interval([a - b for a, b in zip(after, before, strict=True)])
    value, ends = _points(change)
    if change.low is not None and change.high is not None:
        verdict = "It helps" if change.low > 0 else "It hurts" if change.high < 0 else "No clear change"
    else:
        verdict = "One run only"
    return {
        "name": name,
        "ran": True,
        "what": WHAT[name],
        "before": interval(before).to_dict(),
        "after": interval(after).to_dict(),
        "change": change.to_dict(),
        "sentence": f"{verdict}: {value} points of test accuracy{ends}. {detail}".strip(),
        "command": None,
    }
