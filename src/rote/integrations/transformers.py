"""Coherence while a Transformers ``Trainer`` trains: ``CoherenceCallback``, and ``TrainerLog`` to log it.

``transformers`` is imported when the callback is asked for.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from torch import nn

from rote.errors import InputError
from rote.gradients import watch
from rote.integrations._derive import derive
from rote.integrations._loggers import CoherenceLog, Logger
from rote.integrations._steps import StepMeter, Watcher

__all__ = ["CoherenceCallback", "TrainerLog"]


class _Arguments(Protocol):
    """What is needed of ``TrainingArguments``."""

    n_gpu: int
    world_size: int
    torch_compile: bool


class _State(Protocol):
    """What is needed of ``TrainerState``."""

    global_step: int
    is_world_process_zero: bool
    epoch: float | None
    log_history: list[dict[str, float]]


class _Trainer(Protocol):
    """What is needed of a ``Trainer``."""

    def log(self, logs: dict[str, float]) -> None: ...


class TrainerLog:
    """Scalars to whatever the ``Trainer`` reports to (``report_to``), beside its loss.

    Args:
        trainer: The Trainer; so add the callback to it afterwards:
            ``trainer.add_callback(CoherenceCallback(logger=TrainerLog(trainer)))``.

    Example:
        >>> class Trainer:
        ...     def log(self, logs):
        ...         print(logs)
        >>> TrainerLog(Trainer()).log(3, {"coherence/alpha": 0.5})
        {'coherence/alpha': 0.5}
    """

    def __init__(self, trainer: _Trainer) -> None:
        self._trainer = trainer

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars; the Trainer puts its own ``global_step``, which is the same."""
        self._trainer.log(dict(scalars))


class _Hooks:
    """Measures coherence at every backward pass of ``Trainer.train`` and logs it with every optimizer step.

    The numbers are those of :func:`rote.watch` in a plain loop; evaluation is not measured. Statistics are of
    the gradients as ``backward()`` made them, although the Trainer tells its callbacks only after clipping.

    The Trainer scales its loss: over the batches of one step it is the sum over all tokens (or examples)
    divided by their number in the *step*. Ratios do not depend on the scale, ``squared_norms`` do.

    ``callback.meter`` has what was measured: ``last``, ``compute()`` over all steps, ``coverage`` and
    ``reset()``. The hooks are removed at the end of training. A Trainer does not tell callbacks of errors, so
    use the callback as a context manager if the model lives on after one.

    Args:
        every: Measure every so many optimizer steps; on those between, the model carries no hook.
        accumulate: How the batches of one step are joined under ``gradient_accumulation_steps``. ``False``:
            each stands for itself. ``True``: their examples are one sample; bind ``reduction="sum"`` in
            ``watch`` if the batches differ in size and the model divides its loss by ``num_items_in_batch``.
        model: From the Trainer's model to what is watched; itself unless given. In several processes
            ``lambda _: trainer.model_wrapped``.
        logger: Where the scalars go, such as :class:`TrainerLog`; ``trainer.state.log_history`` unless given.
        limit: At most this many scalars a step.
        prefix: What their names start with.
        watch: :func:`rote.watch`, or that with options bound by ``functools.partial``.

    Raises:
        InputError: If ``transformers`` is not installed.
    """

    def __init__(
        self,
        *,
        every: int = 1,
        accumulate: bool = False,
        model: Callable[[nn.Module], nn.Module] | None = None,
        logger: Logger | None = None,
        limit: int = 20,
        prefix: str = "coherence/",
        watch: Callable[..., Watcher] = watch,
    ) -> None:
        super().__init__()
        self.meter = StepMeter(every=every, accumulate=accumulate, watch=watch)
        self._model, self._logger = model, logger
        self._log = CoherenceLog(_History() if logger is None else logger, limit=limit, prefix=prefix)

    def on_train_begin(self, args: _Arguments, state: _State, control: object, **others: Any) -> None:  # noqa: ANN401
        """Leave nothing of an earlier training on the model."""
        self.meter.close()
        if self._model is None:
            _refuse_wrapped(args)

    def on_step_begin(self, args: _Arguments, state: _State, control: object, **others: Any) -> None:  # noqa: ANN401
        """Watch the model if this step is to be measured."""
        model = others["model"]
        self.meter.begin(
            model if self._model is None else self._model(model),
            scaler=getattr(others.get("optimizer"), "scaler", None),
        )

    def on_substep_end(self, args: _Arguments, state: _State, control: object, **others: Any) -> None:  # noqa: ANN401
        """Take the statistics of a backward pass after which the optimizer does not step."""
        self.meter.backward()

    def on_pre_optimizer_step(self, args: _Arguments, state: _State, control: object, **others: Any) -> None:  # noqa: ANN401
        """Take the statistics of the last backward pass of a step."""
        self.meter.backward()
        self.meter.before_step()

    def on_step_end(self, args: _Arguments, state: _State, control: object, **others: Any) -> None:  # noqa: ANN401
        """Log."""
        coherence = self.meter.end()
        if coherence is None or not state.is_world_process_zero:
            return
        if isinstance(self._log.logger, _History):
            self._log.logger.state = state
        self._log(state.global_step, coherence)

    def on_train_end(self, args: _Arguments, state: _State, control: object, **others: Any) -> None:  # noqa: ANN401
        """Remove the hooks."""
        self.meter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.meter.close()


def _refuse_wrapped(args: _Arguments) -> None:
    """The Trainer shows its callbacks the model, and not what it wrapped around it."""
    devices = max(args.world_size, args.n_gpu)
    if devices > 1 or args.torch_compile:
        got = f"{devices} devices" if devices > 1 else "torch_compile=True"
        raise InputError(
            f"`model` must say what is watched when the Trainer wraps its model. Got none with {got}: pass "
            "CoherenceCallback(model=lambda _: trainer.model_wrapped), or train on one device, uncompiled."
        )


class _History:
    """The history that a Trainer keeps and writes beside its checkpoints."""

    state: _State

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        epoch = {} if self.state.epoch is None else {"epoch": self.state.epoch}
        self.state.log_history.append({**scalars, **epoch, "step": step})


if TYPE_CHECKING:
    CoherenceCallback = _Hooks


def __getattr__(name: str) -> object:
    if name != "CoherenceCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = derive(_Hooks, name, "TrainerCallback", ("transformers",), extra="transformers")
    return globals().setdefault(name, made)
