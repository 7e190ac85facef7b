"""Situations in which per-example gradient tools go wrong, and a slow loop that is right in all of them.

``SITUATIONS`` are the 32 in which the existing tools were compared; ``MORE`` is what else people train. Each
is ``name: (model, inputs of m examples)``; the model returns ``[m, 3]``, or ``[m, T, 3]`` for a sequence.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from oracles import awkward_models as awkward
from oracles import situation_models as models

ZOO = awkward.ZOO


def gradients_of_parts(model, parts, inputs, y):
    """``{parameter: [m, n]}``: the gradient of each example's part of the batch's loss, times m.

    One forward pass of the whole batch and one backward pass per example, so random numbers are those of the
    watched pass where the seed is, and a loss whose weights depend on the batch has a meaning.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for module in model.modules():
        if hasattr(module, "checkpointed"):
            module.checkpointed = False  # a checkpoint allows one backward pass only
    values = parts(model(*inputs), y)
    rows = {name: [] for name in named}
    for i in range(len(values)):
        gradients = torch.autograd.grad(
            len(values) * values[i], list(named.values()), retain_graph=True, allow_unused=True
        )
        for (name, p), g in zip(named.items(), gradients, strict=True):
            rows[name].append(torch.zeros(p.numel()) if g is None else g.to_dense().flatten().double())
    for module in model.modules():
        if hasattr(module, "checkpointed"):
            module.checkpointed = True
    return {name: torch.stack(r) for name, r in rows.items()}


def by_layer(gradients, layers, model):
    """The same under the names of the reported layers: the longest that the parameter's name begins with."""
    gathered = {name: [] for name in layers}
    for name, G in gradients.items():
        owners = [layer for layer in layers if name.startswith(f"{layer}.")]
        gathered[max(owners, key=len) if owners else type(model).__name__].append(G)
    return {layer: torch.cat(parts, 1) for layer, parts in gathered.items()}


def parts_of(loss, outputs, y):
    """Each example's part of ``loss``, an ``nn.CrossEntropyLoss``; positions belong to their example."""
    m, flat = len(outputs), outputs.reshape(-1, outputs.shape[-1])
    target = y.reshape(-1) if y.dtype == torch.int64 else y.reshape(flat.shape)
    options = {"weight": loss.weight, "ignore_index": loss.ignore_index}
    each = F.cross_entropy(flat, target, reduction="none", label_smoothing=loss.label_smoothing, **options)
    total = 1.0 if loss.reduction == "sum" else weights_of(loss, target).sum()
    return (each / total).view(m, -1).sum(1)


def weights_of(loss, target):
    """What a mean divides by, target by target."""
    if target.dtype != torch.int64:
        return torch.ones(len(target))
    counted = (target != loss.ignore_index).to(torch.get_default_dtype())
    return counted if loss.weight is None else counted * loss.weight[target.clamp(min=0)]


def batch_loss(loss, outputs, y):
    """The loss as a training loop computes it."""
    flat = outputs.reshape(-1, outputs.shape[-1])
    return loss(flat, y.reshape(-1) if y.dtype == torch.int64 else y.reshape(flat.shape))


def classes(m):
    return torch.randint(0, 3, (m, 5))


def square_classes(m):
    """As many positions as examples."""
    return torch.randint(0, 3, (m, m))


def graphs(m):
    """Graphs of one, two or three nodes, and to which of them each node belongs."""
    graph = torch.repeat_interleave(torch.arange(m), torch.arange(m) % 3 + 1)
    return torch.randn(len(graph), 4), graph


def with_offsets(m):
    """Bags of 0, 1, 2, … ids."""
    sizes = torch.arange(m) % 4
    return torch.randint(0, 7, (int(sizes.sum()),)), sizes.cumsum(0) - sizes


def with_masks(m):
    """A mask for each head of each example, as attention in its own words wants it."""
    return torch.randn(m, 5, 4), torch.rand(m, 1, 5, 5).expand(-1, 2, -1, -1).reshape(2 * m, 5, 5)


def with_padding(m):
    padded = torch.zeros(m, 5, dtype=torch.bool)
    padded[::2, 3:] = True
    return torch.randn(m, 5, 4), padded


def with_lengths(m):
    return torch.randn(m, 5, 4), torch.arange(m) % 5 + 1


