"""The numbers that decide: each of one seed's cells."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import log2, nan

from rote.studies._study import Record, Rows, one
from rote.studies.increasing_complexity._disc import first

HALF, NEARLY = 0.5, 0.9
LINEAR = ("linear",)

Measure = Callable[[Record, str], float]
Claimed = Callable[[Rows], float]


def reached(record: Record, simpler: str, share: float) -> int | None:
    """The first look at which I(F;Y) is this share of what the simpler model knows.

    Example:
        >>> reached({"model": [0.0, 0.2, 0.5], "simpler": {"linear": {"simple": 0.4}}}, "linear", 0.5)
        1
    """
    enough = share * record["simpler"][simpler]["simple"]
    return first([value >= enough for value in record["model"]])


def unexplained(record: Record, simpler: str, *, share: float) -> float:
    """The share of I(F;Y) that is I(F;Y|L), when I(F;Y) first is a share of I(L;Y)."""
    at = reached(record, simpler, share)
    return nan if at is None else record["simpler"][simpler]["unexplained"][at] / record["model"][at]


def at_parting(record: Record, simpler: str) -> float:
    """I(F;Y) over I(L;Y) at the step from which on a tenth of I(L;Y) is unexplained."""
    found = record["simpler"][simpler]
    if found["parting"] is None:
        return nan
    return float(record["model"][record["step"].index(found["parting"])] / found["simple"])


def new(record: Record, simpler: str) -> float:
    """Of what I(F;Y) gains once it is nearly I(L;Y), the share that the simpler model does not explain."""
    at = reached(record, simpler, NEARLY)
    if at is None:
        return nan
    own = record["simpler"][simpler]["unexplained"]
    gain = record["model"][-1] - record["model"][at]
    return float((own[-1] - own[at]) / gain) if gain > 0 else nan


def kept(record: Record, simpler: str) -> float:
    """What is shared at the end over the most that was."""
    shared = record["simpler"][simpler]["shared"]
    return float(shared[-1] / max(shared))


def forgotten(record: Record, simpler: str) -> float:
    """I(L;Y|F) over I(L;Y) at the end."""
    found = record["simpler"][simpler]
    return float(found["forgotten"][-1] / found["simple"])


def beyond_chance(record: Record, simpler: str) -> float:
    """How far from what independent errors share to all that is known: 0 to 1; halfway to I(L;Y)."""
    at = reached(record, simpler, HALF)
    if at is None:
        return nan
    found = record["simpler"][simpler]
    chance = found["independent"][at]
    return float((found["shared"][at] - chance) / (record["model"][at] - chance))


def fitted(rows: Rows, data: str) -> float:
    """Training accuracy at the end."""
    return float(one(rows, data=data)["train_end"])


def less_left(rows: Rows, data: str) -> float:
    """By how much less the next larger simpler model leaves unexplained at the end; the smallest step."""
    left = [found["unexplained"][-1] for found in one(rows, data=data)["simpler"].values()]
    return float(min(small - large for small, large in pairwise(left)))


def of(
    rows: Rows, data: str, measure: Measure, simpler: Sequence[str] | None, worst: Callable[..., float]
) -> float:
    """A measure beside these simpler models, the worst of them; beside all networks if none is named."""
    record = one(rows, data=data)
    names = simpler or [name for name in record["simpler"] if name not in LINEAR]
    values = [measure(record, name) for name in names]
    return nan if any(value != value for value in values) else worst(values)


def beside_linear(data: str, measure: Measure) -> Claimed:
    """A measure beside the linear model, from the rows of one seed."""
    return partial(of, data=data, measure=measure, simpler=LINEAR, worst=max)


def beside_smaller(data: str, measure: Measure, worst: Callable[..., float]) -> Claimed:
    """The worst of a measure beside the smaller networks, from the rows of one seed."""
    return partial(of, data=data, measure=measure, simpler=None, worst=worst)


def at_event(rows: Rows, event: str, curve: str) -> float:
    """A curve of the disc where something happened."""
    record = one(rows)
    at = record["at"][event]
    return nan if at is None else float(record[curve][at])


def in_order(rows: Rows) -> float:
    """The smallest of the factors, as powers of two, from the line to the curve and on to the noise."""
    record = one(rows)
    at = [record["at"][event] for event in ("line", "curve", "noise")]
    if None in at:
        return nan
    steps = [max(record["step"][i], 1) for i in at]
    return float(min(log2(later / earlier) for earlier, later in pairwise(steps)))


def left_of_line(rows: Rows) -> float:
    """Accuracy on clean labels at the end, less that when the line was reached."""
    return at_event(rows, "end", "test") - at_event(rows, "line", "test")
