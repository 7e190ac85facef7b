"""How often each signal of a circuit is 1: the first pass of counterfactual simulation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError


@dataclass(frozen=True, eq=False)
class Counts:
    """How many examples each node is 1 on; counts of shards add.

    Attributes:
        ones: Shape ``[nodes]``, int64.
        m: How many examples were counted.

    Raises:
        InputError: If a count lies outside 0 to m.

    Example:
        >>> both = Counts(np.array([0, 2]), 3) + Counts(np.array([0, 1]), 1)
        >>> both.ones.tolist(), both.m
        ([0, 3], 4)
    """

    ones: NDArray[np.int64]
    m: int

    def __post_init__(self) -> None:
        if self.ones.ndim != 1 or (self.ones.size and not 0 <= self.ones.min() <= self.ones.max() <= self.m):
            raise InputError(
                f"`ones` must hold a count from 0 to {self.m} for each node. Got {self.ones.dtype} "
                f"{self.ones.shape}."
            )

    def __add__(self, other: "Counts") -> "Counts":
        if self.ones.shape != other.ones.shape:
            raise InputError(
                f"Counts of {len(self.ones):,} and of {len(other.ones):,} nodes cannot be added: they "
                f"must be of one circuit."
            )
        return Counts(self.ones + other.ones, self.m + other.m)

    def rare(self, limit: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which nodes have an l-rare value that some example takes, and whether that value is 1.

        Returns:
            Both of shape ``[nodes]``. Where both values are rare it is the 1 that counts, as in the paper.

        Example:
            >>> rare, value = Counts(np.array([0, 1, 9, 10]), 10).rare(1)
            >>> rare.tolist(), value.tolist()
            ([False, True, True, False], [False, True, False, False])
        """
        one = self.ones <= limit
        zeros = self.m - self.ones
        rare = np.where(one, self.ones > 0, (zeros <= limit) & (zeros > 0))
        return rare, one & rare
