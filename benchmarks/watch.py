"""What watching costs: a training step with ``rote.watch`` over the plain step, measured side by side.

Plain and watched steps alternate in one process, so that whatever else runs on the machine slows both; the
figure is the median over blocks of the ratio of two neighbours, with a bootstrap interval. Peak memory
comes from one fresh process per variant. Prints a markdown table and writes JSON::

    python benchmarks/watch.py --out watch.json
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rote.gradients import watch


def wide() -> nn.Module:
    """MLP 784-2048-10."""
    return nn.Sequential(nn.Linear(784, 2048), nn.ReLU(), nn.Linear(2048, 10))


def deep() -> nn.Module:
    """MLP 784-256-256-256-10."""
    sizes = (784, 256, 256, 256)
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(256, 10))


def convolutional() -> nn.Module:
    """Two convolutions and two dense layers on 28 × 28."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def transformer() -> nn.Module:
    """One pre-norm encoder block's dense part on [m, 64, 256]."""
    return nn.Sequential(
        nn.LayerNorm(256), nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 256), nn.LayerNorm(256),
        nn.Flatten(), nn.Linear(64 * 256, 10),
    )  # fmt: skip


#: name: (model, shape of one example, batch, bar of the ratio or None)
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, float | None]] = {
    "MLP 784-2048-10, B=100": (wide, (784,), 100, 1.15),
    "MLP 784-256-256-256-10, B=100": (deep, (784,), 100, 1.25),
    "CNN 1×28×28, B=100": (convolutional, (1, 28, 28), 100, None),
    "block 64×256, B=16": (transformer, (64, 256), 16, None),
}


class Step:
    """One variant's training loop on fixed random data."""

    def __init__(self, name: str, *, watched: bool) -> None:
        make, shape, batch, _ = CASES[name]
        torch.manual_seed(0)
        self.model = make()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.x, self.y = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
        self.meter = watch(self.model) if watched else None

    def __call__(self) -> None:
        """One step."""
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.model(self.x), self.y).backward()
        if self.meter is not None:
            self.meter.update()
        self.optimizer.step()


def measure(name: str, *, blocks: int, seconds: float) -> dict[str, float]:
    """Median CPU time of both variants and of the ratio of neighbouring blocks, with a 95 % interval."""
    plain, watched = Step(name, watched=False), Step(name, watched=True)
    for step in (plain, watched):
        for _ in range(5):
            step()
    once = _timed(plain, 3) / 3
    repeats = max(1, round(seconds / blocks / 2 / max(once, 1e-5)))
    pairs = []
    for block in range(blocks):
        order = (plain, watched) if block % 2 else (watched, plain)
        times = {step: _timed(step, repeats) / repeats for step in order}
        pairs.append((times[plain], times[watched]))
    table = np.array(pairs)
    ratios = table[:, 1] / table[:, 0]
    draws = np.random.default_rng(0).choice(ratios, (1000, blocks))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return {
        "plain_ms": 1e3 * float(np.median(table[:, 0])),
        "watched_ms": 1e3 * float(np.median(table[:, 1])),
        "ratio": float(np.median(ratios)),
        "low": float(low),
        "high": float(high),
    }


def _timed(step: Step, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        step()
    return time.process_time() - start


def peak_memory(name: str, *, watched: bool) -> float:
    """MB of resident memory that 30 steps need, the first with its self-check included; in a fresh process.

    The allocator's threshold is pinned, so that large blocks go back at once and the luck of the heap's
    layout is not measured.
    """
    command = [sys.executable, __file__, "--peak", name, *(["--watched"] if watched else [])]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    runs = [
        float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
        for _ in range(3)
    ]
    return float(np.median(runs))


def _peak(name: str, *, watched: bool) -> float:
    torch.set_num_threads(1)
    step = Step(name, watched=watched)  # so that code loaded on first use is not counted
    for _ in range(5):
        step()
    del step
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts from here
    before = _peak_so_far()
    step = Step(name, watched=watched)
    for _ in range(30):
        step()
    return _peak_so_far() - before


def _peak_so_far() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--blocks", type=int, default=41)
    parser.add_argument("--seconds", type=float, default=6.0, help="CPU seconds per case and thread count")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(_peak(options.peak, watched=options.watched))
        return
    rows = []
    print("| model | threads | plain ms | watched ms | ratio (95 % interval) | bar | memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for name, (_, _, _, bar) in CASES.items():
        memory = [peak_memory(name, watched=watched) for watched in (False, True)]
        for threads in options.threads:
            torch.set_num_threads(threads)
            row = {
                "model": name,
                "threads": threads,
                "bar": bar,
                **measure(name, blocks=options.blocks, seconds=options.seconds),
            }
            row.update(plain_mb=memory[0], watched_mb=memory[1])
            rows.append(row)
            print(
                f"| {name} | {threads} | {row['plain_ms']:.2f} | {row['watched_ms']:.2f} "
                f"| {row['ratio']:.3f} ({row['low']:.3f}–{row['high']:.3f}) | {bar or ''} "
                f"| {memory[0]:.0f} → {memory[1]:.0f} |",
                flush=True,
            )
    if options.out:
        record = {
            "torch": torch.__version__,
            "machine": platform.processor() or platform.machine(),
            "rows": rows,
        }
        options.out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
