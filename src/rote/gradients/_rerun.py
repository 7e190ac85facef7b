"""Per-example gradients of any module, by running it again on what it was called with."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.utils.stateless import _reparametrize_module

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._tree import batch_dims, map_tensors, tensors_of
from rote.gradients._units import Call, Unit

#: Bytes that one chunk of per-example gradients may take.
CHUNK_BYTES = 64 * 2**20


class NotPerExampleError(Exception):
    """The captured tensors of this module cannot be told apart by example."""


@dataclass(frozen=True, eq=False)
class Replay:
    """One captured call of a module, ready to be run again for single examples.

    Attributes:
        module: The module.
        local: Its name of each wanted parameter, by the parameter's name in the model.
        args: Positional and named inputs as captured.
        kwargs: Named inputs as captured.
        in_dims: For each input tensor the dimension of the examples; ``None``: shared by all.
        deltas: Output gradients, examples first, and their positions among the output tensors.
        positions: Their positions among the output tensors.
        out_dims: For each of them the dimension of the examples.
    """

    module: nn.Module
    local: dict[str, str]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    in_dims: tuple[int | None, ...]
    deltas: tuple[Tensor, ...]
    positions: tuple[int, ...]
    out_dims: tuple[int, ...]


def replay(module: nn.Module, call: Call, wanted: dict[int, str], m: int, *, lenient: bool = False) -> Replay:
    """What is needed to run ``call`` again for single examples.

    Args:
        module: The module that was called.
        call: Its inputs and output gradients.
        wanted: Names in the model, by the identity of the parameter.
        m: Examples in the batch.
        lenient: Accept any shapes; enough for :func:`sum_of_gradients`.

    Raises:
        NotPerExampleError: If an output does not list the m examples.
    """
    local = {wanted[id(p)]: name for name, p in module.named_parameters() if id(p) in wanted}
    inputs = tensors_of((call.args, call.kwargs))
    if isinstance(module, nn.EmbeddingBag) and inputs[0].dim() == 1 and not lenient:
        raise NotPerExampleError("its bags are cut out of one list")
    dims = batch_dims(module, inputs, outputs=False)
    in_dims = tuple(
        d if t.dim() > d and t.shape[d] == m and not lenient else None
        for t, d in zip(inputs, dims, strict=True)
    )
    all_out = batch_dims(module, [torch.empty(0) for _ in call.deltas], outputs=True)
    # A model that returns its loss beside its outputs: the gradient reaches those through it anyway.
    listed = any(delta is not None and delta.dim() for delta in call.deltas)
    came = [(i, d) for i, d in enumerate(call.deltas) if d is not None and (d.dim() or not listed)]
    positions, deltas = tuple(i for i, _ in came), tuple(d for _, d in came)
    out_dims = tuple(all_out[i] for i in positions)
    if lenient:
        return Replay(module, local, call.args, call.kwargs, in_dims, deltas, positions, (0,) * len(deltas))
    for delta, d in zip(deltas, out_dims, strict=True):
        if delta.dim() <= d or delta.shape[d] != m:
            raise NotPerExampleError(
                f"an output of shape {tuple(delta.shape)} where the batch has {m} examples"
            )
    if all(d is None for d in in_dims):
        raise NotPerExampleError(f"no input lists the {m} examples of the batch")
    return Replay(module, local, call.args, call.kwargs, in_dims, deltas, positions, out_dims)


def model_replays(capture: Capture, units: list[Unit], m: int) -> list[Replay]:
    """What is needed to rerun the whole model for the parameters of these units."""
    wanted = wanted_by_id(capture, [name for unit in units for name in unit.parameters])
    try:
        if not capture.root.arrived():
            raise NotPerExampleError("the model itself was not called")
        replays = [replay(capture.model, call, wanted, m) for call in capture.root.arrived()]
    except NotPerExampleError as error:
        raise InputError(
            f"`model`: the gradients of layer `{units[0].name}` ({type(units[0].module).__name__}) cannot be "
            f"told apart by example ({error}): call the model itself, with every input and output listing "
            "the examples in its first dimension."
        ) from None
    refuse_randomness(capture.root)
    return replays


def refuse_randomness(unit: Unit) -> None:
    """A rerun would draw other random numbers than the forward pass did."""
    for name, module in unit.module.named_modules():
        rate = getattr(module, "p" if isinstance(module, nn.modules.dropout._DropoutNd) else "dropout", 0.0)
        if module.training and isinstance(rate, float) and rate > 0:
            where = ".".join(part for part in (unit.name, name) if part)
            raise InputError(
                f"`model`: layer `{where or type(module).__name__}` draws dropout at random, but gradients "
                "per example need it to be run again here: set its dropout to 0, or call model.eval()."
            )


def wanted_by_id(capture: Capture, names: Iterable[str]) -> dict[int, str]:
    """Names of parameters by the identity of the parameter."""
    return {id(capture.parameters[name]): name for name in names}


def per_example_gradients(
    replays: Sequence[Replay], m: int, *, start: int = 0
) -> Iterator[dict[str, Tensor]]:
    """Per-example gradients from ``start`` to ``m`` in chunks ``{name: [c, *shape]}``, summed over the calls.

    The chunk is as large as :data:`CHUNK_BYTES` allows. ``vmap`` of ``vjp`` is tried first; a module that
    cannot be vectorised is run for one example at a time.
    """
    sizes = [sum(_parameter(r, n).nbytes for n in r.local) for r in replays]
    activations = sum(d.nbytes for r in replays for d in r.deltas) // max(m, 1)
    chunk = max(1, min(m, CHUNK_BYTES // max(sum(sizes) + 8 * activations, 1)))
    for first in range(start, m, chunk):
        total: dict[str, Tensor] = {}
        for r in replays:
            for name, gradient in _chunk(r, first, min(first + chunk, m)).items():
                total[name] = total[name] + gradient if name in total else gradient
        yield total


def _chunk(r: Replay, start: int, stop: int) -> dict[str, Tensor]:
    inputs = tensors_of((r.args, r.kwargs))
    per_example = [
        t.movedim(d, 0)[start:stop].clone() for t, d in zip(inputs, r.in_dims, strict=True) if d is not None
    ]
    deltas = [t.movedim(d, 0)[start:stop] for t, d in zip(r.deltas, r.out_dims, strict=True)]
    parameters = {name: _parameter(r, name).detach() for name in r.local}
    try:
        with _kept_attributes(r.module), warnings.catch_warnings():
            # A kernel that cannot be vectorised is looped over inside torch: slower, and just as right.
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            return vmap(_pullback(r, parameters))(per_example, deltas)
    except RuntimeError:
        pass
    pull = _autograd(r, parameters)
    try:
        with _kept_attributes(r.module):
            rows = [pull([t[i] for t in per_example], [d[i] for d in deltas]) for i in range(stop - start)]
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"`model`: {type(r.module).__name__} must be run again for single examples here, and cannot be "
            f"({said}): let every input list the examples in its first dimension, or use method='microbatch'."
        ) from error
    return {name: torch.stack([row[name] for row in rows]) for name in parameters}


@contextmanager
def _kept_attributes(module: nn.Module) -> Iterator[None]:
    """Put back tensors that a forward pass leaves in modules, such as the weight of weight_norm."""
    kept = [(m, name, t) for m in module.modules() for name, t in vars(m).items() if isinstance(t, Tensor)]
    try:
        yield
    finally:
        for m, name, tensor in kept:
            vars(m)[name] = tensor


def sum_of_gradients(r: Replay) -> dict[str, Tensor]:
    """The gradients of the whole batch, from one run of the module on all that it was called with."""
    parameters = {name: _parameter(r, name).detach() for name in r.local}
    batch = [
        t.movedim(d, 0).clone()
        for t, d in zip(tensors_of((r.args, r.kwargs)), r.in_dims, strict=True)
        if d is not None
    ]
    deltas = [t.movedim(d, 0) for t, d in zip(r.deltas, r.out_dims, strict=True)]
    with _kept_attributes(r.module):
        return _autograd(r, parameters, whole=True)(batch, deltas)


Pull = Callable[[list[Tensor], list[Tensor]], dict[str, Tensor]]


def _pullback(r: Replay, parameters: dict[str, Tensor]) -> Pull:
    def one(inputs: list[Tensor], deltas: list[Tensor]) -> dict[str, Tensor]:
        pull = vjp(lambda p: _outputs(r, p, inputs), parameters)[1]
        gradients: dict[str, Tensor] = pull(_with_batch(r, deltas))[0]
        return gradients

    return one


def _autograd(r: Replay, parameters: dict[str, Tensor], *, whole: bool = False) -> Pull:
    def one(inputs: list[Tensor], deltas: list[Tensor]) -> dict[str, Tensor]:
        leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
        pulled = _with_batch(r, deltas, whole=whole)
        # Checkpointed parts run once more in the backward pass, and must then meet the same tensors.
        with torch.enable_grad(), _reparametrize_module(r.module, _tensors(r, leaves), tie_weights=True):
            outputs = _outputs(r, leaves, inputs, whole=whole)
            # What does not need the wanted parameters in this pass, as an idle branch, gives them zeros.
            used = [(o, d) for o, d in zip(outputs, pulled, strict=True) if o.requires_grad]
            if not used:
                return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
            ends, given = zip(*used, strict=True)
            gradients = torch.autograd.grad(ends, list(leaves.values()), given, allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if g is None else g
            for (name, leaf), g in zip(leaves.items(), gradients, strict=True)
        }

    return one


def _outputs(
    r: Replay, parameters: dict[str, Tensor], inputs: list[Tensor], *, whole: bool = False
) -> tuple[Tensor, ...]:
    """The module's differentiated outputs for one example (without its dimension) or the ``whole`` batch."""
    dims, rest = iter(r.in_dims), iter(inputs)

    def place(captured: Tensor) -> Tensor:
        d = next(dims)
        if d is None:
            return captured.clone()
        return next(rest).movedim(0, d) if whole else next(rest).unsqueeze(d)

    args, kwargs = map_tensors((r.args, r.kwargs), place)
    half = mixed_precision(r)
    with torch.autocast(r.deltas[0].device.type, dtype=half, enabled=half is not None):
        output = functional_call(r.module, _tensors(r, parameters), args, kwargs)
    tensors = tensors_of(output)
    return tuple(tensors[i] for i in r.positions)


def _tensors(r: Replay, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """By its name in the module, what stands in for each parameter."""
    local = {r.local[name]: p for name, p in parameters.items()}
    return {n: p.detach() for n, p in r.module.named_parameters() if n not in local} | local


def mixed_precision(r: Replay) -> torch.dtype | None:
    """The half precision that autocast ran this call in, if it did."""
    if any(p.dtype in (torch.float16, torch.bfloat16) for p in r.module.parameters()):
        return None
    seen = [*tensors_of((r.args, r.kwargs)), *r.deltas]
    return next((t.dtype for t in seen if t.dtype in (torch.float16, torch.bfloat16)), None)


def _with_batch(r: Replay, deltas: list[Tensor], *, whole: bool = False) -> tuple[Tensor, ...]:
    place = (lambda t, d: t.movedim(0, d)) if whole else Tensor.unsqueeze
    return tuple(place(delta, d) for delta, d in zip(deltas, r.out_dims, strict=True))


def _parameter(r: Replay, name: str) -> Tensor:
    return r.module.get_parameter(r.local[name])
