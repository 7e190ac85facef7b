"""Training many cells: side by side in processes on a CPU, one after the other on a GPU."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rote.audit._cell import Cell, Material, train_cell
from rote.audit._plan import Factory, Plan
from rote.errors import InputError
from rote.runs import RunFolder

OnProgress = Callable[[int, int, str], None]
"""``on_progress(epochs_done, epochs_in_all, text)``."""
_SECONDS_BETWEEN_LOOKS = 0.25
_WORTH_THREADS = 5e9
"""Operations a step from which a second thread pays: about 50 ms of one core."""


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


def choose_workers(
    cells: int, work: float, *, jobs: int | None = None, threads: int | None = None
) -> Workers:
    """How to spread cells: on a CPU a process a core, with one thread each unless a step is large.

    Several threads make small steps slower, by far where the machine is busy, and a step's result may depend
    on their number; so it follows from the work and the cores, not from a measurement. On a GPU cells are
    trained one at a time.

    Args:
        cells: How many there are to train.
        work: Floating-point operations of a training step.
        jobs: At once, where the user says so.
        threads: Each, where the user says so.

    Example:
        >>> choose_workers(15, 1e7, jobs=2)
        Workers(jobs=2, threads=1, device='cpu')
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = jobs or (max(1, min(cores, cells)) if device == "cpu" else 1)
    each = max(1, cores // at_once) if work >= _WORTH_THREADS else 1
    return Workers(at_once, threads or each, device)


def step_operations(model: nn.Module, example: Tensor, batch: int) -> float:
    """Floating-point operations of a training step: three times those of the forward pass.

    Args:
        model: The network.
        example: Inputs of a few examples, shape ``[b, …]``.
        batch: Examples a step.

    Example:
        >>> step_operations(nn.Linear(100, 10), torch.zeros(2, 100), batch=64)
        384000.0
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(example)
    finally:
        model.train(was_training)
    return 3.0 * float(counter.get_total_flops()) / len(example) * batch


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
            one = partial(train_cell, threads=workers.threads)
            each = [partial(one, cell, material, factory, plan, run.path) for cell in todo]
            _side_by_side(each, workers.jobs)
    finally:
        stop.set()
        if watcher.is_alive():
            watcher.join()


def _in_worker(owner: int, call: Callable[[], str]) -> str:
    if os.getpid() != owner:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its workers
    end_with(owner)
    return call()


def end_with(owner: int) -> None:
    """End this process when its parent is gone, whatever it does: a worker would go on, or wait for minutes.

    Args:
        owner: The parent's id, as the parent sees it.
    """

    def watch() -> None:
        while os.getppid() == owner:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)  # what was being written is whole, or cut off when it is read

    name = f"as long as {owner}"
    if all(thread.name != name for thread in threading.enumerate()):
        threading.Thread(target=watch, name=name, daemon=True).start()


def _side_by_side(calls: Sequence[Callable[[], str]], jobs: int) -> None:
    try:
        Parallel(n_jobs=jobs, backend="loky")(delayed(_in_worker)(os.getpid(), call) for call in calls)
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
