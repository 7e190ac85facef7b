"""What the hooks do on a model's layers, its parameters and the whole of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._attention import (
    ATTENTION,
    Projection,
    attention_norms,
    attention_sums,
    projections,
    weighed_projection,
)
from rote.gradients._bags import bag_counts
from rote.gradients._broadcast import BROADCAST, Use, on_arrival, packed, searchable, uses_of
from rote.gradients._conv import Conv
from rote.gradients._fused import can_fuse, cut_off, fastest, join
from rote.gradients._products import row_norms
from rote.gradients._rules import coupling, fused_norms, may_be_second, rule_for, wanted_dims
from rote.gradients._sums import HALF, full_precision, sketch, squared_norm
from rote.gradients._tree import detached, tensors_of
from rote.gradients._units import RERUN_MODEL, Call, Unit
from rote.gradients._weighing import weigh, weighed

if TYPE_CHECKING:
    from rote.gradients._capture import Capture

#: Stands where an output gradient was whose norms are taken; a view of it would keep it all.
_TAKEN = torch.empty(0)


def refusal(name: str, watched: nn.Module, capture: "Capture") -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        why = coupling(module)
        if why and module is watched and torch.is_grad_enabled() and not capture.paused:
            raise InputError(
                f"`model`: layer `{name or type(module).__name__}` ({type(module).__name__}) {why}, so "
                "single examples have no gradient of their own: call model.eval() before the forward pass, "
                "replace the layer (nn.GroupNorm instead of BatchNorm), or compare the gradients of "
                "microbatches instead."
            )

    return hook


class ClosedForm:
    """Takes a layer's norms as soon as its output gradient comes, so that nothing is kept for long."""

    def __init__(self, capture: "Capture", unit: Unit) -> None:
        self.capture, self.unit = capture, unit
        self.fewest, self.most = wanted_dims(unit.module)
        self.general = general_hook(capture, unit)
        self.cut: dict[str, nn.Parameter] = {}

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Cut the parameters off where norms and gradient are to be formed together."""
        capture, unit = self.capture, self.unit
        if not (unit.fused and capture.fused) or capture.keep or self.cut or capture.looks_away(unit, module):
            return
        x: Any = args[0] if args else kwargs.get("input")
        if can_fuse(x, self.fewest, self.most) and (unit.checked or x.shape[0] == 1):
            self.cut = cut_off(module)

    def after(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor | None
    ) -> Tensor | None:
        """Arrange for the output gradient to be seen; called also after a forward pass that failed."""
        unit, cut = self.unit, self.cut
        if cut:
            module._parameters.update(cut)
            self.cut = {}
        if output is None:
            return None
        if not cut and self.capture.looks_away(unit, module):
            return None
        if unit.rule is None or not (cut or output.requires_grad):
            if unit is self.capture.root and unit.rule is None:
                self.general(module, args, kwargs, output)
            return None
        x = self._input(module, args, kwargs)
        if not self.fewest <= x.dim() <= self.most:
            unit.give_up()
            return None
        self.capture.packed |= packed()
        call = Call((), {}, [None])
        unit.calls.append(call)
        if cut:
            return join(output, x, cut, lambda x, delta: self._give(call, x, delta, tuple(cut)))
        call.args = (x.detach(),)
        shape = output.shape

        def on_delta(gradients: tuple[Tensor | None, ...]) -> None:
            if not (self.capture.paused or call.broadcast) and gradients[0] is not None:
                delta = gradients[0]
                self.arrived(call, delta if delta.shape == shape else delta.reshape(shape))

        if isinstance(module, nn.Embedding) and (x.dim() == 1 or len(x) == 1):
            self.capture.alike.append((self, call, output.grad_fn))

        # A layer on [m, T, d] returns a view; an in-place operation after it leaves only the base's node.
        base = output._base
        node = output.grad_fn if base is None or base.grad_fn is None else base.grad_fn
        assert node is not None
        node.register_prehook(on_delta)
        return None

    def _input(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        if isinstance(module, nn.EmbeddingBag):
            return bag_counts(module, args, kwargs)
        x: Tensor = args[0] if args else kwargs["input"]
        return x

    def arrived(self, call: Call, delta: Tensor) -> None:
        """The output gradient of a layer whose parameters autograd serves."""
        capture, unit = self.capture, self.unit
        if call.deltas[0] is not None:
            capture.twice = capture.twice or unit.name
        if torch.is_grad_enabled():  # second derivatives are to come, which need the layers as they are
            capture.fused = False
        call.deltas[0] = delta = delta.detach()
        if len(unit.calls) != 1 or unit.norms is not None or unit.rule is None:
            return
        self._take(call, delta)

    def _take(self, call: Call, delta: Tensor) -> None:
        """The norms of a layer called once."""
        capture, unit = self.capture, self.unit
        assert unit.rule is not None
        x = call.args[0]
        if unit.alike and not (call.broadcast or capture.keep):
            unit.give_up()  # where its rows meet the examples could not be seen this time
            return
        # One example needs no check; a layer not yet met with several, as an idle branch, gets its own.
        study = capture.keep or (capture.weighs(unit) and len(x) > 1)
        if study:
            m = capture.examples()
            capture.half |= x.dtype in HALF or delta.dtype in HALF
            second = (
                not call.broadcast
                and len(x) not in (1, m)
                and may_be_second(unit.module, x)
                and x.shape[1] == m
            )
            unit.examples_in = int(second)
            square = x.dim() == 1 or x.shape[0] == x.shape[1]  # one list of ids may be positions
            first = call.broadcast or isinstance(unit.module, (Conv, nn.GroupNorm))
            unit.doubtful = second or (square and not first)
        if unit.examples_in == 1:
            x, delta = x.transpose(0, 1), delta.transpose(0, 1)
        x, delta = full_precision(x, delta)
        unit.norms = unit.rule.norms(unit.module, x, delta)
        if study:
            self._study(x, delta)
        if not unit.doubtful:
            call.args, call.deltas[0] = (), _TAKEN

    def _study(self, x: Tensor, delta: Tensor) -> None:
        """What the self-check needs, and which fused way is the fastest."""
        unit = self.unit
        assert unit.rule is not None
        sums = unit.rule.sums(unit.module, x, delta)
        # By name, since a sharded parameter is another tensor while its layer is at work.
        unit.implied = {name: sketch(sums[name.rpartition(".")[2]]) for name in unit.parameters}
        if self.capture.reruns:
            weigh(unit, x, delta)
        if self.capture.fused and x.dtype == unit.module.weight.dtype:
            unit.fused = fastest(unit, x, delta) is not None

    def _give(self, call: Call, x: Tensor, delta: Tensor, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        """The gradients of the parameters cut off, and the norms on the way."""
        capture, unit = self.capture, self.unit
        rule = rule_for(unit.module)
        assert rule is not None
        if not isinstance(unit.module, Conv):
            delta = delta.reshape(*x.shape[:-1], -1)
        if call.deltas[0] is not None and not capture.paused:
            capture.twice = capture.twice or unit.name
        if torch.is_grad_enabled():
            raise InputError(
                f"`bitwise` must be True for second derivatives. Got a backward pass with create_graph=True "
                f"through layer `{unit.name or type(unit.module).__name__}`: watch(model, bitwise=True)."
            )
        if capture.paused or len(unit.calls) != 1 or unit.norms is not None:
            if not capture.paused:
                call.args, call.deltas[0] = (x.detach(),), delta.detach()
            sums = rule.sums(unit.module, x, delta)
        else:
            x, delta = unit.examples_first(x, delta)
            way = fastest(unit, x, delta)
            assert way is not None
            unit.norms, sums = fused_norms(unit.module, x, delta, way)
            call.deltas[0] = _TAKEN
        return tuple(sums[name] for name in names)


def general_hook(capture: "Capture", unit: Unit) -> Callable[..., None]:
    """Keeps inputs and output gradients for a rerun."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        if capture.looks_away(unit, module):
            return
        outputs = [output] if isinstance(output, Tensor) else tensors_of(output)
        if any(t.requires_grad for t in outputs):
            capture.packed |= packed()
            call = Call(detached(args), detached(kwargs) if kwargs else {}, [None] * len(outputs))
            unit.calls.append(call)
            for position, tensor in enumerate(outputs):
                if tensor.requires_grad:
                    tensor.register_hook(_delta_hook(capture, unit, call, position))

    return hook


