"""What simulating circuits costs: the bars, the machine's limit, the twin, and ABC on the same file.

The bars, with two threads and 60,000 examples, for the circuit of 995,247 gates that ROTE_DATA holds: read in
0.3 s; simulated with one-counts in 0.4 s; counts and one l in 1 s; all eleven l, 1 to 1024, in 4 s; 100 MB
beside inputs and circuit. A random circuit of a million gates, each of which reads the two levels before it:
60 % of what the second-level cache gives, measured in the same run by a loop that reads two words, ANDs them
and writes one. Ggp/s: 10^9 gates times examples a second.

    taskset -c 0,1 python -m benchmarks.circuits --threads 2 --out benchmarks/results/circuits.json
    python -m benchmarks.circuits --images cifar10   # real examples, not random bytes
    python -m benchmarks.circuits --only limit twin
    python -m benchmarks.circuits --only net         # the paper's net on MNIST: minutes
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.luts import best
from rote._native import _simulate_twins, circuit_schedule, status
from rote._native._program import Chance
from rote.circuits import Circuit, Packed, answers, input_bits, simulate, simulate_counts
from rote.circuits._perturbed import composite, noise, random, rare_free, simple
from rote.circuits._schedule import program
from rote.circuits._simulate import run

BARS = {
    "read_s": 0.3,
    "counts_s": 0.4,
    "counts_and_one_l_s": 1.0,
    "eleven_l_s": 4.0,
    "memory_mb": 100.0,
    "share_of_limit": 0.6,
}
M = 60_000
LIMITS = [1 << k for k in range(11)]
FILE = Path(os.environ.get("ROTE_DATA", "")) / "circuits/cifar10-cnn.aig"


def examples(circuit: Circuit, images: str | None = None) -> Packed:
    """Random bits, or the bytes of images, training and test part."""
    if images:
        from rote.data import load

        splits = load(images)
        return input_bits(circuit, np.concatenate([splits.train.X, splits.test.X])[:M])
    words = np.random.default_rng(0).integers(0, 2**64, (len(circuit.inputs), -(-M // 64)), np.uint64)
    words[:, -1] &= np.uint64((1 << M % 64) - 1)
    return Packed(words, M)


def local(inputs: int = 784, levels: int = 100, width: int = 10_000) -> Circuit:
    """A random circuit of ANDs, each of which reads the two levels before its own."""
    rng, gates = np.random.default_rng(0), levels * width
    fanins = np.empty((gates, 2), np.uint32)
    for level in range(levels):
        first = 1 + inputs + (level - 2) * width if level > 1 else 1
        last = 1 + inputs + level * width
        fanins[level * width : (level + 1) * width] = rng.integers(2 * first, 2 * last, (width, 2), np.uint32)
    return Circuit(
        tuple(f"x{i}" for i in range(inputs)),
        fanins,
        np.zeros(gates, np.bool_),
        tuple(f"y{i}" for i in range(16)),
        2 * np.arange(inputs + gates - 15, inputs + gates + 1, dtype=np.uint32),
    )


def bars(threads: int, repeats: int, images: str | None) -> dict[str, Any]:
    """Seconds and memory of what the bars name, and of the other kinds of perturbation."""
    circuit = Circuit.read(FILE)
    X = examples(circuit, images)
    _, ones = simulate_counts(circuit, X, threads=threads)

    def one(limit: int) -> object:
        return simple(circuit, X, ones, M, limit, threads=threads)

    def eleven() -> None:
        _, counted = simulate_counts(circuit, X, threads=threads)
        for limit in LIMITS:
            simple(circuit, X, counted, M, limit, threads=threads)

    calls: dict[str, Callable[[], object]] = {
        "read_s": lambda: Circuit.read(FILE),
        "schedule_s": lambda: program(circuit, keep=True),
        "plain_s": lambda: simulate(circuit, X, threads=threads),
        "counts_s": lambda: simulate_counts(circuit, X, threads=threads),
        "counts_and_one_l_s": lambda: (simulate_counts(circuit, X, threads=threads), one(64)),
        "eleven_l_s": eleven,
        "composite_s": lambda: composite(circuit, X, ones, M, 64, threads=threads),
        "random_s": lambda: random(circuit, X, ones, M, 64, threads=threads),
        "rare_free_s": lambda: rare_free(circuit, X, ones, M, LIMITS, threads=threads),
        **{f"noise_{k}_s": lambda k=k: noise(circuit, X, k, threads=threads) for k in (5, 8, 12, 30)},
    }
    found: dict[str, Any] = {
        "native": status().isa or "off",
        "threads": threads,
        "images": images or "random bits",
        "load": os.getloadavg()[0],  # of the machine, other work included
    }
    for name, call in calls.items():
        found[name] = best(call, repeats)
        found[name.replace("_s", "_cpu_s")] = best(call, repeats, time.process_time)  # of all threads
    found["counts_ggps"] = circuit.gates * M / found["counts_s"] / 1e9
    return found | {"memory_mb": memory(threads)}


def memory(threads: int) -> float:
    """MB at the peak of counting and of one perturbed pass, beside inputs and circuit, in its own process."""
    code = (
        "from benchmarks.circuits import *;"
        "circuit = Circuit.read(FILE); X = examples(circuit);"
        "small = local(8, 2, 64); simulate_counts(small, examples(small));"
        "open('/proc/self/clear_refs', 'w').write('5');"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024;"
        f"before = peak(); _, ones = simulate_counts(circuit, X, threads={threads});"
        f"[simple(circuit, X, ones, M, limit, threads={threads}) for limit in LIMITS];"
        f"composite(circuit, X, ones, M, 64, threads={threads}); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


LIMIT = """
#include <cstdint>
#include <cstdio>
#include <ctime>
typedef std::uint64_t Vec __attribute__((vector_size(WIDTH)));
alignas(64) static Vec a[KB * 1024 / 3 / WIDTH], b[KB * 1024 / 3 / WIDTH], c[KB * 1024 / 3 / WIDTH];
int main() {
    const long n = KB * 1024 / 3 / WIDTH / 8 * 8, turns = 400000 / KB;
    for (long i = 0; i < n; ++i) { a[i] = Vec{} + (std::uint64_t)i; b[i] = ~a[i]; }
    double best = 1e9;
    for (int r = 0; r < 30; ++r) {
        timespec s, e;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &s);
        for (long t = 0; t < turns; ++t) {
#pragma GCC unroll 8
            for (long i = 0; i < n; ++i) c[i] = a[i] & b[i];
            __asm__ volatile("" ::"r"(a), "r"(b), "r"(c) : "memory");
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &e);
        const double took = e.tv_sec - s.tv_sec + 1e-9 * (e.tv_nsec - s.tv_nsec);
        if (took < best) best = took;
    }
    std::printf("%g\\n", turns * n * 8.0 * WIDTH / best / 1e9);
}
"""


def limit() -> dict[str, float]:
    """Ggp/s of one thread that reads two words, ANDs them and writes one, by the size of its data in KB."""
    width = 64 if status().isa == "avx512" else 32 if status().isa == "avx2" else 16
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "limit.cpp"
        source.write_text(LIMIT)
        for kb in (12, 384, 6144):
            built = source.with_suffix(f".{kb}")
            how = ["-O2", "-march=native", f"-DWIDTH={width}", f"-DKB={kb}", str(source), "-o", str(built)]
            try:
                subprocess.run(["c++", *how], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                return {}
            done = subprocess.run([built], capture_output=True, text=True, check=True)
            found[f"{kb}"] = float(done.stdout)
    return found


def share(repeats: int) -> dict[str, Any]:
    """The random local circuit on one thread, by CPU time, beside the limit of the second-level cache."""
    circuit = local()
    X = examples(circuit)
    found: dict[str, Any] = {"limit_ggps": limit()}
    for name, count in (("plain", False), ("counts", True)):
        how = program(circuit, keep=True, counting=count)
        found |= {"slots": how.slots, f"{name}_examples_a_block": 512 * how.vectors}
        seconds = best(
            lambda count=count, how=how: run(circuit, how, X, count=count), repeats, time.process_time
        )
        found[f"{name}_ggps"] = circuit.gates * M / seconds / 1e9
    found["limit_after_ggps"] = limit()  # other work on the machine comes and goes
    if found["limit_ggps"]:
        machine = (found["limit_ggps"]["384"] + found["limit_after_ggps"]["384"]) / 2
        found["share_of_limit"] = found["plain_ggps"] / machine
        found["share_with_counts"] = found["counts_ggps"] / machine
    return found


def twin(repeats: int) -> dict[str, float]:
    """Both loops with counts, one thread, on 2,000 gates: Ggp/s."""
    circuit = local(784, 20, 100)
    X = examples(circuit)
    made = circuit_schedule(len(circuit.inputs), circuit.fanins, circuit.xor, circuit.drivers, keep=True)

    def in_numpy() -> None:
        out = np.zeros((len(circuit.outputs), X.words.shape[1]), np.uint64)
        ones = np.zeros(circuit.gates, np.uint32)
        span = (0, X.words.shape[1])
        _simulate_twins.simulate(made, X.words, out, ones, m=M, span=span, chance=Chance())

    work = circuit.gates * M / 1e9
    return {
        "native_ggps": work / best(lambda: run(circuit, made, X, count=True), repeats),
        "twin_ggps": work / best(in_numpy, repeats),
    }


def abc(repeats: int) -> dict[str, Any]:
    """Berkeley's ABC judges the circuit on 10,000 images of random bytes (`&iwls21test`), and so do we."""
    m = 10_000
    rows = np.random.default_rng(0).integers(0, 256, (m, 3073), np.uint8)
    rows[:, 0] %= 10  # a label, then its image
    circuit = Circuit.read(FILE)
    X = input_bits(circuit, rows[:, 1:])
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "batch.bin"
        rows.tofile(data)
        command = ["berkeley-abc", "-c", f"&read {FILE}; &iwls21test {data}"]
        try:
            said = [
                subprocess.run(command, capture_output=True, text=True, check=True).stdout
                for _ in range(repeats)
            ]
        except (OSError, subprocess.CalledProcessError):
            return {}
    seconds = min(float(re.search(r"checking time = *([0-9.]+)", text)[1]) for text in said)
    correct = int(re.search(r"Correct = *(\d+)", said[0])[1])
    ours = best(lambda: simulate(circuit, X), repeats, time.process_time)
    right = int((answers(circuit, simulate(circuit, X)) == rows[:, 0]).sum())
    return {
        "abc_s": seconds,
        "rote_s": ours,
        "times": seconds / ours,
        "abc_right": correct,
        "rote_right": right,
    }


