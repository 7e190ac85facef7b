"""Learning by memorising alone: lookup tables, and networks of them.

One table on all inputs (`LookupTable`) memorises and does not generalise; a network of small ones
(`LUTNetworkClassifier`) does. Both are scikit-learn estimators, learnt by counting, without gradients.
`Threshold`, `Thermometer`, `Quantiles`, `PCABits` and `IntegerBits` make bits of numbers; `fit_on_shards`
learns from examples in several places; `save` and `load` keep a network in a file. See docs/luts.md.

>>> import numpy as np
>>> X = np.random.default_rng(0).random((400, 9)) < 0.5
>>> y = X.sum(axis=1) > 4  # the majority of nine bits
>>> network = LUTNetworkClassifier(k=3, width=30, depth=2).fit(X[:300], y[:300])
>>> bool(network.score(X[300:], y[300:]) > 0.75)
True
"""

from rote.luts._binarise import IntegerBits, PCABits, Quantiles, Thermometer, Threshold
from rote.luts._codes import code_matrix
from rote.luts._estimator import LUTNetworkClassifier
from rote.luts._layer import Layer, Network
from rote.luts._learning import LayerRecord
from rote.luts._measure import layer_records
from rote.luts._recipe import Recipe
from rote.luts._save import load, save
from rote.luts._shards import fit_on_shards
from rote.luts._table import LookupTable

__all__ = [
    "IntegerBits",
    "LUTNetworkClassifier",
    "Layer",
    "LayerRecord",
    "LookupTable",
    "Network",
    "PCABits",
    "Quantiles",
    "Recipe",
    "Thermometer",
    "Threshold",
    "code_matrix",
    "fit_on_shards",
    "layer_records",
    "load",
    "save",
]
