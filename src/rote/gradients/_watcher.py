"""What every meter of a training loop offers, whichever way it measures."""

from types import TracebackType
from typing import Protocol, Self

from rote.gradients._finite import Marked
from rote.gradients._record import Coherence, Statistics


class Watcher(Protocol):
    """The surface of what :func:`rote.watch` returns: exact or from microbatches, a loop cannot tell.

    Example:
        >>> from rote.gradients import Meter
        >>> meter: type[Watcher] = Meter
        >>> sorted(name for name in vars(meter) if not name.startswith("_"))[:3]
        ['check', 'close', 'compute']
    """

    @property
    def method(self) -> str:
        """``"exact"`` or ``"microbatch"``."""
        ...

    @property
    def last(self) -> Coherence:
        """Coherence of the last step alone, at the weights it met."""
        ...

    @property
    def statistics(self) -> Statistics | None:
        """Additive sums over the steps since the last reset; ``None`` before the first."""
        ...

    @property
    def marked(self) -> tuple[Marked, ...]:
        """Steps since the last reset that were left out because a gradient was not finite."""
        ...

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, which way it is measured."""
        ...

    def update(self) -> None:
        """Close this step: after ``loss.backward()``, before the optimizer's step."""
        ...

    def compute(self) -> Coherence:
        """Coherence of everything since the last ``reset()``."""
        ...

    def check(self) -> None:
        """Ask for the self-check, made on the first step, to be made on the next one again."""
        ...

    def reset(self) -> None:
        """Forget all steps; go on watching."""
        ...

    def pause(self) -> None:
        """Take every hook off the model until :meth:`resume`, so that the steps between cost nothing."""
        ...

    def resume(self) -> None:
        """Go on after :meth:`pause`, with what was learnt of the layers: there is no second self-check."""
        ...

    def close(self) -> None:
        """Remove every hook from the model; what was measured stays readable."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
