"""What a robust step costs, over a plain one.

One training step is zeroing gradients, forward, loss, backward and the optimizer's step. All methods take
turns in one process, each beside the step it is compared with, so that whatever else runs on the machine
slows both; the figure is the median over blocks of the ratio of neighbours, with a bootstrap interval, in
CPU time on one thread. Peak memory above that of weights and data comes from fresh processes::

    python -m benchmarks.winsorize --out winsorize.json
"""

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch

from benchmarks._clock import peak_memory, ratios
from benchmarks._methods import Plain
from benchmarks._rows import ROWS
from rote._native import status
from rote.optim import M3, RA3, RM3, MedianOfMeans, TrimmedMean, WinsorizedSGD

Record = dict[str, object]


class Momentum(Plain):
    """SGD with momentum, which M3 and its kin are compared with."""

    def prepare(self) -> None:
        """Another optimizer."""
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)


class Robust(Plain):
    """A plain step but for its optimizer."""

    def __init__(self, *args: object, made: object, by_model: bool, **options: object) -> None:
        self.made, self.by_model = made, by_model
        super().__init__(*args, **options)

    def prepare(self) -> None:
        """Another optimizer."""
        self.optimizer = self.made(self.model if self.by_model else self.model.parameters(), lr=0.01)


#: By name: the optimizer, whether it takes the model, the most that it may cost.
AGAINST_PLAIN = {
    **{
        f"WinsorizedSGD, c={c}": (partial(WinsorizedSGD, c=c), True, bar)
        for c, bar in ((1, 2.6), (2, 2.8), (4, 3.3), (8, 4.8))
    },
    "TrimmedMean, c=2": (partial(TrimmedMean, c=2), True, None),
    "MedianOfMeans, 3 groups": (partial(MedianOfMeans, groups=3), True, None),
}
AGAINST_MOMENTUM = {kind.__name__: (kind, False, 1.25) for kind in (M3, RM3, RA3)}


def makers(row: str, methods: dict[str, tuple], base: type[Plain]) -> dict[str, partial]:
    """Ways to make the steps, the one compared with first."""
    options = {"row": row, "m": ROWS[row].m}
    made = {name: partial(Robust, made=o, by_model=b, **options) for name, (o, b, _) in methods.items()}
    return {"plain": partial(base, **options), **made}


def child(task: str, row: str, method: str = "", **options: float) -> Record:
    """One part of the measurement in a fresh process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.winsorize",
        "--task",
        task,
        "--rows",
        row,
        "--method",
        method,
    ]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if task == "memory":
        environment["MALLOC_MMAP_THRESHOLD_"] = "131072"  # not the luck of the heap's layout
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_task(options: argparse.Namespace) -> Record:
    """What a child does."""
    torch.set_num_threads(1)
    (row,) = options.rows
    if options.task == "memory":
        every = makers(row, {**AGAINST_PLAIN, **AGAINST_MOMENTUM}, Plain)
        every["momentum"] = partial(Momentum, row=row, m=ROWS[row].m)
        return {"mb": peak_memory(every[options.method], seconds=options.seconds)}
    clock = {"blocks": options.blocks, "seconds": options.seconds, "clock": "cpu"}
    found = ratios(makers(row, AGAINST_PLAIN, Plain), **clock)
    three = ratios(makers(row, AGAINST_MOMENTUM, Momentum), **clock)
    return {**found, "momentum": three.pop("plain"), **three}


def table(row: str, times: Record, memory: dict[str, float]) -> str:
    """The measurements as markdown."""
    lines = [
        f"**({row}) {ROWS[row].title}**",
        "",
        "| method | over | time | bar | memory, MB |",
        "|---" * 5 + "|",
    ]
    for base, methods in (("plain", AGAINST_PLAIN), ("momentum", AGAINST_MOMENTUM)):
        lines.append(f"| {base} | | {times[base]['ms']:.2f} ms | | {memory[base]:.1f} |")
        for name, (*_, bar) in methods.items():
            t = times[name]
            ratio = f"{t['ratio']:.2f} ({t['low']:.2f}–{t['high']:.2f})"
            bars = bar if row == "b" and bar else ""
            lines.append(f"| {name} | {base} | {ratio} | {bars} | {memory[name]:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=["b"])
    parser.add_argument("--blocks", type=int, default=41, help="pairs of neighbouring blocks for each method")
    parser.add_argument("--seconds", type=float, default=20.0, help="to spend on a method")
    parser.add_argument("--runs", type=int, default=3, help="processes for each figure of memory")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(run_task(options)))
        return
    records = []
    for row in options.rows:
        times = child("time", row, blocks=options.blocks, seconds=options.seconds)
        memory = {}
        for name in ("plain", "momentum", *AGAINST_PLAIN, *AGAINST_MOMENTUM):
            runs = [child("memory", row, name, seconds=options.seconds)["mb"] for _ in range(options.runs)]
            memory[name] = sorted(runs)[len(runs) // 2]
        records.append({"row": row, "times": times, "memory": memory})
        print(table(row, times, memory), flush=True)
    if options.out:
        record = {"torch": torch.__version__, "native": status().isa, "rows": records}
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
