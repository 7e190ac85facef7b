"""The page of a study: what it says, what it escapes, and how it lies in a browser."""

import base64
import html
import importlib.util
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from rote._lecture import lecture_record
from rote.errors import InputError
from rote.report import lecture_page, study_drawings, study_page
from rote.report._panels import panel_figure
from rote.report._pictures import pictures_figure
from rote.studies import (
    Axis,
    Chapter,
    Claim,
    Figure,
    Lecture,
    Line,
    Panel,
    Pictures,
    Row,
    Study,
    Tile,
    above,
    equal_to,
    one,
)
from rote.studies._record import study_record

HOSTILE = '<script>alert(1)</script> & "quotes"'


def panels(rows):
    lines = [
        Line(
            f"{name:.0%}",
            [[(s, v * (1 + r.seed / 10)) for s, v in enumerate(r.record["a"])] for r in rows],
            i,
        )
        for i, name in enumerate((0.0, 0.25, 0.5, 0.75, 1.0))
    ]
    whole = Axis("step", "log1p"), Axis("accuracy", low=0.0, high=1.0, percent=True)
    few = Axis("m", "log"), Axis("loss", "log")
    return [
        Panel("All of them", *whole, lines, (0.1, "chance")),
        Panel(HOSTILE, *few, lines[1:2]),
        Panel("Nothing known", Axis("step"), Axis("value"), [Line("none", [[(0, None)], []])]),
        Panel("One point", Axis("step"), Axis("value"), [Line("dot", [[(3, 0.5)]])]),
        Pictures(HOSTILE, [Tile([[0.0, 1.0]] * 3, HOSTILE)] * 9, 0, 1, x="right", y="down", colours=HOSTILE),
    ]


def claims():
    def value(rows):
        return one(rows)["a"][1]

    return (
        Claim("holds", "It holds.", "Nobody 2020, §1", "the value", above(0.0), value),
        Claim("differs", HOSTILE, "Nobody 2020, §2", "the value", above(9.0), value, percent=True),
        Claim("open", "It may be.", "Nobody 2020, §3", "the value with its seed", above(0.2), varied),
        Claim("exact", "It is.", "Nobody 2020, §4", "one", equal_to(1), lambda rows: 1.0, exact=True),
        Claim("never", "Who knows.", "Nobody 2020, §5", "nan", above(0.0), lambda rows: float("nan")),
    )


def varied(rows):
    return one(rows)["a"][1] * (rows[0].seed - 1)


def toy_study(made):
    return Study("toy", made["title"], made["paper"], made["link"], ())


def record(seeds=3, *, names=HOSTILE):
    done = Figure("fig-1", "Figure 1: a figure", names, len, lambda scale: [{}], panels, claims())
    not_run = Figure("fig-2", "Figure 2: none", "", len, lambda scale: [{}], panels, claims()[:1])
    study = Study("toy", names, names, "https://example.org/a?b=1&c=2", (done, not_run), 3, (names,))
    rows = [Row({}, seed, {"a": [0.9, 0.3 + seed / 1000, None]}) for seed in range(seeds)]
    rows = [Row(r.config, r.seed, {"a": [v for v in r.record["a"] if v is not None]}) for r in rows]
    made = {
        "command": "rote study run toy " + names,
        "versions": {"rote": "0.1.0", "torch": "2.13"},
        "data": {"mnist": "ab" * 32},
        "cells": seeds,
        "seconds": 65.0,
        "threads": {"1": seeds},
        "devices": {"cpu": seeds},
        "codes": 1,
        "when": "2026-01-01T00:00:00+00:00",
    }
    asked = {"fig-1": 3, "fig-2": 3}
    return study_record(study, "quick", {"fig-1": rows}, seeds=range(seeds), asked=asked, made=made)


def words_of(page):
    inline = re.sub(r"</?b>", "", page)
    return " ".join(
        html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", inline, flags=re.DOTALL)).split()
    )


def test_every_claim_stands_with_its_verdict_and_numbers():
    said = words_of(study_page(record()))
    assert "2 of 5 claims hold, 1 differs, 2 are inconclusive." in said
    assert (
        "holds It holds. the value: 0.301 (0.299 to 0.303), expected above 0. Each seed: 0.3, 0.301, 0.302."
        in said
    )
    assert "the value: 30.1 % (29.9 % to 30.3 %), expected above 900 %." in said
    assert "one: 1, expected equal to 1. Nothing random enters." in said
    assert "Inconclusive: undefined for 3 of 3 seeds." in said
    assert "Not run yet: none of its 3 cells is there." in said
    assert "without a new version of the study" in said


def test_names_are_escaped():
    page = study_page(record())
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_same_record_gives_the_same_page():
    assert study_page(record()) == study_page(record())


def test_it_loads_nothing():
    page = study_page(record())
    assert not re.findall(r"(?:src|href)=\"(?!#|data:image|https://example\.org)", page)
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "url(" not in page


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://plain.example"])
def test_only_safe_links_become_links(link):
    page = study_page(record() | {"link": link})
    assert '<a href="#' in page
    assert link not in page


def test_few_cells_are_said_to_be_few():
    assert "Only 2 of 3 cells are there." in words_of(study_page(record(2)))


def test_another_schema_is_refused():
    for write in (study_page, study_drawings):
        with pytest.raises(InputError, match="schema 1, but has 7"):
            write(record() | {"schema": 7})


