"""Circuits as structural Verilog: a wire and an `assign` for each gate."""

import re
from collections.abc import Iterator

from rote.circuits._circuit import Circuit
from rote.circuits._text import check_names, in_blocks, node_names
from rote.errors import InputError

_PLAIN = re.compile(r"_*[A-Za-z]\d*")  # what no keyword looks like; others are escaped, which changes no name


def write(circuit: Circuit) -> Iterator[bytes]:
    """The bytes of a file: a module whose ports are single bits."""
    check_names(circuit, str.isascii, "Verilog", "it must be of printable ASCII characters without spaces")
    if both := set(circuit.inputs) & set(circuit.outputs):
        raise InputError(
            f"Verilog cannot write an output with an input's name, `{min(both):.80}`: rename one of them."
        )
    names = [_written(name) for name in node_names(circuit)]
    names[0] = "1'b0"
    outputs = [_written(name) for name in circuit.outputs]
    inputs = names[1 : circuit.first_gate]
    ports = ",\n  ".join([*inputs, *outputs])
    yield f"module rote (\n  {ports}\n);\n".encode()
    for direction, names_ in (("input", inputs), ("output", outputs)):
        yield "".join(f"  {direction} {name};\n" for name in names_).encode()

    def read(literal: int) -> str:
        return f"{'~' if literal & 1 else ''}{names[literal >> 1]}" if literal > 1 else f"1'b{literal}"

    def gate(node: int, a: int, b: int, xor: bool) -> str:
        name = names[node]
        return f"  wire {name};\n  assign {name} = {read(a)} {'^' if xor else '&'} {read(b)};\n"

    yield from in_blocks(circuit, gate)
    drivers = zip(outputs, circuit.drivers.tolist(), strict=True)
    yield "".join(f"  assign {name} = {read(driver)};\n" for name, driver in drivers).encode()
    yield b"endmodule\n"


def _written(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else f"\\{name} "
