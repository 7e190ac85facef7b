"""Which examples lie nearest to another class, by the obvious loops over all pairs."""

import math


def nearness(points, labels, neighbours):
    """``[(score, nearest other class), …]`` of points given as lists of numbers."""
    found = []
    for i, point in enumerate(points):
        distances = {}
        for j, other in enumerate(points):
            if j != i:
                distances.setdefault(labels[j], []).append(math.dist(point, other))
        means = {c: sum(sorted(d)[:neighbours]) / len(d[:neighbours]) for c, d in distances.items()}
        own = means.pop(labels[i], math.inf)
        nearest = min(sorted(means), key=means.get)
        found.append((_score(own, means[nearest]), nearest))
    return found


def _score(own, other):
    if own == math.inf:
        return 1.0
    if own + other == 0:
        return 0.5
    return own / (own + other)
