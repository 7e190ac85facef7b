"""What the luts of a finished network do on any examples: those it learnt from, or others."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from rote._native import pack_bits
from rote.errors import InputError
from rote.luts._counting import Examples, Weighing
from rote.luts._estimator import LUTNetworkClassifier
from rote.luts._learning import LayerRecord, record_of


def layer_records(
    estimator: LUTNetworkClassifier, X: ArrayLike, y: ArrayLike
) -> tuple[tuple[LayerRecord, ...], ...]:
    """Accuracy, unseen entries and patterns seen once of every lut, counted on the given examples.

    On the examples that a network without bags was learnt from these are its ``records_``; on others,
    ``unseen`` and ``once`` say what those others reach.

    Args:
        estimator: A fitted one.
        X: Examples as ``predict`` takes them, ``[m, features]``.
        y: Their labels, ``[m]``.

    Returns:
        For each network, a record for each of its layers.

    Raises:
        InputError: If a label is none of the estimator's classes.

    Example:
        >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), [0, 1, 1, 0]
        >>> xor = LUTNetworkClassifier(k=2, depth=0).fit(X, y)
        >>> layer_records(xor, X[:1], y[:1])[0][0].unseen.tolist()
        [0.75]
    """
    check_is_fitted(estimator, "networks_")
    rows, given = validate_data(estimator, X, y, reset=False)
    bits, labels = estimator._packed(rows), labels_of(estimator.classes_, given)
    found, m = [], len(rows)
    for number, network in enumerate(estimator.networks_):
        yes = estimator.code_[labels, number // estimator.bags]
        label = pack_bits(np.ascontiguousarray(yes[None]))[0]
        examples = Examples(bits, label, m=m, threads=estimator.threads)
        found.append(
            tuple(
                record_of(
                    examples.counts(network.layers[:depth], layer.fanins, Weighing(), None), layer.answers()
                )
                for depth, layer in enumerate(network.layers)
            )
        )
    return tuple(found)


def labels_of(classes: NDArray[np.generic], y: NDArray[np.generic]) -> NDArray[np.intp]:
    """The number of each label's class.

    Example:
        >>> labels_of(np.array(["a", "b"]), np.array(["b", "a", "b"])).tolist()
        [1, 0, 1]
    """
    strangers = np.setdiff1d(y, classes)
    if len(strangers):
        known = ", ".join(map(str, classes[:10].tolist()))
        raise InputError(f"`y` must hold the classes learnt ({known}). Got {strangers[0].item()!r:.80}.")
    return np.searchsorted(classes, y)
