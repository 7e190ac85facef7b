"""Which calls of recurrent layers are taken by their closed form, and what is kept of them for it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rote.gradients._broadcast import searchable
from rote.gradients._hooks import general_hook
from rote.gradients._recurrent import RECURRENT, pass_norms, pass_sketches, passes
from rote.gradients._sums import HALF
from rote.gradients._tree import tensors_of
from rote.gradients._units import RERUN_LAYER, RERUN_MODEL, Call, Unit
from rote.gradients._weighing import weighed

if TYPE_CHECKING:
    from rote.gradients._capture import Capture

KINDS = (nn.LSTM, nn.GRU, nn.RNN)


def recurrent_hook(capture: "Capture", unit: Unit) -> Callable[..., None]:
    """Keeps inputs, output and dropout; where the closed form does not serve, the layer is run again."""
    general = general_hook(capture, unit)

    def hook(module: nn.RNNBase, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:  # noqa: ANN401
        known = len(unit.calls)
        general(module, args, kwargs, output)
        x = args[0] if args else kwargs["input"]
        if len(unit.calls) == known or unit.route == RERUN_MODEL or not _serves(module, x):
            return
        masks: list[Tensor] | None = []
        if module.training and module.dropout > 0 and module.num_layers > 1:
            masks = dropout_masks(module, output[0], tensors_of((args, kwargs))) if searchable() else None
        if masks is not None:
            out = output[0].detach()
            unit.calls[-1].kept = (out, out._version, masks)

    return hook


def take_recurrent(capture: "Capture", m: int) -> None:
    """Norms of the recurrent layers called once; the others are left to be run again."""
    units = [unit for unit in capture.units if type(unit.module) in KINDS and unit.norms is None]
    if not units:
        return
    owners = Counter(name for unit in capture.units for name in unit.parameters)
    for unit in units:
        if unit.route not in (RERUN_LAYER, RECURRENT):
            continue
        unit.route = RERUN_LAYER
        calls = unit.arrived()
        if len(calls) == 1 and all(owners[name] == 1 for name in unit.parameters):
            _take(capture, unit, calls[0], m)


def _take(capture: "Capture", unit: Unit, call: Call, m: int) -> None:
    module = unit.module
    assert isinstance(module, nn.RNNBase)
    local = {name.rpartition(".")[2]: name for name in unit.parameters}
    deltas = [d for d in call.deltas if d is not None]
    x: Tensor = call.args[0] if call.args else call.kwargs["input"]
    if (
        call.kept is None
        or len(local) < sum(p is not None and p.requires_grad for p in module._parameters.values())
        or any(d.dtype != x.dtype for d in deltas)
        or x.shape[0 if module.batch_first else 1] != m
    ):
        return
    out, version, masks = call.kept
    known = out if out._version == version else None  # changed in place since
    hx = call.args[1] if len(call.args) > 1 else call.kwargs.get("hx")
    norms, implied, sums = x.new_zeros(m), {}, {}
    study = capture.keep or not unit.checked
    with torch.no_grad():
        for taken in passes(module, x, tuple(tensors_of(hx)), known, call.deltas, masks):
            norms += pass_norms(taken, set(local))
            if study:
                implied.update(pass_sketches(taken, set(local)))
                sums.update(pass_sketches(taken, set(local), partial(weighed, dim=1)))
    unit.norms, unit.route = norms, RECURRENT
    if study:
        unit.implied = {local[name]: s for name, s in implied.items()}
        unit.weighed = {local[name]: s for name, s in sums.items()}


def dropout_masks(module: nn.RNNBase, output: Tensor, inputs: list[Tensor]) -> list[Tensor] | None:
    """What dropout multiplied the layers' outputs with, first layer first; ``None`` where it is hidden.

    Each layer is reached from the output only through the dropout behind it, so they are met in their order.
    """
    stops = {t.grad_fn for t in inputs if t.grad_fn is not None}
    left, seen, found = [output.grad_fn], set(stops), []
    while left:
        node: Any = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "MulBackward0" and len(node._input_metadata[0].shape) == 3:
            mask = node._saved_other if node._saved_self is None else None
            if mask is None:
                return None
            found.append(mask.detach())
        left += [following for following, _ in node.next_functions]
    return found[::-1] if len(found) == module.num_layers - 1 else None


def _serves(module: nn.RNNBase, x: object) -> bool:
    """Whether the closed form knows such a call: stock weights, no packed batch, full precision."""
    names = {name for names in module._all_weights for name in names}
    return (
        isinstance(x, Tensor)
        and x.dim() == 3
        and x.numel() > 0
        and x.dtype not in HALF
        and x.dtype == module.weight_ih_l0.dtype
        and not torch.is_autocast_enabled(x.device.type)
        and module._parameters.keys() <= names
    )
