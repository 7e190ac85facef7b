"""What is remembered of each example, against a loop that keeps everything."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rote.audit._track import FLOOR, Track

LOGITS = st.floats(-30, 30, width=32)


@st.composite
def trainings(draw):
    looks, m, classes = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    logits = draw(hnp.arrays(np.float32, (looks, m, classes), elements=LOGITS))
    return logits, draw(hnp.arrays(np.int64, m, elements=st.integers(0, classes - 1)))


def looked(logits, y):
    track = Track.empty(len(y), logits.shape[2])
    for epoch, look in enumerate(logits, start=1):
        track.look(torch.from_numpy(look), y, epoch=epoch)
    return track


@given(trainings())
def test_sums_are_those_of_all_looks(slow, training):
    logits, y = training
    found, want = looked(logits, y).arrays(), slow.track(logits.tolist(), y.tolist())
    assert found.keys() == want.keys()
    for name, values in want.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


@given(trainings(), st.data())
def test_a_track_goes_on_from_its_arrays(training, data):
    logits, y = training
    stop = data.draw(st.integers(0, len(logits)))
    resumed = Track(**{name: values.copy() for name, values in looked(logits[:stop], y).arrays().items()})
    if stop == 0:
        resumed = Track.empty(len(y), logits.shape[2])
    for epoch, look in enumerate(logits[stop:], start=stop + 1):
        resumed.look(torch.from_numpy(look), y, epoch=epoch)
    for name, values in looked(logits, y).arrays().items():
        np.testing.assert_array_equal(resumed.arrays()[name], values, err_msg=name)


def test_losses_have_a_ceiling_however_wrong_the_network_is():
    track = looked(np.array([[[0.0, 1e6]]], np.float32), np.array([0]))
    assert track.loss_last.tolist() == [-np.log(FLOOR)]
    assert np.isfinite(track.log_probability).all()


def test_what_look_returns_is_which_labels_are_predicted():
    track = Track.empty(3, 2)
    said = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert track.look(said, np.array([0, 0, 1]), epoch=1).tolist() == [True, False, True]


def test_learned_forgotten_and_learned_again():
    right, wrong = [0.0, 1.0], [1.0, 0.0]
    logits = np.array([[right, wrong], [wrong, wrong], [right, wrong], [right, wrong]], np.float32)
    track = looked(logits, np.array([1, 1]))
    assert track.first.tolist() == [1, 0]
    assert track.good.tolist() == [3, 0]
