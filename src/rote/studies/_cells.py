"""The cells of a study: which there are, what identifies each, and what is there of them already."""

import hashlib
import inspect
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rote import __version__
from rote.audit._cells import end_with
from rote.data import load
from rote.errors import InputError
from rote.runs import RunFolder, content_hash, plain
from rote.studies._study import Config, Figure, Place, Record, Row, Scale, Study

Run = Callable[[Config, int, Place], Record]


@dataclass(frozen=True)
class Cell:
    """One configuration with one seed, ready to run.

    Attributes:
        figure: The first of the figures that need it.
        config: Its configuration.
        seed: Its seed.
        key: Its identity: a hash of study, version, function, configuration, seed and data.
    """

    figure: Figure
    config: Config
    seed: int
    key: str

    @property
    def name(self) -> str:
        """Where its record stands in the run folder."""
        return f"cells/{self.key}"


def chosen_figures(study: Study, only: Sequence[str]) -> list[Figure]:
    """The figures of these names; all of them where none is named.

    Raises:
        InputError: If there is no such figure.
    """
    names = [figure.name for figure in study.figures]
    for name in only:
        if name not in names:
            raise InputError(f"`only` must be among {', '.join(names)}. Got {name!r}.")
    return [figure for figure in study.figures if not only or figure.name in only]


def cells_of(
    study: Study, figures: Sequence[Figure], scale: Scale, seeds: Sequence[int], data: dict[str, str]
) -> list[Cell]:
    """Every cell that the figures need, once each, the costliest first.

    Args:
        study: The study.
        figures: Some of its figures.
        scale: ``quick`` or ``paper``.
        seeds: Seeds.
        data: SHA-256 of each data set.
    """
    found: dict[str, Cell] = {}
    for figure in figures:
        for config in figure.configs(scale):
            for seed in seeds:
                key = identity(study, figure, config, seed, data)
                found.setdefault(key, Cell(figure, config, seed, key))
    return sorted(found.values(), key=lambda cell: -cell.figure.cost(cell.config))


def identity(study: Study, figure: Figure, config: Config, seed: int, data: dict[str, str]) -> str:
    """The hash by which a cell is known: of all that changes its record, and of nothing else."""
    whole = {
        "study": study.name,
        "version": study.version,
        "cell": _name(figure.cell),
        "config": dict(config),
        "seed": seed,
        "data": {name: data.get(name, "") for name in sorted(figure.data)},
    }
    return content_hash(whole)[:24]


def rows_of(run: RunFolder, figure: Figure, cells: Sequence[Cell], scale: Scale) -> list[Row]:
    """A figure's finished cells, in the order in which it names its configurations, seed by seed."""
    wanted = [content_hash(dict(config)) for config in figure.configs(scale)]
    rows = []
    for cell in cells:
        here = content_hash(dict(cell.config))
        if here in wanted and _name(cell.figure.cell) == _name(figure.cell) and run.has(cell.name):
            saved = run.load(cell.name)[0]
            rows.append((wanted.index(here), Row(saved["config"], saved["seed"], saved["record"])))
    return [row for _, row in sorted(rows, key=lambda item: (item[1].seed, item[0]))]


def data_digests(figures: Sequence[Figure], data_dir: Path | None) -> dict[str, str]:
    """SHA-256 of each data set that the figures read.

    Raises:
        InputError: If one is not there.
    """
    names = sorted({name for figure in figures for name in figure.data})
    return {name: load(name, data_dir=data_dir).sha256 for name in names}


def compute(
    function: Run, config: Config, seed: int, place: Place, *, alone: bool, owner: int | None
) -> dict[str, Any]:
    """Run one cell, in this process, and return what is to be kept of it.

    Args:
        function: The figure's cell.
        config: Its configuration.
        seed: Its seed.
        place: Where data lie, and the device.
        alone: Whether no other cell runs beside it; else torch keeps to one thread.
        owner: Process whose end ends this one; ``None`` for none.
    """
    if owner is not None:
        end_with(owner)
    before = torch.get_num_threads()
    if not alone:
        torch.set_num_threads(1)
    began = time.perf_counter()
    try:
        record = plain(dict(function(dict(config), seed, place)))
    finally:
        torch.set_num_threads(before)
    return {
        "cell": _name(function),
        "config": dict(config),
        "seed": seed,
        "record": record,
        "seconds": time.perf_counter() - began,
        "threads": before if alone else 1,
        "device": place.device,
        "code": code_digest(function),
        "versions": {
            "rote": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def code_digest(function: Callable[..., object]) -> str:
    """The first characters of the SHA-256 of the file that holds a function; empty where there is none.

    Example:
        >>> len(code_digest(code_digest))
        12
    """
    try:
        source = Path(inspect.getfile(function)).read_bytes()
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source).hexdigest()[:12]


def _name(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
