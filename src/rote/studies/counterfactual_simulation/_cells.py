"""The cells: a model learns, becomes gates, and its answers are watched while what is rare is perturbed."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rote.circuits import Circuit, Packed, Switches, input_bits
from rote.circuits.compile import (
    balanced_tree,
    compile_luts,
    compile_net,
    compile_table,
    compile_trees,
    forest_counts,
    read_trees,
)
from rote.luts import LUTNetworkClassifier
from rote.studies._study import Config, Place, Record
from rote.studies.counterfactual_simulation._data import Choice, Images, images
from rote.studies.counterfactual_simulation._nets import Training, snapshots

if TYPE_CHECKING:
    from rote.circuits import Counterfactual


class Made(NamedTuple):
    """A model as gates, and its training examples.

    Attributes:
        circuit: The gates.
        X: The training examples as the circuit reads them.
        y: The labels that the model was trained on, ``[m]``.
        facts: What else is to be kept of the model.
    """

    circuit: Circuit
    X: Packed
    y: NDArray[np.int64]
    facts: dict[str, Any]


def cell(config: Config, seed: int, place: Place) -> Record:
    """Learn, compile, simulate, perturb.

    Args:
        config: ``model``: ``net``, ``forest``, ``luts``, ``table`` or ``tree`` with what it needs; ``data``,
            ``train``, ``halved``, ``labels`` (and ``rate``); ``kind`` of perturbing and its ``limits``.
        seed: Of everything that is random.
        place: Where the data lie.

    Returns:
        Accuracy plain and at each limit, how many examples have no rare value, the size of the circuit, and
        the model's own training and test accuracy.
    """
    made = model_as_gates(config, seed, place)
    found: Counterfactual = made.circuit.counterfactual(
        made.X,
        made.y,
        config["limits"],
        config["kind"],
        switches=Switches(seed=seed, lanes=0),
        threads=torch.get_num_threads(),  # one, where other cells run beside this one
    )
    result = found.record()
    kept = ("limits", "baseline", "accuracy", "no_rare", "examples", "wrong", "never", "least_support")
    return {
        **made.facts,
        "gates": made.circuit.gates,
        "xors": int(np.count_nonzero(made.circuit.xor)),
        "depth": made.circuit.depth,
        **{name: result[name] for name in kept},
    }


def model_as_gates(config: Config, seed: int, place: Place) -> Made:
    """The model that a configuration names, after learning.

    Example:
        >>> config = {"model": "table", "data": "digits", "train": 50, "halved": 0, "labels": "real"}
        >>> model_as_gates(config, 0, Place()).circuit.outputs[:2]
        ('class0', 'class1')
    """
    if config["model"] == "net":
        return _net(config, seed, place)
    data = images(Choice.of(config), seed, place.data_dir)
    if config["model"] == "forest":
        return _forest(config, seed, data)
    bits, bits_test = data.x > 127, data.x_test > 127
    if config["model"] == "luts":
        return _luts(
            config, seed, Images(bits, _upper(data.y, data), bits_test, _upper(data.y_test, data), 2)
        )
    if config["model"] == "table":
        circuit = compile_table(bits, data.y, classes=data.classes)
    else:
        circuit = balanced_tree(bits, data.y)
    return Made(circuit, input_bits(circuit, bits), data.y, {})


def _net(config: Config, seed: int, place: Place) -> Made:
    training = Training.of(config)
    kept = snapshots(training, seed, place.data_dir)[config["epochs"]]
    circuit = compile_net(kept.net, multiplier=config["multiplier"])
    if not config["xor"]:
        circuit = circuit.without_xor()
    data = images(training.choice, seed, place.data_dir)
    facts = {"train": kept.train, "test": kept.test, "clamped": kept.net.clamped}
    return Made(circuit, input_bits(circuit, data.x), data.y, facts)


def _forest(config: Config, seed: int, data: Images) -> Made:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(config["trees"], bootstrap=False, random_state=seed).fit(data.x, data.y)
    forest = read_trees(model)
    circuit = compile_trees(forest)
    said = forest.classes[forest_counts(forest, data.x_test).argmax(1)]
    facts = {
        "train": float(model.score(data.x, data.y)),
        "test": float((said == data.y_test).mean()),
        "nodes": sum(len(tree.feature) for tree in forest.trees),
    }
    return Made(circuit, input_bits(circuit, data.x), data.y, facts)


def _luts(config: Config, seed: int, task: Images) -> Made:
    model = LUTNetworkClassifier(config["k"], config["width"], config["depth"], seed=seed).fit(task.x, task.y)
    circuit = compile_luts(model)
    facts = {
        "train": float(model.score(task.x, task.y)),
        "test": float(model.score(task.x_test, task.y_test)),
    }
    return Made(circuit, input_bits(circuit, task.x), task.y, facts)


def _upper(y: NDArray[np.int64], data: Images) -> NDArray[np.int64]:
    """Whether the class is of the upper half: the question of a network of luts."""
    return (2 * y >= data.classes).astype(np.int64)
