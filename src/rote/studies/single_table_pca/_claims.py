"""What a single table was to show, each claim one number of one seed's cells; and how it is drawn."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from rote.studies._judge import above, between
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Claim, Rows, one, some
from rote.studies.learning_and_memorization._claims import OWN

SLIDES = "A plot in the seminar’s slides, which were not available to us; the wording is ours"
ARMS = (
    ("pca", "real", "Components, real labels"),
    ("pca", "permuted", "Components, permuted labels"),
    ("pixels", "real", "Random pixels, real labels"),
)


def values(rows: Rows, what: str, inputs: str = "pca", labels: str = "real") -> Sequence[float]:
    """One number for each k."""
    found: Sequence[float] = one(rows, inputs=inputs, labels=labels)[what]
    return found


def best(rows: Rows, inputs: str = "pca") -> float:
    """Test accuracy at the best k."""
    return max(values(rows, "test", inputs))


def lost_at(rows: Rows, place: int) -> float:
    """Test accuracy at the best k less that at the first or the last."""
    return best(rows) - values(rows, "test")[place]


def smallest_step(rows: Rows) -> float:
    """Smallest gain of training accuracy from one k to the next."""
    return min(b - a for a, b in pairwise(values(rows, "train")))


def gap_grows(rows: Rows) -> float:
    """Training less test accuracy at the last k, minus the same at the middle one."""
    gaps = [a - b for a, b in zip(values(rows, "train"), values(rows, "test"), strict=True)]
    return gaps[-1] - gaps[len(gaps) // 2]


def harder(rows: Rows) -> float:
    """Training accuracy on real labels less that on permuted ones, at the k where it is least."""
    real, permuted = values(rows, "train"), values(rows, "train", labels="permuted")
    return min(a - b for a, b in zip(real, permuted, strict=True))


def taught_by_noise(rows: Rows) -> float:
    """Mean test accuracy over all k, permuted labels."""
    tests = values(rows, "test", labels="permuted")
    return sum(tests) / len(tests)


def by_components(rows: Rows) -> float:
    """Best test accuracy with principal components less that with pixels."""
    return best(rows) - best(rows, "pixels")


CLAIMS = (
    Claim(
        "few-good-inputs-generalize",
        "A single table generalizes once its inputs are few and good.",
        SLIDES,
        "Test accuracy at the best k, real labels; past the middle between chance and 100 % is asked for",
        above(0.75),
        best,
        percent=True,
    ),
    Claim(
        "more-is-memorised",
        "With more components the table never fits less of the training examples.",
        SLIDES,
        "Smallest gain of training accuracy from one k to the next, real labels; one example is 0.0017 %. "
        "That it is never negative is a theorem: each table splits the entries of the one before",
        above(-1e-5),
        smallest_step,
        percent=True,
    ),
    Claim(
        "too-few-hurt",
        "With too few components it cannot learn.",
        SLIDES,
        "Test accuracy at the best k minus that at k = 2; 5 points are asked for",
        above(0.05),
        partial(lost_at, place=0),
        percent=True,
    ),
    Claim(
        "too-many-hurt",
        "With too many it memorises.",
        SLIDES,
        "Test accuracy at the best k minus that at k = 20; 1 point is asked for",
        above(0.01),
        partial(lost_at, place=-1),
        percent=True,
    ),
    Claim(
        "gap-grows",
        "What is fitted and not learned grows with the components.",
        SLIDES,
        "Training minus test accuracy at k = 20, less the same at k = 11",
        above(0.0),
        gap_grows,
        percent=True,
    ),
    Claim(
        "noise-is-harder",
        "Permuted labels are harder to memorise.",
        OWN,
        "Training accuracy on real labels minus that on permuted ones, at the k where it is least",
        above(0.0),
        harder,
        percent=True,
    ),
    Claim(
        "noise-teaches-nothing",
        "Of permuted labels nothing generalizes.",
        OWN,
        "Mean test accuracy over all k, permuted labels; at chance is read as within 5 points of 50 %",
        between(0.45, 0.55),
        taught_by_noise,
        percent=True,
    ),
    Claim(
        "components-beat-pixels",
        "It is the components that do it: as many pixels do less.",
        OWN,
        "Test accuracy at the best k with principal components, minus that with pixels drawn at random",
        above(0.0),
        by_components,
        percent=True,
    ),
)


def panels(rows: Rows) -> list[Panel]:
    """Accuracy against k, and the entries that no example has."""
    found, unseen = [], []
    axis = Axis("accuracy", low=0.4, high=1.0, percent=True)
    for style, (inputs, labels, title) in enumerate(ARMS):
        here = some(rows, inputs=inputs, labels=labels)
        lines = [
            Line(part, [curve(row.record["k"], row.record[part]) for row in here], number)
            for number, part in enumerate(("train", "test"))
        ]
        if here:
            found.append(Panel(title, Axis("k, inputs of the table"), axis, lines, (0.5, "chance")))
        if here and labels == "real":
            runs = [curve(row.record["k"], row.record["unseen"]) for row in here]
            unseen.append(Line(inputs, runs, 2 + style))
    if unseen:
        share = Axis("share of entries", low=0.0, high=1.0, percent=True)
        found.append(Panel("Entries that no example has", Axis("k, inputs of the table"), share, unseen))
    return found
