"""The six-dimensional linear example: one direction that all examples share, or none."""

from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients import coherence
from rote.studies._panels import Axis, Line, Panel
from rote.studies._study import Config, Place, Record, Rows, Scale, one

STEPS, LEARNING_RATE = 40, 0.1
SIGNS = (1.0, -1.0, -1.0, 1.0, -1.0)
LABELS = ("real", "random")


def examples(labels: str) -> tuple[Tensor, Tensor]:
    """The five points: inputs ``[5, 6]`` and targets ``[5]``, float64; the last one is the test point.

    Example:
        >>> x, y = examples("real")
        >>> x[1].tolist(), y[1].item()
        ([0.0, -1.0, 0.0, 0.0, 0.0, -1.0], -1.0)
    """
    s = torch.tensor(SIGNS, dtype=torch.float64)
    x = torch.zeros(5, 6, dtype=torch.float64)
    x[:, :5] = torch.diag(s)
    if labels == "real":
        x[:, 5] = s
    return x, s


def half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the sum of the squared errors."""
    return 0.5 * ((outputs.squeeze(1) - targets) ** 2).sum()


def cell(config: Config, seed: int, place: Place) -> Record:
    """Gradient descent from zero on the first four points; the fifth is the test point."""
    x, y = examples(str(config["labels"]))
    model = nn.Linear(6, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    at_start = coherence(model, half_squares, (x[:4], y[:4]))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    found: dict[str, Any] = {"train_loss": [], "test_loss": [], "shared": [], "own": []}
    first: list[float] = []
    for _ in range(STEPS + 1):
        optimizer.zero_grad()
        loss = half_squares(model(x[:4]), y[:4])
        loss.backward()
        weight, grad = model.weight, model.weight.grad
        assert grad is not None
        first = first or grad[0].tolist()
        with torch.no_grad():
            found["test_loss"].append(float(half_squares(model(x[4:]), y[4:])))
        found["train_loss"].append(loss.item() / 4)
        found["shared"].append(weight[0, 5].item())
        found["own"].append(weight[0, 0].item())
        optimizer.step()
    return found | {"first_gradient": first, "m_coherence": at_start.m_coherence}


def configs(scale: Scale) -> list[Config]:
    """Both sets of labels."""
    return [{"labels": labels} for labels in LABELS]


def panels(rows: Rows) -> list[Panel]:
    """Loss and weights over steps."""
    found = []
    for key, title in (("train_loss", "Training loss"), ("test_loss", "Test loss")):
        axis = Axis("loss of one example", low=0.0)
        found.append(
            Panel(title, Axis("step"), axis, [_line(rows, n, key, n, i) for i, n in enumerate(LABELS)])
        )
    weights = [_line(rows, "real", "shared", "shared", 0), _line(rows, "real", "own", "own", 1)]
    return [*found, Panel("Weights, real labels", Axis("step"), Axis("weight", low=0.0), weights)]


def _line(rows: Rows, labels: str, key: str, name: str, style: int) -> Line:
    here = [row.record[key] for row in rows if row.config["labels"] == labels]
    return Line(name, [list(enumerate(values)) for values in here[:1]], style)


def shared_over_own(rows: Rows) -> float:
    """First gradient on the shared coordinate over that on an example's own."""
    first = one(rows, labels="real")["first_gradient"]
    return float(first[5] / first[0])


def loss_left_of_test_point(rows: Rows, labels: str) -> float:
    """Share of the test point's loss that is left at the end."""
    losses = one(rows, labels=labels)["test_loss"]
    return float(losses[-1] / losses[0])


def m_coherence(rows: Rows, labels: str) -> float:
    """m-coherence of the four training points before the first step."""
    return float(one(rows, labels=labels)["m_coherence"])
