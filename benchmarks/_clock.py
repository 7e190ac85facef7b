"""Ratios of neighbouring blocks of steps, and the memory that steps need."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._methods import Plain

#: A block of steps lasts about this long, so that reading the clock costs nothing.
BLOCK_SECONDS = 0.05
WARM_UP = 3
MEMORY_STEPS = 30


def ratios(
    makers: Mapping[str, Callable[[], Plain]], *, blocks: int, seconds: float, clock: str
) -> dict[str, dict[str, float]]:
    """By method, the time of a step and its ratio to a plain step beside it, with a 95 % interval.

    Args:
        makers: Make the methods; the first must be plain.
        blocks: Pairs of blocks for each method, a plain one and one of its own, in turns first.
        seconds: A method that cannot have so many pairs in this time gets fewer, and at least three.
        clock: ``"cpu"``: time of this process; ``"wall"``; ``"cuda"``: wall, with the device awaited.
    """
    steps, failed = _ready(makers)
    plain = steps.pop("plain")
    once = {name: _timed(step, 1, clock) for name, step in {"plain": plain, **steps}.items()}
    repeats = {name: max(1, round(BLOCK_SECONDS / max(t, 1e-6))) for name, t in once.items()}
    pairs = {
        name: int(
            np.clip(seconds / (repeats["plain"] * once["plain"] + repeats[name] * once[name]), 3, blocks)
        )
        for name in steps
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for turn in range(blocks):
        for name, step in steps.items():
            if (turn + 1) * pairs[name] // blocks == turn * pairs[name] // blocks:
                continue  # a slow one sits out, so that its few pairs spread over the whole run
            order = (plain, step) if turn % 2 else (step, plain)
            count = {plain: repeats["plain"], step: repeats[name]}
            took = {each: _timed(each, count[each], clock) / count[each] for each in order}
            times[name].append((took[plain], took[step]))
    every = [t for rows in times.values() for t, _ in rows]
    found: dict[str, dict[str, float]] = {"plain": {"ms": 1e3 * float(np.median(every)), "ratio": 1.0}}
    found.update({name: _summary(np.array(rows)) for name, rows in times.items()})
    return {**found, **failed}


def _ready(
    makers: Mapping[str, Callable[[], Plain]],
) -> tuple[dict[str, Plain], dict[str, dict[str, str]]]:
    """Methods after their first steps, and what stopped the others."""
    steps, failed = {}, {}
    for name, make in makers.items():
        try:
            step = make()
            for _ in range(WARM_UP):
                step.step()
        except Exception as error:  # whatever a peer stops with is its result here
            failed[name] = {"failed": f"{type(error).__name__}: {error}"[:200]}
            print(f"{name}: {failed[name]['failed']}", file=sys.stderr)
        else:
            steps[name] = step
    return steps, failed


def _summary(pairs: NDArray[np.float64]) -> dict[str, float]:
    """Medians of the pairs, and a bootstrap interval of the median ratio."""
    quotients = pairs[:, 1] / pairs[:, 0]
    draws = np.random.default_rng(0).choice(quotients, (1000, len(quotients)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return {
        "ms": 1e3 * float(np.median(pairs[:, 1])),
        "ratio": float(np.median(quotients)),
        "low": float(low),
        "high": float(high),
        "pairs": len(pairs),
    }


def _timed(step: Plain, repeats: int, clock: str) -> float:
    read = time.process_time if clock == "cpu" else time.perf_counter
    if clock == "cuda":
        torch.cuda.synchronize(step.x.device)
    start = read()
    for _ in range(repeats):
        step.step()
    if clock == "cuda":
        torch.cuda.synchronize(step.x.device)
    return read() - start


def peak_memory(make: Callable[[], Plain], *, seconds: float) -> tuple[float, float]:
    """MB that steps need beside the weights and the data: the first with its self-checks, and the later ones.

    Run in a process of its own. Resident memory on the CPU, allocated memory on a GPU; 30 steps, or as many
    as begin within ``seconds``.
    """
    step = make()
    for _ in range(WARM_UP):  # so that code loaded on first use is not counted
        step.step()
    if step.light:
        del step
        gc.collect()
        step = make()
    step.optimizer.zero_grad()
    gc.collect()
    before = _start_peak(step.x.device)
    step.step()
    first = _peak(step.x.device) - before
    step.optimizer.zero_grad()
    gc.collect()
    _start_peak(step.x.device)
    started = time.perf_counter()
    for _ in range(MEMORY_STEPS):
        step.step()
        if time.perf_counter() - started > seconds:
            break
    return first, _peak(step.x.device) - before


def _start_peak(device: torch.device) -> float:
    """Memory in MB now; the peak counts from here."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak
    return _peak(device)


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) / 2**20
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
