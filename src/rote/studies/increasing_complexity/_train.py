"""Training with looks on the way, and the simpler models that what was seen is held against."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from rote.dynamics import Recorder
from rote.learners import Recipe, logits, start, train_epoch

Ints = NDArray[np.int64]
SAVED = ("model", "shared", "unexplained", "forgotten")


def spaced(last: int, decade: int = 12) -> list[int]:
    """Steps at which to look: 0 and the last, and between them about so many for every factor of ten.

    Example:
        >>> spaced(20, 4)
        [0, 1, 2, 3, 6, 11, 20]
    """
    count = 1 + round(decade * np.log10(max(last, 1)))
    return sorted({0, last, *np.geomspace(1, last, count).round().astype(int).tolist()})


def steps_of(recipe: Recipe, m: int) -> int:
    """How many steps a recipe takes with so many examples.

    Example:
        >>> steps_of(Recipe(epochs=3, batch=4), 10)
        9
    """
    return recipe.epochs * -(-m // recipe.batch)


def watched(
    model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe, *, seed: int, look: Callable[[int], None]
) -> list[int]:
    """Train in place, with looks spaced evenly in the logarithm of the step, before the first and at the end.

    Args:
        model: On the device of ``x``.
        x: Training inputs.
        y: Their labels.
        recipe: How it is trained.
        seed: Of the examples' order.
        look: Called with the number of steps taken.

    Returns:
        The steps at which it looked.

    Example:
        >>> x, y = torch.randn(10, 2), torch.arange(10) % 2
        >>> watched(nn.Linear(2, 2), x, y, Recipe(epochs=3, batch=5), seed=0, look=lambda step: None)
        [0, 1, 2, 3, 4, 5, 6]
    """
    progress = start(model, recipe)
    wanted = spaced(steps_of(recipe, len(y)))

    def on_step(step: int) -> None:
        if step in wanted:
            look(step)

    for _ in range(recipe.epochs):
        train_epoch(model, x, y, recipe, progress, seed=seed, on_step=on_step)
    look(progress.step)
    return wanted


def predictions(model: nn.Module, x: Tensor) -> Ints:
    """The class with the largest output, for each example.

    Example:
        >>> predictions(nn.Identity(), torch.tensor([[0.0, 1.0], [2.0, 1.0]])).tolist()
        [1, 0]
    """
    found: Ints = logits(model, x).argmax(1).cpu().numpy()
    return found


def linear(x: Tensor, y: Tensor, *, penalty: float) -> Callable[[Tensor], Ints]:
    """Logistic regression on the flattened inputs, trained to convergence.

    Args:
        x: Training inputs.
        y: Their labels.
        penalty: Of half the squared weights, beside the mean loss of an example.

    Returns:
        From inputs to predicted labels.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> linear(x, x[:, 0] > 1.5, penalty=0.01)(x).astype(int).tolist()
        [0, 0, 1, 1]
    """
    fitted = LogisticRegression(C=1 / (penalty * len(y)), max_iter=1000).fit(_flat(x), y.cpu().numpy())

    def predict(inputs: Tensor) -> Ints:
        found: Ints = fitted.predict(_flat(inputs))
        return found

    return predict


def convolutional(
    shape: Sequence[int], classes: int, *, layers: int, channels: int, seed: int
) -> nn.Sequential:
    """A few convolutions of stride 2 with ReLUs, and a linear layer on what they give; without, it is linear.

    Args:
        shape: Of one image, ``(c, h, w)``.
        classes: Number of outputs.
        layers: Convolutions.
        channels: Of each.
        seed: Of the weights; torch's global random state is left as it was.

    Example:
        >>> net = convolutional((1, 8, 8), 2, layers=2, channels=4, seed=0)
        >>> [tuple(p.shape) for p in net.parameters()][::2]
        [(4, 1, 3, 3), (4, 4, 3, 3), (2, 16)]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs, height, width = shape
        found: list[nn.Module] = []
        for _ in range(layers):
            found += [nn.Conv2d(inputs, channels, 3, stride=2, padding=1), nn.ReLU()]
            inputs, height, width = channels, (height + 1) // 2, (width + 1) // 2
        return nn.Sequential(*found, nn.Flatten(), nn.Linear(inputs * height * width, classes))


def beside(recorder: Recorder, seen: Sequence[Ints]) -> dict[str, Any]:
    """What the network knows at each look, and what a simpler model explains of it, or would by chance.

    Args:
        recorder: To which all looks were added.
        seen: The predictions of the looks.

    Returns:
        ``simple`` and ``accuracy`` of the simpler model; ``model``, ``shared``, ``unexplained``,
        ``forgotten`` and ``independent``, what would be shared if errors were independent, one value a look;
        and ``parting``, the step from which on a tenth is unexplained.

    Example:
        >>> labels = np.array([0, 0, 1, 1])
        >>> recorder = Recorder(simple=labels, labels=labels)
        >>> recorder.add(0, labels)
        >>> found = beside(recorder, [labels])
        >>> found["accuracy"], found["independent"], found["parting"]
        (1.0, [1.0], None)
    """
    curves = recorder.curves()
    simple, labels = (each.astype(np.int64) for each in (recorder.simple, recorder.labels))
    chance = [independent(each, simple, labels) for each in seen]
    return {
        "simple": float(curves.values["simple"][0]),
        "accuracy": curves.simple_accuracy,
        **{name: rounded(curves.values[name]) for name in SAVED},
        "independent": rounded(np.array(chance)),
        "parting": curves.parting(),
    }


def independent(model: Ints, simple: Ints, labels: Ints) -> float:
    """The information that both would share, in bits, if they erred independently of each other.

    Each keeps how often it says what of each class; given the class they are independent. Then I(F;L|Y) = 0,
    and so what they share, I(F;Y) - I(F;Y|L) = I(F;L) - I(F;L|Y), is I(F;L).

    Args:
        model: Predictions F.
        simple: Predictions L.
        labels: Y.

    Example:
        >>> y = np.repeat([0, 1], 20)
        >>> f, l = y ^ (np.arange(40) % 20 < 1), y ^ (np.arange(40) % 20 < 3)  # 95 % and 85 % are right
        >>> round(independent(f, l, y), 3)
        0.309
    """
    joint = np.zeros((int(model.max()) + 1, int(simple.max()) + 1))
    for label in np.unique(labels):
        own = labels == label
        rates = [
            np.bincount(each[own], minlength=n) for each, n in zip((model, simple), joint.shape, strict=True)
        ]
        joint += np.outer(*rates) / own.sum() / len(labels)
    apart = np.outer(joint.sum(1), joint.sum(0))
    there = joint > 0
    return float((joint[there] * np.log2(joint[there] / apart[there])).sum())


def rounded(values: NDArray[np.float64]) -> list[float]:
    """As a list, to five digits after the point.

    Example:
        >>> rounded(np.array([0.1234567]))
        [0.12346]
    """
    found: list[float] = values.round(5).tolist()
    return found


def _flat(x: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = x.flatten(1).cpu().numpy()
    return found
