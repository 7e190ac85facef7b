"""Counterfactual simulation with chance: rare values, or all of them, give way to random bits."""

import numpy as np
from numpy.typing import NDArray

from rote._native import Chance
from rote.circuits._circuit import Circuit
from rote.circuits._happening import MAYBE_ONE, MAYBE_ZERO, RANDOM_BIT, with_events
from rote.circuits._packed import Packed
from rote.circuits._schedule import program
from rote.circuits._simulate import Progress, checked, run
from rote.errors import InputError


def random(
    circuit: Circuit,
    X: Packed,
    ones: NDArray[np.integer],
    m: int,
    limit: int,
    *,
    seed: int = 0,
    first: int = 0,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> Packed:
    """Outputs where a signal that takes an l-rare value is a random bit instead.

    Bits depend on the seed, the node and the example, not on threads or blocks.

    Args:
        circuit: The circuit.
        X: Examples, packed.
        ones: On how many of all examples each node is 1, ``[nodes]``.
        m: How many examples were counted.
        limit: l.
        seed: Of the random bits.
        first: Which example of all the first of ``X`` is, a multiple of 64.
        threads: Threads to use.
        on_progress: Told how many examples are done, of how many.

    Returns:
        Packed rows of outputs.
    """
    examples = checked(circuit, X, threads, ones)
    of_gates = ones[circuit.first_gate :]
    rare_one, rare_zero = of_gates <= limit, m - of_gates <= limit
    gates = np.flatnonzero(rare_one | rare_zero)
    kind = np.where(rare_zero, np.where(rare_one, RANDOM_BIT, MAYBE_ONE), MAYBE_ZERO)[gates]
    how = program(circuit, keep=True)
    how = with_events(how, gates, kind, circuit.first_gate + gates)
    chance = Chance(_key(seed), circuit.first_gate, before=_words_before(first, 64))
    return run(circuit, how, examples, chance=chance, threads=threads, on_progress=on_progress)[0]


def noise(
    circuit: Circuit,
    X: Packed,
    log2_p: int,
    *,
    seed: int = 0,
    first: int = 0,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> Packed:
    """Outputs where every gate's value is flipped with probability ``2^-log2_p``.

    Flips depend on the seed, the node and the example, not on threads or blocks.

    Args:
        circuit: The circuit.
        X: Examples, packed.
        log2_p: From 1 to 40.
        seed: Of the flips.
        first: Which example of all the first of ``X`` is, a multiple of 4,096.
        threads: Threads to use.
        on_progress: Told how many examples are done, of how many.

    Returns:
        Packed rows of outputs.
    """
    if not 1 <= log2_p <= 40:
        raise InputError(f"`log2_p` must be from 1 to 40. Got {log2_p}.")
    examples = checked(circuit, X, threads)
    chance = Chance(
        _key(seed, log2_p),
        circuit.first_gate,
        log2_p,
        _words_before(first, 4096),
        thresholds(log2_p),
    )
    how = program(circuit, keep=True)
    return run(circuit, how, examples, chance=chance, threads=threads, on_progress=on_progress)[0]


def thresholds(k: int) -> NDArray[np.uint64]:
    """``2^64`` times the probability of at most 0, 1, … flips among 4,096 bits, each with probability 2^-k.

    By additions and multiplications alone, which every machine rounds alike. Empty below 6, where noise is
    made otherwise.

    Example:
        >>> from math import exp
        >>> round(float(thresholds(12)[0] / 2**64), 4), round(exp(-1), 4), len(thresholds(5))
        (0.3678, 0.3679, 0)
    """
    if k <= 5:
        return np.zeros(0, np.uint64)
    bits, p = 4096, 2.0**-k
    term = 1 - p
    for _ in range(12):
        term *= term  # (1 - p) ^ 4096: no flip
    found: list[int] = []
    below = 0.0
    for flips in range(bits):
        below += term
        scaled = int(below * 2.0**64)
        if scaled >= 2**64 or (flips > bits * p and scaled <= found[-1]):  # the rest is lost in rounding
            break
        found.append(scaled)
        term *= (bits - flips) / (flips + 1) * (p / (1 - p))
    return np.array(found, np.uint64)


def _key(*seeds: int) -> int:
    return int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0])


def _words_before(first: int, grain: int) -> int:
    if first < 0 or first % grain:
        raise InputError(f"`first` must be a multiple of {grain:,}. Got {first}.")
    return first // 64
