"""What studies of label noise share: noisy data, the authors' network, and when to look at it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from rote.data import Splits, load, plant
from rote.learners import batches, mlp
from rote.studies._study import Config, Place


@dataclass(frozen=True, eq=False)
class Noisy:
    """A data set, part of its training labels permuted.

    Attributes:
        x: Training inputs, ``[m, …]`` float32.
        y: Labels trained on, ``[m]``.
        corrupt: Which of them are not the true ones, ``[m]`` bool.
        x_test: Test inputs.
        y_test: Test labels, all true.
        classes: Number of classes.
    """

    x: Tensor
    y: Tensor
    corrupt: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: int

    @property
    def proper(self) -> float:
        """Share of training labels that are true: the accuracy of a network that fits no wrong one."""
        return 1 - float(self.corrupt.double().mean())


def noisy(config: Config, seed: int, place: Place) -> Noisy:
    """The data of a cell.

    Each example is selected with probability ``noise``; the labels of the selected are permuted among
    them, as in the released code of Chatterjee 2020.

    Args:
        config: ``data``; ``train`` and ``test``, how many examples of each (``None``: all); ``noise``.
        seed: Of the noise.
        place: Where the data lie, and the device.

    Example:
        >>> config = {"data": "digits", "train": 100, "test": 50, "noise": 0.5}
        >>> found = noisy(config, 0, Place())
        >>> found.x.shape, len(found.y_test), 0.4 < found.proper < 0.7
        (torch.Size([100, 1, 8, 8]), 50, True)
    """
    splits = _loaded(config["data"], config["train"], place.data_dir)
    train = plant(splits.train, "permute", config["noise"], seed=seed) if config["noise"] else splits.train
    test = splits.test[slice(0, config["test"])]
    return Noisy(
        torch.from_numpy(train.inputs()).to(place.device),
        torch.from_numpy(train.y).to(place.device),
        torch.from_numpy(train.corrupt).to(place.device),
        torch.from_numpy(test.inputs()).to(place.device),
        torch.from_numpy(test.y).to(place.device),
        len(train.classes),
    )


@lru_cache(maxsize=2)
def _loaded(name: str, limit: int | None, data_dir: Path | None) -> Splits:
    return load(name, data_dir=data_dir, limit=limit)


def network(shape: Sequence[int], classes: int, hidden: Sequence[int], seed: int) -> nn.Sequential:
    """An MLP that starts as in the released code of Chatterjee 2020.

    Weights are normal with standard deviation ``2/√(n_in + n_out)``, √2 times what the paper's text says
    (Xavier); biases are 0.

    Example:
        >>> net = network((1, 28, 28), 10, (2048,), seed=0)
        >>> round(net[1].weight.std().item() * (784 + 2048) ** 0.5, 2), net[1].bias.abs().max().item()
        (2.0, 0.0)
    """
    generator = torch.Generator().manual_seed(seed)
    net = mlp((prod(shape),), classes, hidden=hidden)
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                std = 2 / (layer.in_features + layer.out_features) ** 0.5
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * std)
                layer.bias.zero_()
    return net


def evaluation_steps(last: int) -> list[int]:
    """When the released code of Chatterjee 2020 looks: more often early, ten looks a power of ten.

    Example:
        >>> evaluation_steps(250)
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 250]
    """
    found = set(range(min(10, last + 1)))
    step = 10
    while step <= last:
        found |= set(range(step, min(10 * step, last + 1), step))
        step = min(10 * step, 10_000) if step < 10_000 else last + 1
    if last >= 10_000:
        found |= set(range(10_000, last + 1, 10_000))
    return sorted(found | {last})


def endless_batches(m: int, size: int, *, seed: int) -> Iterator[Tensor]:
    """Index batches without end, shuffled anew every epoch; an epoch's rest that fills no batch is left out.

    Example:
        >>> found = endless_batches(5, 2, seed=0)
        >>> [len(next(found)) for _ in range(6)]
        [2, 2, 2, 2, 2, 2]
    """
    epoch = 0
    while True:
        yield from (batch for batch in batches(m, size, seed=seed, epoch=epoch) if len(batch) == min(size, m))
        epoch += 1


def mean_loss_and_hits(model: nn.Module, x: Tensor, y: Tensor, *, chunk: int = 2000) -> tuple[float, Tensor]:
    """Mean cross-entropy, and which examples are predicted as labelled, ``[m]`` bool.

    Example:
        >>> model = nn.Identity()
        >>> loss, hits = mean_loss_and_hits(model, torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))
        >>> round(loss, 4), hits.tolist()
        (0.6931, [True, False, True, False])
    """
    with torch.no_grad():
        outputs = torch.cat([model(part) for part in x.split(chunk)])
        loss = float(nn.functional.cross_entropy(outputs, y))
        return loss, outputs.argmax(1) == y


def shares(hits: Tensor, corrupt: Tensor) -> tuple[float | None, float | None]:
    """Share of hits among the pristine and among the corrupt examples; ``None`` where there is none.

    Example:
        >>> shares(torch.tensor([True, False, True]), torch.tensor([False, False, True]))
        (0.5, 1.0)
    """
    pristine = hits[~corrupt].double()
    wrong = hits[corrupt].double()
    return (
        float(pristine.mean()) if len(pristine) else None,
        float(wrong.mean()) if len(wrong) else None,
    )
