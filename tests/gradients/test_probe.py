"""The probe and support: side effects, losses, examples."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from oracles import gradients as oracle
from rote.errors import InputError
from rote.gradients import coherence, support

LOSS = nn.CrossEntropyLoss()


def model_with_everything():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))


def data(m=9):
    return torch.randn(m, 4), torch.arange(m) % 3


@pytest.mark.parametrize("measure", [coherence, support])
def test_the_model_is_left_as_it_was(measure):
    model, (x, y) = model_with_everything(), data()
    model[1].eval()
    model[0].weight.grad = torch.full((6, 4), 7.0)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes, random = [m.training for m in model.modules()], torch.get_rng_state()
    measure(model, LOSS, (x, y))
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.full((6, 4), 7.0))
    assert model[4].weight.grad is None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_dropout_is_off_and_results_repeat_bit_for_bit():
    model, (x, y) = model_with_everything(), data()
    a, b = coherence(model, LOSS, (x, y)), coherence(model, LOSS, (x, y))
    assert np.array_equal(a.squared_norms, b.squared_norms)
    assert a.alpha == b.alpha


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(reduction="sum"), lambda o, y: LOSS(o, y)])
def test_mean_and_sum_agree(loss):
    model, (x, y) = model_with_everything(), data()
    a, b = coherence(model, LOSS, (x, y)), coherence(model, loss, (x, y), chunk_size=4)
    np.testing.assert_allclose(b.squared_norms, a.squared_norms, rtol=1e-10)
    assert b.alpha == pytest.approx(a.alpha, rel=1e-10)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_class_weights(reduction):
    model, (x, y) = model_with_everything(), data()
    weight = torch.tensor([1.0, 5.0, 0.2])
    total = nn.CrossEntropyLoss(weight, reduction="sum")
    G = torch.cat(list(oracle.gradient_matrix(model.eval(), total, x, y).values()), 1)
    got = coherence(model, nn.CrossEntropyLoss(weight, reduction=reduction), (x, y))
    assert got.alpha == pytest.approx(oracle.coherence_of(G)[0], rel=1e-10)


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (lambda o, y: (o.softmax(1).mean(0) ** 2).sum(), "mean or the sum over the examples"),
        (nn.CrossEntropyLoss(reduction="none"), "one number per batch"),
        (lambda o, y: 1.0, "one number per batch"),
    ],
)
def test_losses_that_do_not_split_into_examples_are_refused(loss, sentence):
    with pytest.raises(InputError, match=sentence):
        coherence(model_with_everything(), loss, data())


def test_loader_and_tensors_agree():
    model, (x, y) = model_with_everything(), data()
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    assert coherence(model, LOSS, loader).alpha == pytest.approx(
        coherence(model, LOSS, (x, y)).alpha, rel=1e-12
    )
    np.testing.assert_allclose(
        support(model, LOSS, loader).whole, support(model, LOSS, (x, y)).whole, rtol=1e-9
    )


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        ((torch.randn(3, 4), torch.zeros(2).long()), "3 inputs, 2 targets"),
        ([], "at least one example"),
        ([torch.randn(3, 4)], "Got Tensor as batch 0"),
        ((torch.randn(0, 4), torch.zeros(0).long()), "at least one example"),
    ],
)
@pytest.mark.parametrize("measure", [coherence, support])
def test_examples_that_are_none(measure, examples, sentence):
    with pytest.raises(InputError, match=sentence):
        measure(model_with_everything(), LOSS, examples)


def test_chunk_size_must_be_positive():
    with pytest.raises(InputError, match="`chunk_size` must be at least 1"):
        coherence(model_with_everything(), LOSS, data(), chunk_size=0)


def test_a_single_example_chunk_at_the_end():
    model, (x, y) = model_with_everything(), data(9)
    a, b = coherence(model, LOSS, (x, y)), coherence(model, LOSS, (x, y), chunk_size=4)
    assert a.alpha == pytest.approx(b.alpha, rel=1e-12)


def test_support_of_planted_gradients():
    """Two examples want the same, a third the opposite, a fourth something of its own, a fifth nothing."""
    x = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [-1.0, 0, 0], [0, 2.0, 0], [0, 0, 0]])
    model = nn.Linear(3, 1, bias=False)
    s = support(model, lambda o, y: o.sum(), (x, torch.zeros(5)), labels=torch.tensor([0, 0, 0, 1, 1]))
    assert s.whole.tolist() == pytest.approx([0, 0, -2, 0, 0])
    assert s.same_label.tolist() == pytest.approx([0, 0, -2, 0, 0])
    assert s.squared_norms.tolist() == pytest.approx([1, 1, 1, 4, 0])
    assert (s.m, s.labels.tolist(), s.m_label.tolist()) == (5, [0, 1], [3, 3, 3, 2, 2])


def test_support_is_consistent_with_coherence():
    """``Σ_i ⟨g_i, S − g_i⟩ = ‖S‖² − Q``."""
    model, (x, y) = model_with_everything(), data()
    s, c = support(model, LOSS, (x, y), chunk_size=2), coherence(model, LOSS, (x, y))
    q = c.squared_norms.sum()
    assert (s.whole * s.squared_norms).sum() == pytest.approx(c.m_coherence * q - q, rel=1e-9)
    np.testing.assert_allclose(s.squared_norms, c.squared_norms, rtol=1e-12)


def test_support_needs_labels():
    model = nn.Linear(2, 1)
    examples = (torch.randn(3, 2), torch.randn(3, 1))
    with pytest.raises(InputError, match="pass labels="):
        support(model, nn.MSELoss(), examples)
    assert support(model, nn.MSELoss(), examples, labels=torch.tensor([4, 4, 9])).labels.tolist() == [4, 9]


def test_support_says_which_way_it_took():
    x, y = torch.randint(0, 5, (4, 3)), torch.tensor([0, 1, 0, 1])
    bag = nn.Sequential(nn.EmbeddingBag(5, 2), nn.Linear(2, 2))
    assert support(bag, LOSS, (x, y)).way == "rerun per example"
    assert support(nn.Linear(4, 3), LOSS, data()).way == "layer by layer"
    assert support(nn.Sequential(nn.Linear(4, 3), nn.PReLU()), LOSS, data()).way == "forward mode"