def test_drawings_are_whole_svg_files():
    found = study_drawings(record())
    assert list(found) == ["fig-1"]
    root = ElementTree.fromstring(found["fig-1"])
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    inner = root.findall(".//{http://www.w3.org/2000/svg}svg")
    assert len(inner) == 5
    assert "--s0" in found["fig-1"]


def test_panels_in_numbers():
    figures = [panel_figure(panel) for panel in record()["figures"][0]["panels"][:4]]
    assert figures[0].rows[0] == ("0%", "99.0\u202f%", "99.0\u202f% (at 0)", "33.1\u202f%")
    assert figures[2].rows == ()
    assert figures[3].rows == (("dot", "0.5", "0.5 (at 3)", "0.5"),)
    assert figures[0].drawing.count('class="line s') == 5
    assert "chance" in figures[0].drawing


@pytest.mark.parametrize("kind", ["linear", "log", "log1p"])
@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [1e-9, 1e9], [-5.0, -1.0], [0.0, 0.0]])
def test_any_values_can_be_drawn(kind, values):
    axis = {"title": "x", "kind": kind, "low": None, "high": None, "percent": False}
    lines = [{"name": "a", "style": 0, "runs": [list(enumerate(values))]}]
    panel = {"title": "T", "x": axis, "y": axis, "lines": lines, "reference": [0.5, "half"]}
    drawn = panel_figure(panel).drawing
    assert "nan" not in drawn
    assert "inf" not in drawn


def pixels_of(drawing):
    """Every picture of a drawing, as arrays [h, w, 3]."""
    found = re.findall(r'href="data:image/png;base64,([^"]+)"', str(drawing))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for text in found]


def test_a_picture_has_a_pixel_for_every_value():
    tiles = [Tile([[-5.0, 0.0, 5.0], [1.0, None, float("nan")]], "first"), Tile([[0.5]])]
    shown = pictures_figure(Pictures("Filters", tiles, -1, 1, signed=True).to_dict(), width=300)
    first, second, legend = pixels_of(shown.drawing)
    assert (first.shape, second.shape, legend.shape) == ((2, 3, 3), (1, 1, 3), (1, 64, 3))
    low, nothing, high = first[0].astype(int)
    assert low[0] > low[2] + 80  # red below
    assert high[2] > high[0] + 80  # blue above
    assert nothing.min() > 230  # paper between
    assert first[1, 0].tolist() == first[0, 2].tolist()  # clipped
    assert first[1, 1].tolist() == first[1, 2].tolist() == [214, 212, 206]  # unknown
    assert shown.rows == (("first", "−5", "0.25", "5"), ("2", "0.5", "0.5", "0.5"))
    assert "Filters. first: from −5 to 5." in html.unescape(str(shown.drawing))


def test_one_hue_darkens():
    values = np.linspace(0, 1, 9)
    shown = pictures_figure(Pictures("P", [Tile([values.tolist()])], 0, 1).to_dict(), width=300)
    light = pixels_of(shown.drawing)[0][0].astype(int).sum(-1)
    assert (np.diff(light) < 0).all()


@pytest.mark.parametrize("count", [0, 1, 8, 9, 40])
def test_tiles_stand_in_rows_beside_each_other(count):
    tiles = [Tile([[0.0, 1.0], [1.0, 0.0]], f"{i}") for i in range(count)]
    drawing = str(pictures_figure(Pictures("P", tiles, 0, 1).to_dict(), width=704).drawing)
    places = {
        tuple(map(float, found))
        for found in re.findall(r'<image x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"[^>]+class', drawing)
    }
    assert len(places) == count
    assert all(x + width <= 704.2 for x, _, width in places)
    assert len({y for _, y, _ in places}) == -(-count // 8)


@pytest.fixture(scope="module")
def phone():
    """The measuring of pages that tests of the audit's page do."""
    place = Path(__file__).with_name("test_page_in_browser.py")
    spec = importlib.util.spec_from_file_location("measuring_pages", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measured


@pytest.mark.browser
@pytest.mark.slow
def test_fits_a_phone(phone, chromium, tmp_path):
    assert phone(chromium, study_page(record()), tmp_path) == "375 3"


@pytest.mark.browser
@pytest.mark.slow
def test_fits_a_phone_whatever_the_names(phone, chromium, tmp_path):
    page = study_page(record(names="name_without_a_break_" * 12))
    assert phone(chromium, page, tmp_path) == "375 3"


@pytest.mark.browser
@pytest.mark.slow
def test_a_lecture_fits_a_phone(phone, chromium, tmp_path):
    chapter = Chapter(toy_study(record()), HOSTILE, HOSTILE, [("fig-1", "All of them"), ("fig-1", HOSTILE)])
    given = Lecture(
        "lecture", "name_without_a_break_" * 12, HOSTILE, HOSTILE, "https://example.org", [chapter]
    )
    told = lecture_record(given, "quick", {"toy": record()}, {"toy": "toy/study.html"}, ["rote", HOSTILE])
    assert len(told["chapters"][0]["panels"]) == 2
    assert phone(chromium, lecture_page(told), tmp_path).split()[0] == "375"


@pytest.mark.browser
@pytest.mark.slow
def test_drawings_stand_alone(chromium, tmp_path):
    path = tmp_path / "fig-1.svg"
    path.write_text(study_drawings(record())["fig-1"], encoding="utf-8")
    drawn = np.asarray(
        Image.open(chromium.screenshot(path, tmp_path / "a.png", 1100, height=700)).convert("L")
    )
    assert np.median(drawn) > 240
    assert drawn.std() > 5
