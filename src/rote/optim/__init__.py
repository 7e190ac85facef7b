"""Optimizers that memorise less: a step follows what many examples want, not what a few of them want.

:class:`WinsorizedSGD`, or :func:`winsorize` before any other optimizer, clamps the extremes among the
examples' gradients, coordinate by coordinate. :class:`M3` and :class:`RM3` take the median of three batches'
gradients and need no examples' gradients at all.

>>> import torch
>>> from torch import nn
>>> _ = torch.manual_seed(0)
>>> model, x, y = nn.Linear(4, 2), torch.randn(8, 4), torch.tensor([0, 1] * 4)
>>> optimizer = WinsorizedSGD(model, lr=0.1, c=2)
>>> nn.functional.cross_entropy(model(x), y).backward()
>>> optimizer.step()
"""

from rote.optim._ranks import median_over_ranks
from rote.optim._robust import RobustGradients, winsorize
from rote.optim._sgd import MedianOfMeans, TrimmedMean, WinsorizedSGD
from rote.optim._three import M3, RA3, RM3

__all__ = [
    "M3",
    "RA3",
    "RM3",
    "MedianOfMeans",
    "RobustGradients",
    "TrimmedMean",
    "WinsorizedSGD",
    "median_over_ranks",
    "winsorize",
]
