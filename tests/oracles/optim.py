"""Robust gradients by definition: one backward pass for each example, then NumPy."""

import numpy as np
import torch


def rows_by_parameter(model, loss, x, y):
    """``{parameter: [m, n]}``: gradients of the examples' terms of the mean loss, each with its ``1/m``."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    rows = {name: [] for name, _ in named}
    for i in range(len(y)):
        value = loss(model(x[i : i + 1]), y[i : i + 1]) / len(y)
        gradients = torch.autograd.grad(value, [p for _, p in named], allow_unused=True)
        for (name, p), g in zip(named, gradients, strict=True):
            rows[name].append(np.zeros(p.numel()) if g is None else g.to_dense().flatten().numpy())
    return {name: np.stack(r) for name, r in rows.items()}


def winsorized(G, c):
    """The sum of the rows, clipped at their c-th and (100 - c)-th percentile by nearest rank.

    As the authors' code has it; with 100 rows, c are clamped at each end.
    """
    low, high = np.percentile(G, [c, 100 - c], axis=0, method="nearest")
    return np.clip(G, low, high).sum(0)


def clamped(G, c):
    """The same for any number of rows, one coordinate at a time, in plain Python."""
    total = []
    for column in G.T.tolist():
        ranked = sorted(column)
        low, high = ranked[c], ranked[len(ranked) - 1 - c]
        total.append(sum(min(max(v, low), high) for v in column))
    return np.array(total)


def trimmed(G, c):
    """m times the mean of what is left of each column without its c extremes at each end."""
    m = len(G)
    return np.array([sum(sorted(column)[c : m - c]) * m / (m - 2 * c) for column in G.T.tolist()])


def median_of_groups(G, groups):
    """m times the median of the means of neighbouring rows."""
    return len(G) * np.median([part.mean(0) for part in np.array_split(G, groups)], axis=0)


def median_of_three(a, b, c):
    """The middle of three sorted values."""
    return np.sort(np.stack([a, b, c]), axis=0)[1]
