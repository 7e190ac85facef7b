"""How numbers and names are written on a page; whatever is unknown is a dash."""

import math
import re
from collections.abc import Mapping
from typing import Any

DASH = "–"
MINUS = "−"
THIN = "\u202f"  # narrow no-break space

# What HTML forbids in text: control characters, and halves of surrogate pairs that no encoding can write.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Marks that turn the direction of the text around them: a name must not rewrite the sentence it stands in.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def known(value: float | int | None) -> float | None:
    """The value as a finite float, or None where it is missing, NaN or infinite.

    Example:
        >>> known(1), known(None), known(float("nan"))
        (1.0, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def clean(text: str) -> str:
    """Text without the characters that a page cannot hold, each replaced by U+FFFD.

    Example:
        >>> clean("a" + chr(0) + "b" + chr(0xDCFF))
        'a\ufffdb\ufffd'
    """
    return _TURNING.sub("\ufffd", _UNWRITABLE.sub("\ufffd", text))


def clip(text: object, limit: int = 60) -> str:
    """At most ``limit`` characters: the beginning and the end, which tell long names apart.

    Example:
        >>> clip("layers.0.attention.output.weight", 15)
        'layers.….weight'
        >>> clip("short", 15)
        'short'
    """
    whole = DASH if text is None else clean(str(text))
    if len(whole) <= limit:
        return whole
    head = (limit - 1) // 2
    return f"{whole[:head]}…{whole[head - limit + 1 :]}"


def number(value: float | int | None, digits: int = 3) -> str:
    """A plain number with ``digits`` significant digits; integers whole, thousands set apart.

    Example:
        >>> number(0.04567), number(-1.5), number(1234.4), number(None)
        ('0.0457', '−1.5', '1\u202f234', '–')
    """
    finite = known(value)
    if finite is None:
        return DASH
    if finite == 0:
        return "0"
    size = abs(finite)
    if isinstance(value, int) or size >= 10 ** (digits - 1):
        text = f"{size:,.0f}".replace(",", THIN)
    else:
        decimals = min(digits - 1 - math.floor(math.log10(size)), 5)
        text = f"{size:.{decimals}f}"
        text = text.rstrip("0").rstrip(".") or "0"
    return (MINUS if finite < 0 and text != "0" else "") + text


def fixed(value: float | None, decimals: int) -> str:
    """A number with always as many decimals, so that a column of them lines up.

    Example:
        >>> fixed(0.8, 2), fixed(None, 2)
        ('0.80', '–')
    """
    finite = known(value)
    return DASH if finite is None else _signed(finite, decimals)


def percent(value: float | None, decimals: int | None = None) -> str:
    """A share in percent: whole percents, tenths below 10 % and above 90 %, or ``decimals``.

    Example:
        >>> percent(0.758), percent(0.0123), percent(0.998), percent(None)
        ('76\u202f%', '1.2\u202f%', '99.8\u202f%', '–')
    """
    finite = known(value)
    if finite is None:
        return DASH
    decimals = _decimals([finite]) if decimals is None else decimals
    return f"{_signed(finite * 100, decimals)}{THIN}%"


def interval(given: Mapping[str, Any] | None, decimals: int | None = None) -> str:
    """A share with its interval; ``decimals`` of a percent, or as many as suit it.

    Example:
        >>> interval({"value": 0.758, "low": 0.741, "high": 0.779, "n": 5})
        '76\u202f% (74–78)'
        >>> interval({"value": None, "low": None, "high": None, "n": 0})
        '–'
    """
    value, low, high = _three(given)
    if value is None:
        return DASH
    if low is None or high is None:
        return percent(value, decimals)
    decimals = _decimals([value, low, high]) if decimals is None else decimals
    return f"{_signed(value * 100, decimals)}{THIN}% ({_range(low, high, decimals, signs=False)})"


def change(given: Mapping[str, Any] | None) -> str:
    """A difference of two shares in percentage points, with its interval; the sign is always written.

    Example:
        >>> change({"value": 0.012, "low": -0.003, "high": 0.027, "n": 5})
        '+1.2 points (−0.3 to +2.7)'
    """
    value, low, high = _three(given)
    if value is None:
        return DASH
    decimals = 1
    text = f"{_signed(value * 100, decimals, plus=True)} points"
    if low is None or high is None:
        return text
    return f"{text} ({_range(low, high, decimals, signs=True)})"


def duration(seconds: float | None) -> str:
    """Seconds as a person would say them.

    Example:
        >>> duration(8.25), duration(200), duration(3900), duration(None)
        ('8.2 s', '3 min 20 s', '1 h 05 min', '–')
    """
    finite = known(seconds)
    if finite is None:
        return DASH
    if finite < 10:
        return f"{finite:.1f} s"
    whole = round(finite)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short(value: float) -> str:
    """A number on an axis: 1000 as 1k.

    Example:
        >>> short(0), short(0.5), short(2000), short(1e6)
        ('0', '0.5', '2k', '1M')
    """
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return number(value / unit) + name
    return number(value)


def _three(given: Mapping[str, Any] | None) -> tuple[float | None, float | None, float | None]:
    if given is None:
        return None, None, None
    return known(given["value"]), known(given["low"]), known(given["high"])


def _decimals(shares: list[float]) -> int:
    """Tenths of a percent are worth writing only where all numbers are near 0, or all near 1."""
    sizes = [abs(share) for share in shares]
    if all(size in (0, 1) for size in sizes):
        return 0
    return 1 if max(sizes) < 0.1 or min(sizes) > 0.9 else 0


def _signed(value: float, decimals: int, *, plus: bool = False) -> str:
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text


def _range(low: float, high: float, decimals: int, *, signs: bool) -> str:
    first = _signed(low * 100, decimals, plus=signs)
    last = _signed(high * 100, decimals, plus=signs)
    return f"{first} to {last}" if signs or low < 0 else f"{first}–{last}"
