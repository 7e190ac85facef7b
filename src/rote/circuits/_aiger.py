"""AIGER files, binary and ASCII.

Biere (2007), `The AIGER And-Inverter Graph Format, version 20071012 <https://fmv.jku.at/aiger/>`_, and Biere,
Heljanko and Wieringa (2011), `AIGER 1.9 and beyond <https://fmv.jku.at/aiger/>`_.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rote.circuits._circuit import Circuit, Literals
from rote.circuits._netlist import Netlist
from rote.circuits._structure import without_xor
from rote.circuits._text import bytes_of
from rote.errors import InputError

_MOST_VARIABLES = (1 << 31) - 1
_FREE_INPUTS = 1 << 20  # a binary file spends no byte on an input: this many are believed, whatever its size
_BLOCK = 1 << 20  # gates, or bytes, at a time


class _Header(NamedTuple):
    """What line 1 says; ``end`` is the offset of line 2."""

    variables: int
    inputs: int
    outputs: int
    gates: int
    end: int


def read(path: Path) -> Circuit:
    """Read a file of either kind; its first word says which."""
    data = bytes_of(path)
    kind = data[:3]
    if kind not in (b"aig", b"aag"):
        raise InputError(f"`{path}`, byte 0: must begin with `aig` or `aag`; is this an AIGER file?")
    header = _header(data, path)
    return _read_binary(data, path, header) if kind == b"aig" else _read_ascii(data, path, header)


def _header(data: bytes, path: Path) -> _Header:
    end = data.find(b"\n", 0, 256)
    words = data[: end if end >= 0 else 256].split()
    given = words[1:]
    whole = end >= 0 and words[0] == data[:3] and 5 <= len(given) <= 9
    if not whole or not all(w.isdigit() and len(w) <= 10 for w in given):
        raise InputError(f"`{path}`, line 1: must be `{data[:3].decode()} M I L O A`, five numbers.")
    counts = [int(word) for word in given] + [0] * (9 - len(given))
    variables, inputs, latches, outputs, gates = counts[:5]
    others = ("latches", "bad states", "constraints", "justice properties", "fairness constraints")
    for name, count in zip(others, (latches, *counts[5:]), strict=True):
        if count:
            raise InputError(
                f"`{path}`, line 1: the file has {count} {name}, and circuits here have no state: "
                f"write only its combinational part, as ABC's `comb` makes it."
            )
    binary = words[0] == b"aig"
    if variables > _MOST_VARIABLES or inputs + gates > variables or (binary and inputs + gates < variables):
        raise InputError(
            f"`{path}`, line 1: M must be {'' if binary else 'at least '}I + L + A = {inputs + gates} and at "
            f"most {_MOST_VARIABLES}, not {variables}."
        )
    # Before anything is allocated: can a file of this size hold what the header promises?
    least = 2 * (outputs + gates) if binary else 2 * (inputs + outputs) + 6 * gates
    if least > len(data) - end or (binary and inputs > max(_FREE_INPUTS, len(data))):
        raise InputError(
            f"`{path}`, line 1: {inputs} inputs, {outputs} outputs and {gates} gates are promised, too many "
            f"for a file of {len(data)} bytes: it is cut off, or its header is wrong."
        )
    return _Header(variables, inputs, outputs, gates, end + 1)


def _read_binary(data: bytes, path: Path, header: _Header) -> Circuit:
    at = header.end
    drivers = []
    for number in range(2, 2 + header.outputs):
        end = data.find(b"\n", at, at + 16)
        (driver,) = _numbers(data[at : end if end >= 0 else at + 16], 1, number, path, header)
        drivers.append(driver)
        at = end + 1 if end >= 0 else len(data)
    fanins, at = _read_gates(data, at, path, header)
    inputs, outputs = _symbols(data[at:], path, at, header)
    xor = np.zeros(header.gates, np.bool_)
    return Circuit(inputs, fanins, xor, outputs, np.array(drivers, np.uint32))


def _read_gates(data: bytes, at: int, path: Path, header: _Header) -> tuple[Literals, int]:
    """The gates' fan-ins, and the offset of what follows them."""
    fanins = np.empty((header.gates, 2), np.uint32)
    done = 0
    while done < header.gates:
        window = np.frombuffer(data, np.uint8, min(4 * _BLOCK, len(data) - at), at)
        ends = np.flatnonzero(window < 128)[: 2 * (header.gates - done)]
        ends = ends[: ends.size & ~1]
        if not ends.size:
            raise InputError(
                f"`{path}`, byte {at}: gate {done + 1} of {header.gates} is missing: the file is cut off."
            )
        starts = np.concatenate([[0], ends[:-1] + 1])
        deltas = _decode(window, starts, ends, path, at).reshape(-1, 2)
        part = fanins[done : done + len(deltas)]
        own = np.arange(done, done + len(deltas), dtype=np.uint32) * np.uint32(2)
        own += np.uint32(2 * (1 + header.inputs))
        np.subtract(own, deltas[:, 0], out=part[:, 0])
        np.subtract(part[:, 0], deltas[:, 1], out=part[:, 1])
        bad = (part[:, 0] >= own) | (
            part[:, 1] > part[:, 0]
        )  # a delta of 0, or one below literal 0 that wraps
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"`{path}`, byte {at + int(starts[2 * row])}: gate {done + row + 1} must read what stands "
                f"before it, but its deltas are {deltas[row, 0]} and {deltas[row, 1]}."
            )
        done += len(deltas)
        at += int(ends[-1]) + 1
    return fanins, at


