"""The main job: train, watch, rank, judge, and write it all down."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rote.audit._cell import Cell, Material
from rote.audit._cells import (
    OnProgress,
    Workers,
    choose_workers,
    release_workers,
    step_operations,
    train_cells,
)
from rote.audit._circuit import KINDS as CURVES
from rote.audit._circuit import Subject, choose_subject, circuit_record, nothing
from rote.audit._evidence import Evidence, gather
from rote.audit._neighbours import distances_to_classes, input_space, nearest
from rote.audit._plan import (
    REMEDIES,
    Factory,
    Plan,
    architecture,
    build,
    default_model,
    find_factory,
    parts,
)
from rote.audit._plant import KINDS, plant_for_calibration
from rote.audit._record import SCHEMA, Findings, audit_record, shown_suspects
from rote.audit._refusals import refuse_misfit, refuse_unusable
from rote.audit._remedies import SUSPICIOUS, Tried, remedy_cells, why_not_possible
from rote.audit._score import equal_scorer, fit_scorer
from rote.audit._shares import contradicted, probability_wrong, visible_share
from rote.audit._suspects import rank, suggested_labels
from rote.data import Splits, digest, load
from rote.runs import RunFolder, content_hash

_PAGES = ("report.html", "suspects.csv")


@dataclass(frozen=True, eq=False)
class Audit:
    """A finished audit.

    Attributes:
        path: The run folder, which holds ``report.html``, ``report.json``, ``suspects.csv`` and the records.
        report: What ``report.json`` says.
        reused: Whether the run was there already, finished.

    Example:
        >>> Audit(Path("rote-runs/x"), {"verdict": {"word": "learning"}}, False).report["verdict"]["word"]
        'learning'
    """

    path: Path
    report: dict[str, Any]
    reused: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an audit hands to whoever writes its pages.

    Attributes:
        report: The record of ``report.json``.
        rows: All examples, most suspicious first, the records of ``suspects.csv``.
        images: Of the suspects in ``report``, uint8 ``[n, c, h, w]``; ``None`` for tables.

    Example:
        >>> Outcome({}, [], None).images is None
        True
    """

    report: dict[str, Any]
    rows: list[dict[str, Any]]
    images: NDArray[np.uint8] | None


def run_audit(
    model: str | Factory | None,
    data: str | Splits,
    *,
    plan: Plan | None = None,
    out: str | Path | None = None,
    tries: Sequence[str] = (),
    workers: tuple[int | None, int | None] = (None, None),
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    write: Callable[[RunFolder, Outcome], None] | None = None,
) -> Audit:
    """Audit a model on a dataset, into a run folder; what is there already is not done again.

    Args:
        model: ``"mlp"``, ``"cnn"``, ``"resnet18"``, ``"pkg.module:factory"``, or a factory; chosen by the
            data where ``None``.
        data: What :func:`rote.data.load` takes, or what it returned.
        plan: Recipe, number of runs, seed; its ``model`` is replaced by ``model``.
        out: The run folder; ``rote-runs/audit-<data>-<hash>`` where ``None``.
        tries: Remedies to try.
        workers: Jobs and threads, chosen where ``None``.
        command: What the user typed, for the report.
        on_progress: Called now and then with epochs done, epochs in all, and a text.
        write: Writes the pages into the run folder before it is marked as done.

    Returns:
        The finished audit.

    Raises:
        InputError: If anything given cannot be used, or the run folder holds another run.

    Example:
        >>> run_audit("vgg", "digits")
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `model` must be one of mlp, cnn, resnet18, or pkg.module:factory. Got 'vgg'.
    """
    splits = load(data) if isinstance(data, str) else data
    refuse_unusable(splits, tries, (plan or Plan()).runs)
    train = splits.train
    name = model if isinstance(model, str) else getattr(model, "__qualname__", None)
    name = name or default_model(train.shape)
    factory: Factory = model if callable(model) else find_factory(name)
    given = plan or Plan()
    plan = replace(given, model=name)
    torch.manual_seed(plan.seed)
    network = build(factory, train.shape, len(train.classes))
    refuse_misfit(network, splits)
    sha = digest(splits.train, splits.test)
    config = {**plan.config(), "architecture": architecture(network), "noise": train.noise}
    folder = Path(out) if out else Path("rote-runs") / _folder_name(train.name, content_hash([config, sha]))
    cells_in_all = (3 + sum(t != "early-stop" for t in tries)) * plan.runs
    operations = step_operations(network, torch.from_numpy(train.inputs(slice(0, 2))), plan.recipe.batch)
    how = choose_workers(cells_in_all, operations, jobs=workers[0], threads=workers[1])
    with RunFolder.open(
        folder,
        command=list(command),
        config=config,
        data_sha256=sha,
        seeds=[plan.seed + k for k in range(plan.runs)],
        threads=how.threads,
        device=how.device,
    ) as run:
        before = _report_there(run) if run.done else None
        # A remedy that could not be tried has no command that would.
        tried = {r["name"] for r in before["remedies"] if r["command"] is None} if before else set()
        if before and tried.issuperset(tries) and (before.get("circuit") or not plan.circuit):
            return Audit(run.path, before, reused=True)
        work = _Work(splits, plan, factory, run, how, on_progress)
        try:
            outcome = work.finish(network, [t for t in REMEDIES if t in tried.union(tries)], list(command))
        finally:
            if how.jobs > 1:
                release_workers()
        if write is not None:
            write(run, outcome)
        run.finish()
        return Audit(run.path, outcome.report, reused=False)


