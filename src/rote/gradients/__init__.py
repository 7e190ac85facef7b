"""Do the examples help each other? Statistics of per-example gradients, from the backward pass at hand.

Each example has a gradient ``g_i`` of its own loss. With their sum ``S`` and ``Q = Σ ‖g_i‖²`` over ``m``
examples, coherence is ``α = ‖S‖²/(mQ)``: 1 where all pull the same way, ``1/m`` where each is fitted alone, 0
where they cancel. ``m-coherence``, ``‖S‖²/Q``, counts how many examples a step on one of them helps
(Chatterjee & Zielinski 2020, arXiv 2008.01217). Nothing here ever holds examples × parameters.

Watch an ordinary training loop:

>>> import torch
>>> from torch import nn
>>> _ = torch.manual_seed(0)
>>> model, x, y = nn.Linear(4, 2), torch.randn(8, 4), torch.tensor([0, 1] * 4)
>>> meter = watch(model)
>>> nn.functional.cross_entropy(model(x), y).backward()
>>> meter.update()
>>> sorted(meter.compute().layers), meter.coverage
(['Linear'], {'Linear': 'linear'})
>>> meter.close()

Measure a fixed sample, and ask of each example how much the others help it:

>>> coherence(model, nn.CrossEntropyLoss(), (x, y)).m
8
>>> support(model, nn.CrossEntropyLoss(), (x, y)).same_label.shape
(8,)
"""

from rote.gradients._assumptions import Assumption
from rote.gradients._bound import StabilityBound, StabilityFactors
from rote.gradients._classes import ClassCoherence, class_coherence
from rote.gradients._decompose import Decomposition, DecompositionRecorder, decompose
from rote.gradients._estimate import Estimate, LayerEstimate
from rote.gradients._finite import Marked, NonFiniteGradientWarning
from rote.gradients._gramian import gramian
from rote.gradients._gsnr import GSNR, GSNRSummary, gsnr
from rote.gradients._jackknife import EstimateStatistics
from rote.gradients._meter import Meter, watch
from rote.gradients._microbatch import MicrobatchMeter
from rote.gradients._probe import coherence
from rote.gradients._record import Coherence, LayerCoherence, Statistics
from rote.gradients._sampled import Sampled
from rote.gradients._smoothness import Smoothness, smoothness
from rote.gradients._stability import StabilityAccountant
from rote.gradients._stability_report import StabilityReport
from rote.gradients._support import Support, support
from rote.gradients._watcher import Watcher

__all__ = [
    "GSNR",
    "Assumption",
    "ClassCoherence",
    "Coherence",
    "Decomposition",
    "DecompositionRecorder",
    "Estimate",
    "EstimateStatistics",
    "GSNRSummary",
    "LayerCoherence",
    "LayerEstimate",
    "Marked",
    "Meter",
    "MicrobatchMeter",
    "NonFiniteGradientWarning",
    "Sampled",
    "Smoothness",
    "StabilityAccountant",
    "StabilityBound",
    "StabilityFactors",
    "StabilityReport",
    "Statistics",
    "Support",
    "Watcher",
    "class_coherence",
    "coherence",
    "decompose",
    "gramian",
    "gsnr",
    "smoothness",
    "support",
    "watch",
]
