"""Distances to classes, among inputs and inside networks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rote.audit._neighbours import (
    class_distances,
    distances_to_classes,
    input_space,
    label_agreement,
    nearest,
    representation,
)


def points(m, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(m, d)).astype(np.float32)


@given(m=st.integers(2, 30), reach=st.integers(1, 40), seed=st.integers(0, 99))
def test_nearest_is_what_sorting_all_distances_gives(m, reach, seed):
    x = points(m, seed=seed)
    index, distance = nearest(x, reach)
    assert index.shape == distance.shape == (m, min(reach, m - 1))
    for i in range(m):
        everyone = np.linalg.norm(x.astype(float) - x[i], axis=1)
        others = np.sort(np.delete(everyone, i))[: index.shape[1]]
        np.testing.assert_allclose(distance[i], others, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(everyone[index[i]], others, rtol=1e-3, atol=1e-3)
        assert i not in index[i]


def test_examples_are_no_neighbours_of_themselves_even_among_copies():
    index, distance = nearest(np.zeros((5, 2), np.float32))
    assert all(i not in row for i, row in enumerate(index))
    assert not distance.any()


@given(m=st.integers(2, 25), classes=st.integers(1, 4), reach=st.integers(1, 25), seed=st.integers(0, 99))
def test_distances_to_classes_match_a_loop(slow, m, classes, reach, seed):
    index, distance = nearest(points(m, seed=seed), reach)
    belief = np.random.default_rng(seed).dirichlet(np.ones(classes), m).astype(np.float32)
    found = distances_to_classes(index, distance, belief)
    want = [
        [slow.distance_to_class(index[i], distance[i], belief[:, c]) for c in range(classes)]
        for i in range(m)
    ]
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_distances_are_the_same_in_one_piece_and_in_several():
    index, distance = nearest(points(2101, d=2), 15)
    belief = np.eye(2, dtype=np.float32)[np.arange(2101) % 2]
    found = distances_to_classes(index, distance, belief)
    for rows in (slice(0, 5), slice(1998, 2003), slice(2096, 2101)):
        np.testing.assert_array_equal(found[rows], distances_to_classes(index[rows], distance[rows], belief))


def test_a_class_that_is_not_among_the_neighbours_is_as_far_as_the_last_of_them():
    index, distance = nearest(points(9), 5)
    found = distances_to_classes(index, distance, np.eye(2, dtype=np.float32)[np.zeros(9, int)])
    np.testing.assert_allclose(found[:, 1], distance[:, -1])


def test_distances_to_the_classes_of_other_points():
    here, there = points(4), points(30, seed=1)
    belief = np.eye(2, dtype=np.float32)[np.arange(30) % 2]
    found = class_distances(here, there, belief)
    for i, c in np.ndindex(4, 2):
        to_class = np.sort(np.linalg.norm(there[belief[:, c] > 0].astype(float) - here[i], axis=1))
        np.testing.assert_allclose(found[i, c], to_class[:10].mean(), rtol=1e-4)


@given(
    y=st.lists(st.integers(0, 2), min_size=2, max_size=30).map(np.array),
    k=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_label_agreement_matches_a_loop(slow, y, k, seed):
    index, _ = nearest(points(len(y), seed=seed))
    want = [slow.agreement(index[i], y, i, k) for i in range(len(y))]
    np.testing.assert_allclose(label_agreement(index, y, k), want)


@pytest.mark.parametrize("x", [np.full((6, 1, 8, 8), 7, np.uint8), np.zeros((60, 3), np.float32)])
def test_inputs_that_are_all_alike_lie_in_one_point(x):
    found = input_space(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, found[:1].repeat(len(x), 0), atol=1e-4)


def test_input_space_keeps_small_tables_and_the_distances_of_flat_ones():
    x = points(20, d=50)
    np.testing.assert_array_equal(input_space(x), x)
    wide = np.concatenate([x, np.zeros((20, 30), np.float32)], axis=1)
    found = input_space(wide)
    assert found.shape == (20, 20)
    np.testing.assert_allclose(nearest(found, 5)[1], nearest(x, 5)[1], rtol=1e-2)


class TwoHeads(nn.Module):
    """The last linear layer in the list is not the last that is called, and sees other rows than examples."""

    def __init__(self):
        super().__init__()
        self.out, self.pooled = nn.Linear(3, 2), nn.Linear(3, 3)

    def forward(self, x):
        return self.out(x) + self.pooled(x.mean(0, keepdim=True)).sum()


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.out, self.spare = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.out(x)


def unit(x):
    return (x / x.norm(dim=1, keepdim=True)).detach().numpy()


def test_the_representation_is_what_enters_the_last_linear_layer():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = torch.from_numpy(points(7))
    found = representation(net, x, chunk=3)
    np.testing.assert_allclose(found, unit(net[1](net[0](x))), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten()),
        Unused(),
        TwoHeads(),
    ],
    ids=["no linear layer", "last one unused", "last one sees no examples"],
)
def test_without_a_usable_layer_the_outputs_stand_in(net):
    x = torch.from_numpy(points(5))
    x = x[:, None] if isinstance(net, nn.Sequential) else x
    np.testing.assert_allclose(representation(net, x), unit(net(x)), rtol=1e-5, atol=1e-6)


def test_a_layer_called_twice_shows_its_last_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(torch.sigmoid(self.layer(x)))

    net, x = Twice(), torch.from_numpy(points(5))
    found = representation(net, x)
    np.testing.assert_allclose(found, unit(torch.sigmoid(net.layer(x))), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(training):
    net = nn.Sequential(nn.Dropout(0.9), nn.Linear(3, 2)).train(training)
    x = torch.from_numpy(points(5))
    np.testing.assert_allclose(representation(net, x), unit(x), rtol=1e-5)
    with pytest.raises(RuntimeError):
        representation(net, torch.zeros(2, 9))
    assert net.training is training
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_a_dead_representation_is_zero_and_not_nan():
    net = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))
    assert representation(net, -torch.ones(2, 3)).tolist() == [[0.0] * 3] * 2
