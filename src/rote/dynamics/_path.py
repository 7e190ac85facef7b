"""Error and loss along a line, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

Curve = Literal["error", "loss"]
Ends = Literal["mean", "line"]


@dataclass(frozen=True, eq=False)
class Path:
    """Error and loss at shares of the way between two states.

    Attributes:
        shares: Shape ``[points]``, from 0 to 1.
        error: Shape ``[points]``.
        loss: Shape ``[points]``.

    Example:
        >>> path = Path.of([0.0, 0.5, 1.0], [0.1, 0.4, 0.2], [0.3, 0.2, 0.5])
        >>> path
        Path of 3 points: error 0.1 … 0.2, barrier +0.25 at 0.50; loss 0.3 … 0.5, barrier +0.1 at 1.00
        >>> path.stable(0.02)
        False
    """

    shares: NDArray[np.float64]
    error: NDArray[np.float64]
    loss: NDArray[np.float64]

    @classmethod
    def of(cls, shares: Sequence[float], error: Sequence[float], loss: Sequence[float]) -> "Path":
        """From plain numbers.

        Raises:
            InputError: If there are fewer than two points, or not as many of each.
        """
        arrays = [np.asarray(values, np.float64) for values in (shares, error, loss)]
        if len(arrays[0]) < 2 or len({array.shape for array in arrays}) > 1:
            raise InputError(
                "A path needs at least two points, each with a share, an error and a loss. Got "
                f"{', '.join(str(len(array)) for array in arrays)}."
            )
        return cls(*arrays)

    def excess(self, curve: Curve = "error", *, ends: Ends = "mean") -> NDArray[np.float64]:
        """The curve above its ends, with its sign: a path that dips below both is negative there.

        Args:
            curve: Which.
            ends: ``"mean"``: above the mean of both ends (Frankle et al. 2020). ``"line"``: above the
                straight line between the ends' values (Entezari et al. 2021), which differs where they do.

        Returns:
            Shape ``[points]``.

        Raises:
            InputError: If either is another word.
        """
        if curve not in ("error", "loss") or ends not in ("mean", "line"):
            raise InputError(
                f"`curve` must be 'error' or 'loss', and `ends` 'mean' or 'line'. Got {curve!r} and {ends!r}."
            )
        values = self.error if curve == "error" else self.loss
        first, last = values[0], values[-1]
        base = (first + last) / 2 if ends == "mean" else (1 - self.shares) * first + self.shares * last
        return np.asarray(values - base)

    def barrier(self, curve: Curve = "error", *, ends: Ends = "mean", between: bool = False) -> float:
        """The highest point of :meth:`excess`.

        With both ends on the path it is never negative, and at least half their difference for
        ``ends="mean"``: the signed curve and ``between`` say more.

        Args:
            curve: Which.
            ends: As in :meth:`excess`.
            between: Leave the ends out; then a path that runs below them has a negative barrier.

        Raises:
            InputError: As :meth:`excess`; with ``between``, if there is no point but the ends.
        """
        excess = self.excess(curve, ends=ends)
        if between and len(excess) < 3:
            raise InputError("`between` needs points that are not ends. Got a path of two.")
        return float(excess[1:-1].max() if between else excess.max())

    def stable(self, level: float = 0.02) -> bool:
        """Whether the error's barrier is below a level: 2 points of error in Frankle et al. 2020."""
        return self.barrier("error") < level

    def to_dict(self) -> dict[str, list[float]]:
        """The numbers, ready for JSON."""
        return {"shares": self.shares.tolist(), "error": self.error.tolist(), "loss": self.loss.tolist()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Path":
        """The inverse of :meth:`to_dict`."""
        return cls.of(record["shares"], record["error"], record["loss"])

    def __repr__(self) -> str:
        parts = []
        for curve, values in (("error", self.error), ("loss", self.loss)):
            excess = self.excess("error" if curve == "error" else "loss")
            place = self.shares[int(excess.argmax())]
            parts.append(
                f"{curve} {values[0]:.3g} … {values[-1]:.3g}, barrier {excess.max():+.3g} at {place:.2f}"
            )
        return f"Path of {len(self.shares)} points: {'; '.join(parts)}"
