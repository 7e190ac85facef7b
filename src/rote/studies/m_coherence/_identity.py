"""Coherence of minibatches from that of examples: the identity, on every partition and on random ones."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients import coherence
from rote.studies._judge import below, between
from rote.studies._noisy import endless_batches
from rote.studies._panels import Axis, Line, Panel
from rote.studies._redrawn import built, redrawn
from rote.studies._study import Claim, Config, Place, Record, Rows, one
from rote.studies.m_coherence._train import sample_of


def of_minibatches(alpha: float, k: int) -> float:
    """Coherence of means of k examples, from that of single ones: ``kα/(1+(k−1)α)``.

    Example:
        >>> of_minibatches(0.5, 1), of_minibatches(0.5, 3), of_minibatches(0.0, 9)
        (0.5, 0.75, 0.0)
    """
    return k * alpha / (1 + (k - 1) * alpha)


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train a little in float64, and compare gradients of minibatches with the identity, on the way."""
    data = redrawn(config, seed, place)
    model = built(config, data.x.shape[1:], data.classes, seed).double().to(place.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=0.9)
    batches = endless_batches(len(data.y), int(config["batch"]), seed=seed)
    record: dict[str, Any] = {"step": config["looks"], "every": [], "random": []}
    for step in range(max(config["looks"]) + 1):
        if step in config["looks"]:
            few = _double(sample_of(data, int(config["few"])))
            many = _double(sample_of(data, int(config["m"])))
            record["every"].append(on_every_subset(model, few, config["few_sizes"]))
            record["random"].append(on_random_partitions(model, many, config["sizes"], seed))
        batch = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.x[batch].double()), data.y[batch]).backward()
        optimizer.step()
    return record


def on_every_subset(
    model: nn.Module, sample: tuple[Tensor, Tensor], sizes: Sequence[int]
) -> list[dict[str, float]]:
    """For each size k, coherence of minibatches over all partitions of the sample, and the identity's.

    Every subset of k examples is in equally many of the partitions, so the mean squared norm over partitions
    is that over subsets.

    Args:
        model: Called on ``[b, …]``.
        sample: ``(x, y)``, m examples.
        sizes: Sizes k that divide m.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model, x, y = nn.Linear(3, 2).double(), torch.randn(4, 3).double(), torch.tensor([0, 1, 0, 1])
        >>> (found,) = on_every_subset(model, (x, y), [2])
        >>> abs(found["measured"] - found["identity"]) < 1e-12
        True
    """
    return [_compared(model, sample, k, combinations(range(len(sample[1])), k)) for k in sizes]


def on_random_partitions(
    model: nn.Module, sample: tuple[Tensor, Tensor], sizes: Sequence[int], seed: int
) -> list[dict[str, float]]:
    """The same with one random partition for each size: an estimate, as in training.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model, x, y = nn.Linear(3, 2).double(), torch.randn(8, 3).double(), torch.tensor([0, 1] * 4)
        >>> [sorted(found) for found in on_random_partitions(model, (x, y), [2], seed=0)]
        [['identity', 'k', 'measured']]
    """
    order = torch.randperm(len(sample[1]), generator=torch.Generator().manual_seed(seed))
    return [_compared(model, sample, k, order.split(k)) for k in sizes]


def _compared(
    model: nn.Module, sample: tuple[Tensor, Tensor], k: int, subsets: Iterable[Any]
) -> dict[str, float]:
    x, y = sample
    alpha = coherence(model, nn.CrossEntropyLoss(), sample).alpha_unbiased
    whole, n = _gradient(model, x, y).square().sum().item(), len(y) // k
    norms = []
    for subset in subsets:
        rows = torch.as_tensor(subset)
        norms.append(_gradient(model, x[rows], y[rows]).square().sum().item())
    # The unbiased coherence of the n minibatches of a partition: (‖ΣW‖² − Σ‖W‖²)/((n − 1)Σ‖W‖²).
    q = n * sum(norms) / len(norms)
    measured = (n * n * whole - q) / ((n - 1) * q)
    return {"k": k, "measured": measured, "identity": of_minibatches(alpha, k)}


def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    loss = nn.functional.cross_entropy(model(x), y)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def _double(sample: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return sample[0].double(), sample[1]


def largest_difference(rows: Rows) -> float:
    """Largest difference from the identity, over all steps and sizes, all partitions averaged."""
    found = one(rows)["every"]
    return max(float(abs(part["measured"] - part["identity"])) for at in found for part in at)


def ratio_of_means(rows: Rows) -> float:
    """Ratio of what a random partition gives to what the identity says, both means over steps and sizes."""
    # Of the means, since near α = 0 the ratio of two single values says nothing.
    found = [part for at in one(rows)["random"] for part in at]
    identity = float(sum(part["identity"] for part in found))
    return sum(part["measured"] for part in found) / identity if identity else float("nan")


def panels(rows: Rows) -> list[Panel]:
    """Coherence of minibatches over their size, measured on a random partition and by the identity."""
    steps = rows[0].record["step"] if rows else []
    found = []
    for place, step in enumerate(steps):
        lines = [
            Line(name, [[(p["k"], p[name]) for p in row.record["random"][place]] for row in rows], style)
            for style, name in enumerate(("identity", "measured"))
        ]
        axes = Axis("examples in a minibatch", "log"), Axis("coherence α")
        found.append(Panel(f"After {step} steps", *axes, lines))
    return found


CLAIMS = (
    Claim(
        "identity-exact",
        "Means of k examples have the coherence kα/(1+(k−1)α), where α is that of single ones.",
        "Chatterjee & Zielinski 2020, minibatch lemma",
        "Largest difference between the two, over all partitions of a few examples into minibatches",
        below(1e-9),
        largest_difference,
        exact=True,
    ),
    Claim(
        "identity-in-training",
        "So the coherence of examples can be had from the gradients of minibatches.",
        "Chatterjee & Zielinski 2020; 2022, measurement",
        "Coherence of one random partition’s minibatches over what the identity says, both means over steps "
        "and sizes",
        between(0.9, 1.1),
        ratio_of_means,
    ),
)
