"""Models of the situations in ``situations.py``: what people train beside the awkward ones."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn
from torch.utils.checkpoint import checkpoint

from oracles import awkward_models as awkward


class Head(nn.Module):
    """A body from ``[m, T, 4]`` to ``[m, T, d]``, then the mean over T and three logits."""

    def __init__(self, body, d=4):
        super().__init__()
        self.body, self.head = body, nn.Linear(d, 3)

    def forward(self, x):
        out = self.body(x)
        return self.head(torch.tanh(out[0] if isinstance(out, tuple) else out).mean(1))


class Checkpointed(nn.Module):
    """A part whose activations are computed again in the backward pass."""

    checkpointed = True

    def __init__(self, *, use_reentrant=False):
        super().__init__()
        self.use_reentrant = use_reentrant
        self.first, self.head = nn.Linear(6, 5), nn.Linear(5, 3)
        self.body = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.LayerNorm(5))

    def forward(self, x):
        h = torch.tanh(self.first(x))
        if self.checkpointed:
            return self.head(checkpoint(self.body, h, use_reentrant=self.use_reentrant))
        return self.head(self.body(h))


class CheckpointedPositions(awkward.BroadcastPositions):
    """A checkpoint in a model that must be run again as a whole."""

    checkpointed = True

    def forward(self, ids):
        h = self.embed(ids) + self.position(torch.arange(ids.shape[1]))
        head = checkpoint(self.head, h, use_reentrant=False) if self.checkpointed else self.head(h)
        return torch.tanh(head).mean(1)


class PositionsThrough(awkward.BroadcastPositions):
    """Positions that pass a layer of their own before they meet the examples."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, ids):
        places = torch.tanh(self.layer(self.position(torch.arange(ids.shape[1]))))
        return self.head(torch.tanh(self.embed(ids) + places).mean(1))


class CrossAttention(nn.Module):
    """Attention from four query positions to a longer memory, with everything that it can be given."""

    def __init__(self, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True, **options)
        self.head = nn.Linear(4, 3)

    def forward(self, x, padded=None):
        if self.attention.kdim != 4:
            keys, values = x[..., : self.attention.kdim], x[..., : self.attention.vdim]
        else:
            keys, values = x, x.cos()
        out, _ = self.attention(x[:, :4], keys, values, key_padding_mask=padded, need_weights=False)
        return self.head(out.mean(1))


class CausalAttention(nn.Module):
    """A mask over positions, shared by the examples: as large as the batch if T = m."""

    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.attention(x, x, x, attn_mask=mask, need_weights=False)[0].mean(1))


class MaskedAttention(nn.Module):
    """A mask of its own for each example."""

    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x, masks):
        return self.head(self.attention(x, x, x, attn_mask=masks, need_weights=False)[0].mean(1))


class Decoder(nn.Module):
    """The stock decoder layer on targets and memory."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(4, 2, 6, dropout=dropout, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(3)
        return self.head(self.layer(x[:, :3], x, tgt_mask=mask, tgt_is_causal=True).mean(1))


class Packed(nn.Module):
    """An LSTM on sequences of different lengths."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x, lengths):
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.cell(packed)[1][0][-1])


class LanguageModel(nn.Module):
    """A decoder of one block with tied weights and broadcast positions, from ids to ``[m, T, 3]``."""

    def __init__(self, *, tied=True, dropout=0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.tokens, self.places = nn.Embedding(3, 4), nn.Embedding(8, 4)
        self.norm, self.qkv, self.out = nn.LayerNorm(4), nn.Linear(4, 12), nn.Linear(4, 4)
        self.head = nn.Linear(4, 3, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, ids):
        h = self.dropout(self.tokens(ids) + self.places(torch.arange(ids.shape[1])))
        q, k, v = self.qkv(self.norm(h)).view(*ids.shape, 3, 2, 2).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(h + self.out(mixed.transpose(1, 2).flatten(2)))


class Bags(nn.Module):
    """Bags of different lengths, given by offsets: the ids do not list the examples."""

    def __init__(self, **options):
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(7, 4, **options), nn.Linear(4, 3)

    def forward(self, ids, offsets):
        return self.head(torch.tanh(self.bag(ids, offsets)))


class WeightedBags(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(7, 4, mode="sum"), nn.Linear(4, 3)

    def forward(self, ids):
        return self.head(self.bag(ids, per_sample_weights=ids.to(self.head.weight.dtype).cos()))


class VisionTransformer(nn.Module):
    """A class token and positions that are bare parameters, dropout, and a stock layer."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 6, 4))
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(4, 3)
        self.layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=dropout, batch_first=True)

    def forward(self, x):
        h = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.layer(self.dropout(h))[:, 0])


class LoraConv(nn.Module):
    """A frozen convolution with a trainable correction of low rank."""

    def __init__(self):
        super().__init__()
        self.base = nn.Conv2d(3, 4, 3).requires_grad_(False)
        self.down, self.up = nn.Conv2d(3, 2, 3, bias=False), nn.Conv2d(2, 4, 1, bias=False)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.base(x) + self.up(self.down(x))).mean((2, 3)))


class ReusedNorm(nn.Module):
    """One LayerNorm, one Embedding and one convolution, each called twice."""

    def __init__(self):
        super().__init__()
        self.tokens, self.norm = nn.Embedding(7, 4), nn.LayerNorm(4)
        self.mix, self.head = nn.Conv1d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, ids):
        h = self.norm(self.tokens(ids) * self.tokens(ids.flip(1)))
        h = self.mix(torch.tanh(self.mix(h.transpose(1, 2)))).transpose(1, 2)
        return self.head(self.norm(h).mean(1))


class Groups(nn.Module):
    """A convolution in two groups of two channels."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 3, groups=2, bias=False)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))).mean((2, 3)))


class Residual(nn.Module):
    """A layer's output used three times."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = self.a(x)
        return self.head(h + torch.tanh(self.b(h)) * h)


class Channels(nn.Module):
    """A Linear on images with the channels last."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x.movedim(1, -1))).mean((1, 2)))


def spread(conv, *, dims, channels=4):
    """A (transposed) convolution on the right number of dimensions with a classifier behind it."""
    inputs = {1: awkward.lines, 2: awkward.images, 3: awkward.volumes}[dims]
    return lambda: awkward.conv_head(conv(), channels), inputs


def old_weight_norm():
    with_hook = nn.utils.weight_norm(nn.Linear(6, 5))
    return nn.Sequential(with_hook, nn.Tanh(), nn.Linear(5, 3))


class Experts(nn.Module):
    """Each position goes to one of two experts: how many each gets depends on the batch."""

    def __init__(self):
        super().__init__()
        self.gate, self.head = nn.Linear(4, 2), nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))

    def forward(self, x):
        positions = x.reshape(-1, 4)
        weight, chosen = self.gate(positions).softmax(-1).max(-1)
        out = torch.zeros_like(positions)
        for number, expert in enumerate(self.experts):
            mine = torch.where(chosen == number)[0]
            out = out.index_put((mine,), expert(positions[mine]) * weight[mine, None])
        return self.head(torch.tanh(out.view_as(x)).mean(1))


class Graphs(nn.Module):
    """Nodes of all graphs first, one output a graph: the nodes are not the examples."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, nodes, graph):
        total = torch.zeros(int(graph.max()) + 1, 5)
        return self.head(total.index_add(0, graph, torch.tanh(self.body(nodes))))
