"""What networks of tables were to show."""

from collections.abc import Callable
from functools import partial

from rote.studies._judge import Range, above, below, between
from rote.studies._study import Claim, Rows
from rote.studies.learning_and_memorization import _measures as numbers
from rote.studies.learning_and_memorization._measures import rise, value

ABSTRACT = "Chatterjee 2018, abstract"
OWN = "A question of this study"
_AT_CHANCE = between(0.45, 0.55)
_CLEARLY = "“clearly above chance” is read as past the middle between chance and 100 %"


def _claim(
    name: str,
    words: str,
    quantity: str,
    expected: Range,
    measure: Callable[[Rows], float],
    *,
    source: str = ABSTRACT,
    percent: bool = True,
) -> Claim:
    return Claim(name, words, source, quantity, expected, measure, percent=percent)


TABLE = (
    _claim(
        "table-memorises",
        "One table of all inputs memorises the training examples.",
        "Training accuracy of the table, real labels",
        above(0.99),
        partial(value, what="train", learner="table", labels="real", part=1.0),
    ),
    _claim(
        "table-memorises-anything",
        "It memorises permuted labels just as well.",
        "Training accuracy of the table, permuted labels",
        above(0.99),
        partial(value, what="train", learner="table", labels="permuted", part=1.0),
    ),
    _claim(
        "table-does-not-generalize",
        "It does not generalize.",
        "Test accuracy of the table, real labels; at chance is read as within 5 points of 50 %",
        _AT_CHANCE,
        partial(value, what="test", learner="table", labels="real", part=1.0),
    ),
    _claim(
        "network-generalizes",
        "A network of small tables generalizes clearly above chance, though all it does is memorise.",
        f"Test accuracy of the network, real labels; {_CLEARLY}",
        above(0.75),
        partial(value, what="test", learner="network", labels="real", part=1.0),
    ),
    _claim(
        "more-noise-is-harder",
        "The more permuted labels there are, the fewer of them a network can memorise.",
        "Training accuracy of the network on a tenth of the examples minus that on all, permuted labels",
        above(0.0),
        numbers.fewer_are_easier,
        source=OWN,
    ),
)

OVER_K = (
    _claim(
        "k-is-the-knob",
        "The larger k, the more is memorised.",
        "Smallest gain of training accuracy from one k to the next, real and permuted labels; 0.5 points are "
        "left for where everything is fitted",
        above(-0.005),
        numbers.never_falls,
    ),
    _claim(
        "memorising-less-hurts",
        "Between memorising too little and too much lies a best k: too small a k generalizes worse.",
        "Test accuracy at the best k minus that at k = 2, real labels",
        above(0.05),
        partial(numbers.lost_at, k=2),
    ),
    _claim(
        "memorising-all-hurts",
        "And too large a k generalizes worse.",
        "Test accuracy at the best k minus that at k = 16, real labels",
        above(0.05),
        partial(numbers.lost_at, k=16),
    ),
    _claim(
        "trade-off-is-smooth",
        "The trade-off between memorising and generalizing is smooth.",
        "Largest change of test accuracy from one k to the next, real labels; “smooth” is read as less than "
        "half of the way from chance to 100 %",
        below(0.25),
        numbers.largest_jump,
    ),
    _claim(
        "noise-can-be-memorised",
        "A network of tables can memorise random data.",
        "Training accuracy at k = 16, permuted labels",
        above(0.9),
        partial(value, what="train", k=16, labels="permuted"),
    ),
    _claim(
        "noise-teaches-nothing",
        "Of permuted labels nothing generalizes.",
        "Mean test accuracy over all k, permuted labels; at chance is read as within 5 points of 50 %",
        _AT_CHANCE,
        numbers.mean_over_k,
    ),
    _claim(
        "real-generalizes-where-noise-fits",
        "A network that can memorise random data still generalizes on real data.",
        "Test accuracy with real labels at the smallest k that fits 90 % of permuted ones; 10 points above "
        "chance are asked for",
        above(0.6),
        numbers.where_noise_is_memorised,
    ),
    _claim(
        "noise-is-harder",
        "Random data are harder to memorise than real data.",
        "Training accuracy on real labels minus that on permuted ones, at the k where it is least",
        above(0.0),
        numbers.harder,
    ),
    _claim(
        "noise-needs-larger-k",
        "Permuted labels need a larger k for the same training accuracy.",
        "k at which 75 % of the permuted labels are fitted minus k at which 75 % of the real ones are, by "
        "straight lines between the k that were run",
        above(0.0),
        numbers.more_inputs_needed,
        percent=False,
    ),
)

