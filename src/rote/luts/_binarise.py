"""Features into bits, each with a name that says which feature it is and where it is cut."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from rote.errors import InputError


class _Bits(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """A transformer whose output is bool, whatever it is given."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


class _Cuts(_Bits):
    """Bits ``x > cut``: what the transformers below share. ``cuts_`` has a row of cuts for each feature."""

    def transform(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Bits of ``X [m, features]``: ``[m, features * cuts]``, a feature's bits side by side."""
        check_is_fitted(self, "cuts_")
        rows = validate_data(self, X, reset=False)
        return np.asarray((rows[:, :, None] > self.cuts_).reshape(len(rows), -1))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """The name of each bit, such as ``"x3>0.5"``."""
        check_is_fitted(self, "cuts_")
        names = _check_feature_names_in(self, input_features)
        cuts = zip(names, self.cuts_, strict=True)
        return np.array([f"{name}>{float(cut):.17g}" for name, row in cuts for cut in row], object)

    def _fitted(self, X: ArrayLike) -> NDArray[Any]:
        rows: NDArray[Any] = validate_data(self, X)
        self.sources_ = np.arange(rows.shape[1])
        return rows


class Threshold(_Cuts):
    """One bit for each feature: whether it exceeds a threshold.

    Args:
        threshold: A number, or one for each feature.

    Attributes:
        cuts_: Shape ``[features, 1]``.

    Example:
        >>> bits = Threshold(127).fit([[0, 255]])
        >>> bits.transform([[0, 255], [200, 3]]).astype(int).tolist(), bits.get_feature_names_out().tolist()
        ([[0, 1], [1, 0]], ['x0>127', 'x1>127'])
    """

    def __init__(self, threshold: ArrayLike = 0.5) -> None:
        self.threshold = threshold

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn how many features there are."""
        rows = self._fitted(X)
        cuts = np.asarray(self.threshold, np.float64)
        if cuts.ndim and cuts.shape != (rows.shape[1],):
            raise InputError(
                f"`threshold` must be a number or {rows.shape[1]} numbers, one for each feature. Got shape "
                f"{cuts.shape}."
            )
        self.cuts_ = np.broadcast_to(cuts[..., None], (rows.shape[1], 1)).copy()
        return self


class Thermometer(_Cuts):
    """Several bits for each feature: whether it exceeds cuts at even distances between its extremes.

    Args:
        bits: How many bits.

    Attributes:
        cuts_: Shape ``[features, bits]``.

    Example:
        >>> bits = Thermometer(3).fit([[0.0], [4.0]])
        >>> bits.cuts_.tolist(), bits.transform([[2.5]]).astype(int).tolist()
        ([[1.0, 2.0, 3.0]], [[1, 1, 0]])
    """

    def __init__(self, bits: int = 4) -> None:
        self.bits = bits

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn each feature's extremes."""
        rows = self._fitted(X)
        steps = np.arange(1, _positive("bits", self.bits) + 1) / (self.bits + 1)
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
        self.cuts_ = low[:, None] * (1 - steps) + high[:, None] * steps
        return self


class Quantiles(_Cuts):
    """Several bits for each feature: whether it exceeds quantiles of its training values.

    Args:
        bits: How many bits; 1 is the median.

    Attributes:
        cuts_: Shape ``[features, bits]``.

    Example:
        >>> bits = Quantiles(3).fit(np.arange(5.0)[:, None])
        >>> bits.cuts_.tolist(), bits.get_feature_names_out().tolist()
        ([[1.0, 2.0, 3.0]], ['x0>1', 'x0>2', 'x0>3'])
    """

    def __init__(self, bits: int = 4) -> None:
        self.bits = bits

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn each feature's quantiles."""
        rows = self._fitted(X)
        steps = np.arange(1, _positive("bits", self.bits) + 1) / (self.bits + 1)
        self.cuts_ = np.ascontiguousarray(np.quantile(rows.astype(np.float64, copy=False), steps, axis=0).T)
        return self


class IntegerBits(_Bits):
    """The binary digits of whole numbers, lowest first: all that a byte says, for images ``bits=8``.

    Args:
        bits: How many digits; numbers must be from 0 to ``2^bits - 1``.

    Example:
        >>> bits = IntegerBits(3).fit([[0]])
        >>> bits.transform([[6]]).astype(int).tolist(), bits.get_feature_names_out().tolist()
        ([[0, 1, 1]], ['x0[0]', 'x0[1]', 'x0[2]'])
    """

    def __init__(self, bits: int = 8) -> None:
        self.bits = bits

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn how many features there are."""
        _positive("bits", self.bits, most=63)
        self.sources_ = np.arange(validate_data(self, X).shape[1])
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Bits of ``X [m, features]``: ``[m, features * bits]``."""
        check_is_fitted(self, "sources_")
        rows = validate_data(self, X, reset=False)
        wrong = np.argwhere((rows < 0) | (rows >= 2.0**self.bits) | (rows != np.floor(rows)))
        if len(wrong):
            row, j = (int(i) for i in wrong[0])
            raise InputError(
                f"`X`, row {row}, feature {j}: must be a whole number from 0 to {2**self.bits - 1} for "
                f"`bits={self.bits}`. Got {rows[row, j]}."
            )
        digits = rows.astype(np.int64)[:, :, None] >> np.arange(self.bits)
        return np.asarray((digits & 1).astype(np.bool_).reshape(len(rows), -1))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """The name of each bit, such as ``"x3[7]"``, the highest of a byte."""
        check_is_fitted(self, "sources_")
        names = _check_feature_names_in(self, input_features)
        return np.array([f"{name}[{bit}]" for name in names for bit in range(self.bits)], object)


class PCABits(_Bits):
    """Bits of the first principal components: their signs, or quantiles of each.

    Args:
        components: How many components.
        bits: Bits for each; 1 without ``quantiles`` is the sign.
        quantiles: Whether to cut at quantiles instead of at zero; set when ``bits`` exceeds 1.
        seed: Of the solver, where it is a randomised one.

    Attributes:
        pca_: The fitted ``sklearn.decomposition.PCA``.

    Example:
        >>> X = np.array([[0.0, 0.0], [1.0, 1.1], [2.0, 1.9], [3.0, 3.0]])
        >>> bits = PCABits(1).fit(X)
        >>> len(set(bits.transform(X)[:2, 0])), bits.get_feature_names_out().tolist()
        (1, ['pca0>0'])
    """

    def __init__(self, components: int = 8, bits: int = 1, *, quantiles: bool = False, seed: int = 0) -> None:
        self.components = components
        self.bits = bits
        self.quantiles = quantiles
        self.seed = seed

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn the components, and their quantiles."""
        from sklearn.decomposition import PCA

        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        most = min(rows.shape)
        if _positive("components", self.components) > most:
            raise InputError(
                f"`components` must be at most {most} for {len(rows)} examples of {rows.shape[1]} features. "
                f"Got {self.components}."
            )
        self.pca_ = PCA(self.components, random_state=self.seed).fit(rows)
        if self.quantiles or _positive("bits", self.bits) > 1:
            self.cuts_ = Quantiles(self.bits).fit(self.pca_.transform(rows)).cuts_
        else:
            self.cuts_ = np.zeros((self.components, 1))
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Bits of ``X [m, features]``: ``[m, components * bits]``."""
        check_is_fitted(self, "pca_")
        rows = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return np.asarray((self.pca_.transform(rows)[:, :, None] > self.cuts_).reshape(len(rows), -1))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """The name of each bit, such as ``"pca0>0"``."""
        check_is_fitted(self, "pca_")
        cuts = [(i, float(cut)) for i, row in enumerate(self.cuts_) for cut in row]
        return np.array([f"pca{i}>{cut:.17g}" for i, cut in cuts], object)


def _positive(name: str, value: object, most: int = 4096) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
        raise InputError(f"`{name}` must be a whole number from 1 to {most}. Got {value!r:.80}.")
    return int(value)
