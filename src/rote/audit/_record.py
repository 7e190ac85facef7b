"""The audit's record: everything the page says, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rote.audit._cell import standardised
from rote.audit._evidence import Array, Evidence
from rote.audit._interval import interval, within_0_and_1
from rote.audit._plan import Plan
from rote.audit._remedies import SUSPICIOUS, Tried, remedy_records
from rote.audit._score import SIGNALS, Scorer, auroc, baselines, precision
from rote.audit._verdict import RULE, Split, headline, judge, split_labels
from rote.data import Dataset, Splits
from rote.gradients import watch
from rote.runs import RunFolder

SCHEMA = 1
SHOWN = 48
_ON_THE_MAP = 3000
_COLUMNS = 30


@dataclass(frozen=True, eq=False)
class Findings:
    """What was concluded about the labels.

    Attributes:
        evidence: From the runs on the given labels.
        calibration: From the runs on planted labels.
        planted: For each kind, which labels it changed, shape ``[m]``.
        clean: Which examples planted labels are held against, shape ``[m]``.
        scorer: Weights learned from them.
        statistic: Of each example under its given label, shape ``[m]``.
        planted_statistic: The same in the calibration runs, shape ``[m]``.
        score: Probability that the given label is wrong, shape ``[m]``.
        wrong: Estimated share of wrong labels in each run's left-out part.
        planted_seen: Share of the planted labels that the same estimate counts.
    """

    evidence: Evidence
    calibration: Evidence
    planted: Mapping[str, NDArray[np.bool_]]
    clean: NDArray[np.bool_]
    scorer: Scorer
    statistic: Array
    planted_statistic: Array
    score: Array
    wrong: Sequence[float]
    planted_seen: float


def audit_record(
    splits: Splits,
    plan: Plan,
    run: RunFolder,
    found: Findings,
    rows: Sequence[dict[str, Any]],
    network: torch.nn.Module,
    *,
    tried: Tried,
) -> dict[str, Any]:
    """Put the report together from a run folder whose cells are trained.

    Args:
        splits: The data.
        plan: What was asked.
        run: The run folder.
        found: What was concluded about the labels.
        rows: All examples, most suspicious first.
        network: A fresh network of the kind that was trained.
        tried: Remedies and what became of them.

    Returns:
        The record, JSON-ready; its schema is in ``docs/audit.md``.
    """
    curves = {
        kind: [run.records(f"cells/{kind}-{k}/curve") for k in range(plan.runs)]
        for kind in ("real", "control")
    }
    looks = {
        kind: [run.records(f"cells/{kind}-{k}/coherence") for k in range(plan.runs)]
        for kind in ("real", "control")
    }
    chance = float(np.bincount(splits.train.y).max() / len(splits.train))
    split, control = (_split(curves[kind], chance) for kind in ("real", "control"))
    planted = [run.records(f"cells/planted-{k}/curve") for k in range(plan.runs)]
    trained = [*curves.values(), planted, *tried.curves.values()]
    suspects = int((found.score > SUSPICIOUS).sum())
    m = min(plan.probe, min(len(splits.train) * (plan.runs - 1) // plan.runs, len(splits.train)))
    m = int(looks["real"][0][0].get("m", m)) if looks["real"][0] else m
    return {
        "schema": SCHEMA,
        "data": _data(splits),
        "model": {
            "name": plan.model,
            "parameters": sum(p.numel() for p in network.parameters()),
            "recipe": plan.recipe.to_dict(),
        },
        "verdict": _verdict(split, control, chance, looks, m),
        "shares": _shares(split, found),
        "suspects_total": suspects,
        "suspects": _shown_rows(splits, rows),
        "curves": curves,
        "coherence": {"m": m, **looks},
        "map": _map(found),
        "calibration": _calibration(plan, found),
        "known": _known(splits.train, found),
        "remedies": remedy_records(
            curves["real"],
            suspects,
            tried,
            chance=chance,
            batch=min(plan.recipe.batch, len(splits.train) * (plan.runs - 1) // plan.runs),
            classes=len(splits.train.classes),
        ),
        "coverage": _coverage(network, splits.train),
        "cost": {
            "networks": 3 * plan.runs + sum(len(c) for c in tried.curves.values()),
            "steps": sum(c[-1]["step"] for kind in trained for c in kind),
        },
        "reproduce": {
            "seeds": run.manifest.get("seeds", []),
            "versions": run.manifest.get("versions", {}),
            "data_sha256": run.manifest.get("data_sha256", ""),
            "config_hash": run.manifest.get("content_hash", ""),
        },
    }


def _split(curves: Sequence[list[dict[str, Any]]], chance: float) -> Split:
    last = [curve[-1] for curve in curves]
    return split_labels([r["train_accuracy"] for r in last], [r["held_out_accuracy"] for r in last], chance)


def _data(splits: Splits) -> dict[str, Any]:
    train = splits.train
    return {
        "name": train.name,
        "source": splits.source,
        "sha256": splits.sha256,
        "examples": len(train),
        "test_examples": len(splits.test),
        "classes": list(train.classes),
        "shape": list(train.shape),
        "noise": train.noise,
        "columns": list(train.columns),
    }


def _verdict(split: Split, control: Split, chance: float, looks: Mapping[str, Any], m: int) -> dict[str, Any]:
    word = judge(split)
    return {
        "word": word,
        "headline": headline(word, split),
        "evidence": _evidence_sentences(split, control, looks, m),
        "rule": RULE,
        "chance": chance,
        **_shares_of(split),
        "control": _shares_of(control),
    }


def _shares_of(split: Split) -> dict[str, Any]:
    return {
        "learned": split.learned.to_dict(),
        "memorised": split.memorised.to_dict(),
        "unfitted": split.unfitted.to_dict(),
    }


def _evidence_sentences(split: Split, control: Split, looks: Mapping[str, Any], m: int) -> list[str]:
    sentences = [
        f"Of labels it never saw, the network predicts {_percent(split.learned.value)} above chance; the "
        f"control, trained on the same examples with permuted labels, {_percent(control.learned.value)}.",
        f"Of labels it saw, it predicts a further {_percent(split.memorised.value)}; the control "
        f"{_percent(control.memorised.value)}, which is what this budget can memorise.",
    ]
    peaks = {kind: _peak(looks[kind]) for kind in ("real", "control")}
    if peaks["real"] is not None and peaks["control"] is not None:
        step, real = peaks["real"]
        _, other = peaks["control"]
        sentences.append(
            f"While it learned, a step on one example's gradient helped {real:.1f} of m = {m} examples at "
            f"best (m-coherence at step {step}; 1 means only itself); in the control {other:.1f}."
        )
    return sentences


def _peak(looks: Sequence[list[dict[str, Any]]]) -> tuple[int, float] | None:
    """Step and value of the highest m-coherence after the first ten looks' burn-in, over runs."""
    best: dict[int, list[float]] = {}
    for run in looks:
        for record in run:
            if record["m_coherence"] is not None and record["step"] >= _AFTER_START:
                best.setdefault(record["step"], []).append(record["m_coherence"])
    means = {step: float(np.mean(values)) for step, values in best.items()}
    if not means:
        return None
    step = max(means, key=lambda s: (means[s], -s))
    return step, means[step]


