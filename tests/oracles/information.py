"""Information counted cell by cell, in plain Python."""

from collections import Counter
from math import log2


def mutual(a, b):
    """I(A;B) in bits, from pairs."""
    m, pairs, left, right = len(a), Counter(zip(a, b, strict=True)), Counter(a), Counter(b)
    return sum(n / m * log2(n * m / (left[x] * right[y])) for (x, y), n in pairs.items())


def conditional(a, b, given):
    """I(A;B|C): the mean of I(A;B) within each value of C."""
    total = 0.0
    for value in set(given):
        rows = [i for i, c in enumerate(given) if c == value]
        total += len(rows) / len(given) * mutual([a[i] for i in rows], [b[i] for i in rows])
    return total
