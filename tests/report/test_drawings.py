"""Axes, lines, maps and thumbnails: everything stays in its box, and where it belongs."""

import base64
import io
import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rote.report._bars import stacked_bar
from rote.report._figures import coherence_chart, layer_maps, learning_curves, map_of_examples
from rote.report._heatmap import Grid, breaks, gather, heat_map, legend, level
from rote.report._lines import MOST_POINTS, Curve, line_chart, over_seeds, thin
from rote.report._map import data_map, marked
from rote.report._svg import Axis, Box, frame, px, text
from rote.report._thumbnails import LARGEST, thumbnail

finite = st.floats(-1e6, 1e6)


def tree(svg):
    return ElementTree.fromstring(str(svg))


@given(finite, st.floats(1e-3, 1e6), finite)
def test_values_stay_between_the_ends(low, width, value):
    assert 10 <= Axis("", low, low + width).at(value, 10, 20) <= 20


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e5))
def test_linear_ticks_are_few_even_and_inside(low, width):
    ticks = Axis("", low, low + width).ticks()
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-6 * width <= t <= low + width * (1 + 1e-6) for t in ticks)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0], rtol=1e-3)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 1), [0, 0.25, 0.5, 0.75, 1]),
        (Axis("", 0, 3, whole=True), [0, 1, 2, 3]),
        (Axis("", 0, 1, whole=True), [0, 1]),
        (Axis("", 0, 0.7, "log1p"), [0]),
        (Axis("", 0, 40, "log1p"), [0, 1, 2, 5, 10, 20]),
        (Axis("", 0, 1e5, "log1p"), [0, 1, 10, 100, 1000, 10000, 100000]),
        (Axis("", 0.5, 20, "log"), [0.5, 1, 2, 5, 10, 20]),
        (Axis("", 0.5, 2000, "log"), [1, 10, 100, 1000]),
    ],
)
def test_ticks(axis, ticks):
    assert axis.ticks() == ticks


def test_logarithmic_axes_are_logarithmic():
    axis = Axis("", 1, 10_000, "log")
    assert [axis.at(v, 0, 100) for v in (1, 10, 100, 0, -5, 1e9)] == pytest.approx([0, 25, 50, 0, 0, 100])


def test_tick_labels_do_not_lie_on_each_other():
    drawn = tree(f"<g>{frame(Axis('', 0, 2000, 'log1p'), Axis('', 0, 1), Box(0, 0, 60, 50))}</g>")
    places = [float(t.get("x")) for t in drawn.iter("text") if t.get("y") == "69"]
    assert 1 < len(places) < 5


@given(st.floats(-1e4, 1e4))
def test_coordinates_are_short_and_right(value):
    assert float(px(value)) == pytest.approx(value, abs=0.0501)
    assert not px(value).startswith("-0.0")


def test_text_is_escaped():
    assert tree(text(0, 0, "<b>&\"'", tip="<i>"))[0].text == "<i>"


def runs(*seeds):
    return [[{"epoch": e, "a": v} for e, v in enumerate(values, 1)] for values in seeds]


def test_mean_and_band_over_seeds_of_different_length():
    curve = over_seeds(
        runs([0.0, 0.5, 1.0], [1.0, math.nan]), "epoch", lambda r: r["a"], name="n", css="real"
    )
    assert (curve.x, curve.mean, curve.low, curve.high) == (
        (1, 2, 3),
        (0.5, 0.5, 1),
        (0, 0.5, 1),
        (1, 0.5, 1),
    )


@given(st.integers(2, 1000), st.integers(2, 50))
def test_thinning_keeps_the_ends_and_the_order(count, most):
    kept = thin(range(count), most)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert kept == sorted(set(kept))
    assert len(kept) == min(count, most)


def test_lines_go_through_their_values():
    curve = Curve("given", "real", (0, 10), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), 1)
    drawn = tree(line_chart([curve], Axis("epoch", 0, 10), Axis("a", 0, 1), alt="words"))
    path = next(p for p in drawn.iter("path") if p.get("class") == "line real")
    assert path.get("d") == "M48 204 282 34"  # from the lower left to the upper right corner of the axes
    assert not [p for p in drawn.iter("path") if p.get("class") == "band real"]


def test_long_curves_are_thinned():
    curve = over_seeds(runs([0.5] * 5000), "epoch", lambda r: r["a"], name="n", css="real")
    assert len(curve.x) == MOST_POINTS


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_names_at_the_ends_never_lie_on_each_other(ends):
    curves = [Curve(f"n{i}", "real", (1,), (v,), (v,), (v,), 1) for i, v in enumerate(ends)]
    drawn = tree(line_chart(curves, Axis("x", 0, 2), Axis("y", 0, 1), alt="words"))
    places = sorted(float(t.get("y")) for t in drawn.iter("text") if "name" in t.get("class", ""))
    assert len(places) == len(ends)
    assert all(b - a >= 14.8 for a, b in pairwise(places))
    assert places[-1] <= 204 + 4.1


