"""Does the verdict say what is true where the truth is known?

Datasets × networks × shares of permuted labels; each is audited, and two things are asked of each dataset and
network: does the learned share fall as the noise grows, and is the word right without noise and with nothing
else?

    python -m benchmarks.verdict --data-dir DIR --out FOLDER

FOLDER keeps one run a cell and can be stopped and run again.
"""

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

from torch import nn

from rote.audit import Plan, run_audit
from rote.data import digest, load, plant
from rote.learners import Recipe, cnn, mlp, resnet18

NOISE = (0.0, 0.2, 0.5, 1.0)
LIMITS = {"digits": None, "mnist": 1500, "cifar10": 1500}


def small_resnet(shape: tuple[int, ...], classes: int) -> nn.Module:
    """ResNet-18 with 8 channels in its first stage, on halved images, so that a CPU can train many."""
    if shape[1] < 16:
        return resnet18(shape, classes, width=8)
    halved = (shape[0], shape[1] // 2, shape[2] // 2)
    return nn.Sequential(nn.AvgPool2d(2), resnet18(halved, classes, width=8))


NETWORKS = {"mlp": (mlp, 0.05), "cnn": (cnn, 0.05), "resnet18, width 8": (small_resnet, 0.02)}
SMALL = {"mnist": (500, 8), "cifar10": (1000, 10)}
"""Examples and epochs of the residual network, whose steps are dear."""
EPOCHS = {"digits": 20, "mnist": 15, "cifar10": 12}


def run_one(
    name: str, network: str, noise: float, data_dir: str | None, out: Path, runs: int
) -> dict[str, object]:
    """Audit one cell and return what the verdict rests on."""
    small = network.startswith("resnet") and name != "digits"
    splits = load(name, data_dir=data_dir, limit=SMALL[name][0] if small else LIMITS[name])
    splits = replace(splits, test=splits.test[:300])  # the verdict does not rest on it
    if noise:
        train = plant(splits.train, "permute", noise, seed=0)
        splits = replace(splits, train=train, sha256=digest(train, splits.test))
    factory, lr = NETWORKS[network]
    recipe = Recipe(epochs=SMALL[name][1], batch=16, lr=lr) if small else Recipe(epochs=EPOCHS[name], lr=lr)
    plan = Plan(recipe=recipe, runs=runs, probe=200)
    where = out / f"{name}-{network.split(',')[0]}-{noise}"
    report = run_audit(factory, splits, plan=plan, out=where).report
    (where / "report.json").write_text(json.dumps(report))
    verdict = report["verdict"]
    return {
        "data": name,
        "network": network,
        "noise": noise,
        "word": verdict["word"],
        "wrong": report["shares"]["wrong_labels"]["value"],
        **{k: verdict[k]["value"] for k in ("learned", "memorised", "unfitted")},
        "low": verdict["learned"]["low"],
        "high": verdict["learned"]["high"],
    }


def main() -> None:
    """Run what is missing, then print the table and the judgement of each dataset and network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, default=Path("rote-runs/bench-verdict"))
    parser.add_argument("--data", nargs="+", default=list(LIMITS))
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    print(
        "| data | network | permuted | learned (95 %) | memorised | not fitted | contradicted labels | word |"
    )
    print("|---|---|---|---|---|---|---|---|")
    failures = []
    for name, network in product(asked.data, NETWORKS):
        rows = [run_one(name, network, e, asked.data_dir, asked.out, asked.runs) for e in NOISE]
        for r in rows:
            shares = " | ".join(f"{r[k]:.3f}" for k in ("memorised", "unfitted", "wrong"))
            learned_words = f"{r['learned']:.3f} ({r['low']:.3f} to {r['high']:.3f})"
            start = f"| {name} | {network} | {r['noise']:.0%} | {learned_words}"
            print(f"{start} | {shares} | {r['word']} |", flush=True)
        learned = [r["learned"] for r in rows]
        if learned != sorted(learned, reverse=True):
            failures.append(f"{name}, {network}: the learned share does not fall with the noise")
        if not str(rows[0]["word"]).startswith("learning") or rows[-1]["word"] not in (
            "memorising",
            "neither",
        ):
            failures.append(f"{name}, {network}: the word is wrong without noise, or with nothing but noise")
    print()
    print("\n".join(failures) or "Every row is in order, and every word is right.")


if __name__ == "__main__":
    main()
