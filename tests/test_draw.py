"""rote.draw: what it draws of each kind of finding, and what it refuses."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import rote
from rote.dynamics import (
    Contours,
    Copies,
    DepthProfile,
    LayerTime,
    Maximised,
    Path,
    Recorder,
)
from rote.errors import InputError
from rote.studies import Panel, Pictures


def curves(resamples):
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    simple = np.where(rng.random(400) < 0.2, 1 - labels, labels)
    recorder = Recorder(simple, labels)
    for step, right in ((0, 0.5), (10, 0.8), (100, 0.95)):
        recorder.add(step, np.where(rng.random(400) < right, labels, 1 - labels))
    return recorder.curves(resamples=resamples)


def layer_time():
    rng = np.random.default_rng(0)
    similarity = rng.random((8, 9, 9))
    similarity[-1, range(9), range(9)] = 1.0
    similarity[0, 3] = np.nan
    return LayerTime(
        steps=(0, 1, 2, 5, 10, 20, 50, 100),
        layers=tuple(f"layer{i}" for i in range(9)),
        similarity={"CKA": similarity},
        initial={"CKA": np.full(9, 0.2)},
        other=None,
        n=100,
        probe="ab",
        warnings=(),
    )


def copies():
    path = Path.of([0.0, 0.5, 1.0], [0.1, 0.6, 0.2], [0.1, 2.0, 0.2])
    return [Copies(k, seed, (1, 2), path, 1.0, 2.0) for k in (0, 10) for seed in (0, 1)]


def profile():
    return DepthProfile(
        ("1", "2"), *(np.array(v) for v in ([0.9, 0.8], [0.5, 0.4], [np.nan] * 2, [4, 3], [9, 17]))
    )


MAXIMISED = Maximised(
    "0", np.arange(3), np.random.default_rng(0).random((3, 1, 4, 5)).astype("f"), *[np.zeros(3)] * 2
)
CONTOURS = Contours(
    np.arange(3.0), np.arange(3.0), {"0": np.arange(36.0).reshape(4, 3, 3), "2": np.zeros((2, 3, 3))}
)
SWEEP = ["Error barrier by the step where copies part", "Between copies from step 0"]
CASES = {
    "curves": (lambda: curves(0), ["Information on the label", "Accuracy"]),
    "intervals": (lambda: curves(50), ["Information on the label", "Accuracy"]),
    "layers": (layer_time, ["CKA: settled", "CKA: layers then and at the end"]),
    "line": (lambda: copies()[0].path, ["Error", "Loss"]),
    "one pair": (lambda: copies()[0], SWEEP),
    "sweep": (copies, SWEEP),
    "depth": (
        profile,
        ["What a linear probe reads", "Beyond shuffled labels", "Intrinsic dimension", "Pieces of a line"],
    ),
    "maximised": (lambda: MAXIMISED, [""]),
    "contours": (lambda: CONTOURS, ["Layer 0", "Layer 2"]),
    "filters": (lambda: np.ones((5, 3, 7, 7)), [""]),
    "tensor": (lambda: torch.ones(5, 7, 7, requires_grad=True), [""]),
    "dead": (lambda: np.full((2, 3, 3), np.nan), [""]),
    "many": (lambda: np.ones((70, 2, 2)), ["(the first 64 of 70)"]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_finding_is_drawn(name, tmp_path):
    make, titles = CASES[name]
    drawing = rote.draw(make())
    assert [panel.title for panel in drawing.panels] == titles
    path = drawing.save(tmp_path / "a.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "nan" not in drawing.svg()
    assert drawing._repr_svg_() == drawing.svg()
    assert drawing.title in drawing.svg()


def test_intervals_become_bands():
    found = curves(50)
    line = rote.draw(found).panels[0].lines[0]
    low, high = line.band
    assert low == list(zip(found.steps.tolist(), found.low["model"].round(6).tolist(), strict=True))
    assert high == list(zip(found.steps.tolist(), found.high["model"].round(6).tolist(), strict=True))
    assert rote.draw(curves(0)).panels[0].lines[0].band is None
    assert rote.draw(found).svg().count('class="band') == 3
    assert rote.draw(curves(0)).svg().count('class="band') == 0


def test_the_simpler_model_is_the_mark():
    found = curves(0)
    bits, accuracy = rote.draw(found).panels
    assert bits.reference == (found.values["simple"][-1], "simpler model")
    assert accuracy.reference == (found.simple_accuracy, "simpler model")


def test_at_most_six_layers_and_five_times():
    lines, matrices = rote.draw(layer_time()).panels
    assert [line.name for line in lines.lines] == [f"layer{i}" for i in (0, 2, 3, 5, 6, 8)]
    assert [tile.title for tile in matrices.tiles] == ["step 0", "step 2", "step 10", "step 20", "step 100"]
    assert matrices.tiles[0].values[3] == [None] * 9


def test_each_pair_of_copies_is_a_run():
    barrier, between = rote.draw(copies()).panels
    assert [len(run) for run in barrier.lines[0].runs] == [2, 2]
    assert barrier.lines[0].runs[0] == [(0.0, pytest.approx(0.45)), (10.0, pytest.approx(0.45))]
    assert len(between.lines[0].runs) == 2


def test_images_are_scaled_each_by_itself_and_rows_of_the_plane_rise():
    found = rote.draw(np.array([[[[1.0, -4.0]], [[1.0, 0.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])).panels[0]
    assert [tile.values for tile in found.tiles] == [[[0.5, -1.0]], [[0.0, 0.0]]]
    first = rote.draw(CONTOURS).panels[0].tiles[0].values
    assert first[0][0] == pytest.approx(6 / 8)  # the highest y stands at the top
    assert first[-1][0] == 0.0


def test_a_title_of_ones_own():
    assert (
        rote.draw(curves(0), title="Mine <1>").svg().count("Mine &lt;1&gt;") == 2
    )  # written, and for readers


@pytest.mark.parametrize("found", [3, "text", [], [1, 2], {}, None])
def test_other_things_are_refused(found):
    with pytest.raises(InputError, match="`found` must be Curves, LayerTime, Path"):
        rote.draw(found)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 3, 3), (1, 2, 3, 4, 5)])
def test_arrays_that_are_no_images_are_refused(shape):
    with pytest.raises(InputError, match=r"images of shape \[k, h, w\] or \[k, c, h, w\]"):
        rote.draw(np.zeros(shape))


def test_vectors_that_excite_units_are_no_pictures():
    found = Maximised("0", np.arange(2), np.zeros((2, 9), "f"), np.zeros(2), np.ones(2))
    with pytest.raises(InputError, match=re.escape("images of shape [h, w] or [c, h, w]. Got [9]")):
        rote.draw(found)


def test_where_it_cannot_be_saved(tmp_path):
    drawing = rote.draw(curves(0))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"must end in .svg. Got 'a.png'"):
        drawing.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="cannot write"):
        drawing.save(tmp_path / "file" / "a.svg")


def test_panels_are_those_of_studies():
    assert {type(panel) for panel in rote.draw(layer_time()).panels} == {Panel, Pictures}