class _Work:
    """The steps of one audit, each kept in the run folder once done."""

    def __init__(
        self,
        splits: Splits,
        plan: Plan,
        factory: Factory,
        run: RunFolder,
        workers: Workers,
        on_progress: OnProgress | None,
    ) -> None:
        self.train, self.splits, self.plan, self.factory = splits.train, splits, plan, factory
        self.run, self.workers, self.on_progress = run, workers, on_progress
        self.part = parts(self.train.y, plan.runs, seed=plan.seed)
        self.material = Material(
            self.train.X,
            splits.test.X,
            splits.test.y,
            self.train.true_y,
            len(self.train.classes),
            workers.device,
        )

    def finish(self, network: torch.nn.Module, tries: Sequence[str], command: list[str]) -> Outcome:
        """Do what is not done yet, and put the outcome together."""
        subject = choose_subject(network, self.factory, self.splits, self.plan)
        own = isinstance(subject, Subject) and subject.own
        near = self._neighbours()
        planted_y, planted = self._plant(near)
        rng = np.random.default_rng([self.plan.seed, 10])
        groups = {
            "real": self._cells(
                "real", self.train.y, coherence=True, support=True, neighbours=True, weights=own
            ),
            "control": self._cells("control", rng.permutation(self.train.y), coherence=True, weights=own),
            "planted": self._cells("planted", planted_y, neighbours=True),
        }
        every = [cell for cells in zip(*groups.values(), strict=True) for cell in cells]
        self._train(every)
        evidence = gather(self._tracks(groups["real"]), self.train.y, near)
        calibration = gather(self._tracks(groups["planted"]), planted_y, near)
        found = self._judge_labels(evidence, calibration, planted)
        suspect = found.score > SUSPICIOUS
        tried = Tried(tuple(tries))
        for name in tries:
            suggested = suggested_labels(evidence)
            cells = remedy_cells(name, groups["real"], suspect, suggested, self.material.classes)
            if excuse := why_not_possible(cells, self.material, self.factory, self.plan):
                tried.excuses[name] = excuse
                continue
            self._train([*every, *cells])
            every += cells
            if cells:
                tried.curves[name] = [self.run.records(f"{cell.name}/curve") for cell in cells]
        circuit = self._circuit(subject, [groups[kind][0] for kind in CURVES], every)
        rows = rank(self.train, evidence, found.score, found.statistic, self.plan.recipe.epochs)
        report = audit_record(
            self.splits,
            self.plan,
            self.run,
            found,
            rows,
            network,
            tried=tried,
        )
        report["circuit"] = circuit
        for cell in (cell for cell in every if cell.weights and not own):
            report["cost"]["networks"] += 1
            report["cost"]["steps"] += self.run.records(f"{cell.name}/curve")[-1]["step"]
        report["cost"] |= {
            "threads": self.workers.threads,
            "jobs": self.workers.jobs,
            "device": self.workers.device,
            "seconds": sum(r["seconds"] for cell in every for r in self.run.records(f"{cell.name}/clock")),
            "sentence": self.workers.sentence(),
        }
        report["reproduce"]["command"] = " ".join(command)
        for remedy in report["remedies"]:
            if command and remedy["command"] is not None:
                remedy["command"] = _to_try(command, [*tries, remedy["name"]])
        return Outcome(report, rows, shown_suspects(self.train, rows))

    def _circuit(
        self, subject: Subject | str, cells: Sequence[Cell], every: list[Cell]
    ) -> dict[str, Any] | None:
        """The CFS curves of the first runs, or of narrow networks trained in their place."""
        if not self.plan.circuit and not self.run.has("circuit/control"):
            return None
        if isinstance(subject, str):
            return nothing(subject)
        if not subject.own:
            cells = [
                Cell(f"cells/circuit-{kind}", cell.y, cell.learn, cell.seed, weights=True)
                for kind, cell in zip(CURVES, cells, strict=True)
            ]
            every += cells
            material = replace(self.material, x=subject.x, test_x=subject.test_x)
            train_cells(every, material, subject.factory, self.plan, self.run, self.workers, self.on_progress)
        return circuit_record(subject, cells, self.train, self.run, threads=self.workers.threads)

    def _train(self, cells: Sequence[Cell]) -> None:
        train_cells(cells, self.material, self.factory, self.plan, self.run, self.workers, self.on_progress)

    def _cells(
        self,
        kind: str,
        y: NDArray[np.int64],
        *,
        coherence: bool = False,
        support: bool = False,
        neighbours: bool = False,
        weights: bool = False,
    ) -> list[Cell]:
        """Run k of a kind: all but part k; the same seed for every kind, so that runs are pairs."""
        return [
            Cell(
                f"cells/{kind}-{k}",
                y,
                np.flatnonzero(self.part != k),
                self.plan.seed * 1000 + k,
                coherence,
                support,
                neighbours,
                weights=weights and k == 0,
            )
            for k in range(self.plan.runs)
        ]

    def _tracks(self, cells: Sequence[Cell]) -> list[dict[str, NDArray[Any]]]:
        return [self.run.load(f"{cell.name}/track")[1] for cell in cells]

    def _neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if not self.run.has("neighbours"):
            index, distance = nearest(input_space(self.train.X))
            self.run.save("neighbours", {}, {"index": index, "distance": distance})
        arrays = self.run.load("neighbours")[1]
        return arrays["index"], arrays["distance"]

    def _plant(
        self, near: tuple[NDArray[np.int32], NDArray[np.float32]]
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
        classes = len(self.train.classes)
        distance = distances_to_classes(*near, np.eye(classes, dtype=np.float32)[self.train.y])
        distance[np.arange(len(self.train)), self.train.y] = np.inf
        return plant_for_calibration(
            self.train.y,
            distance.argmin(1),
            classes=classes,
            share=self.plan.planted,
            seed=self.plan.seed,
        )

    def _judge_labels(
        self, evidence: Evidence, calibration: Evidence, planted: dict[str, NDArray[np.bool_]]
    ) -> Findings:
        anywhere = np.any([planted[kind] for kind in KINDS], axis=0)
        clean = ~anywhere & ~self._looks_wrong(evidence, calibration, anywhere)
        scorer = fit_scorer(calibration, planted, clean)
        statistic, on_planted = scorer.statistic(evidence), scorer.statistic(calibration)
        wrong = contradicted(evidence)
        score = probability_wrong(statistic, on_planted[anywhere], float(wrong.mean()))
        return Findings(
            evidence=evidence,
            calibration=calibration,
            planted=planted,
            clean=clean,
            scorer=scorer,
            statistic=statistic,
            planted_statistic=on_planted,
            score=score,
            wrong=[float(wrong[self.part == k].mean()) for k in range(self.plan.runs)],
            planted_seen=float(contradicted(calibration)[anywhere].mean()),
        )

    @staticmethod
    def _looks_wrong(
        evidence: Evidence, calibration: Evidence, planted: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """As many of the most suspicious given labels as look planted, by signals weighed alike.

        Planted labels are held against the others; were the others' own wrong labels among them, finding
        those would count as a mistake.
        """
        equal = equal_scorer(calibration)
        statistic = equal.statistic(evidence)
        share = visible_share(statistic, equal.statistic(calibration)[planted])
        wrong = np.zeros(len(statistic), bool)
        # Never more than half, or nothing is left to hold planted labels against.
        count = min(round(share * len(statistic)), (~planted).sum() // 2)
        wrong[np.argsort(-statistic, kind="stable")[:count]] = True
        return wrong


def _folder_name(name: str, digest_text: str) -> str:
    plain = "".join(c if c.isalnum() else "-" for c in Path(name).name).strip("-")[:40] or "data"
    return f"audit-{plain}-{digest_text[:8]}"


def _report_there(run: RunFolder) -> dict[str, Any] | None:
    """The report of a finished run; ``None`` where it is damaged or a page gone: all are made anew."""
    try:
        found = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
        whole = found["schema"] == SCHEMA and all(r["name"] and "command" in r for r in found["remedies"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole and all((run.path / name).exists() for name in _PAGES) else None


def _to_try(command: Sequence[str], tries: Sequence[str]) -> str:
    """The user's command with these remedies and no others."""
    words, value_next = [], False
    for word in command:
        if not value_next and word != "--try" and not word.startswith("--try="):
            words.append(word)
        value_next = word == "--try"
    return " ".join([*words, "--try", ",".join(tries)])
