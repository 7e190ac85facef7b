"""Instability to the noise of SGD: copies of a network from step k on, trained on data in different orders.

Frankle, Dziugaite, Roy, Carbin 2020 (arXiv 1912.05671), §2.
"""

import copy
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.dynamics._checkpoints import State
from rote.dynamics._path import Path
from rote.errors import InputError
from rote.learners import Recipe, order

#: Trains a model in place from one step to another, its data in the order of a seed. What training needs
#: beside the model to go on (the optimizer's state; None before step 0) goes in and comes out.
Train = Callable[[nn.Module, Any, int, int, int], Any]


@dataclass(frozen=True, eq=False)
class Copies:
    """Two copies of one network from step k on, at the end of training.

    Attributes:
        k: The step at which they parted.
        seed: Of the network.
        orders: Of each copy's data.
        path: The line between them.
        distance: ‖W - W'‖ over all parameters.
        travelled: How far they are from the network at step 0, the mean of both.

    Example:
        >>> copies = Copies(100, 0, (1, 2), Path.of([0, 0.5, 1], [0.1, 0.2, 0.1], [0, 0, 0]), 3.0, 6.0)
        >>> copies
        Copies from step 100, seed 0, orders 1 and 2: error barrier +0.1, distance 50 % of the way travelled
        >>> Copies.from_dict(copies.to_dict()).key
        (100, 0, (1, 2))
    """

    k: int
    seed: int
    orders: tuple[int, int]
    path: Path
    distance: float
    travelled: float

    @property
    def key(self) -> tuple[int, int, tuple[int, int]]:
        """What tells this pair from others: k, seed and orders."""
        return self.k, self.seed, self.orders

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        plain = {"k": self.k, "seed": self.seed, "orders": list(self.orders), "path": self.path.to_dict()}
        return {**plain, "distance": self.distance, "travelled": self.travelled}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Copies":
        """The inverse of :meth:`to_dict`."""
        first, second = record["orders"]
        path = Path.from_dict(record["path"])
        return cls(
            record["k"], record["seed"], (first, second), path, record["distance"], record["travelled"]
        )

    def __repr__(self) -> str:
        share = f"{self.distance / self.travelled:.0%}".replace("%", " %") if self.travelled else "0 %"
        return (
            f"Copies from step {self.k}, seed {self.seed}, orders {self.orders[0]} and {self.orders[1]}: "
            f"error barrier {self.path.barrier():+.3g}, distance {share} of the way travelled"
        )


def instability(
    make_model: Callable[[int], nn.Module],
    train: Train,
    measure: Callable[[nn.Module, State, State], Path],
    *,
    ks: Sequence[int],
    total: int,
    seeds: Sequence[int] = (0,),
    copies: int = 2,
    done: Container[tuple[int, int, tuple[int, int]]] = (),
) -> Iterator[Copies]:
    """For each k, train copies from step k to the end on different data orders, and measure every pair.

    Up to the last k each network is trained once, in order 0; copies have orders 1, 2, …. Pairs come as they
    are finished, so that they can be kept one by one; what was kept need not be done again. The paper has
    three seeds and three copies.

    Args:
        make_model: From a seed to a new network, its weights drawn from that seed.
        train: From a model, its memory (see :data:`Train`), first step, last step and order to the new
            memory; such as :func:`sgd_steps`. It must be a function of these alone.
        measure: From the architecture and two states to the path between them, such as ``lambda model, a, b:
            line(model, a, b, evaluate, statistics=batches)``, perhaps after :func:`match_weights`.
        ks: The steps at which copies part.
        total: Steps of the whole training.
        seeds: Of the networks.
        copies: How many for each k; every pair of them is measured.
        done: Keys (:attr:`Copies.key`) of pairs to leave out.

    Raises:
        InputError: If a k is outside 0 to ``total``, ``copies`` is below 2, or ``ks`` or ``seeds`` is empty.

    Example:
        >>> def train(model, memory, first, last, order):  # a walk of its own for each order
        ...     torch.manual_seed(order)
        ...     for step in range(last - first):
        ...         model.weight.data.add_(torch.randn(1, 1))
        >>> def measure(model, a, b):
        ...     return Path.of([0, 1], [0.0, 0.0], [0.0, 0.0])
        >>> for pair in instability(lambda seed: nn.Linear(1, 1), train, measure, ks=[0, 5], total=5):
        ...     print(pair.k, pair.distance > 0)
        0 True
        5 False
    """
    steps = sorted(set(ks))
    if not steps or not seeds or copies < 2 or steps[0] < 0 or steps[-1] > total:
        raise InputError(
            f"`instability` needs steps `ks` within 0 to {total}, at least one of `seeds` and two `copies`. "
            f"Got ks={list(ks)}, seeds={list(seeds)}, copies={copies}."
        )
    pairs = list(combinations(range(1, copies + 1), 2))

    def sweep() -> Iterator[Copies]:
        for seed in seeds:
            open_ = {k: [pair for pair in pairs if (k, seed, pair) not in done] for k in steps}
            model, memory, at = make_model(seed), None, 0
            start = _copied(model.state_dict())
            for k in (k for k in steps if open_[k]):
                memory = train(model, memory, at, k, 0)
                at = k
                ends = {}
                for number in sorted({number for pair in open_[k] for number in pair}):
                    twin = copy.deepcopy(model)
                    train(twin, copy.deepcopy(memory), k, total, number)
                    ends[number] = _copied(twin.state_dict())
                for first, second in open_[k]:
                    path = measure(model, ends[first], ends[second])
                    ways = [_distance(model, start, ends[number]) for number in (first, second)]
                    between = _distance(model, ends[first], ends[second])
                    yield Copies(k, seed, (first, second), path, between, sum(ways) / 2)

    return sweep()


