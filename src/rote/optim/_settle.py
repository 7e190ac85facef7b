"""One parameter's robust gradient from what was seen of this backward pass, and whether to trust that."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rote.aggregate import Aggregate
from rote.errors import InputError
from rote.gradients._check import HALF_TOLERANCES, TOLERANCES
from rote.gradients._conv import Conv
from rote.gradients._rerun import NotPerExampleError, Replay, refuse_randomness, replay
from rote.gradients._rules import rule_for
from rote.gradients._sums import HALF, full_precision
from rote.gradients._tree import kept_buffers, map_tensors, tensors_of
from rote.gradients._units import RERUN_LAYER, RERUN_MODEL, Call, Unit
from rote.optim._layers import has_closed_form, robust_gradient
from rote.optim._rerun import rerun_gradient


class CutCall(Call):
    """A call whose layer's parameters were cut off, so that what autograd says of them leaves it out."""


@dataclass(eq=False)
class Seen:
    """The layers of a model and what arrived at them in this backward pass.

    Attributes:
        model: The model.
        parameters: Its trainable parameters.
        units: Its layers; ``calls`` are those whose output gradient has come.
        root: The model itself as a layer.
        keep: Whether gradients are to be checked in this pass.
        settled_any: Whether a parameter was settled in this pass.
        owners: The layers that each parameter belongs to.
        trusted: Layers, by identity, whose closed form passed the check with one call.
    """

    model: nn.Module
    parameters: dict[str, nn.Parameter]
    units: list[Unit]
    root: Unit
    keep: bool = True
    settled_any: bool = False
    owners: dict[str, list[Unit]] = field(default_factory=dict)
    trusted: set[int] = field(default_factory=set)
    _placeholders: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for unit in self.units:
            for name in unit.parameters:
                self.owners.setdefault(name, []).append(unit)
            if unit.rule is not None and not has_closed_form(unit.module):
                unit.rule, unit.route = None, RERUN_LAYER

    def trusts(self, unit: Unit) -> bool:
        """Whether a layer's parameters may be cut off in the forward pass."""
        return not self.keep and id(unit) in self.trusted

    def placeholder(self, unit: Unit, local: str) -> Tensor:
        """Zeros in the shape of a layer's parameter that take no memory."""
        p = unit.module._parameters[local]
        assert p is not None
        return self._placeholders.setdefault(id(p), p.detach().new_zeros(()).expand(p.shape))

    def is_placeholder(self, p: nn.Parameter, gradient: Tensor) -> bool:
        """Whether nothing but one cut call contributed to a gradient."""
        own = self._placeholders.get(id(p))
        return own is not None and own.data_ptr() == gradient.data_ptr()

    def sums(self, unit: Unit, x: Tensor, delta: Tensor, names: Sequence[str]) -> tuple[Tensor, ...]:
        """Plain gradients of a layer's parameters, summed over the examples."""
        rule = rule_for(unit.module)
        assert rule is not None
        found = rule.sums(unit.module, x, delta)
        return tuple(found[name].reshape(unit.module.get_parameter(name).shape) for name in names)


