"""The layers of a model, and what was seen of each in one backward pass."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from rote.gradients._rules import Fused, Rule, rule_for

RERUN_LAYER = "rerun per example"
RERUN_MODEL = "whole model rerun per example"


@dataclass(eq=False, slots=True)
class Call:
    """One call of a module in one forward pass.

    Attributes:
        args: Positional inputs, detached.
        kwargs: Named inputs, detached.
        deltas: Gradient of the loss at each output tensor, in order; ``None`` until it has come.
        broadcast: Whether one output serves all examples; its gradient is taken where it meets them.
        kept: What else a closed form needs: of a recurrent layer its output, with the version that it had,
            and what dropout multiplied the layers' outputs with.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    deltas: list[Tensor | None]
    broadcast: bool = False
    kept: tuple[Tensor, int, list[Tensor]] | None = None

    @property
    def arrived(self) -> bool:
        """Whether the backward pass reached any output of this call."""
        return any(delta is not None for delta in self.deltas)


@dataclass(eq=False, slots=True)
class Unit:
    """A module that owns trainable parameters, and what was seen of it since the last update.

    Attributes:
        name: Qualified name in the model, ``""`` for the model itself.
        module: The module.
        parameters: Qualified names in the model of the trainable parameters it owns.
        rule: Closed form, where its type has one and no other module shares a parameter.
        route: How its norms are taken, in words, for the coverage table.
        counted: Whether it is the first owner of some parameter; the others' parameters count elsewhere.
        fused: Whether the norms and the gradient are formed together, in autograd's place.
        ways: The fastest fused way, by the shapes of input and output gradient; measured.
        calls: Calls in this forward pass; emptied at each update.
        norms: ``‖g_i‖²`` of this unit's parameters, shape ``[m]``, once known.
        implied: Sketches of the gradients that a closed form implies, by parameter, for the self-check.
        implied_norms: Norms of such gradients where only those are known.
        weighed: Sketches of ``Σ w_i g_i``, by parameter, for :mod:`rote.gradients._truth`.
        weighed_norms: Norms of such sums where only those are known.
        checked: Whether that check was passed, or could not be made.
        examples_in: The dimension of its input that lists the examples, 0 or 1; ``None`` until known.
        doubtful: Whether that dimension is to be checked.
        alike: Whether it was seen to look up one row for all examples.
    """

    name: str
    module: nn.Module
    parameters: tuple[str, ...]
    rule: Rule | None
    route: str
    counted: bool = True
    fused: bool = False
    ways: dict[tuple[tuple[int, ...], ...], Fused] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    norms: Tensor | None = None
    implied: dict[str, Tensor] | None = None
    implied_norms: dict[str, float] = field(default_factory=dict)
    weighed: dict[str, Tensor] | None = None
    weighed_norms: dict[str, float] = field(default_factory=dict)
    checked: bool = False
    examples_in: int | None = None
    doubtful: bool = False
    alike: bool = False

    def examples_first(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """Input and output gradient with the examples in their first dimension."""
        return (x.transpose(0, 1), delta.transpose(0, 1)) if self.examples_in == 1 else (x, delta)

    def arrived(self) -> list[Call]:
        """The calls that the backward pass reached."""
        return [call for call in self.calls if call.arrived]

    def give_up(self) -> None:
        """From now on take this unit's norms by running the whole model again."""
        self.route, self.rule, self.norms, self.fused = RERUN_MODEL, None, None, False
        self.weighed, self.checked = None, False
        self.weighed_norms.clear()

    def forget(self) -> None:
        """What was seen of the last backward pass."""
        self.calls.clear()
        self.norms = self.implied = self.weighed = None
        self.implied_norms.clear()
        self.weighed_norms.clear()
        self.doubtful = False


def units_of(model: nn.Module, parameters: dict[str, nn.Parameter]) -> list[Unit]:
    """Every module with trainable parameters of its own, in the model's order; tied ones without a rule."""
    known = {id(p): name for name, p in parameters.items()}
    owners: dict[str, int] = {}
    listed: list[tuple[str, nn.Module, tuple[str, ...]]] = []
    inside = ""
    for name, module in model.named_modules():
        if inside and name.startswith(inside):
            continue
        # Attention applies its output projection without calling it, so it answers for that one too.
        whole = isinstance(module, nn.MultiheadAttention)
        inside = f"{name}." if whole and name else inside
        own = tuple(dict.fromkeys(known[id(p)] for p in module.parameters(recurse=whole) if id(p) in known))
        for parameter in own:
            owners[parameter] = owners.get(parameter, 0) + 1
        if own:
            listed.append((name, module, own))
        if whole and not name:
            break
    units = []
    met: set[str] = set()
    for name, module, own in listed:
        tied = any(owners[parameter] > 1 for parameter in own) or len(own) < _own_count(module, own)
        rule = None if tied else rule_for(module)
        route = rule.way if rule else RERUN_LAYER
        units.append(Unit(name, module, own, rule, route, counted=not met.issuperset(own)))
        met.update(own)
    return units


def _own_count(module: nn.Module, own: tuple[str, ...]) -> int:
    """Trainable parameters of the module counted by name, so that one used under two names counts twice."""
    if isinstance(module, nn.MultiheadAttention):
        return len(own)
    return sum(p is not None and p.requires_grad for p in module._parameters.values())
