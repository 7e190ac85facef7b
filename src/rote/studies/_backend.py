"""Where cells run: in this process, in processes beside it, or on the machines of a Dask or Ray cluster."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_args

import torch
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from rote.errors import InputError
from rote.studies._cells import Cell, Run, compute
from rote.studies._study import Config, Place

Backend = Literal["loky", "dask", "ray"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


@dataclass(frozen=True)
class Crew:
    """How cells are spread; never part of their identity.

    Attributes:
        jobs: Cells at once; chosen by the machine or the cluster where ``None``.
        backend: ``loky`` for processes of this machine, ``dask`` or ``ray`` for a cluster.
        scheduler: Address of the cluster; a local one is started where ``None``.

    Raises:
        InputError: If any of these is no such thing.

    Example:
        >>> Crew(jobs=1).backend
        'loky'
    """

    jobs: int | None = None
    backend: Backend = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise InputError(f"`backend` must be one of {', '.join(BACKENDS)}. Got {self.backend!r}.")
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"`jobs` must be at least 1. Got {self.jobs}.")
        if self.scheduler is not None and self.backend == "loky":
            raise InputError(
                f"`scheduler` is the address of a cluster, and needs --backend dask or ray. "
                f"Got {self.scheduler!r} without one."
            )


def run_cells(cells: Sequence[Cell], place: Place, crew: Crew) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Run cells and yield each with what is to be kept of it, as soon as it is done, in whatever order.

    Args:
        cells: What to run.
        place: Where data lie, and the device.
        crew: How to spread them.

    Raises:
        InputError: If the cluster is not there or its package is not installed, or a worker was killed.
    """
    jobs = _jobs(crew, len(cells), place)
    if crew.backend == "loky" and jobs == 1:
        for cell in cells:
            yield cell, compute(cell.figure.cell, cell.config, cell.seed, place, alone=True, owner=None)
        return
    # Workers of this machine end with this process; those of a cluster have an owner of their own.
    owner = os.getpid() if crew.backend == "loky" else None
    with _cluster(crew, jobs) as options, parallel_config(**options):
        try:
            calls = [
                delayed(_numbered)(number, cell.figure.cell, dict(cell.config), cell.seed, place, owner)
                for number, cell in enumerate(cells)
            ]
            # Held by the loop alone: joblib must let its workers go before they are ended below.
            for number, kept in _finished(calls, crew, jobs):
                yield cells[number], kept
        except BaseException as error:
            if crew.backend == "loky":
                get_reusable_executor().shutdown(wait=True, kill_workers=True)
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "`jobs`: a worker process was ended from outside, perhaps for want of memory; the same "
                    "command with fewer --jobs goes on from here."
                ) from error
            raise
    if crew.backend == "loky":
        get_reusable_executor().shutdown(wait=True)


def _finished(calls: list[Any], crew: Crew, jobs: int) -> Iterable[tuple[int, dict[str, Any]]]:
    """What the calls give, as they finish."""
    if crew.backend == "ray":  # its joblib backend gives lists alone, so it gets a few cells at a time
        few = 4 * jobs if jobs > 0 else 64
        return (done for at in range(0, len(calls), few) for done in Parallel()(calls[at : at + few]))
    found: Iterable[tuple[int, dict[str, Any]]] = Parallel(
        return_as="generator_unordered", pre_dispatch="2*n_jobs"
    )(calls)
    return found


def _numbered(
    number: int, function: Run, config: Config, seed: int, place: Place, owner: int | None
) -> tuple[int, dict[str, Any]]:
    if owner is not None and os.getpid() != owner:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its workers
    return number, compute(function, config, seed, place, alone=False, owner=owner)


def _jobs(crew: Crew, cells: int, place: Place) -> int:
    if crew.backend != "loky":
        return crew.jobs or -1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(crew.jobs or (1 if place.device == "cuda" else cores), max(cells, 1))


@contextmanager
def _cluster(crew: Crew, jobs: int) -> Iterator[dict[str, Any]]:
    """What joblib is to be told; a Dask client lives as long as the block."""
    if crew.backend == "loky":
        yield {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": 1}
    elif crew.backend == "dask":
        with _dask(crew) as client:
            yield {"backend": "dask", "n_jobs": jobs, "client": client}
    else:
        _ray(crew)
        yield {"backend": "ray", "n_jobs": jobs}


@contextmanager
def _dask(crew: Crew) -> Iterator[Any]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise _absent("dask", "distributed") from None
    if crew.scheduler is None:
        # Processes of one thread each: torch's number of threads belongs to the process.
        with (
            distributed.LocalCluster(
                n_workers=crew.jobs, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(crew.scheduler, timeout=20)
    except (OSError, ValueError) as error:
        raise InputError(
            f"`scheduler`: no Dask scheduler answers at {crew.scheduler} ({' '.join(str(error).split())}); "
            f"start one with `dask scheduler` and give its address, such as tcp://host:8786."
        ) from error
    with client:
        yield client


def _ray(crew: Crew) -> None:
    try:
        ray: Any = import_module("ray")
        register_ray = import_module("ray.util.joblib").register_ray
    except ImportError:
        raise _absent("ray", "ray") from None
    if not ray.is_initialized():
        try:
            ray.init(address=crew.scheduler, num_cpus=None if crew.scheduler else crew.jobs)
        except (ConnectionError, ValueError) as error:
            raise InputError(
                f"`scheduler`: no Ray cluster answers at {crew.scheduler} ({error}); start one with "
                f"`ray start --head` and give its address."
            ) from error
    register_ray()


def _absent(backend: str, package: str) -> InputError:
    return InputError(
        f"`backend` {backend} needs the package {package}, which is not installed: "
        f"pip install 'rote[{backend}]'."
    )


def device() -> str:
    """``cuda`` where there is a GPU, else ``cpu``.

    Example:
        >>> device() in ("cpu", "cuda")
        True
    """
    return "cuda" if torch.cuda.is_available() else "cpu"
