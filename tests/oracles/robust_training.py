"""A small network, its robust gradients by definition, and how the two are compared."""

import copy

import numpy as np
import torch
from torch import nn

from oracles.optim import clamped, rows_by_parameter

LOSS = nn.CrossEntropyLoss()


def made(m=11):
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))
    return model, torch.randn(m, 6), torch.randint(0, 3, (m,))


def expected(model, x, y, c=2):
    """By definition, on a copy, which the hooks do not follow."""
    rows = rows_by_parameter(copy.deepcopy(model), LOSS, x.detach(), y)
    return {n: clamped(G, c) for n, G in rows.items()}


def in_grad(model):
    return {n: p.grad.flatten().numpy().copy() for n, p in model.named_parameters()}


def assert_same(got, wanted, factor=1.0):
    for name, value in wanted.items():
        np.testing.assert_allclose(got[name], factor * value, rtol=1e-9, atol=1e-14, err_msg=name)


def trusted(model, x, y, robust):
    """After the self-check, with the layers' parameters cut off from then on."""
    LOSS(model(x), y).backward()
    model.zero_grad()
    assert len(robust.seen.trusted) == 3
    return robust
