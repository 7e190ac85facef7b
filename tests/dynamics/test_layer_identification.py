"""Kornblith et al. 2019, Table 2: the nearest layer of a twin network should be the same layer."""

from itertools import pairwise, permutations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from rote.dynamics import CKA, SVCCA, activations
from rote.learners import Recipe, start, train_epoch

NETWORKS, WIDTH, DEPTH = 10, 512, 4


def trained(seed, x, y):
    """A tanh network with four hidden layers of equal width, at about 92 % on unseen digits."""
    torch.manual_seed(seed)
    widths = [64] + [WIDTH] * DEPTH
    layers = []
    for p, q in pairwise(widths):
        layers += [nn.Linear(p, q), nn.Tanh()]
        nn.init.normal_(layers[-2].weight, std=1.1 * p**-0.5)
    net, recipe = nn.Sequential(*layers, nn.Linear(WIDTH, 10)), Recipe(epochs=4, lr=0.02, batch=64)
    progress = start(net, recipe)
    for _ in range(recipe.epochs):
        train_epoch(net, x, y, recipe, progress, seed=seed)
    return net


@pytest.mark.slow
def test_cka_finds_the_same_layer_of_another_seed():
    X, y = load_digits(return_X_y=True)
    x, y = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
    nets = [trained(seed, x[:1297], y[:1297]) for seed in range(NETWORKS)]
    right = [(net(x[1297:]).argmax(1) == y[1297:]).float().mean().item() for net in nets]
    assert min(right) > 0.85
    tanhs = [str(2 * layer + 1) for layer in range(DEPTH)]
    features = [list(activations(net, x[797:], tanhs).values()) for net in nets]

    def share_found(measure, networks=NETWORKS):
        kept = [[measure.prepare(x) for x in some] for some in features[:networks]]
        found = [
            (measure.compare(kept[a], kept[b]).argmax(1) == torch.arange(DEPTH)).double().mean()
            for a, b in permutations(range(networks), 2)
        ]
        return float(torch.stack(found).mean())

    assert share_found(CKA()) >= 0.99
    assert share_found(SVCCA(squares=True), networks=4) < 0.6  # in their table 10 %
