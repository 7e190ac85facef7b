"""From what the hooks saw of one backward pass to the squared norms of every example, layer by layer."""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._attention import ATTENTION
from rote.gradients._broadcast import BROADCAST
from rote.gradients._capture import Capture
from rote.gradients._check import check_model_sums, distrust_sums
from rote.gradients._examples import check_examples
from rote.gradients._products import row_norms
from rote.gradients._recurrent_calls import take_recurrent
from rote.gradients._rerun import (
    NotPerExampleError,
    Replay,
    model_replays,
    per_example_gradients,
    refuse_randomness,
    replay,
    wanted_by_id,
)
from rote.gradients._sums import full_precision, sketch
from rote.gradients._tied import take_tied
from rote.gradients._tree import tensors_of
from rote.gradients._units import RERUN_LAYER, RERUN_MODEL, Unit
from rote.gradients._weighing import weigh, weights


def settle(capture: Capture, reached: Collection[str]) -> list[Tensor]:
    """Squared norms ``‖g_i‖²`` of each unit's parameters, a list of ``[m]`` by reported layer.

    While ``capture.keep``, each layer is checked first (see :mod:`rote.gradients._check`); a layer that
    fails is taken from a rerun of the whole model, from then on.

    Args:
        capture: What the hooks saw.
        reached: Names of the parameters whose gradient came.

    Raises:
        InputError: If some layer's examples cannot be told apart; the sentence names it.
    """
    capture.paused = True
    try:
        m = batch_size(capture)
        take_recurrent(capture, m)
        take_tied(capture, m)
        if capture.keep:
            distrust_sums(capture)
        _settle_units(capture, reached, m)
        check_examples(capture, reached, m, lambda: _settle_units(capture, reached, m))
    finally:
        capture.paused = False
    return [unit.norms for unit in capture.units if unit.counted and unit.norms is not None]


def batch_size(capture: Capture) -> int:
    """Examples in the batch: the first dimension of the model's first input, or of the first layer's."""
    if capture.root.norms is None and capture.root.arrived() and (m := capture.examples()) is not None:
        return m
    for unit in (capture.root, *capture.units):
        if unit.norms is not None:
            return len(unit.norms)
        for call in unit.arrived():
            first = call.args[0] if call.args else None
            for tensor in [first] if isinstance(first, Tensor) else tensors_of((call.args, call.kwargs)):
                if tensor.dim():
                    return len(tensor)
    raise InputError(
        "No watched layer was called in the forward pass of this backward pass: call the watched model "
        "itself, not a copy of it, and not under torch.no_grad()."
    )


def _settle_units(capture: Capture, reached: Collection[str], m: int) -> None:
    layers: list[Unit] = []
    for unit in capture.units:
        if unit.norms is not None and len(unit.calls) == 1 and len(unit.norms) == m:
            continue
        if not any(name in reached for name in unit.parameters):
            own = capture.parameters[unit.parameters[0]]
            (unit.norms,) = full_precision(own.new_zeros(m))
        elif unit.rule is not None:
            arrived = unit.arrived()
            if unit.alike and not capture.keep and any(not call.broadcast for call in arrived):
                unit.give_up()  # where its rows meet the examples could not be seen this time
                continue
            if unit.norms is None and len(arrived) == 1 and arrived[0].deltas[0] is not None:
                x, delta = unit.examples_first(arrived[0].args[0], arrived[0].deltas[0])
                seen = full_precision(x, delta)
                unit.norms = unit.rule.norms(unit.module, *seen)
                if capture.weighs(unit):
                    weigh(unit, *seen)
            if len(arrived) > 1 and not isinstance(unit.module, nn.EmbeddingBag):
                layers.append(unit)
            elif unit.norms is None or len(unit.norms) != m:
                unit.give_up()
        elif unit.route in (RERUN_LAYER, ATTENTION, BROADCAST) and (
            unit.norms is None or len(unit.norms) != m
        ):
            unit.norms = None
            layers.append(unit)
    if not layers and all(unit.norms is not None for unit in capture.units):
        return
    given_up = [unit for unit in capture.units if unit.route == RERUN_MODEL and unit.norms is None]
    for group in _sharing([*layers, *given_up]):
        _rerun_layers(capture, group, m)
    left = [unit for unit in capture.units if unit.norms is None]
    if left:
        _rerun_model(capture, left, m)


def _rerun_layers(capture: Capture, group: list[Unit], m: int) -> None:
    """Rerun layers that share parameters; where examples cannot be told apart, leave it to the model."""
    try:
        if any(unit.route == RERUN_MODEL or not unit.arrived() for unit in group):
            raise NotPerExampleError("not called as a module")
        replays = [
            replay(unit.module, call, wanted_by_id(capture, unit.parameters), m)
            for unit in group
            for call in unit.arrived()
        ]
    except NotPerExampleError:
        for unit in group:
            unit.give_up()
        return
    for unit in group:
        refuse_randomness(unit)
        unit.route = RERUN_LAYER if unit.rule is None else unit.route
    _norms_of(capture, group, replays, m)


def _rerun_model(capture: Capture, units: list[Unit], m: int) -> None:
    """Rerun the whole model for the parameters of these units."""
    replays = model_replays(capture, units, m)
    if capture.keep:
        check_model_sums(capture, units, replays)
    _norms_of(capture, units, replays, m)


def _norms_of(capture: Capture, units: list[Unit], replays: list[Replay], m: int) -> None:
    """Set the norms of the units; a tied parameter counts for the first that owns it."""
    owner: dict[str, int] = {}
    for index, unit in enumerate(units):
        for name in unit.parameters:
            owner.setdefault(name, index)
    rows: list[list[Tensor]] = [[] for _ in units]
    w = weights(m, capture.parameters[units[0].parameters[0]])
    wanted = m > 1 and any(capture.weighs(unit) for unit in units)
    sums: dict[str, Tensor] = {}
    done = 0
    for chunk in per_example_gradients(replays, m):
        count = len(next(iter(chunk.values())))
        for name, g in chunk.items() if wanted else ():
            (g,) = full_precision(g)
            part = torch.tensordot(w[done : done + count].to(g), g, dims=1)
            sums[name] = sums[name] + part if name in sums else part
        done += count
        squared = {name: row_norms(*full_precision(g.reshape(len(g), -1))) for name, g in chunk.items()}
        zero = torch.zeros_like(next(iter(squared.values())))
        for index, row in enumerate(rows):
            row.append(sum((s for name, s in squared.items() if owner[name] == index), zero))
    for unit, row in zip(units, rows, strict=True):
        unit.norms = torch.cat(row)
        if sums:
            unit.weighed = {name: sketch(sums[name]) for name in unit.parameters}
            unit.weighed_norms.clear()


def _sharing(units: Iterable[Unit]) -> list[list[Unit]]:
    """Groups of units connected by shared parameters."""
    groups: list[list[Unit]] = []
    for unit in units:
        joined = [g for g in groups if any(set(unit.parameters) & set(u.parameters) for u in g)]
        groups = [g for g in groups if not any(g is j for j in joined)]
        groups.append([u for g in joined for u in g] + [unit])
    return groups
