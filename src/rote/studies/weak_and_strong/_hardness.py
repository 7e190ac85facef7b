"""Easy and hard examples: what is learned in two epochs, and what is not, each learned by itself."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError
from rote.learners import batches, logits
from rote.studies._noisy import Noisy
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._redrawn import accuracies, built, redrawn
from rote.studies._study import Config, Place, Record, Rows, one
from rote.studies.weak_and_strong._train import looks, optimizer_of, train

KINDS = ("easy", "hard")


def cell(config: Config, seed: int, place: Place) -> Record:
    """Split the training examples by what two epochs teach; train on equally many of each kind, from scratch.

    Each network is judged on held-out examples of its own kind and, as ``whole``, on the test examples.
    """
    data = redrawn({**config, "noise": 0.0}, seed, place)
    learned = learned_early(config, data, seed)
    sizes = [int(config["own_train"]), int(config["own_test"])]
    rng = np.random.default_rng(seed)
    record: dict[str, Any] = {"learned": float(learned.double().mean()), "epoch": looks(config["epochs"])}
    for kind, rows in zip(KINDS, (learned, ~learned), strict=True):
        first, second = drawn(np.flatnonzero(rows.cpu().numpy()), sizes, rng, kind)
        own = part(data, torch.from_numpy(first), torch.from_numpy(second))
        model = built(config, data.x.shape[1:], data.classes, seed + 1).to(place.device)
        curves = train(model, own, config, seed + 1)
        whole = accuracies(model, part(data, torch.from_numpy(first)))["test"]
        record[kind] = {"train": curves["train"], "test": curves["test"], "whole": whole}
    return record


def learned_early(config: Config, data: Noisy, seed: int) -> Tensor:
    """Which training examples are right after ``early`` epochs, ``[m]`` bool; the learning rate is constant.

    Example:
        >>> config = {"data": "digits", "train": 200, "test": 50, "noise": 0.0, "network": "mlp", "size": [8]}
        >>> config |= {"optimizer": "momentum", "lr": 0.1, "batch": 20, "early": 2}
        >>> learned_early(config, redrawn(config, 0, Place()), 0).shape
        torch.Size([200])
    """
    model = built(config, data.x.shape[1:], data.classes, seed).to(data.x.device)
    optimizer = optimizer_of(config, model.parameters())
    for epoch in range(int(config["early"])):
        for batch in batches(len(data.y), int(config["batch"]), seed=seed, epoch=epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(data.x[batch]), data.y[batch]).backward()
            optimizer.step()
    return logits(model, data.x).argmax(1) == data.y


def drawn(
    rows: NDArray[np.int64], sizes: list[int], rng: np.random.Generator, kind: str
) -> list[NDArray[np.int64]]:
    """Disjoint random draws of these sizes.

    Raises:
        InputError: If there are not as many rows.

    Example:
        >>> first, second = drawn(np.arange(5), [3, 2], np.random.default_rng(0), "easy")
        >>> sorted([*first.tolist(), *second.tolist()])
        [0, 1, 2, 3, 4]
    """
    if len(rows) < sum(sizes):
        raise InputError(
            f"`own_train` and `own_test` need {sum(sizes)} {kind} examples, but only {len(rows)} are {kind}: "
            f"give more examples, or more or fewer early epochs."
        )
    order = rng.permutation(rows)[: sum(sizes)]
    return np.split(order, [sizes[0]])


def part(data: Noisy, rows: Tensor, held_out: Tensor | None = None) -> Noisy:
    """Only these training examples, judged on others of them or, without any, on the test examples.

    Example:
        >>> data = redrawn({"data": "digits", "train": 100, "test": 50, "noise": 0.0}, 0, Place())
        >>> found = part(data, torch.arange(10), torch.arange(10, 30))
        >>> len(found.y), len(found.y_test)
        (10, 20)
    """
    x_test = data.x_test if held_out is None else data.x[held_out]
    y_test = data.y_test if held_out is None else data.y[held_out]
    return Noisy(data.x[rows], data.y[rows], data.corrupt[rows], x_test, y_test, data.classes)


def panels(rows: Rows) -> list[Panel]:
    """Training accuracy and accuracy on held-out examples of the same kind."""
    found = []
    for key, title in (("train", "training accuracy"), ("test", "on held-out ones of their kind")):
        lines = [
            Line(kind, [curve(row.record["epoch"], row.record[kind][key]) for row in rows], style)
            for style, kind in enumerate(KINDS)
        ]
        found.append(
            Panel(
                f"Easy and hard: {title}",
                Axis("epoch"),
                Axis("accuracy", low=0.0, high=1.0, percent=True),
                lines,
                (0.1, "chance"),
            )
        )
    return found


def own_gap(rows: Rows) -> float:
    """Accuracy of easy on easy minus that of hard on hard, both held out."""
    record = one(rows)
    return float(record["easy"]["test"][-1] - record["hard"]["test"][-1])


def whole_gap(rows: Rows) -> float:
    """Test accuracy of what learned the easy ones minus that of what learned the hard ones."""
    record = one(rows)
    return float(record["easy"]["whole"] - record["hard"]["whole"])
