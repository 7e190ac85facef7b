"""Circuits scheduled and simulated in Python and NumPy: what the extension must agree with.

It also runs where the extension is absent.
"""

import numpy as np
from numpy.typing import NDArray

from rote._native._circuit_twins import Literals, Words
from rote._native._program import Chance, Program

#: What happens to a slot, as `simulate.hpp` numbers it.
LOAD, STORE, GATHER, FLIP, MAYBE_ZERO, MAYBE_ONE, RANDOM_BIT = range(7)
#: Noise: up to this k words are hashed; beyond, flips are drawn for so many words at a time.
NOISE_HASHED, NOISE_WORDS = 5, 64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def schedule(
    inputs: int, fanins: Literals, xors: NDArray[np.bool_], drivers: Literals, *, keep: bool
) -> Program:
    """A circuit as a program; see :func:`rote._native.circuit_schedule`.

    Example:
        >>> circuit = np.array([[2, 5]], np.uint32), np.array([False]), np.array([7], np.uint32)
        >>> schedule(2, *circuit, keep=True).code.tolist()
        [[2, 5, 2]]
    """
    first, pairs, kinds = 1 + inputs, fanins.tolist(), xors.tolist()
    dies, read, stores = _last_reads(first, pairs, drivers.tolist(), keep)
    free: list[int] = []
    touched = [0]
    place = {0: 0}
    code: list[tuple[int, int, int]] = []
    events: list[tuple[int, int, int, int]] = []
    reach = np.zeros(32, np.int64)

    def take() -> int:
        if free:
            return free.pop()
        touched.append(0)
        return len(touched) - 1

    for gate, pair in enumerate(pairs):
        if dies[gate] is None:
            continue
        now = len(code)
        for literal in pair:
            node = literal >> 1
            if node not in place:
                place[node] = take()
                events.append((now, LOAD, place[node], node - 1))
            if node:
                reach[max(0, (now - touched[place[node]]).bit_length() - 1)] += 1
                touched[place[node]] = now
        slots = [place[literal >> 1] for literal in pair]
        free.extend(slots[side] for side in dies[gate] or () if slots[side])
        node = first + gate
        place[node] = take()
        touched[place[node]] = now
        a, b = (2 * slot + (literal & 1) for slot, literal in zip(slots, pair, strict=True))
        code.append((a, b, 2 * place[node] + kinds[gate]))
        events += [(now + 1, STORE, place[node], what) for what in stores.get(node, ())]
        if node not in read:
            free.append(place[node])
    return Program(
        np.array(code, np.uint32).reshape(-1, 3),
        np.array(events, np.uint32).reshape(-1, 4),
        len(touched),
        reach,
        bool(xors.any()),
    )


def _last_reads(
    first: int, pairs: list[list[int]], drivers: list[int], keep: bool
) -> tuple[list[list[int] | None], set[int], dict[int, list[int]]]:
    """Which fan-ins of each gate are read for the last time, the second before the first; who reads what.

    None stands for a gate that is left out. Then come all nodes that are read, and the outputs of each node.
    """
    stores: dict[int, list[int]] = {}
    for output, driver in enumerate(drivers):
        stores.setdefault(driver >> 1, []).append(2 * output + (driver & 1))
    read: set[int] = set()
    dies: list[list[int] | None] = [None] * len(pairs)
    for gate in range(len(pairs) - 1, -1, -1):
        node = first + gate
        if not keep and node not in read and node not in stores:
            continue
        here = []
        for side, literal in enumerate(pairs[gate]):
            if literal >> 1 not in read:
                here.append(side)
                read.add(literal >> 1)
        dies[gate] = here[::-1]
    return dies, read, stores


