"""The network as a circuit: how much of its accuracy rests on rare patterns, beside the control's."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rote.audit._cell import Cell, standardised
from rote.audit._cells import step_operations
from rote.audit._plan import Factory, Plan, build
from rote.circuits import Counterfactual, Switches, input_bits
from rote.data import Dataset, Splits
from rote.data._splits import stratified_order
from rote.errors import InputError
from rote.learners import logits, mlp
from rote.runs import RunFolder

KINDS = ("real", "control")
_GATES = 150  # of one multiply-add, about
_SMALL, _LARGE = 9_000, 20_000  # multiply-adds that are compiled, in small audits and in large ones
_LARGE_AUDIT = 2e12  # operations of its training, from which compiling the larger does not add a tenth
_EXAMPLES = 10_000
_KEPT = ("examples", "baseline", "limits", "accuracy", "drop", "no_rare", "least_support", "wrong", "never")
_HARDLY = 0.05  # above chance, of which no share is taken
_FEATURES = 256  # of an image, that a narrow network sees
_WIDTHS = (64, 48, 32, 24, 16, 12, 8, 4)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is compiled: the audited network, or a narrow one in its place.

    Attributes:
        factory: Of the network.
        x: Training inputs, as it gets them, ``[m, …]``.
        test_x: Test inputs.
        own: Whether it is the audited network.
        words: What it is, in a sentence.
    """

    factory: Factory
    x: NDArray[Any]
    test_x: NDArray[Any]
    own: bool
    words: str


def choose_subject(network: nn.Module, factory: Factory, splits: Splits, plan: Plan) -> Subject | str:
    """What to compile, or why nothing can be.

    The network itself where it is small and made of what can be compiled. Else a narrow one, which is trained
    beside it; it follows from shapes and the plan alone, never from the clock.

    Args:
        network: A fresh network of the audit.
        factory: That makes them.
        splits: The data.
        plan: Recipe and runs.

    Example:
        >>> from rote.data import load
        >>> from rote.learners import mlp
        >>> digits = load("digits")
        >>> choose_subject(mlp((1, 8, 8), 10), mlp, digits, Plan()).words.partition(": ")[2]
        'in its place a narrow one, three hidden layers of 48, was trained on the same labels.'
    """
    train, test = splits.train, splits.test
    own = _multiply_adds(network, train.inputs(slice(0, 2)))
    operations = 6.0 * own * len(train) * plan.recipe.epochs * 3 * plan.runs
    most = _LARGE if operations >= _LARGE_AUDIT else _SMALL
    excuse = _refused(network, train.shape) if own <= most else ""
    if own <= most and not excuse:
        return Subject(factory, train.X, test.X, True, "The network of the first run was compiled.")
    why = excuse or f"The network itself would be about {own * _GATES / 1e6:,.0f} million gates, too many"
    x, test_x = _smaller(train.X), _smaller(test.X)
    size = "" if x.shape == train.X.shape else f" and images of {x.shape[2]} × {x.shape[3]} pixels"
    for width in _WIDTHS:
        narrow = partial(mlp, hidden=(width, width, width))
        made = build(narrow, x.shape[1:], len(train.classes))
        if _multiply_adds(made, np.zeros((2, *x.shape[1:]), np.float32)) <= most:
            words = f"three hidden layers of {width}, was trained on the same labels{size}."
            return Subject(narrow, x, test_x, False, f"{why}: in its place a narrow one, {words}")
    return f"{why}, and so would be a narrow one in its place: an example has too many features."


def _multiply_adds(network: nn.Module, examples: NDArray[np.float32]) -> float:
    return step_operations(network, torch.from_numpy(examples), batch=1) / 6


def _refused(network: nn.Module, shape: Sequence[int]) -> str:
    """Why a network cannot be compiled, without the full stop; empty where it can."""
    from rote.circuits.compile import quantise_net

    try:
        quantise_net(network, shape, byte_inputs=False)
    except InputError as error:
        return f"The network itself cannot be compiled ({str(error).rstrip('.')})"
    return ""


