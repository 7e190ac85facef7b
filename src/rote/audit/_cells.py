"""Training many cells: side by side in processes on a CPU, one after the other on a GPU."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from rote.audit._cell import Cell, Material, train_cell
from rote.audit._plan import Factory, Plan
from rote.errors import InputError
from rote.runs import RunFolder

OnProgress = Callable[[int, int, str], None]
"""``on_progress(epochs_done, epochs_in_all, text)``."""
_SECONDS_BETWEEN_LOOKS = 0.25


@dataclass(frozen=True)
class Workers:
    """How cells are spread over the machine; never part of a run's identity.

    Attributes:
        jobs: Cells trained at once, each in a process of its own.
        threads: torch threads of each.
        device: ``"cpu"`` or ``"cuda"``.
    """

    jobs: int
    threads: int
    device: str

    def sentence(self) -> str:
        """What was chosen, in words.

        Example:
            >>> Workers(2, 1, "cpu").sentence()
            '2 networks at a time, 1 thread each, on cpu'
        """
        networks = "1 network" if self.jobs == 1 else f"{self.jobs} networks"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{networks} at a time, {threads} each, on {self.device}"


def choose_workers(cells: int, *, jobs: int | None = None, threads: int | None = None) -> Workers:
    """How to spread cells: a process a core and a thread each, for small steps do not gain from threads.

    On a GPU cells are trained one at a time.

    Args:
        cells: How many there are to train.
        jobs: At once, where the user says so.
        threads: Each, where the user says so.

    Example:
        >>> choose_workers(15, jobs=2, threads=3)
        Workers(jobs=2, threads=3, device='cpu')
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = jobs or (max(1, min(cores, cells)) if device == "cpu" else 1)
    return Workers(at_once, threads or max(1, cores // at_once), device)


def train_cells(
    cells: Sequence[Cell],
    material: Material,
    factory: Factory,
    plan: Plan,
    run: RunFolder,
    workers: Workers,
    on_progress: OnProgress | None = None,
) -> None:
    """Train the cells that are not there yet; each saves itself into the run folder.

    Args:
        cells: What to train.
        material: Inputs they share.
        factory: Of the network.
        plan: Recipe and probe.
        run: The folder, held by this process.
        workers: How to spread them.
        on_progress: Called now and then with the epochs done.
    """
    todo = [cell for cell in cells if not run.has(f"{cell.name}/track")]
    if not todo:
        return
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(cells, plan, run, on_progress, stop), daemon=True)
    if on_progress is not None:
        watcher.start()
    try:
        if workers.jobs == 1:
            before = torch.get_num_threads()
            try:
                for cell in todo:
                    train_cell(cell, material, factory, plan, run.path, threads=workers.threads)
            finally:
                torch.set_num_threads(before)
        else:
            how = {"threads": workers.threads, "owner": os.getpid()}
            each = (delayed(train_cell)(cell, material, factory, plan, run.path, **how) for cell in todo)
            _side_by_side(each, workers.jobs)
    finally:
        stop.set()
        if watcher.is_alive():
            watcher.join()


def _side_by_side(calls: Iterable[Any], jobs: int) -> None:
    try:
        Parallel(n_jobs=jobs, backend="loky")(calls)
    except BaseException as error:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
        if isinstance(error, BrokenProcessPool):
            raise InputError(
                "`jobs`: a worker process was ended from outside, perhaps for want of memory; the same "
                "command with fewer --jobs goes on from here."
            ) from error
        raise


def release_workers() -> None:
    """Let the processes go that :func:`train_cells` keeps for the next call."""
    get_reusable_executor().shutdown(wait=True)


def _watch(
    cells: Sequence[Cell], plan: Plan, run: RunFolder, on_progress: OnProgress, stop: threading.Event
) -> None:
    total = len(cells) * plan.recipe.epochs
    while True:
        ended = stop.wait(_SECONDS_BETWEEN_LOOKS)
        done = sum(_lines(run.path / "records" / f"{cell.name}/curve.jsonl") for cell in cells)
        finished = sum(run.has(f"{cell.name}/track") for cell in cells)
        on_progress(done, total, f"{finished} of {len(cells)} networks trained")
        if ended:
            return


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