def simulate(
    program: Program,
    rows: Words,
    out: Words,
    ones: NDArray[np.uint32],
    *,
    m: int,
    span: tuple[int, int],
    chance: Chance,
) -> None:
    """Run a program, whole rows at a time; see :func:`rote._native.circuit_simulate`.

    Example:
        >>> program = schedule(2, np.array([[2, 5]], np.uint32), np.array([False]), np.array([6]), keep=True)
        >>> rows, out = np.array([[3], [5]], np.uint64), np.zeros((1, 1), np.uint64)
        >>> simulate(program, rows, out, np.zeros(0, np.uint32), m=4, span=(0, 1), chance=Chance())
        >>> out.tolist()
        [[2]]
    """
    first, last = span
    code, events, k = program.code.tolist(), program.events.tolist(), chance.k
    valid = np.full(last - first, ~np.uint64(0))
    if last == -(-m // 64) and m % 64:
        valid[-1:] = (1 << m % 64) - 1
    held = np.zeros((program.slots, last - first), np.uint64)
    at = 0
    for when, kind, slot, what in [*events, [len(code), -1, 0, 0]]:
        for i in range(at, when):
            a, b, to = code[i]
            x, y = held[a >> 1] ^ _all(a), held[b >> 1] ^ _all(b)
            held[to >> 1] = x ^ y if to & 1 else x & y
            if len(ones):
                ones[i] += np.uint32(np.bitwise_count(held[to >> 1] & valid).sum())
            if k:
                held[to >> 1] ^= noise_row(chance, chance.first + i, span)
        at = when
        if kind == LOAD:
            held[slot] = rows[what, first:last]
        elif kind == STORE:
            out[what >> 1, first:last] = (held[slot] ^ _all(what)) & valid
        elif kind == GATHER:
            out[what >> 1, first:last] |= (held[slot] ^ _all(what)) & valid
        elif kind == FLIP and first <= what // 64 < last:
            held[slot, what // 64 - first] ^= np.uint64(1 << what % 64)
        elif kind >= MAYBE_ZERO:
            now, bits = held[slot], random_row(chance, what, span)
            held[slot] = now & bits if kind == MAYBE_ZERO else now | bits if kind == MAYBE_ONE else bits


def _all(bit: int) -> np.uint64:
    return ~np.uint64(0) if bit & 1 else np.uint64(0)


def hashed(key: int, i: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Word i of the stream of a key: splitmix64 (Steele, Lea and Flood 2014).

    Example:
        >>> hex(hashed(0, np.array([0], np.uint64)).item())
        '0xe220a8397b1dcdaf'
    """
    with np.errstate(over="ignore"):
        z = np.uint64(key) + _GOLDEN * (i + np.uint64(1))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _one(key: int, i: int) -> int:
    return int(hashed(key, np.array([i], np.uint64))[0])


def random_row(chance: Chance, node: int, span: tuple[int, int]) -> Words:
    """Random bits of a node, words ``span``.

    Example:
        >>> bool(np.array_equal(random_row(Chance(7), 3, (0, 9))[4:], random_row(Chance(7), 3, (4, 9))))
        True
    """
    words = np.arange(span[0] + chance.before, span[1] + chance.before, dtype=np.uint64)
    return hashed(_one(chance.key, node), words)


def noise_row(chance: Chance, node: int, span: tuple[int, int]) -> Words:
    """Bits of a node, each 1 with probability 2^-k, words ``span``, which begins with a whole block.

    Example:
        >>> row = noise_row(Chance(key=7, k=2), 3, (0, 64))
        >>> 900 < int(np.bitwise_count(row).sum()) < 1150  # of 4,096 / 4
        True
    """
    first, last, k = span[0] + chance.before, span[1] + chance.before, chance.k
    own = _one(chance.key, node)
    if k <= NOISE_HASHED:
        words = hashed(own, np.arange(k * first, k * last, dtype=np.uint64)).reshape(-1, k)
        return np.asarray(np.bitwise_and.reduce(words, axis=1), np.uint64)
    flips = np.zeros(-(-(last - first) // NOISE_WORDS) * NOISE_WORDS, np.uint64)
    for begin in range(0, last - first, NOISE_WORDS):
        drawn = _one(own, (first + begin) // NOISE_WORDS)
        many = int(np.searchsorted(chance.thresholds, np.uint64(drawn), side="right"))
        taken: dict[int, None] = {}
        j = 0
        while len(taken) < many:
            taken[_one(drawn, j) % (64 * NOISE_WORDS)] = None
            j += 1
        for place in taken:
            flips[begin + place // 64] |= np.uint64(1 << place % 64)
    return flips[: last - first]
