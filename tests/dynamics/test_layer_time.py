"""Layer × time: planted answers, the record, what is shared out, what is refused."""

import copy
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from rote.dynamics import (
    CKA,
    PWCCA,
    SVCCA,
    Checkpoints,
    LayerTime,
    activations,
    layer_by_time,
    linear_cka,
    null_values,
    probe_hash,
    pwcca,
    svcca,
)
from rote.dynamics._layer_time import MEASURES
from rote.errors import InputError

EVERY = [m.name for m in MEASURES]


def network(seed, widths=(6, 8, 8, 8)):
    torch.manual_seed(seed)
    layers = []
    for p, q in pairwise(widths):
        layers += [nn.Linear(p, q), nn.Tanh()]
    return nn.Sequential(*layers)


def between(start, end, shares):
    """A network each of whose layers has gone a share of its way."""
    state = copy.deepcopy(start.state_dict())
    final = end.state_dict()
    for name in state:
        share = shares[int(name.split(".")[0]) // 2]
        state[name] = (1 - share) * state[name] + share * final[name]
    return state


@pytest.fixture(scope="module")
def planted():
    """A made-up training in which layers arrive from below, at steps 10, 20, 30."""
    start, end = network(0), network(1)
    states = [
        (10 * k, between(start, end, [min(1.0, k / (1 + layer)) for layer in range(3)])) for k in range(4)
    ]
    return start, end, states, torch.randn(400, 6)


def test_a_planted_order_is_found(planted):
    start, _, states, probe = planted
    found = layer_by_time(start, states, probe, layers=["1", "3", "5"])
    assert found.steps == (0, 10, 20, 30)
    assert found.layers == ("1", "3", "5")
    for measure in EVERY:
        assert found.similarity[measure].shape == (4, 3, 3)
        np.testing.assert_allclose(found.diagonal(measure)[-1], 1.0, atol=1e-5)
        assert found.reached(measure, level=0.99).tolist() == [10, 20, 30]
        assert found.bottom_up(measure, level=0.99) == pytest.approx(1.0)
        np.testing.assert_allclose(found.excess(measure)[0], 0, atol=1e-6)
    assert all(torch.equal(v, network(0).state_dict()[n]) for n, v in start.state_dict().items())


def test_a_first_linear_layer_is_at_its_end_from_the_start_for_cca(planted):
    """Whatever its weights, it says all that the input says: so there is no excess, and no t90."""
    start, _, states, probe = planted
    found = layer_by_time(start, states, probe, layers=["0"])
    assert np.isnan(found.reached("PWCCA")).all()
    assert np.isfinite(found.reached("CKA")).all()


def test_the_matrices_are_those_of_single_pairs(planted):
    start, end, states, probe = planted
    found = layer_by_time(start, states, probe)
    model = network(0)
    model.load_state_dict(states[1][1])
    early = list(activations(model, probe).values())
    late = list(activations(end, probe).values())
    singles = {
        "SVCCA": svcca,
        "SVCCA of variance": lambda x, y: svcca(x, y, squares=True),
        "PWCCA": lambda x, y: pwcca(y, x),  # the end weighs
    }
    for measure, single in singles.items():
        expected = [[single(x, y) for y in late] for x in early]
        np.testing.assert_allclose(found.similarity[measure][1], expected, atol=1e-6)
    whole = layer_by_time(start, states, probe, measures=[CKA(batch=400)])
    expected = [[linear_cka(x, y) for y in late] for x in early]
    np.testing.assert_allclose(whole.similarity["CKA"][1], expected, atol=1e-4)


def test_cka_hardly_depends_on_the_batch(planted):
    start, _, states, probe = planted
    one, other = (layer_by_time(start, states, probe, measures=[CKA(batch=b)]) for b in (40, 400))
    np.testing.assert_allclose(one.similarity["CKA"], other.similarity["CKA"], atol=0.04)


def test_batches_are_equal_parts_and_none_is_too_small():
    X = torch.randn(101, 3)
    assert CKA(batch=20).prepare(X).shape == (4 * 20**2 + 21**2,)
    assert CKA(batch=4).prepare(torch.randn(6, 3)).shape == (36,)  # not 3 and 3
    with pytest.raises(InputError, match="at least 4"):
        CKA(batch=3).prepare(X)
    with pytest.raises(InputError, match="at least 4"):
        CKA().prepare(X[:3])


def test_baselines(planted):
    start, end, states, probe = planted
    stranger = network(5)
    found = layer_by_time(
        start, states[1:], probe, measures=[SVCCA()], initial=start.state_dict(), other=stranger.state_dict()
    )
    full = layer_by_time(start, states, probe, measures=[SVCCA()])
    np.testing.assert_allclose(found.initial["SVCCA"], full.diagonal("SVCCA")[0])
    pair = zip(activations(stranger, probe).values(), activations(end, probe).values(), strict=True)
    np.testing.assert_allclose(found.other["SVCCA"], [svcca(x, y) for x, y in pair], atol=1e-9)
    assert full.other is None


@pytest.mark.parametrize("kind", ["folder", "live", "pairs"])
def test_checkpoints_from_everywhere(kind, planted, tmp_path):
    start, _, states, probe = planted
    live = Checkpoints(tmp_path if kind == "folder" else None)
    model = network(0)
    for step, state in states:
        model.load_state_dict(state)
        live.add(step, model)
    given = {"folder": str(tmp_path), "live": live, "pairs": reversed(states)}[kind]
    found = layer_by_time(start, given, probe, measures=[CKA()], layers=["4", "0"])
    assert found.steps == (0, 10, 20, 30)
    assert found.layers == ("0", "4")


def test_the_record_survives_json(planted):
    start, _, states, probe = planted
    found = layer_by_time(start, states, probe[:100], other=start.state_dict())
    assert found.warnings == ()
    again = LayerTime.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert repr(again) == repr(found)
    assert again.steps == found.steps
    np.testing.assert_array_equal(again.similarity["PWCCA"], found.similarity["PWCCA"])
    np.testing.assert_array_equal(again.other["CKA"], found.other["CKA"])


def test_too_few_examples_are_said_and_what_means_nothing_is_nan(planted):
    start, _, states, probe = planted
    few = layer_by_time(start, states, probe[:40])
    assert any("PWCCA, layer '0' (and 2 more): It has" in words for words in few.warnings)
    assert "warning: " in repr(few)
    fewer = layer_by_time(start, states, probe[:12])
    assert np.isnan(fewer.similarity["PWCCA"]).all()
    assert np.isfinite(fewer.similarity["CKA"]).all()
    assert not any("CKA," in words for words in fewer.warnings)
    json.dumps(fewer.to_dict(), allow_nan=False)
    assert np.isnan(LayerTime.from_dict(fewer.to_dict()).similarity["PWCCA"]).all()


def test_a_dead_layer_is_nan_and_does_not_stop_the_others():
    net = network(0)
    net[2].weight.data.zero_()
    found = layer_by_time(net, [(0, net.state_dict())], torch.randn(100, 6))
    for measure in EVERY:
        assert np.isnan(found.diagonal(measure)[0, 1])
        assert found.diagonal(measure)[0, 0] == pytest.approx(1, abs=1e-5)
        assert np.isnan(found.bottom_up(measure))


class Size:
    """An index of one's own: how alike are the layers' norms."""

    name = "size"

    def prepare(self, X):
        return X.norm()

    def compare(self, left, right):
        a, b = torch.stack(left)[:, None], torch.stack(right)[None]
        return torch.minimum(a, b) / torch.maximum(a, b)

    def doubt(self, prepared):
        return "Sizes say little."


def test_a_measure_of_ones_own(planted):
    start, _, states, probe = planted
    found = layer_by_time(start, states, probe, measures=[Size(), CKA()])
    assert list(found.similarity) == ["size", "CKA"]
    np.testing.assert_allclose(found.diagonal("size")[-1], 1)
    assert found.warnings == ("size, layer '0' (and 2 more): Sizes say little.",)


def test_unrelated_networks_show_the_published_null():
    """Wide random layers of unrelated inputs have nothing in common; what CCA then says is known."""
    X, Y = torch.randn(400, 40), torch.randn(400, 40)
    index = SVCCA(share=1.0)
    found = index.compare([index.prepare(X)], [index.prepare(Y)]).item()
    assert found == pytest.approx(null_values(400, 40).cca, abs=0.02)
    assert index.doubt(index.prepare(X)) is None
    assert PWCCA().doubt(PWCCA().prepare(X[:300])) is not None
    assert CKA().compare([CKA().prepare(X)], [CKA().prepare(Y)]).item() == pytest.approx(0, abs=0.02)


def record(diagonals, initial, names="abcd"):
    """A record whose layers have these curves."""
    T, L = np.shape(diagonals)
    similarity = np.zeros((T, L, L))
    similarity[:, range(L), range(L)] = diagonals
    return LayerTime(
        tuple(range(T)), tuple(names[:L]), {"CKA": similarity}, {"CKA": np.array(initial)}, None, 9, "x"
    )


def test_summaries_by_hand():
    found = record([[0.5, 0.0, 1.0], [0.8, 0.9, 1.0], [0.96, 0.5, 1.0], [1, 1, 1]], [0.5, 0.0, 1.0])
    np.testing.assert_allclose(found.excess()[:, :2], [[0, 0], [0.6, 0.9], [0.92, 0.5], [1, 1]])
    assert np.isnan(found.excess()[:, 2]).all()
    np.testing.assert_array_equal(found.reached(), [2, 1, np.nan])
    np.testing.assert_array_equal(found.reached(level=0.5), [1, 1, np.nan])
    assert np.isnan(found.bottom_up())  # two layers left of three
    rising = record([[0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]], [0, 0, 0, 0])
    assert rising.bottom_up(without_last=1) == pytest.approx(1.0)
    assert rising.bottom_up() == pytest.approx(0.5 / (5 * 4.5) ** 0.5)  # with a last layer that settles early
    assert np.isnan(record([[0, 0, 0], [1, 1, 1]], [0, 0, 0]).bottom_up())


def test_the_probe_is_told_apart():
    probe = torch.arange(6.0).reshape(2, 3)
    hashes = {probe_hash(x) for x in (probe, probe.T, probe.double(), probe.flip(0), probe.reshape(3, 2))}
    assert len(hashes) == 5
    assert probe_hash(probe.T.contiguous().T) == probe_hash(probe)
    assert probe_hash(probe.half()) != probe_hash(probe.bfloat16())


def test_what_cannot_be_is_refused(planted):
    start, _, states, probe = planted
    with pytest.raises(InputError, match=r"checkpoint of step 10 must fit the model. Got none of '0.weight'"):
        layer_by_time(start, [(10, {}), (20, states[0][1])], probe)
    with pytest.raises(InputError, match="`other` must fit"):
        layer_by_time(start, states, probe, other={})
    for measures in ([], [CKA(), CKA(batch=9)]):
        with pytest.raises(InputError, match="`measures`"):
            layer_by_time(start, states, probe, measures=measures)
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Conv2d(2, 2, 2))
    with pytest.raises(InputError, match=r"equally many places. Got 9 in '0', 4 in '1'"):
        layer_by_time(net, [(0, net.state_dict())], torch.randn(50, 1, 4, 4), maps="space")
    with pytest.raises(InputError, match=r"`measure` must be one of CKA. Got 'SVCCA'"):
        layer_by_time(start, states, probe, measures=[CKA()]).diagonal("SVCCA")
