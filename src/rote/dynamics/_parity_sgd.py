"""Stochastic gradient descent on a parity: a plateau, then a jump, and what moves meanwhile."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError

_TEST = 4096


@dataclass(frozen=True, eq=False)
class ParityCurve:
    """How a network learns a parity, or does not: T checks.

    Attributes:
        steps: Shape ``[T]``, int64, from 0.
        accuracy: On fresh examples, shape ``[T]``; a guess has 0.5.
        moved_on: Mean distance |W - W_0| of the first layer's weights from S, shape ``[T]``.
        moved_off: Of those from the other coordinates; nan if there are none.
        subset: S, shape ``[k]``.
        n: Coordinates.
        target: The accuracy at which it stopped, if it did.

    Example:
        >>> curve = learn_parity(6, 2, width=50, check=25, seed=0)
        >>> curve.learned is not None, curve.accuracy[0] < 0.8, curve.accuracy[-1] >= 0.99
        (True, np.True_, np.True_)
    """

    steps: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    moved_on: NDArray[np.float64]
    moved_off: NDArray[np.float64]
    subset: NDArray[np.int64]
    n: int
    target: float

    @property
    def learned(self) -> int | None:
        """The first step checked with the target accuracy; None if it was never reached."""
        at = np.flatnonzero(self.accuracy >= self.target)
        return int(self.steps[at[0]]) if at.size else None

    @property
    def hidden_progress(self) -> float:
        """How much farther weights from S have moved than others when accuracy was last below 0.55, minus 1.

        Nan if there was no such check after step 0, or S is everything.
        """
        still = np.flatnonzero((self.accuracy < 0.55) & (self.steps > 0))
        return float(self.moved_on[still[-1]] / self.moved_off[still[-1]] - 1) if still.size else float("nan")

    def __repr__(self) -> str:
        end = (
            f"learned at step {self.learned}"
            if self.learned is not None
            else f"not in {self.steps[-1]} steps"
        )
        return f"ParityCurve(n={self.n}, k={len(self.subset)}: {end}, accuracy {self.accuracy[-1]:.3f})"

    def to_dict(self) -> dict[str, Any]:
        """The fields, JSON-ready; nan where S is everything becomes None."""
        off = [None if np.isnan(v) else v for v in self.moved_off.tolist()]
        return {
            "n": self.n,
            "subset": self.subset.tolist(),
            "target": self.target,
            "steps": self.steps.tolist(),
            "accuracy": self.accuracy.tolist(),
            "moved_on": self.moved_on.tolist(),
            "moved_off": off,
            "learned": self.learned,
        }


def learn_parity(
    n: int,
    k: int,
    *,
    width: int = 100,
    lr: float = 0.1,
    batch: int = 32,
    steps: int = 20_000,
    check: int = 50,
    target: float = 0.99,
    seed: int,
) -> ParityCurve:
    """Train a network of one hidden ReLU layer on the parity of the first k of n coordinates, online.

    Every step sees new examples, so nothing can be memorised. Hinge loss, plain SGD, no decay. S is the first
    k coordinates: the network knows no order of them, so nothing is lost. Few coordinates (Barak et al. 2022)
    are learnt after a plateau in which only ``moved_on`` tells progress; for half of many, no step helps.

    Args:
        n: Coordinates.
        k: How many of them the parity has, 1 to n.
        width: Hidden units, of torch's default initialisation.
        lr: Learning rate.
        batch: Examples a step.
        steps: At most.
        check: Steps between two checks on 4096 fresh examples.
        target: Accuracy at which to stop.
        seed: Of weights and examples.

    Raises:
        InputError: If an option is out of range.

    Example:
        >>> learn_parity(30, 15, steps=100, check=50, seed=0).learned is None
        True
    """
    if not 1 <= k <= n or min(width, batch, steps, check) < 1 or not lr > 0:
        raise InputError(
            f"`k` must be 1 to n, `width`, `batch`, `steps` and `check` at least 1 and `lr` above 0. "
            f"Got k={k}, n={n}, {width=}, {batch=}, {steps=}, {check=}, {lr=}."
        )
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(n, width), nn.ReLU(), nn.Linear(width, 1))
    weight = net[0].weight
    assert isinstance(weight, Tensor)
    start = weight.detach().clone()
    rows: list[tuple[int, float, float, float]] = []
    for step in range(steps + 1):
        if step % check == 0 or step == steps:
            moved = (weight.detach() - start).abs()
            x, y = _examples(_TEST, n, k, draw)
            with torch.no_grad():
                accuracy = float(((net(x)[:, 0] > 0) == (y > 0)).double().mean())
            rows.append((step, accuracy, float(moved[:, :k].mean()), float(moved[:, k:].mean())))
            if accuracy >= target or step == steps:
                break
        x, y = _examples(batch, n, k, draw)
        loss = nn.functional.relu(1 - y * net(x)[:, 0]).mean()
        parameters = list(net.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.sub_(lr * gradient)
    at, accuracy_at, on, off = (np.array(column) for column in zip(*rows, strict=True))
    return ParityCurve(at.astype(np.int64), accuracy_at, on, off, np.arange(k), n, target)


def _examples(m: int, n: int, k: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    x = 2.0 * torch.randint(0, 2, (m, n), generator=draw) - 1
    return x, x[:, :k].prod(1)
