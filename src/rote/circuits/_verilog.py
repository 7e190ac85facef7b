"""Structural Verilog: one module of wires, `assign` and gates (IEEE 1364-2005, §4–§7)."""

from collections.abc import Iterator
from pathlib import Path

from rote.circuits._circuit import Circuit
from rote.circuits._netlist import GATES, Netlist
from rote.circuits._text import text_of
from rote.circuits._verilog_terms import Terms, Token, tokens
from rote.errors import InputError

_MOST_BITS = 1 << 18  # of buses, beyond one for each byte of the file
_MOST_USES = 1 << 21  # of bits in values, beyond 64 for each byte
_DIRECTIONS = ("input", "output", "wire")
_REMEDY = (
    "only `input`, `output`, `wire`, `assign` and gates can be read: Yosys writes a design so after "
    "`flatten; techmap; abc -g AND,XOR; clean`"
)


def read(path: Path) -> Circuit:
    """Read a file."""
    text = text_of(path)
    module: _Module | None = None
    ended = False
    for words in _statements(tokens(text)):
        word, line = words[0]
        if word == "module":
            if module is not None:
                raise module.net.wrong(line, "one module can be read: write it flat (Yosys: `flatten`)")
            module = _Module(Netlist(path), len(text))
        if module is None or ended:
            raise Netlist(path).wrong(
                line, f"`module` must stand where {word!r:.40} stands; is this Verilog?"
            )
        ended = word == "endmodule"
        if not ended:
            module.statement(words)
    if module is None or not ended:
        raise InputError(f"`{path}` must hold `module … endmodule`: it is cut off, or it is no Verilog.")
    return module.circuit()


def _statements(words: Iterator[Token]) -> Iterator[list[Token]]:
    """Words up to each semicolon, which is left out."""
    found: list[Token] = []
    for word, line in words:
        if word == ";":
            if found:
                yield found
            found = []
        else:
            found.append((word, line))
            if word == "endmodule" and len(found) == 1:
                yield found
                found = []
    if found:
        yield found


