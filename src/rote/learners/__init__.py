"""Reference networks and the one plain training loop.

>>> import torch
>>> from rote.learners import Recipe, logits, mlp, start, train_epoch
>>> _ = torch.manual_seed(0)
>>> x, y = torch.eye(4), torch.tensor([0, 1, 0, 1])
>>> net, recipe = mlp((4,), 2, hidden=(8,)), Recipe(epochs=20, batch=2)
>>> progress = start(net, recipe)
>>> for _ in range(recipe.epochs):
...     train_epoch(net, x, y, recipe, progress, seed=0)
>>> logits(net, x).argmax(1).tolist()
[0, 1, 0, 1]
"""

from rote.learners._networks import alexnet, cnn, mlp, resnet18
from rote.learners._train import Progress, Recipe, batches, logits, order, start, train_epoch

__all__ = [
    "Progress",
    "Recipe",
    "alexnet",
    "batches",
    "cnn",
    "logits",
    "mlp",
    "order",
    "resnet18",
    "start",
    "train_epoch",
]
