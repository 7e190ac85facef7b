"""Predictions recorded while a model trains, and the curves of information that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._information import NAMES, Bits, Explained, explained, whole_numbers
from rote.errors import InputError


@dataclass(frozen=True, eq=False)
class Curves:
    """The measures of `Explained` over training, T steps, in bits.

    Attributes:
        steps: Shape ``[T]``, int64, ascending.
        values: By measure (``model``, ``simple``, ``shared``, ``unexplained``, ``forgotten``), shape ``[T]``.
        low: Lower ends of the intervals, likewise; nan where none were asked for.
        high: Upper ends.
        accuracy: Of the model, shape ``[T]``.
        simple_accuracy: Of the simpler model.

    Example:
        >>> recorder = Recorder(simple=[0, 0, 1, 1], labels=[0, 0, 1, 1])
        >>> recorder.add(0, [0, 0, 0, 0])
        >>> recorder.add(9, [0, 0, 1, 1])
        >>> recorder.curves(corrected=False).values["model"].tolist()
        [0.0, 1.0]
    """

    steps: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    low: Mapping[str, NDArray[np.float64]]
    high: Mapping[str, NDArray[np.float64]]
    accuracy: NDArray[np.float64]
    simple_accuracy: float

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={self.values[name][-1]:.3f}" for name in NAMES)
        return f"Curves({len(self.steps)} steps to {self.steps[-1]}; at the last, {last})"

    def parting(self, share: float = 0.1) -> int | None:
        """The first recorded step from which on ``unexplained`` stays above a share of ``simple``.

        Until then the simpler one explains nearly all that the model knows. None: they never part.

        Example:
            >>> recorder = Recorder(simple=[0, 1, 1, 1], labels=[0, 0, 1, 1])
            >>> recorder.add(0, [0, 1, 1, 1])  # as the simpler one
            >>> recorder.add(9, [0, 0, 1, 1])  # beyond it
            >>> recorder.curves(corrected=False).parting()
            9
        """
        apart = self.values["unexplained"] > share * np.maximum(self.values["simple"], 0)
        together = np.flatnonzero(~apart)
        first = int(together[-1]) + 1 if together.size else 0
        return int(self.steps[first]) if first < len(self.steps) else None

    def to_dict(self) -> dict[str, Any]:
        """The fields, JSON-ready; ends of intervals are None where there are none.

        Example:
            >>> recorder = Recorder(simple=[0, 1], labels=[0, 1])
            >>> recorder.add(0, [0, 1])
            >>> Curves.from_dict(recorder.curves().to_dict()).steps.tolist()
            [0]
        """
        ends = {
            side: {name: [None if np.isnan(v) else v for v in found[name].tolist()] for name in NAMES}
            for side, found in (("low", self.low), ("high", self.high))
        }
        return {
            "steps": self.steps.tolist(),
            "values": {name: self.values[name].tolist() for name in NAMES},
            **ends,
            "accuracy": self.accuracy.tolist(),
            "simple_accuracy": self.simple_accuracy,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Curves":
        """What :meth:`to_dict` wrote.

        Raises:
            InputError: If a field is missing.
        """
        missing = {"steps", "values", "low", "high", "accuracy", "simple_accuracy"} - set(record)
        if missing:
            raise InputError(f"A record of curves must have {', '.join(sorted(missing))}. Got none of it.")
        sides = {
            side: {name: np.array(record[side][name], float) for name in NAMES}
            for side in ("values", "low", "high")
        }
        return cls(
            steps=np.array(record["steps"], np.int64),
            **sides,
            accuracy=np.array(record["accuracy"], float),
            simple_accuracy=float(record["simple_accuracy"]),
        )


class Recorder:
    """Takes a model's predictions at steps of training and draws up the curves.

    The examples, their order and the simpler model's predictions are fixed. It keeps one byte an example and
    step (two beyond 256 classes).

    Args:
        simple: Hard predictions of the simpler model, shape ``[m]``, integers.
        labels: Shape ``[m]``.

    Raises:
        InputError: If they are not whole numbers from 0 to 65535 of one length.

    Example:
        >>> recorder = Recorder(simple=[0, 1, 1, 1], labels=[0, 0, 1, 1])
        >>> recorder.add(0, [0, 1, 1, 1])
        >>> recorder
        Recorder(m=4, steps=1)
    """

    def __init__(self, simple: ArrayLike, labels: ArrayLike) -> None:
        self.simple = _small(simple, "simple")
        self.labels = _small(labels, "labels", like=self.simple)
        self._steps: list[int] = []
        self._predictions: list[NDArray[np.uint8] | NDArray[np.uint16]] = []

    def __repr__(self) -> str:
        return f"Recorder(m={len(self.labels)}, steps={len(self._steps)})"

    def add(self, step: int, predictions: ArrayLike) -> None:
        """Record one step.

        Args:
            step: Above the one before.
            predictions: Hard predictions on the same examples in the same order, shape ``[m]``, integers.

        Raises:
            InputError: If the step does not ascend or the predictions are of other examples.
        """
        if self._steps and step <= self._steps[-1]:
            raise InputError(f"`step` must be above the one recorded before, {self._steps[-1]}. Got {step}.")
        self._predictions.append(_small(predictions, "predictions", like=self.labels))
        self._steps.append(int(step))

    def at(self, step: int, **options: Any) -> Explained:  # noqa: ANN401
        """The measures at a recorded step; options as `explained` has them.

        Raises:
            InputError: If that step was not recorded.
        """
        if step not in self._steps:
            raise InputError(f"`step` must be one that was recorded. Got {step}.")
        return explained(self._predictions[self._steps.index(step)], self.simple, self.labels, **options)

    def curves(
        self, *, corrected: bool = True, resamples: int = 0, level: float = 0.95, seed: int = 0
    ) -> Curves:
        """The measures at every step; options as `explained` has them.

        Raises:
            InputError: If nothing was recorded.
        """
        if not self._steps:
            raise InputError("`add` must have recorded one step at least before there are curves.")
        found = [
            self.at(step, corrected=corrected, resamples=resamples, level=level, seed=seed)
            for step in self._steps
        ]
        bits: dict[str, list[Bits]] = {name: [getattr(each, name) for each in found] for name in NAMES}
        return Curves(
            steps=np.array(self._steps, np.int64),
            values={name: np.array([b.value for b in each], float) for name, each in bits.items()},
            low={name: np.array([b.low for b in each], float) for name, each in bits.items()},
            high={name: np.array([b.high for b in each], float) for name, each in bits.items()},
            accuracy=np.array([each.accuracy for each in found]),
            simple_accuracy=found[0].simple_accuracy,
        )

    def to_dict(self) -> dict[str, Any]:
        """All that was recorded, JSON-ready."""
        return {
            "simple": self.simple.tolist(),
            "labels": self.labels.tolist(),
            "steps": list(self._steps),
            "predictions": [each.tolist() for each in self._predictions],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Recorder":
        """A recorder that goes on where the one that :meth:`to_dict` wrote had stopped.

        Raises:
            InputError: If the record does not fit together.
        """
        missing = {"simple", "labels", "steps", "predictions"} - set(record)
        if missing or len(record["steps"]) != len(record["predictions"]):
            raise InputError(
                "A recorder's record must have simple, labels, and as many steps as predictions. "
                f"Got {', '.join(sorted(record)) or 'nothing'}."
            )
        recorder = cls(record["simple"], record["labels"])
        for step, predictions in zip(record["steps"], record["predictions"], strict=True):
            recorder.add(step, predictions)
        return recorder


def _small(
    values: ArrayLike, name: str, *, like: NDArray[np.generic] | None = None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    found = whole_numbers(values, name)
    if found.min() < 0 or found.max() > 0xFFFF:
        raise InputError(f"`{name}` must be classes from 0 to 65535. Got {found.min()} to {found.max()}.")
    if like is not None and len(found) != len(like):
        raise InputError(f"`{name}` must be of the same {len(like)} examples. Got {len(found)}.")
    return found.astype(np.uint8) if found.max() < 256 else found.astype(np.uint16)
