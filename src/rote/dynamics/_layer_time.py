"""Which layers are settled when: every layer at every checkpoint beside the layers at the end."""

import copy
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.dynamics._checkpoints import Checkpoints, State, as_checkpoints, load
from rote.dynamics._layer_time_record import LayerTime
from rote.dynamics._layers import Maps, activations
from rote.dynamics._measures import CKA, PWCCA, SVCCA, Measure
from rote.errors import InputError

#: Two kinds that can disagree, in all the forms in use.
MEASURES: tuple[Measure, ...] = (CKA(), SVCCA(), SVCCA(squares=True), PWCCA())

_Prepared = dict[str, list[Any]]  # by measure, what is kept of each layer


def layer_by_time(
    model: nn.Module,
    checkpoints: Checkpoints | str | Path | Iterable[tuple[int, State]],
    probe: Tensor,
    *,
    layers: Sequence[str] | None = None,
    measures: Sequence[Measure] = MEASURES,
    initial: State | None = None,
    other: State | None = None,
    maps: Maps = "flat",
) -> LayerTime:
    """Similarity of every layer at every checkpoint with every layer at the last one.

    Each checkpoint's activations are computed once, and each layer is prepared once for a measure (centred
    Gram matrices for CKA, subspaces for the others). Lower layers look like their end from the start: so the
    same is said of the initial network and, if given, of another seed's end, and :meth:`LayerTime.excess` is
    what is above the former. Raghu et al. 2017 (arXiv 1706.05806), Figure 4; Kornblith et al. 2019.

    Args:
        model: The architecture; a copy of it takes the states, it is left as it is.
        checkpoints: A folder of state dicts (see :meth:`Checkpoints.read`), what was recorded live, or pairs
            of step and state dict. The last step is the end.
        probe: Fixed examples, shape ``[n, …]``; better not those that are trained on. 2,000 to 10,000 do.
        layers: Names of modules; every module with parameters of its own, unless given.
        measures: The indices.
        initial: The state before training; the first checkpoint unless given.
        other: The end of another seed's training.
        maps: As in :func:`activations`; ``"space"`` compares layers with as many places only.

    Raises:
        InputError: If a state does not fit the model, a layer is unknown, or ``measures`` is empty or has two
            of one name.

    Example:
        >>> net, checkpoints = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), Checkpoints()
        >>> for step in (0, 1):
        ...     _ = net[1].weight.data.add_(step)
        ...     checkpoints.add(step, net)
        >>> found = layer_by_time(net, checkpoints, torch.randn(90, 3), measures=[CKA()])
        >>> found.steps, found.layers, found.similarity["CKA"].shape
        ((0, 1), ('0', '1'), (2, 2, 2))
    """
    names = [measure.name for measure in measures]
    if not names or len(set(names)) < len(names):
        raise InputError(f"`measures` must be at least one, each with a name of its own. Got {names}.")
    states = as_checkpoints(checkpoints)
    network = copy.deepcopy(model)

    def prepared(state: State, what: str) -> tuple[tuple[str, ...], _Prepared]:
        load(network, state, what)
        found = activations(network, probe, layers, maps=maps)
        if len({len(x) for x in found.values()}) > 1:
            rows = ", ".join(f"{len(x) // len(probe)} in {name!r}" for name, x in found.items())
            raise InputError(f"`maps='space'` needs `layers` with equally many places. Got {rows}.")
        return tuple(found), {m.name: [m.prepare(x) for x in found.values()] for m in measures}

    def beside_the_end(some: _Prepared) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        return {m.name: _numpy(m.compare(some[m.name], end[m.name])) for m in measures}

    last = states.steps[-1]
    final, end = prepared(states[last], f"The checkpoint of step {last}")
    matrices: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {name: [] for name in names}
    for step in states.steps:
        some = end if step == last else prepared(states[step], f"The checkpoint of step {step}")[1]
        for name, matrix in beside_the_end(some).items():
            matrices[name].append(matrix)
    baselines = {
        what: {n: np.diagonal(m).copy() for n, m in beside_the_end(prepared(state, f"`{what}`")[1]).items()}
        for what, state in (("initial", initial), ("other", other))
        if state is not None
    }
    similarity = {name: np.stack(found) for name, found in matrices.items()}
    start = {name: np.diagonal(matrix[0]).copy() for name, matrix in similarity.items()}
    return LayerTime(
        steps=states.steps,
        layers=final,
        similarity=similarity,
        initial=baselines.get("initial", start),
        other=baselines.get("other"),
        n=len(probe),
        probe=probe_hash(probe),
        warnings=_doubts(measures, final, end),
    )


def probe_hash(probe: Tensor) -> str:
    """SHA-256 of a probe's numbers, shape and dtype: two results can be laid side by side if theirs agree.

    Example:
        >>> probe_hash(torch.zeros(2, 3))[:8] == probe_hash(torch.zeros(3, 2))[:8]
        False
    """
    digest = hashlib.sha256(f"{probe.dtype} {tuple(probe.shape)}".encode())
    digest.update(probe.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _numpy(matrix: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    return matrix.double().cpu().numpy()


def _doubts(measures: Sequence[Measure], layers: Sequence[str], end: _Prepared) -> tuple[str, ...]:
    """One sentence for each measure that has a doubtful layer, of the first one."""
    found = []
    for measure in measures:
        doubts = [(name, measure.doubt(p)) for name, p in zip(layers, end[measure.name], strict=True)]
        wrong = [(name, doubt) for name, doubt in doubts if doubt]
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            found.append(f"{measure.name}, layer {wrong[0][0]!r}{more}: {wrong[0][1]}")
    return tuple(found)
