"""What was to be seen: each claim one number of one seed's cells."""

from functools import partial

from rote.studies._judge import above, below, between
from rote.studies._study import Claim, Rows, one
from rote.studies.simplicity_bias import _images

LECTURE = "Lecture notes “What do deep networks learn and when do they learn it”, 2021"
SHAH = "Shah et al. 2020"


def known(value: float | None) -> float:
    """A number, or nan for what a run did not come to.

    Example:
        >>> known(2), known(None)
        (2.0, nan)
    """
    return float("nan") if value is None else float(value)


def later(rows: Rows, slow: str, fast: str) -> float:
    """How many times as many steps one data set takes as another until 99 % are right."""
    return known(one(rows, side=slow)["learned"]) / known(one(rows, side=fast)["learned"])


def stuck(rows: Rows) -> float:
    """Share of the looks before 99 % at which accuracy is within 2 points of the best linear one."""
    row = next(iter(row for row in rows if row.config.get("side") == "right"), None)
    values = one(rows, side="right")["accuracy"]
    assert row is not None
    linear = 1 - row.config["noise"] / 2
    before = values if row.record["learned"] is None else values[:-1]
    return sum(abs(value - linear) <= 0.02 for value in before) / len(before) if before else float("nan")


def rests_on_simple(rows: Rows) -> float:
    """Accuracy without the stripes less that without the simple feature, at the last look."""
    record = one(rows, side="right")
    return float(record["rest_accuracy"][-1] - record["randomised_accuracy"][-1])


def across(rows: Rows) -> float:
    """Share of the first layer's squared weights that runs across the stripes, at the end, on the left."""
    return float(one(rows, side="left")["end"]["across"][0])


def turned(rows: Rows) -> float:
    """That share at the end less that at the start."""
    return across(rows) - float(one(rows, side="left")["start"]["across"][0])


def less_linear(rows: Rows) -> float:
    """R² of the first layer's units less that of the second's, at the end, the smaller of both sides."""
    found = [one(rows, side=side)["end"]["r2"] for side in ("left", "right")]
    return float(min(r2[0] - r2[1] for r2 in found))


def end(rows: Rows, data: str, key: str) -> float:
    """A number of the last look at one of the slabs' data sets."""
    return float(one(rows, data=data)["end"][key])


def without_complex(rows: Rows, data: str, key: str) -> float:
    """By how much accuracy or AUC falls without all complex coordinates."""
    return end(rows, data, key) - end(rows, data, f"rest_{key}")


def slabs_later(rows: Rows) -> float:
    """How many times as many steps MS-(5,7) takes as LMS-5 until 99 % are right."""
    return known(one(rows, data="ms-5-7")["learned"]) / known(one(rows, data="lms-5")["learned"])


def fitted(rows: Rows) -> float:
    """Training accuracy on LMS-hat-7 at the end."""
    return float(one(rows, data="lms-hat-7")["train"][-1])


def domino(rows: Rows, key: str, *, upper: bool = True, name: str = "a") -> float:
    """A number of the last look at dominoes, with or without their upper half."""
    return float(one(rows, name=name, upper=upper)["end"][key])


def lower_lost(rows: Rows) -> float:
    """By how much accuracy falls where the lower halves are of other examples."""
    return domino(rows, "accuracy") - domino(rows, "rest_accuracy")


STRIPES = (
    Claim(
        "the-simpler-feature-delays",
        "Of two data sets equally easy to represent, SGD learns the one that also has a simpler feature "
        "later.",
        LECTURE,
        "Steps until 99 % of the test examples are right, right over left",
        above(1.0),
        partial(later, slow="right", fast="left"),
    ),
    Claim(
        "stuck-at-linear",
        "On the right SGD is stuck on the half-plane.",
        LECTURE,
        "Share of the looks before 99 % at which test accuracy is within 2 points of 95 %, the best that the "
        "half-plane allows; “stuck” is read as most of the time",
        above(0.5),
        stuck,
        percent=True,
    ),
    Claim(
        "still-on-the-simple-feature",
        "Even when it gets 99 % right it rests on the half-plane more than on the stripes.",
        "A control of this study",
        "Right: accuracy at the last look with the stripes’ coordinate of other examples, minus that with "
        "the half-plane’s of others",
        above(0.0),
        rests_on_simple,
        percent=True,
    ),
    Claim(
        "weaker-delays-less",
        "A simple feature that tells less delays less.",
        "A control of this study",
        "Steps until 99 % are right beside a half-plane good for 95 %, over those beside one good for 85 %",
        above(1.0),
        partial(later, slow="right", fast="weaker"),
    ),
    Claim(
        "first-layer-at-45-degrees",
        "Neurons of the first layer align with the edges of the stripes.",
        LECTURE,
        "Left: share of the squared first-layer weights that runs across the stripes, at the end; “align” "
        "is read as halfway from none (50 %) to all",
        above(0.75),
        across,
        percent=True,
    ),
    Claim(
        "training-turns-them",
        "It is training that turns them there.",
        LECTURE,
        "That share at the end minus that at the start",
        above(0.0),
        turned,
        percent=True,
    ),
    Claim(
        "deeper-is-more-complex",
        "Neurons of the deeper layer are more complex.",
        LECTURE,
        "Mean R² of ReLUs on the two inputs, first layer minus second, at the end, the smaller of left and "
        "right",
        above(0.0),
        less_linear,
    ),
)


