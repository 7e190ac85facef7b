"""Models as gates: neural nets, trees, forests, lookup tables.

>>> from sklearn.tree import DecisionTreeClassifier
>>> compile_trees(DecisionTreeClassifier().fit([[3], [200]], ["dark", "bright"]))
Circuit(8 inputs, 4 outputs, 6 gates: 6 AND, 0 XOR)
"""

from rote.circuits.compile._attack import balanced_tree, minterms, parity
from rote.circuits.compile._boosted import read_boosted
from rote.circuits.compile._fixed import FixedPoint
from rote.circuits.compile._forest import Forest, Tree, forest_counts, read_trees
from rote.circuits.compile._luts import compile_luts
from rote.circuits.compile._net import FixedNet, compile_net, quantise_net
from rote.circuits.compile._save import load_trees, save_trees
from rote.circuits.compile._table import compile_table
from rote.circuits.compile._trees import compile_trees

__all__ = [
    "FixedNet",
    "FixedPoint",
    "Forest",
    "Tree",
    "balanced_tree",
    "compile_luts",
    "compile_net",
    "compile_table",
    "compile_trees",
    "forest_counts",
    "load_trees",
    "minterms",
    "parity",
    "quantise_net",
    "read_boosted",
    "read_trees",
    "save_trees",
]
