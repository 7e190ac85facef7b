"""What estimating from microbatches costs: a training step of several backward passes, watched over plain.

Plain and watched steps alternate in one process on one thread; the figure is the median over blocks of the
ratio of two neighbours' CPU time, with the quartiles of the blocks. Prints a markdown table::

    python benchmarks/microbatch.py
"""

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from rote.gradients import MicrobatchMeter


def dense() -> nn.Module:
    """MLP 784-256-256-256-10 with BatchNorm."""
    sizes = (784, 256, 256, 256)
    hidden = [p for a, b in pairwise(sizes) for p in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(256, 10))


def convolutional() -> nn.Module:
    """Two convolutions with BatchNorm and two dense layers on 28 × 28."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


#: name: (model, shape of one example)
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP 784-256-256-256-10": (dense, (784,)),
    "CNN 1×28×28": (convolutional, (1, 28, 28)),
}


class Loop:
    """Training steps of ``count`` microbatches of ``size`` examples on fixed random data."""

    def __init__(self, name: str, count: int, size: int, groups: int | None) -> None:
        make, shape = MODELS[name]
        torch.manual_seed(0)
        self.model = make()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.parts = [(torch.randn(size, *shape), torch.randint(0, 10, (size,))) for _ in range(count)]
        self.meter = MicrobatchMeter(self.model, groups=groups) if groups else nullcontext()

    def step(self) -> None:
        """One step."""
        self.optimizer.zero_grad()
        for x, y in self.parts:
            (nn.functional.cross_entropy(self.model(x), y) / len(self.parts)).backward()
        if isinstance(self.meter, MicrobatchMeter):
            self.meter.update()
        self.optimizer.step()

    def timed(self, repeats: int) -> float:
        """CPU seconds of one step, the mean of ``repeats``."""
        start = time.process_time()
        for _ in range(repeats):
            self.step()
        return (time.process_time() - start) / repeats


def measure(name: str, count: int, size: int, groups: int, seconds: float) -> tuple[float, list[float]]:
    """Plain milliseconds, and the quartiles of the ratio."""
    loops = [Loop(name, count, size, None), Loop(name, count, size, groups)]
    for loop in loops:
        loop.timed(3)
    repeats = max(1, round(seconds / 42 / loops[0].timed(3)))
    pairs = []
    for block in range(21):
        order = loops if block % 2 else loops[::-1]
        times = {id(loop): loop.timed(repeats) for loop in order}
        pairs.append([times[id(loop)] for loop in loops])
    table = np.array(pairs)
    quartiles: list[float] = np.quantile(table[:, 1] / table[:, 0], [0.25, 0.5, 0.75]).tolist()
    return 1e3 * float(np.median(table[:, 0])), quartiles


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU seconds per row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | microbatches | groups | plain ms | ratio (quartiles) |")
    print("|---|---|---|---|---|")
    for name in MODELS:
        for count, size, groups in ((2, 50, 1), (4, 25, 1), (4, 25, 8), (4, 100, 8), (16, 25, 8)):
            plain, (low, middle, high) = measure(name, count, size, groups, options.seconds)
            ratio = f"{middle:.3f} ({low:.3f}–{high:.3f})"
            print(f"| {name} | {count} × {size} | {groups} | {plain:.2f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
