"""What the optimizers were to show: each claim one number of one seed's cells."""

from functools import partial

from rote.studies._judge import Range, above, below
from rote.studies._study import Claim, Record, Rows, one

ABSTRACT = "Zielinski, Krishnan & Chatterjee 2020, abstract"
CONTROL = "A control of this study; RA3 is in the authors’ code"
NAMES = {"m3": "M3", "rm3": "RM3"}


def end(record: Record, part: str) -> float:
    """The last value of a curve; nan where there is none.

    Example:
        >>> end({"test": [0.1, 0.9]}, "test"), end({"corrupt": [None]}, "corrupt")
        (0.9, nan)
    """
    value = record[part][-1]
    return float("nan") if value is None else float(value)


def memorised(rows: Rows, optimizer: str) -> float:
    """Share of the wrong labels that are fitted at the end of training under half noise."""
    return end(one(rows, noise=0.5, optimizer=optimizer), "corrupt")


def overfit(rows: Rows, optimizer: str, noise: float) -> float:
    """Training less test accuracy, at the end."""
    record = one(rows, noise=noise, optimizer=optimizer)
    return end(record, "train") - end(record, "test")


def removed(rows: Rows, optimizer: str, *, against: str) -> float:
    """Which share of another optimizer's memorised labels this one leaves alone."""
    base = memorised(rows, against)
    return 1 - memorised(rows, optimizer) / base if base else float("nan")


def overfit_removed(rows: Rows, optimizer: str) -> float:
    """Which share of the overfit under SGD with momentum is gone, at half noise."""
    base = overfit(rows, "momentum", 0.5)
    return 1 - overfit(rows, optimizer, 0.5) / base if base > 0 else float("nan")


def gained(rows: Rows, optimizer: str, noise: float) -> float:
    """Test accuracy less that under SGD with momentum, at the end."""
    own, base = (one(rows, noise=noise, optimizer=name) for name in (optimizer, "momentum"))
    return end(own, "test") - end(base, "test")


def above_proper(rows: Rows, optimizer: str) -> float:
    """Training accuracy at the end less the share of labels that are true."""
    record = one(rows, noise=0.5, optimizer=optimizer)
    return end(record, "train") - float(record["proper"])


def median_alone(rows: Rows, optimizer: str, mean: str) -> float:
    """Share of wrong labels fitted under the mean of the same three gradients, less that under the median."""
    return memorised(rows, mean) - memorised(rows, optimizer)


def claims(prefix: str) -> tuple[Claim, ...]:
    """All claims about one data set; ``prefix`` makes their names its own."""
    found: list[Claim] = []
    for optimizer in NAMES:
        found += _of_paper(f"{prefix}-{optimizer}", optimizer)
    for optimizer in NAMES:
        found += _controls(f"{prefix}-{optimizer}", optimizer)
    return tuple(found)


def _of_paper(prefix: str, optimizer: str) -> list[Claim]:
    name = NAMES[optimizer]

    def claim(suffix: str, words: str, quantity: str, expected: Range, measure: object) -> Claim:
        assert callable(measure)
        return Claim(f"{prefix}-{suffix}", words, ABSTRACT, quantity, expected, measure, percent=True)

    return [
        claim(
            "memorises-less",
            f"{name} memorises far fewer wrong labels than SGD does.",
            "1 less the ratio of wrong labels fitted at the end under 50 % noise, to SGD with momentum; "
            "“far fewer” is read as under half",
            above(0.5),
            partial(removed, optimizer=optimizer, against="momentum"),
        ),
        claim(
            "overfits-less",
            f"{name} greatly reduces overfitting.",
            "1 less the ratio of training minus test accuracy at the end under 50 % noise, to SGD with "
            "momentum; “greatly” is read as by over half",
            above(0.5),
            partial(overfit_removed, optimizer=optimizer),
        ),
        claim(
            "fits-what-is-true",
            f"Under {name} training accuracy hardly exceeds the share of true labels.",
            "Training accuracy at the end minus the share of true labels, 50 % noise; “hardly” is read as "
            "under 5 points",
            below(0.05),
            partial(above_proper, optimizer=optimizer),
        ),
        claim(
            "generalizes-under-noise",
            f"Under noise {name} generalizes better than SGD.",
            "Test accuracy at the end minus that of SGD with momentum, 50 % noise",
            above(0.0),
            partial(gained, optimizer=optimizer, noise=0.5),
        ),
        claim(
            "costs-little",
            f"Without noise {name} costs little test accuracy.",
            "Test accuracy at the end minus that of SGD with momentum, no noise; “little” is read as under "
            "5 points",
            above(-0.05),
            partial(gained, optimizer=optimizer, noise=0.0),
        ),
    ]


def _controls(prefix: str, optimizer: str) -> list[Claim]:
    name = NAMES[optimizer]
    mean = "ra3" if optimizer == "rm3" else "wide"
    other = "RA3, the mean of the last three" if optimizer == "rm3" else "SGD on three batches at once"
    return [
        Claim(
            f"{prefix}-not-for-want-of-momentum",
            f"{name} memorises far fewer wrong labels than SGD without momentum, too.",
            CONTROL,
            "1 less the ratio of wrong labels fitted at the end under 50 % noise, to SGD without momentum; "
            "“far fewer” is read as under half",
            above(0.5),
            partial(removed, optimizer=optimizer, against="sgd"),
            percent=True,
        ),
        Claim(
            f"{prefix}-by-the-median",
            f"It is the median that does it: {name} memorises less than {other}.",
            CONTROL,
            "Wrong labels fitted at the end under 50 % noise with the mean of the same three gradients, "
            "minus those with the median",
            above(0.0),
            partial(median_alone, optimizer=optimizer, mean=mean),
            percent=True,
        ),
    ]
