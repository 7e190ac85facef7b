"""What per-example statistics cost: a training step with ``rote`` and with its peers over the plain step.

A step is: gradients to none, forward, loss, backward, ``Q = Σ ‖g_i‖²`` and ``‖S‖²`` of every layer, SGD. For
each network all methods take turns in one process, each beside a plain step, so that whatever else runs on
the machine slows both; the figure is the median over blocks of the ratio of neighbours, with a bootstrap
interval. One thread is measured in CPU time, several in wall time. Peak memory above that of weights and data
comes from fresh processes. Every method is first compared in float64 with one backward pass per example;
one that errs, or does not see a layer, is marked. What is not installed is left out::

    python -m benchmarks.gradients --out gradients.json

The whole takes about an hour on two cores; ``--quick`` only shows that it runs.
"""

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from torch import nn

from benchmarks._clock import peak_memory, ratios
from benchmarks._methods import METHODS, Plain, looped
from benchmarks._rows import ROWS

Record = dict[str, object]


def check(row: str, method: str, *, device: str) -> Record:
    """The share of ``Q`` that a method misses or gets wrong, and the error of ``p.grad``, in float64."""
    options = {"m": 4 if ROWS[row].m > 4 else 2, "device": device, "dtype": torch.float64}
    right = looped(row, **options)
    plain, step = Plain(row, **options), METHODS[method](row, **options)
    for each in (plain, step):
        each.optimizer.param_groups[0]["lr"] = 0.0
        for _ in range(3):  # the first step of a method may differ from the others
            each.step()
    found, total = step.squared_norms(), sum(right.values())
    unseen = set(right) - set(found) if set(found) & set(right) else set()
    return {
        "error": sum(found.values()) / total - 1,
        "gradient_error": distance(step.model, plain.model),
        "unseen": sum(right[name] for name in unseen) / total,
        "unseen_parameters": len(unseen),
        "parameters": len(right),
    }


def distance(model: nn.Module, other: nn.Module) -> float:
    """The norm of the difference of two models' gradients, over that of one of them."""
    pairs = [(p.grad, q.grad) for p, q in zip(model.parameters(), other.parameters(), strict=True)]
    squares = [((a - b).square().sum(), b.square().sum()) for a, b in pairs]
    return float(sum(s for s, _ in squares) / sum(s for _, s in squares)) ** 0.5


def child(task: str, row: str, methods: list[str], options: argparse.Namespace) -> Record:
    """One part of the measurement in a fresh process; what went wrong, if it did, under ``"failed"``."""
    command = [sys.executable, "-m", "benchmarks.gradients", "--task", task, "--rows", row]
    command += ["--methods", *methods, "--device", options.device, "--seconds", str(options.seconds)]
    command += ["--blocks", str(options.blocks), "--threads", *map(str, options.threads)]
    threads = str(options.threads[0] if task == "time" else 1)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if task == "memory":
        # Large blocks go back at once, so that the luck of the heap's layout is not measured.
        environment["MALLOC_MMAP_THRESHOLD_"] = "131072"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=options.patience, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"too slow: given up after {options.patience:.0f} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def run_task(options: argparse.Namespace) -> Record:
    """What a child does; it prints one line of JSON."""
    (row,), method = options.rows, options.methods[-1]
    if options.task == "check":
        return check(row, method, device=options.device)
    torch.set_num_threads(options.threads[0] if options.task == "time" else 1)
    if options.task == "memory":
        make = partial(METHODS[method], row, m=ROWS[row].m, device=options.device)
        first, later = peak_memory(make, seconds=options.seconds)
        return {"mb": first, "later": later}
    makers = {
        name: partial(METHODS[name], row, m=ROWS[row].m, device=options.device) for name in options.methods
    }
    clock = "cuda" if options.device != "cpu" else "cpu" if options.threads[0] == 1 else "wall"
    return ratios(makers, blocks=options.blocks, seconds=options.seconds, clock=clock)


