"""The straight line between two states of a model: error and loss along it, and the barrier on the way.

Frankle, Dziugaite, Roy, Carbin 2020 (arXiv 1912.05671), §2; the second definition of a barrier: Entezari,
Sedghi, Saukh, Neyshabur 2021 (arXiv 2110.06296).
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from rote.dynamics._checkpoints import State, load
from rote.dynamics._evaluation import evaluation_mode
from rote.dynamics._normalisation import recompute_statistics, statistics_of
from rote.dynamics._path import Path
from rote.errors import InputError

Loader = Iterable[tuple[Tensor, Tensor]]
Evaluate = Callable[[nn.Module], tuple[float, float]]


def line(
    model: nn.Module,
    a: State,
    b: State,
    evaluate: Evaluate,
    *,
    points: int = 30,
    statistics: Loader | Iterable[Tensor] | Literal["interpolate"] | None = None,
) -> Path:
    """Error and loss at evenly spaced points from one state to another, both ends included.

    Parameters and floating-point buffers are interpolated; integer buffers, such as counts of batches, are
    those of ``a``. A tied weight is one parameter and stays tied. Statistics of batch normalisation that were
    gathered at the ends are wrong between them: they are gathered anew at every point, from inputs that
    ``statistics`` gives, also at the ends, so that all points are treated alike.

    Args:
        model: The architecture; a copy of it is moved along the line, it is left as it is.
        a: The state at share 0.
        b: The state at share 1.
        evaluate: From a model, in evaluation mode, to error and loss, such as :func:`evaluator`.
        points: How many, at least 2.
        statistics: Batches of inputs (or of inputs and labels) for batch normalisation, gone through once a
            point; ``"interpolate"`` to interpolate the statistics of the ends instead. Only needed where the
            model has any.

    Raises:
        InputError: If a state does not fit the model, both are the same tensors, or the model has statistics
            and ``statistics`` does not say what to do.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> square = lambda net: (0.0, (net.weight.item() ** 2 - 1) ** 2)  # minima at -1 and 1
        >>> path = line(net, {"weight": -torch.ones(1, 1)}, {"weight": torch.ones(1, 1)}, square, points=5)
        >>> path.loss.tolist()
        [0.0, 0.5625, 1.0, 0.5625, 0.0]
        >>> path.barrier("loss")
        1.0
    """
    if points < 2:
        raise InputError(f"`points` must be at least 2, the ends. Got {points}.")
    moving = copy.deepcopy(model)
    for name, state in (("`b`", b), ("`a`", a)):
        load(moving, state, name)
    _refuse_aliases(a, b)
    names = statistics_of(moving)
    if names and statistics is None:
        raise InputError(
            "`statistics` must say how batch normalisation is treated between the ends. Got none for "
            f"{names[0]!r}: pass batches of training inputs, or 'interpolate'."
        )
    if isinstance(statistics, str) and statistics != "interpolate":
        raise InputError(f"`statistics` must be batches of inputs or 'interpolate'. Got {statistics!r}.")
    batches = None if isinstance(statistics, str) or not names else _again(statistics)
    shares = torch.linspace(0, 1, points, dtype=torch.float64).tolist()
    found = []
    for share in shares:
        moving.load_state_dict(interpolated(a, b, share))
        if batches is not None:
            recompute_statistics(moving, batches)
        with evaluation_mode(moving), torch.no_grad():
            error, loss = evaluate(moving)
        found.append((float(error), float(loss)))
    errors, losses = zip(*found, strict=True)
    return Path.of(shares, errors, losses)


def interpolated(a: State, b: State, share: float) -> dict[str, Tensor]:
    """``(1 - share) · a + share · b``; what is no floating-point number is that of ``a``.

    At shares 0 and 1 the states themselves, bit for bit.

    Raises:
        InputError: If the states have not the same names and shapes.

    Example:
        >>> a = {"w": torch.zeros(1), "n": torch.tensor(3)}
        >>> interpolated(a, {"w": torch.ones(1), "n": torch.tensor(5)}, 0.25)
        {'w': tensor([0.2500]), 'n': tensor(3)}
    """
    if a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a):
        raise InputError("`a` and `b` must have the same names and shapes. Got two that differ.")
    made = {}
    for name, start in a.items():
        end = b[name].to(start.device)
        if share == 0 or not (start.is_floating_point() or start.is_complex()):
            made[name] = start
        else:
            made[name] = end if share == 1 else torch.lerp(start, end, share)
    return made


def evaluator(
    data: Loader,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    error: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Evaluate:
    """Mean error and mean loss of a model, in evaluation mode, over batches of inputs and labels.

    Args:
        data: Batches ``(x, y)``, gone through once a point; each can have another size.
        loss: From outputs and labels to the mean over the batch.
        error: From outputs and labels to the mean error of the batch; the share of wrong answers, with the
            largest output as the answer, unless given.

    Raises:
        InputError: If ``data`` can be gone through only once, or is empty.

    Example:
        >>> evaluate = evaluator([(torch.eye(2), torch.tensor([0, 0]))])
        >>> error, loss = evaluate(nn.Identity())
        >>> error, round(loss, 3)
        (0.5, 0.813)
    """
    batches = _again(data)
    wrong = error if error is not None else _wrong

    def evaluate(model: nn.Module) -> tuple[float, float]:
        sums, m = torch.zeros(2, dtype=torch.float64), 0
        device = next((p.device for p in model.parameters()), None)
        with evaluation_mode(model), torch.no_grad():
            for x, y in batches:
                outputs, labels = model(x.to(device)), y.to(device)
                found = torch.stack([wrong(outputs, labels).double(), loss(outputs, labels).double()])
                sums += len(x) * found.cpu()
                m += len(x)
        if not m:
            raise InputError("`data` must hold at least one example. Got none.")
        return float(sums[0] / m), float(sums[1] / m)

    return evaluate


def _wrong(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs.argmax(-1) != labels).double().mean()


def _again(data: Loader | Iterable[Tensor] | None) -> Iterable[tuple[Tensor, ...] | Tensor]:
    """Refuse what is used up after the first point."""
    if data is None or isinstance(data, Iterator):
        raise InputError(
            "Batches are gone through at every point of the line. Got an iterator, which is used up after "
            "one: pass a DataLoader or a list."
        )
    return data


def _refuse_aliases(a: State, b: State) -> None:
    shared = [
        n for n in a if a[n].is_floating_point() and a[n].numel() and a[n].data_ptr() == b[n].data_ptr()
    ]
    if shared:
        raise InputError(
            f"`a` and `b` must be different states. Got the same tensor for {shared[0]!r}: "
            "state_dict() returns references, so copy the first with copy.deepcopy before training goes on."
        )
