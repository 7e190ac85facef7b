"""The picture of it: points of a disc, a wave between two labels, and one label in ten wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.dynamics import Recorder
from rote.learners import Recipe, logits
from rote.studies._redrawn import built
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.increasing_complexity._train import Ints, beside, linear, predictions, watched

Floats = NDArray[np.float32]
NOWHERE = "."
EVENTS = ("line", "curve", "best", "noise", "end")


def configs(scale: Scale) -> list[Config]:
    """One network."""
    small = scale == "quick"
    return [
        {
            "train": 300,
            "test": 5000 if small else 50_000,
            "noise": 0.1,
            "height": 0.4,
            "waves": 2,
            "network": "mlp",
            "size": [128, 128, 128],
            "batch": 20,
            "lr": 0.1,
            "momentum": 0.0,
            "epochs": 4000 if small else 10_000,
            "penalty": 1e-3,
            "pixels": 45,
        }
    ]


def cost(config: Config) -> float:
    """Seconds of one core: half a millisecond a step."""
    return 5e-4 * float(config["epochs"] * config["train"] / config["batch"])


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train on noisy labels, with pictures of which label each place is given."""
    rng = np.random.default_rng(seed)
    x, clean = disc(int(config["train"]), config, rng)
    x_test, y_test = disc(int(config["test"]), config, rng)
    wrong = rng.random(len(clean)) < config["noise"]
    own, new = torch.from_numpy(x).to(place.device), torch.from_numpy(x_test).to(place.device)
    y = torch.from_numpy(np.where(wrong, 1 - clean, clean)).to(place.device)
    by_line = linear(own, y, penalty=float(config["penalty"]))
    recorder = Recorder(simple=by_line(new), labels=y_test)
    model = built(config, (2,), 2, seed).to(place.device)
    squares = torch.from_numpy(grid(int(config["pixels"]))).to(place.device)
    seen: list[Ints] = []
    pictures: list[list[str]] = []
    record: dict[str, Any] = {"train": [], "wrong": []}

    def look(step: int) -> None:
        seen.append(predictions(model, new))
        recorder.add(step, seen[-1])
        hits = predictions(model, own) == y.cpu().numpy()
        record["train"].append(float(hits.mean()))
        record["wrong"].append(float(hits[wrong].mean()))
        pictures.append(drawn(leaning(model, squares), int(config["pixels"])))

    recipe = Recipe(**{name: config[name] for name in ("epochs", "batch", "lr", "momentum")})
    record["step"] = watched(model, own, y, recipe, seed=seed, look=look)
    record["test"] = [float((each == y_test).mean()) for each in seen]
    record["agreement"] = [float((each == recorder.simple).mean()) for each in seen]
    record["linear"] = beside(recorder, seen)
    at = events(record)
    record["at"] = at
    truth = above_wave(squares.cpu().numpy(), config)
    return record | {
        "pictures": {name: pictures[i] for name, i in at.items() if i is not None},
        "points": drawn(where(x, y.cpu().numpy(), int(config["pixels"])), int(config["pixels"])),
        "truth": drawn(truth.astype(np.float32), int(config["pixels"])),
        "line": drawn(by_line(squares).astype(np.float32), int(config["pixels"])),
    }


def disc(m: int, config: Config, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Points evenly in the unit disc, and whether each lies above a sinusoid.

    Args:
        m: How many.
        config: ``height`` and ``waves`` of the sinusoid across the disc.
        rng: Of the points.

    Example:
        >>> x, y = disc(1000, {"height": 0.4, "waves": 2}, np.random.default_rng(0))
        >>> bool((x**2).sum(1).max() <= 1), round(float(y.mean()), 1)
        (True, 0.5)
    """
    radius, angle = np.sqrt(rng.random(m)), 2 * np.pi * rng.random(m)
    x = (radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32)
    return x, above_wave(x, config)


def above_wave(x: Floats, config: Config) -> Ints:
    """1 above the sinusoid, 0 below.

    Example:
        >>> above_wave(np.array([[0.25, 0.3], [-0.25, 0.3]], np.float32), {"height": 0.4, "waves": 2})
        array([0, 1])
    """
    wave = config["height"] * np.sin(np.pi * config["waves"] * x[:, 0])
    found: Ints = (x[:, 1] > wave).astype(np.int64)
    return found


def grid(pixels: int) -> Floats:
    """The middles of squares over ``[-1, 1]²``, row by row from the top.

    Example:
        >>> grid(2).tolist()
        [[-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]]
    """
    middles = (2 * np.arange(pixels) + 1) / pixels - 1
    right, down = np.meshgrid(middles, -middles)
    return np.stack([right.ravel(), down.ravel()], axis=1).astype(np.float32)


def leaning(model: nn.Module, x: Tensor) -> Floats:
    """The probability of label 1 at each place.

    Example:
        >>> leaning(nn.Identity(), torch.tensor([[0.0, 0.0], [0.0, 99.0]])).tolist()
        [0.5, 1.0]
    """
    found: Floats = logits(model, x).softmax(1)[:, 1].cpu().numpy()
    return found


def where(x: Floats, y: Ints, pixels: int) -> Floats:
    """The labels of points in the squares in which they lie; nan where there is none.

    Example:
        >>> where(np.array([[0.9, 0.9]], np.float32), np.array([1]), 2).tolist()
        [nan, 1.0, nan, nan]
    """
    found: Floats = np.full(pixels**2, np.nan, np.float32)
    column, row = np.clip((np.stack([x[:, 0], -x[:, 1]]) + 1) / 2 * pixels, 0, pixels - 1).astype(int)
    found[row * pixels + column] = y
    return found


def drawn(values: Floats, pixels: int) -> list[str]:
    """A picture in few characters: a row of digits from 0 to 9 for every row, a dot outside of the disc.

    Example:
        >>> drawn(np.array([0, 1, 0.5, np.nan], np.float32), 2)
        ['09', '5.']
    """
    inside = ((grid(pixels) ** 2).sum(1) <= 1) & ~np.isnan(values)
    tenths = np.clip(np.nan_to_num(values) * 10, 0, 9).astype(int)
    signs = [str(tenth) if here else NOWHERE for tenth, here in zip(tenths, inside, strict=True)]
    return ["".join(signs[row * pixels : (row + 1) * pixels]) for row in range(pixels)]


def events(record: Record) -> dict[str, int | None]:
    """At which looks something happened; None if it never did.

    ``line``: the network first does as well as the line. ``curve``: half of what the line gets wrong is
    right. ``best``: it is at its best. ``noise``: from here on half of the wrong labels are fitted. ``end``.

    Example:
        >>> found = {"test": [0.5, 0.8, 0.95, 0.9], "wrong": [0.5, 0.1, 0.2, 1.0]}
        >>> events(found | {"linear": {"accuracy": 0.8}})
        {'line': 1, 'curve': 2, 'best': 2, 'noise': 3, 'end': 3}
    """
    test, line = np.array(record["test"]), record["linear"]["accuracy"]
    unfitted = np.flatnonzero(np.array(record["wrong"]) < 0.5)
    noise = int(unfitted[-1]) + 1 if unfitted.size else 0
    return {
        "line": first(test >= line),
        "curve": first(test >= (1 + line) / 2),
        "best": int(test.argmax()),
        "noise": noise if noise < len(test) else None,
        "end": len(test) - 1,
    }


def first(happened: Sequence[bool] | NDArray[np.bool_]) -> int | None:
    """The first look at which something is so.

    Example:
        >>> first([False, True, True]), first([False])
        (1, None)
    """
    found = np.flatnonzero(happened)
    return int(found[0]) if found.size else None
