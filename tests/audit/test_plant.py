"""Wrong labels planted for calibration."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rote.audit._plant import KINDS, plant_for_calibration


@given(
    m=st.integers(6, 200),
    classes=st.integers(2, 6),
    share=st.floats(0.001, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_chosen_label_changes_and_no_other(m, classes, share, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=m)
    near = (y + rng.integers(1, classes, m)) % classes
    before = y.copy()
    z, planted = plant_for_calibration(y, near, classes=classes, share=share, seed=seed)
    np.testing.assert_array_equal(y, before)
    assert tuple(planted) == KINDS
    masks = np.stack(list(planted.values()))
    assert masks.sum(0).max() <= 1
    np.testing.assert_array_equal(z != y, masks.any(0))
    assert set(masks.sum(1)) == {max(1, round(share * m / 3))}
    assert ((z >= 0) & (z < classes)).all()
    np.testing.assert_array_equal(z[planted["pair"]], (y[planted["pair"]] + 1) % classes)
    np.testing.assert_array_equal(z[planted["instance"]], near[planted["instance"]])
    again, _ = plant_for_calibration(y, near, classes=classes, share=share, seed=seed)
    np.testing.assert_array_equal(z, again)


def test_seeds_choose_others():
    y = np.zeros(100, int)
    found = [plant_for_calibration(y, y + 1, classes=3, share=0.2, seed=s)[0] for s in range(2)]
    assert (found[0] != found[1]).any()


def test_uniform_labels_take_every_other_class():
    y = np.zeros(3000, int)
    z, planted = plant_for_calibration(y, y + 1, classes=4, share=0.3, seed=0)
    counts = np.bincount(z[planted["uniform"]], minlength=4)
    assert counts[0] == 0
    assert counts[1:].min() > 60
