"""What the paper says, and where the number must lie for it to hold here."""

from rote.studies._judge import above, below
from rote.studies._study import Claim
from rote.studies.coherent_gradients import _measures as of
from rote.studies.coherent_gradients._measures import Way

_FIG_1, _FIG_2, _FIG_3, _FIG_4 = (
    f"Chatterjee, ICLR 2020, §{section}, Fig. {number}"
    for section, number in ((2, 1), (2, 2), (2, 3), (3, 4))
)

LEARNING = (
    Claim(
        "fits-everything",
        "Plain SGD fits the training labels at every level of noise, random ones too.",
        _FIG_1,
        "Training accuracy at the end, the smallest over the five levels",
        above(0.99),
        of.least_final_accuracy,
        percent=True,
    ),
    Claim(
        "noise-slows",
        "The more labels are wrong, the more slowly the network learns them.",
        _FIG_1,
        "By how much the mean training accuracy over all looks falls from a noise level to the next, at "
        "least",
        above(0.0),
        of.slowing,
        percent=True,
    ),
    Claim(
        "noise-costs",
        "The more labels are wrong, the worse it does on the test.",
        _FIG_1,
        "By how much the test accuracy at the end falls from a noise level to the next, at least",
        above(0.0),
        of.fall_of_test_accuracy,
        percent=True,
    ),
    Claim(
        "pristine-first",
        "Pristine examples are learned before corrupt ones.",
        _FIG_1,
        "Share learned for good, pristine minus corrupt, mean over all looks, the smallest of 25, 50, 75 % "
        "noise",
        above(0.0),
        of.pristine_lead,
        percent=True,
    ),
)


def _fractions(way: Way, name: str, on: str) -> tuple[Claim, ...]:
    return (
        Claim(
            f"starts-above-{name}",
            f"At 25 % and 50 % noise, pristine examples make the larger part of the first steps ({on}).",
            _FIG_2,
            "f^p − f^c, mean over the first ten steps, the smaller of the two levels",
            above(0.0),
            lambda rows: of.starts_above(rows, way),
        ),
        Claim(
            f"crosses-{name}",
            f"At 25 % and 50 % noise, corrupt examples make the larger part later ({on}).",
            _FIG_2,
            "f^c − f^p, median over the looks at which over 95 % of the pristine but under 95 % of the "
            "corrupt "
            "labels are fitted, the smaller of the two levels",
            above(0.0),
            lambda rows: of.ends_below(rows, way),
        ),
        Claim(
            f"no-crossing-{name}",
            f"At 75 % noise the two fractions do not cross ({on}).",
            _FIG_2,
            "The same median of f^p − f^c, times the sign of f^p − f^c over the first ten steps",
            above(0.0),
            lambda rows: of.same_side(rows, way),
        ),
        Claim(
            f"slopes-down-{name}",
            f"At 75 % noise the part of the pristine examples shrinks while training goes on ({on}).",
            _FIG_2,
            "The same median of f^p − f^c, minus its mean over the first ten steps",
            below(0.0),
            lambda rows: of.slope(rows, way),
        ),
        Claim(
            f"beyond-null-{name}",
            f"At first pristine examples make more of the step than as many drawn at random ({on}).",
            _FIG_2,
            "f^p over the first ten steps minus the largest of three null worlds, smallest of 25, 50, 75 % "
            "noise",
            above(0.0),
            lambda rows: of.beyond_null(rows, way),
        ),
    )


FRACTIONS = (
    *_fractions("sample", "sample", "on the paper’s sample"),
    *_fractions("population", "everyone", "over all examples"),
)


def _per_example(way: Way, name: str, on: str) -> tuple[Claim, ...]:
    return (
        Claim(
            f"helped-more-{name}",
            f"The first ten steps lower the loss of a pristine example more than that of a corrupt one "
            f"({on}).",
            _FIG_3,
            "(i^p − i^c)/(|i^p| + |i^c|) after ten steps, the smallest of 25, 50, 75 % noise",
            above(0.0),
            lambda rows: of.per_example_lead(rows, way),
        ),
        Claim(
            f"not-by-chance-{name}",
            f"Between examples drawn at random there is no such difference ({on}).",
            _FIG_3,
            "i^p − i^c after ten steps over its largest size in three null worlds, smallest of 25, 50, 75 "
            "% noise",
            above(1.0),
            lambda rows: of.lead_beyond_null(rows, way),
        ),
    )


PER_EXAMPLE = _per_example("sample", "sample", "on the paper’s sample")
EVERYONE = _per_example("population", "everyone", "over all examples")

WINSORIZED = (
    Claim(
        "sgd-overfits",
        "Plain SGD overfits, and the more so the more labels are wrong.",
        _FIG_4,
        "Slope of the overfit at the end over the noise level, c = 0",
        above(0.5),
        lambda rows: of.overfit_slope(rows, 0),
    ),
    Claim(
        "never-beyond-proper",
        "With c > 1 the training accuracy never exceeds the proper accuracy.",
        _FIG_4,
        "Training accuracy minus share of true labels, the largest over all looks, noise levels above 0, "
        "and c of "
        "2, 4, 8; one point is allowed for what can be read off a figure",
        below(0.01),
        of.above_proper,
        percent=True,
    ),
    Claim(
        "overfit-falls-with-c",
        "The larger c, the more slowly the overfit grows with the noise.",
        _FIG_4,
        "By how much the slope of the overfit over the noise falls from a c to the next, at least",
        above(0.0),
        of.slope_fall,
    ),
    Claim(
        "peaks-and-falls",
        "With large c, training and test accuracy reach a peak and fall again.",
        _FIG_4,
        "Peak minus end, mean of training and test accuracy and of 0 to 75 % noise, c = 8; two points are "
        "the least "
        "that counts as a fall",
        above(0.02),
        of.late_fall,
        percent=True,
    ),
)
