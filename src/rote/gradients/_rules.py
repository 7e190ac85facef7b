"""Closed forms: one layer's per-example squared gradient norms from its input and its output gradient.

Letters: m examples, T positions (time steps, pixels), d inputs, p outputs of a layer, x its input, δ the
gradient of the loss at its output. No rule holds examples × parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from rote.gradients._bags import bag_norms, bag_sums, embedding_norms, embedding_sums
from rote.gradients._conv import Conv, conv_gram, conv_loop, conv_norms, gram_share, weight_gradient
from rote.gradients._normalisation import BATCH_NORMS, INSTANCE_NORMS, affine_norms, affine_sums
from rote.gradients._products import (
    gram_norms,
    product_batches,
    product_loop,
    product_norms,
    row_norms,
)
from rote.gradients._tree import trainable

Sums = dict[str, Tensor]
#: ``(module, x, δ)`` → norms ``[m]`` and the gradient of the weight, summed over the examples.
Fused = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Rule:
    """The closed form of one type of layer.

    Attributes:
        way: Its name for the coverage table.
        norms: ``(module, x, δ)`` → ``‖g_i‖²`` of all the layer's trainable parameters, shape ``[m]``.
        sums: ``(module, x, δ)`` → by parameter, the gradient summed over the examples, as autograd has it.
        fused: ``(module, x, δ)`` → the ways worth trying to get the norms and the gradient of the weight at
            once (without those of the bias); none where autograd's own gradient is as cheap.
    """

    way: str
    norms: Callable[[nn.Module, Tensor, Tensor], Tensor]
    sums: Callable[[nn.Module, Tensor, Tensor], Sums]
    fused: Callable[[nn.Module, Tensor, Tensor], dict[str, Fused]] | None = None


def rule_for(module: nn.Module) -> Rule | None:
    """The closed form for exactly this type, or ``None``.

    Subclasses may compute something else, so only the stock types (and their lazy twins, which become
    them) have rules.

    Example:
        >>> rule_for(nn.Linear(2, 2)).way, rule_for(nn.Bilinear(2, 2, 2))
        ('linear', None)
    """
    if isinstance(module, nn.EmbeddingBag) and module.mode == "max":
        return None
    if not module._parameters.keys() <= {"weight", "bias"}:  # the weight is computed, as weight_norm does
        return None
    kind = type(module)
    if (kind.__module__, kind.__name__) == ("transformers.pytorch_utils", "Conv1D"):
        return _TRANSPOSED_LINEAR
    return _RULES.get(kind)


def wanted_dims(module: nn.Module) -> tuple[int, int]:
    """Fewest and most dimensions of an input that lists examples in front of what the layer works on.

    Example:
        >>> wanted_dims(nn.Conv2d(1, 1, 1)), wanted_dims(nn.Linear(1, 1))[0]
        ((4, 4), 2)
    """
    if isinstance(module, (*_CONVS, *_TRANSPOSED)):
        return len(module.kernel_size) + 2, len(module.kernel_size) + 2
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return len(module.normalized_shape) + 1, 99
    if isinstance(module, INSTANCE_NORMS):
        return (3 + INSTANCE_NORMS.index(type(module)),) * 2
    return 1 if isinstance(module, nn.Embedding) else 2, 99


def may_be_second(module: nn.Module, x: Tensor) -> bool:
    """Whether the layer works in the same way when its input lists the examples in the second dimension.

    Example:
        >>> from torch import ones
        >>> may_be_second(nn.Linear(2, 2), ones(5, 3, 2)), may_be_second(nn.Linear(2, 2), ones(5, 2))
        (True, False)
    """
    if isinstance(module, (Conv, nn.EmbeddingBag, nn.GroupNorm, *BATCH_NORMS, *INSTANCE_NORMS)):
        return False
    return x.dim() > wanted_dims(module)[0]


def coupling(module: nn.Module) -> str | None:
    """Why single examples have no gradient of their own in this module as it is now, or ``None``.

    Example:
        >>> coupling(nn.BatchNorm1d(3)), coupling(nn.BatchNorm1d(3).eval())
        ('takes statistics over the batch', None)
    """
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, INSTANCE_NORMS):
        if module.training or module.running_mean is None:
            return "takes statistics over the batch"
    elif isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.scale_grad_by_freq:
        return "divides by how often the batch names a row"
    return None


def fused_norms(module: nn.Module, x: Tensor, delta: Tensor, way: Fused) -> tuple[Tensor, Sums]:
    """Norms ``[m]`` and gradients, by parameter, of a layer whose weight is trained, by one fused way."""
    norms, weight = way(module, x, delta)
    if not trainable(module, "bias"):
        return norms, {"weight": weight}
    bias = _bias_rows(module, delta)
    return norms + row_norms(bias), {"weight": weight, "bias": bias.sum(0)}


def _bias_rows(module: nn.Module, delta: Tensor) -> Tensor:
    """Each example's gradient of the bias, ``[m, p]``."""
    if isinstance(module, Conv):
        return delta.flatten(2).sum(2)
    return delta.flatten(1, -2).sum(1) if delta.dim() > 2 else delta


