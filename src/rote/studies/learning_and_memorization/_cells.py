"""The cells: one learner and one question, or a network for each pair of classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote._native import pack_columns
from rote.luts import LookupTable, LUTNetworkClassifier, Network
from rote.luts._layer import count_votes, layer_outputs
from rote.studies._study import Config, Place, Record
from rote.studies.learning_and_memorization._bits import Task, low_or_high, pairs

STANDARD = ("naive Bayes", "logistic", "neighbours", "forest", "boosting", "perceptron")
"""What networks are compared with."""


def cell(config: Config, seed: int, place: Place) -> Record:
    """Learn whether a class is of the upper half; training accuracy is on the labels that were learned."""
    task = low_or_high(config, seed, place)
    found: dict[str, Any] = {"examples": len(task.y)}
    if config["learner"] == "network":
        return found | networked(config, seed, task)
    learner = LookupTable(seed=seed) if config["learner"] == "table" else standard(config["learner"], seed)
    learner.fit(task.x, task.y)
    found |= {"test": share(learner.predict(task.x_test) == task.y_test)}
    if config["learner"] == "table":
        known = {row.tobytes() for row in np.packbits(task.x, axis=1)}
        again = [row.tobytes() in known for row in np.packbits(task.x_test, axis=1)]
        found |= {"train": share(learner.predict(task.x) == task.y), "seen": share(np.array(again))}
    return found


def pairs_cell(config: Config, seed: int, place: Place) -> Record:
    """Learn each pair of classes by a network of its own."""
    found: dict[str, Any] = {"pairs": [], "train": [], "test": []}
    for pair, task in pairs(config, seed, place):
        record = networked(config, seed, task)
        found["pairs"].append(list(pair))
        found["train"].append(record["train"])
        found["test"].append(record["test"])
    return found


def networked(config: Config, seed: int, task: Task) -> dict[str, Any]:
    """What a network of tables makes of a question.

    Args:
        config: ``k``, ``width`` and ``depth``.
        seed: Of the wiring and of the frozen bits.
        task: The question.

    Returns:
        ``train`` and ``test`` accuracy; for each layer, the last included, the mean accuracy of its luts on
        both parts and the share of their entries that no training example has.
    """
    model = LUTNetworkClassifier(config["k"], config["width"], config["depth"], seed=seed)
    model.fit(task.x, task.y)
    (network,), (records,) = model.networks_, model.records_
    layers = by_layer(network, task.x_test, task.y_test)
    return {
        "train": float(records[-1].accuracy[0]),
        "test": layers[-1],
        "layers_train": [float(record.accuracy.mean()) for record in records],
        "layers_test": layers,
        "unseen": [float(record.unseen.mean()) for record in records],
    }


def by_layer(network: Network, x: NDArray[np.bool_], y: NDArray[np.bool_]) -> list[float]:
    """Mean accuracy of each layer's luts on examples ``x [m, n]`` with answers ``y [m]``.

    Example:
        >>> x = np.array([[False, False], [False, True], [True, False], [True, True]])
        >>> y = np.array([False, True, True, False])
        >>> model = LUTNetworkClassifier(2, 3, 1).fit(x, y)
        >>> by_layer(model.networks_[0], x, y)
        [1.0, 1.0]
    """
    bits, before, found = pack_columns(x), None, []
    for layer in network.layers:
        before = layer_outputs(layer, bits, before, m=len(y))
        votes = count_votes(before, len(y))
        found.append(float(np.where(y, votes, layer.width - votes).mean() / layer.width))
    return found


def standard(name: str, seed: int) -> Any:  # noqa: ANN401  # scikit-learn has no types
    """A learner of scikit-learn, with few options set.

    Example:
        >>> standard("naive Bayes", 0)
        BernoulliNB()
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    made = {
        "naive Bayes": lambda: BernoulliNB(),
        "logistic": lambda: LogisticRegression(C=0.1, max_iter=1000),
        "neighbours": lambda: KNeighborsClassifier(5),
        "forest": lambda: RandomForestClassifier(100, random_state=seed),
        "boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
        "perceptron": lambda: MLPClassifier((256,), early_stopping=True, random_state=seed),
    }
    return made[name]()


def share(hits: NDArray[np.bool_]) -> float:
    """The share that is true.

    Example:
        >>> share(np.array([True, False]))
        0.5
    """
    return float(hits.mean())
