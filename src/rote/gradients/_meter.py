"""The meter: coherence of the batches of an ordinary training loop."""

from types import TracebackType
from typing import Literal, Self

import numpy as np
import torch
from torch import nn

from rote.errors import InputError
from rote.gradients._coverage import coverage_of
from rote.gradients._finite import Marked
from rote.gradients._gauge import Gauge
from rote.gradients._ledger import Ledger, as_numpy
from rote.gradients._microbatch import MicrobatchMeter
from rote.gradients._microbatch_choice import refuse_exact_options, why_not_exact
from rote.gradients._record import Coherence, Statistics, single_step, undefined
from rote.gradients._refusals import Scaler
from rote.gradients._sums import GradientSum, squared_norm
from rote.gradients._switch import Switch
from rote.gradients._watcher import Watcher

NO_BATCH = "`{}` needs at least one batch. Got none: call update() after loss.backward()."


def watch(
    model: nn.Module,
    *,
    method: Literal["auto", "exact", "microbatch"] = "auto",
    accumulate: bool = False,
    reduction: Literal["mean", "sum"] = "mean",
    clipping: Literal["before", "after"] = "before",
    scaler: Scaler | None = None,
    bitwise: bool = False,
) -> Watcher:
    """Watch a model's ordinary training loop: per-example statistics from the backward pass it makes anyway.

    Nothing about the model and its loss changes. Call ``meter.update()`` after each
    ``loss.backward()`` and before the optimizer's step.

    Args:
        model: Any module called as a whole, inputs and outputs with the examples in their first dimension.
            Wrapped in ``DistributedDataParallel`` or sharded by ``fully_shard`` (FSDP2), the batch is that of
            all ranks, and every rank must call ``update()``, or ``compute()`` with ``accumulate=True``.
            The module inside the wrapper is measured on this rank's examples alone.
        method: ``"exact"``: per-example gradients. ``"microbatch"``: estimates from the backward passes since
            the last ``update()``, two or more, each of a part of the batch (see
            :class:`rote.gradients.MicrobatchMeter`). ``"auto"``: exact, but microbatches where BatchNorm is
            in training mode or the model is compiled; ``meter.method`` says which.
        accumulate: How several updates are joined. ``False``: each batch stands for itself, at the weights it
            met, and ``compute()`` pools the batches: ``Σ_t ‖S_t‖²`` over ``Σ_t m_t Q_t``. ``True``: all
            examples since the last ``reset()`` are one sample; right only while the weights do not move,
            and it takes one float64 copy of the parameters. Batches count by their examples.
        reduction: Whether the loss is the mean or the sum over the batch handed to this ``backward()``. A
            mean may be divided by a constant number of batches; a mean weighted by the batch's size is a sum.
            The ratios of a single batch do not depend on it; ``squared_norms`` are of the gradients of
            single examples' losses.
        clipping: ``"before"``: the gradients as backward made them. ``"after"``: as ``clip_grad_norm_``
            left them; call ``update()`` after it, with ``p.grad`` empty before each backward pass. The
            factor found is ``Coherence.clip``, and all squared norms are those of clipped gradients.
        scaler: The ``GradScaler`` that scales the loss: gradients are taken back to the loss's own scale.
            Call ``update()`` before ``scaler.update()``.
        bitwise: Whether the gradients must stay bit for bit those of an unwatched run. Otherwise some layers
            form them together with the norms, which is cheaper and may change their last digits.

    Returns:
        The meter; also a context manager that removes its hooks at the end.

    Raises:
        InputError: If nothing in the model can be trained, or it is wrapped in ``nn.DataParallel`` or the
            first FSDP, or is to be measured exactly and compiled in parts. Where ``method="exact"``,
            BatchNorm in training mode is refused at the forward pass, since it couples the examples.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> with watch(model) as meter:
        ...     model(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).mean().backward()
        ...     meter.update()
        ...     meter.compute().m_coherence
        1.0
    """
    if method not in ("auto", "exact", "microbatch"):
        raise InputError(f"`method` must be 'auto', 'exact' or 'microbatch'. Got {method!r}.")
    reason = why_not_exact(model) if method == "auto" else ""
    if reason or method == "microbatch":
        refuse_exact_options(reason, accumulate=accumulate, clipping=clipping)
        return MicrobatchMeter(model, reduction=reduction, scaler=scaler)
    return Meter(
        model,
        accumulate=accumulate,
        reduction=reduction,
        clipping=clipping,
        scaler=scaler,
        bitwise=bitwise,
    )