def _linear_norms(module: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    """``‖δᵀx‖² + ‖Σ_t δ_t‖²`` → ``[m]``; one position: ``‖δ‖²(‖x‖²+1)`` (Goodfellow, arXiv 1510.01799)."""
    weight, bias = trainable(module, "weight"), trainable(module, "bias")
    if x.dim() == 2:
        d2 = row_norms(delta)
        if not weight:
            return d2
        x2 = row_norms(x)
        return d2.addcmul_(d2, x2) if bias else d2.mul_(x2)
    x, delta = x.flatten(1, -2), delta.flatten(1, -2)
    total = product_norms(delta, x) if weight else delta.new_zeros(len(delta))
    return total + row_norms(delta.sum(1)) if bias else total


def _linear_sums(module: nn.Module, x: Tensor, delta: Tensor) -> Sums:
    rows = delta.reshape(-1, delta.shape[-1])
    return {"weight": rows.t() @ x.reshape(-1, x.shape[-1]), "bias": rows.sum(0)}


def _transposed_sums(module: nn.Module, x: Tensor, delta: Tensor) -> Sums:
    rows = delta.reshape(-1, delta.shape[-1])
    return {"weight": x.reshape(-1, x.shape[-1]).t() @ rows, "bias": rows.sum(0)}


def _linear_fused(
    module: nn.Module, x: Tensor, delta: Tensor, *, transposed: bool = False
) -> dict[str, Fused]:
    if x.dim() == 2 or not trainable(module, "weight"):
        return {}

    def flat(take: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Fused:
        def way(module: nn.Module, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
            pair = delta.flatten(1, -2), x.flatten(1, -2)
            return take(*(reversed(pair) if transposed else pair))

        return way

    def gram(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        return gram_norms(left, right), left.flatten(0, 1).t() @ right.flatten(0, 1)

    t, d, p = x[0, ..., 0].numel(), x.shape[-1], delta.shape[-1]
    ways = {"one at a time": flat(partial(product_loop, total=True))}
    if t * (d + p) < 2 * d * p:
        ways["Gram"] = flat(gram)
    if delta.is_cuda:
        ways["batched"] = flat(product_batches)
    return ways


def _conv_norms(module: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    assert isinstance(module, Conv)
    total = conv_norms(module, x, delta) if trainable(module, "weight") else delta.new_zeros(len(delta))
    return total + row_norms(_bias_rows(module, delta)) if trainable(module, "bias") else total


def _conv_sums(module: nn.Module, x: Tensor, delta: Tensor) -> Sums:
    assert isinstance(module, Conv)
    return {"weight": weight_gradient(module, x, delta), "bias": _bias_rows(module, delta).sum(0)}


def _conv_fused(module: nn.Module, x: Tensor, delta: Tensor) -> dict[str, Fused]:
    assert isinstance(module, Conv)
    if not trainable(module, "weight"):
        return {}
    ways: dict[str, Fused] = {"one at a time": _conv_one_at_a_time}
    if gram_share(module, x, delta) < 1.5:
        ways["Gram"] = _conv_by_gram
    return ways


def _conv_one_at_a_time(module: nn.Module, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(module, Conv)
    return conv_loop(module, x, delta, total=True)


def _conv_by_gram(module: nn.Module, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(module, Conv)
    return conv_gram(module, x, delta), weight_gradient(module, x, delta)


_LINEAR = Rule("linear", _linear_norms, _linear_sums, _linear_fused)
#: GPT-2's linear layer of the transformers library, whose weight is stored as ``[d, p]``.
_TRANSPOSED_LINEAR = Rule("linear", _linear_norms, _transposed_sums, partial(_linear_fused, transposed=True))
_CONVOLUTION = Rule("convolution", _conv_norms, _conv_sums, _conv_fused)
_NORM = Rule("norm", affine_norms, affine_sums)
_RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _LINEAR,
    **dict.fromkeys((*_CONVS, *_TRANSPOSED), _CONVOLUTION),
    **dict.fromkeys((nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, *INSTANCE_NORMS, *BATCH_NORMS), _NORM),
    nn.Embedding: Rule("embedding", embedding_norms, embedding_sums),
    nn.EmbeddingBag: Rule("embedding bag", bag_norms, bag_sums),
}
