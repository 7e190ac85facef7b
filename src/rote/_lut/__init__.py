"""Where networks of lookup tables meet their run folders and pages: what ``rote lut`` calls."""

from rote._lut._data import BINARISERS, Reading
from rote._lut._eval import evaluate, show_lone, show_run
from rote._lut._fit import Done, Learning, fit
from rote._lut._sweep import Extent, sweep

__all__ = [
    "BINARISERS",
    "Done",
    "Extent",
    "Learning",
    "Reading",
    "evaluate",
    "fit",
    "show_lone",
    "show_run",
    "sweep",
]