OVER_DEPTH = (
    _claim(
        "depth-helps",
        "Depth is what makes memorising generalize.",
        "Test accuracy with five hidden layers minus that of one table of eight inputs alone; 10 points are "
        "asked for",
        above(0.1),
        partial(rise, what="test", name="depth", ends=(0, 5)),
    ),
    _claim(
        "each-layer-helps",
        "Each of the first layers helps.",
        "Smallest gain of test accuracy along 0, 1, 2, 3 and 5 hidden layers",
        above(0.0),
        lambda rows: numbers.smallest_step(numbers.along(rows, "test", "depth", (0, 1, 2, 3, 5))),
    ),
    _claim(
        "depth-does-no-harm",
        "Far more layers than are needed do no harm.",
        "Test accuracy with 32 hidden layers minus that with five; 2 points are allowed",
        above(-0.02),
        partial(rise, what="test", name="depth", ends=(5, 32)),
        source=OWN,
    ),
)

LAYERS = (
    _claim(
        "luts-know-more-by-layer",
        "A lut knows the more the deeper it lies.",
        "Smallest gain of the luts’ mean test accuracy from one hidden layer to the next, real labels",
        above(0.0),
        numbers.through_layers,
        source=OWN,
    ),
    _claim(
        "network-above-its-first-luts",
        "The network knows more than the luts that look at the image.",
        "Test accuracy of the network minus the mean of its first layer’s luts; 10 points are asked for",
        above(0.1),
        numbers.above_first_layer,
        source=OWN,
    ),
)

OVER_WIDTH = (
    _claim(
        "width-helps",
        "Wider layers generalize better.",
        "Test accuracy with 1,024 luts in a layer minus that with 16",
        above(0.0),
        partial(rise, what="test", name="width", ends=(16, 1024)),
        source=OWN,
    ),
    _claim(
        "width-is-soon-enough",
        "Beyond a thousand luts little is gained.",
        "Test accuracy with 4,096 luts in a layer minus that with 1,024; “little” is read as under 1 point",
        below(0.01),
        partial(rise, what="test", name="width", ends=(1024, 4096)),
        source=OWN,
    ),
)

STANDARD = (
    _claim(
        "closer-to-standard-learners",
        "The network is closer to standard learners than to chance.",
        "Test accuracy above 50 %, over that of the median of six standard learners",
        above(0.5),
        numbers.part_of_the_way,
    ),
    _claim(
        "standard-learners-are-better",
        "Standard learners are better all the same.",
        "Test accuracy of the median of six standard learners minus that of the network",
        above(0.0),
        numbers.behind,
        source=OWN,
    ),
)


def of_pairs(prefix: str, things: str, worst: Range, asked: str) -> tuple[Claim, ...]:
    """The claims about all pairs of a data set; ``worst`` is asked of the lowest test accuracy."""
    return (
        _claim(
            f"{prefix}-all-above-chance",
            f"A network tells every pair of {things} apart, {asked}.",
            f"Lowest test accuracy of the 45 pairs, real labels{_reading(worst)}",
            worst,
            partial(numbers.of_pairs, what="test", labels="real", reduce=min),
        ),
        _claim(
            f"{prefix}-noise-teaches-nothing",
            f"Of permuted labels of pairs of {things} nothing generalizes.",
            "Mean test accuracy of the 45 pairs, permuted labels",
            _AT_CHANCE,
            partial(numbers.of_pairs, what="test", labels="permuted", reduce=numbers.mean),
        ),
        _claim(
            f"{prefix}-noise-is-harder",
            f"In every pair of {things} random data are harder to memorise than real data.",
            "Training accuracy on real labels minus that on permuted ones, in the pair where it is least",
            above(0.0),
            numbers.pairs_harder,
        ),
    )


def _reading(worst: Range) -> str:
    return f"; {_CLEARLY}" if worst.low == 0.75 else ""


DIGIT_PAIRS = of_pairs("digits", "digits", above(0.75), "clearly above chance")
CIFAR_PAIRS = (
    *of_pairs("cifar", "kinds of pictures", above(0.5), "above chance"),
    _claim(
        "cifar-clearly-above-chance",
        "On the mean of all pairs of CIFAR-10 it is clearly above chance.",
        f"Mean test accuracy of the 45 pairs, real labels; {_CLEARLY}",
        above(0.75),
        partial(numbers.of_pairs, what="test", labels="real", reduce=numbers.mean),
    ),
)
