"""A labelled dataset in memory, whose examples keep their ids through every subset."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples, labels and ids: three arrays that are always indexed together.

    Attributes:
        name: What the user calls it, for example ``"mnist"``.
        X: Raw inputs: images ``[m, c, h, w]``, uint8 (0 to 255) or, where a factory gives other numbers,
            float32; tables ``[m, d]``, float32.
        y: Given labels, shape ``[m]``, int64, values in ``0 … len(classes) - 1``.
        ids: Stable ids, shape ``[m]``, int64 or str, unique; they never change, whatever is selected.
        classes: Class names, in the order of the labels.
        true_y: The labels before noise was planted, shape ``[m]``; equal to ``y`` where none was.
        noise: How the noise was planted, for example ``"uniform:0.2 seed 0"``; empty without.
        columns: Names of the columns of a table; empty for images.

    Raises:
        InputError: If lengths differ, ids repeat, or a label lies outside the classes.

    Example:
        >>> d = Dataset("toy", np.zeros((3, 2), np.float32), np.array([0, 1, 1]), np.arange(3), ("a", "b"))
        >>> d[np.array([2, 0])].ids.tolist(), len(d), d.is_image
        ([2, 0], 3, False)
    """

    name: str
    X: NDArray[np.uint8] | NDArray[np.float32]
    y: NDArray[np.int64]
    ids: NDArray[np.generic]
    classes: tuple[str, ...]
    true_y: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    noise: str = ""
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.X) == len(self.y) == len(self.ids):
            raise InputError(
                f"`{self.name}` must have as many labels and ids as examples. "
                f"Got {len(self.X)} examples, {len(self.y)} labels, {len(self.ids)} ids."
            )
        outside = np.flatnonzero((self.y < 0) | (self.y >= len(self.classes)))
        if outside.size:
            i = int(outside[0])
            raise InputError(
                f"`{self.name}`: the label of example {self.ids[i]} (row {i}) is {self.y[i]}, "
                f"outside 0 to {len(self.classes) - 1}."
            )
        if self.true_y.size == 0:
            object.__setattr__(self, "true_y", self.y)
        elif len(self.true_y) != len(self.y):
            raise InputError(
                f"`{self.name}` must have as many true labels as labels. "
                f"Got {len(self.true_y)} and {len(self.y)}."
            )
        self._require_unique_ids()

    def _require_unique_ids(self) -> None:
        rows: dict[object, int] = {}
        ids = self.ids.tolist()
        if len(set(ids)) == len(ids):
            return
        for row, name in enumerate(ids):
            if name in rows:
                raise InputError(
                    f"`{self.name}`: the id {name!r} stands in row {rows[name]} and again in row {row}: "
                    f"ids must differ."
                )
            rows[name] = row

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "Dataset":
        """The selected examples, in the order selected, with their own ids."""
        return replace(self, X=self.X[index], y=self.y[index], ids=self.ids[index], true_y=self.true_y[index])

    @property
    def is_image(self) -> bool:
        """Whether an example is an image ``[c, h, w]``."""
        return self.X.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.X.shape[1:])

    @property
    def corrupt(self) -> NDArray[np.bool_]:
        """Which labels planted noise has changed, shape ``[m]``."""
        return np.asarray(self.y != self.true_y, np.bool_)

    @property
    def proper_accuracy(self) -> float:
        """Share of labels that are still the true ones: the accuracy of a model that fits no noise."""
        return float(np.mean(self.y == self.true_y))

    def with_labels(self, y: NDArray[np.int64], *, noise: str) -> "Dataset":
        """The same examples under other labels; ``true_y`` stays what it was."""
        return replace(self, y=y, noise=noise)

    def inputs(self, index: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.float32]:
        """Model inputs of the selected examples: images scaled to 0…1, tables as they are; float32."""
        chosen = self.X[index]
        if chosen.dtype != np.uint8:
            return chosen.astype(np.float32, copy=False)
        scaled = chosen.astype(np.float32)
        scaled /= 255
        return scaled

    def pixels(self, index: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.uint8]:
        """The selected images as uint8 for showing them; float images are stretched, each to 0 to 255.

        Raises:
            InputError: If the examples are no images.
        """
        if not self.is_image:
            raise InputError(
                f"`{self.name}` must hold images to show them, but its examples have shape {self.shape}."
            )
        chosen = self.X[index]
        if chosen.dtype == np.uint8:
            return chosen.astype(np.uint8, copy=False)
        low = chosen.min(axis=(1, 2, 3), keepdims=True)
        width = chosen.max(axis=(1, 2, 3), keepdims=True) - low
        stretched = np.rint((chosen - low) / np.where(width > 0, width, 1) * 255)
        return np.asarray(stretched, np.uint8)


@dataclass(frozen=True, eq=False)
class Splits:
    """A dataset's training and test parts.

    Attributes:
        train: What a model may learn from.
        test: What it is judged on; its ids differ from all of ``train``'s.
        source: Where the bytes came from, in words (file names, or "scikit-learn").
        sha256: One digest over inputs, labels and ids of both parts: the identity of the data in a run.
        mean: What was subtracted from each column of a table, shape ``[d]``, float64; empty for images.
        std: What each column was then divided by, shape ``[d]``, float64; empty for images. Both come from
            the training part alone.

    Example:
        >>> d = Dataset("toy", np.zeros((2, 1), np.float32), np.array([0, 1]), np.arange(2), ("a", "b"))
        >>> Splits(train=d[:1], test=d[1:], source="memory", sha256="").test.ids.tolist()
        [1]
    """

    train: Dataset
    test: Dataset
    source: str
    sha256: str
    mean: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    std: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
