"""The stability bound's page: what it draws, in words and in numbers, and that it fits a phone."""

import html
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from PIL import Image

from rote.gradients import Coherence, StabilityAccountant
from rote.report import stability_page
from rote.report._lines import MOST_POINTS
from rote.report._stability import binned, power, stability_figures


def trained(steps, *, norms=True, lipschitz=None, smoothness=1.0, m=1000, rates=0.1, loss_range=None):
    """Report and factors of a run whose coherence falls from 0.6 to 0."""
    accountant = StabilityAccountant(m, lipschitz=lipschitz, smoothness=smoothness)
    for t, rate in zip(range(steps), np.broadcast_to(rates, steps), strict=True):
        alpha = 0.6 * (1 - t / steps)
        squares = np.array([1.0, 4.0]) if norms else None
        accountant.step(Coherence(2, 1, alpha, 1.0, alpha, 1.0, squares), learning_rate=float(rate))
    return accountant.report(loss_range=loss_range), accountant.factors()


def titles(*run):
    return [figure.title for figure in stability_figures(*run)]


def test_one_chart_for_each_factor():
    always = ["Share of the bound", "Amplification by later steps", "Incoherence √(2(1−α))"]
    assert titles(*trained(20, norms=False, lipschitz=1.0)) == always
    assert titles(*trained(20)) == [*always, "Gradient norm ḡ"]
    assert titles(*trained(20, rates=np.linspace(0.1, 0.2, 20))) == [
        *always,
        "Gradient norm ḡ",
        "Step size η",
    ]
    assert titles(*trained(0)) == []


def test_beyond_what_an_axis_can_hold_powers_of_ten_are_drawn():
    assert titles(*trained(500, smoothness=20.0))[:2] == [
        "Share of the bound, log₁₀",
        "Amplification by later steps, log₁₀",
    ]
    assert "nan" not in "".join(str(f.drawing) for f in stability_figures(*trained(500, smoothness=20.0)))


def test_the_numbers_of_the_figures():
    share, amplification, incoherence, norm = stability_figures(*trained(3, lipschitz=2.0))
    assert share.rows[0][0] == "with L"
    assert amplification.rows == (("factor", "1.21", "1.21", "1"),)
    assert incoherence.rows == (("factor", "0.8944", "1.265", "1.265"),)
    assert norm.rows == (("ḡ", "1.58", "1.58", "1.58"),)
    assert "L = 2" in norm.drawing
    assert "factor: from 1.21 to 1, at most 1.21" in amplification.drawing


def test_a_step_that_adds_nothing_does_not_break_the_axis():
    accountant = StabilityAccountant(10, lipschitz=1.0, smoothness=1.0)
    for alpha, rate in [(1.0, 0.1), (0.5, 0.0), (0.5, 0.1)]:
        accountant.step(alpha=alpha, learning_rate=rate)
    page = stability_page(accountant.report(), accountant.factors())
    assert "nan" not in page
    assert page.count("<svg") == 4


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=500))
def test_bins_hold_every_value(values):
    curve = binned(np.array(values), name="a", css="real")
    known = [v for v in values if not math.isnan(v)]
    assert len(curve.x) <= MOST_POINTS
    assert bool(curve) == bool(known)
    if known:
        assert (min(curve.low), max(curve.high)) == (min(known), max(known))
        assert all(
            low <= mid <= high for low, mid, high in zip(curve.low, curve.mean, curve.high, strict=True)
        )
        assert list(curve.x) == sorted(curve.x)
        assert 1 <= curve.x[0] <= curve.x[-1] <= len(values)


def test_the_headline_says_where_the_weight_lies():
    def headline(*run):
        return re.search(r"<h1>(.*?)\.</h1>", stability_page(*run))[1]

    assert headline(*trained(0)) == "No step was taken yet"
    assert headline(*trained(1)) == "The stability bound after 1 step"
    assert headline(*trained(100)).startswith("The first 10 of 100 steps make up ")
    assert headline(*trained(1000, smoothness=20.0)).endswith("over 99.9\u202f% of the bound")
    nothing = StabilityAccountant(10, lipschitz=1.0, smoothness=1.0)
    nothing.step(alpha=1.0, learning_rate=0.1)
    assert "Nothing in this run" in headline(nothing.report(), nothing.factors())


def test_the_page_says_what_the_report_says():
    report, factors = trained(400, smoothness=20.0, loss_range=2.3)
    page = stability_page(report, factors)
    for row in report.assumptions:
        assert str(escape(row.name)) in page
        assert str(escape(row.detail)) in page
    assert "vacuous: it is 10<sup>" in page
    assert page == stability_page(report, factors)
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)


def test_the_shares_of_the_tenths_add_up():
    page = stability_page(*trained(57))
    body = page.partition("medians of its factors</caption>")[2]
    shares = [float(s) for s in re.findall(r'</th><td class="n">([\d.]+)\u202f%', body)]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize(
    ("value", "wanted"), [(0.000392, "0.000392"), (0.0123, "0.0123"), (1500.0, "1\u202f500"), (2e-9, None)]
)
def test_numbers_known_by_their_logarithm(value, wanted):
    assert str(power(math.log10(value))) == (wanted or "10<sup>−9</sup>")


# The page in a window of 375 pixels, everything unfolded; what it measures becomes text.
_PHONE = """<!DOCTYPE html><body>
<iframe id="phone" scrolling="no" style="width:375px;height:800px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const page = document.getElementById("phone").contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const wide = [...page.querySelectorAll("main *")]
    .filter(part => !part.closest(".scroll, svg") && part.getBoundingClientRect().right > 375.5)
    .map(part => part.tagName + "." + part.className);
  document.body.textContent = "measured: " + [page.documentElement.scrollWidth, ...wide].join(" ") + " end";
}});
</script></body>"""


@pytest.mark.browser
@pytest.mark.slow
def test_fits_a_phone_and_follows_light_and_dark(chromium, tmp_path):
    page = stability_page(*trained(300, smoothness=20.0, loss_range=2.3))
    wrapper, path = tmp_path / "phone.html", tmp_path / "stability.html"
    wrapper.write_text(_PHONE.format(page=html.escape(page)), encoding="utf-8")
    path.write_text(page, encoding="utf-8")
    said = chromium.dump_dom(wrapper).partition("measured: ")[2].partition(" end")[0]
    assert said == "375"
    middles = []
    for dark in (False, True):
        png = chromium.screenshot(path, tmp_path / f"{dark}.png", 1280, height=900, dark=dark)
        middles.append(np.median(np.asarray(Image.open(png).convert("L"))))
    assert middles[0] > 240
    assert middles[1] < 40
