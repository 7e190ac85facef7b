"""The lecture: studies run one after another, told on one page."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from rote._lecture import kept_lecture, lecture, missing_seconds, show_lecture
from rote.dynamics import __all__ as TOOLS
from rote.errors import InputError
from rote.report import lecture_page
from rote.studies import LECTURE, Chapter, Crew, Extent, Lecture, Row, run_study

ALONE = Crew(jobs=1)


DOCS = Path(__file__).parents[2] / "docs"


def told_of(study, *more):
    first = Chapter(
        study, "It <rises>", "Look at it.", (("fig-1", "Values"), ("fig-9", "None")), ("explained",)
    )
    second = dataclasses.replace(study, name="again")
    return Lecture(
        "toy-lecture",
        "What rises?",
        "Some do.",
        "Nobody 2020",
        "https://example.org",
        (first, Chapter(second, "It rises again", "", ()), *more),
    )


def test_every_study_is_run_and_told(toy, tmp_path):
    shown = []
    told = lecture(
        told_of(toy.STUDY), Extent(), crew=ALONE, out=tmp_path / "out", on_progress=lambda *x: shown.append(x)
    )
    assert told.ran == 18
    assert [done.path.name for done in told.done] == ["toy", "again"]
    assert told.record["verdicts"] == {"holds": 2, "differs": 2, "inconclusive": 2}
    assert told.record["headline"] == "2 of 6 claims hold, 2 differ, 2 are inconclusive"
    page = (tmp_path / "out" / "lecture.html").read_text(encoding="utf-8")
    assert page == lecture_page(json.loads((tmp_path / "out" / "lecture.json").read_text(encoding="utf-8")))
    assert "It &lt;rises&gt;" in page
    assert 'href="toy/study.html"' in page
    assert 'href="again/study.html"' in page
    assert "rote.dynamics.explained" in page
    assert [panel["title"] for panel in told.record["chapters"][0]["panels"]] == ["Values"]
    done, total, text = zip(*shown, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == total[-1]
    assert text[0].startswith("toy: ")
    assert text[-1].startswith("again: 9 of 9")


def test_the_same_again_runs_nothing_and_more_seeds_what_is_new(toy, tmp_path):
    given = told_of(toy.STUDY)
    assert lecture(given, Extent(seeds=1), crew=ALONE, out=tmp_path).ran == 6
    assert lecture(given, Extent(seeds=1), crew=ALONE, out=tmp_path).ran == 0
    assert lecture(given, Extent(seeds=2), crew=ALONE, out=tmp_path).ran == 6


def test_only_some_studies(toy, tmp_path):
    given = told_of(toy.STUDY)
    told = lecture(given, Extent(seeds=1, only=("again",)), crew=ALONE, out=tmp_path)
    assert [chapter["page"] for chapter in told.record["chapters"]] == [None, "again/study.html"]
    assert "Not run yet" in lecture_page(told.record)
    with pytest.raises(InputError, match=r"`only` must be among toy, again. Got 'nobody'"):
        lecture(given, Extent(only=("nobody",)), out=tmp_path)


def test_a_study_that_ran_by_itself_is_not_run_again(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_study(toy.STUDY, Extent(seeds=1), crew=ALONE)
    told = lecture(told_of(toy.STUDY), Extent(seeds=1), crew=ALONE)
    assert told.ran == 3  # those of the other
    assert told.path.as_posix() == "rote-runs/study-toy-lecture-quick"
    assert told.record["chapters"][0]["page"] == "../study-toy-quick/study.html"
    assert (told.path / told.record["chapters"][0]["page"]).exists()


def test_what_was_stopped_leaves_a_page(toy, tmp_path, monkeypatch):
    breaks = dataclasses.replace(toy.STUDY, name="breaks", version=2)

    def stop(done, total, text):
        if text.startswith("breaks: 1"):
            raise KeyboardInterrupt

    given = told_of(toy.STUDY, Chapter(breaks, "It breaks", "", ()))
    with pytest.raises(KeyboardInterrupt):
        lecture(given, Extent(seeds=1), crew=ALONE, out=tmp_path, on_progress=stop)
    told = show_lecture(given, "quick", out=tmp_path)
    assert [bool(chapter["page"]) for chapter in told.record["chapters"]] == [True, True, False]
    assert lecture(given, Extent(seeds=1), crew=ALONE, out=tmp_path).ran == 2


def test_nothing_to_show(toy, tmp_path):
    with pytest.raises(InputError, match=r"holds no study yet; `rote study run toy-lecture` runs them"):
        show_lecture(told_of(toy.STUDY), "quick", out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_absent_data_are_said_before_anything_is_run(toy, tmp_path):
    needy = dataclasses.replace(
        toy.STUDY, name="needy", figures=(dataclasses.replace(toy.STUDY.figures[0], data=("mnist",)),)
    )
    given = told_of(toy.STUDY, Chapter(needy, "It needs", "", ()))
    with pytest.raises(InputError, match="mnist"):
        lecture(given, Extent(seeds=1), crew=ALONE, out=tmp_path / "out", data_dir=tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(toy, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another --out"):
        lecture(told_of(toy.STUDY), Extent(seeds=1), crew=ALONE, out=tmp_path / "file" / "out")


def test_another_schema_is_refused():
    with pytest.raises(InputError, match="schema 1, but has 7"):
        lecture_page({"schema": 7})


def test_what_is_missing(toy, tmp_path):
    assert missing_seconds(toy.STUDY, Extent(seeds=2), {}, tmp_path / "none") == 6  # shared cells once
    run_study(toy.STUDY, Extent(seeds=1), crew=ALONE, out=tmp_path / "run")
    assert missing_seconds(toy.STUDY, Extent(seeds=2), {}, tmp_path / "run") == 3
    assert missing_seconds(toy.STUDY, Extent(seeds=1), {}, tmp_path / "run") == 0


def test_progress_counts_what_is_to_be_done(toy, tmp_path):
    given, shown = told_of(toy.STUDY), []
    run_study(toy.STUDY, Extent(seeds=1), crew=ALONE, out=tmp_path / "toy")
    lecture(given, Extent(seeds=2), crew=ALONE, out=tmp_path, on_progress=lambda *x: shown.append(x))
    assert [(done, total) for done, total, _ in shown] == [(k, 9) for k in (0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9)]
    assert shown[0][2] == "toy: 3 of 6 cells"


def test_the_lecture_is_well_made():
    names = [chapter.study.name for chapter in LECTURE.chapters]
    assert len(set(names)) == len(names)
    for chapter in LECTURE.chapters:
        figures = {figure.name for figure in chapter.study.figures}
        assert chapter.shows
        assert {name for name, _ in chapter.shows} <= figures
        assert set(chapter.tools) <= set(TOOLS)
        assert not chapter.title.endswith(".")
        assert chapter.words.endswith(".")


def test_the_kept_lecture_is_up_to_date():
    text = (DOCS / "lecture.md").read_text(encoding="utf-8")
    assert text == kept_lecture(LECTURE, DOCS / "results"), "run `make docs`"
    drawings = re.findall(r"\]\((results/[^)]+)\)", text)
    assert len(drawings) >= len(LECTURE.chapters)
    assert all((DOCS / drawing).exists() for drawing in drawings)


def test_what_was_not_run_has_no_drawings(tmp_path):
    text = kept_lecture(LECTURE, tmp_path)
    assert text.count("**not yet**") == len(LECTURE.chapters)
    assert ".svg" not in text


@pytest.mark.parametrize("chapter", LECTURE.chapters, ids=lambda chapter: chapter.study.name)
def test_what_a_chapter_shows_is_there(chapter):
    lines = (DOCS / "results" / chapter.study.name / "quick" / "cells.jsonl").read_text(encoding="utf-8")
    cells = [json.loads(line) for line in lines.splitlines()]
    for figure in chapter.study.figures:
        wanted = {title for name, title in chapter.shows if name == figure.name}
        rows = [Row(c["config"], c["seed"], c["record"]) for c in cells if figure.name in c["figures"]]
        if wanted:
            assert wanted <= {panel.title for panel in figure.panels(rows)}
