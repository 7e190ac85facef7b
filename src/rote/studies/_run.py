"""Running a study into a folder, and reading one back."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.errors import InputError
from rote.runs import RunFolder
from rote.studies._backend import Crew, device, run_cells
from rote.studies._cells import Cell, cells_of, chosen_figures, data_digests, rows_of
from rote.studies._record import study_record
from rote.studies._study import SCALES, Place, Rows, Scale, Study

OnProgress = Callable[[int, int, str], None]
"""``on_progress(done, total, text)``, in seconds of work as the figures' ``cost`` states them."""
_ASKED = "asked"


@dataclass(frozen=True)
class Extent:
    """How much of a study is run.

    Attributes:
        scale: ``quick`` or ``paper``.
        seeds: How many seeds.
        seed: The first of them.
        only: Names of figures; all of them where there is none.

    Raises:
        InputError: If any of these is no such thing.

    Example:
        >>> Extent(seeds=3, seed=10).all_seeds()
        [10, 11, 12]
    """

    scale: Scale = "quick"
    seeds: int = 3
    seed: int = 0
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise InputError(f"`scale` must be one of {', '.join(SCALES)}. Got {self.scale!r}.")
        if self.seeds < 1:
            raise InputError(f"`seeds` must be at least 1. Got {self.seeds}.")
        if self.seed < 0:
            raise InputError(f"`seed` must be 0 or more. Got {self.seed}.")

    def all_seeds(self) -> list[int]:
        """The seeds."""
        return list(range(self.seed, self.seed + self.seeds))


@dataclass(frozen=True, eq=False)
class Done:
    """A study as far as it has run.

    Attributes:
        path: The run folder.
        record: What its page shows, ready for JSON.
        rows: Finished cells of each figure.
        ran: How many cells ran just now; the others were there already.

    Example:
        >>> Done(Path("rote-runs/x"), {"headline": "1 of 2 claims holds"}, {}, 0).ran
        0
    """

    path: Path
    record: dict[str, Any]
    rows: dict[str, Rows]
    ran: int


def default_folder(study: Study, scale: str) -> Path:
    """Where a study is kept unless told.

    Example:
        >>> default_folder(Study("toy", "", "", "", ()), "quick").as_posix()
        'rote-runs/study-toy-quick'
    """
    return Path("rote-runs") / f"study-{study.name}-{scale}"


def run_study(
    study: Study,
    extent: Extent | None = None,
    *,
    crew: Crew | None = None,
    out: str | Path | None = None,
    data_dir: Path | None = None,
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    write: Callable[[RunFolder, dict[str, Any]], None] | None = None,
) -> Done:
    """Run the cells of a study that are not there yet, and judge its claims by all that are.

    Each finished cell is saved at once: a run that was stopped, or killed, goes on where it was. More seeds,
    or more figures, in the same folder run what is new.

    Args:
        study: The study.
        extent: Scale, seeds and figures.
        crew: Where and how widely it runs.
        out: The run folder; ``rote-runs/study-<name>-<scale>`` where ``None``.
        data_dir: Where data sets lie; on every machine that runs cells.
        command: What the user typed.
        on_progress: Called after every cell.
        write: Writes the pages into the run folder before it is marked as done.

    Raises:
        InputError: If anything given cannot be used, data are absent, or the folder holds another run.

    Example:
        >>> import tempfile
        >>> from rote.studies import find_study
        >>> extent = Extent(seeds=1, only=("six-dimensions",))
        >>> study = find_study("generalization-mystery")
        >>> done = run_study(study, extent, out=tempfile.mkdtemp(), crew=Crew(jobs=1))
        >>> done.ran, done.record["figures"][0]["claims"][0]["verdict"]
        (2, 'holds')
    """
    extent, crew = extent or Extent(), crew or Crew()
    figures = chosen_figures(study, extent.only)
    data = data_digests(figures, data_dir)
    place = Place(None if data_dir is None else Path(data_dir).resolve(), device())
    folder = Path(out) if out else default_folder(study, extent.scale)
    with _open(study, extent.scale, folder, command) as run:
        known = run.load(_ASKED)[0] if run.has(_ASKED) else {"data": {}}
        asked = {
            "seeds": extent.all_seeds(),
            "figures": [figure.name for figure in figures],
            "data": known["data"] | data,
            "command": list(command),
        }
        run.save(_ASKED, asked)
        cells = cells_of(study, figures, extent.scale, extent.all_seeds(), data)
        todo = [cell for cell in cells if not run.has(cell.name)]
        progress = _Progress(cells, todo, on_progress)
        for cell, kept in run_cells(todo, place, crew):
            run.save(cell.name, kept)
            progress.finished(cell)
        done = _gather(study, extent.scale, run, len(todo))
        if write is not None:
            write(run, done.record)
        run.finish()
    return done


