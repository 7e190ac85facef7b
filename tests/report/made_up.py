"""Made-up records of audits: a realistic one, and awkward ones."""

import copy
import math

import numpy as np

HOSTILE = "<script>alert(1)</script>"


def interval(value, spread=0.02, n=5):
    return {"value": value, "low": max(value - spread, 0.0), "high": min(value + spread, 1.0), "n": n}


def record(*, suspects=60, seeds=3, layers=6, classes=None, examples=3000, noise="uniform:0.2 seed 0"):
    """A network that learns most labels and memorises the wrong ones, in numbers as an audit finds them."""
    rng = np.random.default_rng(0)
    classes = list(classes or (str(digit) for digit in range(10)))
    return {
        "schema": 1,
        "data": {
            "name": "mnist",
            "source": "train-images-idx3-ubyte.gz and three more files",
            "sha256": "9c" * 32,
            "examples": examples,
            "test_examples": 10_000,
            "classes": classes,
            "shape": [1, 28, 28],
            "noise": noise,
            "columns": [],
        },
        "model": {
            "name": "cnn",
            "parameters": 61_706,
            "recipe": {"epochs": 30, "batch": 64, "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0},
        },
        "verdict": _verdict(),
        "shares": {
            "memorised": interval(0.176),
            "wrong_labels": interval(0.183, 0.031),
            "sentences": ["Of 3 000 labels, about 550 are probably wrong (456 to 642)."],
        },
        "suspects_total": suspects * 9,
        "suspects": [_suspect(rank, classes, rng) for rank in range(1, suspects + 1)],
        "curves": {
            "real": [_curve(0.97, 0.78, 0.94, rng) for _ in range(seeds)],
            "control": [_curve(0.62, 0.1, 0.1, rng, mixed=False) for _ in range(seeds)],
        },
        "coherence": {
            "m": 500,
            "real": [_coherence(30.0, layers, rng) for _ in range(seeds)],
            "control": [_coherence(2.2, layers, rng) for _ in range(seeds)],
        },
        "circuit": _circuit(),
        "map": _map(examples, rng),
        "calibration": _calibration(),
        "known": {
            "noise": "uniform:0.2",
            "corrupt": 541,
            "methods": _methods(rng.random),
            "wrong_share": 0.18,
            "sentences": ["On your own noise the score wins: AUROC 0.98 against 0.96."],
        },
        "remedies": _remedies(),
        "coverage": [
            {
                "layer": name,
                "parameters": 2000 * (i + 1),
                "way": "exact, from one backward pass",
                "share": 1 / layers,
            }
            for i, name in enumerate(layer_names(layers))
        ]
        + [{"layer": "scale", "parameters": 64, "way": "one example at a time", "share": None}],
        "cost": {
            "networks": 9,
            "steps": 12_690,
            "threads": 1,
            "jobs": 2,
            "device": "cpu",
            "seconds": 214.3,
            "sentence": "Nine networks were trained in 3 min 34 s; measuring took 6 % of it.",
        },
        "reproduce": {
            "command": "rote audit mnist --model cnn --epochs 30 --label-noise uniform:0.2 --seeds 3",
            "seeds": [0, 1, 2],
            "versions": {"rote": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "numpy": "2.4.6"},
            "data_sha256": "9c" * 32,
            "config_hash": "4f" * 32,
        },
    }


def images(suspects=60, shape=(1, 28, 28)):
    """Blurred blobs, so that a page of them looks like something."""
    rng = np.random.default_rng(1)
    _, height, width = shape
    y, x = np.mgrid[:height, :width]
    centres = rng.uniform(0.25, 0.75, (suspects, 3, 2)) * (height, width)
    blobs = sum(
        np.exp(-((y - c[:, :1, None]) ** 2 + (x - c[:, 1:, None]) ** 2) / (0.02 * height * width))
        for c in centres.transpose(1, 0, 2)
    )
    grey = (np.clip(blobs, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[:, None], shape[0], axis=1)


def table(**options):
    """The audit of a table: no images, but columns."""
    made = record(**options)
    made["data"] |= {"name": "adult.csv", "shape": [9], "columns": [f"column {i}" for i in range(9)]}
    for suspect in made["suspects"]:
        suspect["values"] = {
            f"column {i}": [1.5 * i, 12345.678, "never married", None][i % 4] for i in range(9)
        }
    return made


def blank(value):
    """The same record, every number with a fraction unknown: half of them None, half NaN."""
    if isinstance(value, dict):
        return {key: blank(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [math.nan if i % 2 and isinstance(v, float) else blank(v) for i, v in enumerate(value)]
    return None if isinstance(value, float) else copy.copy(value)


def layer_names(count):
    return [f"layer{i // 8}.{i // 2 % 4}.conv{i % 2 + 1}" for i in range(count - 1)] + [
        "classifier.linear.out"
    ]


def _verdict():
    return {
        "word": "learning and memorising",
        "headline": "This model learns, and memorises a sixth of its labels.",
        "evidence": [
            "It predicts 76 % of the labels it was never shown, where guessing is right for 10 %.",
            "It fits 94 % of the labels it was shown: 18 % more than carry over.",
            "On permuted labels, where only memorising works, the same model fits 61 %.",
            "Its m-coherence peaks at 31 of 500 examples; the control's at 2.4.",
        ],
        "rule": "Learned is the accuracy on held-out training examples above guessing. Memorised is the "
        "accuracy on what it trained on, less that. The verdict names both where both exceed 5 %.",
        "learned": interval(0.758),
        "memorised": interval(0.176),
        "unfitted": interval(0.066, 0.01),
        "chance": 0.1,
        "control": {
            "learned": interval(0.002, 0.004),
            "memorised": interval(0.611),
            "unfitted": interval(0.387),
        },
    }


def _suspect(rank, classes, rng):
    given, other = (classes[int(i)] for i in rng.choice(len(classes), 2, replace=False))
    return {
        "rank": rank,
        "id": f"train-{int(rng.integers(60000)):05d}",
        "row": int(rng.integers(60000)),
        "given": given,
        "suggested": other if rank % 7 else None,
        "score": 0.999 - 0.006 * rank,
        "mean_loss": 3.21,
        "last_loss": 0.4567,
        "held_out_probability": 0.0123,
        "neighbour_agreement": 0.1,
        "support_same_label": -0.8,
        "first_learned": int(rng.integers(8, 30)) if rank % 5 else None,
        "learned_for_good": 29 if rank % 3 else None,
        "why": f"Networks that never saw it say {other} with 97 %, and 9 of its 10 neighbours are {other}.",
        "values": None,
    }


def _curve(train, held_out, test, rng, *, mixed=True, epochs=30):
    def rise(top, e, pace):
        shape = 1 - np.exp(-e / pace) - 0.003 * e if top > 0.2 else 1.0  # chance stays chance
        return float(top * shape + rng.normal(0, 0.006))

    return [
        {
            "epoch": e,
            "train_accuracy": min(rise(train, e, 4 if mixed else 14), 1.0),
            "held_out_accuracy": rise(held_out, e, 2),
            "test_accuracy": rise(test, e, 2),
            "pristine_accuracy": min(rise(0.99, e, 2), 1.0) if mixed else None,
            "corrupt_accuracy": rise(0.9, e, 16) if mixed else None,
            "train_loss": 2.3 * float(np.exp(-e / 5)),
            "held_out_loss": 1.0,
        }
        for e in range(1, epochs + 1)
    ]


def _coherence(peak, layers, rng):
    steps = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1410]
    return [_look(step, peak, layers, rng) for step in steps]


def _look(step, peak, layers, rng):
    def value(scale):
        early = 300 * np.exp(-step * 1.2)
        hill = peak * scale * np.exp(-((np.log1p(step) - 4) ** 2) / 4)
        return float(0.8 + early + hill) * float(rng.uniform(0.9, 1.1))

    def numbers(mc):
        alpha = mc / 500
        unbiased = (mc - 1) / 499
        return {
            "alpha": alpha,
            "m_coherence": mc,
            "alpha_unbiased": unbiased,
            "noise_scale": (1 - alpha) / alpha,
        }

    named = {
        name: numbers(value(2.0 / (i + 1))) | {"share": 1 / layers}
        for i, name in enumerate(layer_names(layers))
    }
    return {"step": step, **numbers(value(1.0)), "layers": named}


def _circuit():
    """A network whose circuit keeps more of what it has above chance than the control's does."""
    found = {"why_not": None, "own": False, "words": "In its place a narrow one was trained."}
    for kind, baseline in (("real", 0.97), ("control", 0.4)):
        accuracy = [baseline - (baseline - 0.1) * share for share in (0.02, 0.3, 0.9)]
        found[kind] = {
            "examples": 2000,
            "baseline": baseline,
            "limits": [1, 32, 512],
            "accuracy": accuracy,
            "kept": [(value - 0.1) / (baseline - 0.1) for value in accuracy],
            "no_rare": [1500, 100, 0],
        }
    return found | {"sentences": ["It loses 30.1 points, 35 % of what it has above chance."]}


def _map(examples, rng):
    wrong = rng.random(examples) < 0.18
    confidence = np.where(wrong, rng.beta(1.5, 9, examples), rng.beta(9, 1.2, examples))
    variability = np.sqrt(confidence * (1 - confidence)) * rng.uniform(0.5, 1.0, examples)
    score = np.clip(np.where(wrong, 0.6, 0.05) + rng.random(examples) * 0.4, 0, 1)
    lists = {"confidence": confidence, "variability": variability, "score": score}
    return {key: values.round(4).tolist() for key, values in lists.items()} | {"of": examples}


def _methods(draw):
    names = (
        "this audit's score",
        "mean loss",
        "last loss",
        "k-nearest-neighbour agreement",
        "support, same label",
    )
    return [{"name": n, "auroc": 0.85 + 0.14 * draw(), "precision": 0.6 + 0.35 * draw()} for n in names]


def _calibration():
    draw = np.random.default_rng(5).random
    kinds = [
        {"kind": kind, "planted": 270, "methods": _methods(draw)} for kind in ("uniform", "pair", "instance")
    ]
    return {
        "planted_share": 0.1,
        "kinds": kinds,
        "weights": {"held-out probability": 0.55, "mean loss": 0.3, "neighbours": 0.15},
        "sentences": [
            "The score ranks best for uniform and pair labels.",
            "For instance labels the mean loss wins: AUROC 0.91 against the score's 0.89.",
        ],
    }


def _remedies():
    change = {"value": 0.012, "low": -0.003, "high": 0.027, "n": 3}
    return [
        {
            "name": "drop-suspects",
            "ran": True,
            "what": "Train again without the 540 suspects.",
            "before": interval(0.942, 0.006),
            "after": interval(0.954, 0.005),
            "change": change,
            "sentence": "Test accuracy rose, but the interval holds 0.",
            "command": None,
        },
        {
            "name": "early-stop",
            "ran": False,
            "what": "Stop at the epoch at which held-out accuracy was highest.",
            "before": None,
            "after": None,
            "change": None,
            "sentence": "Held-out accuracy peaked at epoch 9 of 30.",
            "command": "rote audit mnist --model cnn --epochs 30 --try early-stop",
        },
    ]
