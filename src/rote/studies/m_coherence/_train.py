"""One training, with the coherence of a fixed sample of its examples measured on the way."""

from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients import Coherence, coherence
from rote.studies._noisy import Noisy, endless_batches
from rote.studies._redrawn import Curves, accuracies, append, built, evenly, redrawn
from rote.studies._study import Config, Place, Record
from rote.studies.m_coherence._layers import places

EARLY = 25
"""Steps that count as the beginning."""
LATER = 16
"""How often to look after the beginning."""


def looks(steps: int) -> list[int]:
    """After which steps to measure: densely in the beginning, then evenly on a logarithmic scale.

    Example:
        >>> looks(1000)[:12]
        [0, 1, 2, 3, 5, 8, 12, 18, 25, 31, 40, 50]
        >>> looks(1000)[-1], looks(4)
        (1000, [0, 1, 2, 3, 4])
    """
    first = [0, 1, 2, 3, 5, 8, 12, 18, EARLY]
    ratio = (steps / EARLY) ** (1 / LATER) if steps > EARLY else 1.0
    later = {round(EARLY * ratio**look) for look in range(1, LATER + 1)}
    return sorted({min(step, steps) for step in (*first, *later, steps)})


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train, and measure on the way how much the examples of a fixed sample help each other."""
    data = redrawn(config, seed, place)
    model = built(config, data.x.shape[1:], data.classes, seed).to(place.device)
    found = train(model, data, config, seed)
    return {"step": looks(config["steps"]), "m": config["m"], "proper": data.proper, **found}


def train(model: nn.Module, data: Noisy, config: Config, seed: int) -> Curves:
    """Train by SGD with momentum 0.9, in place, and return the curves.

    Example:
        >>> config = {"data": "digits", "train": 100, "test": 50, "noise": 0.5, "network": "mlp", "size": [8]}
        >>> config |= {"lr": 0.1, "batch": 20, "steps": 2, "m": 30}
        >>> data = redrawn(config, 0, Place())
        >>> found = train(built(config, (1, 8, 8), 10, 0), data, config, seed=0)
        >>> [name for name in found if "m_coherence" in name], len(found["alpha"])
        (['m_coherence', 'first_m_coherence', 'middle_m_coherence', 'last_m_coherence'], 3)
    """
    sample = sample_of(data, int(config["m"]))
    layers = places(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=0.9)
    batches = endless_batches(len(data.y), int(config["batch"]), seed=seed)
    curves: Curves = {}
    seen = set(looks(int(config["steps"])))
    for step in range(int(config["steps"]) + 1):
        if step in seen:
            measured = coherence(model, nn.CrossEntropyLoss(), sample, chunk_size=100)
            append(curves, ratios(measured, layers) | accuracies(model, data))
        batch = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.x[batch]), data.y[batch]).backward()
        optimizer.step()
    return curves


def sample_of(data: Noisy, m: int) -> tuple[Tensor, Tensor]:
    """The fixed sample: m of the training examples, evenly spaced, with the labels that are trained on."""
    rows = torch.from_numpy(evenly(len(data.y), m)).to(data.y.device)
    return data.x[rows], data.y[rows]


def ratios(found: Coherence, layers: dict[str, str]) -> dict[str, Any]:
    """α and m-coherence of the whole network, m-coherence of its first, middle and last layer."""
    parts = {f"{place}_m_coherence": found.layers[name].m_coherence for place, name in layers.items()}
    whole = {
        "alpha": found.alpha,
        "alpha_unbiased": found.alpha_unbiased,
        "m_coherence": found.m_coherence,
    }
    return whole | parts
