"""Coherence in the tools that people train with: Lightning, Transformers, and their loggers.

``rote.integrations.lightning.CoherenceCallback`` and ``rote.integrations.transformers.CoherenceCallback``
give the same numbers as :func:`rote.watch` in a plain loop; they are imported from those modules, which alone
know the frameworks. Here is what every loop can use: which scalars to log, and where to.

>>> import torch, rote
>>> model = torch.nn.Linear(2, 1)
>>> class Printer:
...     def log(self, step, scalars):
...         print(step, *(f"{name}={value:.1f}" for name, value in scalars.items()))
>>> log = CoherenceLog(Printer())
>>> with rote.watch(model) as meter:
...     model(torch.ones(3, 2)).mean().backward()  # three equal examples
...     meter.update()
...     log(0, meter.last)
0 coherence/alpha=1.0 coherence/alpha_unbiased=1.0 coherence/m_coherence=3.0 coherence/noise_scale=0.0 \
coherence/layers/alpha_unbiased/Linear=1.0
"""

from rote.integrations._loggers import CoherenceLog, JsonLines, Logger, MLflow, TensorBoard, Wandb
from rote.integrations._scalars import largest_layers, scalars

__all__ = [
    "CoherenceLog",
    "JsonLines",
    "Logger",
    "MLflow",
    "TensorBoard",
    "Wandb",
    "largest_layers",
    "scalars",
]
