"""What a circuit says: from the bits of its outputs to a class for each example."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rote.circuits._circuit import Circuit
from rote.circuits._packed import Packed
from rote.errors import InputError

Decode = Literal["bit", "one-hot", "words"]
_BIT = re.compile(r"(.*)\[(0|[1-9]\d{0,8})\]", re.DOTALL)
_WIDEST = 63


def answers(
    circuit: Circuit, bits: Packed | NDArray[np.bool_], *, decode: Decode | None = None
) -> NDArray[np.int64]:
    """The class that a circuit names for each example.

    * ``"bit"``: the one output itself, 0 or 1.
    * ``"one-hot"``: the first output that is 1; class 0 where none is (as ABC's ``&iwls21test`` reads it).
    * ``"words"``: outputs ``name[0]``, the lowest bit, to ``name[w-1]`` are a signed number in two's
      complement; the class with the largest number, the first of equals. A single number is a yes-or-no
      question: class 1 where it is above 0.

    Args:
        circuit: Whose outputs they are.
        bits: The outputs, bool of shape ``[m, outputs]`` or packed.
        decode: How to read them; told from the names unless given, see `decoding`.

    Returns:
        Shape ``[m]``.

    Raises:
        InputError: If the outputs cannot be read so.

    Example:
        >>> none = np.empty((0, 2), np.uint32)
        >>> names = ("a[0]", "a[1]", "b[0]", "b[1]")
        >>> circuit = Circuit((), none, np.empty(0, bool), names, np.zeros(4, np.uint32))
        >>> bits = np.array([[1, 0, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0]], bool)  # (1, 0), (-2, -1), (1, 1)
        >>> answers(circuit, bits).tolist()
        [0, 1, 0]
        >>> answers(circuit, bits, decode="one-hot").tolist()
        [0, 1, 0]
    """
    outputs = len(circuit.outputs)
    found = len(bits.words) if isinstance(bits, Packed) else bits.shape[-1]
    if found != outputs:
        raise InputError(f"`bits` must hold the circuit's {outputs:,} outputs. Got {found:,}.")
    how = decode or decoding(circuit)
    m = bits.m if isinstance(bits, Packed) else len(bits)
    if how == "words":
        return _largest(bits, list(_words(circuit.outputs)), m)
    if how == "one-hot":
        said = np.zeros(m, np.int64)
        for output in range(outputs - 1, 0, -1):  # the first is written last, so it wins
            said[_columns(bits, [output])[0]] = output
        said[_columns(bits, [0])[0]] = 0
        return said
    if how != "bit":
        raise InputError(f"`decode` must be bit, one-hot or words. Got {how!r:.80}.")
    if outputs != 1:
        raise InputError(f"`decode` can be bit for one output only, but there are {outputs:,}: use one-hot.")
    return np.asarray(_columns(bits, [0])[0], np.int64)


def decoding(circuit: Circuit) -> Decode:
    """How `answers` reads a circuit's outputs unless told: one output as a bit, two words or more as words.

    Raises:
        InputError: If it has no output.

    Example:
        >>> none, xor = np.empty((0, 2), np.uint32), np.empty(0, bool)
        >>> decoding(Circuit((), none, xor, ("y[0]", "y[1]"), np.zeros(2, np.uint32)))  # a bus of two classes
        'one-hot'
    """
    names = circuit.outputs
    if not names:
        raise InputError("The circuit has no output: it says nothing.")
    if len(names) == 1:
        return "bit"
    words = [_BIT.fullmatch(name) for name in names]
    bases = {word[1] for word in words if word}
    if None in words or not 1 < len(bases) < len(names):
        return "one-hot"
    return "words"


def class_names(circuit: Circuit, decode: Decode | None = None) -> tuple[str, ...]:
    """What the outputs that stand for classes are called; none where one output answers.

    Example:
        >>> none, xor = np.empty((0, 2), np.uint32), np.empty(0, bool)
        >>> class_names(Circuit((), none, xor, ("a[0]", "a[1]", "b[0]", "b[1]"), np.zeros(4, np.uint32)))
        ('a', 'b')
    """
    how = decode or decoding(circuit)
    if how == "words":
        words = [circuit.outputs[bits[0]].removesuffix("[0]") for bits in _words(circuit.outputs)]
        return tuple(words) if len(words) > 1 else ()
    return circuit.outputs if how == "one-hot" else ()


def classes_of(circuit: Circuit, decode: Decode | None = None) -> int:
    """How many classes a circuit can name.

    Example:
        >>> none, xor = np.empty((0, 2), np.uint32), np.empty(0, bool)
        >>> classes_of(Circuit((), none, xor, ("yes",), np.zeros(1, np.uint32)))
        2
    """
    how = decode or decoding(circuit)
    if how == "bit":
        return 2
    return len(circuit.outputs) if how == "one-hot" else max(len(list(_words(circuit.outputs))), 2)


def _words(names: Sequence[str]) -> Iterator[list[int]]:
    """For each word, in the order of first appearance, the outputs that are its bits, the lowest first."""
    found: dict[str, dict[int, int]] = {}
    for place, name in enumerate(names):
        match = _BIT.fullmatch(name)
        if match is None:
            raise InputError(
                f"Output {place} is called `{name:.80}`, but the bits of a word are called name[0], name[1], "
                f"…: use decode='one-hot'."
            )
        found.setdefault(match[1], {})[int(match[2])] = place
    for name, bits in found.items():
        missing = next((bit for bit in range(len(bits)) if bit not in bits), None)
        if missing is not None:
            raise InputError(
                f"The word `{name:.80}` has {len(bits)} bits, but no `[{missing}]`: give all of its bits, or "
                f"use decode='one-hot'."
            )
        if len(bits) > _WIDEST:
            raise InputError(f"The word `{name:.80}` has {len(bits)} bits: at most {_WIDEST} can be read.")
        yield [bits[bit] for bit in range(len(bits))]


def _largest(bits: Packed | NDArray[np.bool_], words: Sequence[Sequence[int]], m: int) -> NDArray[np.int64]:
    most = _number(bits, words[0], m)
    if len(words) == 1:
        return (most > 0).astype(np.int64)
    said = np.zeros(m, np.int64)
    for word in range(1, len(words)):
        value = _number(bits, words[word], m)
        more = value > most
        said[more] = word
        most[more] = value[more]
    return said


def _number(bits: Packed | NDArray[np.bool_], word: Sequence[int], m: int) -> NDArray[np.int64]:
    """The signed number that some outputs make, the lowest bit first: ``[m]``."""
    value = np.zeros(m, np.int64)
    for place, column in enumerate(_columns(bits, word)):
        weight = np.int64(1) << np.int64(place)
        value += column * (-weight if place == len(word) - 1 else weight)
    return value


def _columns(bits: Packed | NDArray[np.bool_], outputs: Sequence[int]) -> NDArray[np.bool_]:
    """Some outputs, ``[outputs, m]``."""
    if not isinstance(bits, Packed):
        return np.asarray(bits[:, outputs] != 0).T
    rows = np.ascontiguousarray(bits.words[outputs].astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(rows, axis=1, count=bits.m, bitorder="little").astype(np.bool_)
