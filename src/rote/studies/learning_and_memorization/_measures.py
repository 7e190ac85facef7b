"""The numbers that the claims are about, each from one seed's cells."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from rote.studies._study import MissingCellError, Rows, one, some
from rote.studies.learning_and_memorization._cells import STANDARD

KS = (2, 4, 6, 8, 10, 12, 14, 16)
DEPTHS = (0, 1, 2, 3, 5, 8, 16, 32)
WIDTHS = (16, 64, 256, 1024, 4096)


def value(rows: Rows, what: str, **wanted: object) -> float:
    """One number of the only record with this configuration."""
    return float(one(rows, **wanted)[what])


def along(rows: Rows, what: str, name: str, values: Sequence[int], **wanted: object) -> list[float]:
    """One number of each record along a parameter."""
    return [value(rows, what, **{name: v}, **wanted) for v in values]


def rise(rows: Rows, what: str, name: str, ends: tuple[int, int], **wanted: object) -> float:
    """What a number gains from one value of a parameter to another."""
    first, last = along(rows, what, name, ends, **wanted)
    return last - first


def smallest_step(values: Sequence[float]) -> float:
    """The smallest gain from one value to the next.

    Example:
        >>> smallest_step([1.0, 3.0, 2.5])
        -0.5
    """
    return min(b - a for a, b in pairwise(values))


def never_falls(rows: Rows) -> float:
    """Smallest gain of training accuracy from one k to the next, over real and permuted labels."""
    return min(smallest_step(along(rows, "train", "k", KS, labels=labels)) for labels in ("real", "permuted"))


def lost_at(rows: Rows, k: int) -> float:
    """Test accuracy at the best k less that at this one, real labels."""
    tests = along(rows, "test", "k", KS, labels="real")
    return max(tests) - tests[KS.index(k)]


def largest_jump(rows: Rows) -> float:
    """Largest change of test accuracy from one k to the next, real labels."""
    return max(abs(b - a) for a, b in pairwise(along(rows, "test", "k", KS, labels="real")))


def mean_over_k(rows: Rows) -> float:
    """Mean test accuracy over all k, after permuted labels."""
    tests = along(rows, "test", "k", KS, labels="permuted")
    return sum(tests) / len(tests)


def harder(rows: Rows) -> float:
    """Training accuracy on real labels less that on permuted ones, at the k where it is least."""
    real, permuted = (along(rows, "train", "k", KS, labels=labels) for labels in ("real", "permuted"))
    return min(a - b for a, b in zip(real, permuted, strict=True))


def needed(ks: Sequence[int], train: Sequence[float], level: float) -> float:
    """The k at which training accuracy first reaches a level, between two of them by a straight line.

    Returns:
        The first k where it is reached there already; nan where it is never reached.

    Example:
        >>> needed([2, 4, 6], [0.5, 0.7, 0.8], 0.75), needed([2, 4], [0.5, 0.7], 0.9)
        (5.0, nan)
    """
    if train[0] >= level:
        return float(ks[0])
    for (k, low), (after, high) in pairwise(zip(ks, train, strict=True)):
        if high >= level:
            return k + (after - k) * (level - low) / (high - low)
    return float("nan")


def more_inputs_needed(rows: Rows) -> float:
    """K at which permuted labels are fitted to 75 %, less that for real ones."""
    real, permuted = (along(rows, "train", "k", KS, labels=labels) for labels in ("real", "permuted"))
    return needed(KS, permuted, 0.75) - needed(KS, real, 0.75)


def where_noise_is_memorised(rows: Rows) -> float:
    """Test accuracy after real labels at the smallest k that fits 90 % of permuted ones; nan without such."""
    train = along(rows, "train", "k", KS, labels="permuted")
    test = along(rows, "test", "k", KS, labels="real")
    return next((t for fitted, t in zip(train, test, strict=True) if fitted >= 0.9), float("nan"))


def fewer_are_easier(rows: Rows) -> float:
    """Training accuracy on a tenth of the permuted labels less that on all of them."""
    tenth, whole = (
        value(rows, "train", learner="network", labels="permuted", part=share) for share in (0.1, 1.0)
    )
    return tenth - whole


def through_layers(rows: Rows) -> float:
    """Smallest gain of a lut's mean test accuracy from one hidden layer to the next, real labels."""
    return smallest_step(one(rows, labels="real")["layers_test"][:-1])


def above_first_layer(rows: Rows) -> float:
    """Test accuracy of the network less the mean of its first layer's luts, real labels."""
    layers = one(rows, labels="real")["layers_test"]
    return float(layers[-1] - layers[0])


def of_pairs(rows: Rows, what: str, labels: str, reduce: Callable[[Sequence[float]], float]) -> float:
    """One number of the accuracies of all pairs."""
    return float(reduce(one(rows, labels=labels)[what]))


def mean(values: Sequence[float]) -> float:
    """The mean.

    Example:
        >>> mean([1.0, 2.0])
        1.5
    """
    return sum(values) / len(values)


def pairs_harder(rows: Rows) -> float:
    """Training accuracy on real labels less that on permuted ones, in the pair where it is least."""
    real, permuted = (one(rows, labels=labels)["train"] for labels in ("real", "permuted"))
    return float(min(a - b for a, b in zip(real, permuted, strict=True)))


def standard_test(rows: Rows) -> float:
    """The median of the standard learners' test accuracies."""
    here = some(rows, part=1.0)
    if absent := set(STANDARD) - {row.config["learner"] for row in here}:
        raise MissingCellError(f"no cell has learner={sorted(absent)[0]}")
    return median(value(here, "test", learner=name) for name in STANDARD)


def part_of_the_way(rows: Rows) -> float:
    """How much of what standard learners are above chance the network is."""
    return (value(rows, "test", learner="network", part=1.0) - 0.5) / (standard_test(rows) - 0.5)


def behind(rows: Rows) -> float:
    """Test accuracy of the median standard learner less that of the network."""
    return standard_test(rows) - value(rows, "test", learner="network", part=1.0)
