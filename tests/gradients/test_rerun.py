"""Layers and models run again for single examples: what is left behind, and what cannot be run again."""

import numpy as np
import pytest
import torch
from torch import nn

from rote.errors import InputError
from rote.gradients import coherence, watch

LOSS = nn.CrossEntropyLoss()


def norms_by_loop(model, *inputs, y):
    """``‖g_i‖²`` by one backward pass per example through one forward pass."""
    losses = nn.functional.cross_entropy(model(*inputs), y, reduction="none")
    parameters = [p for p in model.parameters() if p.requires_grad]
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    return np.array([sum(float(g.square().sum()) for g in row) for row in rows])


@pytest.mark.filterwarnings("ignore:.*_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize("layer", [lambda: nn.Linear(4, 5), lambda: nn.Conv1d(4, 5, 3)])
def test_weights_computed_before_each_call(norm, layer):
    """The computed weight is an attribute of the layer, and must not be one of a single example's."""
    model = nn.Sequential(norm(layer()), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)).eval()
    conv = isinstance(model[0], nn.Conv1d)
    x, y = torch.randn(5, 4, 6) if conv else torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    model(x)
    with watch(model) as meter:
        for _ in range(2):
            LOSS(model(x), y).backward()
            meter.update()
        assert meter.coverage["0"] == "rerun per example"
        seen = meter.last.squared_norms
    assert model[0].weight.shape == ((5, 4, 3) if conv else (5, 4))
    assert torch.isfinite(model[0].weight).all()
    np.testing.assert_allclose(seen, norms_by_loop(model, x, y=y), rtol=1e-10)
    np.testing.assert_allclose(coherence(model, LOSS, (x, y)).squared_norms, seen, rtol=1e-10)


class Masked(nn.Module):
    """Attention with a mask for each head of each example, and a weight used outside its module."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.hidden, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x, masks):
        x = nn.functional.linear(x, self.hidden.weight, self.hidden.bias)
        return self.head(self.attention(x, x, x, attn_mask=masks, need_weights=False)[0].mean(1))


@pytest.mark.parametrize("m", [3, 5])
def test_masks_by_head_where_the_whole_model_must_be_run_again(m):
    model, x, masks = Masked(), torch.randn(m, 5, 4), torch.randn(2 * m, 5, 5)
    with watch(model) as meter:
        LOSS(model(x, masks), torch.arange(m) % 3).backward()
        with pytest.raises(InputError, match=r"Masked must be run again .*mask.*every input"):
            meter.update()


class Bags(nn.Module):
    """Bags cut out of one list, the starts given in one of two ways."""

    def __init__(self, **options):
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(7, 4, **options), nn.Linear(4, 3)

    def forward(self, ids, offsets):
        return self.head(torch.tanh(self.bag(ids, offsets)))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("count", [5, 6, 9])
def test_bags_cut_out_of_as_many_ids_as_there_are_bags_or_more(last, count):
    """5 bags: the list of ids is as long as the batch, one longer, or much longer."""
    ids, offsets = torch.randint(0, 7, (count,)), torch.tensor([0, 1, 1, 3, 4])
    model, y = Bags(include_last_offset=last), torch.tensor([0, 1, 2, 0, 2])
    offsets = torch.cat([offsets, torch.tensor([count])]) if last else offsets
    with watch(model) as meter:
        for _ in range(2):
            LOSS(model(ids, offsets), y).backward()
            meter.update()
            seen = meter.last.squared_norms
    np.testing.assert_allclose(seen, norms_by_loop(model, ids, offsets, y=y), rtol=1e-10)


def test_bags_that_have_no_closed_form_are_refused_where_one_list_holds_them():
    model, ids, offsets = Bags(mode="max"), torch.randint(0, 7, (9,)), torch.tensor([0, 2, 5])
    with watch(model) as meter:
        LOSS(model(ids, offsets), torch.tensor([0, 1, 2])).backward()
        with pytest.raises(InputError, match=r"Bags must be run again .*every input list the examples"):
            meter.update()
