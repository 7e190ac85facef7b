"""Closed forms of single layers against per-example gradients by autograd, over many shapes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from oracles import gradients as oracle
from rote.gradients import watch
from rote.gradients._bags import bag_counts, bag_norms, bag_sums
from rote.gradients._conv import conv_gram, conv_loop, conv_norms, gram_share, weight_gradient
from rote.gradients._products import gram_norms, product_batches, product_loop, product_norms

few = settings(max_examples=60, deadline=None)


def by_autograd(module, x, delta):
    """Gradients of the weight, example by example, of ``Σ module(x)·δ``."""
    rows = [
        torch.autograd.grad((module(x[i : i + 1]) * delta[i : i + 1]).sum(), module.weight)[0]
        for i in range(len(x))
    ]
    return torch.stack(rows).detach()


@st.composite
def convolutions(draw):
    """A convolution, plain or transposed, in 1 to 3 dimensions, with an input that it accepts."""
    n = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 2))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(n))
    options = {"stride": stride, "dilation": dilation, "groups": groups, "padding": draw(st.integers(0, 2))}
    channels = (2 * groups, 3 * groups)
    if draw(st.booleans()):
        options["output_padding"] = draw(st.integers(0, max(stride, dilation) - 1))
        make = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[n - 1]
    else:
        options["padding_mode"] = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
        make = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n - 1]
    module = make(*channels, kernel, **options).double()
    size = [draw(st.integers(5, 6)) for _ in range(n)]
    x = torch.randn(2, channels[0], *size, dtype=torch.float64)
    return module, x


@few
@given(convolutions())
def test_every_way_of_a_convolution_agrees_with_autograd(case):
    module, x = case
    out = module(x).detach()
    if out.numel() == 0:
        return
    delta = torch.randn_like(out)
    G = by_autograd(module, x, delta)
    expected = G.flatten(1).square().sum(1)
    loop, total = conv_loop(module, x, delta, total=True)
    for norms in (loop, conv_gram(module, x, delta), conv_norms(module, x, delta)):
        torch.testing.assert_close(norms, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(total, G.sum(0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(weight_gradient(module, x, delta), G.sum(0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_convolution_with_its_padding_in_words(padding):
    module = nn.Conv2d(2, 3, 3, padding=padding, dilation=2).double()
    x = torch.randn(3, 2, 6, 7, dtype=torch.float64)
    delta = torch.randn_like(module(x).detach())
    expected = by_autograd(module, x, delta).flatten(1).square().sum(1)
    torch.testing.assert_close(conv_gram(module, x, delta), expected, rtol=1e-10, atol=1e-12)


def test_gram_matrices_are_taken_in_chunks(monkeypatch):
    monkeypatch.setattr("rote.gradients._conv.CHUNK", 1)
    monkeypatch.setattr("rote.gradients._products.CHUNK", 1)
    module = nn.Conv2d(2, 3, 3).double()
    x, delta = torch.randn(4, 2, 5, 5).double(), torch.randn(4, 3, 3, 3).double()
    torch.testing.assert_close(conv_gram(module, x, delta), conv_loop(module, x, delta)[0])
    a, b = torch.randn(4, 5, 3), torch.randn(4, 5, 2)
    torch.testing.assert_close(gram_norms(a, b), product_loop(a, b)[0])
    torch.testing.assert_close(product_batches(a, b), product_loop(a, b, total=True))


def test_the_choice_between_gram_and_loop_depends_on_the_shapes():
    deep, wide = nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
    assert gram_share(deep, torch.ones(1, 64, 4, 4), torch.ones(1, 64, 4, 4)) < 0.75
    assert gram_share(wide, torch.ones(1, 2, 16, 16), torch.ones(1, 2, 16, 16)) > 0.75


@few
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_every_way_of_a_product_agrees(m, t, p, d):
    delta, x = torch.randn(m, t, p, dtype=torch.float64), torch.randn(m, t, d, dtype=torch.float64)
    G = torch.einsum("mtp,mtd->mpd", delta, x)
    expected = G.flatten(1).square().sum(1)
    loop, total = product_loop(delta, x, total=True)
    batches, same = product_batches(delta, x)
    for norms in (loop, batches, gram_norms(delta, x), product_norms(delta, x)):
        torch.testing.assert_close(norms, expected, rtol=1e-10, atol=1e-12)
    for summed in (total, same):
        torch.testing.assert_close(summed, G.sum(0), rtol=1e-10, atol=1e-12)


class Bag(nn.Module):
    """An EmbeddingBag called in one of its ways, and a head; the weights of the words are fixed."""

    def __init__(self, *, offsets, weights, **options):
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(7, 4, **options), nn.Linear(4, 3)
        self.offsets, self.weights = offsets, weights

    def forward(self, ids):
        weights = (1.0 + ids).to(self.head.weight.dtype) if self.weights else None
        if not self.offsets:
            return self.head(self.bag(ids, per_sample_weights=weights))
        starts = torch.arange(0, ids.numel() + int(self.bag.include_last_offset), ids.shape[1])
        flat = None if weights is None else weights.reshape(-1)
        return self.head(self.bag(ids.reshape(-1), starts, flat))


@pytest.mark.parametrize(
    ("mode", "padding", "offsets", "weights", "last"),
    [
        case
        for case in itertools.product(
            ["sum", "mean", "max"], [None, 2], [False, True], [False, True], [False, True]
        )
        if not (case[3] and case[0] != "sum") and not (case[4] and not case[2])
    ],
)
def test_embedding_bag_in_all_its_ways(mode, padding, offsets, weights, last):
    model = Bag(
        offsets=offsets, weights=weights, mode=mode, padding_idx=padding, include_last_offset=last
    ).double()
    ids, y = torch.randint(0, 7, (6, 5)), torch.randint(0, 3, (6,))
    ids[0] = 2
    loss = nn.CrossEntropyLoss()
    with watch(model) as meter:
        for _ in range(2):
            loss(model(ids), y).backward()
            meter.update()
            G = oracle.gradient_matrix_paused(meter, model, loss, ids, y)
            expected = torch.cat(list(G.values()), 1).square().sum(1)
            np.testing.assert_allclose(meter.last.squared_norms, expected, rtol=1e-10, atol=1e-14)
        assert (meter.coverage["bag"] == "embedding bag") == (mode != "max")


def test_bags_of_differing_length_and_an_empty_one():
    bag = nn.EmbeddingBag(5, 2, mode="mean").double()
    ids, offsets = torch.tensor([1, 1, 3, 4]), torch.tensor([0, 3, 3])
    counts = bag_counts(bag, (ids, offsets), {})
    delta = torch.randn(3, 2, dtype=torch.float64)
    (bag(ids, offsets) * delta).sum().backward()
    torch.testing.assert_close(bag_sums(bag, counts, delta)["weight"], bag.weight.grad)
    expected = delta.square().sum(1) * torch.tensor([5 / 9, 0.0, 1.0])
    torch.testing.assert_close(bag_norms(bag, counts, delta), expected)


def by_same_forward(model, x, y):
    """``‖g_i‖²`` by one backward pass per example through one forward pass, so with its dropout."""
    losses = F.cross_entropy(model(x), y, reduction="none")
    parameters = [p for p in model.parameters() if p.requires_grad]
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    return torch.tensor([sum(g.square().sum() for g in row) for row in rows])


class Encoder(nn.Module):
    def __init__(self, **options):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, **options)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 3)
        self.first = layer.self_attn.batch_first

    def forward(self, x):
        return self.head(self.encoder(x).mean(1) if self.first else self.encoder(x.transpose(0, 1)).mean(0))


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        self.decoder, self.head = nn.TransformerDecoder(layer, 1), nn.Linear(8, 3)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=x.dtype)
        return self.head(self.decoder(x[:, :3], x[:, 3:], tgt_mask=mask).mean(1))


class Different(nn.Module):
    """Keys and values of other widths, frozen in part, attention weights used."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, kdim=4, vdim=4, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        out, weights = self.attention(x, x[..., :4], x[..., 4:])
        return self.head(out.mean(1)) * weights.square().sum((1, 2), keepdim=False).unsqueeze(1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Encoder(batch_first=True),
        lambda: Encoder(batch_first=True, norm_first=True, bias=False),
        lambda: Encoder(batch_first=False),
        Translator,
        Different,
    ],
    ids=["batch first", "no bias", "sequence first", "decoder", "other widths"],
)
def test_stock_attention_in_training_mode_with_dropout(make):
    torch.manual_seed(1)
    model = make().double().train()
    x, y = torch.randn(4, 6, 8, dtype=torch.float64), torch.randint(0, 3, (4,))
    with watch(model) as meter:
        for step in range(2):
            torch.manual_seed(step)
            F.cross_entropy(model(x), y).backward()
            meter.update()
            seen = meter.last.squared_norms
            assert {way for name, way in meter.coverage.items() if name.endswith(("attn", "attention"))} == {
                "attention"
            }
            torch.manual_seed(step)
            meter._capture.paused = True
            np.testing.assert_allclose(seen, by_same_forward(model, x, y), rtol=1e-9)
            meter._capture.paused = False


@pytest.mark.parametrize("frozen", ["in_proj_weight", "in_proj_bias", "out_proj.weight"])
def test_attention_frozen_in_part(frozen):
    model = nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), nn.Flatten())
    model[0].self_attn.get_parameter(frozen).requires_grad_(False)
    model = model.double()
    x, y = torch.randn(3, 2, 4, dtype=torch.float64), torch.randint(0, 8, (3,))
    with watch(model) as meter:
        F.cross_entropy(model(x), y).backward()
        meter.update()
        seen = meter.last.squared_norms
    np.testing.assert_allclose(seen, by_same_forward(model, x, y), rtol=1e-9)
