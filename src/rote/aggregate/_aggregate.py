"""What to make of the gradients of a batch: a robust sum of rows, or of products of two factors."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rote.aggregate._means import median
from rote.aggregate._products import clamped_products
from rote.errors import InputError


class Aggregate(Protocol):
    """A robust substitute for the sum over m examples: m times a robust mean.

    The gradient of a mean loss is the sum of per-example gradients that carry ``1/m`` already, so with this
    the learning rate keeps its meaning.

    Example:
        >>> aggregates: list[Aggregate] = [Clamp(1), Drop(1), GroupMedian(3)]
        >>> [a.of_rows(torch.tensor([[1.0], [1.0], [7.0]])).item() for a in aggregates]
        [3.0, 3.0, 3.0]
    """

    @property
    def plain(self) -> bool:
        """Whether it is the sum itself, so that nothing needs to be done."""
        ...

    @property
    def ignores(self) -> int:
        """As long as no more examples than this have a nonzero value, the result is 0."""
        ...

    def check(self, m: int) -> None:
        """Raise :class:`InputError` if m examples are too few."""
        ...

    def of_rows(self, rows: Tensor) -> Tensor:
        """``[m, n]`` → ``[n]``."""
        ...

    def of_products(self, left: Tensor, right: Tensor) -> Tensor:
        """Of the rows ``left_i ⊗ right_i``, ``[m, p]`` and ``[m, d]`` → ``[p, d]``."""
        ...


@dataclass(frozen=True)
class _AtTheEnds:
    """What clamping and dropping the c largest and smallest values have in common."""

    c: int

    def __post_init__(self) -> None:
        _check_count("c", self.c, 0)

    @property
    def plain(self) -> bool:
        """Whether ``c`` is 0."""
        return self.c == 0

    @property
    def ignores(self) -> int:
        """``c``: so few nonzero values are all clamped to 0, or dropped."""
        return self.c

    def check(self, m: int) -> None:
        """Raise :class:`InputError` if m is below ``2c + 1``."""
        _check_batch(self.c, m)

    def of_rows(self, rows: Tensor) -> Tensor:
        """``[m, n]`` → ``[n]``."""
        return self.of_products(rows.new_ones(len(rows), 1), rows)[0]

    def of_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``[m, p]``, ``[m, d]`` → ``[p, d]``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Clamp(_AtTheEnds):
    """The winsorized sum of level c: the c largest and smallest values are clamped to the next ones.

    Chatterjee 2020, "Coherent Gradients", §3.

    Attributes:
        c: Values to clamp at each end.

    Raises:
        InputError: If ``c`` is no whole number of at least 0.

    Example:
        >>> Clamp(1).of_rows(torch.tensor([[1.0], [2.0], [90.0]]))
        tensor([6.])
    """

    def of_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``[m, p]``, ``[m, d]`` → ``[p, d]``."""
        return clamped_products(left, right, c=self.c)


@dataclass(frozen=True)
class Drop(_AtTheEnds):
    """The trimmed mean times m: the c largest and smallest values are left out.

    Yin et al. 2018, arXiv 1803.01498.

    Attributes:
        c: Values to drop at each end.

    Raises:
        InputError: If ``c`` is no whole number of at least 0.

    Example:
        >>> Drop(1).of_rows(torch.tensor([[1.0], [2.0], [90.0]]))
        tensor([6.])
    """

    def of_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``[m, p]``, ``[m, d]`` → ``[p, d]``."""
        m = len(left)
        return clamped_products(left, right, c=self.c, drop=True, scale=m / max(m - 2 * self.c, 1))


@dataclass(frozen=True)
class GroupMedian:
    """The median of the means of groups of neighbouring examples, times m.

    Zielinski, Krishnan & Chatterjee 2020, "Weak and Strong Gradient Directions", arXiv 2003.07422, with
    three.

    Attributes:
        groups: How many groups.

    Raises:
        InputError: If ``groups`` is no whole number of at least 1.

    Example:
        >>> GroupMedian(3).of_rows(torch.tensor([[1.0], [2.0], [90.0]]))
        tensor([6.])
    """

    groups: int

    def __post_init__(self) -> None:
        _check_count("groups", self.groups, 1)

    @property
    def plain(self) -> bool:
        """Whether there is one group only."""
        return self.groups == 1

    @property
    def ignores(self) -> int:
        """Fewer than half of the groups."""
        return (self.groups - 1) // 2

    def check(self, m: int) -> None:
        """Raise :class:`InputError` if there are more groups than examples."""
        if m < self.groups:
            raise InputError(
                f"`groups` must be at most the number of examples in a batch. Got groups={self.groups} with "
                f"a batch of {m}: use larger batches (drop_last=True for the last one) or fewer groups."
            )

    def of_rows(self, rows: Tensor) -> Tensor:
        """``[m, n]`` → ``[n]``."""
        return len(rows) * median(torch.stack([part.mean(0) for part in rows.tensor_split(self.groups)]))

    def of_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``[m, p]``, ``[m, d]`` → ``[p, d]``."""
        pairs = zip(left.tensor_split(self.groups), right.tensor_split(self.groups), strict=True)
        means = torch.stack([(a.t() @ b).mul_(len(left) / len(a)).flatten() for a, b in pairs])
        return median(means).view(left.shape[1], right.shape[1])


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"`{name}` must be a whole number of at least {least}. Got {value!r}.")


def _check_batch(c: int, m: int) -> None:
    if m < 2 * c + 1:
        raise InputError(
            f"`c` must be below half the number of examples in a batch. Got c={c} with a batch of {m}: use "
            f"batches of at least {2 * c + 1} (drop_last=True for the last one) or a smaller c."
        )
