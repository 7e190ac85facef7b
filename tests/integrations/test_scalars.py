"""Which scalars of a record are logged: few, finite, the same at every step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.errors import InputError
from rote.gradients import Coherence, LayerCoherence
from rote.integrations import CoherenceLog, largest_layers, scalars

NAN, INF = math.nan, math.inf


def record(shares, *, unbiased=0.25, noise=3.0, alpha=0.5):
    layers = {
        name: LayerCoherence(4, 0.5, 2.0, 0.1 * i, 2.0, s) for i, (name, s) in enumerate(shares.items())
    }
    return Coherence(4, 1, alpha, 2.0, unbiased, noise, None, layers)


class Lines:
    def __init__(self):
        self.lines = []

    def log(self, step, scalars):
        self.lines.append((step, dict(scalars)))


def test_totals_come_first_then_the_layers_with_the_largest_share():
    got = scalars(record({"a": 0.1, "b": 0.6, "c": 0.3}), limit=6)
    assert got == {
        "coherence/alpha": 0.5,
        "coherence/alpha_unbiased": 0.25,
        "coherence/m_coherence": 2.0,
        "coherence/noise_scale": 3.0,
        "coherence/layers/alpha_unbiased/b": pytest.approx(0.1),
        "coherence/layers/alpha_unbiased/c": pytest.approx(0.2),
    }
    assert list(got)[:4] == [
        f"coherence/{n}" for n in ("alpha", "alpha_unbiased", "m_coherence", "noise_scale")
    ]


def test_twenty_unless_told_otherwise():
    many = record({f"layer{i}": 1 / 50 for i in range(50)})
    assert len(scalars(many)) == 20
    assert largest_layers(many) == tuple(f"layer{i}" for i in range(16))  # equal: the first in the model


@given(
    shares=st.lists(st.one_of(st.floats(0, 1), st.just(NAN)), max_size=12),
    limit=st.integers(1, 15),
    noise=st.sampled_from([1.0, INF, NAN]),
    unbiased=st.sampled_from([0.1, -0.2, NAN]),
)
def test_never_more_than_asked_never_nan(shares, limit, noise, unbiased):
    coherence = record({f"l{i}": s for i, s in enumerate(shares)}, noise=noise, unbiased=unbiased)
    got = scalars(coherence, limit=limit, prefix="x.")
    assert len(got) <= limit
    assert all(math.isfinite(value) for value in got.values())
    assert all(name.startswith("x.") for name in got)
    chosen = largest_layers(coherence, limit=limit)
    assert len(chosen) == min(max(0, limit - 4), len(shares))
    left = {name: layer.share for name, layer in coherence.layers.items() if name not in chosen}
    taken = [coherence.layers[name].share for name in chosen]
    known = [share for share in left.values() if math.isfinite(share)]
    assert all(share >= max(known, default=0) for share in taken if math.isfinite(share))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(InputError, match=f"`limit` must be at least 1 .* Got {limit}"):
        scalars(record({}), limit=limit)
    with pytest.raises(InputError, match="`limit`"):
        largest_layers(record({}), limit=limit)


def test_a_layer_that_is_no_more_is_passed_over():
    assert len(scalars(record({"a": 1.0}), layers=("gone", "a"))) == 5


def test_the_log_keeps_its_layers():
    lines = Lines()
    log = CoherenceLog(lines, limit=5)
    log(0, record({"a": NAN, "b": NAN}, alpha=NAN))  # nothing known yet: no choice is made
    log(1, record({"a": 0.1, "b": 0.9}))
    log(2, record({"a": 0.9, "b": 0.1}))
    assert log.layers == ("b",)
    assert [step for step, _ in lines.lines] == [0, 1, 2]
    assert all("coherence/layers/alpha_unbiased/b" in found for _, found in lines.lines[1:])


def test_a_record_of_nans_is_not_logged():
    lines = Lines()
    undefined = Coherence(0, 1, NAN, NAN, NAN, NAN, None, {"a": LayerCoherence(0, NAN, NAN, NAN, NAN, NAN)})
    CoherenceLog(lines)(0, undefined)
    assert lines.lines == []