def settled(seen: Seen, name: str, gradient: Tensor, aggregate: Aggregate | None) -> Tensor | None:
    """The robust gradient of one parameter, in the dtype and layout of its ``gradient``.

    Args:
        seen: What was seen of this backward pass.
        name: The parameter.
        gradient: What autograd says; calls that were cut off are not in it.
        aggregate: What to make of the examples' gradients; ``None``: their sum.

    Returns:
        It, or ``None`` if the gradient may stay as it is.

    Raises:
        InputError: If there are too few examples, or they cannot be told apart.
    """
    units, p = seen.owners[name], seen.parameters[name]
    plain, check = gradient.detach().to_dense(), seen.keep
    cut = [call for unit in units for call in unit.calls if isinstance(call, CutCall)]
    wanted = aggregate is not None and not aggregate.plain
    if cut and (check or not wanted or not seen.is_placeholder(p, gradient)):
        check |= bool(plain.any())  # the parameter took part elsewhere, too
        for call in cut:
            delta = call.deltas[0]
            assert delta is not None
            plain = plain + seen.sums(units[0], call.args[0], delta, [_local(units[0], p)])[0]
    if aggregate is None or not wanted:
        return plain if cut else None
    m = _examples(seen, units)
    aggregate.check(m)
    seen.settled_any = True
    found = None
    if len(units) == 1 and len(units[0].calls) == 1 and units[0].rule is not None:
        found = _closed(seen, units[0], name, plain, m, aggregate, check=check)
    if found is None and all(u.route != RERUN_MODEL for u in units) and any(u.calls for u in units):
        found = _by_layers(seen, units, name, plain, m, aggregate, check=check)
    if found is None:
        found = _by_model(seen, units, name, plain, m, aggregate, check=check)
    found = found.to(gradient.dtype)
    return found.to_sparse(gradient.sparse_dim()) if gradient.is_sparse else found


def _examples(seen: Seen, units: Iterable[Unit]) -> int:
    """Examples in the batch: the length of the model's first input, or of the layer's."""
    for unit in (seen.root, *units):
        for call in unit.calls:
            first = call.args[0] if call.args else None
            for tensor in [first] if isinstance(first, Tensor) else tensors_of((call.args, call.kwargs)):
                if tensor.dim():
                    return len(tensor)
    raise InputError(
        "No layer of the model was seen in the forward pass of this backward pass: call the model itself, "
        "not a copy of it, and change no layer after the optimizer was made."
    )


def _closed(
    seen: Seen, unit: Unit, name: str, plain: Tensor, m: int, aggregate: Aggregate, *, check: bool
) -> Tensor | None:
    """By the layer's closed form; ``None`` where it does not account for the gradient."""
    (call,) = unit.calls
    x, delta = call.args[0], call.deltas[0]
    assert delta is not None
    if check:
        unit.examples_in = _layout(seen, unit, call, m)
    if unit.examples_in == 1:
        x, delta = x.transpose(0, 1), delta.transpose(0, 1)
    if unit.examples_in is None or len(x) != m or len(delta) != m:
        unit.give_up()
        return None
    half = x.dtype in HALF or delta.dtype in HALF
    x, delta = full_precision(x, delta)
    local = _local(unit, seen.parameters[name])
    if check:
        (total,) = seen.sums(unit, x, delta, [local])
        if not _agree(total, plain, half=half):
            unit.give_up()
            return None
        seen.trusted.add(id(unit))
    return robust_gradient(unit.module, local, x, delta, aggregate)


def _by_layers(
    seen: Seen, units: list[Unit], name: str, plain: Tensor, m: int, aggregate: Aggregate, *, check: bool
) -> Tensor | None:
    """By running the layers again that the parameter belongs to."""
    wanted = {id(seen.parameters[name]): name}
    try:
        if check:
            for unit in units:
                _refuse_other_layout(seen, unit, m)
        replays = [replay(unit.module, call, wanted, m) for unit in units for call in unit.calls]
        for unit in units:
            refuse_randomness(unit)
    except NotPerExampleError:
        found = None
    else:
        found, total = rerun_gradient(replays, name, m, aggregate)
        if check and not _agree(total, plain, half=_half(replays)):
            found = None
    if found is None:
        for unit in units:
            unit.give_up()
    return found


