"""BLIF files: one model whose signals are covers of others.

University of California, Berkeley (1992), `Berkeley Logic Interchange Format
<https://people.eecs.berkeley.edu/~alanmi/publications/other/BLIF.pdf>`_.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rote.circuits._circuit import Circuit
from rote.circuits._netlist import Netlist
from rote.circuits._text import check_names, in_blocks, node_names, own_outputs, text_of
from rote.errors import InputError

_REMEDY = {
    ".latch": "circuits here have no state: write only the combinational part, as ABC's `comb` makes it",
    ".clock": "circuits here have no state: write only the combinational part, as ABC's `comb` makes it",
    ".subckt": "write it flat, as Yosys's `flatten` and `techmap; abc -g AND,XOR` make it",
    ".gate": "write gates as `.names`, as ABC's `unmap` makes them",
    ".exdc": "don't-cares of a network are not read: leave them out",
}
#: The cover of a gate: first those of AND, by the complements of its fan-ins; then those of XOR.
_COVERS = ["11 1", "10 1", "01 1", "00 1", *["10 1\n01 1", "11 1\n00 1", "11 1\n00 1", "10 1\n01 1"]]
_WIDTH = 100


def read(path: Path) -> Circuit:
    """Read a file."""
    net = Netlist(path)
    outputs: dict[str, int] = {}
    model = 0
    cover: _Cover | None = None
    for line, words in _lines(text_of(path), net):
        key = words[0]
        if not key.startswith("."):
            if cover is None:
                raise net.wrong(line, f"{key!r:.40} must stand below a `.names`; is this a BLIF file?")
            cover.row(line, words)
            continue
        if cover is not None:
            cover.finish()
            cover = None
        if key == ".model":
            if model:
                raise net.wrong(line, f"one model can be read, and line {model} began one: write it flat")
            model = line
        elif key == ".inputs":
            for name in words[1:]:
                net.input(net.signal(name), line)
        elif key == ".outputs":
            outputs |= _outputs(outputs, words[1:], line, net)
        elif key == ".names":
            cover = _Cover(net, line, words[1:])
        elif key == ".end":
            break
        else:
            raise net.wrong(line, f"`{key:.40}` cannot be read: {_REMEDY.get(key, 'leave it out')}")
    if cover is not None:
        cover.finish()
    if not model and not outputs:
        raise InputError(f"`{path}` must hold a `.model` with `.outputs`; is this a BLIF file?")
    for name, line in outputs.items():
        net.output(name, net.signal(name), line)
    return net.circuit()


def _lines(text: str, net: Netlist) -> Iterator[tuple[int, list[str]]]:
    """Words of each line that has any, without comments; a backslash at its end joins the next to it."""
    words: list[str] = []
    begin = 0
    for number, line in enumerate(text.split("\n"), 1):
        plain = line.partition("#")[0].rstrip()
        begin = begin or number
        words += plain.removesuffix("\\").split()
        if plain.endswith("\\"):
            continue
        if words:
            yield begin, words
        words, begin = [], 0
    if words:
        raise net.wrong(begin, "the line goes on, but the file ends here: it is cut off")


def _outputs(before: dict[str, int], names: Iterable[str], line: int, net: Netlist) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        if name in before or name in found:
            raise net.wrong(line, f"`{name:.80}` must be named as an output once")
        found[name] = line
    return found


class _Cover:
    """A `.names` and the rows below it."""

    def __init__(self, net: Netlist, line: int, names: list[str]) -> None:
        if not names:
            raise net.wrong(line, "`.names` must name at least the signal that it defines")
        self.net, self.line = net, line
        self.fanins = [net.signal(name) for name in names[:-1]]
        self.target = net.signal(names[-1])
        self.cubes: list[str] = []
        self.value = "1"

    def row(self, line: int, words: list[str]) -> None:
        cube, value = (words[0] if len(words) == 2 else "", words[-1])
        if len(cube) != len(self.fanins) or len(words) > 2 or cube.strip("01-") or value not in ("0", "1"):
            row = f"{len(self.fanins)} of `0 1 -`, a space, and " if self.fanins else ""
            raise self.net.wrong(line, f"a row must be {row}`0` or `1`, not {' '.join(words)!r:.60}")
        if self.cubes and value != self.value:
            raise self.net.wrong(line, "the rows of one `.names` must all answer 1, or all answer 0")
        self.value = value
        self.cubes.append(cube)

    def finish(self) -> None:
        if not self.cubes:
            self.net.define(self.target ^ 1, (), self.line)  # no rows: the constant 0
        else:
            self.net.define_sum(self.target ^ (self.value == "0"), self.fanins, self.cubes, self.line)


def write(circuit: Circuit) -> Iterator[bytes]:
    """The bytes of a file: one `.names` for each gate and each output."""
    check_names(
        circuit,
        lambda name: "#" not in name and not name.endswith("\\"),
        "BLIF",
        "it must be printable, without spaces and `#`, and not end in a backslash",
    )
    names = node_names(circuit)
    yield _listed(".model rote\n.inputs", circuit.inputs) + _listed(".outputs", circuit.outputs)
    if circuit.gates and int(circuit.fanins.min()) < 2:
        yield f".names {names[0]}\n".encode()

    def gate(node: int, a: int, b: int, xor: bool) -> str:
        cover = _COVERS[4 * xor + 2 * (a & 1) + (b & 1)]
        return f".names {names[a >> 1]} {names[b >> 1]} {names[node]}\n{cover}\n"

    yield from in_blocks(circuit, gate)
    for name, driver in own_outputs(circuit, "BLIF"):
        constant = "1\n" if driver else ""
        wire = f".names {names[driver >> 1]} {name}\n{1 - (driver & 1)} 1\n"
        yield (wire if driver > 1 else f".names {name}\n{constant}").encode()
    yield b".end\n"


def _listed(head: str, names: Iterable[str]) -> bytes:
    """A directive and what it lists, broken into lines."""
    lines, line = [], head
    for name in names:
        if len(line) + len(name) > _WIDTH:
            lines.append(f"{line} \\\n")
            line = ""
        line += f" {name}"
    return ("".join(lines) + line + "\n").encode()
