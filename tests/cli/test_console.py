"""Progress on a terminal and elsewhere, rates, times in words."""

import io

import pytest

from rote.cli import _console
from rote.cli._console import Pace, duration, made, progress, table, warn


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    ours = Clock()
    monkeypatch.setattr(_console.Pace.__init__, "__kwdefaults__", {"start": 0, "unit": "", "clock": ours})
    return ours


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "under 1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (90061, "25 h 01 min"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_pace_of_a_resumed_run_counts_only_its_own_steps():
    clock = Clock()
    pace = Pace(100, start=80, clock=clock)
    assert (pace.rate, pace.left) == (0.0, None)
    clock.now = 10
    pace.to(90)
    assert (pace.rate, pace.left) == (1.0, 10.0)
    assert pace.words() == "90/100  90 %  1/s  about 10 s left"


def test_pace_told_of_what_was_there_counts_what_follows():
    clock = Clock()
    pace = Pace(100, clock=clock)
    clock.now = 5
    pace.to(80, before=True)
    assert (pace.rate, pace.left) == (0.0, None)
    clock.now = 15
    pace.to(90)
    assert (pace.rate, pace.left) == (1.0, 10.0)


def test_pace_forgets_what_is_long_ago():
    clock = Clock()
    pace = Pace(None, clock=clock)
    for second in range(1, 200):
        clock.now = second
        pace.to(second if second < 100 else 100 + 50 * (second - 100))
    assert pace.rate == pytest.approx(50)
    assert pace.left is None
    for _ in range(2000):
        pace.to(pace.done + 1)
    assert len(pace._seen) <= 257


def test_plain_lines_come_every_few_seconds_and_at_the_end(clock):
    out = io.StringIO()
    with progress("training", total=10, to=out) as step:
        for k in range(1, 11):
            clock.now = k * 2
            step(k, f"epoch {k}")
    assert out.getvalue().splitlines() == [
        "training  3/10  30 %  0.5/s  about 14 s left  epoch 3",
        "training  6/10  60 %  0.5/s  about 8 s left  epoch 6",
        "training  9/10  90 %  0.5/s  about 2 s left  epoch 9",
        "training  10/10  100 %  0.5/s  epoch 10",
    ]


def test_a_failure_is_not_shown_as_the_end():
    out = io.StringIO()
    with pytest.raises(RuntimeError), progress("training", total=10, to=out) as step:  # noqa: PT012
        step(5)
        raise RuntimeError
    assert out.getvalue() == ""


def test_work_of_unknown_length(clock):
    out = io.StringIO()
    with progress("reading", to=out) as step:
        clock.now = 2
        step(50)
    assert out.getvalue() == "reading  50  25/s\n"


@pytest.mark.parametrize("total", [None, 0, 4])
def test_a_live_bar_on_a_terminal(total, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with progress("training", total=total, to=out) as step:
        for k in range(1, 5):
            step(k, "[bold]epoch[/bold]")
    shown = out.getvalue()
    assert "training" in shown
    assert "[bold]epoch[/bold]" in shown  # what users name is never markup
    assert "\x1b[" in shown


def test_no_color(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for no_color in ("", "1"):
        monkeypatch.setenv("NO_COLOR", no_color)
        out = Terminal()
        with progress("training", total=1, to=out) as step:
            step(1)
        assert ("\x1b[3" in out.getvalue()) == (no_color == "")


def test_progress_goes_to_stderr_and_results_to_stdout(capsys):
    with progress("training", total=1) as step:
        step(1)
    made("out/report.html")
    warn("careful")
    out, err = capsys.readouterr()
    assert out == "out/report.html\n"
    assert err.splitlines()[0].startswith("training  1/1")
    assert err.splitlines()[1] == "rote: careful"


def test_table_without_rows(capsys):
    table(["a", "bb"], [])
    assert capsys.readouterr().out == "a  bb\n"
