"""The one plain training loop."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: stochastic gradient descent on the mean cross-entropy, nothing else.

    Attributes:
        epochs: Passes over the examples.
        batch: Examples a step; the last step of an epoch takes what is left.
        lr: Learning rate, constant.
        momentum: Momentum of the update (Polyak; torch's ``SGD``).
        weight_decay: Coupled L2 penalty.

    Example:
        >>> Recipe(epochs=2).to_dict()["batch"]
        64
    """

    epochs: int = 30
    batch: int = 64
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """The fields, JSON-ready."""
        return asdict(self)


@dataclass
class Progress:
    """Where training stands, and all that is needed to go on from there.

    Attributes:
        epoch: Epochs finished.
        step: Steps taken.
        optimizer: The optimizer's state.

    Example:
        >>> progress = start(nn.Linear(2, 2), Recipe(lr=0.1))
        >>> progress.epoch, progress.step, progress.optimizer.param_groups[0]["lr"]
        (0, 0, 0.1)
    """

    epoch: int
    step: int
    optimizer: torch.optim.SGD


def order(m: int, *, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch visits m examples: a function of seed and epoch alone.

    So a run that was stopped after any epoch goes on exactly as it would have.

    Returns:
        A permutation of ``0 … m - 1``, int64.

    Example:
        >>> torch.equal(order(5, seed=1, epoch=3), order(5, seed=1, epoch=3))
        True
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(m, generator=generator)


def start(model: nn.Module, recipe: Recipe) -> Progress:
    """A training that has not begun.

    Example:
        >>> start(nn.Linear(2, 2), Recipe()).epoch
        0
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(
        trainable, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    return Progress(epoch=0, step=0, optimizer=optimizer)


def train_epoch(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    recipe: Recipe,
    progress: Progress,
    *,
    seed: int,
    on_step: Callable[[int], None] | None = None,
) -> None:
    """One pass over the examples, in place.

    Args:
        model: Called on ``[b, …]``, returns logits ``[b, classes]``.
        x: Inputs, shape ``[m, …]``.
        y: Labels, shape ``[m]``, int64.
        recipe: Batch size; the rest of it is already in ``progress.optimizer``.
        progress: Moved on by this epoch.
        seed: Of the examples' order.
        on_step: Called before each step with the number of steps taken so far.

    Example:
        >>> net, recipe = nn.Linear(2, 2), Recipe(batch=2)
        >>> progress = start(net, recipe)
        >>> train_epoch(net, torch.eye(2), torch.tensor([0, 1]), recipe, progress, seed=0)
        >>> progress.epoch, progress.step
        (1, 1)
    """
    model.train()
    for index in batches(len(y), recipe.batch, seed=seed, epoch=progress.epoch):
        if on_step is not None:
            on_step(progress.step)
            model.train()
        loss = nn.functional.cross_entropy(model(x[index]), y[index])
        progress.optimizer.zero_grad()
        loss.backward()
        progress.optimizer.step()
        progress.step += 1
    progress.epoch += 1


def batches(m: int, size: int, *, seed: int, epoch: int) -> Iterator[Tensor]:
    """Index batches of one epoch, each at most ``size`` long.

    Example:
        >>> sorted(len(b) for b in batches(5, 2, seed=0, epoch=0))
        [1, 2, 2]
    """
    yield from order(m, seed=seed, epoch=epoch).split(size)


@torch.no_grad()
def logits(model: nn.Module, x: Tensor, *, chunk: int = 1000) -> Tensor:
    """What the model says of every example, in evaluation mode; the mode is left as it was.

    Args:
        model: Called on ``[b, …]``.
        x: Inputs, shape ``[m, …]``.
        chunk: Examples a call.

    Returns:
        Shape ``[m, classes]``.

    Example:
        >>> logits(nn.Linear(3, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """
    was_training = model.training
    model.eval()
    try:
        return torch.cat([model(part) for part in x.split(chunk)])
    finally:
        model.train(was_training)
