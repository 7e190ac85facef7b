"""What each layer of a model says of a fixed probe: features ``[n, p]``, in the order in which layers run."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from rote.dynamics._evaluation import evaluation_mode
from rote.errors import InputError

Maps = Literal["flat", "space"]
_CHANNELS_FIRST = (_ConvNd, _NormBase, nn.GroupNorm)


def activations(
    model: nn.Module,
    probe: Tensor,
    layers: Sequence[str] | None = None,
    *,
    batch: int = 512,
    maps: Maps = "flat",
) -> dict[str, Tensor]:
    """Outputs of layers for the examples of a probe, in evaluation mode and without gradients.

    The hooks are gone when this returns, and so are the changes of mode. A layer that runs more than once in
    one forward pass has one entry a run: ``name``, ``name#2``, and so on. Of a layer that returns several
    things, such as an LSTM, the first counts.

    Args:
        model: Called on ``[b, …]``; on the device of its first parameter.
        probe: The examples, shape ``[n, …]``.
        layers: Names of modules as in ``model.named_modules()``; every module that owns parameters itself,
            unless given.
        batch: Examples a forward pass.
        maps: What an example's maps ``[c, h, w]`` (or ``[tokens, d]``) are. ``"flat"``: one row with all of
            them. ``"space"``: one row for each place, with the channels as columns.

    Returns:
        By layer, in the order of execution, features ``[n, p]``, or ``[n · places, p]`` under
        ``maps="space"``; on the model's device, of the dtype that the model computes in.

    Raises:
        InputError: If a layer is unknown, was never run, or returns no tensor with one row an example.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> {name: tuple(f.shape) for name, f in activations(net, torch.zeros(5, 1, 4, 4)).items()}
        {'0': (5, 8), '3': (5, 3)}
        >>> activations(net, torch.zeros(5, 1, 4, 4), ["1"], maps="space")["1"].shape
        torch.Size([20, 2])
    """
    if len(probe) == 0 or batch < 1:
        raise InputError(
            f"`activations` needs at least one example a batch. Got {len(probe)} and batch={batch}."
        )
    chosen = _chosen(model, layers)
    parts: dict[str, list[Tensor]] = {}
    device = next((p.device for p in model.parameters()), probe.device)
    with _Recording(chosen, maps, named=layers is not None) as rows, evaluation_mode(model), torch.no_grad():
        for some in probe.split(batch):
            rows.begin(len(some))
            model(some.to(device))
            for name, features in rows.found.items():
                parts.setdefault(name, []).append(features)
    missing = [name for name in chosen if name not in parts] if layers is not None else []
    if missing:
        raise InputError(
            f"`layers` must name modules that a forward pass runs. Got {missing[0]!r}, which was not run: "
            "leave it out."
        )
    return {name: torch.cat(found) for name, found in parts.items()}


def _chosen(model: nn.Module, layers: Sequence[str] | None) -> dict[str, nn.Module]:
    modules = dict(model.named_modules())
    if layers is None:
        found = {n: m for n, m in modules.items() if next(m.parameters(recurse=False), None) is not None}
        if not found:
            raise InputError(
                "`model` has no module with parameters, so there is no layer to look at by default. Name "
                "modules in `layers`."
            )
        return found
    unknown = [name for name in layers if name not in modules]
    if unknown or not layers:
        some = ", ".join(repr(name) for name in list(modules)[1:6])
        raise InputError(
            "`layers` must name modules of the model. Got "
            f"{repr(unknown[0]) if unknown else 'none'}; there are {some}{', …' if len(modules) > 6 else ''}."
        )
    return {name: modules[name] for name in layers}


class _Recording:
    """Hooks that keep the features of one forward pass, in the order of execution."""

    def __init__(self, modules: dict[str, nn.Module], maps: Maps, *, named: bool) -> None:
        if maps not in ("flat", "space"):
            raise InputError(f"`maps` must be 'flat' or 'space'. Got {maps!r}.")
        self._modules, self._maps, self._named = modules, maps, named
        self.found: dict[str, Tensor] = {}
        self._runs: Counter[str] = Counter()
        self._examples = 0

    def begin(self, examples: int) -> None:
        """A forward pass of so many examples comes."""
        self.found, self._examples = {}, examples
        self._runs.clear()

    def __enter__(self) -> "_Recording":
        self._handles = [
            module.register_forward_hook(lambda m, _, output, name=name: self._keep(name, m, output))
            for name, module in self._modules.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, name: str, module: nn.Module, output: object) -> None:
        tensor = next(_tensors(output), None)
        if tensor is None or tensor.dim() < 1 or len(tensor) != self._examples:
            if not self._named:
                return  # of a module that nobody asked for, such as one that prepares positions
            shape = "no tensor" if tensor is None else f"shape {tuple(tensor.shape)}"
            raise InputError(
                f"`layers` must name modules with one row of output for each of the {self._examples} "
                f"examples. Got {name!r}, which returned {shape}."
            )
        self._runs[name] += 1
        run = self._runs[name]
        self.found[name if run == 1 else f"{name}#{run}"] = as_features(tensor, module, maps=self._maps)


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from (v for v in output.values() if isinstance(v, Tensor))
    elif isinstance(output, tuple | list):
        yield from (v for v in output if isinstance(v, Tensor))


def as_features(output: Tensor, module: nn.Module | None = None, *, maps: Maps = "flat") -> Tensor:
    """A layer's output ``[n, …]`` as features.

    Channels are the second dimension of the output of convolutions and norms over channels, and of every
    output with four or more dimensions; elsewhere, as for tokens ``[n, t, d]``, they are the last.

    Args:
        output: Shape ``[n, …]``.
        module: What returned it, where that is known.
        maps: ``"flat"`` or ``"space"``, as in :func:`activations`.

    Returns:
        Shape ``[n, p]``, or ``[n · places, channels]``; a copy, so that layers working in place do no harm.

    Example:
        >>> maps = torch.zeros(4, 3, 2, 2)
        >>> as_features(maps).shape, as_features(maps, maps="space").shape
        (torch.Size([4, 12]), torch.Size([16, 3]))
    """
    if output.dim() <= 2 or maps == "flat":
        return output.detach().reshape(len(output), -1).clone()
    first = output.dim() > 3 or isinstance(module, _CHANNELS_FIRST)
    channels_last = output.detach().movedim(1, -1) if first else output.detach()
    return channels_last.reshape(-1, channels_last.shape[-1]).clone()