def one_of(name):
    return ZOO[name][:2]


#: The 32 of the comparison.
SITUATIONS = {
    "MLP": one_of("mlp"),
    "in-place ReLU": one_of("in-place relu"),
    "frozen layers": one_of("frozen part"),
    "Linear on [m, T, d]": one_of("n-d linear"),
    "Linear on [m, H, W, d]": (models.Channels, awkward.images),
    "Conv1d": one_of("conv1d"),
    "Conv2d with stride": one_of("conv2d stride"),
    "Conv with padding='same'": one_of("conv2d same"),
    "Conv with padding_mode='reflect'": one_of("conv2d reflect"),
    "Conv with groups=2": (models.Groups, awkward.images),
    "depthwise Conv": one_of("conv2d groups"),
    "GroupNorm": one_of("group norm"),
    "LayerNorm": one_of("layer norm"),
    "RMSNorm": one_of("rms norm"),
    "BatchNorm in training mode": (lambda: awkward.affine_head(nn.BatchNorm1d(4), 4), awkward.lines),
    "BatchNorm in eval mode": one_of("batch norm, eval"),
    "Embedding": one_of("embedding"),
    "Embedding with padding_idx": one_of("embedding, padding"),
    "positions [1, T] broadcast": one_of("positions broadcast"),
    "positions expanded": (awkward.ExpandedPositions, awkward.token_ids),
    "bare parameters": one_of("class token"),
    "module called twice": one_of("reused"),
    "tied Embedding and Linear": one_of("tied"),
    "MultiheadAttention": one_of("attention"),
    "TransformerEncoderLayer": one_of("transformer layer"),
    "LSTM": one_of("lstm"),
    "activation checkpointing": (models.Checkpointed, awkward.vectors),
    "autocast bfloat16: MLP": one_of("mlp"),
    "autocast bfloat16: Conv and GroupNorm": one_of("group norm"),
    "two backward passes before reading": one_of("mlp"),
    "DistributedDataParallel": one_of("mlp"),
    "torch.compile": one_of("mlp"),
}

#: Those of them that are not a model alone.
WAYS_OF_TRAINING = list(SITUATIONS)[27:]