def _decode(
    window: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], path: Path, at: int
) -> Literals:
    """Numbers of seven bits a byte, lowest first; all but a number's last byte have bit 7."""
    values = np.asarray(window[starts] & 127, np.uint32)
    longer, k = np.flatnonzero(ends > starts), 0
    while longer.size:
        k += 1
        byte = np.asarray(window[starts[longer] + k], np.uint32)
        if k == 4 and (byte > 15).any():
            first = int(starts[longer[int((byte > 15).argmax())]])
            raise InputError(f"`{path}`, byte {at + first}: a delta overflows 32 bits: the file is damaged.")
        values[longer] |= (byte & 127) << np.uint32(7 * k)
        longer = longer[ends[longer] > starts[longer] + k]
    return values


def _numbers(line: bytes, count: int, number: int, path: Path, header: _Header) -> list[int]:
    """The literals that a line consists of."""
    words = line.split()
    if len(words) == count and all(word.isdigit() and len(word) <= 10 for word in words):
        literals = [int(word) for word in words]
        if max(literals) <= 2 * header.variables + 1:
            return literals
    wanted = "a literal" if count == 1 else f"{count} literals"
    raise InputError(
        f"`{path}`, line {number}: must be {wanted} of at most {2 * header.variables + 1}, "
        f"not {line[:40].decode('ascii', 'replace')!r}."
    )


def _read_ascii(data: bytes, path: Path, header: _Header) -> Circuit:
    net = Netlist(path)
    wanted = header.inputs + header.outputs + header.gates
    lines = data[header.end :].split(b"\n", wanted)
    if len(lines) < wanted:
        raise InputError(
            f"`{path}`, line {len(lines) + 1}: the header promises {wanted} lines below it, but the file "
            f"ends here: it is cut off."
        )
    rest = lines.pop() if len(lines) > wanted else b""
    inputs, outputs = _symbols(rest, path, len(data) - len(rest), header)
    for at, line in enumerate(lines, 2):
        number = at - 2 - header.inputs
        if number < 0:
            net.input(_own(net, _numbers(line, 1, at, path, header)[0], at), at)
        elif number < header.outputs:
            net.output(outputs[number], _variable(net, _numbers(line, 1, at, path, header)[0]), at)
        else:
            own, a, b = _numbers(line, 3, at, path, header)
            net.define(_own(net, own, at), (_variable(net, a), _variable(net, b)), at)
    return replace(net.circuit(), inputs=inputs)


def _variable(net: Netlist, literal: int) -> int:
    return literal if literal < 2 else net.signal(str(literal & ~1)) ^ literal & 1


def _own(net: Netlist, literal: int, line: int) -> int:
    if literal & 1 or literal < 2:
        raise net.wrong(line, f"literal {literal} must be even and above 1 to be defined")
    return net.signal(str(literal))


