"""Numbers of one seed's cells."""

import numpy as np
from scipy.stats import spearmanr

from rote.dynamics import Copies, Path
from rote.studies._study import MissingCellError, Record, Rows, one, some


def pairs(record: Record) -> list[Copies]:
    """The copies of a sweep, by k.

    Example:
        >>> path = {"shares": [0, 1], "error": [0.1, 0.1], "loss": [0.2, 0.2]}
        >>> pair = {"k": 5, "seed": 0, "orders": [1, 2], "path": path, "distance": 1.0, "travelled": 2.0}
        >>> [copies.k for copies in pairs({"copies": [pair, {**pair, "k": 0}]})]
        [0, 5]
    """
    return sorted((Copies.from_dict(each) for each in record["copies"]), key=lambda each: each.k)


def from_start(rows: Rows, network: str) -> Path:
    """The line between copies that part at the first k, which is 0."""
    return pairs(one(rows, network=network))[0].path


def barrier(rows: Rows, network: str) -> float:
    """Error barrier of copies from step 0."""
    return from_start(rows, network).barrier("error")


def highest(rows: Rows, network: str) -> float:
    """The largest error barrier over all k."""
    return max(each.path.barrier("error") for each in pairs(one(rows, network=network)))


def worst(rows: Rows, network: str) -> float:
    """The highest error on the line between copies from step 0."""
    return float(from_start(rows, network).error.max())


def stable_share(rows: Rows, network: str) -> float:
    """The k from which on copies are stable, over all steps; 1 if there is none, for then nothing is left."""
    k = one(rows, network=network)["stable_from"]
    return 1.0 if k is None else float(k) / float(some(rows, network=network)[0].config["total"])


def falls(rows: Rows, network: str) -> float:
    """Spearman's correlation of k and the error barrier; nan if all barriers are the same."""
    found = pairs(one(rows, network=network))
    heights = [each.path.barrier("error") for each in found]
    if len(set(heights)) < 2:
        return float("nan")
    return float(spearmanr([each.k for each in found], heights).statistic)


def apart(rows: Rows, network: str) -> float:
    """Distance of the first stable copies over the way that they travelled; nan if none are stable."""
    record = one(rows, network=network)
    found = [each for each in pairs(record) if each.k == record["stable_from"]]
    return found[0].distance / found[0].travelled if found else float("nan")


def widths(rows: Rows) -> list[int]:
    """The widths that were run, from narrow to wide; two at least."""
    found = sorted({int(row.config["width"]) for row in rows if "naive" in row.record})
    if len(found) < 2:
        raise MissingCellError(f"fewer than two widths: {found}")
    return found


def path(rows: Rows, width: int, name: str) -> Path:
    """The line between networks of a width, ``naive`` or ``matched``."""
    return Path.from_dict(one(rows, width=width)[name])


def lowest_naive(rows: Rows) -> float:
    """The smallest error barrier over widths, before matching."""
    return min(path(rows, width, "naive").barrier("error") for width in widths(rows))


def smallest_gain(rows: Rows) -> float:
    """By how much matching lowers the error barrier, the smallest over widths."""
    heights = [[path(rows, width, name).barrier() for name in ("naive", "matched")] for width in widths(rows)]
    return min(before - after for before, after in heights)


def matched(rows: Rows, place: int) -> float:
    """Error barrier after matching, of the narrowest (0) or the widest (-1) networks."""
    return path(rows, widths(rows)[place], "matched").barrier("error")


def signed(found: Path) -> float:
    """The highest loss between the ends above the line of their losses, with its sign.

    Example:
        >>> signed(Path.of([0, 0.5, 1], [0.1, 0.1, 0.1], [0.4, 0.2, 0.2]))
        -0.1
    """
    return round(found.barrier("loss", ends="line", between=True), 12)


def smallest_fall(rows: Rows) -> float:
    """The smallest fall of the signed loss barrier after matching, from a width to the next."""
    heights = [signed(path(rows, width, "matched")) for width in widths(rows)]
    return float(-np.diff(heights).max())


def lowest_recovered(rows: Rows) -> float:
    """Share of units put back where they were only shuffled, the smallest over widths."""
    return float(min(one(rows, width=width)["recovered"] for width in widths(rows)))
