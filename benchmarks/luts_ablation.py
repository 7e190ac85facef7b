"""Every way of learning networks of lookup tables, beside standard learners, on the same bits.

A cell is a task, a way and a seed. Cells are run interleaved, seed by seed, each written to a line of
``--out`` when it is done; what stands there already is not run again, so a run may be stopped and taken up.
The seed decides wiring, frozen bits and bags; the standard learners get it too.

    python -m benchmarks.luts_ablation --data-dir FOLDER --out ablation.jsonl --seeds 1 2 3 4 5
    python -m benchmarks.luts_ablation --out ablation.jsonl --table   # print what is there

Options were chosen on 10,000 of MNIST's training examples that were held out, never on test examples.
"""

import argparse
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.data import load, read_pla
from rote.luts import LUTNetworkClassifier

Bits = tuple[NDArray[np.bool_], NDArray[Any], NDArray[np.bool_], NDArray[Any]]
TASKS = ["mnist 0-4/5-9", "mnist", "cifar10 animals/vehicles", *(f"ex{n}" for n in range(80, 90))]

# Layers of one lut each, all on the inputs, each grown greedily and trained on what the vote before it gets
# wrong: the same network of tables, wired and taught otherwise.
GROWN = {
    "width": 1,
    "skip": 1.0,
    "output": "vote-all",
    "search": "greedy",
    "tries": 64,
    "search_examples": 28_800,
}
WAYS: dict[str, dict[str, Any]] = {
    "paper": {},
    "ties 0": {"ties": "zero"},
    "ties by neighbours": {"ties": "neighbours"},
    "rare 1": {"rare": 1},
    "rare 4": {"rare": 4},
    "vote": {"output": "vote"},
    "best of 8 sets": {"tries": 8, "search_examples": 9600},
    "best of 32 sets": {"tries": 32, "search_examples": 9600, "width": 512},
    "greedy, 8 tries": {"tries": 8, "search": "greedy", "search_examples": 9600, "width": 512},
    "greedy, vote": {"tries": 8, "search": "greedy", "search_examples": 9600, "width": 512, "output": "vote"},
    "skip 0.25": {"skip": 0.25},
    "5 bags": {"bags": 5},
    "boost": {"boost": 2.0, "output": "vote-all", "width": 256, "depth": 20},
    "boost, skip 1": {"boost": 2.0, "output": "vote-all", "width": 256, "depth": 20, "skip": 1.0},
    "boost, 1 wide, not searched": GROWN | {"k": 6, "depth": 500, "boost": 0.05, "tries": 1},
    "grown, k 4": GROWN | {"k": 4, "depth": 800, "boost": 0.05},
    "grown, k 6": GROWN | {"k": 6, "depth": 500, "boost": 0.05},
    "grown, k 6, 9,600 looked at": GROWN | {"k": 6, "depth": 500, "boost": 0.05, "search_examples": 9600},
    "grown, k 6, 8 tries": GROWN | {"k": 6, "depth": 500, "boost": 0.05, "tries": 8},
    "grown, k 8": GROWN | {"k": 8, "depth": 300, "boost": 0.07},
    "grown, k 6, rare 1": GROWN | {"k": 6, "depth": 500, "boost": 0.05, "rare": 1},
    "grown, k 6, skip 0.9": GROWN | {"k": 6, "depth": 500, "boost": 0.05, "skip": 0.9, "width": 4},
    "grown, k 6, 3 bags": GROWN | {"k": 6, "depth": 170, "boost": 0.1, "bags": 3},
}
CODES = {f"{way}, {code}": WAYS[way] | {"codes": code} for way in ("paper", "vote", "grown, k 6")
         for code in ("bits", "error-correcting")}  # fmt: skip


