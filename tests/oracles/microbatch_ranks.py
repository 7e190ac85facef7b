"""One of two processes that train a model together and estimate its coherence; writes what it saw as JSON.

Called as ``microbatch_ranks.py RANK FOLDER``; the two meet through a file in the folder.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rote.errors import InputError
from rote.gradients import watch

LOSS = nn.CrossEntropyLoss()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))


def parts(*sizes):
    torch.manual_seed(1)
    return [(torch.randn(k, 4), torch.randint(0, 3, (k,))) for k in sizes]


def train(model, own):
    """Backward passes of a step, reduced over the ranks in the last only."""
    for index, (x, y) in enumerate(own):
        waiting = index < len(own) - 1 and isinstance(model, DistributedDataParallel)
        with model.no_sync() if waiting else contextlib.nullcontext():
            LOSS(model(x), y).backward()


def situations(model, mine):
    """``mine`` picks this rank's microbatches of each step; one process alone takes all."""
    with watch(model) as meter:
        seen = {"method": meter.method, "layers": sorted(meter.coverage)}
        train(model, mine(parts(4, 4)))
        meter.update()
        seen["one each"] = meter.last.to_dict()
        train(model, mine(parts(4, 4, 4, 4, 3, 3)))
        meter.update()
        seen["three each"] = meter.last.to_dict()
        seen["pooled"] = meter.compute().to_dict()
    return seen


def troubles(model, rank):
    """A step refused on one rank, and one that is not finite on one rank."""
    seen = {}
    (x, y), *_ = parts(4)
    with watch(model) as meter:
        if rank == 0:
            with model.no_sync():
                LOSS(model(x), y).backward()
        try:
            meter.update()
        except InputError as error:
            seen["refused"] = str(error)
        model.zero_grad()
        x[0, 0] = float("nan") if rank == 1 else 0.0
        train(model, [(x, y)])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            meter.update()
        seen["warned"] = [warning.category.__name__ for warning in caught]
        seen["marked"] = [str(mark) for mark in meter.marked]
    return seen


def main():
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        seen = situations(DistributedDataParallel(network()), lambda found: found[rank::2])
        seen["alone"] = situations(network(), lambda found: found)
        model = DistributedDataParallel(network(), broadcast_buffers=False)
        seen |= troubles(model, rank)
        (folder / f"{rank}.json").write_text(json.dumps(seen))
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
