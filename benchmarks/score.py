"""Does the suspicion score find wrong labels better than what one would rank by without it?

Datasets × kinds of noise × rates × seeds; for each, the networks of an audit are trained on noisy labels, and
on planted ones to set the score's trust in neighbours. Then score, baselines and cleanlab rank the same
examples by the same networks. Noise planted here is used only to judge them.

    python -m benchmarks.score --data-dir DIR --out FOLDER --seeds 1 2 3 4 5

FOLDER keeps one record a cell and can be stopped and run again; the tables stand in ``docs/score.md``.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rote import __version__
from rote.audit._audit import _Work
from rote.audit._cells import Workers
from rote.audit._evidence import Evidence, gather
from rote.audit._plan import Plan, find_factory
from rote.audit._score import auroc, baselines, precision
from rote.data import digest, load, plant
from rote.learners import Recipe
from rote.runs import RunFolder

DATASETS = {
    "digits": ("mlp", None, Recipe(epochs=20)),
    "mnist": ("mlp", 3000, Recipe(epochs=15)),
    "cifar10": ("cnn", 2000, Recipe(epochs=10)),
}
KINDS = ("uniform", "pair", "instance")
RATES = (0.1, 0.2, 0.4)


def run_one(name: str, kind: str, rate: float, seed: int, data_dir: str | None, out: str) -> None:
    """Train, rank and judge one cell of the table; its record goes to ``out``."""
    torch.set_num_threads(1)
    where = Path(out) / f"{name}-{kind}-{rate}-{seed}"
    if (where / "DONE").exists():
        return
    model, limit, recipe = DATASETS[name]
    splits = load(name, data_dir=data_dir, limit=limit, split_seed=seed)
    train = plant(splits.train, kind, rate, seed=seed)
    noisy = replace(splits, train=train, test=splits.test[:200])  # the test part is not asked anything
    plan = Plan(model, recipe, seed=seed)
    sha = digest(noisy.train, noisy.test)
    with RunFolder.open(where, command=sys.argv, config=plan.config(), data_sha256=sha) as run:
        work = _Work(noisy, plan, find_factory(model), run, Workers(1, 1, "cpu"), None)
        near = work._neighbours()
        planted_y, planted = work._plant(near)
        real = work._cells("real", noisy.train.y, neighbours=True)
        calibration = work._cells("planted", planted_y, neighbours=True)
        work._train([*real, *calibration])
        evidence = gather(work._tracks(real), noisy.train.y, near)
        found = work._judge_labels(evidence, gather(work._tracks(calibration), planted_y, near), planted)
        corrupt = noisy.train.corrupt
        methods = {"score": found.statistic, **baselines(evidence), **_cleanlab(evidence)}
        run.save(
            "result",
            {
                "data": name,
                "kind": kind,
                "rate": rate,
                "seed": seed,
                "corrupt": int(corrupt.sum()),
                "wrong_share": float(corrupt.mean()),
                "wrong_estimate": float(np.mean(found.wrong)),
                "weights": found.scorer.weights.tolist(),
                "methods": {
                    n: [float(auroc(v, corrupt)), float(precision(v, corrupt))] for n, v in methods.items()
                },
            },
        )
        run.finish()
    print(where.name, {n: round(float(auroc(v, corrupt)), 3) for n, v in methods.items()}, flush=True)


def _cleanlab(evidence: Evidence) -> dict[str, NDArray[np.float64]]:
    """The two rankings of cleanlab from held-out probabilities (its quality scores, turned around)."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        sys.exit("cleanlab is missing; install the extra: pip install 'rote[bench]'")
    return {
        f"cleanlab {method.replace('_', ' ')}": -get_label_quality_scores(
            evidence.y, evidence.held_out, method=method
        )
        for method in ("self_confidence", "normalized_margin")
    }


def table(out: str) -> str:
    """Markdown: a row a dataset, kind and rate, means over seeds, the best in bold."""
    records = [json.loads(p.read_text())["record"] for p in sorted(Path(out).glob("*/records/result.json"))]
    names = list(records[0]["methods"])
    lines = []
    for column, title in enumerate(("AUROC", "precision at k")):
        lines += [f"### {title}", "", "| data | noise | " + " | ".join(names) + " | seeds |"]
        lines.append("|---" * (len(names) + 3) + "|")
        for name, kind, rate in product(DATASETS, KINDS, RATES):
            rows = [r for r in records if (r["data"], r["kind"], r["rate"]) == (name, kind, rate)]
            if not rows:
                continue
            means = [np.mean([r["methods"][n][column] for r in rows]) for n in names]
            cells = [f"**{v:.3f}**" if round(v, 3) == round(max(means), 3) else f"{v:.3f}" for v in means]
            lines.append(f"| {name} | {kind} {rate:.0%} | " + " | ".join(cells) + f" | {len(rows)} |")
        lines.append("")
    lines += [
        "### Share of wrong labels, estimated and true",
        "",
        "| data | noise | true | estimated |",
        "|---|---|---|---|",
    ]
    for name, kind, rate in product(DATASETS, KINDS, RATES):
        rows = [r for r in records if (r["data"], r["kind"], r["rate"]) == (name, kind, rate)]
        if rows:
            true, estimate = (np.mean([r[k] for r in rows]) for k in ("wrong_share", "wrong_estimate"))
            lines.append(f"| {name} | {kind} {rate:.0%} | {true:.3f} | {estimate:.3f} |")
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "scikit-learn", "cleanlab"))
    return "\n".join([*lines, "", f"Made with rote {__version__}, {packages}."])


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", default="rote-runs/bench-score")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--data", nargs="+", default=list(DATASETS))
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    cells = [
        (name, kind, rate, seed, asked.data_dir, asked.out)
        for seed, name, kind, rate in product(asked.seeds, asked.data, KINDS, RATES)
    ]
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(run_one, *cell) for cell in cells]:
            done.result()
    print(table(asked.out))


if __name__ == "__main__":
    main()
