"""Learning from examples that lie in several places: only counts travel, and they add."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_X_y

from rote._native import pack_bits, pack_columns
from rote.errors import InputError
from rote.luts._counting import Examples, Weighing, Words
from rote.luts._estimator import LUTNetworkClassifier, is_bits
from rote.luts._layer import Layer

#: Examples ``(X, y)``, or a function without arguments that loads them where it is called.
Shard = tuple[ArrayLike, ArrayLike] | Callable[[], tuple[ArrayLike, ArrayLike]]
#: A shard packed: inputs ``[n, words]``, labels as they were given ``[m]``.
_Packed = tuple[NDArray[np.uint64], NDArray[Any]]


def fit_on_shards(
    estimator: LUTNetworkClassifier, shards: Sequence[Shard], *, jobs: int = 1
) -> LUTNetworkClassifier:
    """Learn from shards of examples what `LUTNetworkClassifier.fit` learns from all of them in this order.

    Each shard is packed once; then, layer by layer, the layers so far go to the shards and counts of patterns
    come back. They add, so the tables are the same, bit for bit. The work goes through ``joblib.Parallel``:
    ``with joblib.parallel_config(backend="dask")`` sends it to other machines.

    Args:
        estimator: What to learn; it stays as it is. Its binariser, if any, must be fitted already, else all
            inputs must be 0 and 1.
        shards: Pairs ``(X, y)``, or functions without arguments that return one.
        jobs: How many shards to work on at a time.

    Returns:
        A fitted copy of the estimator.

    Raises:
        InputError: If there is no shard, inputs differ in width or are no bits, the binariser is not fitted,
            or ``search_examples`` is set, which would look at one place only.

    Example:
        >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
        >>> xor = fit_on_shards(LUTNetworkClassifier(k=2, depth=0), [(X[:1], y[:1]), (X[1:], y[1:])])
        >>> xor.predict(X).tolist()
        [0, 1, 1, 0]
    """
    if not shards:
        raise InputError("`shards` must hold at least one pair (X, y). Got none.")
    if estimator.search_examples is not None:
        raise InputError(
            f"`search_examples` must be None on shards, which are all looked at. Got "
            f"{estimator.search_examples}."
        )
    if estimator.binariser is not None:
        check_is_fitted(estimator.binariser)
    parallel = Parallel(n_jobs=jobs)
    packed: list[_Packed] = parallel(delayed(_pack)(shard, estimator.binariser) for shard in shards)
    widths = sorted({len(bits) for bits, _ in packed})
    if len(widths) > 1:
        raise InputError(f"`shards` must all have equally many bits. Got {widths[0]} and {widths[-1]}.")
    fitted: LUTNetworkClassifier = clone(estimator)
    classes = np.unique(np.concatenate([np.unique(y) for _, y in packed]))
    fitted._prepare(classes, m=sum(len(y) for _, y in packed), inputs=widths[0])
    fitted.binariser_ = estimator.binariser
    fitted.n_features_in_ = widths[0] if estimator.binariser is None else estimator.binariser.n_features_in_
    firsts = [0, *accumulate(len(y) for _, y in packed)]

    def counter(question: int) -> Callable[..., NDArray[np.int64]]:
        yes = classes[fitted.code_[:, question]]

        def count(
            layers: Sequence[Layer],
            fanins: NDArray[np.int32],
            weighing: Weighing,
            words: Words,
        ) -> NDArray[np.int64]:
            assert words is None
            parts = parallel(
                delayed(_count)(shard, first, yes, tuple(layers), fanins, weighing)
                for shard, first in zip(packed, firsts, strict=False)
            )
            return reduce(np.add, parts)

        return count

    fitted._learn(counter, m=firsts[-1], inputs=widths[0])
    return fitted


def _pack(shard: Shard, binariser: TransformerMixin | None) -> _Packed:
    X, y = shard() if callable(shard) else shard
    rows, labels = check_X_y(X, y)
    check_classification_targets(labels)
    if binariser is not None:
        rows = binariser.transform(rows)
    elif not is_bits(rows):
        raise InputError("`shards` must hold only 0 and 1: give the estimator a fitted `binariser`.")
    return pack_columns(rows != 0), labels


def _count(
    shard: _Packed,
    first: int,
    yes: NDArray[Any],
    layers: tuple[Layer, ...],
    fanins: NDArray[np.int32],
    weighing: Weighing,
) -> NDArray[np.int64]:
    bits, y = shard
    label = pack_bits(np.isin(y, yes)[None])[0]
    return Examples(bits, label, m=len(y), first=first).counts(layers, fanins, weighing, None)
