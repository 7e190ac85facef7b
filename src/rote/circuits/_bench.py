"""The bench format of the ISCAS circuits, as ABC reads and writes it.

Brglez and Fujiwara (1985), `A neutral netlist of 10 combinational benchmark circuits`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rote.circuits._circuit import Circuit
from rote.circuits._netlist import GATES, Netlist
from rote.circuits._text import check_names, free_prefix, in_blocks, node_names, own_outputs, text_of
from rote.errors import InputError

_PORT = re.compile(r"(INPUT|OUTPUT)\s*\(\s*([^\s(),=]+)\s*\)")
_GATE = re.compile(
    r"([^\s(),=]+)\s*=\s*(?:(vdd|gnd)|(LUT\s+0x[0-9a-fA-F]+|[A-Za-z]+)\s*\(([^()=]*)\))", re.IGNORECASE
)
_WIDEST = 8  # inputs of a lut


def read(path: Path) -> Circuit:
    """Read a file."""
    net = Netlist(path)
    outputs: dict[str, int] = {}
    for number, line in enumerate(text_of(path).split("\n"), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if port := _PORT.fullmatch(text):
            kind, name = port.groups()
            if kind == "INPUT":
                net.input(net.signal(name), number)
            elif name in outputs:
                raise net.wrong(number, f"`{name:.80}` must be named as an output once")
            else:
                outputs[name] = number
        elif gate := _GATE.fullmatch(text):
            _define(net, *gate.groups(), line=number)
        else:
            raise net.wrong(number, f"must be `INPUT(a)`, `OUTPUT(f)` or `f = AND(a, b)`, not {text!r:.60}")
    if not outputs:
        raise InputError(f"`{path}` must name an `OUTPUT(…)`; is this a bench file?")
    for name, number in outputs.items():
        net.output(name, net.signal(name), number)
    return net.circuit()


def _define(net: Netlist, name: str, constant: str | None, kind: str, fanins: str, *, line: int) -> None:
    target = net.signal(name)
    if constant:
        net.define(target ^ (constant.lower() == "gnd"), (), line)
        return
    names = fanins.replace(",", " ").split()
    read = [net.signal(each) for each in names]
    word, _, table = kind.upper().partition("0X")
    if table:
        _define_lut(net, target, read, table, line)
        return
    gate = "buf" if word == "BUFF" else word.lower()
    if gate not in GATES:
        known = "circuits here have no state" if word == "DFF" else f"{', '.join(GATES).upper()} and LUT can"
        raise net.wrong(line, f"`{word:.40}` cannot be read: {known}")
    net.define_gate(target, gate, read, line)


def _define_lut(net: Netlist, target: int, fanins: list[int], table: str, line: int) -> None:
    """A lookup table as ABC writes it: the last fan-in is the highest bit of a row's number."""
    k, bits = len(fanins), int(table, 16)
    if k > _WIDEST or bits >> (1 << k):
        raise net.wrong(
            line, f"a lut must have at most {_WIDEST} fan-ins and 2^fan-ins bits, not {k} fan-ins"
        )
    rows = [row for row in range(1 << k) if bits >> row & 1]
    if rows:
        net.define_sum(target, fanins, [f"{row:0{k}b}"[::-1] if k else "" for row in rows], line)
    else:
        net.define(target ^ 1, (), line)


def write(circuit: Circuit) -> Iterator[bytes]:
    """The bytes of a file; a complemented edge is a NOT, made once for each node."""
    check_names(
        circuit,
        lambda name: re.search(r"[(),=#]", name) is None,
        "A bench file",
        "it must be printable, without spaces and `( ) , = #`",
    )
    names, prefix = node_names(circuit), free_prefix(circuit)
    yield "".join(f"INPUT({name})\n" for name in circuit.inputs).encode()
    yield "".join(f"OUTPUT({name})\n" for name in circuit.outputs).encode()
    marks = np.zeros(circuit.nodes, np.bool_)
    marks[circuit.fanins[circuit.fanins & 1 == 1] >> 1] = True
    inverted = marks.tolist()
    if circuit.gates and int(circuit.fanins.min()) < 2:
        yield f"{names[0]} = gnd\n".encode()

    def opposite(node: int) -> str:
        return f"{prefix}{node}_ = NOT({names[node]})\n" if inverted[node] else ""

    def read(literal: int) -> str:
        return f"{prefix}{literal >> 1}_" if literal & 1 else names[literal >> 1]

    def gate(node: int, a: int, b: int, xor: bool) -> str:
        kind = "XOR" if xor else "AND"
        return f"{names[node]} = {kind}({read(a)}, {read(b)})\n{opposite(node)}"

    yield "".join(opposite(node) for node in range(circuit.first_gate)).encode()
    yield from in_blocks(circuit, gate)
    for name, driver in own_outputs(circuit, "A bench file"):
        constant = f"{name} = {'vdd' if driver else 'gnd'}\n"
        wire = f"{name} = {'NOT' if driver & 1 else 'BUFF'}({names[driver >> 1]})\n"
        yield (wire if driver > 1 else constant).encode()
