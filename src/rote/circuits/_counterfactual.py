"""Counterfactual simulation: what becomes of the answers when whatever is rare is perturbed."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rote.circuits._circuit import Circuit
from rote.circuits._counts import Counts
from rote.circuits._curve import Counterfactual, Kind, Switches, assembled
from rote.circuits._packed import Packed
from rote.circuits._passes import (
    Task,
    checked_examples,
    checked_labels,
    checked_limits,
    first_pass,
    perturbed_answers,
    plain_pass,
    rare_free_counts,
)
from rote.circuits._single import tried_signals

OnProgress = Callable[[int, int, str], None]
"""``on_progress(done, total, text)``: how many passes are done, of how many, and which comes next."""


def count(circuit: Circuit, X: Packed | NDArray[np.bool_], *, threads: int = 1) -> Counts:
    """Pass 1: on how many examples each node is 1. Counts of shards add.

    Args:
        circuit: The circuit.
        X: Examples, bool of shape ``[m, inputs]`` or packed.
        threads: Threads to use.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> circuit = build.finish({"f": build.and_(2, 4)})
        >>> count(circuit, np.array([[1, 1], [1, 0], [0, 1]], bool)).ones.tolist()
        [0, 2, 2, 1]
    """
    return first_pass(circuit, checked_examples(circuit, X, threads), threads)[1]


def counterfactual(
    circuit: Circuit,
    X: Packed | NDArray[np.bool_],
    y: NDArray[np.integer],
    limits: Sequence[int] | None = None,
    kind: Kind = "simple",
    *,
    switches: Switches | None = None,
    counts: Counts | None = None,
    threads: int = 1,
    on_progress: OnProgress | None = None,
) -> Counterfactual:
    """How accuracy falls when whatever is rare in a circuit is perturbed.

    Chatterjee and Mishchenko (ICML 2020), `Circuit-Based Intrinsic Methods to Detect Overfitting
    <https://arxiv.org/abs/1907.01991>`_: a value is *l-rare* for a signal that takes it on at most l
    examples. Values are counted on the plain circuit, then all examples are simulated anew:

    * ``"simple"``: a signal that takes an l-rare value passes on the opposite one.
    * ``"composite"``: a gate whose two fan-ins show an l-rare pattern passes on the opposite of its value.
    * ``"random"``: a signal that takes an l-rare value passes on a random one.
    * ``"noise"``: every gate is flipped with probability 2^-k, for each k in ``limits``.

    Args:
        circuit: The circuit.
        X: Training examples, bool of shape ``[m, inputs]`` or packed; `input_bits` makes them from bytes.
        y: Their labels as the circuit was trained on them: the number of a class, shape ``[m]``.
        limits: Each l, below half of the examples counted; 1, 2, 4, … up to 1024 unless told. For noise each
            k, 30 down to 5 unless told.
        kind: How to perturb.
        switches: What else the method leaves open, see `Switches`.
        counts: Counts over all examples, where ``X`` is a shard of them; of ``X`` itself unless given.
        threads: Threads to use.
        on_progress: Told after each pass; stopping in between loses nothing but this call.

    Returns:
        Accuracy plain and at each limit, and what each example rests on.

    Raises:
        InputError: If shapes or labels do not fit the circuit, or a limit is not below half of the examples.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> a, b = build.literals
        >>> circuit = build.finish({"f": build.xor_(a, build.and_(a, b))})  # a, but for one example
        >>> X = np.array([[1, 1], [1, 0], [1, 0], [0, 1]], bool)
        >>> counterfactual(circuit, X, np.array([0, 1, 1, 0]), limits=[1])
        Counterfactual(simple, 4 examples: 100.0 % right; l=1: 75.0 %)
    """
    switches = switches or Switches()
    packed = checked_examples(circuit, X, threads)
    labels = checked_labels(circuit, y, packed.m, switches)
    whole = counts.m if counts else packed.m
    steps = checked_limits(limits, kind, whole)
    tell = on_progress or (lambda done, total, text: None)
    total = len(steps) + 2 + (kind != "noise")
    tell(0, total, "plain")
    said, own = plain_pass(circuit, packed, switches, threads)
    task = Task(circuit, packed, counts or own, kind, switches, threads)
    perturbed = {}
    for done, limit in enumerate(steps, 1):
        tell(done, total, f"{'k' if kind == 'noise' else 'l'} = {limit}")
        perturbed[limit] = perturbed_answers(task, limit)
    tell(len(steps) + 1, total, "rare values")
    free = None if kind == "noise" else rare_free_counts(task, steps)
    signals = None
    if kind != "noise" and switches.lanes:
        tell(len(steps) + 2, total, "single signals")
        signals = tried_signals(task, labels, said)
    tell(total, total, "")
    return assembled(
        labels,
        said,
        perturbed,
        kind=kind,
        counted=whole,
        switches=switches,
        no_rare=free,
        signals=signals,
    )