_AFTER_START = 16
"""Steps before this see the near-uniform initial output, where coherence is high for any labels."""


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{round(100 * value)} %"


def _shares(split: Split, found: Findings) -> dict[str, Any]:
    wrong = within_0_and_1(interval(found.wrong))
    planted = float(np.mean(np.any(list(found.planted.values()), axis=0)))
    return {
        "memorised": split.memorised.to_dict(),
        "wrong_labels": wrong.to_dict(),
        "sentences": [
            "Memorised is the share of labels predicted by networks that saw them and not by those that did "
            "not.",
            "Wrong labels are counted where the networks, half of them by the one that never saw the "
            "example, clearly prefer another label. Wrong labels that look like their class are missed; "
            "hard examples that networks agree to mistake are counted.",
            f"The check: of {100 * planted:.1f} % of labels that were planted wrong in these data, the same "
            f"rule counts {100 * found.planted_seen:.0f} %.",
        ],
    }


def _shown_rows(splits: Splits, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The suspects on the page; those of a table with their values, in the units of the file."""
    train, shown = splits.train, []
    for row in _top(rows):
        values = None
        if not train.is_image:
            example = np.asarray(train.X[int(row["row"])], float).ravel()
            if len(splits.std):
                example = example * splits.std + splits.mean
            named = zip(train.columns, example.tolist(), strict=False)
            values = {name: float(f"{value:.5g}") for name, value in list(named)[:_COLUMNS]}
        shown.append({**row, "values": values})
    return shown


def _top(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["score"] > SUSPICIOUS][:SHOWN] or list(rows[:12])


def shown_suspects(train: Dataset, rows: Sequence[dict[str, Any]]) -> NDArray[np.uint8] | None:
    """Images of the suspects on the page, shape ``[n, c, h, w]``; ``None`` for tables."""
    if not train.is_image:
        return None
    return train.pixels(np.array([int(row["row"]) for row in _top(rows)], dtype=np.int64))


def _map(found: Findings) -> dict[str, Any]:
    m = len(found.score)
    chosen = np.sort(np.random.default_rng(0).permutation(m)[:_ON_THE_MAP])
    return {
        "confidence": np.round(found.evidence.confidence[chosen], 3).tolist(),
        "variability": np.round(found.evidence.variability[chosen], 3).tolist(),
        "score": np.round(found.score[chosen], 3).tolist(),
        "of": m,
    }


def _methods(statistic: Array, evidence: Evidence, wrong: NDArray[np.bool_]) -> list[dict[str, Any]]:
    table = {"score": statistic, **baselines(evidence)}
    return [
        {
            "name": name,
            "auroc": round(float(auroc(values, wrong)), 4),
            "precision": round(float(precision(values, wrong)), 4),
        }
        for name, values in table.items()
    ]


def _compared(methods: Sequence[dict[str, Any]], what: str) -> str:
    """Which method ranks best, in a sentence that does not spare the score."""
    score, best = methods[0], max(methods[1:], key=lambda r: (r["auroc"], r["precision"]))
    mine, other = score["auroc"], best["auroc"]
    digits = 3 if round(mine, 3) != round(other, 3) else 4
    if mine == other:
        return f"On {what} the score and “{best['name']}” rank alike (AUROC {mine:.{digits}f})."
    if mine > other:
        figures = f"AUROC {mine:.{digits}f}, next “{best['name']}” {other:.{digits}f}"
        return f"On {what} the score ranks best ({figures})."
    return (
        f"On {what} the baseline “{best['name']}” ranks better than the score "
        f"(AUROC {other:.{digits}f} against {mine:.{digits}f})."
    )


def _calibration(plan: Plan, found: Findings) -> dict[str, Any]:
    anywhere = np.any(list(found.planted.values()), axis=0)
    kinds, sentences = [], []
    rows = np.arange(len(anywhere))
    for kind, changed in found.planted.items():
        use = rows[changed | found.clean]
        picked = _select(found.calibration, use)
        methods = _methods(found.planted_statistic[use], picked, changed[use])
        kinds.append({"kind": kind, "planted": int(changed.sum()), "methods": methods})
        sentences.append(_compared(methods, f"planted “{kind}” labels"))
    sentences.append(
        "How far the score trusts neighbours was set on these labels, so its figures flatter it a little."
    )
    return {
        "planted_share": float(anywhere.mean()),
        "kinds": kinds,
        "weights": {n: round(float(w), 2) for n, w in zip(SIGNALS, found.scorer.weights, strict=True)},
        "sentences": sentences,
    }


def _select(evidence: Evidence, rows: NDArray[np.int64]) -> Evidence:
    return Evidence(**{name: values[rows] for name, values in vars(evidence).items()})


def _known(train: Dataset, found: Findings) -> dict[str, Any] | None:
    """How well the audit did where the user planted the noise and so the truth is known."""
    if not train.noise:
        return None
    corrupt = train.corrupt
    if not corrupt.any() or corrupt.all():
        return {
            "noise": train.noise,
            "corrupt": int(corrupt.sum()),
            "methods": [],
            "wrong_share": float(corrupt.mean()),
            "sentences": ["The noise left no label right, or none wrong: there is nothing to rank."],
        }
    methods = _methods(found.statistic, found.evidence, corrupt)
    estimate = interval(found.wrong).value or 0.0
    return {
        "noise": train.noise,
        "corrupt": int(corrupt.sum()),
        "methods": methods,
        "wrong_share": float(corrupt.mean()),
        "sentences": [
            _compared(methods, f"the noise you planted ({train.noise})"),
            f"Truly wrong: {100 * corrupt.mean():.1f} % of the labels; estimated: {100 * estimate:.1f} %.",
        ],
    }


def _coverage(network: torch.nn.Module, train: Dataset) -> list[dict[str, Any]]:
    """Which way each layer's statistics take, from one small batch."""
    index = np.arange(min(8, len(train)))
    x, y = standardised(train.X[index], train.X, index), torch.from_numpy(train.y[index])
    network.eval()
    meter = watch(network, bitwise=True)
    try:
        torch.nn.functional.cross_entropy(network(x), y).backward()
        meter.update()
        ways, layers = meter.coverage, meter.compute().layers
        sizes = _layer_sizes(network)
        return [
            {
                "layer": name,
                "parameters": sizes.get(name, 0),
                "way": way,
                "share": layers[name].share if name in layers else None,
            }
            for name, way in ways.items()
        ]
    finally:
        meter.close()
        network.zero_grad()


def _layer_sizes(network: torch.nn.Module) -> dict[str, int]:
    return {
        name or type(network).__name__: sum(p.numel() for p in module.parameters(recurse=False))
        for name, module in network.named_modules()
    }
