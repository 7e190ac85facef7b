"""What an audit will do, resolved before anything is trained."""

import hashlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from rote.errors import InputError
from rote.learners import Recipe, cnn, mlp, resnet18

Factory = Callable[..., nn.Module]
"""``factory(shape, classes)``, or ``factory()``: returns a fresh module from ``[b, *shape]`` to logits."""

REMEDIES = ("early-stop", "drop-suspects", "relabel", "winsorize", "median")
_NETWORKS: dict[str, Factory] = {"mlp": mlp, "cnn": cnn, "resnet18": resnet18}


@dataclass(frozen=True)
class Plan:
    """The configuration of an audit: whatever changes its results.

    Attributes:
        model: Name of the reference network, or ``pkg.module:factory``.
        recipe: How each network is trained.
        runs: Networks trained on the given labels; run k leaves out the k-th part of the examples.
        seed: Of parts, initial weights, orders and planted labels.
        probe: Examples in the fixed probe on which coherence is measured.
        planted: Share of labels changed in the calibration runs.
        circuit: Whether the network is looked at as a circuit; no part of a run's identity.

    Raises:
        InputError: If a number is out of range.

    Example:
        >>> Plan(runs=1)
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `seeds` must be at least 2, so that every example is left out once. Got 1.
    """

    model: str = "mlp"
    recipe: Recipe = field(default_factory=Recipe)
    runs: int = 5
    seed: int = 0
    probe: int = 500
    planted: float = 0.1
    circuit: bool = True

    def __post_init__(self) -> None:
        if self.runs < 2:
            raise InputError(
                f"`seeds` must be at least 2, so that every example is left out once. Got {self.runs}."
            )
        if self.recipe.epochs < 1 or self.recipe.batch < 1:
            raise InputError(
                f"`epochs` and `batch` must be at least 1. Got {self.recipe.epochs} and {self.recipe.batch}."
            )
        if not (0 < self.recipe.lr < float("inf")):
            raise InputError(f"`lr` must be positive. Got {self.recipe.lr}.")
        if not (0 <= self.recipe.momentum < 1 and 0 <= self.recipe.weight_decay < float("inf")):
            raise InputError(
                f"`momentum` must be at least 0 and below 1, and `weight_decay` at least 0. "
                f"Got {self.recipe.momentum} and {self.recipe.weight_decay}."
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"`seed` must be a whole number from 0 to {2**32 - 1}. Got {self.seed}.")
        if not 0 < self.planted <= 0.5:
            raise InputError(f"`planted` must be above 0 and at most 0.5. Got {self.planted}.")
        if self.probe < 2:
            raise InputError(f"`probe` must be at least 2 examples. Got {self.probe}.")

    def config(self) -> dict[str, object]:
        """The fields, JSON-ready: the part of a run's identity that the user chose."""
        return {
            "model": self.model,
            "recipe": self.recipe.to_dict(),
            "runs": self.runs,
            "seed": self.seed,
            "probe": self.probe,
            "planted": self.planted,
        }


def default_model(shape: Sequence[int]) -> str:
    """The network an audit takes when none is named: ``cnn`` for images of at least 16×16, else ``mlp``.

    Example:
        >>> default_model((3, 32, 32)), default_model((1, 8, 8)), default_model((20,))
        ('cnn', 'mlp', 'mlp')
    """
    return "cnn" if len(shape) == 3 and min(shape[1:]) >= 16 else "mlp"


def find_factory(model: str) -> Factory:
    """The factory a name stands for.

    Args:
        model: ``mlp``, ``cnn``, ``resnet18``, or ``pkg.module:factory``.

    Raises:
        InputError: If there is none of that name.

    Example:
        >>> find_factory("mlp").__name__
        'mlp'
    """
    if model in _NETWORKS:
        return _NETWORKS[model]
    module, colon, name = model.partition(":")
    if not colon:
        raise InputError(
            f"`model` must be one of {', '.join(_NETWORKS)}, or pkg.module:factory. Got {model!r}."
        )
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # and it stays there: worker processes import the module again
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # importing runs the user's code
        raise InputError(
            f"`model`: cannot import {model} ({type(error).__name__}: {error}); is its folder on PYTHONPATH?"
        ) from error
    if not callable(found):
        raise InputError(
            f"`model`: {model} must be a function that returns a module. Got {type(found).__name__}."
        )
    return found  # type: ignore[no-any-return]


def build(factory: Factory, shape: Sequence[int], classes: int) -> nn.Module:
    """A fresh network from a factory of two arguments or of none.

    Raises:
        InputError: If the factory fails, or returns no module with parameters.

    Example:
        >>> build(lambda: nn.Linear(4, 2), (4,), 2).out_features
        2
    """
    try:
        takes = len(
            [
                p
                for p in inspect.signature(factory).parameters.values()
                if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            ]
        )
    except (TypeError, ValueError):
        takes = 0
    name = getattr(factory, "__qualname__", "factory")
    try:
        model = factory(tuple(shape), classes) if takes >= 2 else factory()
    except Exception as error:
        raise InputError(f"`model`: {name} failed ({type(error).__name__}: {error}).") from error
    if not isinstance(model, nn.Module) or not any(p.requires_grad for p in model.parameters()):
        raise InputError(f"`model`: {name} must return a torch module with trainable parameters.")
    return model


def architecture(model: nn.Module) -> str:
    """A digest of a network's structure: its modules and the shapes of its parameters, not their values.

    Example:
        >>> architecture(nn.Linear(2, 2)) == architecture(nn.Linear(2, 2)) != architecture(nn.Linear(2, 3))
        True
    """
    text = repr(model) + repr([(name, tuple(p.shape)) for name, p in model.named_parameters()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parts(y: NDArray[np.int64], n: int, *, seed: int) -> NDArray[np.int64]:
    """Which of n parts each example belongs to: equal shares of every class, as far as that goes.

    Args:
        y: Labels, shape ``[m]``.
        n: Number of parts.
        seed: Of the shuffle within each class.

    Returns:
        Shape ``[m]``, values ``0 … n - 1``.

    Example:
        >>> np.bincount(parts(np.array([0, 0, 0, 1, 1, 1]), 3, seed=0)).tolist()
        [2, 2, 2]
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    part = np.empty(len(y), np.int64)
    part[by_class] = np.arange(len(y)) % n
    return part


def log_steps(total: int) -> list[int]:
    """Steps at which to look, denser early: 0, 1, 2, 3, 4, 6, 8, 12, … and the last.

    Example:
        >>> log_steps(20)
        [0, 1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    steps, power = {0, total}, 1
    while power <= total:
        steps |= {power, power * 3 // 2} if power * 3 // 2 <= total else {power}
        power *= 2
    return sorted(steps)
