"""The numbers that the claims are about, each from one seed's cells."""

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

from rote.studies._study import MissingCellError, Record, Rows, one, some

NETS = ("short", "long", "random")
"""The nets of the first experiment, from the one that loses least to the one that loses most."""
FORESTS = ("rf-real", "rf-random")
CHANCE = 0.1
FLOOR = 0.15
"""Accuracy of ten classes that is read as more than chance: five points more."""
_PRINTED = 60_000


def lost(record: Record, chance: float = CHANCE) -> list[float]:
    """At each limit the share lost of what the plain circuit is above chance.

    Example:
        >>> [round(part, 6) for part in lost({"baseline": 0.9, "accuracy": [0.9, 0.5, 0.1]})]
        [0.0, 0.5, 1.0]
    """
    whole = record["baseline"] - chance
    return [(record["baseline"] - value) / whole if whole > 0 else math.nan for value in record["accuracy"]]


def mean(values: Sequence[float]) -> float:
    """The mean.

    Example:
        >>> mean([1.0, 2.0])
        1.5
    """
    return sum(values) / len(values)


def steepness(rows: Rows, net: str, **wanted: object) -> float:
    """How soon a curve falls: the share lost, mean over all limits."""
    return mean(lost(one(rows, net=net, **wanted)))


def order(rows: Rows, **wanted: object) -> float:
    """Smallest gap in steepness from one net to the next that should be steeper."""
    return min(b - a for a, b in pairwise([steepness(rows, net, **wanted) for net in NETS]))


def order_of_forests(rows: Rows) -> float:
    """Gap in steepness between the two forests."""
    real, permuted = (steepness(rows, net) for net in FORESTS)
    return permuted - real


def luts_apart(rows: Rows) -> float:
    """Gap in steepness between two networks of luts, whose question has two answers."""
    real, permuted = (mean(lost(one(rows, net=net), 0.5)) for net in ("luts-r", "luts-p"))
    return permuted - real


def counterpart(record: Record, limit: int) -> int:
    """Which of the limits is nearest to the same share of the examples as ``limit`` is of 60,000.

    Returns:
        Its place among them.

    Example:
        >>> counterpart({"limits": [1, 2, 4, 8], "examples": 4000}, 64)
        2
    """
    same = math.log2(limit * record["examples"] / _PRINTED)
    return min(range(len(record["limits"])), key=lambda place: abs(math.log2(record["limits"][place]) - same))


def drop(rows: Rows, net: str, limit: int, **wanted: object) -> float:
    """What a net loses at the limit that stands for this one of 60,000."""
    record = one(rows, net=net, **wanted)
    return float(record["baseline"] - record["accuracy"][counterpart(record, limit)])


def order_of_drops(rows: Rows, limit: int, **wanted: object) -> float:
    """Smallest gap in what is lost at one limit, from one net to the next that should lose more."""
    return min(b - a for a, b in pairwise([drop(rows, net, limit, **wanted) for net in NETS]))


def highest_end(rows: Rows) -> float:
    """Largest accuracy at the last limit."""
    return max(float(one(rows, net=net)["accuracy"][-1]) for net in NETS)


def gap(rows: Rows, net: str) -> float:
    """Training less test accuracy of a net, before it became gates."""
    record = one(rows, net=net)
    return float(record["train"] - record["test"])


def more_overfit(rows: Rows) -> float:
    """How much larger the gap after long training is than after short training."""
    return gap(rows, "long") - gap(rows, "short")


def moved(rows: Rows, multiplier: str, xor: bool) -> float:
    """Largest distance between the curves of a net's usual circuit and of this one, over limits and nets."""
    found = []
    for net in NETS:
        usual = one(rows, net=net, multiplier="shift-add", xor=True)["accuracy"]
        other = one(rows, net=net, multiplier=multiplier, xor=xor)["accuracy"]
        found.append(max(abs(a - b) for a, b in zip(usual, other, strict=True)))
    return float(max(found))


def worse_by_structure(rows: Rows) -> float:
    """What the short net by array multipliers loses at l = 256, less what the long one without XOR does."""
    honest = drop(rows, "short", 256, multiplier="array", xor=True)
    return honest - drop(rows, "long", 256, multiplier="shift-add", xor=False)


def without_rare(rows: Rows, net: str) -> float:
    """Share of examples none of whose values is 1-rare."""
    record = one(rows, net=net)
    return float(record["no_rare"][0] / record["examples"])


def nets_above_forests(rows: Rows) -> float:
    """Steepness of the net that loses least, less that of the forest that loses most."""
    same = len(one(rows, net=NETS[0])["limits"])  # forests go on to larger ones
    nets = min(steepness(rows, net) for net in NETS)
    return nets - max(mean(lost(one(rows, net=net))[:same]) for net in FORESTS)


def half_point(record: Record) -> float:
    """Where half of what is above chance is lost to noise: log2 of the probability of a flip; nan if nowhere.

    Example:
        >>> half_point({"limits": [20, 10], "baseline": 0.9, "accuracy": [0.7, 0.3]})
        -15.0
    """
    points = list(zip([-float(k) for k in record["limits"]], lost(record), strict=True))
    for (x, low), (after, high) in pairwise(points):
        if low < 0.5 <= high:
            return x + (after - x) * (0.5 - low) / (high - low)
    return math.nan