def _smaller(X: NDArray[Any]) -> NDArray[Any]:
    """Images of at most ``_FEATURES`` numbers, as means of square blocks; what is no image stays.

    Example:
        >>> _smaller(np.full((2, 1, 28, 28), 7, np.uint8)).shape, _smaller(np.zeros((2, 999))).shape
        ((2, 1, 14, 14), (2, 999))
    """
    if X.ndim != 4:
        return X
    m, c, height, width = X.shape
    by = 1
    while c * (height // by) * (width // by) > _FEATURES and by < min(height, width):
        by += 1
    cut = X[:, :, : height // by * by, : width // by * by]
    blocks = cut.reshape(m, c, height // by, by, width // by, by)
    return X if by == 1 else np.asarray(blocks.mean(axis=(3, 5), dtype=np.float32).astype(X.dtype))


def circuit_record(
    subject: Subject, cells: Sequence[Cell], train: Dataset, run: RunFolder, *, threads: int
) -> dict[str, Any]:
    """The CFS curves of two trained networks, on the given labels and on the control's.

    Args:
        subject: What was trained.
        cells: The one on given labels, then the control; their weights lie in the run folder.
        train: The training part.
        run: The run folder; what is measured is kept there.
        threads: Threads to use.

    Returns:
        What the page says, ready for JSON.
    """
    found: dict[str, Any] = {"why_not": None, "own": subject.own, "words": subject.words}
    for kind, cell in zip(KINDS, cells, strict=True):
        name = f"circuit/{kind}"
        if not run.has(name):
            if not run.has(f"{cell.name}/weights"):
                return nothing("Its weights were not kept when it was trained: choose another --out.")
            try:
                run.save(name, _measured(subject, cell, len(train.classes), run, threads))
            except InputError as error:
                return nothing(f"The network cannot be compiled ({str(error).rstrip('.')}).")
        found[kind] = run.load(name)[0]
    return found | {"sentences": _sentences(found)}


def nothing(why: str) -> dict[str, Any]:
    """What stands in the report where no circuit was made."""
    return {"why_not": why}


def _measured(subject: Subject, cell: Cell, classes: int, run: RunFolder, threads: int) -> dict[str, Any]:
    """One network as a circuit, asked about the examples that it learned from."""
    from rote.circuits.compile import compile_net, quantise_net

    shape = subject.x.shape[1:]
    torch.manual_seed(cell.seed)
    network = build(subject.factory, shape, classes)
    weights = run.load(f"{cell.name}/weights")[1]
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    network.eval()
    rows = np.sort(cell.learn[stratified_order(cell.y[cell.learn], seed=0)[:_EXAMPLES]])
    x, y = standardised(subject.x[rows], subject.x, cell.learn), cell.y[rows]
    before = float((logits(network, x).argmax(1).numpy() == y).mean())
    fixed = quantise_net(network, shape, byte_inputs=False)
    limit = 2.0 ** (fixed.form.activations - 1)
    numbers = np.clip(np.rint(x.numpy() * 2.0**fixed.form.fraction), -limit, limit - 1).astype("<i2")
    circuit = compile_net(fixed)
    bits = input_bits(circuit, numbers.reshape(len(rows), -1).view(np.uint8), threads=threads)
    result = circuit.counterfactual(bits, y, switches=Switches(lanes=0), threads=threads)
    record = result.record()
    return {key: record[key] for key in _KEPT} | {
        "learned_from": len(cell.learn),
        "network_accuracy": before,
        "gates": circuit.gates,
        "depth": int(circuit.depth),
        "clamped": fixed.clamped,
        "at": _told(result.limits, result.m),
        "kept": _kept(result, float(np.bincount(y).max() / len(y))),
    }


def _kept(result: Counterfactual, chance: float) -> list[float] | None:
    """Of the accuracy above chance the share that is left at each limit; None where there was hardly any."""
    above = result.baseline - chance
    return ((result.accuracy - chance) / above).tolist() if above > _HARDLY else None


def _told(limits: Sequence[int], m: int) -> int:
    """The limit that is told of: the largest of at most a sixtieth of the examples, or the first."""
    return max([limit for limit in limits if 60 * limit <= m], default=limits[0])


def _sentences(found: dict[str, Any]) -> list[str]:
    real, control = found["real"], found["control"]
    said = [
        f"As a circuit of {real['gates']:,} gates, in whole numbers of 8 and 16 bits, it answers "
        f"{100 * real['baseline']:.1f} % of {real['examples']:,} examples that it learned from rightly; the "
        f"control, trained on permuted labels, {100 * control['baseline']:.1f} % of its own.",
        f"When every value that a gate takes on at most {real['at']} of these examples is perturbed, it "
        f"{_lost(real)}; the control {_lost(control)}.",
    ]
    rounding = 100 * (real["network_accuracy"] - real["baseline"])
    if abs(rounding) > 3:
        said.append(
            f"Rounding alone changed its accuracy by {abs(rounding):.1f} points, so the curve speaks of the "
            f"circuit more than of the network."
        )
    return said


def _lost(found: dict[str, Any]) -> str:
    place = found["limits"].index(found["at"])
    if found["kept"] is None:
        return "had hardly anything above chance to lose"
    share = 100 * (1 - found["kept"][place])
    return f"loses {100 * found['drop'][place]:.1f} points, {share:.0f} % of what it has above chance"
