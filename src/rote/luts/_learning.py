"""Learning a network layer by layer from counts: one pass, no gradients."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rote.luts._counting import Counter, Weighing
from rote.luts._layer import Layer, Network, pack_tables
from rote.luts._recipe import Recipe
from rote.luts._wiring import coin_of, fills_of, some_words, wire, wiring_of


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What was seen while a layer was learnt.

    Attributes:
        accuracy: The share of training examples that each lut answers rightly, shape ``[W]``.
        unseen: The share of each lut's entries that no example has, shape ``[W]``.
        once: How many of each lut's patterns are seen once, shape ``[W]``.

    Example:
        >>> LayerRecord(np.array([0.9]), np.array([0.5]), np.array([3])).accuracy.mean()
        np.float64(0.9)
    """

    accuracy: NDArray[np.float64]
    unseen: NDArray[np.float64]
    once: NDArray[np.int64]


def learn(
    count: Counter,
    recipe: Recipe,
    *,
    inputs: int,
    m: int,
    network: int = 0,
    bag: int | None = None,
    on_layer: Callable[[], None] = lambda: None,
) -> tuple[Network, tuple[LayerRecord, ...]]:
    """Learn a network for one yes-or-no question.

    Chatterjee (2018), "Learning and Memorization": for each lut and each pattern of its inputs, the label
    that more training examples with this pattern have; layer by layer, each evaluated before the next.

    Args:
        count: Counts patterns by label over all examples, wherever they are.
        recipe: How to learn.
        inputs: How many input bits there are.
        m: How many examples there are.
        network: The network's number: each draws wiring and frozen bits of its own.
        bag: The bag that it learns from, or None for all examples.
        on_layer: Called after each layer.

    Returns:
        The network, and a record of each layer.

    Example:
        >>> from rote.luts._counting import Examples
        >>> bits, label = np.array([[0b0011], [0b0101]], np.uint64), np.array([0b0110], np.uint64)
        >>> examples = Examples(bits, label, m=4)
        >>> network, records = learn(examples.counts, Recipe(k=2, depth=0), inputs=2, m=4)
        >>> network.share(bits, m=4).round().tolist(), records[0].accuracy.tolist()
        ([0.0, 1.0, 1.0, 0.0], [1.0])
    """
    unit = max(2, min(1 << 16, (1 << 32) // (m * (1 if bag is None else 8)) - 1))
    once = Weighing(recipe.boost, False, unit, None if bag is None else (recipe.seed, bag))
    weighing = replace(once, on=True)
    layers: list[Layer] = []
    records: list[LayerRecord] = []
    widths = [recipe.width] * recipe.depth + [1] * (recipe.layers - recipe.depth)
    plain = np.empty((0, 2, 0), np.int64)
    for depth, width in enumerate(widths):
        boosted = weighing if recipe.boost and layers and depth < recipe.depth else once
        before = layers[-1].width if layers else 0
        fanins = _choose(count, recipe, layers, boosted, (width, before, inputs), m, network)
        plain = count(layers, fanins, once, None)
        weighed = plain if boosted == once else count(layers, fanins, boosted, None)
        fills = fills_of(recipe.seed, network, depth, (width, plain.shape[2]))
        answers = decide(plain, weighed, fills, ties=recipe.ties, rare=recipe.rare)
        layers.append(Layer(fanins, pack_tables(answers)))
        records.append(record_of(plain, answers))
        on_layer()
    counts = np.empty((2, 0), np.int64)
    if recipe.output == "table":
        counts = np.where(plain[0].sum(axis=0) <= recipe.rare, 0, plain[0])
    coin = coin_of(recipe.seed, network)
    return Network(inputs, tuple(layers), recipe.output, counts, coin, recipe.boost), tuple(records)


def _choose(
    count: Counter,
    recipe: Recipe,
    layers: list[Layer],
    weighing: Weighing,
    sizes: tuple[int, int, int],
    m: int,
    network: int,
) -> NDArray[np.int32]:
    """Fan-ins of the next layer, the best of ``recipe.tries`` by information about the label."""
    width, before, inputs = sizes
    rng = wiring_of(recipe.seed, network, len(layers))

    def draw(luts: int, k: int) -> NDArray[np.int32]:
        return wire(
            (luts, k),
            inputs=inputs,
            before=before,
            skip=recipe.skip,
            replacement=recipe.replacement,
            rng=rng,
        )

    if recipe.tries == 1:
        return draw(width, recipe.k)
    words = -(-m // 64)
    few = words if recipe.search_examples is None else recipe.search_examples // 64
    looked_at = None
    if few < words:
        looked_at = some_words(recipe.seed, network, len(layers), words=few, of=words)

    def best(candidates: NDArray[np.int32]) -> NDArray[np.int32]:
        """Of each lut's tries ``[width, tries, k]``, the one that leaves the label least uncertain."""
        k = candidates.shape[2]
        step = max(1, (1 << 25) // ((16 << k) * recipe.tries))
        found = []
        for at in range(0, width, step):
            part = candidates[at : at + step]
            counts = count(layers, part.reshape(-1, k), weighing, looked_at)
            loss = uncertainty(counts).reshape(len(part), recipe.tries)
            if not recipe.replacement:
                loss[twice(part)] = np.inf
            found.append(part[np.arange(len(part)), loss.argmin(axis=1)])
        return np.concatenate(found)

    if recipe.search == "sets":
        tries = draw(width * recipe.tries, recipe.k)
        return best(tries.reshape(width, recipe.tries, -1))
    fanins = np.empty((width, 0), np.int32)
    for _ in range(draw(1, recipe.k).shape[1]):
        grown = np.repeat(fanins[:, None], recipe.tries, axis=1)
        tries = draw(width * recipe.tries, 1).reshape(width, recipe.tries, 1)
        while not recipe.replacement:  # some lut has been offered nothing but rows it reads already: again
            stuck = twice(np.concatenate([grown, tries], axis=2)).all(axis=1)
            if not stuck.any():
                break
            tries[stuck] = draw(int(stuck.sum()) * recipe.tries, 1).reshape(-1, recipe.tries, 1)
        fanins = best(np.concatenate([grown, tries], axis=2))
    return fanins


def twice(candidates: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which candidates end with a row that they read already.

    Args:
        candidates: Shape ``[luts, tries, k]``.

    Returns:
        Shape ``[luts, tries]``.

    Example:
        >>> twice(np.array([[[3, 4], [4, 4]]])).tolist()
        [[False, True]]
    """
    return np.asarray((candidates[:, :, :-1] == candidates[:, :, -1:]).any(axis=2))


def uncertainty(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """How uncertain the label stays where the pattern is known: conditional entropy, nats times examples.

    Args:
        counts: By label, shape ``[luts, 2, 2^k]``.

    Returns:
        Shape ``[luts]``: 0 where each pattern has one label.

    Example:
        >>> uncertainty(np.array([[[4, 0], [0, 4]], [[2, 2], [2, 2]]])).round(2).tolist()
        [0.0, 5.55]
    """
    both = counts.sum(axis=1)
    return np.asarray(_x_log_x(both).sum(axis=1) - _x_log_x(counts).sum(axis=(1, 2)))


def _x_log_x(x: NDArray[np.int64]) -> NDArray[np.float64]:
    real = x.astype(np.float64)
    return real * np.log(np.maximum(real, 1))


def decide(
    plain: NDArray[np.int64],
    weighed: NDArray[np.int64],
    fills: NDArray[np.bool_],
    *,
    ties: str,
    rare: int = 0,
) -> NDArray[np.bool_]:
    """Tables from counts: at each entry the label with more weight; ties as they are to be filled.

    Args:
        plain: Examples by label, shape ``[W, 2, 2^k]``.
        weighed: Their weights, same shape (the same array where all weigh 1).
        fills: The frozen random bits, shape ``[W, 2^k]``.
        ties: The rule for tied and unseen entries; where it is undecided itself, the frozen bit decides.
        rare: Treat entries that at most so many examples have as unseen.

    Returns:
        Shape ``[W, 2^k]``, bool.

    Example:
        >>> counts = np.array([[[2, 0, 1, 0], [0, 3, 1, 0]]])
        >>> decide(counts, counts, np.zeros((1, 4), bool), ties="neighbours").astype(int).tolist()
        [[0, 1, 0, 1]]
    """
    difference = weighed[:, 1] - weighed[:, 0]
    if rare:
        difference = np.where(plain.sum(axis=1) <= rare, 0, difference)
    if ties == "random":
        filled = fills
    elif ties in ("zero", "one"):
        filled = np.full_like(fills, ties == "one")
    else:
        if ties == "majority":
            pull = difference.sum(axis=1, keepdims=True)
        else:
            entries = np.arange(difference.shape[1])
            pull = np.zeros_like(difference)
            for bit in range(int(difference.shape[1]).bit_length() - 1):
                pull += difference[:, entries ^ (1 << bit)]
        filled = np.where(pull == 0, fills, pull > 0)
    return np.asarray(np.where(difference == 0, filled, difference > 0), np.bool_)


def record_of(plain: NDArray[np.int64], answers: NDArray[np.bool_]) -> LayerRecord:
    """The record of a layer, from its counts ``[W, 2, 2^k]`` and its tables ``[W, 2^k]``.

    Example:
        >>> record_of(np.array([[[2, 0, 1, 0], [0, 1, 0, 0]]]), np.array([[False, True, True, True]])).once
        array([2])
    """
    seen = plain.sum(axis=1)
    right = np.where(answers, plain[:, 1], plain[:, 0]).sum(axis=1)
    return LayerRecord(
        right / np.maximum(1, seen.sum(axis=1)), (seen == 0).mean(axis=1), (seen == 1).sum(axis=1)
    )
