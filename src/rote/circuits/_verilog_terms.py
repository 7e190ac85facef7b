"""Verilog's words, and expressions of them."""

import re
from collections.abc import Callable, Iterator

from rote.circuits._netlist import Netlist

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/|\(\*(?!\s*\)).*?\*\))"
    r"|(?P<word>\\\S+|[A-Za-z_][\w$]*|\d*'[bBoOdDhH][0-9a-fA-F_xXzZ?]+|\d+|~\^|\^~|~&|~\||.)",
    re.DOTALL | re.ASCII,
)
_BITS = {"b": 1, "o": 3, "h": 4}
_CHAINS = (("|",), ("^", "~^", "^~"), ("&",))  # operators, the loosest first
_DEEPEST = 100  # parentheses in each other
_FREE_BITS = 64  # of a constant that its digits do not write

Token = tuple[str, int]  # a word, and its line


def tokens(text: str) -> Iterator[Token]:
    """Every word of a file but comments and attributes."""
    line = 1
    for match in _TOKEN.finditer(text):
        word = match["word"]
        if word is None:
            line += match["space"].count("\n")
        else:
            yield word, line


def is_name(word: str) -> bool:
    """Whether a word is an identifier, plain or escaped."""
    return word[0].isalpha() or word[0] == "_" or (word[0] == "\\" and len(word) > 1)


class Terms:
    """The words of one statement, read from left to right.

    A value is a list of literals, its lowest bit first.

    Args:
        words: The statement's words.
        net: Where gates go.
        bits: Finds a name's value: ``bits(name, high, low, line)``, high and low None for all of it.
    """

    def __init__(
        self,
        words: list[Token],
        net: Netlist,
        bits: Callable[[str, int | None, int | None, int], list[int]],
    ) -> None:
        self.words, self.net, self.bits = words, net, bits
        self.at = self.depth = 0

    @property
    def line(self) -> int:
        """Where we are."""
        return self.words[min(self.at, len(self.words) - 1)][1]

    def next(self) -> str:
        """The next word, empty at the end."""
        return self.words[self.at][0] if self.at < len(self.words) else ""

    def take(self, *wanted: str) -> str:
        """Go past the next word, which must be one of those that are wanted, if any are."""
        word = self.next()
        if not word or (wanted and word not in wanted):
            what = " or ".join(f"`{each}`" for each in wanted) or "more"
            raise self.net.wrong(self.line, f"{what} must stand {self.where()}")
        self.at += 1
        return word

    def where(self) -> str:
        """The place, in words."""
        return f"where {self.next()!r:.40} stands" if self.next() else "at the end of the statement"

    def name(self) -> str:
        """An identifier, without its escape."""
        word = self.next()
        if not word or not is_name(word):
            raise self.net.wrong(self.line, f"a name must stand {self.where()}")
        self.at += 1
        return word.removeprefix("\\")

    def number(self) -> int:
        """A plain number."""
        word = self.next()
        if not word.isdigit() or len(word) > 9:
            raise self.net.wrong(self.line, f"a number below 10^9 must stand {self.where()}")
        self.at += 1
        return int(word)

    def range(self) -> tuple[int, int] | None:
        """``[high:low]`` or ``[bit]``, if it stands here."""
        if self.next() != "[":
            return None
        self.take("[")
        high = low = self.number()
        if self.next() == ":":
            self.take(":")
            low = self.number()
        self.take("]")
        return high, low

    def place(self) -> list[int]:
        """A name, a part of one, or several in braces."""
        if self.next() == "{":
            return self._braces(self.place)
        line, name = self.line, self.name()
        high, low = self.range() or (None, None)
        return self.bits(name, high, low, line)

    def expression(self) -> list[int]:
        """A value of ``~ & ^ | ? :`` and parentheses."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.net.wrong(self.line, f"at most {_DEEPEST} parentheses may stand in each other")
        value, arms = self._binary(0), []
        while self.next() == "?":
            self.take("?")
            arms.append((value, self.expression()))
            self.take(":")
            value = self._binary(0)
        for select, one in reversed(arms):
            value = self._mux(select, one, value)
        self.depth -= 1
        return value

    def _binary(self, level: int) -> list[int]:
        """A chain of operators of the same binding: ``|`` (level 0), then ``^``, then ``&``."""
        known = _CHAINS[level]
        values, flip = [self._unary() if level == 2 else self._binary(level + 1)], 0
        while self.next() in known:
            flip ^= len(self.take()) == 2
            values.append(self._unary() if level == 2 else self._binary(level + 1))
            self._same_width(values[0], values[-1])
        if len(values) == 1:
            return values[0]
        either = level == 0  # a OR b is NOT (NOT a AND NOT b)
        return [
            self.net.product([bit ^ either for bit in column], self.line, xor=level == 1) ^ either ^ flip
            for column in zip(*values, strict=True)
        ]

    def _unary(self) -> list[int]:
        flip = 0
        while self.next() == "~":
            self.take("~")
            flip ^= 1
        return [bit ^ flip for bit in self._primary()]

    def _primary(self) -> list[int]:
        word = self.next()
        if word == "(":
            self.take("(")
            value = self.expression()
            self.take(")")
            return value
        if word == "{":
            return self._braces(self.expression)
        if "'" in word and word[0] != "\\" and word != "'":
            return self._constant(self.take())
        if not word or not is_name(word):
            raise self.net.wrong(
                self.line,
                f"a name, a constant such as `1'b0`, `~` or `(` must stand {self.where()}: only the "
                f"operators ~ & ^ | ?: can be read",
            )
        return self.place()

    def _braces(self, part: Callable[[], list[int]]) -> list[int]:
        self.take("{")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.net.wrong(self.line, f"at most {_DEEPEST} braces may stand in each other")
        parts = [part()]
        while self.take(",", "}") == ",":
            parts.append(part())
        self.depth -= 1
        return [bit for value in reversed(parts) for bit in value]

    def _constant(self, word: str) -> list[int]:
        size, _, rest = word.partition("'")
        base, digits = rest[0].lower(), rest[1:].replace("_", "")
        known = {"b": "01", "o": "01234567", "d": "0123456789", "h": "0123456789abcdefABCDEF"}[base]
        width = int(size) if 0 < len(size) <= 6 else 0
        if (
            not 1 <= width <= _FREE_BITS + 4 * len(digits)
            or not digits
            or digits.strip(known)
            or (base == "d" and len(digits) > 20)
        ):
            raise self.net.wrong(
                self.line, f"a constant must be written as `1'b0` or `8'hff` is, not {word!r:.40}"
            )
        value = int(digits, {"b": 2, "o": 8, "d": 10, "h": 16}[base])
        return [value >> i & 1 for i in range(width)]

    def _same_width(self, one: list[int], other: list[int]) -> None:
        if len(one) != len(other):
            raise self.net.wrong(
                self.line, f"values of {len(one)} and {len(other)} bits must have the same width"
            )

    def _mux(self, select: list[int], one: list[int], zero: list[int]) -> list[int]:
        self._same_width(one, zero)
        self._same_width(select, [0])
        net, line, s = self.net, self.line, select[0]
        return [
            net.product([net.product([s, a], line) ^ 1, net.product([s ^ 1, b], line) ^ 1], line) ^ 1
            for a, b in zip(one, zero, strict=True)
        ]
