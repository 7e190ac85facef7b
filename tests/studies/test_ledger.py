"""docs/ledger.md says what the kept records say, and the records say what the kept cells say."""

import json
from pathlib import Path

import pytest

from rote._study import kept_results
from rote.report import ledger
from rote.studies import Row, find_study
from rote.studies._record import figure_record

DOCS = Path(__file__).parents[2] / "docs"
KEPT = sorted((DOCS / "results").glob("*/*/study.json"))
every_kept = pytest.mark.parametrize("path", KEPT, ids=lambda path: "/".join(path.parts[-3:-1]))


def test_the_ledger_is_up_to_date():
    assert (DOCS / "ledger.md").read_text() == kept_results(DOCS / "results"), "run `make docs`"


@every_kept
def test_kept_cells_still_lead_to_the_kept_verdicts(path):
    record = json.loads(path.read_text())
    study = find_study(record["study"])
    cells = [json.loads(line) for line in (path.parent / "cells.jsonl").read_text().splitlines()]
    for figure, kept in zip(study.figures, record["figures"], strict=True):
        rows = [Row(c["config"], c["seed"], c["record"]) for c in cells if figure.name in c["figures"]]
        assert len(rows) == kept["cells"]
        again = figure_record(figure, rows, record["seeds"], kept["asked"])
        verdicts = [(claim["name"], claim["verdict"]) for claim in again["claims"]]
        assert verdicts == [(claim["name"], claim["verdict"]) for claim in kept["claims"]]


@every_kept
def test_kept_records_are_small_and_of_this_version(path):
    record = json.loads(path.read_text())
    assert record["version"] == find_study(record["study"]).version
    assert record["made"]["command"].startswith(f"rote study run {record['study']} --scale {record['scale']}")
    assert path.stat().st_size < 100_000
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 8_000_000
    drawn = {figure["name"] for figure in record["figures"] if figure["cells"]}
    assert {file.stem for file in path.parent.glob("*.svg")} == drawn


@every_kept
def test_remarks_are_about_claims_that_are_there(path):
    said = path.with_name("remarks.json")
    if said.exists():
        record = json.loads(path.read_text())
        claims = {claim["name"] for figure in record["figures"] for claim in figure["claims"]}
        assert set(json.loads(said.read_text())) <= claims


def claim(word, name="a", **more):
    interval = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
    words = {"words": "It is | so.", "source": "Nobody", "quantity": "a <b>", "expected": "above 0"}
    numbers = {"exact": False, "percent": False, "interval": interval, "values": [0.5] * 3, "why": ""}
    return {"name": name, "verdict": word, **words, **numbers, **more}


def record(scale, claims, cells=3):
    figure = {"name": "fig-1", "title": "Fig", "cells": cells, "asked": 3, "panels": [{}], "claims": claims}
    verdicts = {w: sum(c["verdict"] == w for c in claims) for w in ("holds", "differs", "inconclusive")}
    head = {"study": "toy", "title": "A toy", "paper": "Nobody 2020", "scale": scale, "seeds": [0, 1, 2]}
    made = {"command": "rote study run toy", "versions": {"rote": "0.1.0"}}
    return head | {"verdicts": verdicts, "deviations": ["Smaller."], "figures": [figure], "made": made}


def test_what_a_ledger_says():
    claims = [claim("holds"), claim("differs", "b"), claim("inconclusive", "c", why="too wide")]
    page = ledger([record("paper", claims), record("quick", claims)], {"toy/quick": {"b": "it is small"}})
    assert "| toy | quick | 3 | 1 | 1 | 1 |\n| toy | paper | 3 | 1 | 1 | 1 |" in page
    assert "| **together** | | | **2** | **2** | **2** |" in page
    assert r"| It is \| so. | a \<b\> | above 0 | 0.5 (0.4 to 0.6) | holds |" in page
    assert page.count("**differs**: it is small") == 1
    assert page.count("**inconclusive**: too wide") == 2


def test_a_figure_that_did_not_run_or_only_in_part():
    assert "Not run at this scale." in ledger([record("quick", [], cells=0)])
    assert "Only 2 of 3 cells ran." in ledger([record("quick", [claim("holds")], cells=2)])
