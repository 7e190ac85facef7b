"""One cell of an audit: one network trained from start to end, watched, and resumable after any epoch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.aggregate import Aggregate
from rote.audit._neighbours import class_distances, representation
from rote.audit._plan import Factory, Plan, build, log_steps
from rote.audit._robust import robustly
from rote.audit._track import Track
from rote.errors import InputError
from rote.gradients import coherence, support
from rote.learners import Progress, logits, start, train_epoch
from rote.runs import RunFolder

_SECONDS_BETWEEN_CHECKPOINTS = 10.0


@dataclass(frozen=True, eq=False)
class Cell:
    """What one network is trained on.

    Attributes:
        name: Where its records go, for example ``"cells/real-0"``.
        y: Labels it is given, shape ``[m]``.
        learn: Indices of the examples it learns from, shape ``[n]``; the others are held out.
        seed: Of initial weights and order.
        coherence: Whether to measure coherence on the probe, at log-spaced steps.
        support: Whether to measure every example's support, after epochs 1, 2, 4, 8, … and the last.
        neighbours: Whether to measure, at the end, how near held-out examples are to each class inside the
            network.
        aggregate: What stands in the place of the sum of a batch's gradients; ``None``: the sum.
        weights: Whether to keep the trained weights.
    """

    name: str
    y: NDArray[np.int64]
    learn: NDArray[np.int64]
    seed: int
    coherence: bool = False
    support: bool = False
    neighbours: bool = False
    aggregate: Aggregate | None = None
    weights: bool = False


@dataclass(frozen=True, eq=False)
class Material:
    """What all cells share: inputs as the network sees them.

    Attributes:
        x: Raw inputs of the training part, shape ``[m, …]``.
        test_x: Raw inputs of the test part, shape ``[t, …]``.
        test_y: Labels of the test part, shape ``[t]``.
        true_y: Training labels before noise was planted, shape ``[m]``; the given ones where none was.
        classes: Number of classes.
        device: Where to train.
    """

    x: NDArray[Any]
    test_x: NDArray[Any]
    test_y: NDArray[np.int64]
    true_y: NDArray[np.int64]
    classes: int
    device: str


def train_cell(
    cell: Cell,
    material: Material,
    factory: Factory,
    plan: Plan,
    folder: Path,
    *,
    threads: int,
) -> str:
    """Train the cell's network and save what was seen, unless it is there already.

    Streams ``<name>/curve`` (one record an epoch) and ``<name>/coherence`` (one a look) grow meanwhile; the
    record ``<name>/track`` comes last, so it decides that the cell is done.

    Args:
        cell: What to train on.
        material: The inputs.
        factory: Of the network.
        plan: Recipe and probe.
        folder: The run folder, held by this process or by the one that started it.
        threads: For torch.

    Returns:
        The cell's name.

    Raises:
        InputError: If the network cannot be trained so: it fails, or what it says is no longer finite.
    """
    torch.set_num_threads(threads)
    run = RunFolder.join(folder)
    # A worker that outlived its killed parent may still be here, until it notices.
    with run.hold(f"{cell.name}/cell"):
        if not run.has(f"{cell.name}/track"):
            _Training(cell, material, factory, plan, run).finish()
    return cell.name


class _Training:
    """A cell's state between epochs: network, optimizer, and what was remembered so far."""

    def __init__(self, cell: Cell, material: Material, factory: Factory, plan: Plan, run: RunFolder) -> None:
        self.cell, self.plan, self.run = cell, plan, run
        self.x = standardised(material.x, material.x, cell.learn).to(material.device)
        self.test_x = standardised(material.test_x, material.x, cell.learn).to(material.device)
        self.classes = material.classes
        self.y, self.test_y, self.true_y = cell.y, material.test_y, material.true_y
        self.learn = torch.tensor(cell.learn, device=material.device)
        self.labels = torch.tensor(cell.y, device=material.device)
        torch.manual_seed(cell.seed)
        self.model = build(factory, material.x.shape[1:], material.classes).to(material.device)
        self.progress: Progress = start(self.model, plan.recipe)
        self.track = Track.empty(len(cell.y), material.classes)
        self.support_sum = np.zeros((2, len(cell.y)))
        self.support_looks = 0
        steps = -(-len(cell.learn) // plan.recipe.batch) * plan.recipe.epochs
        self.look_at = set(log_steps(steps)) if cell.coherence else set()
        probe = np.random.default_rng(plan.seed).permutation(len(cell.learn))[: plan.probe]
        self.probe = self.learn[torch.from_numpy(np.sort(probe)).to(material.device)]
        self._resume()

    def finish(self) -> None:
        """Train what is left and save the record."""
        saved, began = time.monotonic(), time.monotonic()
        epochs = self.plan.recipe.epochs
        while self.progress.epoch < epochs:
            try:
                self._epoch()
            except InputError as error:
                raise self._diverged() if self._overflowed(error) else error from error
            if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS and self.progress.epoch < epochs:
                self._checkpoint()
                saved = time.monotonic()
        if self.progress.step in self.look_at:
            self._measure(self.progress.step)
        arrays = self.track.arrays()
        if self.support_looks:
            arrays["support"] = self.support_sum[0] / self.support_looks
            arrays["support_same_label"] = self.support_sum[1] / self.support_looks
        held_out = np.ones(len(self.y), bool)
        held_out[self.cell.learn] = False
        arrays["held_out"] = held_out
        if self.cell.neighbours:
            arrays["representation_distance"] = self._representation_distance(held_out)
        if self.cell.weights:
            weights = {k: v.cpu().numpy() for k, v in self.model.state_dict().items()}
            self.run.save(f"{self.cell.name}/weights", {}, weights)
        self.run.append(f"{self.cell.name}/clock", {"seconds": time.monotonic() - began})
        self.run.save(f"{self.cell.name}/track", {"epochs": epochs, "steps": self.progress.step}, arrays)
        self.run.discard(f"{self.cell.name}/checkpoint")

    def _epoch(self) -> None:
        # Dropout and the like draw from here, so a resumed run draws the same.
        torch.manual_seed(self.cell.seed * 1_000_003 + self.progress.epoch)
        try:
            # Anew in every epoch, so that a resumed run checks the network where a whole one does.
            with robustly(self.model, self.cell.aggregate):
                train_epoch(
                    self.model,
                    self.x[self.learn],
                    self.labels[self.learn],
                    self.plan.recipe,
                    self.progress,
                    seed=self.cell.seed,
                    on_step=self._on_step if self.look_at else None,
                )
            said, test_said = logits(self.model, self.x), logits(self.model, self.test_x)
        except Exception as error:  # the user's code runs here
            raise self._failed(error) from error
        if not bool(torch.isfinite(said).all()):
            raise self._diverged()
        epoch = self.progress.epoch
        right = self.track.look(said, self.y, epoch=epoch)
        self.run.append(f"{self.cell.name}/curve", self._curve(right, said, test_said))
        if self.cell.support and (epoch & (epoch - 1) == 0 or epoch == self.plan.recipe.epochs):
            self._support()

    def _failed(self, error: Exception) -> InputError:
        """Why an epoch could not be trained, in one sentence."""
        if isinstance(error, InputError):
            return error
        last = len(self.cell.learn) % self.plan.recipe.batch
        hint = "; the last step of an epoch has one example only: try another --batch" if last == 1 else ""
        said = " ".join(str(error).split())
        return InputError(f"`model`: the network failed in training ({type(error).__name__}: {said}){hint}.")

    def _overflowed(self, error: InputError) -> bool:
        """Whether steps, and not the data, made weights or gradients infinite."""
        finite = all(bool(torch.isfinite(p).all()) for p in self.model.parameters())
        return self.progress.step > 0 and (not finite or "not finite" in str(error))

    def _diverged(self) -> InputError:
        return InputError(
            f"`lr` must be small enough for training to stay finite. Got {self.plan.recipe.lr:g}, with which "
            f"it diverged by epoch {max(self.progress.epoch, 1)}; choose a smaller --lr."
        )

    def _curve(self, right: NDArray[np.bool_], said: Tensor, test_said: Tensor) -> dict[str, float]:
        learn = np.zeros(len(self.y), bool)
        learn[self.cell.learn] = True
        corrupt = self.y != self.true_y
        losses = self.track.loss_last
        test_right = test_said.argmax(1).cpu().numpy() == self.test_y
        return {
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "train_loss": float(losses[learn].mean()),
            "train_accuracy": float(right[learn].mean()),
            "held_out_loss": float(losses[~learn].mean()),
            "held_out_accuracy": float(right[~learn].mean()),
            "test_accuracy": float(test_right.mean()),
            "pristine_accuracy": _mean(right[learn & ~corrupt]),
            "corrupt_accuracy": _mean(right[learn & corrupt]),
        }

    def _on_step(self, step: int) -> None:
        if step in self.look_at:
            self._measure(step)

    def _measure(self, step: int) -> None:
        found = coherence(self.model, nn.CrossEntropyLoss(), (self.x[self.probe], self.labels[self.probe]))
        record = {k: v for k, v in found.to_dict().items() if k not in ("squared_norms", "note")}
        self.run.append(f"{self.cell.name}/coherence", {"step": step, **record})

    def _support(self) -> None:
        found = support(self.model, nn.CrossEntropyLoss(), (self.x[self.learn], self.labels[self.learn]))
        self.support_sum[0, self.cell.learn] += found.whole
        self.support_sum[1, self.cell.learn] += found.same_label
        self.support_looks += 1

    def _representation_distance(self, held_out: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Distances of held-out examples to the classes of learned ones, as the network represents them."""
        found = np.zeros((len(self.y), self.classes), np.float32)
        inside = representation(self.model, self.x)
        found[held_out] = class_distances(
            inside[held_out],
            inside[~held_out],
            np.eye(self.classes, dtype=np.float32)[self.y[~held_out]],
        )
        return found

    def _checkpoint(self) -> None:
        arrays: dict[str, NDArray[Any]] = {f"track.{k}": v for k, v in self.track.arrays().items()}
        arrays |= {f"model.{k}": v.cpu().numpy() for k, v in self.model.state_dict().items()}
        state = self.progress.optimizer.state_dict()["state"]
        arrays |= {
            f"momentum.{i}": s["momentum_buffer"].cpu().numpy()
            for i, s in state.items()
            if s.get("momentum_buffer") is not None
        }
        arrays["support"] = self.support_sum
        record = {
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "support_looks": self.support_looks,
            "coherence_records": len(self.run.records(f"{self.cell.name}/coherence")),
        }
        self.run.save(f"{self.cell.name}/checkpoint", record, arrays)

    def _resume(self) -> None:
        """Go back to the last checkpoint, or to the beginning; streams lose what came after it."""
        name = self.cell.name
        if not self.run.has(f"{name}/checkpoint"):
            self.run.rewind(f"{name}/curve", 0)
            self.run.rewind(f"{name}/coherence", 0)
            return
        record, arrays = self.run.load(f"{name}/checkpoint")
        self.progress.epoch, self.progress.step = record["epoch"], record["step"]
        self.support_looks, self.support_sum = record["support_looks"], arrays["support"].copy()
        self.track = Track(**{k: v.copy() for k, v in _under("track.", arrays)})
        self.model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in _under("model.", arrays)})
        optimizer = self.progress.optimizer.state_dict()
        optimizer["state"] = {
            int(i): {"momentum_buffer": torch.from_numpy(v.copy())} for i, v in _under("momentum.", arrays)
        }
        self.progress.optimizer.load_state_dict(optimizer)
        self.run.rewind(f"{name}/curve", record["epoch"])
        self.run.rewind(f"{name}/coherence", record["coherence_records"])


def standardised(x: NDArray[Any], reference: NDArray[Any], learn: NDArray[np.int64]) -> Tensor:
    """Inputs as a network sees them: float32, images standardised over the examples learned from.

    Args:
        x: Raw inputs, shape ``[m, …]``: uint8 images get mean 0 and variance 1 in each channel; tables come
            so.
        reference: Raw inputs that mean and variance are taken of.
        learn: Which of them.

    Returns:
        Shape of ``x``.

    Example:
        >>> x = np.array([[[[0]]], [[[255]]]], dtype=np.uint8)
        >>> standardised(x, x, np.array([0, 1])).flatten().tolist()
        [-1.0, 1.0]
    """
    if x.dtype != np.uint8:
        # A worker gets large arrays as read-only maps of memory; torch wants its own to be writable.
        return torch.from_numpy(np.require(x, np.float32, ["C", "W"]))
    counts = np.stack(
        [np.bincount(reference[learn, c].ravel(), minlength=256) for c in range(reference.shape[1])]
    )
    values = np.arange(256)
    mean = counts @ values / counts.sum(1)
    spread = np.sqrt(np.maximum(counts @ values**2 / counts.sum(1) - mean**2, 1.0))
    table = ((values[None, :] - mean[:, None]) / spread[:, None]).astype(np.float32)
    return torch.from_numpy(np.stack([table[c][x[:, c]] for c in range(x.shape[1])], axis=1))


def _mean(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if right.size else float("nan")


def _under(prefix: str, arrays: dict[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    return ((k.removeprefix(prefix), v) for k, v in arrays.items() if k.startswith(prefix))
