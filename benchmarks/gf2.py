"""How fast linear equations over GF(2) are eliminated, beside the machine's limit and the twin in NumPy.

The limit: for each eight columns the method of the four Russians makes a table of 256 sums of rows, and adds
one of them to each row left; these words are counted, and each is charged what adding a word costs this
processor where both rows lie in its second-level cache and nothing else is done. The bar: at most four times
that, and 10,000 unknowns in seconds.

    taskset -c 0 python -m benchmarks.gf2 --out benchmarks/results/gf2.json
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rote._native import _loops, gf2_echelon, status
from rote.dynamics import solve_gf2

BAR = 4.0
MORE = 10  # equations beyond the unknowns
L2_WORDS = 1 << 15  # two rows of so many words: 512 KiB


def best(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest of some calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def additions(n: int) -> int:
    """Words added: for each window of 32 columns four tables, made and added to each row left."""
    words, m = n // 64 + 1, n + MORE
    return sum(4 * (256 + m - column - 32) * (words - column // 64) for column in range(0, n, 32))


def word_seconds() -> float:
    """Seconds to add a word to another, both in the second-level cache."""
    a, b = np.random.default_rng(0).integers(0, 2**63, (2, L2_WORDS), np.uint64)

    def add() -> None:
        for _ in range(100):
            np.bitwise_xor(a, b, out=a)

    return best(add, 20) / (100 * L2_WORDS)


def size(n: int, word: float, repeats: int, *, twin: bool) -> dict[str, Any]:
    """One system of n unknowns with random coefficients and a planted solution."""
    rng = np.random.default_rng(n)
    A = rng.integers(0, 2, (n + MORE, n), np.uint8)
    x = rng.integers(0, 2, n, np.uint8)
    b = (A.astype(np.float32) @ x % 2).astype(np.uint8)
    rows = rng.integers(0, 2**64, (n + MORE, n // 64 + 1), np.uint64)
    found: dict[str, Any] = {"n": n, "limit_s": additions(n) * word}
    found["echelon_s"] = best(lambda: gf2_echelon(rows, columns=n), repeats)
    found["times_the_limit"] = found["echelon_s"] / found["limit_s"]
    assert np.array_equal(solve_gf2(A, b).x, x)
    found["solve_s"] = best(lambda: solve_gf2(A, b), repeats)
    if twin:
        extension, _loops._extension = _loops._extension, None
        found["twin_s"] = best(lambda: gf2_echelon(rows, columns=n), 1)
        _loops._extension = extension
    return found


def main() -> None:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    word = word_seconds()
    sizes = [size(n, word, asked.repeats, twin=True) for n in asked.sizes]
    found = {
        "native": status().isa or "off",
        "load": os.getloadavg()[0],  # of the machine, other work included
        "word_ns": 1e9 * word,
        "sizes": sizes,
        "met": all(each["times_the_limit"] <= BAR for each in sizes),
    }
    print(json.dumps(found, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
