"""Where a study meets its page: what ``rote study run`` and ``rote study show`` call."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rote.errors import InputError
from rote.report import ledger, study_drawings, study_page
from rote.runs import RunFolder
from rote.studies import Crew, Done, Extent, Study, read_study, run_study
from rote.studies._run import OnProgress

PAGE, RECORD = "study.html", "study.json"
Json = Any


def study(
    name: Study,
    extent: Extent,
    *,
    crew: Crew | None = None,
    out: Path | None = None,
    data_dir: Path | None = None,
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Done:
    """Run what is missing of a study and write its page, ``study.html``, and ``study.json`` beside it.

    Args:
        name: The study.
        extent: Scale, seeds and figures.
        crew: Where and how widely it runs.
        out: The run folder.
        data_dir: Where data sets lie.
        command: What the user typed.
        on_progress: Called after every cell.
    """
    return run_study(
        name,
        extent,
        crew=crew,
        out=out,
        data_dir=data_dir,
        command=command,
        on_progress=on_progress,
        write=write_study,
    )


def show(name: Study, folder: Path) -> Done:
    """Judge a study by the cells that its folder holds, and write its page anew.

    Args:
        name: The study.
        folder: Its run folder.
    """
    done = read_study(name, folder)
    with RunFolder.reopen(folder) as run:
        write_study(run, done.record)
    return done


def write_study(run: RunFolder, record: dict[str, Any]) -> None:
    """Write the page of a study and its record into its run folder."""
    run.write(PAGE, study_page(record))
    run.write(RECORD, _json(record))


def export(done: Done, folder: Path) -> list[Path]:
    """Copy a study's results to where they are kept: its record, its cells, and each figure as SVG.

    Numbers keep six significant digits. The cells' file has one JSON object a line; the claims can be judged
    again by it, and the figures drawn, so the record leaves their points out.

    Args:
        done: The study.
        folder: Where to; the files go into ``<folder>/<study>/<scale>/``.

    Returns:
        The files, the record first.

    Raises:
        InputError: If the folder cannot be written.
    """
    record = rounded(done.record)
    record["made"]["command"] = command_again(record)
    home = folder / record["study"] / record["scale"]
    cells: dict[str, dict[str, Any]] = {}
    for figure, rows in done.rows.items():
        for row in rows:
            one = {"config": dict(row.config), "seed": row.seed, "record": dict(row.record)}
            line = json.dumps(rounded(one), ensure_ascii=False, allow_nan=False)
            cells.setdefault(line, {"figures": []})["figures"].append(figure)
    lines = [f'{{"figures": {json.dumps(of["figures"])}, {line[1:]}\n' for line, of in cells.items()]
    kept = record | {"figures": [_without(figure, "panels") for figure in record["figures"]]}
    files = {home / "study.json": _json(kept), home / "cells.jsonl": "".join(lines)}
    files |= {home / f"{name}.svg": drawing for name, drawing in study_drawings(record).items()}
    try:
        home.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"`export`: cannot write {home} ({error.strerror}); choose another folder."
        ) from None
    return list(files)


def command_again(record: dict[str, Any]) -> str:
    """The command that makes a record again, without what cannot change it: folders, jobs, backends.

    Example:
        >>> command_again({"study": "toy", "scale": "quick", "seeds": [2, 3], "figures": []})
        'rote study run toy --scale quick --seeds 2 --seed 2'
    """
    seeds, figures = record["seeds"], record["figures"]
    words = ["rote study run", record["study"], "--scale", record["scale"], "--seeds", str(len(seeds))]
    words += ["--seed", str(seeds[0])] if seeds[0] else []
    whole = [figure["name"] for figure in figures if figure["cells"] == figure["asked"]]
    words += ["--only", ",".join(whole)] if 0 < len(whole) < len(figures) else []
    return " ".join(words)


def rounded(value: Json, digits: int = 6) -> Json:
    """Nested plain values, every float to so many significant digits.

    Example:
        >>> rounded({"a": [1 / 3, 2]})
        {'a': [0.333333, 2]}
    """
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, list) else value


def kept_results(folder: Path) -> str:
    """The ledger of all records below a folder, such as ``docs/results``, with the remarks beside them.

    Args:
        folder: Holds ``<study>/<scale>/study.json``, and where something is to be said of a claim
            ``remarks.json``: ``{"claim": "why"}``.

    Returns:
        The page, as Markdown.

    Example:
        >>> kept_results(Path("no/such/folder")).splitlines()[-1]
        'No study has been kept yet.'
    """
    records, remarks = [], {}
    for file in sorted(folder.glob("*/*/study.json")):
        records.append(json.loads(file.read_text(encoding="utf-8")))
        said = file.with_name("remarks.json")
        if said.exists():
            remarks[f"{file.parts[-3]}/{file.parts[-2]}"] = json.loads(said.read_text(encoding="utf-8"))
    return ledger(records, remarks)


def _without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
