"""What remedies train and what is said of them."""

import re

import numpy as np
import pytest

from rote.audit._cell import Cell
from rote.audit._remedies import early_stop, remedy_cells, remedy_record

Y = np.array([0, 0, 1, 1, 2, 2])
SUSPECT = np.array([True, False, False, True, False, False])
SUGGESTED = np.array([1, 2, 0, 0, 1, 0])


def real():
    learn = [np.array([0, 1, 2]), np.array([3, 4, 5])]
    return [
        Cell(f"cells/real-{k}", Y, learn[k], 70 + k, coherence=True, support=True, neighbours=True)
        for k in range(2)
    ]


def test_dropped_examples_are_absent_and_labels_stay():
    cells = remedy_cells("drop-suspects", real(), SUSPECT, SUGGESTED, 3)
    assert [cell.learn.tolist() for cell in cells] == [[1, 2], [4, 5]]
    assert all(cell.y is Y for cell in cells)


def test_relabelled_examples_are_changed_and_no_others():
    cells = remedy_cells("relabel", real(), SUSPECT, SUGGESTED, 3)
    assert [cell.learn.tolist() for cell in cells] == [[0, 1, 2], [3, 4, 5]]
    assert all(cell.y.tolist() == [1, 0, 1, 0, 2, 2] for cell in cells)
    assert Y.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("name", ["drop-suspects", "relabel"])
def test_remedies_are_pairs_of_the_real_runs_without_their_measurements(name):
    cells = remedy_cells(name, real(), SUSPECT, SUGGESTED, 3)
    one, other = (re.fullmatch(rf"cells/{name}-([0-9a-f]{{8}})-{k}", c.name) for k, c in enumerate(cells))
    assert one.group(1) == other.group(1)
    others = remedy_cells(name, real(), ~SUSPECT, SUGGESTED, 3)
    assert not {c.name for c in cells} & {c.name for c in others}, "other suspects, other networks"
    assert [cell.seed for cell in cells] == [70, 71]
    assert not any(cell.coherence or cell.support or cell.neighbours for cell in cells)


def test_early_stopping_trains_nothing():
    assert remedy_cells("early-stop", real(), SUSPECT, SUGGESTED, 3) == []


def test_early_stop_takes_the_earliest_of_equals():
    def curve(*held_out):
        return [
            {"epoch": k, "held_out_accuracy": h, "test_accuracy": k / 10} for k, h in enumerate(held_out, 1)
        ]

    assert early_stop(curve(0.5, 0.8, 0.8, 0.7)) == (2, 0.2)
    assert early_stop(curve(0.5, 0.5)) == (1, 0.1)
    assert early_stop(curve(0.1, 0.2)) == (2, 0.2)


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ([0.8, 0.81, 0.82], "It helps: +10.0 points of test accuracy (+10.0 to +10.0). Done."),
        ([0.6, 0.61, 0.62], "It hurts: -10.0 points of test accuracy (-10.0 to -10.0). Done."),
        ([0.8, 0.61, 0.72], "No clear change: +0.0 points"),
    ],
)
def test_what_is_said_follows_the_interval_of_the_pairs(after, says):
    record = remedy_record("relabel", [0.7, 0.71, 0.72], after, "Done.", "--try relabel")
    assert record["sentence"].startswith(says)
    assert record["ran"]
    assert record["command"] is None
    assert record["change"]["n"] == 3


def test_one_run_shows_a_change_without_an_interval():
    record = remedy_record("relabel", [0.7], [0.8], "", "--try relabel")
    assert record["sentence"] == "One run only: +10.0 points of test accuracy."


def test_what_was_not_tried_says_the_command_and_what_cannot_be_says_why():
    record = remedy_record("early-stop", [0.7, 0.8], None, "", "rote audit digits --try early-stop")
    assert (record["ran"], record["sentence"]) == (False, "Not tried.")
    assert record["command"] == "rote audit digits --try early-stop"
    assert record["before"]["value"] == pytest.approx(0.75)
    record = remedy_record("drop-suspects", [0.7, 0.8], None, "Nothing would be left.", "rote …")
    assert (record["ran"], record["sentence"], record["command"]) == (False, "Nothing would be left.", None)
