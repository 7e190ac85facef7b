"""The main job: is a model learning or memorising, which examples does it memorise, and what would help.

An audit trains the network n times, each time leaving out another part of the examples, and does the same
with permuted labels (the control) and with labels planted wrong (the calibration). What a network predicts of
labels it never saw it has learned; what it predicts only of labels it saw, it has memorised.

>>> from rote.audit import judge, split_labels
>>> judge(split_labels(trained=[1.0, 1.0, 1.0], held_out=[0.97, 0.96, 0.98], chance=0.1))
'learning'
"""

from rote.audit._audit import Audit, Outcome, run_audit
from rote.audit._cells import OnProgress
from rote.audit._interval import Interval, interval
from rote.audit._plan import REMEDIES, Factory, Plan, default_model, find_factory
from rote.audit._verdict import RULE, headline, judge, split_labels

__all__ = [
    "REMEDIES",
    "RULE",
    "Audit",
    "Factory",
    "Interval",
    "OnProgress",
    "Outcome",
    "Plan",
    "default_model",
    "find_factory",
    "headline",
    "interval",
    "judge",
    "run_audit",
    "split_labels",
]