def _by_model(
    seen: Seen, units: list[Unit], name: str, plain: Tensor, m: int, aggregate: Aggregate, *, check: bool
) -> Tensor:
    """By running the whole model again."""
    for unit in units:
        unit.give_up()
    where = f"`{units[0].name or type(seen.model).__name__}` ({type(units[0].module).__name__})"
    try:
        if not seen.root.calls:
            raise NotPerExampleError("the model itself was not called")
        replays = [replay(seen.model, call, {id(seen.parameters[name]): name}, m) for call in seen.root.calls]
    except NotPerExampleError as error:
        raise InputError(
            f"`model`: the gradients of layer {where} cannot be told apart by example ({error}): call the "
            "model itself, with every input and output listing the examples in its first dimension."
        ) from None
    refuse_randomness(seen.root)
    found, total = rerun_gradient(replays, name, m, aggregate)
    if check and not _agree(total, plain, half=_half(replays)):
        raise InputError(
            f"`model`: what was seen of layer {where} does not add up to the gradient of `{name}`: the loss "
            "must reach it only through the outputs of the model (a penalty is the optimizer's "
            "weight_decay), and the forward pass must not be random."
        )
    return found


def _local(unit: Unit, parameter: nn.Parameter) -> str:
    return next(name for name, p in unit.module.named_parameters(recurse=False) if p is parameter)


def _half(replays: list[Replay]) -> bool:
    return any(t.dtype in HALF for r in replays for t in (*tensors_of((r.args, r.kwargs)), *r.deltas))


def _agree(total: Tensor, plain: Tensor, *, half: bool) -> bool:
    """Whether the examples' gradients sum to the gradient, within rounding; what is not finite passes."""
    relative, absolute = HALF_TOLERANCES if half else TOLERANCES.get(plain.dtype, HALF_TOLERANCES)
    size = float(plain.norm())
    difference = float((total.to(plain.dtype) - plain).norm())
    return not difference > relative * size + absolute  # nan agrees: it goes on to p.grad


def _layout(seen: Seen, unit: Unit, call: Call, m: int) -> int | None:
    """In which dimension a closed-form layer lists the examples; ``None``: in neither of the first two."""
    x = call.args[0]
    fits = [d for d in (0, 1) if x.dim() > d and x.shape[d] == m]
    if isinstance(unit.module, Conv) or not fits:
        return 0 if fits == [0] or len(x) == m else None
    if (fits == [0] and x.dim() > 1) or m == 1:
        return fits[0]
    shapes = _without_last(seen, unit, m)
    if shapes is None:
        return fits[0]
    return next((d for d in fits if shapes[0][d : d + 1] == (m - 1,)), None)


def _refuse_other_layout(seen: Seen, unit: Unit, m: int) -> None:
    """Raise if a square input of a layer that is to be run again does not list the examples first."""
    if isinstance(unit.module, (nn.RNNBase, nn.MultiheadAttention)) or m == 1 or unit is seen.root:
        return
    inputs = [tensors_of((call.args, call.kwargs)) for call in unit.calls]
    square = [
        i for i, t in enumerate(inputs[0] if inputs else []) if t.dim() > 1 and t.shape[0] == t.shape[1] == m
    ]
    shapes = _without_last(seen, unit, m) if square else None
    if shapes is not None and any(len(shapes) <= i or shapes[i][0] != m - 1 for i in square):
        raise NotPerExampleError("its examples are not in the first dimension")


def _without_last(seen: Seen, unit: Unit, m: int) -> list[tuple[int, ...]] | None:
    """Shapes of a layer's inputs when the model is run without the last of its m examples, if it can be."""
    if not seen.root.calls:
        return None
    found: list[list[tuple[int, ...]]] = []

    def recorder(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.append([tuple(t.shape) for t in tensors_of((args, kwargs))])

    def shorter(t: Tensor) -> Tensor:
        return t[: m - 1] if t.dim() and len(t) == m else t

    handle = unit.module.register_forward_pre_hook(recorder, with_kwargs=True)
    devices = sorted({p.device.index or 0 for p in seen.parameters.values() if p.is_cuda})
    call = seen.root.calls[0]
    try:
        with kept_buffers(seen.model), torch.random.fork_rng(devices=devices), torch.no_grad():
            args, kwargs = map_tensors((call.args, call.kwargs), shorter)
            seen.model(*args, **kwargs)
    except Exception:  # whatever a model may say of a batch that is shorter
        return None
    finally:
        handle.remove()
    return found[0] if found else None