def read_study(study: Study, folder: Path) -> Done:
    """A study as far as it has run, from its folder; nothing is computed but the claims.

    Raises:
        InputError: If the folder holds no run, or that of another study.

    Example:
        >>> from rote.studies import find_study
        >>> read_study(find_study("generalization-mystery"), Path("no/such/folder"))
        Traceback (most recent call last):
        ...
        rote.errors.InputError: no/such/folder is no run folder (it has no manifest.json); ...
    """
    with RunFolder.reopen(folder) as run:
        held = run.manifest["config"]
        if held.get("study") != study.name or held.get("scale") not in SCALES:
            raise InputError(
                f"`out`: {folder} does not hold the study {study.name}; give the folder that does."
            )
        return _gather(study, held["scale"], run, 0)


def _open(study: Study, scale: Scale, folder: Path, command: Sequence[str]) -> RunFolder:
    # Seeds, figures and data belong to the cells: a folder takes in more of them.
    return RunFolder.open(
        folder,
        command=list(command),
        config={"study": study.name, "scale": scale},
        data_sha256="",
        device=device(),
    )


class _Progress:
    """Work done and left, in seconds as the figures state them."""

    def __init__(self, cells: Sequence[Cell], todo: Sequence[Cell], tell: OnProgress | None) -> None:
        self._total = max(sum(map(_cost, cells)), 1.0)
        self._done = self._total - sum(map(_cost, todo))
        self._count, self._of, self._tell = len(cells) - len(todo), len(cells), tell
        self._show()

    def finished(self, cell: Cell) -> None:
        self._done += _cost(cell)
        self._count += 1
        self._show()

    def _show(self) -> None:
        if self._tell is not None:
            total = max(round(self._total), 1)
            done = total if self._count == self._of else min(round(self._done), total)
            self._tell(done, total, f"{self._count} of {self._of} cells")


def _cost(cell: Cell) -> float:
    return cell.figure.cost(cell.config)


def _gather(study: Study, scale: Scale, run: RunFolder, ran: int) -> Done:
    if not run.has(_ASKED):
        raise InputError(f"{run.path} holds no cell yet; `rote study run {study.name}` runs some.")
    asked = run.load(_ASKED)[0]
    cells = cells_of(study, study.figures, scale, asked["seeds"], asked["data"])
    rows: dict[str, Rows] = {f.name: rows_of(run, f, cells, scale) for f in study.figures}
    there = [run.load(cell.name)[0] for cell in cells if run.has(cell.name)]
    versions: dict[str, list[str]] = {}
    for kept in there:
        for package, version in kept["versions"].items():
            if version not in versions.setdefault(package, []):
                versions[package].append(version)
    made = {
        "command": " ".join(asked["command"]),
        "versions": {package: ", ".join(sorted(found)) for package, found in versions.items()},
        "data": asked["data"],
        "cells": len(there),
        "seconds": sum(kept["seconds"] for kept in there),
        "threads": dict(Counter(str(kept["threads"]) for kept in there)),
        "devices": dict(Counter(kept["device"] for kept in there)),
        "codes": len({(kept["cell"], kept["code"]) for kept in there}) - len({k["cell"] for k in there}),
        "when": run.manifest["created"],
    }
    wanted = {f.name: len(f.configs(scale)) * len(asked["seeds"]) for f in study.figures}
    record = study_record(study, scale, rows, seeds=asked["seeds"], asked=wanted, made=made)
    return Done(run.path, record, rows, ran)
