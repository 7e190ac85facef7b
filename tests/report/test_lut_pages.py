"""The pages of networks of lookup tables: what they draw and say, and that they fit a phone."""

import html

import numpy as np
import pytest
from PIL import Image

from rote.report import lut_sweep_page, luts_page, predictions_csv
from rote.report._lut_sweep import sweep_figures
from rote.report._luts import layer_figures
from rote.report._ridges import Ridge, ridges
from rote.report._svg import Axis

HOSTILE = '<script>alert("1")</script>{{ 7*7 }}'
VERSIONS = {"rote": "0.1.0", "numpy": "2.0"}
MADE = {"command": "rote lut", "versions": VERSIONS, "when": "now", "seconds": 1.5, "data_sha256": "0" * 64}


def spread(mean, width=0.05):
    low, high = max(mean - width, 0.0), min(mean + width, 1.0)
    return {"mean": mean, "low": low, "lower": low, "median": mean, "upper": high, "high": high}


def model(layers=4, *, output="", networks=1, table=True):
    """A network whose luts get better from layer to layer, on test examples less so."""
    records, rows = [], []
    for i in range(layers):
        last = table and i == layers - 1
        train = 0.6 + 0.35 * i / max(layers - 1, 1)
        records.append(
            {
                "first": i + 1,
                "last": i + 1,
                "luts": networks if last else 200 * networks,
                "k": 6,
                "accuracy": spread(train, 0.0 if last and networks == 1 else 0.04),
                "test_accuracy": spread(train - 0.02 * i),
                "unseen": spread(0.3),
                "once": spread(0.1),
            }
        )
        counts = [0] * 48
        counts[min(10 + 8 * i, 47)] = 5
        rows.append({"first": i + 1, "last": i + 1, "train": counts, "test": counts[::-1]})
    return {
        "output": output,
        "file": "model.safetensors",
        "entries": 51264,
        "luts": 801,
        "networks": networks,
        "inputs": 64,
        "features": 64,
        "binariser": "Threshold(threshold=127)",
        "classes": ["no", "yes"],
        "train": 1438,
        "test": 359,
        "train_accuracy": 0.975,
        "test_accuracy": 0.914,
        "constant": 0.5,
        "layers": records,
        "ridges": rows[:8],
        "reach": [0.5, 1.0],
        "seconds": 0.2,
    }


def fitted(*models, name="digits"):
    data = {"name": name, "source": name}
    return {"schema": 1, "data": data, "options": {"k": 6, "skip": 0.0}, "models": models, "made": MADE}


def swept(*, labels=("real", "random"), seeds=2, name="digits"):
    points = {"k": [[2, 8, 1], [4, 8, 1]], "width": [[4, 8, 1], [4, 16, 1]], "depth": [[4, 8, 0], [4, 8, 1]]}
    every = {tuple(point) for axis in points.values() for point in axis}
    cells = [
        {
            "labels": label,
            "k": k,
            "width": width,
            "depth": depth,
            "seed": seed,
            "train_accuracy": 0.5 + k / 10 + seed / 100,
            "test_accuracy": 0.5 + (label == "real") * k / 12,
            "entries": 1024,
            "seconds": 0.1,
        }
        for seed in range(seeds)
        for k, width, depth in sorted(every)
        for label in labels
    ]
    extent = {"labels": list(labels), "seeds": seeds, "seed": 0, "hold": [4, 8, 1]}
    data = {
        "name": name,
        "source": name,
        "train": 1438,
        "test": 359,
        "inputs": 64,
        "classes": 2,
        "constant": 0.5,
    }
    axes = [{"axis": axis, "points": given} for axis, given in points.items()]
    options = {"ties": "random"}
    whole = {"data": data, "extent": extent, "options": options, "axes": axes, "cells": cells, "made": MADE}
    return {"schema": 1} | whole


