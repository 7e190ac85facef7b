"""Networks that are trained for some epochs, kept at several, and turned into whole numbers."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rote.circuits.compile import FixedNet, quantise_net
from rote.learners import batches, logits, mlp
from rote.studies._study import Config
from rote.studies.counterfactual_simulation._data import Choice, images


class Training(NamedTuple):
    """A training; its hash is the key under which a process keeps what came out of it.

    Attributes:
        choice: The data.
        hidden: Width of each hidden layer.
        stops: After which epochs the network is kept, ascending.
        batch: Examples a step.
        lr: Learning rate of Adam.
    """

    choice: Choice
    hidden: tuple[int, ...]
    stops: tuple[int, ...]
    batch: int
    lr: float

    @staticmethod
    def of(config: Config) -> "Training":
        """The training that a configuration names."""
        hidden, stops = tuple(config["hidden"]), tuple(sorted(config["stops"]))
        return Training(Choice.of(config), hidden, stops, config["batch"], config["lr"])


class Snapshot(NamedTuple):
    """A network after some epochs.

    Attributes:
        net: In fixed point, as it is compiled.
        train: Accuracy of the float network on the training examples, under the labels trained on.
        test: The same on test examples.
    """

    net: FixedNet
    train: float
    test: float


@lru_cache(maxsize=16)
def snapshots(training: Training, seed: int, data_dir: Path | None) -> Mapping[int, Snapshot]:
    """Train, and keep the network at each stop. Figures ask for the same training again and again.

    Args:
        training: What is trained.
        seed: Of weights, order and labels.
        data_dir: Where the data lie.

    Example:
        >>> digits = Choice("digits", 200, 0, "real", 0.0)
        >>> found = snapshots(Training(digits, (16,), (1, 5), 20, 0.01), 0, None)
        >>> sorted(found), found[1].train < found[5].train, found[5].net.shape
        ([1, 5], True, (64,))
    """
    data = images(training.choice, seed, data_dir)
    # A byte is byte / 256 to the gates, so it is that to the network.
    x, x_test = (torch.from_numpy(part).float() / 256 for part in (data.x, data.x_test))
    y, y_test = torch.from_numpy(data.y), torch.from_numpy(data.y_test)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = mlp((x.shape[1],), data.classes, hidden=training.hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=training.lr, fused=True)
    found = {}
    for epoch in range(max(training.stops)):
        for batch in batches(len(y), training.batch, seed=seed, epoch=epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        if epoch + 1 in training.stops:
            net = quantise_net(model, (x.shape[1],))
            found[epoch + 1] = Snapshot(net, accuracy(model, x, y), accuracy(model, x_test, y_test))
    return found


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of examples ``x`` that are answered as labelled.

    Example:
        >>> accuracy(nn.Identity(), torch.eye(4), torch.tensor([0, 1, 2, 0]))
        0.75
    """
    return float((logits(model, x).argmax(1) == y).double().mean())
