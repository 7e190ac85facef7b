"""Sweeps: k, width and depth, one at a time, on real and on random labels, into a run folder."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rote._lut._data import Reading, Task, read_tasks
from rote._lut._fit import (
    PAGE,
    Done,
    Learning,
    OnProgress,
    default_folder,
    refuse_unlearnable,
    task_bits,
)
from rote.errors import InputError
from rote.luts import LUTNetworkClassifier
from rote.report import lut_sweep_page
from rote.runs import RunFolder, content_hash

SWEEP, LABELS, AXES = "lut sweep", ("real", "random"), ("k", "width", "depth")


@dataclass(frozen=True)
class Extent:
    """What is varied.

    Attributes:
        k: Inputs of a lut.
        width: Luts in a layer.
        depth: Hidden layers.
        hold: k, width and depth while another of them varies.
        labels: ``real``, ``random`` (the training labels permuted), or both.
        seeds: How often each network is learnt.
        seed: The first seed.

    Raises:
        InputError: If a list is empty or a label is unknown.

    Example:
        >>> Extent(labels=("fake",))
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `labels` must be among real, random. Got 'fake'.
    """

    k: tuple[int, ...] = (2, 4, 6, 8, 10, 12)
    width: tuple[int, ...] = (16, 64, 256, 1024)
    depth: tuple[int, ...] = (0, 1, 2, 4, 8)
    hold: tuple[int, int, int] = (8, 1024, 5)
    labels: tuple[str, ...] = LABELS
    seeds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.labels:
            if name not in LABELS:
                raise InputError(f"`labels` must be among {', '.join(LABELS)}. Got {name!r:.80}.")
        if not self.labels or not any((self.k, self.width, self.depth)):
            raise InputError("`labels`, and one of `k`, `width` and `depth`, must name something to learn.")
        if self.seeds < 1:
            raise InputError(f"`seeds` must be at least 1. Got {self.seeds}.")

    def points(self, axis: str) -> list[tuple[int, int, int]]:
        """k, width and depth of each network on an axis, ascending."""
        at = AXES.index(axis)
        return [(*self.hold[:at], value, *self.hold[at + 1 :]) for value in sorted(set(getattr(self, axis)))]


@dataclass(frozen=True)
class Cell:
    """One network of a sweep.

    Attributes:
        labels: ``real`` or ``random``.
        k: Inputs of a lut.
        width: Luts in a layer.
        depth: Hidden layers.
        seed: Of the wiring, and of the labels where they are random.
    """

    labels: str
    k: int
    width: int
    depth: int
    seed: int

    @property
    def name(self) -> str:
        """The name of its record."""
        return f"cells/{self.labels}-k{self.k}-w{self.width}-d{self.depth}-s{self.seed}"


def cells_of(extent: Extent) -> list[Cell]:
    """Every network that a sweep learns, each once, seed by seed.

    Example:
        >>> len(cells_of(Extent(k=(2, 8), width=(1024,), depth=(5,), seeds=1)))
        4
    """

    def every() -> Iterator[Cell]:
        for seed in range(extent.seed, extent.seed + extent.seeds):
            for axis in AXES:
                for point in extent.points(axis):
                    yield from (Cell(labels, *point, seed) for labels in extent.labels)

    return list(dict.fromkeys(every()))


def sweep(
    data: str,
    extent: Extent,
    learning: Learning,
    *,
    reading: Reading | None = None,
    out: Path | None = None,
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Done:
    """Learn the networks of a sweep that are not there yet, and draw all of them.

    Each finished network's numbers are saved at once: a sweep that was stopped goes on where it was. More
    values, or more seeds, in the same folder learn what is new.

    Args:
        data: What :func:`read_tasks` takes.
        extent: What is varied.
        learning: Everything else.
        reading: How to read the data.
        out: The run folder; ``rote-runs/lut-sweep-<data>-<hash>`` where ``None``.
        command: What the user typed, for the page.
        on_progress: Told how many cells are there.

    Returns:
        The folder, with ``report.html``.

    Raises:
        InputError: If anything given cannot be used, a network would not fit in memory, or the folder holds
            another run.
    """
    task = read_tasks(data, reading or Reading())[0]
    cells = cells_of(extent)
    made = [_estimator(cell, learning) for cell in cells]
    X, X_test = task_bits(task, learning)
    refuse_unlearnable(made, X, task)  # now, not after an hour of smaller ones
    config = {
        "command": SWEEP,
        "options": dict(learning.options),
        "binariser": [learning.binariser, learning.bits],
    }
    folder = out or default_folder("lut-sweep", task.name, content_hash([config, task.sha256]))
    with RunFolder.open(
        folder, command=list(command), config=config, data_sha256=task.sha256, threads=learning.threads
    ) as run:
        todo = [(cell, each) for cell, each in zip(cells, made, strict=True) if not run.has(cell.name)]
        tell = on_progress or (lambda done, total, text: None)
        tell(len(cells) - len(todo), len(cells), "")
        for number, (cell, each) in enumerate(todo, len(cells) - len(todo) + 1):
            run.save(cell.name, _run(cell, each, (X, X_test), task))
            tell(number, len(cells), cell.name.removeprefix("cells/"))
        about = {
            "name": task.name,
            "source": task.source,
            "train": len(X),
            "test": len(X_test),
            "inputs": X.shape[1],
            "classes": len(set(task.train.y.tolist())),
            "constant": float(np.unique(task.test.y, return_counts=True)[1].max() / len(task.test.y)),
        }
        run.save("asked", {"extent": asdict(extent), "data": about, "command": list(command)})
        done = swept(run, reused=not todo)
        run.finish()
    return done


def _estimator(cell: Cell, learning: Learning) -> LUTNetworkClassifier:
    options = dict(learning.options) | {name: getattr(cell, name) for name in (*AXES, "seed")}
    if cell.depth == 0:  # without a hidden layer there is nobody to vote
        options["output"] = "table"
    return Learning(options, threads=learning.threads).estimator(None)


def _run(
    cell: Cell, estimator: LUTNetworkClassifier, bits: tuple[np.ndarray, np.ndarray], task: Task
) -> dict[str, Any]:
    y = task.train.y
    if cell.labels == "random":
        y = y[np.random.default_rng([cell.seed, 1]).permutation(len(y))]
    began = time.perf_counter()
    estimator.fit(bits[0], y)
    seconds = time.perf_counter() - began
    return asdict(cell) | {
        "train_accuracy": float(estimator.score(bits[0], y)),
        "test_accuracy": float(estimator.score(bits[1], task.test.y)),
        "entries": estimator.entries_,
        "seconds": seconds,
    }


def swept(run: RunFolder, *, reused: bool = False) -> Done:
    """A sweep as far as it has run, from its folder; its page is written anew.

    Raises:
        InputError: If the folder holds no finished sweep.
    """
    if run.manifest["config"].get("command") != SWEEP or not run.has("asked"):
        raise InputError(f"{run.path} holds no finished `rote lut sweep`: run its command again.")
    asked = run.load("asked")[0]
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in asked["extent"].items()
    }
    extent = Extent(**given)
    rows = [run.load(cell.name)[0] for cell in cells_of(extent)]
    record = {
        "schema": 1,
        "data": asked["data"],
        "extent": asked["extent"],
        "options": run.manifest["config"]["options"],
        "axes": [
            {"axis": axis, "points": [list(point) for point in extent.points(axis)]}
            for axis in AXES
            if extent.points(axis)
        ],
        "cells": rows,
        "made": {
            "command": " ".join(asked["command"]),
            "versions": run.manifest["versions"],
            "when": run.manifest["created"],
            "seconds": sum(row["seconds"] for row in rows),
            "data_sha256": run.manifest["data_sha256"],
        },
    }
    page = run.write(PAGE, lut_sweep_page(record))
    run.write("report.json", json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return Done(run.path, record, (page,), reused)
