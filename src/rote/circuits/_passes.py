"""The passes of counterfactual simulation, one at a time, and what they refuse."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.circuits._answers import answers, classes_of
from rote.circuits._circuit import Circuit
from rote.circuits._counts import Counts
from rote.circuits._curve import Kind, Switches
from rote.circuits._packed import Packed, pack
from rote.errors import InputError

_KINDS = ("simple", "composite", "random", "noise")
_USUAL = tuple(1 << k for k in range(11))
_NOISE = tuple(range(30, 4, -1))


@dataclass(frozen=True, eq=False)
class Task:
    """What every pass of one counterfactual simulation shares.

    Attributes:
        circuit: The circuit.
        X: Examples.
        counts: What is rare is told from these.
        kind: How to perturb.
        switches: What else is open.
        threads: Threads to use.
    """

    circuit: Circuit
    X: Packed
    counts: Counts
    kind: Kind
    switches: Switches
    threads: int

    def __post_init__(self) -> None:
        _check_counts(self.counts, self.circuit, self.X.m)


def perturbed_answers(task: Task, limit: int) -> NDArray[np.int64]:
    """One pass: the classes that the perturbed circuit names, ``[m]``."""
    from rote.circuits import _perturbed

    circuit, X, ones, m = task.circuit, task.X, task.counts.ones, task.counts.m
    switches, threads = task.switches, task.threads
    seed = (switches.seed + switches.stream * 0x9E3779B97F4A7C15) % (1 << 64)
    if task.kind == "simple":
        inputs, outputs = switches.inputs, switches.outputs
        bits = _perturbed.simple(circuit, X, ones, m, limit, inputs=inputs, outputs=outputs, threads=threads)
    elif task.kind == "composite":
        bits = _perturbed.composite(circuit, X, ones, m, limit, unseen=switches.unseen, threads=threads)
    elif task.kind == "random":
        bits = _perturbed.random(circuit, X, ones, m, limit, seed=seed, threads=threads)
    else:
        bits = _perturbed.noise(circuit, X, limit, seed=seed, threads=threads)
    return answers(circuit, bits, decode=switches.decode)


def rare_free_counts(task: Task, limits: Sequence[int]) -> list[int]:
    """How many examples show no l-rare value anywhere, for each limit."""
    from rote.circuits._perturbed import rare_free

    free = rare_free(task.circuit, task.X, task.counts.ones, task.counts.m, limits, threads=task.threads)
    return [int(row.sum()) for row in free]


def plain_pass(
    circuit: Circuit, X: Packed, switches: Switches, threads: int
) -> tuple[NDArray[np.int64], Counts]:
    """The plain circuit's classes ``[m]``, and its counts."""
    outputs, counts = first_pass(circuit, X, threads)
    return answers(circuit, outputs, decode=switches.decode), counts


def first_pass(circuit: Circuit, X: Packed, threads: int) -> tuple[Packed, Counts]:
    """The plain circuit's outputs, and its counts."""
    from rote.circuits._simulate import simulate_counts

    outputs, ones = simulate_counts(circuit, X, threads=threads)
    return outputs, Counts(ones.astype(np.int64, copy=False), X.m)


def checked_examples(circuit: Circuit, X: Packed | NDArray[np.bool_], threads: int) -> Packed:
    """Examples, packed.

    Raises:
        InputError: If they do not have as many bits as the circuit has inputs, or there is none.
    """
    if isinstance(X, Packed):
        width = len(X.words)
    elif X.ndim == 2:
        width = X.shape[1]
    else:
        raise InputError(f"`X` must have shape [m, inputs]. Got {list(X.shape)}.")
    if width != len(circuit.inputs):
        raise InputError(
            f"`X` must have the {len(circuit.inputs):,} bits that the circuit reads. Got {width:,}: "
            f"`rote.circuits.input_bits` makes them of bytes."
        )
    packed = X if isinstance(X, Packed) else pack(X, threads=threads)
    if not packed.m:
        raise InputError("`X` must hold at least one example.")
    return packed


def checked_labels(circuit: Circuit, y: NDArray[np.integer], m: int, switches: Switches) -> NDArray[np.int64]:
    """Labels, int64.

    Raises:
        InputError: If there are not m of them, or one is no class that the circuit can name.
    """
    y = np.asarray(y)
    if y.shape != (m,) or y.dtype.kind not in "bui":
        raise InputError(
            f"`y` must hold {m:,} whole numbers, one for each example. Got {y.dtype} {list(y.shape)}."
        )
    classes = classes_of(circuit, switches.decode)
    if int(y.min()) < 0 or int(y.max()) >= classes:
        wrong = int(y.max()) if int(y.max()) >= classes else int(y.min())
        raise InputError(
            f"`y` must hold classes from 0 to {classes - 1}, all that the circuit can answer. Got {wrong}."
        )
    return y.astype(np.int64)


def checked_limits(limits: Sequence[int] | None, kind: Kind, m: int) -> tuple[int, ...]:
    """Limits, the mildest first; the usual ones, as far as they fit, where none are given.

    Args:
        limits: Each l; for noise each k of the probability 2^-k.
        kind: How to perturb.
        m: How many examples are counted.

    Raises:
        InputError: If the kind is unknown, or a limit is out of range.

    Example:
        >>> checked_limits(None, "simple", 10), checked_limits([9, 30, 20, 20], "noise", 10)
        ((1, 2, 4), (30, 20, 9))
        >>> checked_limits([5], "simple", 10)
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `limits` must be from 1 to 4, below half of the 10 examples. Got 5.
    """
    if kind not in _KINDS:
        raise InputError(f"`kind` must be one of {', '.join(_KINDS)}. Got {kind!r:.80}.")
    noise = kind == "noise"
    most = 30 if noise else (m - 1) // 2
    if most < 1:
        raise InputError(f"Rarity needs at least 3 examples. Got {m}.")
    if limits is None:
        return _NOISE if noise else tuple(limit for limit in _USUAL if limit <= most)
    for limit in limits:
        if not 1 <= limit <= most:
            why = "the k of probabilities 2^-k" if noise else f"below half of the {m:,} examples"
            raise InputError(f"`limits` must be from 1 to {most:,}, {why}. Got {limit:,}.")
    if not limits:
        raise InputError("`limits` must hold at least one. Got none.")
    return tuple(sorted({int(limit) for limit in limits}, reverse=noise))


def _check_counts(counts: Counts, circuit: Circuit, m: int) -> None:
    if len(counts.ones) != circuit.nodes:
        raise InputError(
            f"`counts` must be of this circuit's {circuit.nodes:,} nodes. Got counts of {len(counts.ones):,}."
        )
    if counts.m < m:
        raise InputError(f"`counts` must be over all examples, these {m:,} among them. Got {counts.m:,}.")
