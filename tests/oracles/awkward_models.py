"""Models that per-example gradient tools get wrong, each with inputs of ``m`` examples."""

import torch
from torch import nn
from torch.nn import functional as F


class Reused(nn.Module):
    """One layer called twice: its per-example gradient has cross terms."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.body(torch.tanh(self.body(x)))))


class Tied(nn.Module):
    """A decoder module that shares its weight with the embedding, as language models do."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(torch.tanh(self.embed(ids)).mean(1))


class TiedFunctionally(nn.Module):
    """The embedding's weight used again outside its module, where no hook sees it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)

    def forward(self, ids):
        return F.linear(torch.tanh(self.embed(ids)).mean(1), self.embed.weight)


class Functional(nn.Module):
    """A layer that is never called: only its weight is used."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(torch.tanh(F.linear(x, self.hidden.weight, self.hidden.bias)))


class BroadcastPositions(nn.Module):
    """Positions looked up once, ``[1, T]``, and broadcast over the examples."""

    def __init__(self):
        super().__init__()
        self.embed, self.position, self.head = nn.Embedding(7, 4), nn.Embedding(5, 4), nn.Linear(4, 3)

    def forward(self, ids):
        where = torch.arange(ids.shape[1]).unsqueeze(0)
        return self.head(torch.tanh(self.embed(ids) + self.position(where)).mean(1))


class ExpandedPositions(BroadcastPositions):
    """The same with the positions expanded to ``[m, T]``."""

    def forward(self, ids):
        where = torch.arange(ids.shape[1]).expand(len(ids), -1)
        return self.head(torch.tanh(self.embed(ids) + self.position(where)).mean(1))


class ClassToken(nn.Module):
    """Bare parameters beside layers."""

    def __init__(self):
        super().__init__()
        self.token, self.scale = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.ones(4))
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return self.head(torch.tanh(self.body(x) * self.scale).mean(1))


class Attention(nn.Module):
    def __init__(self, *, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=batch_first), nn.Linear(4, 3)

    def forward(self, x):
        x = x if self.batch_first else x.transpose(0, 1)
        return self.head(self.attention(x, x, x)[0].mean(1 if self.batch_first else 0))


class Recurrent(nn.Module):
    def __init__(self, kind=nn.LSTM, *, batch_first=True):
        super().__init__()
        self.batch_first = batch_first
        self.cell, self.head = kind(4, 5, batch_first=batch_first), nn.Linear(5, 3)

    def forward(self, x):
        out, _ = self.cell(x if self.batch_first else x.transpose(0, 1))
        return self.head(out[:, -1] if self.batch_first else out[-1])


class SequenceFirst(nn.Module):
    """Layers that see ``[T, m, d]``: the first dimension is not the examples."""

    def __init__(self):
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.norm(torch.tanh(self.body(x.transpose(0, 1)))).mean(0))


class Folded(nn.Module):
    """Positions folded into the examples, ``[m·T, d]``."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x.reshape(-1, 4))).view(len(x), -1, 4).mean(1))


class InPlaceOnView(nn.Module):
    """An in-place ReLU right after a Linear on ``[m, T, d]``, whose output is a view."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(F.relu_(self.body(x)).mean(1))


class Unused(nn.Module):
    """A layer that the forward pass leaves out."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.used(x)


class Lora(nn.Module):
    """A frozen layer with a trainable low-rank correction."""

    def __init__(self):
        super().__init__()
        self.base = nn.Linear(6, 3).requires_grad_(False)
        self.down, self.up = nn.Linear(6, 2, bias=False), nn.Linear(2, 3, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


class Nested(nn.Module):
    """A module whose inputs and outputs are containers."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 4))

        def forward(self, pair, *, shift):
            return {"a": pair[0] @ self.w, "b": (pair[1] * self.w.sum() + shift,)}

    def __init__(self):
        super().__init__()
        self.inner, self.head = Nested.Inner(), nn.Linear(4, 3)

    def forward(self, x):
        out = self.inner((x, x.cos()), shift=torch.ones(4))
        return self.head(torch.tanh(out["a"] + out["b"][0]).mean(1))


def frozen_part():
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    return model


def conv_head(conv, channels=4):
    """A convolution of any dimension with a small classifier behind it."""
    return nn.Sequential(conv, nn.ReLU(inplace=True), nn.Flatten(2), Mean(), nn.Linear(channels, 3))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(-1)


def affine_head(norm, channels):
    return nn.Sequential(nn.Conv1d(3, channels, 3), norm, nn.Tanh(), Mean(), nn.Linear(channels, 3))


def eval_batch_norm(norm):
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    return norm.eval()


def vectors(m):
    return torch.randn(m, 6)


def sequences(m):
    return torch.randn(m, 5, 4)


def square_sequences(m):
    """As many positions as examples."""
    return torch.randn(m, m, 4)


def token_ids(m):
    return torch.randint(0, 7, (m, 5))


def lines(m):
    return torch.randn(m, 3, 11)


def images(m):
    return torch.randn(m, 3, 7, 8)


def volumes(m):
    return torch.randn(m, 3, 4, 5, 4)


