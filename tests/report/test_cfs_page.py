"""The page of counterfactual simulation: what it draws and says, and that it fits a phone."""

import csv
import html
import io

import numpy as np
import pytest
from PIL import Image

from rote.report import cfs_page, cfs_pictures, least_support_csv
from rote.report._cfs import cfs_figures, short_names

HOSTILE = '<script>alert("1")</script>{{ 7*7 }}'
VERSIONS = {"rote": "0.1.0", "numpy": "2.0"}
MADE = {"command": "rote cfs", "versions": VERSIONS, "when": "now", "seconds": 1.5, "data_sha256": "0" * 64}


def circuit(name="net", *, noise=False, drop=0.2, signals=True, label="cat"):
    limits = [30, 20, 10] if noise else [1, 64, 1024]
    drops = [0.0, drop, drop + 0.1]
    listed = [
        {"row": i, "id": f"id-{i}", "given": label, "becomes": "dog", "least": limits[1]} for i in range(24)
    ]
    found = [
        {
            "node": 700 + i,
            "name": "y0" if i == 0 else "",
            "level": i,
            "value": i % 2,
            "taken": 9,
            "lost": 9 - i,
        }
        for i in range(10)
    ]
    tried = {"limit": 64, "rare": 400, "tried": 10, "mattering": 9, "listed": found}
    return {
        "name": name,
        "file": f"{name}.aig",
        "sha256": "ab" * 32,
        "inputs": 6272,
        "outputs": 160,
        "classes": 10,
        "ands": 1200,
        "xors": 34,
        "depth": 12,
        "decode": "words",
        "seconds": 0.1,
        "kind": "noise" if noise else "simple",
        "limits": limits,
        "counted": 1000,
        "examples": 5000,
        "baseline": 0.95,
        "accuracy": [0.95 - each for each in drops],
        "drop": drops,
        "no_rare": None if noise else [4500, 500, 0],
        "wrong": 50,
        "never": 600,
        "least_support": [0, 250, 100],
        "signals": None if noise or not signals else tried,
        "listed": listed,
    }


def record(*circuits, classes=("cat", "dog"), name="digits"):
    data = {
        "name": name,
        "source": name,
        "part": "training part",
        "examples": 1000,
        "of": 1000,
        "shape": [1, 8, 8],
        "classes": list(classes),
        "chance": 0.5,
    }
    switches = {"inputs": False, "outputs": True, "unseen": True, "seed": 0}
    whole = {"schema": 1, "kind": circuits[0]["kind"], "data": data, "switches": switches}
    return whole | {"circuits": list(circuits), "made": MADE}


def test_the_page_says_what_was_found():
    page = cfs_page(record(circuit()))
    assert page == cfs_page(record(circuit()))
    assert page.count("<svg") == 2
    for words in (
        "net: 20.0 points of accuracy rest on what at most 64 examples show.",
        "It answers 95.0\u202f% of the examples rightly, 75.0\u202f% at l = 64, and 65.0\u202f% at "
        "l = 1\u202f024. 0 of its right answers rest on what one example alone shows.",
        "400 gates have a value that at most 64 examples show; 10 of them, chosen at random, were each",
        "9 of them cost a right answer.",
        "50 are answered wrongly by the plain circuit, 600 rightly at every limit.",
        '<td class="n">4\u202f500</td>',
        "the largest word wins",
        "<code>700</code> y0",
    ):
        assert words in page
    assert "better than chance" not in page


def test_several_circuits_share_a_page():
    page = cfs_page(
        record(circuit("net-2", drop=0.014), circuit("net-100"), circuit("net-random", drop=0.45))
    )
    assert "From 1.4 to 45.0 points of accuracy rest on what at most 64 examples show." in page
    assert page.count('class="line s') == 6
    assert "no. 3: net-random" in page
    assert page.count('<li class="card">') == 36
    assert cfs_page(record(*(circuit(f"c{i}") for i in range(8)))).count('id="circuit-') == 6


def test_noise_has_a_curve_of_its_own():
    page = cfs_page(record(circuit(noise=True)))
    assert "20.0 points of accuracy are lost when every gate is flipped with probability 2^−20." in page
    assert page.count("<svg") == 1
    assert "Signals that matter" not in page
    assert "without a rare value" not in page


