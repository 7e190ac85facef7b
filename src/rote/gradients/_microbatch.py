"""The meter without per-example gradients: coherence estimated from the gradients of microbatches."""

import warnings
from types import TracebackType
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._distributed import Ranks
from rote.gradients._estimate import Estimate, undefined
from rote.gradients._finite import Marked, NonFiniteGradientWarning
from rote.gradients._jackknife import EstimateStatistics, GroupSums, step_statistics
from rote.gradients._microbatch_choice import check_model, why_not_exact
from rote.gradients._microbatch_hooks import Backwards, wrappers
from rote.gradients._microbatch_sums import packed_sums, unpacked_sums
from rote.gradients._refusals import Scaler, check_options
from rote.gradients._switch import Switch

NO_STEP = "`{}` needs at least one step. Got none: call update() after the step's last loss.backward()."
SINGLE = "a single microbatch: nothing to compare it with"


class MicrobatchMeter:
    """Estimates of coherence from the microbatches of each step: ``watch(model, method="microbatch")``.

    A microbatch is a forward pass of the model and the backward passes through it. Those since the last
    ``update()``, on every rank of a ``DistributedDataParallel`` model, are one step. Nothing about the
    model, its loss or its gradients changes, and there is no further backward pass.

    Args:
        model: Any module: the one that is called (the compiled one, the one in DistributedDataParallel).
        reduction: Whether the loss is the mean or the sum over the microbatch. A constant factor of the loss,
            as 1/J for J accumulation steps, changes no ratio.
        scaler: The ``GradScaler`` of the loop, if there is one.
        microbatch_size: Examples per microbatch; ``None``: the first dimension of the model's first input.
        groups: Groups of microbatches for the standard error within a step. Each takes the memory of one
            gradient; 1 leaves the standard error to the spread between steps.

    Raises:
        InputError: If nothing in the model can be trained, its parameters are sharded, or an option is not
            what it must be.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        >>> meter = MicrobatchMeter(model)
        >>> for x in torch.randn(12, 2).split(4):  # three microbatches of four examples
        ...     model(x).square().mean().backward()
        >>> meter.update()
        >>> (meter.last.m, meter.last.microbatches), list(meter.last.layers), meter.last.spread
        ((12, 3.0), ['0', '1', '2'], 'within steps')
        >>> meter.close()
    """

    method = "microbatch"

    def __init__(
        self,
        model: nn.Module,
        *,
        reduction: Literal["mean", "sum"] = "mean",
        scaler: Scaler | None = None,
        microbatch_size: int | None = None,
        groups: int = 8,
    ) -> None:
        check_options(False, reduction, "before", scaler)
        check_model(model, microbatch_size, groups)
        self._scaler = scaler
        self._ranks = _ranks_of(model)
        self._seen = Backwards(model, groups=groups, reduction=reduction, size=microbatch_size)
        self._switch = Switch(self._seen)
        self._names = tuple(layer.name for layer in self._seen.layers)
        self._reason = why_not_exact(model)
        self._warned = scaler is not None
        self._sum: EstimateStatistics | None = None
        self._newest: EstimateStatistics | None = None
        self._last: Estimate | None = None
        self._marked: list[Marked] = []
        self._updates = self._singles = 0

    def update(self) -> None:
        """Close this step: call it after its last ``loss.backward()`` and before the optimizer's step.

        A step with a gradient that is not finite is marked (see :attr:`marked`) and left out; the first time
        there is a :class:`NonFiniteGradientWarning`, unless a ``scaler`` was given. A step of a single
        microbatch is left out too, as at the end of an epoch; the first step must have two.

        Raises:
            InputError: If no backward pass came, the first step has a single microbatch, or the examples of a
                microbatch cannot be counted. The step is then left out and the next one starts afresh.
        """
        self._switch.require_on()
        try:
            sums = self._sums()
            if sums.microbatches.sum() < 2:
                self._leave_out_single(sums)
            elif np.isfinite(sums.r.sum() + sums.cross.sum() + sums.own.sum()):
                self._last = None
                self._newest = step_statistics(self._names, sums)
                self._sum = self._newest if self._sum is None else self._sum + self._newest
            else:
                self._mark(sums)
        finally:
            self._updates += 1
            self._seen.clear()

    def compute(self) -> Estimate:
        """Estimate over all steps since the last ``reset()``, each at the weights it met.

        Raises:
            InputError: If there was no ``update()`` yet.
        """
        parts = ((len(self._marked), "not finite"), (self._singles, "a single microbatch"))
        left_out = ", ".join(f"{count} {why}" for count, why in parts if count)
        if left_out:
            left_out = f"of {self._updates} steps left out: {left_out}"
        if self._sum is not None:
            return self._sum.coherence(ways=self.coverage, left_out=left_out)
        if self._last is not None:
            return undefined(self._names, 0, 0, left_out)
        raise InputError(NO_STEP.format("compute()"))

    @property
    def last(self) -> Estimate:
        """Estimate from the last step alone; it has an interval if there were three microbatches."""
        if self._last is None:
            if self._newest is None:
                raise InputError(NO_STEP.format("last"))
            self._last = self._newest.coherence(ways=self.coverage)
        return self._last

    @property
    def statistics(self) -> EstimateStatistics | None:
        """Additive sums over the steps since the last reset; ``None`` before the first."""
        return self._sum

    @property
    def marked(self) -> tuple[Marked, ...]:
        """The steps since the last ``reset()`` that were left out because a gradient was not finite."""
        return tuple(self._marked)

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, how it is measured: ``"microbatches"`` or ``"frozen"``."""
        ways = dict.fromkeys(self._names, "microbatches")
        for layer in self._seen.frozen_layers:
            ways.setdefault(layer, "frozen")
        return ways

    def check(self) -> None:
        """Nothing to check: the gradients are used as they come. Here so that loops need not ask."""

    def reset(self) -> None:
        """Forget all steps; go on watching."""
        self._sum = self._newest = self._last = None
        self._marked.clear()
        self._updates = self._singles = 0
        self._seen.clear()

    def pause(self) -> None:
        """Take every hook off the model until :meth:`resume`, so that the steps between cost nothing."""
        self._switch.pause()

    def resume(self) -> None:
        """Go on after :meth:`pause`.

        Raises:
            InputError: If the meter was closed.
        """
        self._switch.resume()

    def close(self) -> None:
        """Remove every hook from the model; what was measured stays readable."""
        self._switch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sums(self) -> GroupSums:
        """This step's sums, over all ranks, of the unscaled loss."""
        scale = 1.0 if self._scaler is None else self._scaler.get_scale()
        if self._ranks is None:
            self._refuse_wrong_calls()
            return unpacked_sums(packed_sums(self._seen), scale)
        # Whatever is refused is refused before the first exchange of gradients, on all ranks.
        self._ranks.norms(self._admitted)
        packed = packed_sums(self._seen, self._ranks)
        return unpacked_sums(self._ranks.norms(lambda: packed)[0], scale)

    def _admitted(self) -> Tensor:
        self._refuse_wrong_calls()
        return torch.zeros(1, 1)

    def _refuse_wrong_calls(self) -> None:
        seen = self._seen
        thawed = next((name for name, p in seen.frozen.items() if p.requires_grad), None)
        if thawed is not None:
            raise InputError(
                f"`model`: parameter `{thawed}` was frozen when watch(model) was called and is not now: "
                "close the meter and watch the model again."
            )
        if seen.trouble:
            raise InputError(seen.trouble)
        if not seen.sizes:
            why = "a forward pass but no backward pass" if seen.seen_forward else "no forward pass"
            raise InputError(
                f"`update()` must follow loss.backward(). Got {why} of the watched model since the last "
                "update()."
            )

    def _leave_out_single(self, sums: GroupSums) -> None:
        """A step without a second microbatch: an error of the loop, or the end of an epoch."""
        if self._sum is None:
            why = f", because {self._reason}" if self._reason else ""
            raise InputError(
                f"`update()` needs the gradients of two microbatches or more{why}. Got one since the last "
                "update(): split the batch, call backward() on the loss of each part, then update()."
            )
        self._singles += 1
        self._last = undefined(self._names, round(float(sums.examples.sum())), 1, SINGLE)

    def _mark(self, sums: GroupSums) -> None:
        """Leave a step out, and say so."""
        worst = sums.r.sum(0) + sums.cross.sum(0) + sums.own.sum(0)
        layer = self._names[int((~np.isfinite(worst)).argmax())]
        kind = "overflow" if self._scaler is not None else "nan" if np.isnan(worst).any() else "inf"
        mark = Marked(self._updates, layer, (), kind)
        self._marked.append(mark)
        examples, count = (round(float(n.sum())) for n in (sums.examples, sums.microbatches))
        self._last = undefined(self._names, examples, count, f"left out, {mark}")
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{mark}: the step is left out of compute(), later ones too but without a warning; see "
                "`meter.marked`.",
                NonFiniteGradientWarning,
                stacklevel=3,
            )


def _ranks_of(model: nn.Module) -> Ranks | None:
    for module, _ in wrappers(model):
        if isinstance(module, nn.parallel.DistributedDataParallel):
            return Ranks(module.process_group, next(iter(module.parameters())).device)
    return None
