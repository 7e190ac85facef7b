"""What was to be seen: each claim one number of one seed's cells."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from rote.studies._judge import above, below
from rote.studies._study import Claim, Record, Rows, one
from rote.studies.bottom_up import _identification
from rote.studies.bottom_up._settling import TOP
from rote.studies.bottom_up._training import DATA

RAGHU = "Raghu et al. 2017"
KORNBLITH = "Kornblith et al. 2019, Table 2"
CONTROL = "A control of this study"


def known(value: float | None) -> float:
    """A number, or nan for what is not known.

    Example:
        >>> known(2), known(None)
        (2.0, nan)
    """
    return float("nan") if value is None else float(value)


def of(rows: Rows, data: str, measure: str) -> Record:
    """What was found of a data set's network by one index."""
    found: Record = one(rows, data=data, frozen=False)["settled"][measure]
    return found


def order(rows: Rows, data: str, measure: str, layers: str) -> float:
    """Spearman's correlation of depth and t90, of ``all`` or the ``lower`` layers."""
    return known(of(rows, data, measure)[layers])


def top_later(rows: Rows, data: str, measure: str) -> float:
    """Mean t90 of the layers at the top less that of as many below them, in shares of training."""
    reached = [known(value) for value in of(rows, data, measure)["reached"]]
    return float(np.mean(reached[-TOP:]) - np.mean(reached[-2 * TOP : -TOP]))


def output_ahead(rows: Rows, data: str, measure: str) -> float:
    """The output's share of its way halfway through training, less that of the layer before it."""
    halfway = _halfway(one(rows, data=data, frozen=False)["share"])
    *_, before, output = of(rows, data, measure)["excess"][halfway]
    return known(output) - known(before)


def _halfway(share: Sequence[float]) -> int:
    return int(np.abs(np.array(share) - 0.5).argmin())


def start_by_depth(rows: Rows, data: str) -> float:
    """Spearman's correlation of depth and the CKA of each layer's start and end."""
    initial = of(rows, data, "CKA")["initial"]
    return float(spearmanr(range(len(initial)), initial).statistic)


def own_above_other(rows: Rows, data: str) -> float:
    """CKA with the end halfway through training, less that of another seed's end, the least over layers."""
    share, found = one(rows, data=data, frozen=False)["share"], of(rows, data, "CKA")
    both = zip(found["own"][_halfway(share)], found["other"], strict=True)
    return min(known(own) - known(other) for own, other in both)


def least_normalised(rows: Rows, data: str) -> float:
    """SVCCA of a batch normalisation's output with its input, the least over blocks."""
    return min(known(value) for value in one(rows, data=data, frozen=False)["normalised"].values())


def gained(rows: Rows, data: str) -> float:
    """Test accuracy with freezing less that without, at the end."""
    with_, without = (one(rows, data=data, frozen=frozen)["test"][-1] for frozen in (True, False))
    return float(with_ - without)


def saved(rows: Rows, data: str) -> float:
    """Share of the backward passes' multiplications that freezing saved."""
    return float(one(rows, data=data, frozen=True)["multiplications"])


def _in_order(data: str, measure: str) -> tuple[Claim, ...]:
    name, tag = DATA[data], f"{data}-{measure.lower()}"
    t90 = f"of depth and t90, the first checkpoint at which {measure} has gone 90 % of its way"
    return (
        Claim(
            f"{tag}-lower-layers-settle-first",
            f"{name}, {measure}: lower layers settle first, the very top aside.",
            f"{RAGHU}, Fig. 4",
            f"Spearman’s correlation {t90}, without the last two layers",
            above(0.0),
            partial(order, data=data, measure=measure, layers="lower"),
        ),
        Claim(
            f"{tag}-all-layers-in-order",
            f"{name}, {measure}: with the layers at the top, too, lower ones settle first.",
            CONTROL,
            f"Spearman’s correlation {t90}, over all layers",
            above(0.0),
            partial(order, data=data, measure=measure, layers="all"),
        ),
        Claim(
            f"{tag}-the-top-settles-early",
            f"{name}, {measure}: the very top layers settle early.",
            f"{RAGHU}, Fig. 4",
            "Mean t90 of the last two layers minus that of the two below them, in shares of training",
            below(0.0),
            partial(top_later, data=data, measure=measure),
        ),
        Claim(
            f"{tag}-the-output-is-ahead",
            f"{name}, {measure}: the output is ahead of the layer before it.",
            f"{CONTROL}, added after the trial with seed 100",
            "Share of its way that the output has gone halfway through training, minus that of the layer "
            "before it",
            above(0.0),
            partial(output_ahead, data=data, measure=measure),
            percent=True,
        ),
    )


