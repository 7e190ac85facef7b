"""The self-check: is what was captured of a layer really all of its gradient?

Weights used outside their module (``F.linear(h, embedding.weight)``), or examples that are not in the first
dimension, leave no trace in a hook. So on the first batch, and on request, two facts are tested: the gradient
implied by a layer's captured calls equals the one that autograd gave its parameters, and, where the first
dimension might be another one of the same length, single examples agree with a run of the whole model.
"""

import math

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._layout import settle_layout
from rote.gradients._rerun import (
    Replay,
    mixed_precision,
    model_replays,
    per_example_gradients,
    replay,
    sum_of_gradients,
    wanted_by_id,
)
from rote.gradients._sums import sketch
from rote.gradients._tree import tensors_of
from rote.gradients._units import RERUN_MODEL, Unit

#: Relative to a layer's gradient, and to the gradient of the whole model; looser for half precision.
TOLERANCES = {torch.float64: (1e-8, 1e-12), torch.float32: (1e-3, 1e-5)}
HALF_TOLERANCES = (0.05, 0.01)


def distrust_sums(capture: Capture) -> None:
    """Leave to the whole model every layer whose calls do not add up to its parameters' gradients."""
    replays = [
        replay(unit.module, call, wanted_by_id(capture, unit.parameters), 0, lenient=True)
        for unit in capture.units
        if unit.route != RERUN_MODEL and unit.implied is None
        for call in unit.arrived()
    ]
    known = {name: s for unit in capture.units for name, s in (unit.implied or {}).items()}
    wrong = _mismatches(capture, replays, known)
    for unit in capture.units:
        if any(name in wrong for name in unit.parameters):
            unit.give_up()


def check_model_sums(capture: Capture, units: list[Unit], replays: list[Replay]) -> None:
    """Raise if even the rerun of the whole model does not give these units' gradients."""
    wrong = _mismatches(capture, replays, {})
    for unit in units:
        for name in unit.parameters:
            if name in wrong:
                raise InputError(
                    "`model`: what was captured of layer "
                    f"`{unit.name or type(unit.module).__name__}` does not add up to the gradient of "
                    f"`{name}`: the loss must reach it only through the outputs of the model, the "
                    "forward pass must not be random, and what replaces gradients (rote.optim) must come "
                    "after `watch`."
                )


def distrust_layout(capture: Capture, units: list[Unit], m: int) -> bool:
    """Settle in which dimension layers list the examples where the batch cannot be run again as it was.

    A closed form is settled by its input's shape without the last example. Other layers, where a second
    dimension is as long as the first, have their first and last example compared with a rerun of the model,
    and are left to it if they differ. Where neither can be done the first dimension is believed.

    Args:
        capture: What the hooks saw.
        units: Layers whose norms are known.
        m: Examples in the batch, at least 2.

    Returns:
        Whether some layer is to be settled anew.
    """
    units = [u for u in units if u is not capture.root]
    closed = [u for u in units if u.rule is not None]
    settle_layout(capture, closed, m)
    found = any(u.norms is None for u in closed)
    doubtful = [u for u in units if u.rule is None and u.norms is not None and _ambiguous(u, m)]
    if not doubtful:
        return found
    try:
        replays = model_replays(capture, doubtful, m)
    except InputError:
        return found
    ends = [next(per_example_gradients(replays, stop, start=stop - 1)) for stop in (1, m)]
    for unit in doubtful:
        assert unit.norms is not None
        for gradients, norm in zip(ends, (unit.norms[0], unit.norms[-1]), strict=True):
            expected = sum(float(gradients[name].square().sum()) for name in unit.parameters)
            if abs(expected - float(norm)) > 0.05 * expected + 1e-5 * float(unit.norms.max()):
                unit.give_up()
                found = True
                break
    return found


def _ambiguous(unit: Unit, m: int) -> bool:
    if isinstance(unit.module, (nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention)):
        return False
    return any(
        t.dim() > 1 and t.shape[0] == m and t.shape[1] == m
        for call in unit.arrived()
        for t in (*tensors_of((call.args, call.kwargs)), *(d for d in call.deltas if d is not None))
    )


def _sketches(r: Replay) -> dict[str, Tensor]:
    """Sketches of the gradients that a replay gives; for a Linear without forming its gradient."""
    computed = not set(r.local.values()) <= {"weight", "bias"}  # as by weight_norm
    if type(r.module) is not nn.Linear or computed or mixed_precision(r) is not None:
        return {name: sketch(gradient) for name, gradient in sum_of_gradients(r).items()}
    (x, *_), delta = tensors_of((r.args, r.kwargs)), r.deltas[0]
    x, delta = x.reshape(-1, x.shape[-1]), delta.reshape(-1, delta.shape[-1])
    values = {"weight": delta.t() @ sketch(x), "bias": delta.sum(0)}
    return {name: values[local] for name, local in r.local.items()}


def _mismatches(capture: Capture, replays: list[Replay], known: dict[str, Tensor]) -> set[str]:
    """Parameters whose gradient neither replays nor ``known`` sketches give, within rounding."""
    implied = dict(known)
    for r in replays:
        for name, part in _sketches(r).items():
            implied[name] = implied[name] + part if name in implied else part
    whole = sum(norm**2 for _, norm in capture.sketches.values()) ** 0.5
    wrong = set()
    half = any(mixed_precision(r) is not None for r in replays) or capture.half
    norms = {name: n for unit in capture.units for name, n in unit.implied_norms.items()}
    for name, (expected, norm) in capture.sketches.items():
        relative, absolute = TOLERANCES.get(expected.dtype, HALF_TOLERANCES) if not half else HALF_TOLERANCES
        if name in norms:
            if math.isfinite(whole) and abs(norms[name] - norm) > relative * norm + absolute * whole:
                wrong.add(name)
            continue
        if name not in implied:
            wrong.update([name] if norm > 0 else [])
            continue
        difference = float((implied[name] - expected).norm())
        # A gradient that is not finite is reported elsewhere, with its example.
        if math.isfinite(whole) and difference > relative * float(expected.norm()) + absolute * whole:
            wrong.add(name)
    return wrong
