"""Training that can stop and go on at any step: SGD with drops of the learning rate, or Adam."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rote.dynamics import evaluator
from rote.learners import order
from rote.studies._noisy import Noisy
from rote.studies._study import Config

CHUNK = 500
"""So many examples are looked at in one call."""

Train = Callable[[nn.Module, Any, int, int, int], Any]
Evaluate = Callable[[nn.Module], tuple[float, float]]


def steps(x: Tensor, y: Tensor, config: Config, seed: int) -> Train:
    """Steps of training for :func:`rote.dynamics.instability`, in orders that each seed has for itself.

    Args:
        x: Inputs, shape ``[m, …]``.
        y: Labels, shape ``[m]``.
        config: ``batch``, ``lr``, and ``optimizer``, ``sgd`` or ``adam``; ``weight_decay`` and, for SGD,
            ``momentum``; ``drops``, the steps from which on the learning rate is a tenth of what it was;
            ``augment``, whether images are mirrored and moved at random, by the order's seed.
        seed: Of the network; what it is given as an order's seed counts from here.

    Example:
        >>> config = {"optimizer": "adam", "lr": 0.1, "batch": 3, "weight_decay": 0.0, "drops": [4]}
        >>> train = steps(torch.eye(4), torch.tensor([0, 1, 0, 1]), config | {"augment": False}, 0)
        >>> once, halved = nn.Linear(4, 2), nn.Linear(4, 2)
        >>> _ = halved.load_state_dict(once.state_dict())
        >>> _ = train(once, None, 0, 6, 7)
        >>> _ = train(halved, train(halved, None, 0, 3, 7), 3, 6, 7)
        >>> torch.equal(once.weight, halved.weight)
        True
    """
    m, batch = len(y), int(config["batch"])
    each = -(-m // batch)

    def train(model: nn.Module, memory: Any, first: int, last: int, number: int) -> Any:  # noqa: ANN401
        own = 100 * seed + number
        optimizer = _optimizer(model, config)
        if memory is not None:
            optimizer.load_state_dict(memory)
        model.train()
        for step in range(first, last):
            for group in optimizer.param_groups:
                group["lr"] = rate(config, step)
            epoch, place = divmod(step, each)
            if place == 0 or step == first:
                batches = order(m, seed=own, epoch=epoch).split(batch)
            index = batches[place].to(x.device)
            shown = moved(x[index], seed=own, step=step) if config["augment"] else x[index]
            loss = nn.functional.cross_entropy(model(shown), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return optimizer.state_dict()

    return train


def rate(config: Config, step: int) -> float:
    """The learning rate at a step.

    Example:
        >>> [rate({"lr": 1.0, "drops": [2, 3]}, step) for step in range(4)]
        [1.0, 1.0, 0.1, 0.01]
    """
    return float(config["lr"] / 10 ** sum(step >= drop for drop in config["drops"]))


def _optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    plain = {"lr": config["lr"], "weight_decay": config["weight_decay"]}
    if config["optimizer"] == "adam":
        return torch.optim.Adam(model.parameters(), **plain)
    return torch.optim.SGD(model.parameters(), momentum=config["momentum"], **plain)


def moved(x: Tensor, *, seed: int, step: int, by: int = 4) -> Tensor:
    """Images mirrored with chance one half, and moved by up to so many pixels with zeros around them.

    Args:
        x: Shape ``[b, c, h, w]``.
        seed: Of the data's order.
        step: Together with the seed it decides what is drawn.
        by: The most pixels.

    Example:
        >>> x = torch.rand(8, 1, 5, 5)
        >>> a, b, c = (moved(x, seed=seed, step=3) for seed in (0, 0, 1))
        >>> a.shape == x.shape, torch.equal(a, b), torch.equal(a, c)
        (True, True, False)
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    mirrored = torch.rand(len(x), generator=generator) < 0.5
    down, right = (torch.randint(2 * by + 1, (len(x), 1), generator=generator) for _ in range(2))
    around = nn.functional.pad(x, (by, by, by, by))
    rows = (down + torch.arange(x.shape[2]))[:, :, None]
    columns = right + torch.arange(x.shape[3])
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)[:, None, :]
    each = torch.arange(len(x))[:, None, None]
    picked: Tensor = around.movedim(1, -1)[each, rows, columns]
    return picked.movedim(-1, 1)


def judged(data: Noisy) -> Evaluate:
    """Error and loss of a model on the test examples."""
    pairs = zip(data.x_test.split(CHUNK), data.y_test.split(CHUNK), strict=True)
    return evaluator(list(pairs))


def shortened(values: Any) -> Any:  # noqa: ANN401
    """Numbers with five digits after the point, also inside lists and dictionaries.

    Example:
        >>> shortened({"error": [0.123456789, 1]})
        {'error': [0.12346, 1]}
    """
    if isinstance(values, dict):
        return {name: shortened(value) for name, value in values.items()}
    if isinstance(values, list):
        return [shortened(value) for value in values]
    return round(values, 5) if isinstance(values, float) else values