def measure(row: str, options: argparse.Namespace) -> Record:
    """All methods on one network: checked, timed at each number of threads, weighed."""
    methods = {name: _installed(name) for name in options.methods}
    found: dict[str, Record] = {name: {"version": version} for name, version in methods.items()}
    usable = [name for name, version in methods.items() if version]
    for name in usable:
        if not name.startswith("plain"):
            found[name]["check"] = child("check", row, [name], options)
            if "failed" in found[name]["check"]:
                found[name]["failed"] = found[name]["check"]["failed"]
    usable = [name for name in usable if "failed" not in found[name]]
    for threads in options.threads:
        one = argparse.Namespace(**{**vars(options), "threads": [threads]})
        times = child("time", row, usable, one)
        for name in usable:
            found[name][f"threads {threads}"] = times.get(name, times)
    for name in usable:
        runs = [child("memory", row, [name], options) for _ in range(options.runs)]
        weighed = [run for run in runs if "mb" in run]
        middle = (
            {k: sorted(r[k] for r in weighed)[len(weighed) // 2] for k in ("mb", "later")} if weighed else {}
        )
        found[name]["memory"] = middle or runs[0]
    return {"row": row, "title": ROWS[row].title, "bar": ROWS[row].bar, "methods": found}


def _installed(method: str) -> str | None:
    try:
        return metadata.version(METHODS[method].package)
    except metadata.PackageNotFoundError:
        from rote import __version__

        return __version__ if METHODS[method].package == "rote" else None


def table(record: Record, threads: list[int], device: str) -> str:
    """One network's measurements as markdown."""
    clocks = [f"{'CPU' if t == 1 else 'wall'}, {t} thread{'s' * (t > 1)}" for t in threads]
    heads = " | ".join(["wall, GPU"] if device != "cpu" else clocks)
    bar = f" (bar {record['bar']})" if record["bar"] else ""
    lines = [f"**({record['row']}) {record['title']}**{bar}", ""]
    lines.append(f"| method | {heads} | memory, MB: first step, later ones | Q |")
    lines.append("|---" * (len(threads) + 3) + "|")
    for name, found in record["methods"].items():
        cells = [_time(name, found.get(f"threads {t}", found)) for t in threads]
        memory = found.get("memory", {})
        weight = f"{memory['mb']:.0f}, {memory['later']:.0f}" if "later" in memory else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {weight} | {_verdict(found)} |")
    return "\n".join(lines) + "\n"


def _time(name: str, found: Record) -> str:
    if "ratio" not in found:
        return "fails" if "failed" in found else ""
    if name == "plain":
        return f"{found['ms']:.2f} ms"
    return f"{found['ratio']:.3g} ({found['low']:.3g}–{found['high']:.3g})"


def _verdict(found: Record) -> str:
    """Whether the total is right, in words."""
    if not found["version"]:
        return "not installed"
    if "failed" in found:
        return f"fails: {found['failed'].split(':')[0]}"
    if "check" not in found:
        return ""
    if found["check"]["gradient_error"] > 1e-6:
        return f"**p.grad is off by {found['check']['gradient_error']:.2g}**"
    error, unseen = found["check"]["error"], found["check"]["unseen_parameters"]
    missing = f"misses {unseen} of {found['check']['parameters']} parameters, " if unseen else ""
    return "exact" if abs(error) < 1e-6 and not unseen else f"**{missing}{abs(error):.2g} of Q off**"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads, on the CPU"
    )
    parser.add_argument("--blocks", type=int, default=41, help="pairs of neighbouring blocks for each method")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="to spend on a method, unless three pairs take longer"
    )
    parser.add_argument("--runs", type=int, default=3, help="processes for each figure of memory")
    parser.add_argument(
        "--patience", type=float, default=3600.0, help="seconds before one process is given up"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: every number is rough")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.methods = ["plain", *(name for name in options.methods if name != "plain")]
    if options.quick:
        options.blocks, options.seconds, options.runs = 3, 1.0, 1
    if options.device != "cpu":
        options.threads, options.runs = [1], 1
    if options.task:
        print(json.dumps(run_task(options)))
        return
    records = []
    for row in options.rows:
        records.append(measure(row, options))
        print(table(records[-1], options.threads, options.device), flush=True)
    if options.out:
        machine = torch.cuda.get_device_name(options.device) if options.device != "cpu" else _processor()
        record = {"torch": torch.__version__, "machine": machine, "rows": records}
        options.out.write_text(json.dumps(record, indent=1) + "\n")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


if __name__ == "__main__":
    main()
