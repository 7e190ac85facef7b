"""One of two processes that train one model together; what its meter saw is written as JSON.

    python two_ranks.py RANK FOLDER

Each situation starts from the same weights; the examples are split between the ranks as it says.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rote.errors import InputError
from rote.gradients import NonFiniteGradientWarning, coherence, watch

LOSS = nn.CrossEntropyLoss()


def small():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 3))


def batch(m=8):
    torch.manual_seed(5)
    return torch.randn(m, 4), torch.randint(0, 3, (m,))


def mine(rank, cut=4):
    x, y = batch()
    return (x[:cut], y[:cut]) if rank == 0 else (x[cut:], y[cut:])


def plain(rank, **options):
    """Two steps, the second at other weights, so that both are seen to be joined and pooled."""
    model = DistributedDataParallel(small())
    x, y = mine(rank)
    with watch(model, **options) as meter:
        for _ in range(2):
            model.zero_grad()
            LOSS(model(x), y).backward()
            meter.update()
            last = meter.last
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
        return {"last": last.to_dict(), "pooled": meter.compute().to_dict()}


def bucket_views(rank):
    model = DistributedDataParallel(small(), gradient_as_bucket_view=True)
    x, y = mine(rank)
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        return meter.last.to_dict()


def unequal_sum(rank):
    model = DistributedDataParallel(small())
    x, y = mine(rank, 3)
    with watch(model, reduction="sum") as meter:
        nn.functional.cross_entropy(model(x), y, reduction="sum").backward()
        meter.update()
        return meter.last.to_dict()


def unequal_mean(rank):
    model = DistributedDataParallel(small())
    x, y = mine(rank, 3)
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        return refusal(meter)


def accumulated(rank):
    """Unequal ranks, and chunks of which only the last is reduced."""
    model = DistributedDataParallel(small())
    x, y = mine(rank, 3)
    with watch(model, accumulate=True) as meter:
        with model.no_sync():
            LOSS(model(x[:2]), y[:2]).backward()
            meter.update()
        LOSS(model(x[2:]), y[2:]).backward()
        meter.update()
        return meter.compute().to_dict()


def without_sync(rank):
    model = DistributedDataParallel(small())
    x, y = mine(rank)
    with watch(model) as meter, model.no_sync():
        LOSS(model(x), y).backward()
        return refusal(meter)


def older(rank):
    model = DistributedDataParallel(small())
    x, y = mine(rank)
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        LOSS(model(x * 2), y).backward()
        return refusal(meter)


def clipped(rank):
    model = DistributedDataParallel(small())
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = mine(rank)
    with watch(model, clipping="after", scaler=scaler) as meter:
        scaler.scale(LOSS(model(x), y)).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        meter.update()
        return {**meter.last.to_dict(), "expected_clip": 0.01 / (float(norm) + 1e-6)}


def scaled(rank):
    model = DistributedDataParallel(small())
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    x, y = mine(rank)
    with watch(model, scaler=scaler) as meter:
        scaler.scale(LOSS(model(x), y)).backward()
        meter.update()
        return meter.last.to_dict()


def not_finite(rank):
    """Example 2 of rank 1, that is 6 of the joined batch."""
    import warnings

    model = DistributedDataParallel(small())
    x, y = mine(rank)
    broken = x.clone()
    broken[2] = float("nan") if rank == 1 else 0.0
    with watch(model) as meter:
        LOSS(model(broken), y).backward()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonFiniteGradientWarning)
            meter.update()
        model.zero_grad()
        LOSS(model(x), y).backward()
        meter.update()
        return {"marked": [str(mark) for mark in meter.marked], **meter.compute().to_dict()}


class Branch(nn.Module):
    """A layer that only some examples pass, by rank or by a mask."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.head = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x, mask=None, taken=True):
        h = self.a(x)
        if taken:
            h = h + self.b(x) * (1.0 if mask is None else mask)
        return self.head(torch.tanh(h))


def unused_on_one(rank):
    model = DistributedDataParallel(Branch(), find_unused_parameters=True)
    x, y = mine(rank)
    with watch(model) as meter:
        for _ in range(2):
            model.zero_grad()
            LOSS(model(x, taken=rank == 0), y).backward()
            meter.update()
        got = meter.last.to_dict()
    model, (x, y) = Branch(), batch()
    with watch(model) as meter:
        LOSS(model(x, (torch.arange(8) < 4).double().unsqueeze(1)), y).backward()
        meter.update()
        return {"got": got, "expected": meter.last.to_dict()}


