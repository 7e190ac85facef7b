"""Robust means: what many examples agree on, whatever a few of them want.

Each is a map ``[m, n] → [n]`` from the gradients of m examples to one gradient. Coordinate by coordinate, a
*winsorized* mean of level c clamps the c largest and the c smallest values to their neighbours, a trimmed
mean leaves them out, and a median of means takes the median of the means of a few groups.

>>> import torch
>>> rows = torch.tensor([[1.0], [2.0], [3.0], [4.0], [90.0]])
>>> rows.mean(0), winsorized_mean(rows, c=1), trimmed_mean(rows, c=1), median_of_means(rows, groups=5)
(tensor([20.]), tensor([3.]), tensor([3.]), tensor([3.]))

Gradients of a dense layer are products of two factors, ``δ_i ⊗ x_i``; an :class:`Aggregate` works on the
factors and never forms them all:

>>> Clamp(1).of_products(torch.ones(5, 1), rows)
tensor([[15.]])
"""

from rote.aggregate._aggregate import Aggregate, Clamp, Drop, GroupMedian
from rote.aggregate._means import median_of_means, median_of_three, trimmed_mean, winsorized_mean
from rote.aggregate._products import clamped_products

__all__ = [
    "Aggregate",
    "Clamp",
    "Drop",
    "GroupMedian",
    "clamped_products",
    "median_of_means",
    "median_of_three",
    "trimmed_mean",
    "winsorized_mean",
]
