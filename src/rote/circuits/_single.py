"""Which signals matter: each with a rare value is flipped alone, on exactly the examples that show it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rote.circuits._answers import answers
from rote.circuits._circuit import Circuit
from rote.circuits._counts import Counts
from rote.circuits._packed import Packed
from rote.circuits._passes import Task
from rote.circuits._signals import Signals

_CHUNK = 1 << 28  # bits held at a time, of rare values or of examples: 32 MB
_BITS = 1 << 29  # inputs times lanes, at most: a circuit with very many inputs gets fewer lanes


def choose(circuit: Circuit, counts: Counts, *, limit: int, lanes: int, seed: int) -> NDArray[np.int64]:
    """The gates to try: all that have a rare value, or a random choice that needs no more lanes than given.

    The choice depends on the counts alone, so that all shards make the same.

    Returns:
        Nodes, ascending.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> circuit = build.finish({"f": build.and_(2, 4)})
        >>> choose(circuit, Counts(np.array([0, 5, 5, 1]), 10), limit=1, lanes=9, seed=0).tolist()
        [3]
    """
    rare, value = counts.rare(limit)
    rare[: circuit.first_gate] = False
    nodes = np.flatnonzero(rare)
    need = np.where(value, counts.ones, counts.m - counts.ones)[nodes]
    most = min(lanes, _BITS // max(len(circuit.inputs), 1))
    if need.sum() > most:
        order = np.random.default_rng(seed).permutation(len(nodes))
        kept = order[: np.searchsorted(np.cumsum(need[order]), most, side="right")]
        nodes = np.sort(nodes[kept])
    return nodes.astype(np.int64)


def tried_signals(task: Task, y: NDArray[np.int64], plain: NDArray[np.int64]) -> Signals:
    """Flip each of some gates alone, where it takes its rare value, and count right answers lost.

    Args:
        task: Circuit, examples, counts and switches.
        y: Labels ``[m]``.
        plain: What the plain circuit answers ``[m]``.
    """
    from rote.circuits._perturbed import flipped

    circuit, counts, switches = task.circuit, task.counts, task.switches
    limit = switches.signals_at or min(64, (counts.m - 1) // 2)
    nodes = choose(circuit, counts, limit=limit, lanes=switches.lanes, seed=switches.seed)
    rare, value = counts.rare(limit)
    value = value[nodes]
    lost = np.zeros(len(nodes), np.int64)
    for which, example in _where_rare(task, nodes, value, plain == y):
        order = np.argsort(which, kind="stable")  # nodes are ascending, so by node
        which, example = which[order], example[order]
        lanes = np.arange(len(which))
        outputs = flipped(circuit, _gathered(task.X, example), nodes[which], lanes, threads=task.threads)
        wrong = answers(circuit, outputs, decode=switches.decode) != y[example]
        lost += np.bincount(which[wrong], minlength=len(nodes))
    names = {int(driver) >> 1: name for driver, name in zip(circuit.drivers, circuit.outputs, strict=True)}
    return Signals(
        limit,
        nodes,
        tuple(names.get(node, "") for node in nodes.tolist()),
        circuit.levels[nodes].astype(np.int64),
        value,
        np.where(value, counts.ones[nodes], counts.m - counts.ones[nodes]),
        lost,
        int(np.count_nonzero(rare[circuit.first_gate :])),
    ).sorted()


def _where_rare(
    task: Task, nodes: NDArray[np.int64], value: NDArray[np.bool_], right: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (place in ``nodes``, example) where a node is rare and the answer right, some at a time."""
    from rote.circuits._simulate import simulate

    circuit, X = task.circuit, task.X
    seen = Circuit(
        circuit.inputs,
        circuit.fanins,
        circuit.xor,
        tuple(map(str, nodes.tolist())),
        (2 * nodes + ~value).astype(np.uint32),
    )
    lanes = max(_CHUNK // max(len(circuit.inputs), 1) // 64, 1) * 64
    block = max(_CHUNK // max(len(nodes), 1) // 64, 1) * 64
    waiting = np.empty((2, 0), np.int64)
    for first in range(0, X.m, block) if len(nodes) else ():
        words = simulate(seen, X.examples(first, first + block), threads=task.threads).words
        row, word = np.nonzero(words)  # few: what is looked for is rare
        bits = np.unpackbits(
            words[row, word].astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little"
        )
        pair, bit = np.nonzero(bits)
        which, example = row[pair], first + 64 * word[pair] + bit
        kept = right[example]
        waiting = np.concatenate([waiting, np.stack([which[kept], example[kept]])], axis=1)
        while waiting.shape[1] >= lanes:
            yield waiting[0, :lanes], waiting[1, :lanes]
            waiting = waiting[:, lanes:]
    if waiting.size:
        yield waiting[0], waiting[1]


def _gathered(X: Packed, examples: NDArray[np.int64], *, rows: int = 1 << 8) -> Packed:
    """The chosen examples, one after another; they may repeat."""
    word, bit = examples // 64, (examples % 64).astype(np.uint64)
    out = np.zeros((len(X.words), -(-len(examples) // 64) * 8), np.uint8)
    for first in range(0, len(X.words), rows):
        bits = (X.words[first : first + rows, word] >> bit) & np.uint64(1)
        packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
        out[first : first + rows, : packed.shape[1]] = packed
    return Packed(out.view("<u8").astype(np.uint64, copy=False), len(examples))