def attention_hook(capture: "Capture", unit: Unit) -> Callable[..., None]:
    """Takes the norms from the projections found in the graph; where that fails, the layer is run again."""
    general = general_hook(capture, unit)
    local = {id(p): name for name, p in unit.module.named_parameters()}

    def hook(
        module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: dict[str, Any], output: object
    ) -> None:
        known = len(unit.calls)
        general(module, args, kwargs, output)
        query: Tensor = args[0] if args else kwargs["query"]
        if len(unit.calls) == known or unit.route == RERUN_MODEL or query.dim() != 3:
            return
        call, m = unit.calls[-1], query.shape[0 if module.batch_first else 1]

        def done(uses: list[Projection]) -> None:
            if capture.paused or len(unit.calls) != 1 or unit.norms is not None:
                return
            unit.norms, unit.route = attention_norms(module, uses, m), ATTENTION
            if capture.keep:
                capture.half |= uses[0].x.dtype in HALF
                sums = attention_sums(uses)
                unit.implied = {n: sketch(sums[local[id(capture.parameters[n])]]) for n in unit.parameters}
            if capture.weighs(unit):
                sums = attention_sums([weighed_projection(use, m) for use in uses])
                unit.weighed = {n: sketch(sums[local[id(capture.parameters[n])]]) for n in unit.parameters}
            call.args, call.kwargs = (), {}
            call.deltas = [None if delta is None else _TAKEN for delta in call.deltas]

        projections(module, (args, kwargs), output, done)

    return hook


