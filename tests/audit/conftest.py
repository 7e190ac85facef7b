"""What the audit's tests share: the oracles, made-up evidence, and a toy data set of two classes."""

import numpy as np
import pytest
import torch

from oracles import audit
from rote.audit._evidence import Evidence
from rote.data import Dataset, split
from rote.gradients import support


@pytest.fixture(scope="session")
def slow():
    """The slow, obvious twins."""
    return audit


@pytest.fixture(scope="session")
def made_up():
    """A function that makes evidence of m examples up; any field can be given."""

    def make(m=40, classes=3, seed=0, **fields):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.ones(classes), (2, m))
        values = {
            "y": rng.integers(classes, size=m),
            "mean_loss": rng.exponential(size=m),
            "last_loss": rng.exponential(size=m),
            "held_out": p[0],
            "log_belief": np.log(p[1]),
            "belief": p[1],
            "confidence": rng.random(m),
            "variability": rng.random(m) / 2,
            "first": rng.integers(0, 9, m).astype(float),
            "good": rng.integers(0, 9, m).astype(float),
            "fitted": rng.random(m),
            "agreement": rng.integers(0, 11, m) / 10,
            "input_distance": rng.random((m, classes)) + 0.1,
            "inside_distance": rng.random((m, classes)) + 0.1,
            "support": rng.normal(size=m),
            "support_same_label": rng.normal(size=m),
        }
        return Evidence(**(values | fields))

    return make


@pytest.fixture(scope="session")
def warm():
    """Loads what torch loads on the first use of torch.func, so that no test pays for it."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    support(model, torch.nn.CrossEntropyLoss(), (torch.eye(2), torch.tensor([0, 1])))
    model(torch.eye(2)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()


@pytest.fixture(scope="session")
def blobs():
    """A function that makes two clouds of points, 120 to learn from, some of whose labels are flipped."""

    def make(flipped=0, permuted=False, seed=0):
        rng = np.random.default_rng(seed)
        y = np.arange(160) % 2
        X = (rng.normal(size=(160, 4)) * 0.5 + np.where(y, 1.5, -1.5)[:, None]).astype(np.float32)
        data = Dataset("blobs", X, y, np.arange(160) + 1000, ("left", "right"), columns=("a", "b", "c", "d"))
        train, test = data[np.arange(120)], data[np.arange(120, 160)]
        given = train.y.copy()
        given[rng.permutation(120)[:flipped]] ^= 1
        if permuted:
            given = rng.permutation(given)
        noise = "flipped by hand" if flipped or permuted else ""
        return split(train.with_labels(given, noise=noise), test)

    return make
