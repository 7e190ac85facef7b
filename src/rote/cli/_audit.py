"""``rote audit``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from rote.cli._console import Step, made, progress, say
from rote.errors import InputError


@Parameter(name="*")
@dataclass(frozen=True)
class Training:
    """How each network is trained."""

    epochs: int = 30
    "Passes over the examples."
    batch: int = 64
    "Examples a step."
    lr: float = 0.05
    "Learning rate, constant."
    momentum: float = 0.9
    "Momentum."
    weight_decay: float = 0.0
    "L2 penalty."


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How the data is read."""

    data_dir: Path | None = None
    "Where data sets lie; the environment variable ROTE_DATA, or rote's cache, unless told."
    label: str | None = None
    "Name of a table's label column."
    limit: int | None = None
    "Use only so many training examples, drawn evenly over the classes."
    label_noise: str | None = None
    "Plant wrong labels first, as kind:share; kinds are permute, uniform, pair and instance."


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """Where and how widely it runs; none of this changes the result."""

    out: Path | None = None
    "The run folder; rote-runs/audit-DATA-… unless told."
    jobs: int | None = None
    "Networks trained at once; chosen unless told."
    threads: int | None = None
    "Threads of each; chosen unless told."


def audit(  # noqa: D417 - the groups' options are described in their classes
    data: str,
    /,
    *,
    model: str | None = None,
    seeds: int = 5,
    seed: int = 0,
    tries: Annotated[str, Parameter(name="--try")] = "",
    circuit: bool = True,
    training: Training = Training(),
    reading: Reading = Reading(),
    running: Running = Running(),
) -> None:
    """Is a model learning or memorising, which examples, and what would help?

    Trains the network several times, each time leaving out another part
    of the examples, and again on permuted labels (the control) and on
    planted wrong ones (the calibration). Writes one page, report.html, with
    report.json and suspects.csv beside it. Stopped with Ctrl-C, or killed,
    the same command goes on.

    Args:
        data: digits, mnist, cifar10, a folder or zip of images by class,
            a CSV or Parquet file, or pkg.module:factory.
        model: mlp, cnn, resnet18, or pkg.module:factory; chosen by the data unless told.
        seeds: Networks of each sort; each leaves out another part of the examples.
        seed: Of everything random.
        tries: Remedies to try, separated by commas: early-stop, drop-suspects, relabel, winsorize, median.
        circuit: Compile the network to gates, and see how much rests on rare patterns.
    """
    from rote._audit import audit as run
    from rote.audit import Plan
    from rote.data import digest, load, parse_noise, plant
    from rote.learners import Recipe

    wanted = tuple(name.strip() for name in tries.split(",") if name.strip())
    noise = parse_noise(reading.label_noise) if reading.label_noise else None
    recipe = Recipe(training.epochs, training.batch, training.lr, training.momentum, training.weight_decay)
    plan = Plan(recipe=recipe, runs=seeds, seed=seed, circuit=circuit)
    for name, value in (("jobs", running.jobs), ("threads", running.threads)):
        if value is not None and value < 1:
            raise InputError(f"`{name}` must be at least 1. Got {value}.")
    splits = load(data, data_dir=reading.data_dir, label=reading.label, limit=reading.limit)
    if noise:
        noisy = plant(splits.train, noise[0], noise[1], seed=seed)
        splits = replace(splits, train=noisy, sha256=digest(noisy, splits.test))
    with progress("audit", unit="epochs") as step:
        found = run(
            model,
            splits,
            plan=plan,
            out=running.out,
            tries=wanted,
            workers=(running.jobs, running.threads),
            command=_command(sys.argv[1:]),
            on_progress=_shown(step),
        )
    if found.reused:
        say("This audit was finished before; its folder was read back, and nothing was trained.")
    _summary(found.report)
    made(found.path / "report.html")


def _shown(step: Step) -> "OnProgress":  # type: ignore[name-defined]  # noqa: F821 - would import torch
    def show(done: int, total: int, text: str) -> None:
        step(done, text, total=total)

    return show


def _command(words: Sequence[str]) -> list[str]:
    return ["rote", *map(quote, words)]


def _summary(report: dict[str, object]) -> None:
    verdict, known = report["verdict"], report["known"]
    assert isinstance(verdict, dict)
    say(verdict["headline"])
    for sentence in verdict["evidence"]:
        say(f"  {sentence}")
    count = report["suspects_total"]
    say(f"{count} label{' is' if count == 1 else 's are'} more likely wrong than right.")
    if isinstance(known, dict):
        for sentence in known["sentences"]:
            say(f"  {sentence}")
