"""The median over the processes that train one model, where DistributedDataParallel takes the mean."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from rote.aggregate._means import median
from rote.errors import InputError


def median_over_ranks(model: DistributedDataParallel) -> None:
    """From now on, let ``backward()`` leave in ``p.grad`` the median, not the mean, of the ranks' gradients.

    Each rank is a group of examples at the same weights: M3 with as many groups as there are ranks, and an
    update at every step. Any optimizer may follow; :class:`RM3` then takes the median of the last three
    medians. Of an even number of ranks it is the mean of the middle two. A coordinate that is not finite on
    some rank becomes nan on all.

    Args:
        model: The wrapped model, before its first backward pass; every rank must call this.

    Raises:
        InputError: If it is not wrapped, or there are fewer than three ranks, whose median is their mean.

    Example:
        >>> median_over_ranks(torch.nn.Linear(1, 1))
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `model` must be wrapped in DistributedDataParallel. Got Linear.
    """
    if not isinstance(model, DistributedDataParallel):
        raise InputError(f"`model` must be wrapped in DistributedDataParallel. Got {type(model).__name__}.")
    ranks = dist.get_world_size(model.process_group)
    if ranks < 3:
        raise InputError(
            f"`model` must be trained by at least 3 processes, since the median of two is their mean. Got "
            f"{ranks}: use M3 or RM3, whose groups are successive steps."
        )
    model.register_comm_hook(model.process_group, _median_hook)


def _median_hook(group: dist.ProcessGroup, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
    own = bucket.buffer()
    gathered = own.new_empty(dist.get_world_size(group), own.numel())
    parts = list(gathered.unbind())
    work = dist.all_gather(parts, own, group=group, async_op=True)
    assert work is not None
    future: torch.futures.Future[Tensor] = work.get_future().then(lambda _: own.copy_(median(gathered)))
    return future
