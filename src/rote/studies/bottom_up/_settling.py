"""When each layer is like at the end, by two indices: CKA of whole maps, SVCCA of channels."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.dynamics import CKA, SVCCA, Checkpoints, LayerTime, activations, layer_by_time

State = Mapping[str, Tensor]
MEASURES = ("CKA", "SVCCA")
TOP = 2
"""So many layers at the top are left out where lower ones are to settle first."""
WHEN = (0.0, 0.05, 0.35, 1.0)
"""At these shares of training all layers are shown beside all layers at the end."""


def settling(
    model: nn.Module, checkpoints: Checkpoints, probe: Tensor, layers: Sequence[str], *, other: State
) -> dict[str, LayerTime]:
    """Every layer at every checkpoint beside the layers at the end, by index.

    CKA takes an example's maps as one row. SVCCA takes each place of the maps as a row with the channels as
    columns, as Raghu et al. 2017 do for one layer over time; so it compares layers with as many places only,
    and a quarter of the examples are enough for maps.

    Args:
        model: The architecture.
        checkpoints: Of its training.
        probe: Test examples.
        layers: Names of modules, from below.
        other: The end of another seed's training.

    Example:
        >>> import torch
        >>> net, twin = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)) for _ in range(2))
        >>> checkpoints = Checkpoints()
        >>> checkpoints.add(0, net)
        >>> found = settling(net, checkpoints, torch.randn(40, 1, 4, 4), ["0", "2"], other=twin.state_dict())
        >>> found["CKA"].layers, found["SVCCA"].similarity["SVCCA"].shape
        (('0', '2'), (1, 2, 2))
    """
    whole = layer_by_time(model, checkpoints, probe, layers=layers, measures=[CKA()], other=other)
    groups: dict[int, list[str]] = {}
    for name, rows in activations(model, probe[:1], layers, maps="space").items():
        groups.setdefault(len(rows), []).append(name)
    parts = []
    for places, names in groups.items():
        some = probe if places == 1 else probe[: -(-len(probe) // 4)]
        found = layer_by_time(
            model, checkpoints, some, layers=names, measures=[SVCCA()], other=other, maps="space"
        )
        parts.append(found)
    return {"CKA": whole, "SVCCA": joined(parts, layers)}


def joined(parts: Sequence[LayerTime], layers: Sequence[str]) -> LayerTime:
    """What was found of some layers each, as one: nan between layers of different parts.

    Args:
        parts: Of the same checkpoints, probe and indices; each layer in one of them.
        layers: The layers in the order that they are to have.

    Example:
        >>> one = {"SVCCA": np.ones((3, 1, 1))}, {"SVCCA": np.ones(1)}
        >>> parts = [LayerTime((0, 1, 2), (name,), *one, None, 9, "") for name in "ab"]
        >>> joined(parts, ["b", "a"]).similarity["SVCCA"][0].tolist()
        [[1.0, nan], [nan, 1.0]]
    """
    first = parts[0]
    place = {name: at for at, name in enumerate(layers)}

    def vector(measure: str, key: str) -> NDArray[np.float64]:
        found = np.full(len(layers), np.nan)
        for part in parts:
            found[[place[name] for name in part.layers]] = getattr(part, key)[measure]
        return found

    def matrices(measure: str) -> NDArray[np.float64]:
        found = np.full((len(first.steps), len(layers), len(layers)), np.nan)
        for part in parts:
            own = [place[name] for name in part.layers]
            found[np.ix_(range(len(first.steps)), own, own)] = part.similarity[measure]
        return found

    return LayerTime(
        steps=first.steps,
        layers=tuple(layers),
        similarity={name: matrices(name) for name in first.similarity},
        initial={name: vector(name, "initial") for name in first.initial},
        other=None if first.other is None else {name: vector(name, "other") for name in first.other},
        n=first.n,
        probe=first.probe,
        warnings=tuple(dict.fromkeys(words for part in parts for words in part.warnings)),
    )


def settled(found: LayerTime) -> dict[str, Any]:
    """By layer, what is drawn and judged of the one index that was taken.

    Returns:
        ``own``, each layer with itself at the end, and ``excess``, both by checkpoint; ``initial`` and
        ``other``, the same of the initial network and of another seed's end; ``reached``, the share of
        training at which 90 % of the way was gone; ``all`` and ``lower``, Spearman's correlation of depth and
        ``reached``, with the layers at the top and without; ``warnings``.

    Example:
        >>> s = np.array([[[0.5, 0.1], [0.1, 0.0]], [[0.96, 0.1], [0.1, 0.4]], [[1.0, 0.2], [0.2, 1.0]]])
        >>> start = {"CKA": s[0].diagonal()}
        >>> found = settled(LayerTime((0, 10, 20), ("a", "b"), {"CKA": s}, start, None, 99, ""))
        >>> found["excess"][1], found["reached"], found["all"], found["other"]
        ([0.92, 0.4], [0.5, 1.0], 1.0, None)
    """
    (measure,) = found.similarity
    return {
        "own": short(found.diagonal(measure)),
        "excess": short(found.excess(measure)),
        "initial": short(found.initial[measure]),
        "other": None if found.other is None else short(found.other[measure]),
        "reached": short(found.reached(measure) / found.steps[-1], 6),
        "all": short(np.array(found.bottom_up(measure))),
        "lower": short(np.array(found.bottom_up(measure, without_last=TOP))),
        "warnings": list(found.warnings),
    }


def panels_at(found: LayerTime, shares: Sequence[float] = WHEN) -> list[dict[str, Any]]:
    """All layers beside all layers at the end, at the checkpoints nearest to these shares of training.

    Example:
        >>> s = np.arange(8.0).reshape(2, 2, 2)
        >>> panels_at(LayerTime((0, 10), ("a", "b"), {"CKA": s}, {}, None, 99, ""), [0.9])
        [{'share': 1.0, 'matrix': [[4.0, 5.0], [6.0, 7.0]]}]
    """
    (measure,) = found.similarity
    done = np.array(found.steps) / max(1, found.steps[-1])
    at = [int(np.abs(done - share).argmin()) for share in shares]
    return [{"share": round(float(done[t]), 6), "matrix": short(found.similarity[measure][t])} for t in at]


def short(values: NDArray[np.float64], digits: int = 4) -> Any:  # noqa: ANN401, nested lists
    """Numbers with few digits as nested lists, None for what is not finite.

    Example:
        >>> short(np.array([[0.12345, np.nan]]))
        [[0.1235, None]]
    """
    if values.ndim:
        return [short(row, digits) for row in values]
    return round(float(values), digits) if isfinite(values) else None