class _Module:
    """A module as it is read."""

    def __init__(self, net: Netlist, size: int) -> None:
        self.net = net
        self.bits_left, self.uses_left = _MOST_BITS + size, _MOST_USES + 64 * size
        self.ports: dict[str, int] = {}  # and their lines
        self.directions: dict[str, str] = {}
        self.ranges: dict[str, tuple[int, int] | None] = {}
        self.values: dict[str, list[int]] = {}

    def statement(self, words: list[Token]) -> None:
        terms = Terms(words, self.net, self.bits)
        word, line = terms.take(), words[0][1]
        if word == "module":
            self._header(terms)
        elif word in _DIRECTIONS:
            self._declaration(terms, word)
        elif word == "assign":
            self._assign(terms)
        elif word in GATES:
            self._gates(terms, word)
        else:
            raise self.net.wrong(line, f"{word!r:.40} cannot be read: {_REMEDY}")
        if terms.next():
            raise self.net.wrong(terms.line, f"`;` must stand {terms.where()}")

    def bits(self, name: str, high: int | None, low: int | None, line: int) -> list[int]:
        """The literals of a name, or of a part of it."""
        if name not in self.values:
            self._declare(name, None, line)  # Verilog: a name that is not declared is a wire of one bit
        value, span = self.values[name], self.ranges[name]
        if high is not None and low is not None:
            first, last = span or (0, 0)
            step = 1 if first >= last else -1
            left, right = (high - last) * step, (low - last) * step
            if span is None or not 0 <= right <= left < len(value):
                raise self.net.wrong(
                    line, f"`{name:.60}` has no bits [{high}:{low}]: correct them, or its range"
                )
            value = value[right : left + 1]
        self.uses_left -= len(value)
        if self.uses_left < 0:
            raise self._too_wide(name, len(value), line)
        return value

    def _too_wide(self, name: str, width: int, line: int) -> InputError:
        return self.net.wrong(line, f"`{name:.60}` of {width} bits is too wide for a file of this size")

    def circuit(self) -> Circuit:
        outputs = []
        for name, line in self.ports.items():
            if name not in self.directions:
                raise self.net.wrong(line, f"port `{name:.80}` must be declared as `input` or `output`")
            for literal in self.values[name]:
                if self.directions[name] == "input":
                    self.net.input(literal, line)
                else:
                    outputs.append((literal, line))
        for literal, line in outputs:
            self.net.output(self.net.names[literal >> 1], literal, line)
        return self.net.circuit()

    def _declare(self, name: str, span: tuple[int, int] | None, line: int) -> None:
        if name in self.values:
            if self.ranges[name] != span:
                raise self.net.wrong(line, f"`{name:.80}` must be declared with one range")
            return
        if span is None:
            names = [name]
        else:
            high, low = span
            width = abs(high - low) + 1
            self.bits_left -= width
            if self.bits_left < 0:
                raise self._too_wide(name, width, line)
            step = 1 if high >= low else -1
            names = [f"{name}[{i}]" for i in range(low, high + step, step)]
        self.ranges[name] = span
        self.values[name] = [self.net.fresh(each) for each in names]

    def _header(self, terms: Terms) -> None:
        terms.name()
        if not terms.next():
            return
        terms.take("(")
        direction, span = "", None
        while terms.next() != ")":
            if terms.next() in _DIRECTIONS[:2]:
                direction, span = terms.take(), self._span(terms)
            line, name = terms.line, terms.name()
            if name in self.ports:
                raise self.net.wrong(line, f"port `{name:.80}` must be listed once")
            self.ports[name] = line
            if direction:
                self._port(name, direction, span, line)
            if terms.next() != ")":
                terms.take(",")
        terms.take(")")

    def _span(self, terms: Terms) -> tuple[int, int] | None:
        if terms.next() == "wire":
            terms.take()
        return terms.range()

    def _declaration(self, terms: Terms, direction: str) -> None:
        span = self._span(terms)
        while True:
            line, name = terms.line, terms.name()
            if direction == "wire":
                self._declare(name, span, line)
            else:
                self._port(name, direction, span, line)
            if not terms.next():
                return
            terms.take(",")

    def _port(self, name: str, direction: str, span: tuple[int, int] | None, line: int) -> None:
        if name not in self.ports or name in self.directions:
            raise self.net.wrong(line, f"`{name:.80}` must be a port of the module, declared once")
        self.directions[name] = direction
        self._declare(name, span, line)

    def _assign(self, terms: Terms) -> None:
        while True:
            line, place = terms.line, terms.place()
            terms.take("=")
            value = terms.expression()
            if terms.next() not in ("", ","):
                raise self.net.wrong(terms.line, f"no operator but ~ & ^ | ?: can stand {terms.where()}")
            if len(place) != len(value):
                raise self.net.wrong(
                    line, f"a value of {len(value)} bits is assigned to {len(place)}: make them equally wide"
                )
            for target, literal in zip(place, value, strict=True):
                self.net.define(target, (literal,), line)
            if not terms.next():
                return
            terms.take(",")

    def _gates(self, terms: Terms, kind: str) -> None:
        while True:
            if terms.next() != "(":
                terms.name()  # of this gate, which nobody asks for
            line = terms.line
            terms.take("(")
            (target,) = self._one_bit(terms.place(), line)
            fanins = []
            while terms.take(",", ")") == ",":
                fanins += self._one_bit(terms.expression(), line)
            self.net.define_gate(target, kind, fanins, line)
            if not terms.next():
                return
            terms.take(",")

    def _one_bit(self, value: list[int], line: int) -> list[int]:
        if len(value) != 1:
            raise self.net.wrong(line, f"a gate's fan-in must be one bit wide, not {len(value)}")
        return value
