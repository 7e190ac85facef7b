"""Numbers and names as they are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.report._words import change, clean, clip, duration, fixed, interval, known, number, percent, short

NARROW = "\u202f"


def an(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "n": 1}


@pytest.mark.parametrize(
    ("given_interval", "said"),
    [
        (an(0.758, 0.741, 0.779), "76 % (74–78)"),
        (an(0.008, 0.005, 0.012), "0.8 % (0.5–1.2)"),
        (an(0.05, 0.01, 0.2), "5 % (1–20)"),
        (an(0.973, 0.968, 0.979), "97.3 % (96.8–97.9)"),
        (an(0.002, -0.004, 0.008), "0.2 % (−0.4 to 0.8)"),
        (an(0.0, 0.0, 0.0), "0 % (0–0)"),
        (an(1.0, 1.0, 1.0), "100 % (100–100)"),
        (an(0.5), "50 %"),
        (an(0.5, 0.4, math.nan), "50 %"),
        (an(math.nan, 0.1, 0.2), "–"),
        (None, "–"),
    ],
)
def test_intervals(given_interval, said):
    assert interval(given_interval).replace(NARROW, " ") == said


def test_an_interval_with_decimals_asked_for():
    assert interval(an(0.5, 0.4567, 0.6), 1) == f"50.0{NARROW}% (45.7–60.0)"


@pytest.mark.parametrize(
    ("given_interval", "said"),
    [
        (an(0.012, -0.003, 0.027), "+1.2 points (−0.3 to +2.7)"),
        (an(-0.012, -0.02, -0.001), "−1.2 points (−2.0 to −0.1)"),
        (an(0.0), "0.0 points"),
        (an(-0.0001), "0.0 points"),
        (None, "–"),
    ],
)
def test_changes(given_interval, said):
    assert change(given_interval) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0457, "0.0457"), (-1.5, "−1.5"), (1234567, "1 234 567"), (0, "0"), (99.96, "100"), (-1e-9, "0")],
)
def test_numbers(value, said):
    assert number(value).replace(NARROW, " ") == said


@pytest.mark.parametrize("write", [number, percent, duration, lambda v: fixed(v, 2)])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_unknown_is_a_dash(write, value):
    assert write(value) == "–"
    assert known(value) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@given(st.floats(-1e15, 1e15))
def test_numbers_say_what_they_are(value):
    read = float(number(value).replace(NARROW, "").replace("−", "-"))
    assert read == pytest.approx(value, rel=6e-3, abs=6e-6)


@given(st.floats(0, 1))
def test_percents_say_what_they_are(value):
    assert abs(float(percent(value).removesuffix(f"{NARROW}%")) - 100 * value) <= 0.5001


@given(st.text(), st.integers(5, 40))
def test_clipped_text_keeps_both_ends(text, limit):
    shown = clip(text, limit)
    assert len(shown) <= limit
    if len(text) > limit:
        head, tail = shown.split("…", 1) if "…" not in text else ("", "")
        assert clean(text).startswith(head)
        assert clean(text).endswith(tail)
    else:
        assert shown == clean(text)


@given(st.text())
def test_clean_text_can_be_written(text):
    clean(text).encode()


def test_axis_numbers():
    assert [short(v) for v in (0, 1, 1500, 2_000_000, 3e9)] == ["0", "1", "1.5k", "2M", "3G"]