def _beside(data: str) -> tuple[Claim, ...]:
    name = DATA[data]
    return (
        Claim(
            f"{data}-low-layers-start-near",
            f"{name}: lower layers are more like their end from the start; so their excess is what counts.",
            CONTROL,
            "Spearman’s correlation of depth and the CKA of each layer’s start and end",
            below(0.0),
            partial(start_by_depth, data=data),
        ),
        Claim(
            f"{data}-own-end-not-any",
            f"{name}: a layer goes to an end of its own, not to that of any trained network.",
            CONTROL,
            "CKA of each layer halfway through training with its end, minus that of another seed’s end with "
            "it, the least over layers",
            above(0.0),
            partial(own_above_other, data=data),
        ),
        Claim(
            f"{data}-normalisation-changes-nothing",
            f"{name}: batch normalisation says what its input says, up to the 99 % cut.",
            RAGHU,
            "SVCCA of its output with its input after training, the least over layers; “the same” is read as "
            "over 0.95",
            above(0.95),
            partial(least_normalised, data=data),
        ),
    )


def _freezing(data: str) -> tuple[Claim, ...]:
    name = DATA[data]
    difference = (
        "Test accuracy at the end with freezing minus that without, same start, same order of examples"
    )
    source = f"{RAGHU}, Freeze Training"
    return (
        Claim(
            f"{data}-freezing-costs-nothing",
            f"{name}: layers can be frozen from below on the way without loss.",
            source,
            f"{difference}; “without loss” is read as less than a point",
            above(-0.01),
            partial(gained, data=data),
            percent=True,
        ),
        Claim(
            f"{data}-freezing-gains",
            f"{name}: freezing makes test accuracy slightly better.",
            source,
            difference,
            above(0.0),
            partial(gained, data=data),
            percent=True,
        ),
        Claim(
            f"{data}-freezing-saves",
            f"{name}: it takes less computing.",
            source,
            "Share of the backward passes’ multiplications that was saved",
            above(0.0),
            partial(saved, data=data),
            percent=True,
        ),
    )


CONVERGENCE = tuple(
    claim for data in DATA for claim in (*_in_order(data, "CKA"), *_in_order(data, "SVCCA"), *_beside(data))
)

IDENTIFICATION = (
    Claim(
        "cka-finds-the-layer",
        "CKA finds the same layer in another network.",
        f"{KORNBLITH}: 99.3 % for linear CKA",
        "Share of layers whose nearest layer in another network is the same; “finds” is read as over 90 %",
        above(0.9),
        partial(_identification.share_found, index="CKA"),
        percent=True,
    ),
    Claim(
        "cka-of-whole-maps-finds-it",
        "CKA of whole maps, as in the paper, finds it.",
        f"{KORNBLITH}: 99.3 % for linear CKA; added after the trial with seed 100",
        "The same share for whole maps; “finds” is read as over 90 %",
        above(0.9),
        partial(_identification.share_found, index="CKA of whole maps"),
        percent=True,
    ),
    Claim(
        "cka-before-cca",
        "CKA finds it more often than canonical correlations do.",
        KORNBLITH,
        "Share found by CKA, minus the largest of CCA, SVCCA by both rules, and PWCCA",
        above(0.0),
        _identification.ahead,
        percent=True,
    ),
    Claim(
        "cka-far-before-cca",
        "It does so by far.",
        f"{KORNBLITH}: 99.3 % against 15.1 % at best",
        "The same difference; “by far” is read as more than 25 points",
        above(0.25),
        _identification.ahead,
        percent=True,
    ),
)

FREEZING = tuple(claim for data in DATA for claim in _freezing(data))
