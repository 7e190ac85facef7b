"""What is remembered of every example while one network trains."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FLOOR = 1e-3
"""Probabilities are kept from falling below this before logarithms: a loss of at most 6.9 a look."""


@dataclass
class Track:
    """Sums over the looks at a training network, one look after each epoch; m examples, C classes.

    Sums are enough for means and variances, so memory does not grow with epochs.

    Attributes:
        looks: Looks so far, shape ``[1]``.
        loss: Sum of the losses on the given label, shape ``[m]``.
        loss_last: The last look's loss, shape ``[m]``.
        given: Sum of the probability of the given label, shape ``[m]``.
        given_squared: Sum of its square, shape ``[m]``.
        probability: Sum of the class probabilities, shape ``[m, C]``.
        log_probability: Sum of their logarithms (floored), shape ``[m, C]``.
        probability_last: The last look's class probabilities, shape ``[m, C]``.
        first: First epoch after which the label was predicted, 0 for never, shape ``[m]``.
        good: Epoch since which it always was, 0 for not at the end, shape ``[m]``.
    """

    looks: NDArray[np.int64]
    loss: NDArray[np.float64]
    loss_last: NDArray[np.float64]
    given: NDArray[np.float64]
    given_squared: NDArray[np.float64]
    probability: NDArray[np.float64]
    log_probability: NDArray[np.float64]
    probability_last: NDArray[np.float64]
    first: NDArray[np.int64]
    good: NDArray[np.int64]

    @classmethod
    def empty(cls, m: int, classes: int) -> "Track":
        """Nothing seen yet.

        Example:
            >>> Track.empty(3, 2).probability.shape
            (3, 2)
        """
        of_each, of_classes = np.zeros((4, m)), np.zeros((3, m, classes))
        return cls(
            looks=np.zeros(1, np.int64),
            loss=of_each[0],
            loss_last=of_each[1],
            given=of_each[2],
            given_squared=of_each[3],
            probability=of_classes[0],
            log_probability=of_classes[1],
            probability_last=of_classes[2],
            first=np.zeros(m, np.int64),
            good=np.zeros(m, np.int64),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Every field by name, for a run folder."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def look(self, logits: Tensor, y: NDArray[np.int64], *, epoch: int) -> NDArray[np.bool_]:
        """Take in what the network says after an epoch.

        Args:
            logits: Shape ``[m, C]``.
            y: Given labels, shape ``[m]``.
            epoch: Epochs finished, from 1 on.

        Returns:
            Which examples are predicted as labelled, shape ``[m]``.

        Example:
            >>> track = Track.empty(2, 2)
            >>> track.look(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1]), epoch=1).tolist()
            [True, False]
            >>> track.first.tolist(), track.good.tolist()
            ([1, 0], [1, 0])
        """
        log_p = torch.log_softmax(logits.double(), dim=1).cpu().numpy()
        p = np.exp(log_p)
        rows = np.arange(len(y))
        given = p[rows, y]
        self.looks += 1
        self.loss_last = -np.maximum(log_p[rows, y], np.log(FLOOR))
        self.loss += self.loss_last
        self.given += given
        self.given_squared += given**2
        self.probability += p
        self.log_probability += np.maximum(log_p, np.log(FLOOR))
        self.probability_last = p
        right: NDArray[np.bool_] = p.argmax(1) == y
        self.first = np.where(right & (self.first == 0), epoch, self.first)
        self.good = np.where(right, np.where(self.good == 0, epoch, self.good), 0)
        return right
