"""The native core: the few loops that decide how far the project can go, in C++.

Each loop has a NumPy twin that is its oracle and its fallback, so everything works, slower, where the
extension was not built, and with ``ROTE_NATIVE=off`` in the environment. The instruction set is chosen when
the extension is loaded.

    >>> import numpy as np
    >>> rows = pack_bits(np.array([[1, 1, 0], [0, 1, 1]], bool))
    >>> and_counts(rows, rows).tolist()  # how many examples have both patterns
    [[2, 1], [1, 2]]
"""

from rote._native._circuits import circuit_levels, circuit_mark, circuit_rewrite
from rote._native._gf2 import gf2_echelon
from rote._native._loops import NativeStatus, and_counts, clamped_products, pack_bits, status
from rote._native._luts import lut_counts, lut_outputs, pack_columns
from rote._native._program import Chance, Program
from rote._native._simulate import circuit_schedule, circuit_simulate

__all__ = [
    "Chance",
    "NativeStatus",
    "Program",
    "and_counts",
    "circuit_levels",
    "circuit_mark",
    "circuit_rewrite",
    "circuit_schedule",
    "circuit_simulate",
    "clamped_products",
    "gf2_echelon",
    "lut_counts",
    "lut_outputs",
    "pack_bits",
    "pack_columns",
    "status",
]
