"""suspects.csv: what any reader of CSV gets back, and what no spreadsheet runs."""

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.report import suspects_csv

HEADER = (
    "rank,id,row,given,suggested,score,mean_loss,last_loss,held_out_probability,neighbour_agreement,"
    "support_same_label,first_learned,learned_for_good,why"
)


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_realistic_list(made_up):
    suspects = made_up.record()["suspects"]
    text = suspects_csv(suspects)
    rows = read(text)
    assert text.splitlines()[0] == HEADER
    assert len(rows) == 60
    assert rows[0]["id"] == suspects[0]["id"]
    assert float(rows[0]["score"]) == pytest.approx(suspects[0]["score"], rel=1e-5)
    assert rows[0]["support_same_label"] == "-0.8"
    assert rows[6]["suggested"] == ""
    assert rows[4]["first_learned"] == ""


def test_no_suspects():
    assert suspects_csv([]) == HEADER + "\r\n"


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_unknown_cells_are_empty(value):
    assert read(suspects_csv([{"rank": 1, "score": value}]))[0]["score"] == ""


def test_keys_that_are_no_column_are_left_out():
    assert suspects_csv([{"rank": 1, "values": {"a": 1}}]) == suspects_csv([{"rank": 1}])


@pytest.mark.parametrize(
    "words",
    ["=1+1", "+49 30", "-5", "@SUM(A1)", "\tx", "\rx", "\n=x", "＝1", "=cmd|' /C calc'!A0", "'quoted"],
)
def test_no_spreadsheet_runs_a_name(words):
    row = read(suspects_csv([{"id": words, "given": words, "suggested": words, "why": words}]))[0]
    assert {row[key] for key in ("id", "given", "suggested", "why")} == {"'" + words}


def test_numbers_are_not_guarded():
    row = read(suspects_csv([{"id": -5, "mean_loss": -0.25}]))[0]
    assert (row["id"], row["mean_loss"]) == ("-5", "-0.25")


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",))), max_size=5))
def test_every_text_comes_back(names):
    rows = read(suspects_csv([{"id": name} for name in names]))
    assert [row["id"].removeprefix("'") if row["id"].startswith("'") else row["id"] for row in rows] == names


@given(st.text(min_size=1))
def test_every_text_can_be_written_and_is_harmless(name):
    text = suspects_csv([{"id": name}])
    text.encode()
    assert text.endswith("\r\n")
    assert not read(text)[0]["id"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
