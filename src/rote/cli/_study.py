"""``rote study list``, ``rote study run`` and ``rote study show``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from rote.cli._console import Step, made, progress, say, table

if TYPE_CHECKING:  # it would import torch
    from rote._lecture import Told
    from rote.studies import Done, Extent
    from rote.studies._run import OnProgress


@Parameter(name="*")
@dataclass(frozen=True)
class Spreading:
    """Where and how widely it runs; none of this changes the result."""

    out: Path | None = None
    "The run folder; rote-runs/study-NAME-SCALE unless told."
    data_dir: Path | None = None
    "Where data sets lie; the environment variable ROTE_DATA, or rote's cache, unless told."
    jobs: int | None = None
    "Cells at once; chosen unless told."
    backend: Literal["loky", "dask", "ray"] = "loky"
    "Processes of this machine (loky), or a cluster of Dask or Ray."
    scheduler: str | None = None
    "Address of the cluster; a local one is started unless told."


def list_studies() -> None:
    """Say which studies there are, their figures and how many claims they test."""
    from rote.studies import LECTURE, STUDIES

    rows: list[list[object]] = [
        [
            study.name,
            sum(len(figure.claims) for figure in study.figures),
            ", ".join(figure.name for figure in study.figures),
            study.paper,
        ]
        for study in STUDIES
    ]
    told = [chapter.study for chapter in LECTURE.chapters]
    claims = sum(len(figure.claims) for study in told for figure in study.figures)
    rows.append([LECTURE.name, claims, f"those of {len(told)} studies, on one page", LECTURE.paper])
    table(["name", "claims", "figures", "paper"], rows)


def run_a_study(  # noqa: D417 - the group's options are described in its class
    name: str,
    /,
    *,
    scale: Literal["quick", "paper"] = "quick",
    seeds: int = 3,
    seed: int = 0,
    only: str = "",
    export: Path | None = None,
    spreading: Spreading = Spreading(),
) -> None:
    """Compute a paper's figures anew, and judge what they were to show.

    Runs every cell (a configuration with a seed) that is not there yet, and
    writes one page, study.html, with study.json beside it. Stopped with
    Ctrl-C, or killed, the same command goes on; more seeds or figures run
    only what is new. The name `lecture` runs all studies of "What do deep
    networks learn, and when do they learn it?" and makes one illustrated page
    of them, lecture.html.

    Args:
        name: A study that `rote study list` names, pkg.module:STUDY, or lecture.
        scale: quick is for two cores and ten minutes; paper has the paper's own sizes.
        seeds: How often each configuration is run; three at least for a verdict.
        seed: The first seed.
        only: Figures to run, of a lecture its studies, separated by commas; all unless told.
        export: Copy the record, the cells and the figures into this folder, under NAME/SCALE.
    """
    from rote._study import PAGE, study
    from rote.studies import LECTURE, Extent, find_study

    extent = Extent(scale, seeds, seed, tuple(word.strip() for word in only.split(",") if word.strip()))
    if name == LECTURE.name:
        _run_the_lecture(extent, spreading, export)
        return
    found = find_study(name)
    with progress("study", unit="units") as step:
        done = study(found, extent, **_running(spreading, step))
    _say_if_nothing(done.ran)
    _summary(done.record)
    _export(done, export)
    made(done.path / PAGE)


def show_study(
    name: str,
    /,
    *,
    scale: Literal["quick", "paper"] = "quick",
    out: Path | None = None,
    export: Path | None = None,
) -> None:
    """Judge a study by the cells that are there, and write its page anew; nothing is run.

    Args:
        name: A study that `rote study list` names, pkg.module:STUDY, or lecture.
        scale: Which of its default folders.
        out: Its run folder; rote-runs/study-NAME-SCALE unless told.
        export: Copy the record, the cells and the figures into this folder, under NAME/SCALE.
    """
    from rote._lecture import show_lecture
    from rote._study import PAGE, show
    from rote.studies import LECTURE, default_folder, find_study

    if name == LECTURE.name:
        _say_told(show_lecture(LECTURE, scale, out=out), export)
        return
    found = find_study(name)
    done = show(found, out or default_folder(found, scale))
    _summary(done.record)
    _export(done, export)
    made(done.path / PAGE)


def _running(spreading: Spreading, step: Step) -> dict[str, Any]:
    """What a study and a lecture are told of where they run."""
    from rote.studies import Crew

    return {
        "crew": Crew(spreading.jobs, spreading.backend, spreading.scheduler),
        "out": spreading.out,
        "data_dir": spreading.data_dir,
        "command": ["rote", *map(quote, sys.argv[1:])],
        "on_progress": _shown(step),
    }


def _say_if_nothing(ran: int) -> None:
    if not ran:
        say("Every cell was there already; nothing was run.")


def _run_the_lecture(extent: "Extent", spreading: Spreading, export: Path | None) -> None:
    from rote._lecture import lecture
    from rote.studies import LECTURE

    with progress("lecture", unit="units") as step:
        told = lecture(LECTURE, extent, **_running(spreading, step))
    _say_if_nothing(told.ran)
    _say_told(told, export)


def _say_told(told: "Told", folder: Path | None) -> None:
    """How the studies of a lecture came out, a line each."""
    from rote._lecture import PAGE

    say(f"{told.record['headline']}.")
    for chapter in told.record["chapters"]:
        say(f"  {chapter['study']}: {chapter['headline'] or 'not run yet'}.")
    for done in told.done:
        _export(done, folder)
    made(told.path / PAGE)


def _shown(step: Step) -> "OnProgress":
    begun = False

    def tell(done: int, total: int, text: str) -> None:
        nonlocal begun
        step(done, text, total=total, before=not begun)  # first comes what was there
        begun = True

    return tell


def _summary(record: dict[str, Any]) -> None:
    say(f"{record['headline']}.")
    for figure in record["figures"]:
        if figure["cells"]:
            for claim in figure["claims"]:
                why = f" ({claim['why']})" if claim["why"] else ""
                say(f"  {claim['verdict']:<12}  {figure['name']}, {claim['name']}: {claim['words']}{why}")


def _export(done: "Done", folder: Path | None) -> None:
    from rote._study import export

    if folder is not None:
        files = export(done, folder)
        say(f"{len(files)} files copied to {files[0].parent}.")
