"""What layer × time costs: CKA of 12 layers with 12 layers at 10 checkpoints, 4,000 probes, width 512.

Beside it, on the same networks, probes and batches: torch_cka 0.21 (pip install --no-deps torch_cka tqdm),
once a checkpoint, without gradients; and a plain loop over pairs of layers whose activations are kept. Both
are timed on fewer checkpoints, as each takes as long as any other, and multiplied. All matrices must agree.

    OMP_NUM_THREADS=1 taskset -c 1 python -m benchmarks.cka --out benchmarks/results/cka.json
    python -m benchmarks.cka --layers 4 --checkpoints 3 --probes 1000 --width 64   # seconds
"""

import argparse
import copy
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.dynamics import CKA, Checkpoints, activations, hsic1, layer_by_time

BATCH = 250  # 4,000 probes in 16 equal batches


def network(layers: int, width: int) -> nn.Sequential:
    """Linear layers with ReLUs, of one width."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(width, width), nn.ReLU()]
        nn.init.normal_(parts[-2].weight, std=(2 / width) ** 0.5)  # type: ignore[arg-type]
    return nn.Sequential(*parts)


def made_up(asked: argparse.Namespace) -> tuple[nn.Sequential, Checkpoints, Tensor]:
    """A walk from one random network to another, and probes."""
    torch.manual_seed(0)
    start, end = network(asked.layers, asked.width), network(asked.layers, asked.width)
    checkpoints, moving = Checkpoints(), copy.deepcopy(start)
    for step, share in enumerate(torch.linspace(0, 1, asked.checkpoints).tolist()):
        pairs = zip(moving.parameters(), start.parameters(), end.parameters(), strict=True)
        for p, a, b in pairs:
            p.data.copy_(torch.lerp(a.data, b.data, share))
        checkpoints.add(step, moving)
    return end, checkpoints, torch.randn(asked.probes, asked.width)


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the wall and of the processor, and what came out."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def by_torch_cka(model: nn.Module, state: Any, end: nn.Module, probe: Tensor, names: list[str]) -> Tensor:
    """One checkpoint by torch_cka."""
    import torch_cka
    from torch.utils.data import DataLoader, TensorDataset

    early = copy.deepcopy(model)
    early.load_state_dict(state)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        theirs = torch_cka.CKA(early, copy.deepcopy(end), "early", "end", names, names)
        theirs.compare(DataLoader(TensorDataset(probe), batch_size=BATCH))
    return theirs.export()["CKA"]


def plain(model: nn.Module, state: Any, end: nn.Module, probe: Tensor, names: list[str]) -> Tensor:
    """One checkpoint by a loop over pairs: Gram matrices and three HSIC₁ for each, as the formula says."""
    early = copy.deepcopy(model)
    early.load_state_dict(state)
    sides = [list(activations(net, probe, names).values()) for net in (early, end)]
    found = torch.zeros(len(names), len(names))
    for i, X in enumerate(sides[0]):
        for j, Y in enumerate(sides[1]):
            sums = torch.zeros(3)
            for x, y in zip(X.split(BATCH), Y.split(BATCH), strict=True):
                K, L = x @ x.T, y @ y.T
                sums += torch.stack([hsic1(K, L), hsic1(K, K), hsic1(L, L)])
            found[i, j] = sums[0] / (sums[1] * sums[2]).sqrt()
    return found


def main() -> None:
    """Measure, print, and say whether all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--checkpoints", type=int, default=10)
    parser.add_argument("--probes", type=int, default=4000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-checkpoints", type=int, default=1)
    parser.add_argument("--peers", nargs="*", default=["plain", "torch_cka"])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    end, checkpoints, probe = made_up(asked)
    names = [str(2 * layer) for layer in range(asked.layers)]
    options: dict[str, Any] = {"layers": names, "measures": [CKA(batch=BATCH)]}
    runs = [timed(lambda: layer_by_time(end, checkpoints, probe, **options)) for _ in range(asked.repeats)]
    wall, cpu, ours = min(runs, key=lambda run: run[0])
    forward = min(timed(lambda: activations(end, probe, names))[1] for _ in range(asked.repeats))
    shape = {"layers": asked.layers, "checkpoints": asked.checkpoints, "probes": asked.probes}
    found: dict[str, Any] = {
        **shape,
        "width": asked.width,
        "load": os.getloadavg()[0],  # of the machine, other work included
        "rote": {"wall_s": wall, "cpu_s": cpu},
        "of which forward passes": {"cpu_s": forward * asked.checkpoints},
    }
    for name in asked.peers:
        once = {"plain": plain, "torch_cka": by_torch_cka}[name]
        walls, cpus, apart = [], [], 0.0
        for step in range(min(asked.peer_checkpoints, asked.checkpoints)):
            state = checkpoints[step]
            seconds, processor, matrix = timed(lambda s=state, f=once: f(end, s, end, probe, names))
            walls.append(seconds * asked.checkpoints)
            cpus.append(processor * asked.checkpoints)
            apart = max(apart, float(np.abs(matrix.numpy() - ours.similarity["CKA"][step]).max()))
        found[name] = {
            "wall_s": float(np.mean(walls)),
            "cpu_s": float(np.mean(cpus)),
            "times_cpu": float(np.mean(cpus)) / cpu,
            "measured_checkpoints": len(walls),
            "largest_difference": apart,
        }
    print(json.dumps(found, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