def forests_stand(rows: Rows) -> float:
    """Half point of the weakest forest less that of the strongest net, in bits."""
    of = {net: half_point(one(rows, net=net, kind="noise")) for net in (*NETS, *FORESTS)}
    return min(of[net] for net in FORESTS) - max(of[net] for net in NETS)


def closer_under_noise(rows: Rows) -> float:
    """Largest less smallest steepness of the nets under Simple CFS, minus that under noise."""
    spreads = []
    for kind in ("simple", "noise"):
        all_nets = [steepness(rows, net, kind=kind) for net in NETS]
        spreads.append(max(all_nets) - min(all_nets))
    return spreads[0] - spreads[1]


def crossing(high: Sequence[float], low: Sequence[float]) -> float | None:
    """The accuracy at which a curve that begins higher falls below another; None if it never does.

    It falls below where it is a point of accuracy lower, the other still being above chance; the crossing is
    on the straight lines between the last two points before that at which the curves change places.

    Args:
        high: Accuracies of the curve that begins higher.
        low: Those of the other, at the same limits.

    Example:
        >>> round(crossing([0.9, 0.8, 0.3], [0.6, 0.6, 0.5]), 3), crossing([0.9, 0.5], [0.6, 0.4])
        (0.55, None)
    """
    below = (i for i, (a, b) in enumerate(zip(high, low, strict=True)) if a < b - 0.01 and b > FLOOR)
    place = next(below, 0)
    before = [i for i in range(place) if high[i] >= low[i]]
    if not before:
        return None
    i = before[-1]
    part = (high[i] - low[i]) / (high[i] - low[i] - high[i + 1] + low[i + 1])
    return low[i] + part * (low[i + 1] - low[i])


def over_epochs(rows: Rows, **wanted: object) -> list[Record]:
    """The records of one training after each of its stops.

    Raises:
        MissingCellError: If one is not there.
    """
    here = {row.config["epochs"]: row for row in some(rows, **wanted)}
    stops = next(iter(here.values())).config["stops"] if here else []
    if not here or set(stops) != set(here):
        raise MissingCellError("no cell has all epochs")
    return [here[epochs].record for epochs in stops]


def crossings(rows: Rows, **wanted: object) -> list[float | None]:
    """The crossing of each two nets whose plain circuits are 5 points or more apart."""
    found = []
    curves = [[float(r["baseline"]), *r["accuracy"]] for r in over_epochs(rows, **wanted)]
    for a, b in combinations(sorted(curves, key=lambda curve: -curve[0]), 2):
        if a[0] - b[0] >= 0.05:
            found.append(crossing(a, b))
    return found


def share_crossing(rows: Rows, **wanted: object) -> float:
    """Of the pairs of nets, the share whose curves cross; nan without pairs."""
    found = crossings(rows, **wanted)
    return mean([float(at is not None) for at in found]) if found else math.nan


def crossing_point(rows: Rows, **wanted: object) -> float:
    """The mean accuracy at which pairs of curves cross; nan where none do."""
    known = [at for at in crossings(rows, **wanted) if at is not None]
    return mean(known) if known else math.nan


def crossing_spread(rows: Rows, **wanted: object) -> float:
    """Standard deviation of the accuracies at which pairs of curves cross; nan where none do."""
    known = [at for at in crossings(rows, **wanted) if at is not None]
    return math.sqrt(mean([(at - mean(known)) ** 2 for at in known])) if known else math.nan


def higher_with_less_noise(rows: Rows) -> float:
    """Crossing point with a third of the labels random, less that with half."""
    return crossing_point(rows, net="third") - crossing_point(rows, net="half", kind="simple")


def distance(first: Sequence[Record], second: Sequence[Record]) -> float:
    """Mean distance between curves of the same nets, over limits and nets.

    Example:
        >>> round(distance([{"accuracy": [0.9, 0.5]}], [{"accuracy": [0.8, 0.6]}]), 6)
        0.1
    """
    pairs = zip(first, second, strict=True)
    return mean([abs(a - b) for x, y in pairs for a, b in zip(x["accuracy"], y["accuracy"], strict=True)])


def composite_from_simple(rows: Rows) -> float:
    """Mean distance of Composite from Simple, on the nets with half of their labels random."""
    return distance(*(over_epochs(rows, net="half", kind=kind) for kind in ("simple", "composite")))


def random_from_simple(rows: Rows) -> float:
    """Mean distance of random values from opposite ones, on the nets of the first experiment."""
    kinds = ("simple", "random")
    return distance(*([one(rows, net=net, kind=kind) for net in NETS] for kind in kinds))


def at_first(rows: Rows, net: str) -> float:
    """Accuracy at the first limit."""
    return float(one(rows, net=net)["accuracy"][0])


def fitted(rows: Rows, net: str) -> float:
    """Accuracy of the plain circuit."""
    return float(one(rows, net=net)["baseline"])


def first_drop(rows: Rows, net: str) -> float:
    """Accuracy lost at the first limit."""
    return fitted(rows, net) - at_first(rows, net)
