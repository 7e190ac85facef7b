"""Circuits: networks of two-input gates, what writes and reads them, and what they do.

>>> import numpy as np
>>> build = Builder(["a", "b"])
>>> build.finish({"f": build.xor_(*build.literals)})
Circuit(2 inputs, 1 output, 1 gate: 0 AND, 1 XOR)
"""

from rote.circuits._answers import answers, decoding
from rote.circuits._bits import input_bits
from rote.circuits._build import Builder
from rote.circuits._circuit import FALSE, TRUE, Circuit, Literals, literal
from rote.circuits._counterfactual import counterfactual
from rote.circuits._counts import Counts
from rote.circuits._cover import from_cover
from rote.circuits._curve import Counterfactual, Switches
from rote.circuits._packed import Packed, pack, unpack
from rote.circuits._shards import counterfactual_on_shards
from rote.circuits._signals import Signals
from rote.circuits._simulate import one_counts, simulate, simulate_counts

__all__ = [
    "FALSE",
    "TRUE",
    "Builder",
    "Circuit",
    "Counterfactual",
    "Counts",
    "Literals",
    "Packed",
    "Signals",
    "Switches",
    "answers",
    "counterfactual",
    "counterfactual_on_shards",
    "decoding",
    "from_cover",
    "input_bits",
    "literal",
    "one_counts",
    "pack",
    "simulate",
    "simulate_counts",
    "unpack",
]
