"""The ranking, the suggested labels, and the sentences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.audit._suspects import rank, suggested_labels, why
from rote.data import Dataset

NAMES = ("<script>alert(1)</script>", "=cmd()", "100%", "{0} %s “x”")


def one(made_up, **fields):
    """Evidence of one example that says nothing against its label 0, but for what is given."""
    quiet = {
        "y": np.array([0]),
        "agreement": np.array([1.0]),
        "held_out": np.array([[0.97, 0.01, 0.01, 0.01]]),
        "first": np.array([1.0]),
        "support_same_label": np.array([3.0]),
    }
    return made_up(m=1, classes=4, **(quiet | fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Nothing speaks loudly against its label; it is only less typical of it than most."),
        ({"agreement": [0.3]}, "7 of its 10 nearest inputs carry another label."),
        ({"first": [0.0]}, "Its label was not learned in 12 epochs."),
        ({"first": [5.0]}, "Its label was first learned in epoch 5 of 12."),
        ({"support_same_label": [-0.1]}, "The gradients of its label's other examples work against it."),
        ({"support_same_label": [np.nan]}, "Nothing speaks loudly"),
        (
            {"held_out": [[0.02, 0.9, 0.04, 0.04]]},
            "A network that never saw it says “<script>alert(1)</script>” (90 %, its own label 2 %).",
        ),
        ({"held_out": [[0.02, 0.04, 0.04, 0.9]]}, "A network that never saw it says “100%” (90 %, its own"),
        (
            {"agreement": [0.0], "first": [0.0], "support_same_label": [0.0]},
            "10 of its 10 nearest inputs carry another label, its label was not learned in 12 epochs and the "
            "gradients of its label's other examples work against it.",
        ),
    ],
)
def test_the_sentence_says_what_speaks_against_the_label(made_up, fields, sentence):
    evidence = one(made_up, **{name: np.array(value) for name, value in fields.items()})
    text = why(evidence, 0, ("cat", NAMES[0], "=cmd()", NAMES[2]), 1, 12)
    assert text.startswith(sentence)


def test_class_names_stay_what_they_are(made_up):
    """Whatever a class is called stands in the sentence letter for letter: escaping is the page's task."""
    for c, name in enumerate(NAMES):
        p = np.full((1, 4), 0.01)
        p[0, c] = 0.97
        evidence = one(made_up, y=np.array([(c + 1) % 4]), held_out=p)
        assert f"“{name}” (97 %, its own label 1 %)" in why(evidence, 0, NAMES, c, 9)


def test_suggestions_are_votes_of_networks_and_neighbours(made_up):
    even = np.full((1, 3), 1 / 3)
    for name in ("belief", "held_out"):
        fields = {"belief": even, "held_out": even, "input_distance": np.ones((1, 3))}
        fields[name] = np.array([[0.1, 0.2, 0.7]])
        assert suggested_labels(made_up(m=1, y=np.array([0]), **fields)).tolist() == [2]
    near = made_up(m=1, belief=even, held_out=even, input_distance=np.array([[2.0, 0.0, 2.0]]))
    assert suggested_labels(near).tolist() == [1]


def toy(m):
    y = np.arange(m) % 3
    return Dataset("toy", np.zeros((m, 2), np.float32), y, np.arange(m) + 500, ("a", "b", "c"))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.integers(0, 99))
def test_ranking_is_a_permutation_with_ties_in_row_order(made_up, statistic, seed):
    m = len(statistic)
    data, evidence = toy(m), made_up(m=m, seed=seed)
    statistic = np.array(statistic, float)
    rows = rank(data, evidence, statistic / 10, statistic, 9)
    want = sorted(range(m), key=lambda i: (-statistic[i], i))
    assert [row["row"] for row in rows] == want
    assert [row["rank"] for row in rows] == list(range(1, m + 1))
    assert [row["id"] for row in rows] == [str(500 + i) for i in want]
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_a_row_says_the_given_and_another_label(made_up):
    m = 12
    data = toy(m)
    evidence = made_up(m=m, y=data.y, support_same_label=np.full(m, np.nan), first=np.zeros(m))
    suggested = suggested_labels(evidence)
    for row in rank(data, evidence, np.linspace(0, 1, m), np.linspace(0, 1, m), 9):
        i = row["row"]
        assert row["given"] == data.classes[data.y[i]]
        other = data.classes[suggested[i]]
        assert row["suggested"] == (None if other == row["given"] else other)
        assert row["support_same_label"] is None
        assert row["first_learned"] is None