MORE = {
    "residual": (models.Residual, awkward.vectors),
    "RNN": (lambda: awkward.Recurrent(nn.RNN), awkward.sequences),
    "LSTM of two layers, both ways, projected": (
        lambda: models.Head(nn.LSTM(4, 5, 2, bidirectional=True, proj_size=3, batch_first=True), 6),
        awkward.sequences,
    ),
    "LSTM, packed": (models.Packed, with_lengths),
    "LSTM with dropout": (
        lambda: models.Head(nn.LSTM(4, 5, 2, dropout=0.3, batch_first=True), 5),
        awkward.sequences,
    ),
    "attention with padding": (models.CrossAttention, with_padding),
    "attention with bias_kv and zero_attn": (
        lambda: models.CrossAttention(add_bias_kv=True, add_zero_attn=True),
        awkward.sequences,
    ),
    "attention with kdim and vdim": (lambda: models.CrossAttention(kdim=3, vdim=2), awkward.sequences),
    "attention without bias": (lambda: models.CrossAttention(bias=False), awkward.sequences),
    "attention, causal": (models.CausalAttention, awkward.sequences),
    "attention, causal, T = m": (models.CausalAttention, awkward.square_sequences),
    "attention, a mask per example": (models.MaskedAttention, with_masks),
    "attention with dropout": (lambda: models.CrossAttention(dropout=0.3), awkward.sequences),
    "encoder, norm first": (
        lambda: models.Head(
            nn.TransformerEncoderLayer(
                4, 2, 6, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"
            )
        ),
        awkward.sequences,
    ),
    "encoder of two layers": (
        lambda: models.Head(
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), 2, norm=nn.LayerNorm(4)
            )
        ),
        awkward.sequences,
    ),
    "encoder with dropout": (
        lambda: models.Head(nn.TransformerEncoderLayer(4, 2, 6, dropout=0.3, batch_first=True)),
        awkward.sequences,
    ),
    "decoder layer": (models.Decoder, awkward.sequences),
    "decoder with dropout": (lambda: models.Decoder(0.3), awkward.sequences),
    "language model": (lambda: models.LanguageModel(tied=False), classes),
    "language model, tied": (models.LanguageModel, classes),
    "language model, T = m": (models.LanguageModel, square_classes),
    "language model with dropout, T = m": (lambda: models.LanguageModel(dropout=0.3), square_classes),
    "language model with dropout": (lambda: models.LanguageModel(dropout=0.3), classes),
    "vision transformer": (models.VisionTransformer, awkward.sequences),
    "vision transformer with dropout": (lambda: models.VisionTransformer(0.3), awkward.sequences),
    "bags with offsets": (models.Bags, with_offsets),
    "bags, summed, with padding": (
        lambda: nn.Sequential(nn.EmbeddingBag(7, 4, mode="sum", padding_idx=2), nn.Linear(4, 3)),
        awkward.token_ids,
    ),
    "bags, maximum": (
        lambda: nn.Sequential(nn.EmbeddingBag(7, 4, mode="max"), nn.Linear(4, 3)),
        awkward.token_ids,
    ),
    "bags, sparse": (
        lambda: nn.Sequential(nn.EmbeddingBag(7, 4, mode="sum", sparse=True), nn.Linear(4, 3)),
        awkward.token_ids,
    ),
    "bags, weighted": (models.WeightedBags, awkward.token_ids),
    "mixture of experts": (models.Experts, awkward.sequences),
    "LoRA on a Conv": (models.LoraConv, awkward.images),
    "Embedding, Conv and LayerNorm called twice": (models.ReusedNorm, awkward.token_ids),
    "ConvTranspose1d": models.spread(lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1), dims=1),
    "ConvTranspose2d, grouped and dilated": models.spread(
        lambda: nn.ConvTranspose2d(3, 6, (2, 3), groups=3, dilation=2, output_padding=1), dims=2, channels=6
    ),
    "ConvTranspose3d": models.spread(lambda: nn.ConvTranspose3d(3, 4, 2, stride=2, bias=False), dims=3),
    "weight_norm by hook": (models.old_weight_norm, awkward.vectors),
    "weight_norm": (
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 5)), nn.Tanh(), nn.Linear(5, 3)),
        awkward.vectors,
    ),
    "spectral_norm in eval mode": (
        lambda: nn.Sequential(
            parametrizations.spectral_norm(nn.Linear(6, 5)).eval(), nn.Tanh(), nn.Linear(5, 3)
        ),
        awkward.vectors,
    ),
    "positions through a Linear": (lambda: models.PositionsThrough(nn.Linear(4, 4)), awkward.token_ids),
    "positions through a LayerNorm": (lambda: models.PositionsThrough(nn.LayerNorm(4)), awkward.token_ids),
    "checkpointing with positions broadcast": (models.CheckpointedPositions, awkward.token_ids),
}


def padded(y):
    """Targets of a language model with padding, one example without any target."""
    y = y.clone()
    y[0, 3:], y[2, 1:], y[3] = -100, -100, -100
    return y


def ignored(y):
    y = y.clone()
    y[1] = -100
    return y


def probabilities(y):
    return torch.rand(len(y), 3).softmax(1)


_MLP, _LM = one_of("mlp"), (models.LanguageModel, classes)
_WEIGHTS = torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64)
#: name: (model and inputs, loss, what becomes of the targets).
LOSSES = {
    "sum": (_MLP, nn.CrossEntropyLoss(reduction="sum"), None),
    "class weights": (_MLP, nn.CrossEntropyLoss(_WEIGHTS), None),
    "class weights, sum": (_MLP, nn.CrossEntropyLoss(_WEIGHTS, reduction="sum"), None),
    "label smoothing": (_MLP, nn.CrossEntropyLoss(label_smoothing=0.1), None),
    "ignore_index": (_MLP, nn.CrossEntropyLoss(), ignored),
    "probabilities": (_MLP, nn.CrossEntropyLoss(), probabilities),
    "tokens": (_LM, nn.CrossEntropyLoss(), None),
    "tokens, padded": (_LM, nn.CrossEntropyLoss(), padded),
    "tokens, padded, weights": (_LM, nn.CrossEntropyLoss(_WEIGHTS), padded),
    "tokens, padded, smoothing, sum": (
        _LM,
        nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.1),
        padded,
    ),
}
