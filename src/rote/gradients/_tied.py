"""Closed form of a weight that Embeddings and Linear layers share, as the head of a language model does.

With ids, δe at the rows looked up, x and δl at the products, the gradient of an example's part is
``Σ_t 1[id_t] ⊗ δe_t + Σ_s δl_s ⊗ x_s``, and its squared norm the two parts' own and twice
``Σ_ts δl_s[id_t] (δe_t · x_s)``: no gradient as large as the vocabulary is formed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rote.gradients._bags import lookup_norms
from rote.gradients._products import product_norms, row_norms
from rote.gradients._sums import HALF, full_precision, sketch
from rote.gradients._units import RERUN_LAYER, Unit
from rote.gradients._weighing import weighed

if TYPE_CHECKING:
    from rote.gradients._capture import Capture

TIED = "tied"
_KINDS = (nn.Embedding, nn.Linear)
#: Of each call: the unit, its input (``[m, T]`` or ``[m, T, d]``), and the gradient at its output.
Seen = list[tuple[Unit, Tensor, Tensor]]


def tied_norms(looked: list[tuple[Tensor, Tensor]], multiplied: list[tuple[Tensor, Tensor]]) -> Tensor:
    """``‖g_i‖²`` of the shared weight, shape ``[m]``.

    Args:
        looked: Ids ``[m, T]`` and gradients at the rows looked up ``[m, T, d]``, call by call.
        multiplied: Inputs ``[m, S, d]`` and gradients at the products ``[m, S, V]``, call by call.

    Example:
        >>> looked = [(torch.tensor([[1]]), torch.tensor([[[2.0, 0.0]]]))]
        >>> multiplied = [(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[0.0, 3.0]]]))]
        >>> tied_norms(looked, multiplied)  # of [[0, 0], [2 + 3, 3]]
        tensor([34.])
    """
    x, delta = (_joined(part) for part in zip(*multiplied, strict=True)) if multiplied else (None, None)
    ids, rows = (_joined(part) for part in zip(*looked, strict=True)) if looked else (None, None)
    if ids is None or rows is None:
        assert x is not None
        assert delta is not None
        return product_norms(delta, x)
    if x is None or delta is None:
        return lookup_norms(ids, rows, int(ids.max()) + 1)
    places = ids.unsqueeze(1).expand(-1, delta.shape[1], -1)
    cross = (delta.gather(2, places) * torch.bmm(x, rows.transpose(1, 2))).flatten(1).sum(1)
    return lookup_norms(ids, rows, delta.shape[2]) + product_norms(delta, x) + 2 * cross


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """The calls' positions in one row; a single call, whose logits may be large, is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), 1)


def take_tied(capture: "Capture", m: int) -> None:
    """Norms of Embeddings and Linear layers that share their weight; the others are left to be run again."""
    groups: dict[str, list[Unit]] = {}
    for unit in capture.units:
        if unit.rule is not None or unit.norms is not None or type(unit.module) not in _KINDS:
            continue
        if unit.route in (RERUN_LAYER, TIED):
            unit.route = RERUN_LAYER
            weight = unit.module._parameters.get("weight")
            for name in unit.parameters:
                if capture.parameters[name] is weight:
                    groups.setdefault(name, []).append(unit)
    if not groups:
        return
    owners = Counter(name for unit in capture.units for name in unit.parameters)
    for name, units in groups.items():
        others = [n for unit in units for n in unit.parameters if n != name]
        if owners[name] == len(units) > 1 and all(owners[n] == 1 for n in others):
            seen = _seen(units, m)
            if seen:
                _take(capture, name, units, seen)


def _seen(units: list[Unit], m: int) -> Seen | None:
    """What the backward pass reached, examples first; ``None`` where a call does not list them."""
    seen: Seen = []
    for unit in units:
        for call in unit.arrived():
            x, delta = call.args[0] if call.args else call.kwargs["input"], call.deltas[0]
            assert delta is not None
            looks = isinstance(unit.module, nn.Embedding)
            if x.dim() < (1 if looks else 2) or len(x) != m or not x.numel():
                return None
            x, delta = full_precision(x.reshape(m, -1) if looks else x.reshape(m, -1, x.shape[-1]), delta)
            seen.append((unit, x, delta.reshape(m, -1, delta.shape[-1])))
    return seen


def _take(capture: "Capture", name: str, units: list[Unit], seen: Seen) -> None:
    looked, multiplied = [], []
    for place, (unit, x, delta) in enumerate(seen):
        if isinstance(unit.module, nn.Embedding):
            if unit.module.padding_idx is not None:
                delta = delta.masked_fill((x == unit.module.padding_idx).unsqueeze(2), 0.0)
                seen[place] = unit, x, delta
            looked.append((x, delta))
        else:
            multiplied.append((x, delta))
    total = tied_norms(looked, multiplied)
    biases = {unit: [n for n in unit.parameters if n != name] for unit in units}
    for unit in units:
        unit.route = TIED
        unit.norms = total if unit is units[0] else torch.zeros_like(total)
        came = [delta.sum(1) for owner, _, delta in seen if owner is unit and biases[unit]]
        if came:
            unit.norms = unit.norms + row_norms(torch.stack(came).sum(0))
    if capture.keep or not all(unit.checked for unit in units):
        deltas = (d for unit in units for call in unit.arrived() for d in call.deltas if d is not None)
        capture.half |= any(delta.dtype in HALF for delta in deltas)
        rows = len(capture.parameters[name])
        sums = _sketches(name, biases, seen, rows, lambda delta: delta)
        by_weight = _sketches(name, biases, seen, rows, weighed)
        for unit in units:
            # The sum over the calls is noted once; the check by example wants it of each owner.
            unit.implied = {n: sums[n] for n in unit.parameters if n != name or unit is units[0]}
            unit.weighed = {n: by_weight[n] for n in unit.parameters}


def _sketches(
    name: str, biases: dict[Unit, list[str]], seen: Seen, rows: int, scale: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Sketches of the gradients summed over the examples and calls, each δ scaled, by parameter."""
    like = seen[0][2]
    found = {name: like.new_zeros(rows)} | {n: like.new_zeros(rows) for own in biases.values() for n in own}
    for unit, x, delta in seen:
        flat = scale(delta).flatten(0, 1)
        if isinstance(unit.module, nn.Embedding):
            found[name].index_add_(0, x.flatten(), sketch(flat))
        else:
            found[name] += flat.t() @ sketch(x.flatten(0, 1))
        for bias in biases[unit]:
            found[bias] += flat.sum(0)
    return found
