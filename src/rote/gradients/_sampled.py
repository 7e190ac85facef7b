"""A few coordinates of a few examples' gradients, as the first paper measured them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._loss import Loss
from rote.gradients._single import SingleGradients, plain, single_gradients


@dataclass(frozen=True)
class Sampled:
    """Which examples, and which coordinates of their gradients, stand for all.

    The defaults are those of Chatterjee 2020 (arXiv 2002.10657): 400 examples and 300 weights of each
    weight matrix (600 of a network with one hidden layer), biases left out. Draws are those of the released
    code: without replacement, ``RandomState(example_seed)`` for the examples, a fresh
    ``RandomState(weight_seed)`` for each matrix, which lists a weight by its input first.

    Attributes:
        examples: How many examples; all where there are fewer.
        weights: How many coordinates of each parameter; all where there are fewer.
        parameters: Names of the parameters; empty: every trainable one with two dimensions or more.
        example_seed: Of the examples' draw.
        weight_seed: Of the coordinates' draws.

    Example:
        >>> Sampled(examples=3).examples_of(60000).tolist()
        [15281, 21435, 44536]
    """

    examples: int = 400
    weights: int = 300
    parameters: tuple[str, ...] = ()
    example_seed: int = 1
    weight_seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("examples", self.examples), ("weights", self.weights)):
            if value < 1:
                raise InputError(f"`{name}` of Sampled must be at least 1. Got {value}.")

    def examples_of(self, m: int) -> NDArray[np.int64]:
        """Numbers of the chosen examples out of ``m``, in the order drawn."""
        state = np.random.RandomState(self.example_seed)
        return state.choice(m, min(self.examples, m), replace=False).astype(np.int64)

    def coordinates_of(self, model: nn.Module) -> dict[str, Tensor]:
        """Positions in the flattened gradient of each chosen parameter.

        Raises:
            InputError: If a name is not that of a trainable parameter.
        """
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        for name in self.parameters:
            if name not in trainable:
                raise InputError(
                    f"`parameters` of Sampled must name trainable parameters of the model. Got `{name}`; "
                    f"there are {', '.join(f'`{n}`' for n in list(trainable)[:8])}."
                )
        names = self.parameters or tuple(name for name, p in trainable.items() if p.dim() > 1)
        if not names:
            raise InputError(
                "`parameters` of Sampled must be given where all trainable parameters have one dimension."
            )
        return {name: self._drawn(trainable[name]) for name in names}

    def _drawn(self, p: nn.Parameter) -> Tensor:
        state = np.random.RandomState(self.weight_seed)
        drawn = state.choice(p.numel(), min(self.weights, p.numel()), replace=False)
        if p.dim() == 2:
            into, out = np.divmod(drawn, p.shape[0])
            drawn = out * p.shape[1] + into
        return torch.as_tensor(drawn, dtype=torch.int64, device=p.device)


def sampled_gradients(
    model: nn.Module, loss: Loss, x: Tensor, y: Tensor, coordinates: dict[str, Tensor], chunk_size: int
) -> NDArray[np.float64]:
    """The chosen coordinates of every example's gradient, ``[m, n]`` float64, parameter after parameter.

    Example:
        >>> model = nn.Linear(3, 1, bias=False)
        >>> x, picked = torch.tensor([[1.0, 2.0, 3.0]]), {"weight": torch.tensor([2, 0])}
        >>> sampled_gradients(model, lambda o, y: o.sum(), x, torch.zeros(1), picked, 500)
        array([[3., 1.]])
    """
    parts = []
    with single_gradients(model, loss) as single:
        single.weigh([y])
        for index in torch.arange(len(y)).split(chunk_size):
            single.norms(x[index], y[index])
            parts.append(_columns(single, x[index], y[index], coordinates).cpu())
    return torch.cat(parts).numpy()


def _columns(single: SingleGradients, x: Tensor, y: Tensor, coordinates: dict[str, Tensor]) -> Tensor:
    found: dict[str, list[Tensor]] = {}
    for calls in single.seen(x, y, coordinates).values():
        if one := plain(calls):
            for name in one.local.keys() & coordinates.keys():
                at = coordinates[name]
                if one.local[name] == "weight":
                    out, into = at // one.x.shape[1], at % one.x.shape[1]
                    found[name] = [one.delta[:, out].double() * one.x[:, into].double()]
                else:
                    found[name] = [one.delta[:, at].double()]
    left = [name for name in coordinates if name not in found]
    if left:
        for chunk in single.rows(x, y, left):
            for name, rows in chunk.items():
                found.setdefault(name, []).append(rows.flatten(1)[:, coordinates[name]].double())
    return torch.cat([torch.cat(found[name]) for name in coordinates], 1)
