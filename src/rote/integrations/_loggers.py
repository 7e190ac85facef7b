"""Where scalars go: one method, and thin adapters for what people already have."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from rote.gradients import Coherence
from rote.integrations._scalars import largest_layers, scalars


class Logger(Protocol):
    """Anything that takes the scalars of a step.

    Example:
        >>> class Printer:
        ...     def log(self, step, scalars):
        ...         print(step, dict(scalars))
        >>> logger: Logger = Printer()
        >>> logger.log(3, {"coherence/alpha": 0.5})
        3 {'coherence/alpha': 0.5}
    """

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        ...


class CoherenceLog:
    """Writes a coherence record's scalars to a logger, the same layers at every step.

    The layers are chosen once, by their share of the squared norms in the first record that has one.

    Args:
        logger: Where they go.
        limit: At most this many scalars a step.
        prefix: What every name starts with.

    Example:
        >>> from rote.gradients import LayerCoherence
        >>> class Printer:
        ...     def log(self, step, scalars):
        ...         print(step, *scalars)
        >>> log = CoherenceLog(Printer(), limit=5)
        >>> def record(a, b):
        ...     layers = {n: LayerCoherence(4, 0.5, 2.0, 1 / 3, 2.0, f) for n, f in [("a", a), ("b", b)]}
        ...     return Coherence(4, 1, 0.5, 2.0, 1 / 3, float("inf"), None, layers)
        >>> log(0, record(0.2, 0.8))
        0 coherence/alpha coherence/alpha_unbiased coherence/m_coherence coherence/layers/alpha_unbiased/b
        >>> log(1, record(0.9, 0.1))
        1 coherence/alpha coherence/alpha_unbiased coherence/m_coherence coherence/layers/alpha_unbiased/b
    """

    def __init__(self, logger: Logger, *, limit: int = 20, prefix: str = "coherence/") -> None:
        self.logger = logger
        self.limit, self.prefix = limit, prefix
        self.layers: tuple[str, ...] | None = None

    def __call__(self, step: int, coherence: Coherence) -> None:
        """Log this record; nothing is logged where all of it is nan."""
        if self.layers is None and any(layer.share > 0 for layer in coherence.layers.values()):
            self.layers = largest_layers(coherence, limit=self.limit)
        found = scalars(coherence, limit=self.limit, prefix=self.prefix, layers=self.layers)
        if found:
            self.logger.log(step, found)


class _Writer(Protocol):
    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object: ...


class _Run(Protocol):
    def log(self, data: dict[str, float], *, step: int) -> object: ...


class _Metrics(Protocol):
    def log_metrics(self, metrics: dict[str, float], *, step: int) -> object: ...


class TensorBoard:
    """Scalars to TensorBoard.

    Args:
        writer: A ``torch.utils.tensorboard.SummaryWriter``, or another with its ``add_scalar``.

    Example:
        >>> class Writer:
        ...     def add_scalar(self, tag, scalar_value, global_step):
        ...         print(tag, scalar_value, global_step)
        >>> TensorBoard(Writer()).log(3, {"coherence/alpha": 0.5})
        coherence/alpha 0.5 3
    """

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, global_step=step)


class Wandb:
    """Scalars to Weights & Biases or to trackio.

    Both want steps that do not fall: pass the same step to your own ``log`` calls.

    Args:
        run: What ``wandb.init()`` or ``trackio.init()`` returned, or the module itself.

    Example:
        >>> class Run:
        ...     def log(self, data, step=None):
        ...         print(data, step)
        >>> Wandb(Run()).log(3, {"coherence/alpha": 0.5})
        {'coherence/alpha': 0.5} 3
    """

    def __init__(self, run: _Run) -> None:
        self._run = run

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        self._run.log(dict(scalars), step=step)


class MLflow:
    """Scalars to MLflow, or to anything else with its ``log_metrics``, as Lightning's loggers.

    Args:
        mlflow: The module ``mlflow``, with a run active.

    Example:
        >>> class Tracking:
        ...     def log_metrics(self, metrics, step=None):
        ...         print(metrics, step)
        >>> MLflow(Tracking()).log(3, {"coherence/alpha": 0.5})
        {'coherence/alpha': 0.5} 3
    """

    def __init__(self, mlflow: _Metrics) -> None:
        self._mlflow = mlflow

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        self._mlflow.log_metrics(dict(scalars), step=step)


class JsonLines:
    r"""Scalars to a file, one line of JSON a step, appended; nan and infinity become ``null``.

    Args:
        path: The file; it and its folder are made when the first line is written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "coherence.jsonl"
        >>> JsonLines(path).log(3, {"coherence/alpha": 0.5, "coherence/noise_scale": float("inf")})
        >>> path.read_text()
        '{"step": 3, "coherence/alpha": 0.5, "coherence/noise_scale": null}\n'
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep these scalars under this step."""
        finite = {name: value if math.isfinite(value) else None for name, value in scalars.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Opened for each line, so that every line is whole on disk and the logger can be pickled.
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **finite}) + "\n")
