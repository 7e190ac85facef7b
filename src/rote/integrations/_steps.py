"""A meter in a loop that a framework drives: told when a step begins, when backward ran, when it ended."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Protocol

import numpy as np
from torch import nn

from rote.errors import InputError
from rote.gradients import Coherence, Marked, Statistics, watch


class Watcher(Protocol):
    """What is needed of a meter."""

    @property
    def method(self) -> str:
        """``"exact"`` or ``"microbatch"``."""
        ...

    @property
    def last(self) -> Coherence:
        """Coherence of the last batch alone."""
        ...

    @property
    def statistics(self) -> Statistics | None:
        """Sums since the last reset."""
        ...

    def compute(self) -> Coherence:
        """Coherence of everything since the last reset."""
        ...

    @property
    def marked(self) -> tuple[Marked, ...]:
        """Batches since the last reset that were left out."""
        ...

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, which way it is measured."""
        ...

    def update(self) -> None:
        """Close a batch."""
        ...

    def reset(self) -> None:
        """Forget all batches."""
        ...

    def pause(self) -> None:
        """Take the hooks off for a while."""
        ...

    def resume(self) -> None:
        """Put them back."""
        ...

    def close(self) -> None:
        """Remove every hook."""
        ...


class StepMeter:
    """Measures every n-th step of an optimizer, and pools what it measured; ``callback.meter``.

    The batches of one step (gradient accumulation) are pooled, each at the same weights, or joined into one
    sample; or they are the microbatches that coherence is estimated from. On the steps between, the model
    carries no hook.

    Args:
        every: Measure the first step, and then each step after so many.
        accumulate: Whether the batches of a step are one sample.
        watch: :func:`rote.watch`, perhaps with options bound by ``functools.partial``.

    Example:
        >>> import torch
        >>> model, meter = nn.Linear(2, 1), StepMeter(every=2)
        >>> for step in range(4):
        ...     meter.begin(model)
        ...     model(torch.ones(3, 2)).mean().backward()
        ...     meter.backward()
        ...     meter.before_step()
        ...     record = meter.end()
        ...     print(step, record and round(record.m_coherence, 3))
        0 3.0
        1 None
        2 3.0
        3 None
        >>> meter.compute().steps
        2
    """

    def __init__(
        self, *, every: int = 1, accumulate: bool = False, watch: Callable[..., Watcher] = watch
    ) -> None:
        if every < 1:
            raise InputError(f"`every` must be at least 1 step. Got {every}.")
        self._every, self._accumulate, self._watch = every, accumulate, watch
        self._meter: Watcher | None = None
        self._watched: tuple[int, tuple[int, ...]] = (0, ())
        self._begun = self._open = False
        self._steps = self._updates = self._passes = 0
        self._marked: list[Marked] = []
        self._statistics: Statistics | None = None
        self._last: Coherence | None = None
        self._coverage: dict[str, str] = {}

    def begin(self, model: nn.Module, **options: Any) -> None:  # noqa: ANN401
        """A batch comes: of a new step, unless the last one has not ended.

        Args:
            model: What is trained.
            options: For ``watch``, such as a gradient scaler; those that are ``None`` are not passed.
        """
        if self._begun:
            return
        self._begun = True
        self._open = self._steps % self._every == 0
        self._steps += 1
        self._updates = self._passes = 0
        if self._open:
            self._attach(model, {name: value for name, value in options.items() if value is not None})
        elif self._meter is not None:
            self._meter.pause()

    def backward(self) -> None:
        """A backward pass is through, and the optimizer has not stepped yet."""
        self._passes += 1
        if self._open and self._meter is not None and self._meter.method != "microbatch":
            self._update(self._meter)

    def before_step(self) -> None:
        """All backward passes are through, and the optimizer is about to step."""
        if self._open and self._meter is not None and self._meter.method == "microbatch" and self._passes:
            self._update(self._meter)

    def end(self) -> Coherence | None:
        """The step is over. Returns its coherence, or ``None`` if it was not measured."""
        meter, measured = self._meter, self._open and self._updates > 0
        self._begun = self._open = False
        if meter is None or not measured:
            return None
        step = meter.statistics
        self._coverage = meter.coverage
        self._marked += [replace(mark, step=self._steps - 1) for mark in meter.marked]
        self._last = meter.last if self._updates == 1 else meter.compute()
        if step is not None:
            self._statistics = _pooled(self._statistics, step)
        meter.reset()
        if self._every > 1:
            meter.pause()
        return self._last

    @property
    def last(self) -> Coherence:
        """Coherence of the last step measured.

        Raises:
            InputError: If none was measured yet.
        """
        if self._last is None:
            raise InputError("`last` needs at least one measured step. Got none: train first.")
        return self._last

    @property
    def statistics(self) -> Statistics | None:
        """Additive sums over the steps measured since the last reset; ``None`` before the first."""
        return self._statistics

    @property
    def marked(self) -> tuple[Marked, ...]:
        """The batches since the last reset that were left out because a gradient was not finite, by step."""
        return tuple(self._marked)

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, which way it was measured; empty before the first step."""
        return dict(self._coverage)

    def compute(self) -> Coherence:
        """Coherence of all steps measured since the last reset, each at the weights it met.

        Raises:
            InputError: If none was measured yet.
        """
        if self._statistics is None:
            raise InputError("`compute()` needs at least one measured step. Got none: train first.")
        return self._statistics.coherence(ways=self._coverage)

    def reset(self) -> None:
        """Forget what was measured; go on watching."""
        self._statistics = self._last = None
        self._marked.clear()

    def close(self) -> None:
        """Remove every hook from the model; what was measured stays readable."""
        self._begun = self._open = False
        self._detach()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs, as plain numbers, strings and lists."""
        pooled = None if self._statistics is None else _plain(self._statistics)
        return {"steps": self._steps, "statistics": pooled, "coverage": dict(self._coverage)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._steps, self._coverage = state["steps"], dict(state["coverage"])
        self._statistics = None if state["statistics"] is None else _statistics(state["statistics"])

    def _update(self, meter: Watcher) -> None:
        try:
            meter.update()
        except BaseException as error:
            lonely = meter.method == "microbatch" and self._passes == 1 and self._statistics is not None
            if isinstance(error, InputError) and lonely:
                meter.reset()  # the last step of an epoch may have a single batch: nothing to compare it with
                return
            self.close()  # a framework that stops here might not tell its callbacks
            raise
        self._updates += 1
        self._passes = 0

    def _attach(self, model: nn.Module, options: dict[str, Any]) -> None:
        """Watch the model, anew if it is another or if parameters were frozen or unfrozen."""
        trainable = tuple(id(p) for p in model.parameters() if p.requires_grad)
        if self._meter is not None and (id(model), trainable) == self._watched:
            self._meter.resume()
            return
        self._detach()
        self._meter = self._watch(model, accumulate=self._accumulate, **options)
        self._watched = (id(model), trainable)

    def _detach(self) -> None:
        if self._meter is not None:
            self._meter.close()
            self._meter = None


def _pooled(known: Statistics | None, step: Statistics) -> Statistics:
    """Their sum; the step alone, if it has other layers (some were unfrozen) or was measured another way."""
    if known is None or type(known) is not type(step) or known.names != step.names:
        return step
    return known + step


def _plain(statistics: Statistics) -> dict[str, Any]:
    """The sums as JSON has them; norms of single examples are not pooled and so not kept."""
    record = {f.name: getattr(statistics, f.name) for f in fields(statistics) if f.name != "squared_norms"}
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in record.items()}
    return {**plain, "names": list(statistics.names), "kind": type(statistics).__name__}


def _statistics(record: dict[str, Any]) -> Statistics:
    """The inverse of :func:`_plain`, for each kind of statistics."""
    known: list[type[Statistics]] = [Statistics, *Statistics.__subclasses__()]
    kinds = {kind.__name__: kind for kind in known}
    values: dict[str, Any] = {
        name: np.asarray(value, dtype=np.float64) if isinstance(value, list) else value
        for name, value in record.items()
        if name not in ("kind", "names")
    }
    return kinds[record["kind"]](names=tuple(record["names"]), **values)
