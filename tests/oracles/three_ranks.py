"""One of several processes that train one model together robustly; what it saw is written as JSON.

python three_ranks.py RANK RANKS FOLDER
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rote.optim import M3, RM3, WinsorizedSGD, median_over_ranks

LOSS = nn.CrossEntropyLoss()


def small():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def batch(step, ranks):
    torch.manual_seed(100 + step)
    return torch.randn(6 * ranks, 4), torch.randint(0, 3, (6 * ranks,))


def part(step, rank, ranks):
    x, y = batch(step, ranks)
    return x[6 * rank : 6 * rank + 6], y[6 * rank : 6 * rank + 6]


def flat(tensors):
    return torch.cat([t.detach().flatten() for t in tensors])


def gradients(model, step, rank, ranks):
    x, y = part(step, rank, ranks)
    return flat(torch.autograd.grad(LOSS(model(x), y), list(model.parameters())))


def move(model, update):
    with torch.no_grad():
        for p, u in zip(
            model.parameters(), update.split([q.numel() for q in model.parameters()]), strict=True
        ):
            p -= 0.5 * u.view_as(p)


def trained(make, rank, ranks, *, median=False, steps=5):
    """The weights after a few steps of this rank's part of the training."""
    model = DistributedDataParallel(small())
    if median:
        median_over_ranks(model)
    optimizer = make(model)
    for step in range(steps):
        x, y = part(step, rank, ranks)
        optimizer.zero_grad()
        LOSS(model(x), y).backward()
        optimizer.step()
    return flat(model.parameters()).tolist()


def by_hand(kind, ranks, *, over_ranks, steps=5):
    """The same in one process, from the ranks' gradients."""
    model, kept = small(), []
    for step in range(steps):
        each = torch.stack([gradients(model, step, rank, ranks) for rank in range(ranks)])
        kept.append(each.quantile(0.5, 0) if over_ranks else each.mean(0))
        three = torch.stack(kept[-3:])
        if kind == "sgd":
            move(model, kept[-1])
        elif len(kept) >= 3 and (kind == "rm3" or len(kept) % 3 == 0):
            move(model, three.quantile(0.5, 0))
    return flat(model.parameters()).tolist()


def winsorized_by_hand(ranks, *, steps=5):
    """Each rank winsorizes its own examples' gradients; then comes the mean over the ranks."""
    model = small()
    for step in range(steps):
        total = 0
        for rank in range(ranks):
            x, y = part(step, rank, ranks)
            each = [LOSS(model(x[i : i + 1]), y[i : i + 1]) / 6 for i in range(6)]
            rows = torch.stack([flat(torch.autograd.grad(one, list(model.parameters()))) for one in each])
            ranked = rows.sort(0).values
            total = total + rows.clamp(ranked[1], ranked[4]).sum(0)
        move(model, total / ranks)
    return flat(model.parameters()).tolist()


if __name__ == "__main__":
    rank, ranks, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    sgd = lambda model: torch.optim.SGD(model.parameters(), lr=0.5)  # noqa: E731
    pairs = {
        "m3": (lambda: trained(lambda m: M3(m.parameters(), lr=0.5), rank, ranks), "m3", False),
        "rm3": (lambda: trained(lambda m: RM3(m.parameters(), lr=0.5), rank, ranks), "rm3", False),
    }
    pairs["m3 over ranks"] = (lambda: trained(sgd, rank, ranks, median=True), "sgd", True)
    rolling = lambda m: RM3(m.parameters(), lr=0.5)  # noqa: E731
    pairs["rm3 over ranks"] = (lambda: trained(rolling, rank, ranks, median=True), "rm3", True)
    results = {
        name: [take(), by_hand(kind, ranks, over_ranks=over)] for name, (take, kind, over) in pairs.items()
    }
    winsorized = trained(lambda m: WinsorizedSGD(m, lr=0.5, c=1), rank, ranks)
    results["winsorized"] = [winsorized, winsorized_by_hand(ranks)]
    dist.destroy_process_group()
    (folder / f"{rank}.json").write_text(json.dumps(results))
