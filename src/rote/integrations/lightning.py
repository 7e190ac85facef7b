"""While a Lightning ``Trainer`` trains: ``CoherenceCallback``, and ``FreezeTraining``.

The package may be ``lightning`` or ``pytorch_lightning``; it is imported when a callback is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from rote.dynamics import FreezeTraining as _FreezeTraining
from rote.errors import InputError
from rote.gradients import watch
from rote.integrations._derive import derive
from rote.integrations._loggers import CoherenceLog, Logger
from rote.integrations._steps import StepMeter, Watcher

__all__ = ["CoherenceCallback", "FreezeTraining"]


class _Trainer(Protocol):
    """What is needed of a ``Trainer``."""

    global_step: int
    estimated_stepping_batches: float
    world_size: int
    is_global_zero: bool
    loggers: Sequence[Any]
    strategy: Any
    precision_plugin: Any


class _Hooks:
    """Measures coherence at every backward pass of ``Trainer.fit`` and logs it with every optimizer step.

    The numbers are those of :func:`rote.watch` in a plain loop; validation, testing and prediction are not
    measured. Statistics are taken right after ``backward()``: before clipping and before the step. The hooks
    are removed at the end of training, and when it stops by an error.

    Lightning divides the loss by ``accumulate_grad_batches``. Ratios do not depend on its scale,
    ``squared_norms`` do.

    ``callback.meter`` has what was measured: ``last``, ``compute()`` over all steps (a checkpoint carries it
    along), ``coverage``, ``reset()`` and ``close()``.

    Args:
        every: Measure every so many optimizer steps; on those between, the model carries no hook.
        accumulate: How the batches of one step are joined under ``accumulate_grad_batches``. ``False``: each
            stands for itself. ``True``: their examples are one sample.
        model: From the ``LightningModule`` to what is watched, such as ``operator.attrgetter("net")``; itself
            unless given.
        logger: Where the scalars go, instead of the Trainer's own loggers.
        limit: At most this many scalars a step.
        prefix: What their names start with; a second callback needs a second prefix.
        watch: :func:`rote.watch`, or that with options bound by ``functools.partial``.

    Raises:
        InputError: If neither package is installed.
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
        self._log = CoherenceLog(
            _TrainersLoggers(()) if logger is None else logger, limit=limit, prefix=prefix
        )
        self._step = 0

    @property
    def state_key(self) -> str:
        """Under which a checkpoint keeps this callback's state."""
        return f"rote.CoherenceCallback[{self._log.prefix!r}]"

    def on_train_start(self, trainer: _Trainer, pl_module: nn.Module) -> None:
        """Find the loggers; leave nothing of an earlier fit on the model."""
        self.meter.close()
        if self._model is None and getattr(pl_module, "_compiler_ctx", None) is not None:
            raise InputError(
                "`model` must be a LightningModule that is not compiled: compiled code shows no layers. Got "
                "one that is: give Trainer.fit the module itself, without torch.compile."
            )
        if self._logger is None:
            self._log.logger = _TrainersLoggers(trainer.loggers)

    def on_train_batch_start(
        self, trainer: _Trainer, pl_module: nn.Module, batch: object, batch_idx: int
    ) -> None:
        """Watch the model if this step is to be measured."""
        self._step = trainer.global_step
        watched = trainer.strategy.model if trainer.world_size > 1 else pl_module
        self.meter.begin(
            watched if self._model is None else self._model(pl_module),
            scaler=getattr(trainer.precision_plugin, "scaler", None),
        )

    def on_after_backward(self, trainer: _Trainer, pl_module: nn.Module) -> None:
        """Take the statistics: before clipping, before the step."""
        self.meter.backward()

    def on_before_optimizer_step(self, trainer: _Trainer, pl_module: nn.Module, optimizer: object) -> None:
        """Compare the microbatches, if that is what is measured."""
        self.meter.before_step()

    def on_train_batch_end(
        self, trainer: _Trainer, pl_module: nn.Module, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Log, if the optimizer has stepped."""
        if trainer.global_step > self._step:
            coherence = self.meter.end()
            if coherence is not None and trainer.is_global_zero:
                self._log(self._step, coherence)

    def on_train_end(self, trainer: _Trainer, pl_module: nn.Module) -> None:
        """Remove the hooks."""
        self.meter.close()

    def on_exception(self, trainer: _Trainer, pl_module: nn.Module, exception: BaseException) -> None:
        """Remove the hooks."""
        self.meter.close()

    def teardown(self, trainer: _Trainer, pl_module: nn.Module, stage: str) -> None:
        """Remove the hooks."""
        self.meter.close()

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: the sums so far, the steps counted, the layers that are logged."""
        layers = None if self._log.layers is None else list(self._log.layers)
        return {**self.meter.state_dict(), "layers": layers}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was written."""
        self.meter.load_state_dict(state_dict)
        layers = state_dict["layers"]
        self._log.layers = None if layers is None else tuple(layers)


class _TrainersLoggers:
    """The Trainer's own loggers as one of ours."""

    def __init__(self, loggers: Sequence[Any]) -> None:
        self._loggers = loggers

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        for logger in self._loggers:
            logger.log_metrics(dict(scalars), step=step)


class _Freezing:
    """Freezes layers from below while ``Trainer.fit`` trains: :class:`rote.dynamics.FreezeTraining`.

    How much of training is done is told by ``trainer.estimated_stepping_batches``. ``callback.freeze`` is the
    plain object: after training, ``callback.freeze.saving()`` says what was saved. A fit that goes on from a
    checkpoint freezes at its first batch what was frozen when the checkpoint was written.

    Args:
        layers: Names of modules of what is trained, from below; its children with parameters unless given.
        model: From the ``LightningModule`` to what is frozen, such as ``operator.attrgetter("net")``; itself
            unless given.
        start: The share of training at which the lowest layer is frozen.
        end: The share at which the last but one is.

    Raises:
        InputError: If neither package is installed; when training starts, if a layer is unknown, the length
            of training is not known, or several processes train.
    """

    freeze: _FreezeTraining

    def __init__(
        self,
        layers: Sequence[str] | None = None,
        *,
        model: Callable[[nn.Module], nn.Module] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        super().__init__()
        self._layers, self._model, self._start, self._end = layers, model, start, end

    def on_train_start(self, trainer: _Trainer, pl_module: nn.Module) -> None:
        """Find the layers."""
        if trainer.world_size > 1:
            raise InputError(
                "`FreezeTraining` needs training in one process: others wait for gradients that frozen "
                f"layers have no longer. Got {trainer.world_size} processes."
            )
        if not trainer.estimated_stepping_batches < float("inf"):
            raise InputError(
                "`FreezeTraining` needs to know how long training is. Got a Trainer without an end: set "
                "max_epochs or max_steps."
            )
        model = pl_module if self._model is None else self._model(pl_module)
        self.freeze = _FreezeTraining(model, self._layers, start=self._start, end=self._end)

    def on_train_batch_start(
        self, trainer: _Trainer, pl_module: nn.Module, batch: object, batch_idx: int
    ) -> None:
        """Freeze what is due."""
        self.freeze.step(min(1.0, trainer.global_step / trainer.estimated_stepping_batches))


_CALLBACKS = {"CoherenceCallback": _Hooks, "FreezeTraining": _Freezing}

if TYPE_CHECKING:
    CoherenceCallback = _Hooks
    FreezeTraining = _Freezing


def __getattr__(name: str) -> object:
    if name not in _CALLBACKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    packages = ("lightning.pytorch", "pytorch_lightning")
    made = derive(_CALLBACKS[name], name, "Callback", packages, extra="lightning")
    return globals().setdefault(name, made)
