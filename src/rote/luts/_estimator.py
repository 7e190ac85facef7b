"""The scikit-learn estimator."""

from collections.abc import Callable
from itertools import count
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from rote._native import pack_bits, pack_columns
from rote.errors import InputError
from rote.luts._binarise import Quantiles
from rote.luts._codes import code_matrix, decode
from rote.luts._counting import Counter, Examples
from rote.luts._layer import total_entries
from rote.luts._learning import learn
from rote.luts._memory import check_memory
from rote.luts._recipe import Recipe


class LUTNetworkClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """A network of lookup tables, learnt by memorising alone.

    Chatterjee (2018), `Learning and Memorization <https://proceedings.mlr.press/v80/chatterjee18a.html>`_:
    each lut reads k random outputs of the layer before and answers with the label that most training examples
    with the same pattern have. One pass, no gradients. By default exactly this is learnt; every other option
    goes beyond the paper.

    Args:
        k: Inputs of each lut, 1 to 16; a lut over fewer rows reads all of them.
        width: Luts in a hidden layer.
        depth: Hidden layers.
        ties: What an entry answers that both labels share, or that no example has: a frozen ``"random"`` bit,
            ``"zero"``, ``"one"``, the ``"majority"`` label, or what its ``"neighbours"`` one bit away say.
        replacement: Whether a lut may read a row twice.
        output: ``"table"``: one more lut; ``"vote"``: the majority of the last hidden layer; ``"vote-all"``:
            of all layers.
        seed: Of the wiring and of the frozen bits.
        tries: Choose fan-ins among so many by information about the label.
        search: What a try is: a whole set of fan-ins, ``"sets"``, or, ``"greedy"``, the next input of a lut.
        search_examples: How many examples the search looks at, at most; None: all.
        rare: Treat entries that at most so many examples have as unseen: the discrete counterpart of
            winsorizing.
        boost: Train each layer on what the vote of all layers before it gets wrong; a layer's vote weighs so
            much. 0: each layer is trained on all examples alike.
        skip: The share of fan-ins that come from the network's inputs instead of the layer before.
        bags: Networks for each question, each learnt from a bootstrap sample of the examples; 1: one, learnt
            from all.
        codes: More than two classes as questions, a network each: ``"one-vs-rest"``, ``"bits"`` or
            ``"error-correcting"``.
        binariser: Turns inputs into bits, a transformer of this room; by default inputs that hold anything
            but 0 and 1 become eight quantile bits for each feature.
        threads: Threads to use; they change nothing but the time.
        memory_limit: The most bytes to use; by default four fifths of what is available.

    Attributes:
        classes_: The classes, sorted.
        networks_: A network for each bag of each question.
        code_: Which questions each class answers with yes, shape ``[classes, questions]``.
        binariser_: The fitted transformer, or None where the inputs were bits.
        records_: For each network, a `LayerRecord` for each layer.

    Example:
        >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> xor = LUTNetworkClassifier(k=2, width=4, depth=0).fit(X, [0, 1, 1, 0])
        >>> xor.predict(X).tolist(), xor.entries_
        ([0, 1, 1, 0], 4)
    """

    def __init__(
        self,
        k: int = 8,
        width: int = 1024,
        depth: int = 5,
        *,
        ties: str = "random",
        replacement: bool = False,
        output: str = "table",
        seed: int = 0,
        tries: int = 1,
        search: str = "sets",
        search_examples: int | None = None,
        rare: int = 0,
        boost: float = 0.0,
        skip: float = 0.0,
        bags: int = 1,
        codes: str = "one-vs-rest",
        binariser: TransformerMixin | None = None,
        threads: int = 1,
        memory_limit: int | None = None,
    ) -> None:
        self.k = k
        self.width = width
        self.depth = depth
        self.ties = ties
        self.replacement = replacement
        self.output = output
        self.seed = seed
        self.tries = tries
        self.search = search
        self.search_examples = search_examples
        self.rare = rare
        self.boost = boost
        self.skip = skip
        self.bags = bags
        self.codes = codes
        self.binariser = binariser
        self.threads = threads
        self.memory_limit = memory_limit

    def recipe(self) -> Recipe:
        """The parameters that decide what is learnt from given counts, checked.

        Raises:
            InputError: If one is outside its bounds.

        Example:
            >>> LUTNetworkClassifier(k=6).recipe().k
            6
        """
        names = Recipe.__dataclass_fields__
        return Recipe(**{name: getattr(self, name) for name in names})

    def fit(self, X: ArrayLike, y: ArrayLike, *, on_layer: Callable[[int, int], None] | None = None) -> Self:
        """Learn from examples ``X [m, features]`` with labels ``y [m]``.

        Args:
            X: The examples.
            y: Their labels.
            on_layer: Told after each layer how many are learnt, and how many there will be.

        Raises:
            InputError: If a parameter is outside its bounds, there are fewer than two classes, or it does not
                fit in memory.
        """
        self.recipe()
        rows, given = validate_data(self, X, y)
        check_classification_targets(given)
        classes, labels = np.unique(given, return_inverse=True)
        binariser = self._fitted_binariser(rows)
        inputs = rows.shape[1] if binariser is None else len(binariser.get_feature_names_out())
        self._prepare(classes, m=len(rows), inputs=inputs)
        self.binariser_ = binariser
        bits = self._packed(rows)

        def counter(question: int) -> Counter:
            label = pack_bits(np.ascontiguousarray(self.code_[labels, question][None]))[0]
            return Examples(bits, label, m=len(rows), threads=self.threads).counts

        self._learn(counter, m=len(rows), inputs=inputs, on_layer=on_layer)
        return self

    def _prepare(self, classes: NDArray[Any], *, m: int, inputs: int) -> None:
        """Take the classes, and refuse what cannot be learnt, before anything large is allocated."""
        for name in ("bags", "threads"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value <= 4096:
                raise InputError(f"`{name}` must be between 1 and 4096. Got {value!r:.80}.")
        if len(classes) < 2:
            raise InputError(
                f"`y` must have at least two classes. Got one class, {classes[0]!r}: add examples of another."
            )
        self.classes_ = classes
        self.code_ = code_matrix(self.codes, len(classes), seed=self.seed)
        networks = self.bags * self.code_.shape[1]
        check_memory(self.recipe(), m=m, inputs=inputs, networks=networks, limit=self.memory_limit)

    def _learn(
        self,
        counter: Callable[[int], Counter],
        *,
        m: int,
        inputs: int,
        on_layer: Callable[[int, int], None] | None = None,
    ) -> None:
        """Learn each bag of each question from its counts."""
        found = []
        number_of = count(1)
        whole = self.recipe().layers * self.code_.shape[1] * self.bags

        def tell() -> None:
            if on_layer is not None:
                on_layer(next(number_of), whole)

        for question in range(self.code_.shape[1]):
            for number in range(question * self.bags, (question + 1) * self.bags):
                found.append(
                    learn(
                        counter(question),
                        self.recipe(),
                        inputs=inputs,
                        m=m,
                        network=number,
                        bag=number if self.bags > 1 else None,
                        on_layer=tell,
                    )
                )
        self.networks_ = tuple(network for network, _ in found)
        self.records_ = tuple(records for _, records in found)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, ``[m, classes]``, from the counts (see `Network.share`)."""
        check_is_fitted(self, "networks_")
        rows = validate_data(self, X, reset=False)
        bits = self._packed(rows)
        m, questions = len(rows), self.code_.shape[1]
        shares = np.zeros((m, questions))
        bags = len(self.networks_) // questions
        for number, network in enumerate(self.networks_):
            shares[:, number // bags] += network.share(bits, m=m, threads=self.threads) / bags
        if questions == 1:
            return np.column_stack([1 - shares, shares])
        return decode(shares, self.code_)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each example, ``[m]``."""
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    @property
    def entries_(self) -> int:
        """How many bits the tables of all networks hold."""
        check_is_fitted(self, "networks_")
        return total_entries(self.networks_)

    def _fitted_binariser(self, X: NDArray[Any]) -> TransformerMixin | None:
        if self.binariser is not None:
            return clone(self.binariser).fit(X)
        return None if is_bits(X) else Quantiles(8).fit(X)

    def _packed(self, X: NDArray[Any]) -> NDArray[np.uint64]:
        if self.binariser_ is not None:
            X = self.binariser_.transform(X)
        elif X.dtype not in (np.bool_, np.uint8):
            if not is_bits(X):
                raise InputError("`X` must hold only 0 and 1, as it did in `fit`: set a `binariser`.")
            X = X != 0
        return pack_columns(X, threads=self.threads)


def is_bits(X: NDArray[Any]) -> bool:
    """Whether an array holds nothing but 0 and 1.

    Example:
        >>> is_bits(np.array([0.0, 1.0])), is_bits(np.array([0, 2]))
        (True, False)
    """
    return X.dtype == np.bool_ or bool(((X == 0) | (X == 1)).all())