def learners(seed: int) -> dict[str, Callable[[], Any]]:
    """Standard learners, as scikit-learn has them."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    return {
        "logistic regression": lambda: LogisticRegression(max_iter=200, C=0.1),
        "naive Bayes": lambda: BernoulliNB(),
        "nearest neighbours, 5": lambda: KNeighborsClassifier(5),
        "forest": lambda: RandomForestClassifier(200, random_state=seed),
        "gradient boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
        "perceptron, 256": lambda: MLPClassifier((256,), early_stopping=True, random_state=seed),
    }


@cache
def task(name: str, data_dir: str) -> Bits:
    """Bits and labels, training and test part."""
    if name.startswith("ex"):
        parts = [_contest(Path(data_dir), name, part) for part in ("train", "validation")]
        return (*parts[0], *parts[1])
    parts = load(name.split()[0], data_dir=data_dir)
    made = []
    for part in (parts.train, parts.test):
        if part.name.startswith("mnist"):
            X, y = part.X.reshape(len(part), -1) > 127, part.y
            made += [X, y >= 5 if "0-4" in name else y]
        else:  # two cuts of each of three colours, every second pixel
            small = part.X[:, :, ::2, ::2].reshape(len(part), -1)
            vehicles = [part.classes.index(c) for c in ("airplane", "automobile", "ship", "truck")]
            made += [np.hstack([small > 85, small > 170]), ~np.isin(part.y, vehicles)]
    return tuple(made)  # type: ignore[return-value]


def _contest(folder: Path, name: str, part: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A task of the IWLS 2020 contest; its validation part serves as test part."""
    with tarfile.open(folder / "iwls2020" / f"{part}.tar.xz") as archive:
        short = {"train": "train", "validation": "valid"}[part]
        text = archive.extractfile(f"{part}/{name}.{short}.pla")
        assert text is not None
        with tempfile.NamedTemporaryFile(suffix=".pla") as file:
            file.write(text.read())
            file.flush()
            read = read_pla(file.name)
    return read.X, read.Y[:, 0] == 1


def cells(asked: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """What is to be run, in this order: all ways of a task beside each other, then the next seed."""
    for seed, name in product(asked.seeds, asked.tasks):
        ways = [*WAYS, *(CODES if name == "mnist" else [])]
        for way in [*ways, *([] if asked.tables_only else learners(seed))]:
            if not asked.ways or way in asked.ways:
                yield name, way, seed


def run(name: str, way: str, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """One cell."""
    X, y, new, labels = task(name, asked.data_dir)
    tables = {**WAYS, **CODES}
    if way in tables:
        model = LUTNetworkClassifier(**tables[way], seed=seed, threads=asked.threads)
    else:
        model = learners(seed)[way]()
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    some = np.arange(0, len(X), max(1, len(X) // 10_000))  # a folder's images come class by class
    return {
        "task": name,
        "way": way,
        "seed": seed,
        "train": float(np.mean(model.predict(X[some]) == y[some])),
        "test": float(np.mean(model.predict(new) == labels)),
        "entries": getattr(model, "entries_", None),
        "seconds": round(seconds, 3),
    }


def column(name: str) -> str:
    """The column of a task: the contest's ten share one."""
    return "ex80–ex89" if name.startswith("ex") else name


def tests(own: list[dict[str, Any]], name: str) -> list[float]:
    """A way's test accuracy in a column for each seed that has all of its tasks."""
    tasks = [task for task in TASKS if column(task) == name]
    found = []
    for seed in sorted({cell["seed"] for cell in own}):
        each = {cell["task"]: cell["test"] for cell in own if cell["seed"] == seed}
        if all(task in each for task in tasks):
            found.append(float(np.mean([each[task] for task in tasks])))
    return found


def table(done: list[dict[str, Any]]) -> str:
    """Test accuracy of each way, mean ± standard deviation over seeds; bits and seconds of the first task."""
    columns = [
        name for name in dict.fromkeys(map(column, TASKS)) if any(column(c["task"]) == name for c in done)
    ]
    ways = list(dict.fromkeys(cell["way"] for cell in done))
    lines = [
        f"| way | {' | '.join(columns)} | table bits | seconds |",
        f"|---|{'---|' * (len(columns) + 2)}",
    ]
    for way in ways:
        row, own = [], [cell for cell in done if cell["way"] == way]
        for name in columns:
            found = tests(own, name)
            spread = f" ± {np.std(found, ddof=1):.1%}" if len(found) > 1 else ""
            row.append(f"{np.mean(found):.1%}{spread} ({len(found)})" if found else "")
        first = next(task for task in TASKS if any(cell["task"] == task for cell in own))
        same = [cell for cell in own if cell["task"] == first]
        entries = same[0]["entries"]
        row += [f"{entries:,}" if entries else "", f"{np.median([cell['seconds'] for cell in same]):.1f}"]
        lines.append(f"| {way} | {' | '.join(row)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--ways", nargs="+")
    parser.add_argument("--tables-only", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    done = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    known = {(cell["task"], cell["way"], cell["seed"]) for cell in done}
    for cell in [] if asked.table else cells(asked):
        if cell not in known:
            done.append(run(*cell, asked))
            with asked.out.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
    print(table(done))


if __name__ == "__main__":
    main()
