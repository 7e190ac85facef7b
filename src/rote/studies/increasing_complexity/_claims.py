"""What was to be seen, claim by claim."""

from functools import partial

from rote.studies._judge import above, below, between
from rote.studies._study import Claim
from rote.studies.increasing_complexity._measures import (
    HALF,
    NEARLY,
    at_event,
    at_parting,
    beside_linear,
    beside_smaller,
    beyond_chance,
    fitted,
    forgotten,
    in_order,
    kept,
    left_of_line,
    less_left,
    new,
    unexplained,
)

ABSTRACT = "Nakkiran et al. 2019, abstract"
LECTURE = "Lecture notes “What do deep networks learn and when do they learn it”, 2021"
PICTURE = "Nakkiran et al. 2019, 2-D illustration, as notes on it tell"
REVIEWS = "Nakkiran et al. 2019 on CNN-k, as its reviews tell"
CONTROL = "A control of this study"
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}


def linear(data: str) -> tuple[Claim, ...]:
    """The claims beside a linear model, for one data set."""
    return (*_early(data), *_late(data))


def _early(data: str) -> tuple[Claim, ...]:
    """While the network knows no more than a linear model does."""
    name = NAMES[data]
    return (
        Claim(
            f"{data}-half-explained",
            f"{name}: while the network knows half as much as a linear model, nearly all of it is what the "
            "linear one explains.",
            ABSTRACT,
            "I(F;Y|L) over I(F;Y) at the first look at which I(F;Y) is half of I(L;Y); “nearly all” is read "
            "as under a tenth left",
            below(0.10),
            beside_linear(data, partial(unexplained, share=HALF)),
            percent=True,
        ),
        Claim(
            f"{data}-nearly-all-explained",
            f"{name}: so it is still when it knows nearly as much.",
            ABSTRACT,
            "The same when I(F;Y) first is nine tenths of I(L;Y)",
            below(0.15),
            beside_linear(data, partial(unexplained, share=NEARLY)),
            percent=True,
        ),
        Claim(
            f"{data}-parts-at-saturation",
            f"{name}: the curves part only near the point where the linear model has no more to give.",
            LECTURE,
            "I(F;Y) over I(L;Y) at the step from which on I(F;Y|L) stays above a tenth of I(L;Y); “near” is "
            "read as within a quarter",
            between(0.75, 1.25),
            beside_linear(data, at_parting),
        ),
    )


def _late(data: str) -> tuple[Claim, ...]:
    """From then on to the end, and two controls."""
    name = NAMES[data]
    return (
        Claim(
            f"{data}-later-gain-is-new",
            f"{name}: what it learns later goes beyond the linear model.",
            ABSTRACT,
            "Share of the gain in I(F;Y) from nine tenths of I(L;Y) to the end that is a gain in I(F;Y|L): "
            "most of it",
            above(0.5),
            beside_linear(data, new),
            percent=True,
        ),
        Claim(
            f"{data}-retained",
            f"{name}: what it had in common with the linear model is kept to the end.",
            ABSTRACT,
            "μ at the end over its largest value; “kept” is read as nine tenths",
            above(0.9),
            beside_linear(data, kept),
            percent=True,
        ),
        Claim(
            f"{data}-not-forgotten",
            f"{name}: at the end the linear model knows nearly nothing that the network does not.",
            ABSTRACT,
            "I(L;Y|F) over I(L;Y) at the end; “nearly nothing” is read as under a tenth",
            below(0.10),
            beside_linear(data, forgotten),
            percent=True,
        ),
        Claim(
            f"{data}-fitted",
            f"{name}: that end is one at which nearly every training example is right.",
            CONTROL,
            "Training accuracy at the end",
            above(0.99),
            partial(fitted, data=data),
            percent=True,
        ),
        Claim(
            f"{data}-more-than-by-chance",
            f"{name}: independent errors would not share as much.",
            CONTROL,
            "When I(F;Y) first is half of I(L;Y): μ less what independent errors of the same rates would "
            "share, over I(F;Y) less that; 1 if all is explained, and “more” is read as over half",
            above(0.5),
            beside_linear(data, beyond_chance),
            percent=True,
        ),
    )


def smaller(data: str) -> tuple[Claim, ...]:
    """The claims beside smaller networks, for one data set."""
    name = NAMES[data]
    return (
        Claim(
            f"{data}-cnn-half-explained",
            f"{name}: a smaller network in the linear model’s place gives the same picture. While the "
            "network knows half as much, nearly all of it is explained.",
            REVIEWS,
            "I(F;Y|L) over I(F;Y) at the first look at which I(F;Y) is half of I(L;Y), the largest over k",
            below(0.10),
            beside_smaller(data, partial(unexplained, share=HALF), max),
            percent=True,
        ),
        Claim(
            f"{data}-cnn-nearly-all-explained",
            f"{name}: so it is still when it knows nearly as much.",
            REVIEWS,
            "The same when I(F;Y) first is nine tenths of I(L;Y)",
            below(0.15),
            beside_smaller(data, partial(unexplained, share=NEARLY), max),
            percent=True,
        ),
        Claim(
            f"{data}-cnn-retained",
            f"{name}: what it had in common with the smaller network is kept to the end.",
            REVIEWS,
            "μ at the end over its largest value, the smallest over k",
            above(0.9),
            beside_smaller(data, kept, min),
            percent=True,
        ),
        Claim(
            f"{data}-cnn-not-forgotten",
            f"{name}: at the end the smaller network knows nearly nothing that the network does not.",
            REVIEWS,
            "I(L;Y|F) over I(L;Y) at the end, the largest over k",
            below(0.10),
            beside_smaller(data, forgotten, max),
            percent=True,
        ),
        Claim(
            f"{data}-larger-explains-more",
            f"{name}: of what the network knows in the end, a larger simpler model leaves less unexplained.",
            CONTROL,
            "Fall of I(F;Y|L) at the end, in bits, from the linear model to CNN-1 and on to CNN-2; the "
            "smaller of the two",
            above(0.0),
            partial(less_left, data=data),
        ),
    )


DISC = (
    Claim(
        "disc-first-a-line",
        "The first boundary that does as well as a line is nearly that line.",
        PICTURE,
        "Share of the disc that gets the same label from the network and from the linear model, when the "
        "network first is as accurate",
        above(0.95),
        partial(at_event, event="line", curve="agreement"),
        percent=True,
    ),
    Claim(
        "disc-line-curve-noise",
        "The line comes first, then the curve, then the noise.",
        PICTURE,
        "Doublings of the steps from as accurate as the line to half of what the line gets wrong, and from "
        "there to half of the wrong labels fitted for good; the smaller of the two",
        above(0.0),
        in_order,
    ),
    Claim(
        "disc-noise-is-fitted",
        "In the end it fits the noise.",
        PICTURE,
        "Training accuracy on the wrong labels at the end; most of them",
        above(0.5),
        partial(at_event, event="end", curve="wrong"),
        percent=True,
    ),
    Claim(
        "disc-noise-does-not-destroy",
        "Fitting noise, after a simple start, does not destroy what was right.",
        "Nakkiran et al. 2019, their theorem on linear models, as notes on it tell",
        "Accuracy on clean labels at the end, minus that when the line was reached; “destroy” is read as 5 "
        "points lost",
        above(-0.05),
        left_of_line,
        percent=True,
    ),
)
