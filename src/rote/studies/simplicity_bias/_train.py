"""The one way in which networks of this study learn: SGD on the logistic loss, with looks on the way."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.dynamics import PlantedData
from rote.learners import mlp
from rote.studies._noisy import endless_batches
from rote.studies._study import Config

Look = Callable[[int], bool]


def classifier(inputs: int, hidden: Sequence[int], seed: int) -> nn.Sequential:
    """A fully connected network with one output, its weights drawn from this seed.

    Example:
        >>> [tuple(p.shape) for p in classifier(2, [4], seed=0).parameters()]
        [(4, 2), (4,), (1, 4), (1,)]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return mlp((inputs,), 1, hidden=hidden)


def train(model: nn.Module, data: PlantedData, config: Config, seed: int, look: Look) -> None:
    """Train in place; ``look`` is called every so many steps, first and last too, and says whether to stop.

    Args:
        model: Gives one logit, ``[b, 1]``; on the device on which it is to be trained.
        data: What is learned.
        config: ``lr``, ``batch``, ``momentum``, ``weight_decay``; ``steps``, the most to take, and ``every``.
        seed: Of the examples' order.
        look: Given the number of steps taken.

    Example:
        >>> from rote.dynamics import lms
        >>> config = {"lr": 0.1, "batch": 10, "momentum": 0.0, "weight_decay": 0.0, "steps": 5, "every": 2}
        >>> seen = []
        >>> data = lms(5, 40, d=3, seed=0)
        >>> train(classifier(3, [4], 0), data, config, 0, lambda step: bool(seen.append(step)))
        >>> seen
        [0, 2, 4, 5]
    """
    x, y = tensors(data, next(model.parameters()).device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config["lr"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
    )
    batches = endless_batches(len(y), int(config["batch"]), seed=seed)
    for step in range(int(config["steps"]) + 1):
        last = step == config["steps"]
        if (last or step % config["every"] == 0) and look(step):
            return
        if not last:
            batch = next(batches).to(x.device)
            loss = nn.functional.binary_cross_entropy_with_logits(model(x[batch])[:, 0], y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def tensors(data: PlantedData, device: torch.device) -> tuple[Tensor, Tensor]:
    """Inputs, and labels as float32, on a device.

    Example:
        >>> from rote.dynamics import stripes
        >>> x, y = tensors(stripes(5, seed=0), torch.device("cpu"))
        >>> x.shape, y.dtype
        (torch.Size([5, 2]), torch.float32)
    """
    return torch.from_numpy(data.X).to(device), torch.from_numpy(data.y).float().to(device)


def accuracy(model: nn.Module, data: PlantedData) -> float:
    """Share of examples whose logit has the label's sign.

    Example:
        >>> from rote.dynamics import lms
        >>> 0 <= accuracy(classifier(3, [4], 0), lms(5, 40, d=3, seed=0)) <= 1
        True
    """
    x, y = tensors(data, next(model.parameters()).device)
    with torch.no_grad():
        says: NDArray[np.bool_] = ((model(x)[:, 0] > 0) == (y > 0)).cpu().numpy()
    return float(says.mean())
