"""The page in a real browser: it fits a phone, and follows light and dark."""

import html

import numpy as np
import pytest
from PIL import Image

import rote
from rote.audit import Plan
from rote.data import load
from rote.learners import Recipe
from rote.report import audit_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The page as it lies in a window of 375 pixels, everything unfolded; what it measures becomes text.
_PHONE = """<!DOCTYPE html><body>
<iframe id="phone" scrolling="no" style="width:375px;height:800px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const page = document.getElementById("phone").contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const wide = [...page.querySelectorAll("main *")]
    .filter(part => !part.closest(".scroll, svg, .hidden") && part.getBoundingClientRect().right > 375.5)
    .map(part => part.tagName + "." + part.className);
  const said = [page.documentElement.scrollWidth, page.querySelectorAll("section").length, ...wide];
  document.body.textContent = "measured: " + said.join(" ") + " end";
}});
</script></body>"""


def measured(chromium, page, folder):
    wrapper = folder / "phone.html"
    wrapper.write_text(_PHONE.format(page=html.escape(page)), encoding="utf-8")
    return chromium.dump_dom(wrapper).partition("measured: ")[2].partition(" end")[0]


def test_fits_a_phone(chromium, page, tmp_path):
    assert measured(chromium, page, tmp_path) == "375 11"


def test_what_does_not_fit_is_noticed(chromium, page, tmp_path):
    broken = page.replace("<main>", '<main><p class="long" style="width:500px">words</p>')
    assert measured(chromium, broken, tmp_path) == "516 11 P.long"


def test_fits_a_phone_whatever_the_names(chromium, made_up, tmp_path):
    classes = [made_up.HOSTILE, *("x" * 300 + str(i) for i in range(199))]
    record = made_up.table(classes=classes, layers=40)
    record["verdict"]["headline"] = "One word of the headline is " + "long" * 40 + "."
    record["reproduce"]["command"] = "rote audit " + "very-long-path/" * 40
    record["data"]["name"] = "name_without_a_break_" * 10
    assert measured(chromium, audit_page(record, None), tmp_path) == "375 11"


def test_dark_is_dark_and_light_is_light(chromium, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    drawn = {}
    for dark in (False, True):
        png = chromium.screenshot(path, tmp_path / f"{dark}.png", 1280, height=900, dark=dark)
        drawn[dark] = np.asarray(Image.open(png).convert("L")).astype(float)
    assert np.median(drawn[False]) > 240
    assert np.median(drawn[True]) < 40
    assert all(image.std() > 20 for image in drawn.values())  # something is on it


def test_the_page_of_a_real_audit(chromium, tmp_path):
    plan = Plan(recipe=Recipe(epochs=3), runs=2, probe=50)
    done = rote.audit("mlp", load("digits", limit=150), plan=plan, out=tmp_path / "run", workers=(1, 1))
    written = (done.path / "report.html").read_text(encoding="utf-8")
    assert measured(chromium, written, tmp_path) == "375 11"
    shown = " ".join(html.unescape(chromium.dump_dom(done.path / "report.html")).split())
    assert done.report["verdict"]["headline"] in shown
    assert done.report["suspects"][0]["id"] in shown
