"""Where the audit meets its page: what ``rote.audit(...)`` and ``rote audit`` both call."""

import json
from collections.abc import Sequence
from pathlib import Path

from rote.audit import Audit, Factory, OnProgress, Outcome, Plan, run_audit
from rote.data import Splits
from rote.report import audit_page, suspects_csv
from rote.runs import RunFolder


def audit(
    model: str | Factory | None,
    data: str | Splits,
    *,
    plan: Plan | None = None,
    out: str | Path | None = None,
    tries: Sequence[str] = (),
    workers: tuple[int | None, int | None] = (None, None),
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Audit:
    """Is a model learning or memorising on this data, which examples, and what would help.

    Trains ``3 × plan.runs`` networks (on the given labels, on permuted ones, and on planted ones), and writes
    a run folder with ``report.html``, ``report.json`` and ``suspects.csv``. A run that was stopped goes on
    where it was; a finished one is read back.

    Args:
        model: ``"mlp"``, ``"cnn"``, ``"resnet18"``, ``"pkg.module:factory"``, or a function of
            ``(shape, classes)`` or of nothing that returns a fresh torch module; chosen by the data where
            ``None``.
        data: A dataset's name or path, or what :func:`rote.data.load` returned.
        plan: Epochs, learning rate, number of runs, seed.
        out: The run folder; ``rote-runs/audit-<data>-<hash>`` where ``None``.
        tries: Remedies to try, of ``rote.audit.REMEDIES``.
        workers: Networks trained at once, and threads of each; chosen where ``None``.
        command: What the user typed, for the report.
        on_progress: Called now and then with epochs done, epochs in all, and a text.

    Returns:
        Where the folder is, and what the report says.

    Raises:
        InputError: If anything given cannot be used, or the folder holds another run.

    Example:
        >>> import tempfile
        >>> from rote.data import load
        >>> from rote.learners import Recipe
        >>> plan = Plan(recipe=Recipe(epochs=6, batch=16), runs=2)
        >>> found = audit("mlp", load("digits", limit=300), plan=plan, out=tempfile.mkdtemp(), workers=(1, 1))
        >>> found.report["verdict"]["word"], (found.path / "report.html").exists()
        ('learning', True)
    """
    return run_audit(
        model,
        data,
        plan=plan,
        out=out,
        tries=tries,
        workers=workers,
        command=command,
        on_progress=on_progress,
        write=write_pages,
    )


def write_pages(run: RunFolder, outcome: Outcome) -> None:
    """Write the page and the tables of an audit into its run folder.

    Args:
        run: The folder.
        outcome: What the audit found.
    """
    run.write("suspects.csv", suspects_csv(outcome.rows))
    run.write("report.html", audit_page(outcome.report, outcome.images))
    # Last, for what it says decides whether a finished run is read back or its pages are made again.
    run.write("report.json", json.dumps(outcome.report, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