@pytest.mark.parametrize("shares", [(0.7, 0.2, 0.1), (1.0, 0.0, 0.0), (0.5, None, None), (-0.1, 0.6, 0.7)])
def test_the_stacked_bar_is_never_wider_than_itself(shares):
    keys = ("learned", "memorised", "unfitted")
    drawn = tree(stacked_bar({k: {"value": v} for k, v in zip(keys, shares, strict=True)}, alt="words"))
    parts = [r for r in drawn.iter("rect") if r.get("class", "").startswith("part")]
    ends = [float(r.get("x")[:-1]) + float(r.get("width")[:-1]) for r in parts]
    assert ends == sorted(ends)
    assert ends[-1] <= 100.001


def test_an_unknown_bar_says_so():
    shares = {key: {"value": None} for key in ("learned", "memorised", "unfitted")}
    assert "unknown" in stacked_bar(shares, alt="words")


def look(step, **layers):
    return {"step": step, "layers": {k: {"m_coherence": v, "share": 0.5} for k, v in layers.items()}}


def test_layers_by_steps_are_means_over_seeds():
    grid = gather([[look(0, a=2.0, b=1.0), look(5, a=None, b=3.0)], [look(0, a=4.0, b=math.nan)]])
    assert grid == Grid(("a", "b"), (0, 5), ((3.0, None), (1.0, 3.0)), 0)


def test_too_many_layers_leave_out_the_smallest():
    layers = {f"l{i}": {"m_coherence": 1.0, "share": i / 1000} for i in range(100)}
    grid = gather([[{"step": 0, "layers": layers}]])
    assert grid.layers == tuple(f"l{i}" for i in range(40, 100))
    assert grid.left_out == 40


@given(st.floats(0, 1e7))
def test_every_value_has_a_colour_that_the_legend_explains(value):
    limits = breaks([Grid(("a",), (0,), ((value,),), 0)])
    assert level(value, limits) in dict(legend(limits))
    assert (level(value, limits) == "q0") == (value < 1)


def test_neighbours_of_one_colour_are_one_rectangle():
    grid = Grid(("a", "b"), (0, 1, 2), ((5.0, 5.0, 0.5), (None, None, None)), 0)
    drawn = tree(heat_map(grid, (1, 2, 5), alt="words"))
    assert [r.get("class") for r in drawn.iter("rect")] == ["q3", "q0", "unknown"]


def test_suspects_on_the_map():
    assert marked([0.2, 0.8, 0.5, None], 0.5, 0) == [False, True, True, False]
    assert marked([0.2, 0.8, 0.5, None], None, 1 / 3) == [False, True, False, False]
    assert marked([0.2], None, 3.0) == [True]
    assert marked([], None, 0.5) == []
    drawn = data_map([0.5, None, 0.1], [0.1, 0.1, 0.2], [False, True, True], alt="words")
    assert (str(drawn).count("h0"), str(drawn).count("l6 6")) == (1, 1)


def test_a_full_map_keeps_the_suspects():
    count = 8000
    suspects = [i % 100 == 0 for i in range(count)]
    drawn = str(data_map([0.5] * count, [0.1] * count, suspects, alt="words"))
    assert drawn.count("l6 6") == 80
    assert drawn.count("h0") == 2920


def test_figures_say_in_words_what_they_show(made_up):
    record = made_up.record()
    train = learning_curves(record)[0]
    last = train.rows[0][-1]
    assert f"given labels: from {train.rows[0][1]} to {last}" in train.drawing
    assert "m = 500" in coherence_chart(record).drawing
    assert "lowest in" in layer_maps(record).figures[0].drawing
    assert map_of_examples(record).rows[0][:2] == ("suspects", "540")


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 7), (3, 32, 32), (4, 20, 10)])
def test_thumbnails_hold_every_pixel(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    small = thumbnail(image)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(small.uri.split(",")[1]))))
    wanted = image[0] if shape[0] < 3 else image[:3].transpose(1, 2, 0)
    assert (picture == wanted).all()
    assert (small.width, small.height, small.shrunk) == (shape[2], shape[1], False)


def test_large_images_are_shrunk_in_proportion():
    small = thumbnail(np.zeros((3, 100, 400), np.uint8))
    assert (small.width, small.height, small.shrunk) == (LARGEST, 16, True)
    assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/]+=*", small.uri)
