"""What the text formats share: their lines as text, and names for a circuit's nodes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from rote.circuits._circuit import Circuit
from rote.errors import InputError

_BLOCK = 1 << 16  # gates that are written at once


def bytes_of(path: Path) -> bytes:
    """What a file holds."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"`{path}` is not there: check the path.") from None
    except OSError as error:
        raise InputError(f"`{path}` cannot be read ({error.strerror}).") from None


def text_of(path: Path) -> str:
    """A file's text, which must be UTF-8."""
    data = bytes_of(path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"`{path}`, line {line}: must be UTF-8 text; is this a circuit?") from None


def node_names(circuit: Circuit) -> list[str]:
    """A name for each node: an input's own, and for the constant and the gates ones that nobody has."""
    prefix = free_prefix(circuit)
    gates = (f"{prefix}{node}" for node in range(circuit.first_gate, circuit.nodes))
    return [f"{prefix}0", *circuit.inputs, *gates]


def free_prefix(circuit: Circuit) -> str:
    """A word such that no input or output is called that and a number, with or without `_` behind it."""
    prefix = "n"
    while any(re.fullmatch(rf"{prefix}\d+_?", name) for name in (*circuit.inputs, *circuit.outputs)):
        prefix = f"_{prefix}"
    return prefix


def check_names(circuit: Circuit, fits: Callable[[str], bool], format_: str, rule: str) -> None:
    """Refuse names that a format cannot write."""
    for name in (*circuit.inputs, *circuit.outputs):
        if not (name and name.isprintable() and " " not in name and fits(name)):
            raise InputError(f"{format_} cannot write the name {name!r:.80}: {rule}; rename it.")


def own_outputs(circuit: Circuit, format_: str) -> Iterator[tuple[str, int]]:
    """Name and driver of the outputs that are not themselves inputs of the same name.

    Raises:
        InputError: If an output has an input's name and is something else.
    """
    inputs = {name: 2 * node for node, name in enumerate(circuit.inputs, 1)}
    for name, driver in zip(circuit.outputs, circuit.drivers.tolist(), strict=True):
        if name not in inputs:
            yield name, driver
        elif inputs[name] != driver:
            raise InputError(
                f"{format_} cannot write an output with an input's name, `{name:.80}`: rename one of them."
            )


def in_blocks(circuit: Circuit, line: Callable[[int, int, int, bool], str]) -> Iterator[bytes]:
    """What ``line(node, fanin, fanin, xor)`` says of each gate, many gates at a time."""
    for first in range(0, circuit.gates, _BLOCK):
        fanins = circuit.fanins[first : first + _BLOCK].tolist()
        xor = circuit.xor[first : first + _BLOCK].tolist()
        nodes = range(circuit.first_gate + first, circuit.nodes)
        yield "".join(line(i, a, b, x) for i, (a, b), x in zip(nodes, fanins, xor, strict=False)).encode()