def net(threads: int) -> dict[str, Any]:
    """The paper's net after two epochs, on all of MNIST: compiled, then every limit; one run."""
    import torch

    from rote.circuits.compile import compile_net
    from rote.data import load
    from rote.learners import batches, mlp

    train = load("mnist").train
    x, y = torch.from_numpy(train.X.reshape(len(train), -1)).float() / 256, torch.from_numpy(train.y)
    torch.manual_seed(0)
    model = mlp((784,), 10, hidden=(256, 256, 256))
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(2):
        for batch in batches(len(x), 64, seed=0, epoch=epoch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    start = time.perf_counter()
    circuit = compile_net(model, (784,))
    compiled = time.perf_counter()
    bits = input_bits(circuit, train.X.reshape(len(train), -1), threads=threads)
    begun = time.perf_counter()
    found = circuit.counterfactual(bits, train.y, threads=threads)
    return {
        "gates": circuit.gates,
        "levels": circuit.depth,
        "compile_s": compiled - start,
        "cfs_s": time.perf_counter() - begun,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "threads": threads,
        "load": os.getloadavg()[0],
        "cfs": found.record() | {"signals": None},
    }


def main() -> None:
    """Measure what is asked for, print it, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images")
    parts = ["bars", "limit", "twin", "abc", "net"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    measured: dict[str, Callable[[], dict[str, Any]]] = {
        "bars": lambda: bars(asked.threads, asked.repeats, asked.images),
        "limit": lambda: share(asked.repeats),
        "twin": lambda: twin(asked.repeats),
        "abc": lambda: abc(asked.repeats),
        "net": lambda: net(asked.threads),
    }
    found: dict[str, Any] = {part: measured[part]() for part in asked.only}
    every = found.get("bars", {}) | found.get("limit", {})
    found["met"] = {
        name: every[name] >= bar if name == "share_of_limit" else every[name] <= bar
        for name, bar in BARS.items()
        if name in every
    }
    print(json.dumps(found, indent=1))
    if asked.out:
        before = json.loads(asked.out.read_text()) if asked.out.exists() else {}
        asked.out.write_text(json.dumps(before | found, indent=1) + "\n")


if __name__ == "__main__":
    main()
