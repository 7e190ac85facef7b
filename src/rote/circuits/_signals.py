"""Signals with rare values, by how much each matters."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

_LISTED = 100


@dataclass(frozen=True, eq=False)
class Signals:
    """Signals with a rare value, and what flipping each alone costs, the costliest first; shards add.

    Attributes:
        limit: The l of what counts as rare.
        node: Shape ``[tried]``, int64.
        name: Of each: the output that it drives, else empty.
        level: How many gates deep it lies, shape ``[tried]``, int64.
        value: Its rare value, shape ``[tried]``, bool.
        taken: On how many examples it takes it, shape ``[tried]``, int64.
        lost: How many of these were answered rightly, and no longer are once it is flipped.
        rare: How many signals have a rare value at all; those tried are a seeded choice of them.

    Example:
        >>> one, none = np.array([1]), np.array([0])
        >>> a = Signals(64, np.array([7]), ("",), one, one > 0, one, one, 3)
        >>> b = Signals(64, np.array([7]), ("",), one, one > 0, one, none, 3)
        >>> (a + b).lost.tolist()
        [1]
    """

    limit: int
    node: NDArray[np.int64]
    name: tuple[str, ...]
    level: NDArray[np.int64]
    value: NDArray[np.bool_]
    taken: NDArray[np.int64]
    lost: NDArray[np.int64]
    rare: int

    def __add__(self, other: "Signals") -> "Signals":
        here, there = np.argsort(self.node), np.argsort(other.node)
        if self.limit != other.limit or not np.array_equal(self.node[here], other.node[there]):
            raise InputError(
                "Signals of two shards add only where the same were tried: give the same counts."
            )
        lost = self.lost.copy()
        lost[here] += other.lost[there]
        return replace(self, lost=lost).sorted()

    def sorted(self) -> "Signals":
        """The same, the costliest first; of equals the one with the rarer value."""
        order = np.lexsort((self.node, self.taken, -self.lost))
        columns = {name: getattr(self, name)[order] for name in ("node", "level", "value", "taken", "lost")}
        return replace(self, name=tuple(self.name[i] for i in order), **columns)

    def record(self) -> dict[str, Any]:
        """The costliest, ready for JSON."""
        columns = ("node", "level", "taken", "lost")
        return {
            "limit": self.limit,
            "rare": self.rare,
            "tried": len(self.node),
            "mattering": int(np.count_nonzero(self.lost)),
            "listed": [
                {name: int(getattr(self, name)[i]) for name in columns}
                | {"name": self.name[i], "value": int(self.value[i])}
                for i in range(min(len(self.node), _LISTED))
            ],
        }
