"""Linear equations over GF(2) by trying every assignment."""

from itertools import product

import numpy as np


def solutions(A, b):
    """All x with A x = b modulo 2, shape ``[found, n]``."""
    every = np.array(list(product([0, 1], repeat=A.shape[1])), int).reshape(2 ** A.shape[1], A.shape[1])
    return every[np.all(every @ A.T.astype(int) % 2 == b, axis=1)]
