"""What an audit refuses before anything is trained."""

from collections.abc import Sequence

import torch

from rote.audit._plan import REMEDIES
from rote.data import Splits
from rote.errors import InputError

SMALLEST = 50
"""Training examples below which an audit says nothing worth reading."""


def refuse_unusable(splits: Splits, tries: Sequence[str], runs: int) -> None:
    """Too few examples, more runs than examples, an unknown remedy."""
    if len(splits.train) < SMALLEST:
        raise InputError(
            f"`{splits.train.name}` must have at least {SMALLEST} training examples for an audit. "
            f"Got {len(splits.train)}."
        )
    if runs > len(splits.train):
        raise InputError(
            f"`seeds` must be at most the number of training examples, each run leaving out some of them. "
            f"Got {runs} for {len(splits.train)} examples."
        )
    for name in tries:
        if name not in REMEDIES:
            raise InputError(f"`try` must be among {', '.join(REMEDIES)}. Got {name!r}.")


def refuse_misfit(network: torch.nn.Module, splits: Splits) -> None:
    """One forward pass of two examples, so that a network that does not fit the data says so at once."""
    train = splits.train
    network.eval()
    try:
        with torch.no_grad():
            out = network(torch.from_numpy(train.inputs(slice(0, 2))))
    except Exception as error:
        raise InputError(
            f"`model`: the network cannot take examples of shape {list(train.shape)} "
            f"({' '.join(str(error).split())})."
        ) from error
    if not isinstance(out, torch.Tensor) or tuple(out.shape) != (2, len(train.classes)):
        shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise InputError(
            f"`model`: the network must return logits of shape [b, {len(train.classes)}]. "
            f"Got {shape} for b=2."
        )