def test_the_page_of_a_network_says_what_its_layers_know():
    page = luts_page(fitted(model()))
    assert page == luts_page(fitted(model()))
    assert page.count("<svg") == 4
    for words in (
        "Tables alone answer 91.4\u202f% of the test examples of digits.",
        "On average a lut of layer 1 answers 60.0\u202f% of the training examples and 60.0\u202f% of",
        "one of layer 3, 83.3\u202f% and 79.3\u202f%. All together answer 97.5\u202f% and 91.4\u202f%.",
        '<td class="n">60.0\u202f% (56.0–64.0)</td>',
    ):
        assert words in page
    assert "yes-or-no question" not in page
    assert "yes-or-no question" in luts_page(fitted(model(networks=10)))


def test_one_layer_and_many_networks():
    page = luts_page(fitted(model(1)))
    assert "On average a lut of layer 1 answers" in page
    many = luts_page(fitted(*(model(output=f"y{i}") for i in range(10))))
    assert "Each output has a network of its own" in many
    assert many.count("layer by layer</h2>") == 8
    assert "The layers of the first 8 networks follow" in many


def test_figures_of_layers_hold_their_numbers():
    accuracy, unseen, once = layer_figures(model())
    assert accuracy.title == "Accuracy of a lut"
    assert "training: 60.0\u202f%, 71.7\u202f%, 83.3\u202f%, 95.0\u202f%." in accuracy.drawing
    assert "unseen: 30.0\u202f%" in unseen.drawing
    assert "once: 10.0\u202f%" in once.drawing


def test_a_row_of_ridges_is_as_high_as_its_largest_count():
    axis = Axis("accuracy", 0, 1, percent=True)
    one = str(ridges([Ridge("layer 1", [0, 4, 2, 0])], axis, alt=""))
    ten = str(ridges([Ridge("layer 1", [0, 40, 20, 0])], axis, alt=""))
    assert one == ten
    assert 'class="line control"' not in one
    assert 'class="line control"' in ridges([Ridge("layer 1", [1, 0], [0, 1])], axis, alt="")
    assert ">even<" in ridges([Ridge("layer 1", [1])], axis, alt="", mark=(0.5, "even"))
    assert ">even<" not in ridges([Ridge("layer 1", [1])], axis, alt="", mark=(1.5, "even"))


def test_the_page_of_a_sweep():
    page = lut_sweep_page(swept())
    assert page.count("<svg") == 6
    assert "digits: 83.3\u202f% of test examples at k 4, width 8, depth 0." in page
    assert "Here k varies; width 8, depth 1." in page
    assert "Random labels are the training labels permuted" in page
    only = lut_sweep_page(swept(labels=("random",), seeds=1))
    assert "Random labels of digits: up to 90.0\u202f% are memorised." in only
    assert "1 seed<" in only
    assert "permuted" not in lut_sweep_page(swept(labels=("real",)))


def test_lines_of_a_sweep_are_means_over_seeds():
    train, test = sweep_figures(swept(), {"axis": "k", "points": [[2, 8, 1], [4, 8, 1]]})
    assert train.rows == (
        ("real", "70.5\u202f%", "90.5\u202f%", "90.5\u202f%"),
        ("random", "70.5\u202f%", "90.5\u202f%", "90.5\u202f%"),
    )
    assert test.rows[1] == ("random", "50.0\u202f%", "50.0\u202f%", "50.0\u202f%")


def test_names_are_text_and_nothing_more():
    for page in (
        luts_page(fitted(model(output=HOSTILE), model(output="b"), name=HOSTILE)),
        lut_sweep_page(swept(name=HOSTILE)),
    ):
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    rows = [{"output": "=a", "id": 1, "given": "+b", "predicted": HOSTILE, "probability": 1.0}]
    assert predictions_csv(rows).splitlines()[1].startswith("'=a,1,'+b,")


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
@pytest.mark.parametrize(
    "page",
    [
        luts_page(fitted(model(8, output="x" * 99), model(), name="n" * 300)),
        lut_sweep_page(swept(name="n" * 300)),
    ],
    ids=["layers", "sweep"],
)
def test_fits_a_phone_and_follows_light_and_dark(chromium, tmp_path, page):
    wrapper, path = tmp_path / "phone.html", tmp_path / "page.html"
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
