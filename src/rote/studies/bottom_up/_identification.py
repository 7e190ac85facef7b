"""Kornblith et al. 2019, Table 2: is the nearest layer of a twin network the same layer?"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from math import isqrt
from typing import Any

import numpy as np
from torch import Tensor, nn

from rote.dynamics import CKA, PWCCA, SVCCA, Measure, activations
from rote.studies._panels import Axis, Line, Panel, Pictures, Tile, curve
from rote.studies._redrawn import evenly, redrawn
from rote.studies._study import Config, Place, Record, Rows, Scale, one
from rote.studies.bottom_up._network import blocks, planned
from rote.studies.bottom_up._settling import short
from rote.studies.bottom_up._training import train

INDICES: Mapping[str, tuple[bool, Measure]] = {
    "CKA": (False, CKA()),
    "CKA of whole maps": (True, CKA()),
    "CCA": (False, SVCCA(share=1.0)),
    "SVCCA": (False, SVCCA()),
    "SVCCA of variance": (False, SVCCA(squares=True)),
    "PWCCA": (False, PWCCA()),
}
"""By name, whether it is given whole maps or their means over quarters, and the index."""
CCA = ("CCA", "SVCCA", "SVCCA of variance", "PWCCA")
"""Those of the family of canonical correlations."""
QUARTERS = 2
"""Maps are averaged to so many places a side."""


def configs(scale: Scale) -> list[Config]:
    """Plain networks of eight convolutions; in the paper ten networks of ten."""
    base = {"data": "cifar10", "noise": 0.0, "batch": 64, "lr": 0.05, "momentum": 0.9}
    if scale == "quick":
        base |= {"plan": ["c16", "c16", "s32", "c32", "c32", "s64", "c64", "c64", "m"], "halved": 1}
        return [{**base, "train": 8000, "test": 3000, "probe": 3000, "epochs": 5, "networks": 3}]
    base |= {"plan": ["c16", "c16", "s32", "c32", "c32", "s64", "c64", "c64", "m"], "halved": 0}
    return [{**base, "train": None, "test": None, "probe": 10_000, "epochs": 100, "networks": 10}]


def cost(config: Config) -> float:
    """Seconds of one core: half a millisecond an example and pass, and a second for every pair."""
    each = 4e-4 if config["halved"] else 1.6e-3
    networks = float(config["networks"])
    return float(config["train"] or 50_000) * float(config["epochs"]) * networks * each + 2 * networks**2


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train some networks, each from a seed of its own, and look for the layers of each in all others."""
    data = redrawn(config, seed, place)
    probe = data.x_test[evenly(len(data.x_test), config["probe"])]
    several = int(config["networks"])
    whole, quarters, test, layers = [], [], [], [""]
    for own in range(seed * several, (seed + 1) * several):
        model = planned(config, data.x.shape[1:], data.classes, own).to(place.device)
        test.append(train(model, data, config, own, last=True)["test"][-1])
        layers = blocks(model)
        rows = activations(model, probe, layers, maps="space")
        whole.append([some.reshape(len(probe), -1) for some in rows.values()])
        quarters.append([quartered(some, len(probe)) for some in rows.values()])
    indices = {
        name: nearest(measure, whole if entire else quarters) for name, (entire, measure) in INDICES.items()
    }
    return {"layers": layers, "test": test, "indices": indices}


def quartered(rows: Tensor, examples: int, side: int = QUARTERS) -> Tensor:
    """Channels of square maps averaged over quarters: few enough for canonical correlations.

    Args:
        rows: Shape ``[examples · places, channels]``; where there is one place, they are left as they are.
        examples: How many.
        side: Into so many parts a map's side is cut; what is smaller is left as it is.

    Returns:
        Shape ``[examples, parts · channels]``.

    Example:
        >>> import torch
        >>> quartered(torch.arange(16.0)[:, None], 1).tolist()
        [[2.5, 4.5, 10.5, 12.5]]
        >>> quartered(torch.zeros(6, 3), 6).shape
        torch.Size([6, 3])
    """
    length = isqrt(len(rows) // examples)
    maps = rows.reshape(examples, length, length, -1).movedim(-1, 1)
    return nn.functional.adaptive_avg_pool2d(maps, min(side, length)).flatten(1)


def nearest(measure: Measure, features: Sequence[Sequence[Tensor]]) -> dict[str, Any]:
    """Each network's layers beside those of every other.

    Args:
        measure: The index.
        features: Of each network its layers’, of the same examples.

    Returns:
        ``found``, by layer the share of ordered pairs of networks in which the nearest layer of the second is
        the same one (nan is never near); ``similarity``, the mean matrix over these pairs.

    Example:
        >>> import torch
        >>> layers = [torch.randn(40, 2, generator=torch.Generator().manual_seed(s)) for s in (0, 1)]
        >>> nearest(CKA(), [layers, layers[::-1]])["found"], nearest(CKA(), [layers, layers])["found"]
        ([0.0, 0.0], [1.0, 1.0])
    """
    kept = [[measure.prepare(layer) for layer in layers] for layers in features]
    found = np.stack(
        [
            measure.compare(kept[a], kept[b]).double().cpu().numpy()
            for a, b in permutations(range(len(kept)), 2)
        ]
    )
    near = np.where(np.isnan(found), -np.inf, found).argmax(2) == np.arange(found.shape[1])
    return {
        "found": short((near & ~np.isnan(found).all(2)).mean(0)),
        "similarity": short(found.mean(0), 3),
    }


def share_found(rows: Rows, index: str) -> float:
    """Share of layers whose nearest layer in another network is the same one."""
    return float(np.mean(one(rows)["indices"][index]["found"]))


def ahead(rows: Rows) -> float:
    """That share for CKA, less the best of the canonical correlations’."""
    return share_found(rows, "CKA") - max(share_found(rows, index) for index in CCA)


def panels(rows: Rows) -> list[Panel | Pictures]:
    """How often each layer is found, by index; and the mean matrices."""
    if not rows:
        return []
    lines = []
    for style, index in enumerate(("CKA", "SVCCA", "PWCCA")):
        runs = [row.record["indices"][index]["found"] for row in rows]
        lines.append(Line(index, [curve(range(1, len(run) + 1), run) for run in runs], style))
    layers = len(rows[0].record["layers"])
    axis = Axis("layer", low=0.0, high=layers + 1.0)
    share = Axis("found in other networks", low=0.0, high=1.0, percent=True)
    shown = ("CKA", "SVCCA", "SVCCA of variance", "PWCCA")
    tiles = [Tile(mean_matrix([row.record["indices"][i]["similarity"] for row in rows]), i) for i in shown]
    return [
        Panel("Layers found in a twin", axis, share, lines, (1 / layers, "chance")),
        Pictures(
            "Layers of one network beside those of another",
            tiles,
            low=0.0,
            high=1.0,
            x="layer of the other",
            y="layer of the one",
            colours="similarity",
        ),
    ]


def mean_matrix(matrices: Sequence[Sequence[Sequence[float | None]]]) -> list[list[float | None]]:
    """The mean of matrices of one shape, None where one of them is unknown.

    Example:
        >>> mean_matrix([[[0.0, None]], [[1.0, 0.5]]])
        [[0.5, None]]
    """
    mean: list[list[float | None]] = short(np.array(matrices, np.float64).mean(0), 3)
    return mean
