"""Wrong options and wrong calls of a meter, in a sentence each."""

from collections.abc import Collection
from typing import Protocol

from rote.errors import InputError
from rote.gradients._capture import Capture


class Scaler(Protocol):
    """What is needed of a ``torch.amp.GradScaler``."""

    def get_scale(self) -> float:
        """The factor by which the loss is multiplied."""
        ...


def check_options(accumulate: bool, reduction: str, clipping: str, scaler: Scaler | None) -> None:
    """Raise if the options of a meter make no sense."""
    if reduction not in ("mean", "sum"):
        raise InputError(f"`reduction` must be 'mean' or 'sum', as the loss has it. Got {reduction!r}.")
    if clipping not in ("before", "after"):
        raise InputError(f"`clipping` must be 'before' or 'after' update() is called. Got {clipping!r}.")
    if clipping == "after" and accumulate:
        raise InputError(
            "`clipping='after'` needs one backward pass for each p.grad. Got accumulate=True, where several "
            "share it: use clipping='before'; the ratios are the same."
        )
    if scaler is not None and not callable(getattr(scaler, "get_scale", None)):
        raise InputError(
            f"`scaler` must be a torch.amp.GradScaler, which has get_scale(). Got {type(scaler).__name__}."
        )


def _refuse_hidden(capture: Capture, reached: Collection[str]) -> None:
    """Code compiled before the hooks were there runs without them."""
    if not any(unit.calls for unit in (capture.root, *capture.units)):
        raise InputError(
            "`update()` saw gradients of this backward pass but no layer's forward pass: call the watched "
            "model itself, with gradients on; where it is compiled, watch it before its first call, or use "
            "method='microbatch'."
        )


def refuse_wrong_calls(capture: Capture, reached: Collection[str], repeated: str | None) -> None:
    """Raise unless exactly one backward pass came since the last update.

    Args:
        capture: The hooks on the model.
        reached: Parameters whose gradient came.
        repeated: One whose gradient came twice.
    """
    thawed = next((name for name, p in capture.frozen.items() if p.requires_grad), None)
    if thawed is not None:
        raise InputError(
            f"`model`: parameter `{thawed}` was frozen when watch(model) was called and is not now: "
            "close the meter and watch the model again."
        )
    if not reached:
        why = (
            "a forward pass but no backward pass"
            if any(unit.calls for unit in (capture.root, *capture.units))
            else "neither a forward nor a backward pass of the watched model"
        )
        raise InputError(f"`update()` must follow loss.backward(). Got {why} since the last update().")
    _refuse_hidden(capture, reached)
    where = repeated or capture.twice
    if where is not None:
        raise InputError(
            f"`update()` must come after every backward pass. Got two backward passes through `{where}` "
            "since the last update(): add the losses up and call backward() once, or call update() after "
            "each."
        )
