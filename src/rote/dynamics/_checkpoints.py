"""The states of a model at some steps of its training: recorded live, given, or found in a folder."""

import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from rote.errors import InputError

State = Mapping[str, Tensor]
_ENDINGS = (".pt", ".pth", ".ckpt", ".bin")


class Checkpoints:
    """Copies of a model's state by step, in memory or in a folder, read back one at a time.

    Args:
        folder: Where to keep them, one safetensors file a step (``step-00000100.safetensors``); in memory
            unless given.

    Example:
        >>> model, checkpoints = nn.Linear(1, 1, bias=False), Checkpoints()
        >>> for step in range(2):
        ...     _ = model.weight.data.fill_(step)
        ...     checkpoints.add(step, model)
        >>> [(step, state["weight"].item()) for step, state in checkpoints]
        [(0, 0.0), (1, 1.0)]
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._kept: dict[int, State | Path] = {}

    @classmethod
    def read(cls, folder: str | Path) -> "Checkpoints":
        """The checkpoints in a folder and in folders of it; nothing of them is executed.

        The step is the last number in a file's path, as in ``step-00000100.safetensors``,
        ``epoch=3-step=1200.ckpt`` or ``checkpoint-500/model.safetensors``. Where there are safetensors files,
        only these count; else files that ``torch.load(…, weights_only=True)`` reads.

        Raises:
            InputError: If there is none, one has no number, or two have the same.

        Example:
            >>> Checkpoints.read("no-such-folder")
            Traceback (most recent call last):
            ...
            rote.errors.InputError: `no-such-folder` must be a folder of checkpoints. Got no folder: check it.
        """
        made = cls(folder)
        place = Path(folder)
        if not place.is_dir():
            raise InputError(f"`{folder}` must be a folder of checkpoints. Got no folder: check it.")
        files = sorted(place.rglob("*.safetensors")) or sorted(
            path for path in place.rglob("*") if path.suffix in _ENDINGS
        )
        for file in files:
            numbers = re.findall(r"\d+", str(file.relative_to(place).with_suffix("")))
            if not numbers:
                raise InputError(f"A checkpoint's path must hold its step as the last number. Got `{file}`.")
            step = int(numbers[-1])
            if step in made._kept:
                raise InputError(
                    f"Each step must have one checkpoint. Got two of step {step}: `{made._kept[step]}` and "
                    f"`{file}`."
                )
            made._kept[step] = file
        if not files:
            raise InputError(
                f"`{folder}` must hold checkpoints (.safetensors, {', '.join(_ENDINGS)}). Got none."
            )
        return made

    def add(self, step: int, model: nn.Module) -> None:
        """Copy the state of the model as it is now.

        Raises:
            InputError: If the step is negative or was recorded before.
        """
        if step < 0 or step in self._kept:
            raise InputError(f"`step` must be a new one, not negative. Got {step} with {list(self._kept)}.")
        state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        self._kept[step] = state if self._folder is None else _write(state, self._folder, step)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[tuple[int, State]]:
        for step in sorted(self._kept):
            kept = self._kept[step]
            yield step, _read(kept) if isinstance(kept, Path) else kept

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps, rising."""
        return tuple(sorted(self._kept))

    def __getitem__(self, step: int) -> State:
        """The state at a step.

        Raises:
            InputError: If there is none.
        """
        if step not in self._kept:
            raise InputError(f"`step` must be one of {list(self.steps)}. Got {step}.")
        kept = self._kept[step]
        return _read(kept) if isinstance(kept, Path) else kept

    def __repr__(self) -> str:
        where = "memory" if self._folder is None else f"`{self._folder}`"
        span = f", steps {min(self._kept)} … {max(self._kept)}" if self._kept else ""
        return f"Checkpoints: {len(self)} in {where}{span}"


def checkpoint_steps(total: int, *, early: int = 10, even: int = 10) -> tuple[int, ...]:
    """When to keep a checkpoint: at the start, densely early on, then evenly, and at the end.

    Args:
        total: Steps of the training.
        early: Logarithmically spaced steps from 1 to the end.
        even: Evenly spaced ones.

    Returns:
        Rising steps from 0 to ``total``, each once.

    Raises:
        InputError: If a number is below 1.

    Example:
        >>> checkpoint_steps(1000, early=3, even=4)
        (0, 1, 10, 100, 250, 500, 750, 1000)
    """
    if min(total, early, even) < 1:
        raise InputError(
            f"`checkpoint_steps` needs numbers of at least 1. Got total={total}, early={early}, even={even}."
        )
    log = (round(total ** (k / early)) for k in range(early + 1))
    return tuple(sorted({0, *log, *(round(total * k / even) for k in range(even + 1))}))


def as_checkpoints(given: "Checkpoints | str | Path | Iterable[tuple[int, State]]") -> Checkpoints:
    """Checkpoints from whatever holds them.

    Raises:
        InputError: If there are none, steps repeat, or two states are the same tensors: ``state_dict()``
            returns references, so that each would be the model as it is at the end.

    Example:
        >>> net = nn.Linear(1, 1)
        >>> as_checkpoints([(0, net.state_dict()), (1, net.state_dict())])
        Traceback (most recent call last):
        ...
        rote.errors.InputError: Each checkpoint needs tensors of its own. Got the same ones for steps 0 \
and 1: copy them, `{name: t.clone() for name, t in model.state_dict().items()}`.
    """
    if isinstance(given, Checkpoints):
        found = given
    elif isinstance(given, str | Path):
        found = Checkpoints.read(given)
    else:
        found = Checkpoints()
        owners: dict[int, int] = {}
        for step, state in given:
            if step in found._kept:
                raise InputError(f"Each step must have one checkpoint. Got two of step {step}.")
            found._kept[step] = state
            place = next((t.data_ptr() for t in state.values() if t.is_floating_point() and t.numel()), 0)
            if place and place in owners:
                raise InputError(
                    "Each checkpoint needs tensors of its own. Got the same ones for steps "
                    f"{owners[place]} and {step}: copy them, "
                    "`{name: t.clone() for name, t in model.state_dict().items()}`."
                )
            owners[place] = step
    if not len(found):
        raise InputError("`checkpoints` must hold at least one. Got none.")
    return found


def load(model: nn.Module, state: State, what: str) -> None:
    """Put a state into a model; everything must fit.

    Raises:
        InputError: If a name is missing or left over, or a shape differs.

    Example:
        >>> load(nn.Linear(1, 1), {"weight": torch.zeros(1, 1)}, "`state`")
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `state` must fit the model. Got none of 'bias'.
    """
    own = model.state_dict()
    missing, extra = [n for n in own if n not in state], [n for n in state if n not in own]
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or extra or wrong:
        got = f"none of {missing[0]!r}" if missing else ""
        if extra:
            got += f"{' but ' if got else ''}{extra[0]!r}, which the model has not"
        if wrong and not got:
            given, wanted = tuple(state[wrong[0]].shape), tuple(own[wrong[0]].shape)
            got = f"shape {given} for {wrong[0]!r}, which is {wanted}"
        raise InputError(f"{what} must fit the model. Got {got}.")
    model.load_state_dict(state)


def _write(state: State, folder: Path, step: int) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.safetensors"
    passing = path.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in state.items()}, passing)
    passing.rename(path)  # so that a file that is there is whole
    return path


def _read(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"`{path}` must be a checkpoint that holds tensors alone. Got: {reason}") from None
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]  # as Lightning and many loops write it
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise InputError(
            f"`{path}` must hold a state dict of tensors, or one under 'state_dict'. Got another."
        )
    return found