def refused_on_one(rank):
    """A rank without a backward pass must not leave the others waiting."""
    model = DistributedDataParallel(small())
    x, y = mine(rank)
    with watch(model) as meter:
        if rank == 0:
            with model.no_sync():
                LOSS(model(x), y).backward()
        return refusal(meter)


def sharded_small():
    from torch.distributed.fsdp import fully_shard

    model = small()
    model = nn.Sequential(nn.Sequential(*model[:2]), *model[2:])
    mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
    fully_shard(model[0], mesh=mesh)
    return fully_shard(model, mesh=mesh)


def renamed(record):
    """The layers' names as they are where the first two modules are no block of their own."""
    names = {"0.0": "0", "1": "2", "2": "3"}
    return {**record, "layers": {names[name]: layer for name, layer in record["layers"].items()}}


def sharded(rank):
    """Three steps: the first is self-checked, the last clipped before the update, which must not matter."""
    model = sharded_small()
    x, y = mine(rank)
    with watch(model) as meter:
        for number in range(3):
            model.zero_grad()
            LOSS(model(x), y).backward()
            if number == 2:
                nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            meter.update()
        pooled = meter.compute()
        return {"pooled_steps": pooled.steps, "pooled_alpha": pooled.alpha, **renamed(meter.last.to_dict())}


def sharded_hooks(rank):
    """How many hooks are left."""
    model = sharded_small()
    count = lambda: sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())  # noqa: E731
    ready = lambda: sum(len(p._post_accumulate_grad_hooks or ()) for p in model.parameters())  # noqa: E731
    before = count()
    with watch(model):
        during = count(), ready()
    return before < during[0] and during[1] == 6 and count() == before and ready() == 0


def sharded_unequal_sum(rank):
    model = sharded_small()
    x, y = mine(rank, 3)
    with watch(model, reduction="sum") as meter:
        nn.functional.cross_entropy(model(x), y, reduction="sum").backward()
        meter.update()
        return renamed(meter.last.to_dict())


def sharded_older(rank):
    model = sharded_small()
    x, y = mine(rank)
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        meter.update()
        LOSS(model(x), y).backward()
        return refusal(meter)


def sharded_without_sync(rank):
    model = sharded_small()
    x, y = mine(rank)
    with watch(model) as meter:
        model.set_requires_gradient_sync(False)
        LOSS(model(x), y).backward()
        return refusal(meter)


def sharded_rerun(rank):
    from torch.distributed.fsdp import fully_shard

    model = fully_shard(nn.Sequential(nn.Linear(4, 3), nn.PReLU(3)))
    x, y = mine(rank)
    with watch(model) as meter:
        LOSS(model(x), y).backward()
        return refusal(meter)


def sharded_penalty(rank):
    model = sharded_small()
    x, y = mine(rank)
    with watch(model) as meter:
        (LOSS(model(x), y) + 0.1 * model[2].weight.square().sum()).backward()
        return refusal(meter)


def sharded_options(rank):
    said = []
    for options in ({"accumulate": True}, {"clipping": "after"}):
        try:
            watch(sharded_small(), **options)
        except InputError as error:
            said.append(str(error))
    return said


def refusal(meter):
    try:
        meter.update()
    except InputError as error:
        return str(error)
    return "not refused"


def single_process():
    """What one process says of the joined batch, at the first and at the second weights."""
    model, (x, y) = small(), batch()
    first = coherence(model, LOSS, (x, y)).to_dict()
    LOSS(model(x), y).backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad
    return {"first": first, "second": coherence(model, LOSS, (x, y)).to_dict()}


SITUATIONS = (
    plain,
    bucket_views,
    unequal_sum,
    unequal_mean,
    accumulated,
    without_sync,
    older,
    clipped,
    scaled,
    not_finite,
    unused_on_one,
    refused_on_one,
    sharded,
    sharded_hooks,
    sharded_unequal_sum,
    sharded_older,
    sharded_without_sync,
    sharded_rerun,
    sharded_penalty,
    sharded_options,
)

if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    results = {situation.__name__: situation(rank) for situation in SITUATIONS}
    dist.destroy_process_group()
    (folder / f"{rank}.json").write_text(json.dumps({**results, "single_process": single_process()}))
