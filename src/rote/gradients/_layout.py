"""In which dimension a layer lists the examples: the first, or, inside sequence-first models, the second."""

from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients._capture import Capture
from rote.gradients._sums import full_precision
from rote.gradients._tree import kept_buffers, map_tensors
from rote.gradients._units import Unit
from rote.gradients._weighing import weigh


def settle_layout(capture: Capture, units: list[Unit], m: int) -> bool:
    """Find out where these closed-form layers list the m examples, and take their norms accordingly.

    The model is run forward without its last example: the dimension of a layer's input that becomes shorter
    is that of the examples. Random numbers and buffers are put back.

    Args:
        capture: What the hooks saw of a batch that is checked.
        units: Closed forms, called once; of those in doubt the input is kept.
        m: Examples in the batch, at least 2.

    Returns:
        Whether it could be found out; ``False`` where the model cannot be run on fewer examples.
    """
    shapes = _shapes_without_last(capture, units, m)
    if shapes is None:
        return False
    for unit in units:
        if unit.alike or unit.name not in shapes or unit.examples_in is None:
            continue  # not called with fewer examples, or for all of them at once
        short = shapes[unit.name]
        if not unit.doubtful:
            if len(short) <= unit.examples_in or short[unit.examples_in] != m - 1:
                unit.give_up()
            continue
        pairs = list(zip(unit.calls[0].args[0].shape, short, strict=False))[:2]
        found = next((d for d, pair in enumerate(pairs) if pair == (m, m - 1)), None)
        if found is None:
            unit.give_up()
        elif found != unit.examples_in:
            unit.examples_in = found
            take_norms(unit)
    return True


def take_norms(unit: Unit) -> None:
    """The norms of a closed-form layer from its one call, whose input and output gradient were kept."""
    (call,) = unit.calls
    delta = call.deltas[0]
    assert unit.rule is not None
    assert delta is not None
    x, delta = full_precision(*unit.examples_first(call.args[0], delta))
    unit.norms = unit.rule.norms(unit.module, x, delta)
    weigh(unit, x, delta)


def _shapes_without_last(capture: Capture, units: list[Unit], m: int) -> dict[str, torch.Size] | None:
    """Shape of each layer's first input when the model is run without the last of the m examples."""
    calls = capture.root.arrived()
    if not calls:
        return None
    shapes: dict[str, torch.Size] = {}

    def recorder(name: str) -> Any:  # noqa: ANN401
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            shapes.setdefault(name, (args[0] if args else kwargs["input"]).shape)

        return hook

    def shorter(t: Tensor) -> Tensor:
        return t[: m - 1] if t.dim() and len(t) == m else t

    def without_heads(t: Tensor) -> Tensor:  # a mask for each head of each example
        return t[: -(len(t) // m)] if t.dim() > 2 and len(t) % m == 0 else shorter(t)

    handles = [u.module.register_forward_pre_hook(recorder(u.name), with_kwargs=True) for u in units]
    devices = sorted({p.device.index or 0 for p in capture.parameters.values() if p.is_cuda})
    try:
        for shorten in (shorter, without_heads):
            shapes.clear()
            try:
                with kept_buffers(capture.model), torch.random.fork_rng(devices=devices), torch.no_grad():
                    args, kwargs = map_tensors((calls[0].args, calls[0].kwargs), shorten)
                    capture.model(*args, **kwargs)
            except Exception:  # whatever a model may say of a batch that is shorter
                continue
            return shapes
    finally:
        for handle in handles:
            handle.remove()
    return None