def broadcast_hook(capture: "Capture") -> Callable[..., None]:
    """Looks for parameters that the model broadcasts over the examples, when its forward pass is over."""
    kinds = (nn.MultiheadAttention, nn.RNNBase)
    bare = [unit for unit in capture.units if unit.rule is None and not isinstance(unit.module, kinds)]

    def hook(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        candidates = [unit for unit in bare if len(unit.calls) == 1 and unit.route != RERUN_MODEL]
        if not (candidates or capture.alike) or capture.looks_away(capture.root, module):
            return
        if capture.packed or not searchable():
            return
        parameters = [capture.parameters[name] for unit in candidates for name in unit.parameters]
        wanted = [*parameters, *(node for *_, node in capture.alike)]
        m = capture.examples()
        found = uses_of(output, wanted, m)
        for unit in candidates:
            uses = [found[id(capture.parameters[name])] for name in unit.parameters]
            known = [use for use in uses if use is not None]
            if len(known) == len(uses):
                on_arrival(known, _bare_parameters(capture, unit, [use for _, use in known]))
            else:
                bare.remove(unit)
        for closed, call, node in capture.alike:
            use = found[node]
            if use is not None:
                call.broadcast = True
                closed.unit.alike |= m != 1  # one example alone meets everything so
                on_arrival([use], _one_row_for_all(closed, call, use[1]))

    return hook


def _bare_parameters(capture: "Capture", unit: Unit, uses: list[Use]) -> Callable[[], None]:
    """Takes the norms of a module's own parameters, each broadcast in one place."""

    def done() -> None:
        if capture.paused or len(unit.calls) != 1 or unit.norms is not None:
            return
        rows = [use.rows().flatten(1) for use in uses]
        unit.norms, unit.route = torch.stack([row_norms(r) for r in rows]).sum(0), BROADCAST
        if capture.keep:
            unit.implied = {}
            for name, r in zip(unit.parameters, rows, strict=True):
                unit.implied_norms[name] = float(r.sum(0).norm())
        if capture.weighs(unit):
            for name, r in zip(unit.parameters, rows, strict=True):
                unit.weighed_norms[name] = float(weighed(r).sum(0).norm())

    return done


def _one_row_for_all(closed: ClosedForm, call: Call, use: Use) -> Callable[[], None]:
    """Gives an Embedding the gradient that came to its rows where they met the examples."""

    def done() -> None:
        ids, rows = call.args[0].reshape(1, -1), use.rows()
        assert isinstance(closed.unit.module, nn.Embedding)
        m, width = len(rows), closed.unit.module.embedding_dim
        if not closed.capture.paused and rows[0].numel() == ids.numel() * width:
            call.args = (ids.expand(m, -1),)
            closed.arrived(call, rows.reshape(m, -1, width))

    return done


def _delta_hook(capture: "Capture", unit: Unit, call: Call, position: int) -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        if not capture.paused:
            if call.deltas[position] is not None:
                capture.twice = capture.twice or unit.name or type(unit.module).__name__
            call.deltas[position] = gradient.detach()

    return hook


def parameter_hook(capture: "Capture", name: str) -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        if not capture.paused:
            if capture.keep:
                capture.sketches[name] = sketch(gradient), float(squared_norm(gradient)) ** 0.5
            capture.on_gradient(name, gradient)

    return hook
