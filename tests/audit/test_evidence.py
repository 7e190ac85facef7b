"""Evidence of several runs, against a loop over examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.audit._evidence import gather
from rote.audit._neighbours import nearest
from rote.audit._plan import parts


def made_up_tracks(m, classes, runs, seed, *, support=True):
    """Tracks of runs that each leave out one part, filled with random numbers."""
    rng = np.random.default_rng(seed)
    part = parts(rng.integers(classes, size=m), runs, seed=seed)
    tracks = []
    for k in range(runs):
        looks = int(rng.integers(1, 9))
        p = rng.dirichlet(np.ones(classes), (looks, m))
        track = {
            "looks": np.array([looks]),
            "loss": rng.exponential(size=m) * looks,
            "given": p[:, :, 0].sum(0),
            "given_squared": (p[:, :, 0] ** 2).sum(0),
            "probability": p.sum(0),
            "log_probability": np.log(p).sum(0),
            "probability_last": p[-1],
            "first": rng.integers(0, looks + 1, m),
            "good": rng.integers(0, looks + 1, m),
            "held_out": part == k,
            "representation_distance": rng.random((m, classes)).astype(np.float32),
        }
        if support:
            track |= {"support": rng.normal(size=m), "support_same_label": rng.normal(size=m)}
        tracks.append(track)
    near = nearest(rng.normal(size=(m, 2)).astype(np.float32))
    return tracks, rng.integers(classes, size=m), near


@pytest.mark.slow
@given(
    m=st.integers(11, 25), classes=st.integers(2, 4), runs=st.integers(2, 5), seed=st.integers(0, 2**32 - 1)
)
def test_evidence_matches_a_loop(slow, m, classes, runs, seed):
    tracks, y, near = made_up_tracks(m, classes, runs, seed)
    found, want = vars(gather(tracks, y, near)), slow.evidence(tracks, y, near)
    assert found.keys() - {"y"} == want.keys()
    np.testing.assert_array_equal(found["y"], y)
    for name, values in want.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_evidence_of_one_case_matches_a_loop(slow):
    tracks, y, near = made_up_tracks(30, 3, 4, seed=1)
    found = vars(gather(tracks, y, near))
    for name, values in slow.evidence(tracks, y, near).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_without_support_it_is_unknown():
    evidence = gather(*made_up_tracks(12, 2, 2, seed=0, support=False))
    assert np.isnan(evidence.support).all()
    assert np.isnan(evidence.support_same_label).all()


def test_never_learned_counts_as_later_than_any_epoch():
    tracks, y, near = made_up_tracks(12, 2, 4, seed=0)
    for track, first in zip(tracks, (0, 3, 0, 5), strict=True):
        track["first"] = np.full(12, first)
    evidence = gather(tracks, y, near)
    left_out = np.array([t["held_out"] for t in tracks]).argmax(0)
    want = {0: 5.0, 1: 0.0, 2: 5.0, 3: 0.0}  # middle of (3, 0, 5), (0, 0, 5), (0, 3, 5), (0, 3, 0)
    assert evidence.first.tolist() == [want[k] for k in left_out]
