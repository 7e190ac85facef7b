"""Weight matching: the order of one network's units in which its weights are closest to another's.

Ainsworth, Hayase, Srinivasa 2022, Git Re-Basin (arXiv 2209.04836), Algorithm 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from rote.dynamics._symmetry import Axis, Group, permuted, reordered, symmetries
from rote.errors import InputError

Orders = list[NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Matching:
    """The order found, and the state in that order.

    Attributes:
        state: ``b`` with its units in the new order; it computes what ``b`` computes.
        orders: For each group, which unit of ``b`` comes to each place.
        before: ``⟨a, b⟩`` over the arrays with hidden units, as they were.
        after: The same with ``b`` in the new order; never below ``before``.
        sweeps: Times that all groups were gone through.

    Example:
        >>> Matching({}, (np.array([1, 0]), np.array([0, 1, 2])), 1.0, 3.5, 2)
        Matching: 2 groups, 2 of 5 units moved; ⟨a, b⟩ 1 → 3.5 in 2 sweeps
    """

    state: Mapping[str, Tensor]
    orders: tuple[NDArray[np.int64], ...]
    before: float
    after: float
    sweeps: int

    def __repr__(self) -> str:
        moved = sum(int((order != np.arange(len(order))).sum()) for order in self.orders)
        return (
            f"Matching: {len(self.orders)} groups, {moved} of {sum(map(len, self.orders))} units moved; "
            f"⟨a, b⟩ {self.before:.4g} → {self.after:.4g} in {self.sweeps} sweeps"
        )


def match_weights(
    model: nn.Module,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    groups: Sequence[Group] | None = None,
    sweeps: int = 100,
    seed: int = 0,
) -> Matching:
    """Order the hidden units of ``b`` so that its weights are closest to those of ``a``; no data needed.

    One group after the other, in random order, is given its best order while the others stand still, an
    assignment problem each, until nothing improves. That finds a local optimum (the whole problem is NP-hard
    from three layers on), so it is tried from two starts, of which the better end counts: the order as it is,
    and one in which groups were matched from the input on. Interpolating from ``a`` to the result is a fair
    test of whether both lie in one basin; of networks with batch normalisation recompute the statistics.

    Args:
        model: The architecture.
        a: The state that stays.
        b: The state that is reordered.
        groups: What can be swapped, where :func:`symmetries` does not find it.
        sweeps: At most so many times through all groups, from each start.
        seed: Of the order of groups.

    Raises:
        InputError: If the model is not understood, or a state does not fit it.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> order = np.array([3, 0, 5, 1, 2, 4])
        >>> shuffled = permuted(symmetries(net), net.state_dict(), [order])
        >>> found = match_weights(net, net.state_dict(), shuffled)
        >>> order[found.orders[0]].tolist()
        [0, 1, 2, 3, 4, 5]
    """
    groups = symmetries(model) if groups is None else groups
    if sweeps < 1:
        raise InputError(f"`sweeps` must be at least 1. Got {sweeps}.")
    problem = _Problem(groups, a, b)
    rng = np.random.default_rng(seed)
    identity = [np.arange(group.size) for group in groups]
    before = problem.value(identity)
    best = (before, identity, 0)
    for orders in (identity, problem.from_the_input()):
        found, taken = problem.descend(list(orders), sweeps, rng)
        value = problem.value(found)
        best = max(best, (value, found, taken), key=lambda each: each[0])
    after, orders, taken = best
    return Matching(permuted(groups, b, orders), tuple(orders), before, after, taken)


class _Problem:
    """The arrays of both sides in double precision, and which groups lie along their axes."""

    def __init__(self, groups: Sequence[Group], a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
        self._groups = groups
        self._axes: dict[str, list[tuple[int, Axis]]] = {}
        for number, group in enumerate(groups):
            for axis in group.axes:
                if axis.weighs:
                    self._axes.setdefault(axis.name, []).append((number, axis))
                for side, state in (("a", a), ("b", b)):
                    _check(side, state, axis, group.size)
        self._a = {name: a[name].detach().double().cpu() for name in self._axes}
        self._b = {name: b[name].detach().double().cpu() for name in self._axes}

    def value(self, orders: Orders) -> float:
        """``⟨a, b⟩`` with b in these orders."""
        return float(sum((self._a[n] * self._moved(n, orders, None)).sum() for n in self._axes))

    def from_the_input(self) -> Orders:
        """Each group matched by the arrays that hold no group that comes later."""
        orders: Orders = []
        for number, group in enumerate(self._groups):
            known = {n for n, axes in self._axes.items() if all(other <= number for other, _ in axes)}
            partly = [*orders, *(np.arange(g.size) for g in self._groups[number:])]
            gains = self._gains(number, partly, known)
            orders.append(_assign(gains) if known else np.arange(group.size))
        return orders

    def descend(self, orders: Orders, sweeps: int, rng: np.random.Generator) -> tuple[Orders, int]:
        """Best orders of single groups until a sweep changes nothing."""
        for sweep in range(1, sweeps + 1):
            improved = False
            for number in rng.permutation(len(self._groups)):
                gains = self._gains(number, orders, set(self._axes))
                places = np.arange(len(gains))
                order = _assign(gains)
                gain = gains[places, order].sum() - gains[places, orders[number]].sum()
                if gain > 1e-12 * max(1.0, float(np.abs(gains).max())):
                    orders[number], improved = order, True
            if not improved:
                return orders, sweep
        return orders, sweeps

    def _gains(self, number: int, orders: Orders, names: set[str]) -> NDArray[np.float64]:
        """What is gained by unit j of b at place i, shape ``[size, size]``."""
        size = self._groups[number].size
        gains = np.zeros((size, size))
        for name, axes in self._axes.items():
            own = [axis for other, axis in axes if other == number]
            if name in names and own:
                moved = self._moved(name, orders, number)
                gains += (_rows(self._a[name], own[0], size) @ _rows(moved, own[0], size).T).numpy()
        return gains

    def _moved(self, name: str, orders: Orders, but: int | None) -> Tensor:
        value = self._b[name]
        for number, axis in self._axes[name]:
            if number != but:
                value = reordered(value, axis, orders[number])
        return value


def _rows(value: Tensor, axis: Axis, size: int) -> Tensor:
    """One row for each unit, with all that belongs to it."""
    split = value.movedim(axis.axis, 0).reshape(size, axis.places, -1)
    return split.reshape(size, -1)


def _assign(gains: NDArray[np.float64]) -> NDArray[np.int64]:
    if not np.isfinite(gains).all():
        raise InputError("Weights must be finite to be matched. Got nan or infinity.")
    return np.asarray(linear_sum_assignment(gains, maximize=True)[1], np.int64)


def _check(side: str, state: Mapping[str, Tensor], axis: Axis, size: int) -> None:
    value = state.get(axis.name)
    if value is None or value.dim() <= axis.axis or value.shape[axis.axis] != size * axis.places:
        got = "none" if value is None else f"shape {tuple(value.shape)}"
        raise InputError(
            f"`{side}` must hold {axis.name!r} with {size * axis.places} entries along axis {axis.axis}. "
            f"Got {got}."
        )
