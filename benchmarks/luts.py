"""What networks of lookup tables cost: the bars, the twin, the machine's limit, growth, and a peer.

The bars, with two threads: 60,000 examples of 784 bits and 5 × 1024 luts of k = 8 are learnt in 0.6 s at
most, 10,000 examples answered in 0.05 s, with 200 MB at most. The twin in NumPy is timed on fewer luts, and
both are compared by the time for one lut and one example. The machine's limit is how fast this processor adds
one to a counter among 512, in a loop that does nothing else.

    taskset -c 0,1 python -m benchmarks.luts --threads 2 --out benchmarks/results/luts.json
    python -m benchmarks.luts --growth --figure docs/luts-cost.svg
    python -m benchmarks.luts --lut-net FOLDER   # a checkout of Po-Chun-Chien/LUT-Net, its README's shape
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote._native import _lut_twins, lut_counts, lut_outputs, pack_columns, status
from rote.luts import LUTNetworkClassifier

BARS = {"learn_s": 0.6, "answer_s": 0.05, "memory_mb": 200.0, "lut_net": 50.0}
SHAPE = {"m": 60_000, "n": 784, "k": 8, "width": 1024, "depth": 5}
GROWTH_M = [600, 2000, 6000, 20_000, 60_000, 200_000, 600_000]
GROWTH_W = [2, 6, 20, 64, 200, 640, 2000]


def data(m: int, n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bits of which a fifth are 1, like a digit's, and labels that depend on some."""
    rng = np.random.default_rng(0)
    X = rng.random((m, n)) < 0.2
    return X, X[:, : n // 2].sum(axis=1) > 0.2 * (n // 2)


def best(call: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the fastest of some calls."""
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def bars(threads: int, repeats: int) -> dict[str, Any]:
    """Seconds to learn and to answer, and the memory that learning needs."""
    X, y = data(SHAPE["m"], SHAPE["n"])
    new = X[:10_000]
    options = {"k": SHAPE["k"], "width": SHAPE["width"], "depth": SHAPE["depth"], "threads": threads}
    fitted = LUTNetworkClassifier(**options).fit(X, y)
    learn = best(lambda: LUTNetworkClassifier(**options).fit(X, y), repeats)
    cpu = best(lambda: LUTNetworkClassifier(**options).fit(X, y), repeats, time.process_time)
    answer = best(lambda: fitted.predict(new), repeats)
    pairs = SHAPE["m"] * (SHAPE["width"] * SHAPE["depth"] + 1)
    return {
        "native": status().isa or "off",
        "threads": threads,
        "load": os.getloadavg()[0],  # of the machine, other work included
        "learn_s": learn,
        "learn_cpu_s": cpu,  # of all threads
        "answer_s": answer,
        "learn_ns_per_lut_and_example": 1e9 * learn / pairs,
        "memory_mb": memory(threads),
    }


def memory(threads: int) -> float:
    """MB at the peak of learning beside the examples, in a process of its own."""
    code = (
        "from benchmarks.luts import *;"
        f"X, y = data({SHAPE['m']}, {SHAPE['n']});"
        "LUTNetworkClassifier(2, 2, 1).fit(X[:99], y[:99]);"
        "open('/proc/self/clear_refs', 'w').write('5');"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024;"
        f"before = peak(); LUTNetworkClassifier(threads={threads}).fit(X, y); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def twin(repeats: int) -> dict[str, float]:
    """Both loops, native and in NumPy, one thread: nanoseconds for one lut and one example."""
    X, _ = data(SHAPE["m"], SHAPE["n"])
    bits, m = pack_columns(X), SHAPE["m"]
    rng = np.random.default_rng(0)
    found = {}
    for name, luts in (("native", 256), ("twin", 4)):
        fanins = rng.integers(0, SHAPE["n"], (luts, SHAPE["k"]), np.int32)
        label = np.column_stack([fanins, np.zeros(luts, np.int32)])
        tables = rng.integers(0, 2**63, (luts, (1 << SHAPE["k"]) // 64), np.uint64)
        loops: dict[str, Callable[[], object]] = (
            {
                "counts": lambda f=label: lut_counts(bits, f, m=m),
                "outputs": lambda f=fanins, t=tables: lut_outputs(bits, f, t, m=m),
            }
            if name == "native"
            else {
                "counts": lambda f=label: _lut_twins.lut_counts(bits, f, m, np.empty(0, np.uint32)),
                "outputs": lambda f=fanins, t=tables: _lut_twins.lut_outputs(bits, f, m, t),
            }
        )
        for loop, call in loops.items():
            found[f"{name}_{loop}_ns"] = 1e9 * best(call, repeats) / (luts * m)
    return found


LIMIT = """
#include <chrono>
#include <cstdint>
#include <cstdio>
int main() {
    static std::uint16_t at[512];
    static std::uint32_t h[4][512];
    std::uint32_t x = 1;
    for (auto& a : at) { x = x * 1664525u + 1013904223u; a = x >> 23; }
    double best = 1e9;
    for (int turn = 0; turn < 20; ++turn) {
        auto start = std::chrono::steady_clock::now();
        for (int r = 0; r < 20000; ++r) {
            for (int e = 0; e < 512; e += 4)
                for (int t = 0; t < 4; ++t) ++h[t][at[e + t]];
            __asm__ volatile("" ::: "memory");
        }
        double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (s < best) best = s;
    }
    std::printf("%g\\n", best / 20000 / 512 * 1e9);
}
"""


def limit(folder: Path) -> float | None:
    """Nanoseconds in which this machine adds one to a counter, nothing else; None without a compiler."""
    source, program = folder / "limit.cpp", folder / "limit"
    source.write_text(LIMIT)
    try:
        subprocess.run(["c++", "-O3", str(source), "-o", str(program)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def growth(repeats: int) -> dict[str, list[tuple[int, float]]]:
    """CPU seconds to count and answer one layer, by examples and by luts, each over three decades."""
    rng = np.random.default_rng(0)

    def layer(m: int, luts: int) -> float:
        bits = rng.integers(0, 2**64, (SHAPE["n"], -(-m // 64)), np.uint64)
        bits[:, -1] >>= np.uint64(-m % 64)
        fanins = rng.integers(0, SHAPE["n"], (luts, SHAPE["k"]), np.int32)
        tables = rng.integers(0, 2**63, (luts, (1 << SHAPE["k"]) // 64), np.uint64)

        def once() -> None:
            lut_counts(bits, fanins, m=m)
            lut_outputs(bits, fanins, tables, m=m)

        return best(once, repeats, time.process_time)

    return {
        "examples": [(m, layer(m, 64)) for m in GROWTH_M],
        "luts": [(luts, layer(6000, luts)) for luts in GROWTH_W],
    }


def draw(found: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """Both growths on logarithmic scales, each beside a line of slope 1."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    titles = {"examples": "64 luts, k = 8", "luts": "6,000 examples, k = 8"}
    for axis, (what, points) in zip(axes, found.items(), strict=True):
        x, seconds = np.array(points).T
        axis.loglog(x, seconds * 1e3, "o-", color="#0b6e99", label="measured")
        axis.loglog(x, seconds[-1] * 1e3 * x / x[-1], ":", color="#888888", label="linear")
        axis.set(xlabel=what, ylabel="CPU ms", title=titles[what])
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def peer(folder: Path, hidden: Sequence[int]) -> dict[str, Any]:
    """LUT-Net's own training beside ours: 6,400 examples of 196 bits, k = 6, random wiring, one thread."""
    sys.path.insert(0, str(folder))
    from net import Net  # of that checkout

    X, y = data(6400, 196)
    theirs = Net([196, *hidden, 1], k=6, randSeed=0)
    start = time.perf_counter()
    theirs.train(X.T.astype(np.int8), y.astype(np.int8), useMI=False)
    seconds = time.perf_counter() - start
    width = sum(hidden) // len(hidden)  # as many luts in as many layers
    ours = best(lambda: LUTNetworkClassifier(6, width, len(hidden), ties="neighbours").fit(X, y), 5)
    return {"hidden": list(hidden), "lut_net_s": seconds, "rote_s": ours, "times": seconds / ours}


def main() -> None:
    """Measure what is asked for, print it, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--lut-net", type=Path)
    parser.add_argument("--hidden", type=int, nargs="+", default=[1000, 500, 100])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    if asked.lut_net:
        found["peer"] = peer(asked.lut_net, asked.hidden)
    elif asked.growth:
        found["growth"] = growth(asked.repeats)
        if asked.figure:
            draw(found["growth"], asked.figure)
    else:
        import tempfile

        found["bars"] = bars(asked.threads, asked.repeats)
        found["loops"] = twin(asked.repeats)
        with tempfile.TemporaryDirectory() as folder:
            found["limit_ns"] = limit(Path(folder))
        if found["limit_ns"]:
            each = found["bars"]["learn_ns_per_lut_and_example"] * asked.threads
            found["share_of_limit"] = {
                "a whole fit": found["limit_ns"] / each,
                "counting": found["limit_ns"] / found["loops"]["native_counts_ns"],
            }
        measured = found["bars"]
        found["met"] = {name: measured[name] <= bar for name, bar in BARS.items() if name in measured}
    print(json.dumps(found, indent=1))
    if asked.out:
        before = json.loads(asked.out.read_text()) if asked.out.exists() else {}
        asked.out.write_text(json.dumps(before | found, indent=1) + "\n")


if __name__ == "__main__":
    main()
