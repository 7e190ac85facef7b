"""Simulation: what a circuit answers to many examples, and how often each of its signals is 1."""

from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import NDArray

from rote._native import Chance, Program, and_counts, circuit_simulate
from rote.circuits._circuit import Circuit
from rote.circuits._packed import Packed, pack, unpack
from rote.circuits._schedule import program
from rote.errors import InputError

#: Told after each shard of examples: how many examples are done, of how many.
Progress = Callable[[int, int], None]

_SHARD = 2 * 10**11  # gates times examples, about a second; between shards Ctrl-C is heard
_GRAIN = 128  # words; what is random begins with a multiple of 64


@overload
def simulate(
    circuit: Circuit, X: NDArray[np.bool_], *, threads: int = 1, on_progress: Progress | None = None
) -> NDArray[np.bool_]: ...
@overload
def simulate(
    circuit: Circuit, X: Packed, *, threads: int = 1, on_progress: Progress | None = None
) -> Packed: ...
def simulate(
    circuit: Circuit,
    X: NDArray[np.bool_] | Packed,
    *,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> NDArray[np.bool_] | Packed:
    """What a circuit answers to each example.

    Blocks of 512 to 4,096 examples go through all gates; a value's place is used again once it was last read.

    Args:
        circuit: The circuit.
        X: Examples, bool of shape ``[m, inputs]``, or packed rows of inputs.
        threads: Threads to use; they share out the examples.
        on_progress: Told how many examples are done, of how many, after each shard.

    Returns:
        The outputs, bool of shape ``[m, outputs]``, or packed rows where ``X`` is packed.

    Raises:
        InputError: If the examples do not have one bit for each input, or ``threads`` is below 1.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> circuit = build.finish({"xor": build.xor_(*build.literals), "and": build.and_(*build.literals)})
        >>> simulate(circuit, np.array([[True, False], [True, True]])).astype(int).tolist()
        [[1, 0], [0, 1]]
    """
    examples = checked(circuit, X, threads)
    out, _ = run(circuit, program(circuit, keep=False), examples, threads=threads, on_progress=on_progress)
    return out if isinstance(X, Packed) else unpack(out)


def simulate_counts(
    circuit: Circuit,
    X: NDArray[np.bool_] | Packed,
    *,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> tuple[Packed, NDArray[np.int64]]:
    """What a circuit answers, and on how many examples each node is 1, in one pass.

    Counts of shards of the examples add up to those of all.

    Args:
        circuit: The circuit.
        X: Examples, bool of shape ``[m, inputs]``, or packed rows of inputs.
        threads: Threads to use; they share out the examples.
        on_progress: Told how many examples are done, of how many, after each shard.

    Returns:
        Packed rows of outputs, and the counts, shape ``[nodes]``, int64.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> circuit = build.finish({"and": build.and_(*build.literals)})
        >>> out, ones = simulate_counts(circuit, np.array([[True, False], [True, True]]))
        >>> out.words.tolist(), ones.tolist()
        ([[2]], [0, 2, 1, 1])
    """
    examples = checked(circuit, X, threads)
    out, of_gates = run(
        circuit,
        program(circuit, keep=True, counting=True),
        examples,
        count=True,
        threads=threads,
        on_progress=on_progress,
    )
    ones = np.zeros(circuit.nodes, np.int64)
    every = np.full((1, examples.words.shape[1]), ~np.uint64(0))
    ones[1 : circuit.first_gate] = and_counts(examples.words, every, threads=threads)[:, 0]
    ones[circuit.first_gate :] = of_gates
    return out, ones


def one_counts(circuit: Circuit, X: NDArray[np.bool_] | Packed, *, threads: int = 1) -> NDArray[np.int64]:
    """On how many examples each node is 1, shape ``[nodes]``; see :func:`simulate_counts`.

    Example:
        >>> from rote.circuits import Builder
        >>> one_counts(Builder(["a"]).finish({}), np.array([[True], [False]])).tolist()
        [0, 1]
    """
    return simulate_counts(circuit, X, threads=threads)[1]


def checked(
    circuit: Circuit,
    X: NDArray[np.bool_] | Packed,
    threads: int,
    ones: NDArray[np.integer] | None = None,
) -> Packed:
    """The examples, packed; counts of ones, if given, must be of this circuit."""
    if ones is not None and ones.shape != (circuit.nodes,):
        raise InputError(f"`ones` must be counts of {circuit.nodes:,} nodes. Got shape {ones.shape}.")
    if threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {threads}.")
    inputs = len(circuit.inputs)
    if isinstance(X, Packed):
        if len(X.words) != inputs:
            raise InputError(f"`X` must have a row for each of {inputs:,} inputs. Got {len(X.words):,}.")
        return X
    if X.ndim != 2 or X.dtype != np.bool_ or X.shape[1] != inputs:
        raise InputError(f"`X` must be bool of shape [m, {inputs}]. Got {X.dtype} of shape {X.shape}.")
    return pack(X, threads=threads)


def run(
    circuit: Circuit,
    how: Program,
    X: Packed,
    *,
    count: bool = False,
    chance: Chance | None = None,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> tuple[Packed, NDArray[np.uint32]]:
    """Run a circuit's program on examples, shard after shard.

    Returns:
        The outputs, and on how many examples each instruction's value is 1, if that is asked.
    """
    out = _outputs_that_need_no_gate(circuit, X)
    ones = np.zeros(len(how.code) if count else 0, np.uint32)
    for span in shards(len(how.code), X.m):
        circuit_simulate(how, X.words, out, ones, m=X.m, span=span, chance=chance, threads=threads)
        if on_progress:
            on_progress(min(64 * span[1], X.m), X.m)
    return Packed(out, X.m), ones


def shards(gates: int, m: int) -> list[tuple[int, int]]:
    """Spans of words, each of which takes about a second.

    Example:
        >>> shards(1000, 10_000), shards(40_000_000, 60_000)[:2], len(shards(40_000_000, 60_000))
        ([(0, 157)], [(0, 128), (128, 256)], 8)
    """
    words = -(-m // 64)
    each = max(1, _SHARD // (64 * max(1, gates) * _GRAIN)) * _GRAIN
    return [(first, min(first + each, words)) for first in range(0, words, each)]


def _outputs_that_need_no_gate(circuit: Circuit, X: Packed) -> NDArray[np.uint64]:
    """Rows of outputs: those that are constants or inputs are filled in."""
    out = np.zeros((len(circuit.drivers), X.words.shape[1]), np.uint64)
    valid = np.full(X.words.shape[1], ~np.uint64(0))
    if X.m % 64:
        valid[-1] = (1 << X.m % 64) - 1
    for output in np.flatnonzero(circuit.drivers >> 1 < circuit.first_gate):
        node, complement = divmod(int(circuit.drivers[output]), 2)
        row = X.words[node - 1] if node else np.zeros_like(valid)
        out[output] = row ^ valid if complement else row
    return out