class Meter:
    """Exact statistics of a watched model; made by :func:`watch`.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> with watch(model) as meter:
        ...     model(torch.ones(3, 2)).mean().backward()
        ...     meter.update()
        ...     round(meter.compute().alpha, 5)  # three equal examples
        1.0
    """

    method = "exact"

    def __init__(
        self,
        model: nn.Module,
        *,
        accumulate: bool = False,
        reduction: Literal["mean", "sum"] = "mean",
        clipping: Literal["before", "after"] = "before",
        scaler: Scaler | None = None,
        bitwise: bool = False,
    ) -> None:
        self._gauge = Gauge(
            model,
            accumulate=accumulate,
            reduction=reduction,
            clipping=clipping,
            scaler=scaler,
            bitwise=bitwise,
        )
        self._switch = Switch(self._gauge)
        self._sum = GradientSum() if accumulate else None
        self._updates = 0
        self._capture = self._gauge.capture
        self._owners = self._capture.owners()
        self._ledger = Ledger(
            self._capture.layer_names(), self._owners, scaled=scaler is not None, pools=not accumulate
        )

    def update(self) -> None:
        """Close this batch: call it after ``loss.backward()`` and before the optimizer's step.

        A batch with a gradient that is not finite is marked (see :attr:`marked`) and left out; the first time
        there is a :class:`NonFiniteGradientWarning`, unless a ``scaler`` was given.

        Raises:
            InputError: If no backward pass came, or two did; if a layer's examples cannot be told apart; or
                if ``p.grad`` is needed and holds something else. The batch is then left out and the next one
                starts afresh.
        """
        self._switch.require_on()
        try:
            step = self._gauge.step()
            if self._ledger.add(step, self._updates):
                self._capture.keep = False
                if self._sum is not None:
                    self._sum.scale = step.factor**0.5
                    for name, gradient in self._gauge.gradients.items():
                        self._sum.add(name, gradient)
        finally:
            self._updates += 1
            self._gauge.forget()

    def compute(self) -> Coherence:
        """Coherence of everything since the last ``reset()``, joined as ``accumulate`` says.

        With ``accumulate=True`` and several processes, all of them must call it. Where every step was left
        out as not finite, all ratios are nan and the note says so.

        Raises:
            InputError: If there was no ``update()`` yet.
        """
        marked = self._ledger.left_out
        left_out = f"{marked} of {self._updates} steps left out: not finite" if marked else ""
        statistics = self.statistics
        if statistics is not None:
            return statistics.coherence(ways=self.coverage, left_out=left_out)
        if left_out:
            return undefined(self._ledger.names, left_out, ways=self.coverage)
        raise InputError(NO_BATCH.format("compute()"))

    @property
    def statistics(self) -> Statistics | None:
        """Additive sums over the batches since the last reset; ``None`` before the first."""
        return self._ledger.pooled() if self._sum is None else self._accumulated(self._sum)

    @property
    def last(self) -> Coherence:
        """Coherence of the last batch alone, at the weights it met, with each example's squared norm.

        With ``accumulate=True`` under ``DistributedDataParallel`` it is this rank's own batch.
        """
        last = self._ledger.last(self.coverage)
        if last is None:
            raise InputError(NO_BATCH.format("last"))
        return last

    @property
    def marked(self) -> tuple[Marked, ...]:
        """Steps since the last ``reset()`` left out because a gradient was not finite; the first thousand."""
        return tuple(self._ledger.marked)

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, which way its norms are taken; final after the first update.

        Closed form: ``"linear"``, ``"convolution"``, ``"norm"``, ``"embedding"``, ``"recurrent"`` or
        ``"tied"``.
        ``"rerun per example"``: the layer is run again under ``torch.func``. ``"whole model rerun per
        example"``: so is the model, because the layer's parameters are used outside it or its examples are
        not in the first dimension.
        ``"frozen"``: nothing to measure.
        """
        return coverage_of(self._capture)

    def check(self) -> None:
        """Ask for the self-check, made on the first batch, to be made on the next one again."""
        self._capture.keep = True

    def reset(self) -> None:
        """Forget all batches; go on watching."""
        self._ledger.reset()
        self._updates = 0
        if self._sum is not None:
            self._sum = GradientSum()
        self._gauge.forget()

    def pause(self) -> None:
        """Take every hook off the model until :meth:`resume`, so that the steps between cost nothing."""
        self._switch.pause()

    def resume(self) -> None:
        """Go on after :meth:`pause`, with what was learnt of the layers: there is no second self-check.

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

    def _accumulated(self, total: GradientSum) -> Statistics | None:
        """All examples since the last reset as one sample; over ranks, theirs."""
        names, ranks = self._ledger.names, self._gauge.ranks
        matrix = np.concatenate(
            [np.zeros((len(names), 0)), *(s.matrix() for s in self._ledger.steps)], axis=1
        )
        s2 = np.zeros(len(names))
        if ranks is not None:
            matrix = as_numpy(ranks.norms(lambda: torch.from_numpy(matrix))[0])
        for name, p in self._capture.parameters.items():
            own = total.buffers.get(name)
            if ranks is not None:
                own = ranks.total(torch.zeros_like(p, dtype=torch.float64) if own is None else own)
            s2[self._owners[name]] += 0.0 if own is None else float(squared_norm(own))
        return single_step(names, s2, matrix.sum(1), matrix.sum(0)) if matrix.shape[1] else None