def stable_from(found: Iterable[Copies], *, level: float = 0.02) -> int | None:
    """The first k from which on, at every k measured, the mean error barrier stays below a level.

    Args:
        found: Pairs of copies.
        level: 2 points of error, as in the paper.

    Returns:
        ``None`` if the last k is not stable.

    Raises:
        InputError: If there is no pair.

    Example:
        >>> def copies(k, height):
        ...     return Copies(k, 0, (1, 2), Path.of([0, 0.5, 1], [0.1, 0.1 + height, 0.1], [0, 0, 0]), 1, 1)
        >>> stable_from([copies(0, 0.5), copies(10, 0.01), copies(20, 0.0)])
        10
    """
    heights: dict[int, list[float]] = {}
    for pair in found:
        heights.setdefault(pair.k, []).append(pair.path.barrier("error"))
    if not heights:
        raise InputError("`stable_from` needs at least one pair of copies. Got none.")
    first = None
    for k in sorted(heights, reverse=True):
        if not np.mean(heights[k]) < level:
            break
        first = k
    return first


def sgd_steps(x: Tensor, y: Tensor, recipe: Recipe) -> Train:
    """Plain SGD that can stop and go on at any step, for :func:`instability`.

    The examples' order is that of :func:`rote.learners.order`, a function of the order's seed and the epoch;
    momentum goes over from step to step and to copies.

    Args:
        x: Inputs, shape ``[m, …]``.
        y: Labels, shape ``[m]``, int64.
        recipe: Batch, learning rate, momentum, weight decay; the epochs do not count.

    Example:
        >>> train = sgd_steps(torch.eye(4), torch.tensor([0, 1, 0, 1]), Recipe(batch=3))
        >>> once, halved = nn.Linear(4, 2), nn.Linear(4, 2)
        >>> _ = halved.load_state_dict(once.state_dict())
        >>> _ = train(once, None, 0, 5, 7)
        >>> _ = train(halved, train(halved, None, 0, 3, 7), 3, 5, 7)
        >>> torch.equal(once.weight, halved.weight)
        True
    """
    m = len(y)
    each = -(-m // recipe.batch)

    def train(model: nn.Module, memory: Any, first: int, last: int, seed: int) -> Any:  # noqa: ANN401
        optimizer = torch.optim.SGD(
            model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        if memory is not None:
            optimizer.load_state_dict(memory)
        model.train()
        for step in range(first, last):
            epoch, place = divmod(step, each)
            if place == 0 or step == first:
                batches = order(m, seed=seed, epoch=epoch).split(recipe.batch)
            index = batches[place]
            loss = nn.functional.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return optimizer.state_dict()

    return train


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def _distance(model: nn.Module, a: State, b: State) -> float:
    """Over parameters, a tied one once."""
    squares = [(a[name] - b[name]).double().square().sum() for name, _ in model.named_parameters()]
    return float(torch.stack([s.cpu() for s in squares]).sum().sqrt())