def _exclusive(data: str, name: str, simple: str, others: str) -> tuple[Claim, Claim]:
    """That a model rests on the simple coordinate alone."""
    return (
        Claim(
            f"{data}-nothing-without-simple",
            f"{name}: without its {simple} a network can only guess, though {others} tell everything.",
            f"{SHAH}, LMS-5 and MS-(5,7)",
            "AUC with the simple coordinate of other examples; the paper has .49 to .51",
            between(0.48, 0.52),
            partial(end, data=data, key="randomised_auc"),
        ),
        Claim(
            f"{data}-all-without-complex",
            f"{name}: without {others} it does as well as with them.",
            f"{SHAH}, LMS-5 and MS-(5,7)",
            "AUC as it is, minus AUC with all complex coordinates of other examples; the paper has 0.00",
            below(0.02),
            partial(without_complex, data=data, key="auc"),
        ),
    )


SLABS = (
    *_exclusive("lms-5", "LMS-5", "linear coordinate", "the 5-slabs"),
    *_exclusive("ms-5-7", "MS-(5,7)", "5-slab", "the 7-slabs"),
    Claim(
        "five-slabs-later-than-linear",
        "What has only slabs is learned far later than what has a linear coordinate.",
        f"{SHAH}, released notebooks",
        "Steps until 99 % of the test examples are right, MS-(5,7) over LMS-5; the notebooks have 10,000 to "
        "15,000 and at most 5,000",
        above(2.0),
        slabs_later,
    ),
    Claim(
        "noisy-linear-is-not-left",
        "LMS-hat-7: it does no better than the noisy linear coordinate allows, though the 7-slabs tell "
        "everything.",
        f"{SHAH}, LMS-hat-7",
        "Test accuracy at the end; the coordinate allows 95 %, the paper has 94.0 to 94.9 %",
        below(0.96),
        partial(end, data="lms-hat-7", key="accuracy"),
        percent=True,
    ),
    Claim(
        "noise-fitted-instead",
        "LMS-hat-7: it fits the training examples all the same.",
        f"{SHAH}, LMS-hat-7",
        "Training accuracy at the end; the paper has 98.4 to 99.9 %",
        above(0.98),
        fitted,
        percent=True,
    ),
    Claim(
        "noisy-linear-nothing-without-simple",
        "LMS-hat-7: without the noisy coordinate it can only guess.",
        f"{SHAH}, LMS-hat-7",
        "Accuracy with that coordinate of other examples; the paper has 49.7 to 49.8 %",
        between(0.48, 0.52),
        partial(end, data="lms-hat-7", key="randomised_accuracy"),
        percent=True,
    ),
    Claim(
        "noisy-linear-all-without-complex",
        "LMS-hat-7: without the 7-slabs it does as well as with them.",
        f"{SHAH}, LMS-hat-7",
        "Test accuracy minus that with all 7-slabs of other examples; the paper has at most 1 %",
        below(0.02),
        partial(without_complex, data="lms-hat-7", key="accuracy"),
        percent=True,
    ),
    Claim(
        "slabs-alone-are-learned",
        "MS-7: where there is no linear coordinate, the 7-slabs are learned from as many examples.",
        f"{SHAH}, MS-7",
        "Test accuracy at the end on 7-slabs alone; the paper has 100 %",
        above(0.99),
        partial(end, data="ms-7", key="accuracy"),
        percent=True,
    ),
)

IMAGES = (
    Claim(
        "upper-half-is-simpler",
        "Of the two halves, which both tell the label, the MNIST half is the simpler one.",
        f"{SHAH}, MNIST-CIFAR dominoes; simple is taken as readable by a linear classifier",
        "Test accuracy of a linear classifier of the upper halves, minus that of one of the lower halves",
        above(0.0),
        _images.easier,
        percent=True,
    ),
)

DOMINOES = (
    Claim(
        "nothing-without-mnist",
        "With MNIST halves of other examples a network can only guess, though the CIFAR-10 halves tell the "
        "label.",
        f"{SHAH}, MNIST-CIFAR dominoes",
        "Test accuracy with the upper halves of other examples; the paper has 50 to 54 %, chance is 50 %",
        between(0.45, 0.55),
        partial(domino, key="randomised_accuracy"),
        percent=True,
    ),
    Claim(
        "all-without-cifar",
        "With CIFAR-10 halves of other examples it does as well as ever.",
        f"{SHAH}, MNIST-CIFAR dominoes",
        "Test accuracy minus that with the lower halves of other examples; the paper has 0 %",
        below(0.01),
        lower_lost,
        percent=True,
    ),
    Claim(
        "cifar-alone-is-learned",
        "By themselves the CIFAR-10 halves are learned.",
        f"{SHAH}, a control: their network learns them to 95.4 %",
        "Test accuracy of the same network where the upper halves are black; “learned” is read as halfway "
        "from chance to everything",
        above(0.75),
        partial(domino, key="accuracy", upper=False),
        percent=True,
    ),
)
