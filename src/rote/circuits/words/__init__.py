"""Words: numbers of several bits as gates, a thousand at a time.

A word is an array of literals ``[..., w]``, the lowest bit first; signed ones are two's complement. What
stands before the last axis is a batch. Constants are propagated, so what a constant decides costs no gate.

>>> from rote.circuits import Builder
>>> build = Builder([f"x[{k}]" for k in range(4)])
>>> five = multiple(build, build.literals, 5)  # 4x + x
>>> build.finish({"large": less(build, constant_word(20, five.shape[-1]), five, signed=True)})
Circuit(4 inputs, 1 output, 18 gates: 13 AND, 5 XOR)
"""

from rote.circuits._choices import argmax, choose, equal, less, less_equal, maximum, relu
from rote.circuits._multiply import adders, array_multiple, multiple, multiply
from rote.circuits._words import (
    add,
    all_of,
    constant_word,
    extend,
    full_adder,
    negate,
    popcount,
    saturate,
    saturating_add,
    shift_left,
    subtract,
)

__all__ = [
    "add",
    "adders",
    "all_of",
    "argmax",
    "array_multiple",
    "choose",
    "constant_word",
    "equal",
    "extend",
    "full_adder",
    "less",
    "less_equal",
    "maximum",
    "multiple",
    "multiply",
    "negate",
    "popcount",
    "relu",
    "saturate",
    "saturating_add",
    "shift_left",
    "subtract",
]
