"""Circuits: networks of two-input gates, what writes and reads them, and what they do.

>>> import numpy as np
>>> build = Builder(["a", "b"])
>>> build.finish({"f": build.xor_(*build.literals)})
Circuit(2 inputs, 1 output, 1 gate: 0 AND, 1 XOR)
"""

from rote.circuits._build import Builder
from rote.circuits._circuit import FALSE, TRUE, Circuit, Literals, literal
from rote.circuits._packed import Packed, pack, unpack

__all__ = ["FALSE", "TRUE", "Builder", "Circuit", "Literals", "Packed", "literal", "pack", "unpack"]