def test_what_is_no_better_than_chance_is_doubted():
    doubtful = circuit() | {"baseline": 0.51, "accuracy": [0.5, 0.5, 0.5], "drop": [0.01, 0.01, 0.01]}
    assert "hardly better than chance" in cfs_page(record(doubtful))


def test_curves_hold_their_numbers():
    (_, accuracy), (_, free) = cfs_figures(record(circuit()))
    assert "net: from 95.0\u202f% to 65.0\u202f%." in accuracy
    assert "net: from 90.0\u202f% to 0.0\u202f%." in free
    one = circuit() | {"limits": [1], "accuracy": [0.9], "no_rare": [3]}
    assert len(cfs_figures(record(one))) == 2


def test_names_at_the_ends_of_lines_fit():
    assert short_names(["cifar10-cnn"]) == ["circuit"]
    assert short_names(["a", "cifar10-cnn"]) == ["no. 1", "no. 2"]


def test_no_signals_are_said_to_be_none():
    none = circuit() | {"signals": {"limit": 64, "rare": 0, "tried": 0, "mattering": 0, "listed": []}}
    assert "No gate has a value that at most 64 examples show." in cfs_page(record(none))
    every = circuit()
    every["signals"] |= {"rare": 10, "mattering": 0}
    page = cfs_page(record(every))
    assert "10 gates have a value that at most 64 examples show; each was flipped alone" in page
    assert "None of them cost a right answer." in page


def test_names_cannot_break_the_page():
    page = cfs_page(record(circuit(HOSTILE, label=HOSTILE), classes=(HOSTILE, "dog"), name=HOSTILE))
    assert "<script>" not in page
    assert "{{ 7*7 }}" in page


def test_pictures_stand_on_the_page():
    given = record(circuit(), circuit("other"))
    wanted = cfs_pictures(given)
    assert wanted == list(range(12))
    page = cfs_page(given, {row: np.full((3, 8, 8), row, np.uint8) for row in wanted})
    assert page.count("<img src=") == 24


def test_least_support_as_a_table():
    rows = [{"id": "=1", "row": 0, "given": "cat", "net": 4, "tree": -1}]
    (read,) = csv.DictReader(io.StringIO(least_support_csv(rows, ["net", "tree"]), newline=""))
    assert read == {"id": "'=1", "row": "0", "given": "cat", "net": "4", "tree": "-1"}


_PHONE = """<!DOCTYPE html><body>
<iframe id="phone" scrolling="no" style="width:{width}px;height:800px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const page = document.getElementById("phone").contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const wide = [...page.querySelectorAll("main *")]
    .filter(part => !part.closest(".scroll, svg, .hidden"))
    .filter(part => part.getBoundingClientRect().right > {width} + 0.5)
    .map(part => part.tagName + "." + part.className);
  document.body.textContent = "measured: " + [page.documentElement.scrollWidth, ...wide].join(" ") + " end";
}});
</script></body>"""


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 500])
def test_the_page_fits_a_phone(chromium, tmp_path, width):
    long = "x" * 200
    page = cfs_page(
        record(circuit(long, label=long), circuit("net"), classes=(long, *map(str, range(300))), name=long),
        {row: np.zeros((1, 28, 28), np.uint8) for row in range(12)},
    )
    wrapper = tmp_path / "phone.html"
    wrapper.write_text(_PHONE.format(page=html.escape(page), width=width), encoding="utf-8")
    said = chromium.dump_dom(wrapper).partition("measured: ")[2].partition(" end")[0]
    assert said == str(width)


@pytest.mark.browser
@pytest.mark.slow
def test_dark_is_dark_and_light_is_light(chromium, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(cfs_page(record(circuit())), encoding="utf-8")
    for dark in (False, True):
        png = chromium.screenshot(path, tmp_path / f"{dark}.png", 1280, height=900, dark=dark)
        drawn = np.asarray(Image.open(png).convert("L")).astype(float)
        assert (np.median(drawn) < 40) if dark else (np.median(drawn) > 240)
        assert drawn.std() > 20