#: name: (model, inputs of m examples, route expected of one layer or None)
ZOO = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), vectors, ("0", "linear")),
    "leaf": (lambda: nn.Linear(6, 3), vectors, ("Linear", "linear")),
    "no bias": (
        lambda: nn.Sequential(nn.Linear(6, 8, bias=False), nn.Linear(8, 3)),
        vectors,
        ("0", "linear"),
    ),
    "in-place relu": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(True), nn.Linear(8, 3)),
        vectors,
        ("0", "linear"),
    ),
    "frozen part": (frozen_part, vectors, ("0", "linear")),
    "unused layer": (Unused, vectors, ("used", "linear")),
    "lora": (Lora, vectors, ("base", "frozen")),
    "reused": (Reused, vectors, ("body", "linear")),
    "functional": (Functional, vectors, ("hidden", "whole model rerun per example")),
    "n-d linear": (InPlaceOnView, sequences, ("body", "linear")),
    "n-d linear, T = m": (InPlaceOnView, square_sequences, ("body", "linear")),
    "sequence first": (SequenceFirst, sequences, ("body", "linear")),
    "sequence first, T = m": (SequenceFirst, square_sequences, ("body", "linear")),
    "folded": (Folded, sequences, ("body", "whole model rerun per example")),
    "wide sequences": (
        lambda: nn.Sequential(nn.Linear(4, 2), nn.Flatten(), nn.Linear(10, 3)),
        sequences,
        ("0", "linear"),
    ),
    "conv1d": (lambda: conv_head(nn.Conv1d(3, 4, 3)), lines, ("0", "convolution")),
    "conv1d dilated": (
        lambda: conv_head(nn.Conv1d(3, 4, 3, dilation=2, padding=1)),
        lines,
        ("0", "convolution"),
    ),
    "conv1d same, even kernel": (
        lambda: conv_head(nn.Conv1d(3, 4, 4, padding="same")),
        lines,
        ("0", "convolution"),
    ),
    "conv2d": (lambda: conv_head(nn.Conv2d(3, 4, 3, padding=1)), images, ("0", "convolution")),
    "conv2d stride": (lambda: conv_head(nn.Conv2d(3, 4, (3, 2), stride=(2, 1), bias=False)), images, None),
    "conv2d full size": (lambda: conv_head(nn.Conv2d(3, 4, (7, 8))), images, ("0", "convolution")),
    "conv2d same": (lambda: conv_head(nn.Conv2d(3, 4, 3, padding="same", dilation=2)), images, None),
    "conv2d valid": (lambda: conv_head(nn.Conv2d(3, 4, 3, padding="valid")), images, None),
    "conv2d reflect": (
        lambda: conv_head(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
        images,
        None,
    ),
    "conv2d circular": (
        lambda: conv_head(nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="circular")),
        images,
        None,
    ),
    "conv2d replicate": (
        lambda: conv_head(nn.Conv2d(3, 4, 3, padding=1, padding_mode="replicate")),
        images,
        None,
    ),
    "conv2d groups": (lambda: conv_head(nn.Conv2d(3, 6, 3, groups=3), 6), images, ("0", "convolution")),
    "conv3d": (lambda: conv_head(nn.Conv3d(3, 4, 2, stride=2)), volumes, ("0", "convolution")),
    "conv transposed": (lambda: conv_head(nn.ConvTranspose2d(3, 4, 3)), images, ("0", "convolution")),
    "layer norm": (lambda: affine_head(nn.LayerNorm(9), 4), lines, ("1", "norm")),
    "layer norm 2": (lambda: affine_head(nn.LayerNorm((4, 9), bias=False), 4), lines, ("1", "norm")),
    "rms norm": (lambda: affine_head(nn.RMSNorm(9), 4), lines, ("1", "norm")),
    "group norm": (lambda: affine_head(nn.GroupNorm(2, 4), 4), lines, ("1", "norm")),
    "instance norm": (lambda: affine_head(nn.InstanceNorm1d(4, affine=True), 4), lines, ("1", "norm")),
    "instance norm, tracked": (
        lambda: affine_head(eval_batch_norm(nn.InstanceNorm1d(4, affine=True, track_running_stats=True)), 4),
        lines,
        ("1", "norm"),
    ),
    "batch norm, eval": (lambda: affine_head(eval_batch_norm(nn.BatchNorm1d(4)), 4), lines, ("1", "norm")),
    "embedding": (ExpandedPositions, token_ids, ("embed", "embedding")),
    "embedding, padding": (
        lambda: nn.Sequential(nn.Embedding(7, 4, padding_idx=2), nn.Flatten(), nn.Linear(20, 3)),
        token_ids,
        ("0", "embedding"),
    ),
    "embedding, sparse": (
        lambda: nn.Sequential(nn.Embedding(7, 4, sparse=True), nn.Flatten(), nn.Linear(20, 3)),
        token_ids,
        ("0", "embedding"),
    ),
    "embedding bag": (
        lambda: nn.Sequential(nn.EmbeddingBag(7, 4), nn.Linear(4, 3)),
        token_ids,
        ("0", "embedding bag"),
    ),
    "positions broadcast": (BroadcastPositions, token_ids, ("position", "embedding")),
    "tied": (Tied, token_ids, ("embed", "tied")),
    "tied functionally": (TiedFunctionally, token_ids, ("embed", "whole model rerun per example")),
    "class token": (ClassToken, sequences, ("ClassToken", "broadcast")),
    "attention": (lambda: Attention(batch_first=True), sequences, ("attention", "attention")),
    "attention, T first": (
        lambda: Attention(batch_first=False),
        sequences,
        ("attention", "attention"),
    ),
    "lstm": (Recurrent, sequences, ("cell", "recurrent")),
    "lstm, T first": (lambda: Recurrent(batch_first=False), sequences, ("cell", "recurrent")),
    "gru": (lambda: Recurrent(nn.GRU), sequences, ("cell", "recurrent")),
    "nested": (Nested, sequences, ("inner", "rerun per example")),
    "transformer layer": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), nn.Flatten(), nn.Linear(20, 3)
        ),
        sequences,
        ("0.self_attn", "attention"),
    ),
    "bilinear inside": (
        lambda: nn.Sequential(nn.Linear(6, 4), nn.PReLU(4), nn.Linear(4, 3)),
        vectors,
        ("1", "rerun per example"),
    ),
}
