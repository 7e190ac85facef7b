"""Wiring and frozen bits: all that is drawn at random, each from a generator of its own."""

import numpy as np
from numpy.typing import NDArray

_FANINS, _FILLS, _COIN, _SPAN, _BAG = range(5)  # what a generator is for


def draw_fanins(
    shape: tuple[int, int], pool: int, *, replacement: bool, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Fan-ins ``[luts, k]`` among ``pool`` rows, the k of a lut distinct unless with replacement.

    Example:
        >>> draw_fanins((2, 3), 3, replacement=False, rng=np.random.default_rng(0)).sum(axis=1).tolist()
        [3, 3]
    """
    luts, k = shape
    fanins = rng.integers(0, pool, shape, np.int32)
    if replacement:
        return fanins
    if 2 * k * k > pool:  # few rows: the k first of a permutation of them all
        keys = rng.random((luts, pool))
        return np.argsort(keys, axis=1)[:, :k].astype(np.int32)
    while (again := _repeats(fanins)).any():  # many: what repeats is drawn anew
        fanins[again] = rng.integers(0, pool, (int(again.sum()), k), np.int32)
    return fanins


def _repeats(fanins: NDArray[np.int32]) -> NDArray[np.bool_]:
    ordered = np.sort(fanins, axis=1)
    return np.asarray((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))


def wire(
    shape: tuple[int, int],
    *,
    inputs: int,
    before: int,
    skip: float,
    replacement: bool,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Fan-ins of a layer: rows below ``inputs`` are the network's inputs, the others the layer before.

    Args:
        shape: Luts and k.
        inputs: How many inputs the network has.
        before: How many luts the layer before has; 0 for the first layer.
        skip: The share of fan-ins that come from the inputs.
        replacement: Whether a lut may read a row twice.
        rng: The source of chance.

    Example:
        >>> wire((1, 2), inputs=5, before=2, skip=0, replacement=False, rng=np.random.default_rng(0)).min()
        np.int32(5)
    """
    luts, k = shape
    if not before or skip == 1:
        return draw_fanins((luts, min(k, inputs)), inputs, replacement=replacement, rng=rng)
    if skip == 0:
        return inputs + draw_fanins((luts, min(k, before)), before, replacement=replacement, rng=rng)
    k = min(k, inputs, before)
    skipped = draw_fanins((luts, k), inputs, replacement=replacement, rng=rng)
    stepped = inputs + draw_fanins((luts, k), before, replacement=replacement, rng=rng)
    return np.where(rng.random((luts, k)) < skip, skipped, stepped)


def wiring_of(seed: int, network: int, layer: int) -> np.random.Generator:
    """The generator of a layer's wiring.

    Example:
        >>> wiring_of(0, 0, 1).integers(9) == wiring_of(0, 0, 1).integers(9)
        np.True_
    """
    return np.random.default_rng([seed, network, layer, _FANINS])


def fills_of(seed: int, network: int, layer: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The frozen random bits of a layer's entries, shape ``[W, 2^k]``.

    Example:
        >>> fills_of(0, 0, 0, (2, 4)).shape
        (2, 4)
    """
    rng = np.random.default_rng([seed, network, layer, _FILLS])
    bits = np.frombuffer(rng.bytes(-(-shape[0] * shape[1] // 8)), np.uint8)
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)


def coin_of(seed: int, network: int) -> bool:
    """The frozen bit that decides a network's tied votes.

    Example:
        >>> coin_of(0, 0) in (True, False)
        True
    """
    return bool(np.random.default_rng([seed, network, 0, _COIN]).integers(2))


def some_words(seed: int, network: int, layer: int, *, words: int, of: int) -> tuple[int, ...]:
    """Which words of the examples the search for fan-ins looks at: spread evenly, from a random start.

    Example:
        >>> some_words(0, 0, 0, words=3, of=6) in ((0, 2, 4), (1, 3, 5))
        True
    """
    first = int(np.random.default_rng([seed, network, layer, _SPAN]).integers(of))
    return tuple(sorted((first + i * of // words) % of for i in range(words)))


def bag_counts(seed: int, bag: int, first: int, m: int) -> NDArray[np.uint32]:
    """How often each example is in a bag: Poisson(1) numbers that depend on its place in the whole alone.

    So parts of the examples, wherever they are counted, together make the same bag.

    Example:
        >>> whole = bag_counts(0, 1, 0, 1000)
        >>> bool((whole[600:] == bag_counts(0, 1, 600, 400)).all()), bool(0.9 < whole.mean() < 1.1)
        (True, True)
    """
    key = np.random.default_rng([seed, bag, 0, _BAG]).integers(0, 2**64, 1, np.uint64)
    x = np.arange(first, first + m, dtype=np.uint64) + key
    with np.errstate(over="ignore"):  # splitmix64 (Steele, Lea and Flood 2014) works modulo 2^64
        x *= np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    uniform = (x >> np.uint64(11)) / 2.0**53
    at_most = np.exp(-1) * np.cumsum([1, 1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720])
    return np.asarray(np.searchsorted(at_most, uniform, side="right"), np.uint32)
