"""Remedies that train with robust gradients: which aggregate, how strong, and whether a network allows it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from rote.aggregate import Aggregate, Clamp, GroupMedian
from rote.errors import InputError
from rote.gradients._rules import coupling
from rote.optim import RobustGradients

SHARE = 0.2
"""Of a class's examples in a batch, those that may be clamped at each end."""
GROUPS = 3
"""Of a batch, whose median is taken: as many as M3 has."""


def level(m: int, classes: int) -> int:
    """The level at which a batch of m examples is winsorized: a fifth of what a class has there, at least 1.

    What c examples or fewer want has no say. A class has about ``m / classes`` examples in a batch, so with a
    level near that a network could not even learn the class.

    Returns:
        ``c``, below ``m / 2``; 0 for one or two examples, whose sum stays as it is.

    Example:
        >>> [level(m, 10) for m in (1, 2, 3, 32, 64, 100, 256)], level(64, 2)
        ([0, 0, 1, 1, 1, 2, 5], 6)
    """
    return min(max(round(SHARE * m / classes), 1), (m - 1) // 2)


def clamp(m: int, classes: int) -> Aggregate:
    """What ``winsorize`` makes of a batch of m examples.

    Example:
        >>> clamp(64, 10)
        Clamp(c=1)
    """
    return Clamp(level(m, classes))


def group_median(m: int) -> Aggregate:
    """What ``median`` makes of a batch of m examples.

    Example:
        >>> group_median(64), group_median(2)
        (GroupMedian(groups=3), GroupMedian(groups=2))
    """
    return GroupMedian(min(GROUPS, m))


@dataclass(frozen=True)
class BySize:
    """An aggregate that fits the number of examples: the last batch of an epoch may have few.

    Attributes:
        choose: The aggregate of a batch of m examples.

    Example:
        >>> import torch
        >>> BySize(group_median).of_rows(torch.tensor([[1.0], [2.0], [90.0]]))
        tensor([6.])
        >>> BySize(group_median).of_rows(torch.tensor([[90.0]]))
        tensor([90.])
    """

    choose: Callable[[int], Aggregate]

    @property
    def plain(self) -> bool:
        """Not known before the batch is."""
        return False

    @property
    def ignores(self) -> int:
        """None, for in the smallest batch every example has a say."""
        return 0

    def check(self, m: int) -> None:
        """Raise nothing: every m has an aggregate that fits."""

    def of_rows(self, rows: Tensor) -> Tensor:
        """``[m, n]`` → ``[n]``."""
        return self.choose(len(rows)).of_rows(rows)

    def of_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``[m, p]``, ``[m, d]`` → ``[p, d]``."""
        return self.choose(len(left)).of_products(left, right)


def robust(name: str, classes: int) -> BySize | None:
    """What a remedy puts in the place of the sum of a batch's gradients; ``None``: nothing.

    Example:
        >>> robust("winsorize", 10).choose(64), robust("median", 10).choose(64), robust("relabel", 10)
        (Clamp(c=1), GroupMedian(groups=3), None)
    """
    # Functions of a module, for cells go to other processes.
    chosen = {"winsorize": BySize(partial(clamp, classes=classes)), "median": BySize(group_median)}
    return chosen.get(name)


def robustly(model: nn.Module, aggregate: Aggregate | None) -> AbstractContextManager[object]:
    """While it lasts, ``backward()`` leaves robust gradients; plain ones where the aggregate is ``None``.

    Example:
        >>> import torch
        >>> model = nn.Linear(1, 1, bias=False)
        >>> with robustly(model, BySize(group_median)):
        ...     model(torch.tensor([[1.0], [2.0], [90.0]])).mean().backward()
        >>> model.weight.grad
        tensor([[2.]])
    """
    return nullcontext() if aggregate is None else RobustGradients(model, aggregate)


def why_not(model: nn.Module, x: Tensor, y: Tensor, aggregate: Aggregate) -> str:
    """Why a network cannot be trained with robust gradients, found by one backward pass.

    Args:
        model: A fresh one, in training mode from now on; its gradients change.
        x: A batch, shape ``[b, …]``.
        y: Its labels, shape ``[b]``.
        aggregate: What is to stand in the place of the sum.

    Returns:
        A sentence; ``""`` if it can.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        >>> why_not(model, torch.eye(2), torch.tensor([0, 1]), BySize(group_median))[:78]
        'Not possible here: layer `1` (BatchNorm1d) takes statistics over the batch, so'
    """
    model.train()
    for name, module in model.named_modules():
        if why := coupling(module):
            norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
            instead = "; with nn.GroupNorm in its place they have" if norm else ""
            kind = type(module).__name__
            return (
                f"Not possible here: layer `{name or kind}` ({kind}) {why}, "
                f"so single examples have no gradient of their own{instead}."
            )
    try:
        with robustly(model, aggregate):
            nn.functional.cross_entropy(model(x), y).backward()
    except InputError as error:
        return f"Not possible here: {error}"
    return ""
