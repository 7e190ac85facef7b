"""What the commands print: progress to stderr, results to stdout, the path of what was made last."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

Step = Callable[..., None]
"""``step(done, text="", total=None)``: tells a progress display how far the work is, and what it does."""


def say(text: str) -> None:
    """Print one line of results.

    Example:
        >>> say("all is well")
        all is well
    """
    print(text, flush=True)


def warn(text: str) -> None:
    """Print one line that is no result: to stderr, as ``rote: …``."""
    print(f"rote: {text}", file=sys.stderr, flush=True)


def made(path: str | Path) -> None:
    """Print the path of what was made: the last line of a command.

    Example:
        >>> made("rote-runs/demo/report.html")
        rote-runs/demo/report.html
    """
    say(str(path))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns wide enough for their entries; the last column may be of any length.

    Example:
        >>> table(["name", "examples"], [["digits", 1797], ["mnist", 60000]])
        name    examples
        digits  1797
        mnist   60000
    """
    lines = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


class Pace:
    """Rate and time left, from the last half minute of work.

    Args:
        total: How much there is to do, or ``None`` where nobody knows.
        start: How much was done before, by a run that is resumed; it never counts as speed.
        unit: What is counted, for example ``"kB"``.
        clock: Seconds, from any origin.

    Example:
        >>> now = iter([0.0, 2.0])
        >>> pace = Pace(100, clock=lambda: next(now))
        >>> pace.to(20); pace.words()
        '20/100  20 %  10/s  about 8 s left'
    """

    def __init__(
        self,
        total: int | None,
        *,
        start: int = 0,
        unit: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.done = total, start
        self._unit = f" {unit}" if unit else ""
        self._clock = clock
        self._began = clock()
        self._seen: deque[tuple[float, int]] = deque([(self._began, start)])
        self._last = self._began

    def to(self, done: int, *, before: bool = False) -> None:
        """Note that so much is done now; or, ``before``, that so much was done by a run that is resumed."""
        self.done, self._last = done, self._clock()
        if before:
            self._seen.clear()
        self._seen.append((self._last, done))
        while len(self._seen) > 2 and (self._last - self._seen[1][0] > 30 or len(self._seen) > 256):
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Steps per second; 0 while unknown."""
        since, before = self._seen[0]
        return (self.done - before) / (self._last - since) if self._last > since else 0.0

    @property
    def left(self) -> float | None:
        """Seconds left, or ``None`` while unknown."""
        rate = self.rate
        return (self.total - self.done) / rate if self.total is not None and rate > 0 else None

    def words(self) -> str:
        """How far, how fast, how much longer: one line."""
        parts = [(f"{self.done}" if self.total is None else f"{self.done}/{self.total}") + self._unit]
        if self.total:
            parts.append(f"{100 * self.done // self.total} %")
        if self.rate > 0:
            rate = f"{self.rate:.3g}" if self.rate < 100 else f"{self.rate:.0f}"
            parts.append(f"{rate}{self._unit}/s")
        if self.left is not None and self.done != self.total:
            left = duration(self.left)
            parts.append(f"{left} left" if left.startswith("under") else f"about {left} left")
        return "  ".join(parts)

    @property
    def elapsed(self) -> float:
        """Seconds from the beginning to the last step."""
        return self._last - self._began


def duration(seconds: float) -> str:
    """A length of time in words.

    Example:
        >>> duration(0.4), duration(42), duration(200), duration(7500)
        ('under 1 s', '42 s', '3 min 20 s', '2 h 05 min')
    """
    whole = round(seconds)
    if seconds < 1:
        return "under 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@contextmanager
def progress(
    what: str,
    *,
    total: int | None = None,
    start: int = 0,
    unit: str = "",
    every: float = 5.0,
    to: TextIO | None = None,
) -> Iterator[Step]:
    """Show how far some work is: a live bar on a terminal, a line every few seconds elsewhere.

    Args:
        what: The work, in a word or two.
        total: Steps it takes, or ``None`` where nobody knows.
        start: Steps a resumed run did before.
        unit: What is counted, if not steps.
        every: Seconds between two plain lines.
        to: Where to; stderr unless told.

    Yields:
        ``step(done, text="", total=None, before=False)``, to be called with the number of steps done so far,
        with how many there are where that was not known at the start, and with ``before=True`` where a run
        that is resumed has done them.

    Example:
        >>> with progress("training", total=3, to=sys.stdout) as step:
        ...     for k in range(3):
        ...         step(k + 1, f"epoch {k}")  # doctest: +ELLIPSIS
        training  3/3  100 %  ...
    """
    stream = to or sys.stderr
    pace = Pace(total, start=start, unit=unit)
    show = _bar if stream.isatty() else _lines
    with show(what, pace, stream, every) as step:
        yield step


@contextmanager
def _lines(what: str, pace: Pace, stream: TextIO, every: float) -> Iterator[Step]:
    printed, shown, last = pace._began, pace.done, ""

    def line(text: str) -> None:
        nonlocal shown
        shown = pace.done
        print(f"{what}  {pace.words()}{'  ' + text if text else ''}", file=stream, flush=True)

    def step(done: int, text: str = "", total: int | None = None, before: bool = False) -> None:
        nonlocal printed, last
        pace.total = total or pace.total
        pace.to(done, before=before)
        last = text
        if pace._last - printed >= every:
            printed = pace._last
            line(text)

    yield step
    if pace.done != shown:  # not after an error: the work did not come to its end
        line(last)


@contextmanager
def _bar(what: str, pace: Pace, stream: TextIO, every: float) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[pace]}", markup=False),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=Console(file=stream), transient=False) as live:
        task = live.add_task(what, total=pace.total, completed=pace.done, pace=pace.words(), text="")

        def step(done: int, text: str = "", total: int | None = None, before: bool = False) -> None:
            pace.total = total or pace.total
            pace.to(done, before=before)
            live.update(task, total=pace.total, completed=done, pace=pace.words(), text=text)

        yield step
