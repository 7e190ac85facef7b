"""Freeze training: layers stop learning from below, one by one, in the order in which they settle."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from rote.errors import InputError


@dataclass(frozen=True)
class Saving:
    """What freezing saved of the backward passes.

    Attributes:
        parameters: Share of the parameter gradients that were not computed: each layer's share of the
            parameters times the share of training for which it was frozen. Where all layers use their
            parameters equally often, as Linear ones do, that is the share of FLOPs of backward passes.
        frozen: By layer, the share of training for which it was frozen.

    Example:
        >>> Saving(0.25, {"0": 0.5, "1": 0.0})
        Saving: 25.0 % of the parameter gradients; frozen for: 0 50 %, 1 0 %
    """

    parameters: float
    frozen: dict[str, float]

    def __repr__(self) -> str:
        each = ", ".join(f"{name} {share:.0%}".replace("%", " %") for name, share in self.frozen.items())
        return f"Saving: {100 * self.parameters:.1f} % of the parameter gradients; frozen for: {each}"


class FreezeTraining:
    """Freezes layer k of K at a share k/K of training, for good (Raghu et al. 2017, arXiv 1706.05806, §4.2).

    A frozen layer's parameters take no gradient, and its batch normalisations stay in evaluation mode, so
    that their statistics do not go on moving: call :meth:`step` before each forward pass, after
    ``model.train()``. Backward passes stop where everything below is frozen. Torch's optimizers leave
    parameters alone whose ``grad`` is ``None``, as it is then: momentum and weight decay do not move them.

    Args:
        model: What is trained.
        layers: Names of modules from below; every child of a ``Sequential`` that has parameters (every child
            of another model, in the order of registration), unless given.
        start: The share of training at which the lowest layer is frozen; ``1/K`` unless given.
        end: The share at which the last but one is; ``(K-1)/K`` unless given. The last layer always learns.

    Raises:
        InputError: If a layer is unknown, there are fewer than two, or the shares do not rise within 0 to 1.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> freeze = FreezeTraining(net)
        >>> for step in range(9):
        ...     frozen = freeze.step(step / 9)
        >>> frozen, [p.requires_grad for p in net.parameters()]
        (('0', '2'), [False, False, False, False, True, True])
        >>> freeze.saving()
        Saving: 40.0 % of the parameter gradients; frozen for: 0 67 %, 2 33 %, 4 0 %
        >>> freeze.release()
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str] | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        modules = dict(model.named_modules())
        names = [n for n, m in model.named_children() if any(True for _ in m.parameters())]
        names = names if layers is None else list(layers)
        unknown = [name for name in names if name not in modules]
        if unknown or len(set(names)) < max(2, len(names)):
            raise InputError(
                "`layers` must name at least two modules of the model, from below, each once. Got "
                f"{unknown[0] if unknown else names!r}."
            )
        K = len(names)
        first, last = 1 / K if start is None else start, (K - 1) / K if end is None else end
        if not 0 <= first <= last <= 1:
            raise InputError(f"`start` and `end` must rise within 0 to 1. Got {first:g} and {last:g}.")
        gap = (last - first) / max(1, K - 2)
        self.schedule = {name: first + k * gap for k, name in enumerate(names[:-1])}
        self._modules = {name: modules[name] for name in names}
        self._sizes = _own_sizes(self._modules)
        self._total = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self._taken: dict[str, list[nn.Parameter]] = {}
        self._since: dict[str, float] = {}
        self._at = 0.0
        self._last_gap = 0.0
        self._begun = False

    def step(self, fraction: float) -> tuple[str, ...]:
        """Freeze what is due.

        Args:
            fraction: The share of training that is done; it does not fall.

        Returns:
            The layers that are frozen now.

        Raises:
            InputError: If it falls, or is outside 0 to 1.
        """
        if not self._at <= fraction <= 1:
            raise InputError(f"`fraction` must rise from 0 to 1. Got {fraction:g} after {self._at:g}.")
        self._last_gap = fraction - self._at if fraction > self._at else self._last_gap
        self._at = fraction
        for name, due in self.schedule.items():
            if name not in self._taken and fraction >= due - 1e-9:
                # A training that goes on from a checkpoint had frozen it when it was due.
                self._freeze(name, fraction if self._begun else due)
        self._begun = True
        for name in self._taken:
            for module in self._modules[name].modules():
                if isinstance(module, _NormBase):
                    module.eval()
        return tuple(self._taken)

    def saving(self) -> Saving:
        """What was saved so far, of all training; steps are taken to be as far apart as the last two."""
        until = min(1.0, self._at + self._last_gap)
        frozen = {name: max(0.0, until - self._since.get(name, until)) for name in self._modules}
        saved = sum(self._sizes[name] * share for name, share in frozen.items())
        return Saving(saved / self._total if self._total else 0.0, frozen)

    def release(self) -> None:
        """Let everything learn again that learnt before, and forget what was frozen; modes are yours."""
        for parameters in self._taken.values():
            for p in parameters:
                p.requires_grad_(True)
        self._taken.clear()
        self._since.clear()
        self._at = self._last_gap = 0.0
        self._begun = False

    def _freeze(self, name: str, since: float) -> None:
        later = {id(p) for n in self._modules if n not in self._taken and n != name for p in _of(self, n)}
        taken = [p for p in _of(self, name) if p.requires_grad and id(p) not in later]
        for p in taken:
            p.requires_grad_(False)
            p.grad = None
        self._taken[name] = taken
        self._since[name] = since


def _of(freeze: FreezeTraining, name: str) -> list[nn.Parameter]:
    return list(freeze._modules[name].parameters())


def _own_sizes(modules: dict[str, nn.Module]) -> dict[str, int]:
    """Parameters of each layer that learn; a tied one counts where it stands last, as it freezes there."""
    sizes, seen = {}, set[int]()
    for name, module in reversed(modules.items()):
        own = {id(p): p.numel() for p in module.parameters() if p.requires_grad and id(p) not in seen}
        sizes[name] = sum(own.values())
        seen |= set(own)
    return sizes
