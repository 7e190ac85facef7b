"""Shared by tests of training loops: a small model, its batches, one step, when two records are the same."""

import numpy as np
import pytest
import torch
from torch import nn

LOSS = nn.CrossEntropyLoss()
CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")],
)
on_each_device = pytest.mark.parametrize("device", ["cpu", CUDA])


def small(device="cpu"):
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).to(device)


def batch(m=5, device="cpu"):
    return torch.randn(m, 4, device=device), torch.randint(0, 3, (m,), device=device)


def step(model, meter, x, y, loss=LOSS):
    loss(model(x), y).backward()
    meter.update()


def assert_same(got, expected, rel=1e-10):
    """Two records of the same examples, whatever the way."""
    assert (got.m, list(got.layers)) == (expected.m, list(expected.layers))
    for name in ("alpha", "m_coherence", "alpha_unbiased"):
        assert getattr(got, name) == pytest.approx(getattr(expected, name), rel=rel)
        for layer, record in expected.layers.items():
            assert getattr(got.layers[layer], name) == pytest.approx(
                getattr(record, name), rel=rel, abs=rel, nan_ok=True
            )
    np.testing.assert_allclose(got.squared_norms, expected.squared_norms, rtol=rel)
