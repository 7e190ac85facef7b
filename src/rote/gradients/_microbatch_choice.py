"""Which models are measured by microbatches, and which cannot be, in a sentence each."""

from torch import nn

from rote.errors import InputError
from rote.gradients._microbatch_hooks import wrappers
from rote.gradients._rules import coupling


def why_not_exact(model: nn.Module) -> str:
    """Why ``watch(model, method="auto")`` measures by microbatches; empty where it measures exactly.

    Example:
        >>> why_not_exact(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
        'layer `1` (BatchNorm1d) takes statistics over the batch'
        >>> why_not_exact(nn.BatchNorm1d(2).eval())
        ''
    """
    for name, module in wrappers(model)[-1][0].named_modules():
        why = coupling(module)
        if why:
            return f"layer `{name or type(module).__name__}` ({type(module).__name__}) {why}"
    for name, module in model.named_modules():
        if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None:
            return f"{f'layer `{name}`' if name else 'the model'} is compiled"
    return ""


def refuse_exact_options(reason: str, *, accumulate: bool, clipping: str) -> None:
    """Raise if ``watch`` was given options that only exact statistics have.

    Args:
        reason: Why ``method="auto"`` chose microbatches; empty if the user did.
        accumulate: As given to ``watch``.
        clipping: As given to ``watch``.

    Raises:
        InputError: The sentence says what to do instead.
    """
    why = f"method='auto' measures by microbatches, because {reason}" if reason else "method='microbatch'"
    if accumulate:
        raise InputError(
            f"`accumulate` must be False where {why}: call update() once, after the last of the backward "
            "passes that belong together."
        )
    if clipping != "before":
        raise InputError(
            f"`clipping` must be 'before' where {why}: the gradients are taken as backward() makes them, and "
            "the ratios are the same."
        )


def check_model(model: nn.Module, microbatch_size: int | None, groups: int) -> None:
    """Raise if the model cannot be measured by microbatches, or an option is not a count.

    Args:
        model: As given to the meter.
        microbatch_size: As given to the meter.
        groups: As given to the meter.

    Raises:
        InputError: The sentence says what to do instead.
    """
    for name, value in (("microbatch_size", microbatch_size), ("groups", groups)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"`{name}` must be a whole number of at least 1. Got {value!r}.")
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "placements") or type(parameter).__name__ == "FlatParameter":
            raise InputError(
                f"`model` must hold its parameters whole. Got `{name}` sharded over processes (FSDP), where "
                "no process sees a microbatch's gradient: use DistributedDataParallel, or watch a copy."
            )
