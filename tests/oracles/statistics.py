"""Statistics of a matrix of gradients ``G``, ``[m, P]``, one pair or one coordinate at a time."""

import itertools
import math


def class_alpha(G, labels, a, b):
    """Mean ``⟨g_i, g_j⟩`` over pairs of different examples of classes a and b, over ``√(q_a q_b)``."""
    of_a = [i for i, c in enumerate(labels) if c == a]
    of_b = [i for i, c in enumerate(labels) if c == b]
    pairs = [(G[i] @ G[j]).item() for i in of_a for j in of_b if i != j]
    q_a = sum((G[i] @ G[i]).item() for i in of_a) / len(of_a)
    q_b = sum((G[j] @ G[j]).item() for j in of_b) / len(of_b)
    return sum(pairs) / len(pairs) / math.sqrt(q_a * q_b)


def ratio_of(column):
    """``μ²/σ²`` of one coordinate with the population variance, in two passes."""
    values = column.tolist()
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
    if variance == 0:
        return math.inf if mean else math.nan
    return mean**2 / variance


def fraction_of_corrupt(G, corrupt):
    """``f^c = ⟨S, S^c⟩/‖S‖²`` from the two sums."""
    S = G.sum(0)
    return (S @ G[corrupt].sum(0) / (S @ S)).item()


def exact_p_value(products, corrupt):
    """The two-sided p-value over every way to mark as many examples, by enumeration."""
    m, count = len(products), int(sum(corrupt))
    whole = sum(products)
    fractions = [
        sum(products[i] for i in chosen) / whole for chosen in itertools.combinations(range(m), count)
    ]
    real = abs(sum(p for p, c in zip(products, corrupt, strict=True) if c) / whole - count / m)
    return sum(abs(f - count / m) >= real * (1 - 1e-9) for f in fractions) / len(fractions)


def mean_cosine(G):
    """Mean cosine of all pairs, each weighted by both norms; the pairs of an example with itself included."""
    norms = [g.norm().item() for g in G]
    total = 0.0
    for i, j in itertools.product(range(len(G)), repeat=2):
        if norms[i] and norms[j]:
            cosine = (G[i] @ G[j]).item() / (norms[i] * norms[j])
            total += norms[i] * norms[j] * cosine
    return total / (len(G) * sum(n**2 for n in norms))