def _symbols(data: bytes, path: Path, at: int, header: _Header) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of inputs and outputs that the symbol table gives, and `i0` or `o0` for the others."""
    given: dict[bytes, dict[int, str]] = {b"i": {}, b"o": {}}
    counts = {b"i": header.inputs, b"o": header.outputs}
    start = 0
    while start < len(data) and data[start : start + 1] != b"c":  # what follows is a comment
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start:end].rstrip(b"\r")
        if not line.strip():
            start = end + 1
            continue
        index, _, name = line[1:].partition(b" ")
        kind = line[:1]
        known = given.get(kind)
        if known is None or not index.isdigit() or len(index) > 10 or not name:
            raise InputError(
                f"`{path}`, byte {at + start}: a symbol must be written `i0 name` or `o0 name`, "
                f"not {line[:40].decode('ascii', 'replace')!r}."
            )
        if int(index) >= counts[kind] or int(index) in known:
            raise InputError(
                f"`{path}`, byte {at + start}: the file has {counts[kind]} {'in' if kind == b'i' else 'out'}"
                f"puts, each named once at most, but here {int(index)} is named."
            )
        try:
            known[int(index)] = name.decode()
        except UnicodeDecodeError:
            raise InputError(f"`{path}`, byte {at + start}: a name must be UTF-8 text.") from None
        start = end + 1
    inputs = _named(given[b"i"], header.inputs, "i")
    return inputs, _named(given[b"o"], header.outputs, "o")


def _named(given: dict[int, str], count: int, letter: str) -> tuple[str, ...]:
    taken = set(given.values())
    names = []
    for i in range(count):
        name = given.get(i)
        if name is None:
            name = f"{letter}{i}"
            while name in taken:
                name += "_"
        names.append(name)
    return tuple(names)


def write_binary(circuit: Circuit) -> Iterator[bytes]:
    """The bytes of a binary file. AIGER knows only ANDs: an exclusive or becomes three of them."""
    circuit = without_xor(circuit)
    yield _head("aig", circuit)
    yield "".join(f"{driver}\n" for driver in circuit.drivers.tolist()).encode()
    for first in range(0, circuit.gates, _BLOCK):
        part = circuit.fanins[first : first + _BLOCK]
        own = np.arange(first, first + len(part), dtype=np.uint32) * np.uint32(2)
        own += np.uint32(2 * circuit.first_gate)
        high = np.maximum(part[:, 0], part[:, 1])
        low = np.minimum(part[:, 0], part[:, 1])
        yield _encode(np.stack([own - high, high - low], axis=1).ravel())
    yield from _symbol_table(circuit)


def _encode(values: Literals) -> bytes:
    """What `_decode` reads."""
    extra = sum((values >= 1 << 7 * k).astype(np.uint8) for k in range(1, 5))
    length = np.asarray(extra, np.int64) + 1
    starts = np.cumsum(length) - length
    out = np.empty(int(length.sum()), np.uint8)
    out[starts] = values & np.uint32(127)
    longer, k = np.flatnonzero(length > 1), 1
    while longer.size:
        place = starts[longer] + k
        out[place - 1] |= 128
        out[place] = values[longer] >> np.uint32(7 * k) & np.uint32(127)
        k += 1
        longer = longer[length[longer] > k]
    return out.tobytes()


def write_ascii(circuit: Circuit) -> Iterator[bytes]:
    """The bytes of an ASCII file, XOR as in the binary one."""
    circuit = without_xor(circuit)
    yield _head("aag", circuit)
    yield "".join(f"{2 * i}\n" for i in range(1, circuit.first_gate)).encode()
    yield "".join(f"{driver}\n" for driver in circuit.drivers.tolist()).encode()
    for first in range(0, circuit.gates, _BLOCK):
        part = circuit.fanins[first : first + _BLOCK].tolist()
        own = 2 * (circuit.first_gate + first)
        yield "".join(f"{own + 2 * i} {a} {b}\n" for i, (a, b) in enumerate(part)).encode()
    yield from _symbol_table(circuit)


def _head(kind: str, circuit: Circuit) -> bytes:
    inputs, outputs = len(circuit.inputs), len(circuit.outputs)
    return f"{kind} {circuit.nodes - 1} {inputs} 0 {outputs} {circuit.gates}\n".encode()


def _symbol_table(circuit: Circuit) -> Iterator[bytes]:
    for letter, names in (("i", circuit.inputs), ("o", circuit.outputs)):
        lines = []
        for i, name in enumerate(names):
            if not name or "\n" in name or name.endswith("\r"):
                raise InputError(f"AIGER cannot write the name {name!r:.80}: names must be one line of text.")
            if name != f"{letter}{i}":
                lines.append(f"{letter}{i} {name}\n")
        yield "".join(lines).encode()
