"""Where a lecture meets its page: what ``rote study run lecture`` and ``rote study show lecture`` call."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote._study import PAGE as STUDY_PAGE
from rote._study import RECORD as STUDY_RECORD
from rote._study import show, study
from rote.errors import InputError
from rote.report import lecture_markdown, lecture_page
from rote.runs import RunFolder
from rote.runs._files import write_atomic
from rote.studies import Chapter, Crew, Done, Extent, Lecture, Study, default_folder
from rote.studies._cells import cells_of, data_digests
from rote.studies._lecture import chosen_chapters
from rote.studies._record import WORDS, headline
from rote.studies._run import OnProgress

PAGE, RECORD = "lecture.html", "lecture.json"
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Told:
    """A lecture as far as its studies have run.

    Attributes:
        path: Where its page is.
        record: What the page shows, ready for JSON.
        done: Its studies that have run, in order.
        ran: How many cells ran just now.
    """

    path: Path
    record: dict[str, Any]
    done: tuple[Done, ...]
    ran: int


def lecture(
    given: Lecture,
    extent: Extent,
    *,
    crew: Crew | None = None,
    out: Path | None = None,
    data_dir: Path | None = None,
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Told:
    """Run what is missing of every study of a lecture, and write one page of them all.

    The page is written again after each study, so that one which was stopped shows what there is.

    Args:
        given: The lecture.
        extent: Scale and seeds; ``only`` names studies.
        crew: Where and how widely it runs.
        out: Holds the page and, below, a run folder for each study. Unless told, the page is in
            ``rote-runs/study-lecture-<scale>``, and each study in its own default folder, so that those which
            were run by themselves are not run again.
        data_dir: Where data sets lie.
        command: What the user typed.
        on_progress: Called after every cell.

    Raises:
        InputError: If anything given cannot be used, or data are absent; before anything is run.
    """
    chosen = chosen_chapters(given, extent.only)
    data = data_digests([figure for chapter in chosen for figure in chapter.study.figures], data_dir)
    each = Extent(extent.scale, extent.seeds, extent.seed)
    folders = {chapter.study.name: _folder(chapter.study, extent.scale, out) for chapter in chosen}
    work = {c.study.name: missing_seconds(c.study, each, data, folders[c.study.name]) for c in chosen}
    found, ran = _there(given, extent.scale, out), 0
    for chapter in chosen:
        name = chapter.study.name
        found[name] = study(
            chapter.study,
            each,
            crew=crew,
            out=folders[name],
            data_dir=data_dir,
            command=command,
            on_progress=_among(work, name, on_progress),
        )
        ran += found[name].ran
        told = _write(given, extent.scale, out, found, command)
    return Told(told.path, told.record, told.done, ran)


def show_lecture(given: Lecture, scale: str, *, out: Path | None = None) -> Told:
    """Judge the studies of a lecture by the cells that are there, and write its page anew; nothing is run.

    Raises:
        InputError: If none of them has run.
    """
    found = _there(given, scale, out)
    if not found:
        where = _home(given, scale, out)
        raise InputError(f"{where} holds no study yet; `rote study run {given.name}` runs them.")
    return _write(given, scale, out, found, ())


def missing_seconds(study: Study, extent: Extent, data: dict[str, str], folder: Path) -> float:
    """About how many seconds of one core the cells take that a folder lacks, by what the figures say.

    Args:
        study: The study.
        extent: Scale and seeds.
        data: SHA-256 of each data set.
        folder: Its run folder, which may not exist yet.

    Example:
        >>> from rote.studies import find_study
        >>> missing_seconds(find_study("deep-linear"), Extent(seeds=1), {}, Path("no/such/folder")) > 1
        True
    """
    run = RunFolder.join(folder) if folder.exists() else None
    cells = cells_of(study, study.figures, extent.scale, extent.all_seeds(), data)
    return sum(c.figure.cost(c.config) for c in cells if run is None or not run.has(c.name))


def _among(work: dict[str, float], name: str, tell: OnProgress | None) -> OnProgress | None:
    """Progress of one study as part of what is to be done of them all."""
    if tell is None:
        return None
    before = sum(list(work.values())[: list(work).index(name)])
    there: int | None = None

    def shown(done: int, total: int, text: str) -> None:
        nonlocal there
        there = done if there is None else there
        whole = max(round(sum(work.values())), 1)
        tell(min(round(before + done - there), whole), whole, f"{name}: {text}")

    return shown


def _home(given: Lecture, scale: str, out: Path | None) -> Path:
    return Path("rote-runs") / f"study-{given.name}-{scale}" if out is None else out


def _folder(of: Study, scale: str, out: Path | None) -> Path:
    return default_folder(of, scale) if out is None else out / of.name


def _there(given: Lecture, scale: str, out: Path | None) -> dict[str, Done]:
    """Its studies that have run, judged again, by name."""
    folders = {chapter.study.name: _folder(chapter.study, scale, out) for chapter in given.chapters}
    return {
        chapter.study.name: show(chapter.study, folders[chapter.study.name])
        for chapter in given.chapters
        if (folders[chapter.study.name] / STUDY_RECORD).exists()
    }


def _write(
    given: Lecture, scale: str, out: Path | None, found: Mapping[str, Done], command: Sequence[str]
) -> Told:
    """Write the page of the studies that have run."""
    home = _home(given, scale, out)
    links = {
        name: Path(os.path.relpath(done.path / STUDY_PAGE, home)).as_posix() for name, done in found.items()
    }
    record = lecture_record(given, scale, {name: done.record for name, done in found.items()}, links, command)
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_atomic(home / PAGE, lecture_page(record).encode())
        write_atomic(home / RECORD, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise InputError(f"`out`: cannot write {home} ({error.strerror}); choose another --out.") from None
    in_order = [found[c.study.name] for c in given.chapters if c.study.name in found]
    return Told(home, record, tuple(in_order), 0)


def lecture_record(
    given: Lecture,
    scale: str,
    records: Mapping[str, Mapping[str, Any]],
    links: Mapping[str, str],
    command: Sequence[str],
) -> dict[str, Any]:
    """What the page of a lecture shows, ready for JSON.

    Args:
        given: The lecture.
        scale: ``quick`` or ``paper``.
        records: By name, those of its studies that have run.
        links: By name, where their pages are, as seen from the lecture's.
        command: What the user typed.

    Example:
        >>> from rote.studies import LECTURE
        >>> record = lecture_record(LECTURE, "quick", {}, {}, ())
        >>> record["headline"], record["chapters"][0]["page"]
        ('No claim was tested yet', None)
    """
    chapters = [_chapter(c, records.get(c.study.name), links.get(c.study.name)) for c in given.chapters]
    verdicts = Counter({word: sum(c["verdicts"][word] for c in chapters) for word in WORDS})
    seeds = max((len(record["seeds"]) for record in records.values()), default=3)
    return {
        "schema": SCHEMA,
        "lecture": given.name,
        "title": given.title,
        "words": given.words,
        "paper": given.paper,
        "link": given.link,
        "scale": scale,
        "verdicts": dict(verdicts),
        "headline": headline(verdicts, seeds=seeds),
        "command": " ".join(command) or f"rote study run {given.name} --scale {scale}",
        "seconds": sum(record["made"]["seconds"] for record in records.values()),
        "chapters": chapters,
    }


def kept_lecture(given: Lecture, folder: Path) -> str:
    """A lecture from the records below a folder, such as ``docs/results``, as Markdown.

    Args:
        given: The lecture.
        folder: Holds ``<study>/quick/study.json``.

    Example:
        >>> from rote.studies import LECTURE
        >>> print(kept_lecture(LECTURE, Path("no/such/folder")).splitlines()[2])
        # What do deep networks learn, and when do they learn it?
    """
    files = {c.study.name: folder / c.study.name / "quick" / STUDY_RECORD for c in given.chapters}
    records = {
        name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()
    }
    return lecture_markdown(lecture_record(given, "quick", records, {}, ()), folder.name)


def _chapter(chapter: Chapter, record: Mapping[str, Any] | None, link: str | None) -> dict[str, Any]:
    told = {
        "study": chapter.study.name,
        "title": chapter.title,
        "words": chapter.words,
        "paper": chapter.study.paper,
        "link": chapter.study.link,
        "tools": list(chapter.tools),
        "page": link,
    }
    if record is None:
        return told | {
            "headline": "",
            "verdicts": dict.fromkeys(WORDS, 0),
            "seeds": [],
            "figures": [],
            "panels": [],
            "claims": [],
        }
    drawn = {
        (figure["name"], panel["title"]): panel
        for figure in record["figures"]
        for panel in figure.get("panels", ())  # kept records leave them out
    }
    return told | {
        "headline": record["headline"],
        "verdicts": record["verdicts"],
        "seeds": record["seeds"],
        "figures": list(dict.fromkeys(name for name, _ in chapter.shows)),
        "panels": [drawn[place] for place in chapter.shows if place in drawn],
        "claims": [
            {"words": claim["words"], "verdict": claim["verdict"]}
            for figure in record["figures"]
            if figure["cells"]
            for claim in figure["claims"]
        ],
    }
