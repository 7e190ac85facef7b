"""One model trained by several processes: their statistics joined, and models that are wrapped for it."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rote.errors import InputError

UNEQUAL = (
    "`model` is trained by {} processes with different numbers of examples, {}, whose mean losses weigh "
    "their examples differently: give each the same number, or use a sum with reduction='sum', or "
    "accumulate=True."
)


class Ranks:
    """The processes that train one model together, each on its own examples.

    Every method is a collective operation: all ranks must call it, in the same order.
    """

    def __init__(self, group: dist.ProcessGroup, device: torch.device) -> None:
        self._group, self._device = group, device
        self.size = dist.get_world_size(group)

    def norms(self, own: Callable[[], Tensor]) -> tuple[Tensor, list[int]]:
        """Squared norms ``[L, m]`` of the joined batch in the order of the ranks, and each rank's m.

        Args:
            own: Gives this rank's; if it is refused on one rank, it is on all.
        """
        error: InputError | None = None
        mine = torch.zeros(0, 0)
        try:
            mine = own()
        except InputError as refusal:
            error = refusal
        sizes = [int(s) for s in self._gather(torch.tensor([-1 if error else mine.shape[1]]))]
        if error is not None:
            raise error
        if -1 in sizes:
            raise InputError(
                f"`update()` was refused on rank {sizes.index(-1)}, whose message says why, and so is the "
                "batch on every rank."
            )
        padded = mine.new_zeros(len(mine), max(sizes), dtype=torch.float64)
        padded[:, : mine.shape[1]] = mine
        parts = self._gather(padded)
        return torch.cat([part[:, :m] for part, m in zip(parts, sizes, strict=True)], dim=1).to(
            mine.device
        ), sizes

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the ranks."""
        return self.total(value).div_(self.size)

    def total(self, value: Tensor) -> Tensor:
        """The sum over the ranks; ``value`` stays as it is."""
        joined = value.detach().to(self._device, copy=True)
        dist.all_reduce(joined, group=self._group)
        return joined.to(value.device)

    def _gather(self, value: Tensor) -> list[Tensor]:
        value = value.to(self._device).contiguous()
        parts = [torch.empty_like(value) for _ in range(self.size)]
        dist.all_gather(parts, value, group=self._group)
        return parts


def unwrap(model: nn.Module) -> tuple[nn.Module, Ranks | None, bool]:
    """The module that is wrapped for compilation or several processes, these, and whether it is sharded.

    Raises:
        InputError: If the wrapper hides what must be seen; the sentence names the remedy.

    Example:
        >>> unwrap(nn.Linear(1, 1))
        (Linear(in_features=1, out_features=1, bias=True), None, False)
    """
    ranks = None
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel):
            group: Any = model.process_group
            model, ranks = model.module, Ranks(group, next(model.parameters()).device)
        elif type(model).__name__ == "OptimizedModule" and isinstance(model._orig_mod, nn.Module):
            model = model._orig_mod
        else:
            break
    for name, module in model.named_modules():
        _refuse(module, f"layer `{name}`" if name else "the model")
    group = sharding(model)
    if group is not None:
        ranks = Ranks(group, next(model.parameters()).device)
    return model, ranks, group is not None


def sharding(model: nn.Module) -> dist.ProcessGroup | None:
    """The processes among which FSDP2 splits a model's parameters; ``None`` where each has all of them.

    Raises:
        InputError: If they are split in a way that cannot be followed.
    """
    if not any(kind.__name__ == "FSDPModule" for m in model.modules() for kind in type(m).__mro__):
        return None
    meshes: list[Any] = [getattr(p, "device_mesh", None) for p in model.parameters() if p.requires_grad]
    if any(mesh is None or mesh.ndim != 1 or mesh != meshes[0] for mesh in meshes):
        raise InputError(
            "`model` must be sharded by fully_shard as a whole, over one mesh of one dimension. Got "
            "parameters that are not: call fully_shard(model) after its blocks, or train with "
            "DistributedDataParallel."
        )
    group: dist.ProcessGroup = meshes[0].get_group()
    return group


def _refuse(module: nn.Module, where: str) -> None:
    """Raise if one of a model's modules is wrapped in a way that hides it."""
    if isinstance(module, nn.DataParallel):
        raise InputError(
            f"`model` must be run in one piece. Got {where} in nn.DataParallel, which runs copies of it: use "
            "DistributedDataParallel, or watch the module inside on one device."
        )
    if isinstance(module, nn.parallel.DistributedDataParallel):
        raise InputError(
            f"`model` must be wrapped in DistributedDataParallel as a whole. Got {where} wrapped inside it: "
            "wrap the model, then watch it."
        )
    if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None):
        raise InputError(
            "`model` must not be compiled in place or in parts to be measured exactly. Got that of "
            f"{where}: watch it uncompiled, or wrapped as torch.compile(model), or use method='microbatch'."
        )
    if any(kind.__name__ == "FullyShardedDataParallel" for kind in type(module).__mro__):
        raise InputError(
            f"`model` must hold its parameters apart. Got {where} flattened by FullyShardedDataParallel: use "
            "torch.distributed.fsdp.fully_shard, or DistributedDataParallel."
        )
