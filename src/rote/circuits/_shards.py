"""Counterfactual simulation of examples that lie in several places: only counts and results travel."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from rote.circuits._circuit import Circuit
from rote.circuits._counterfactual import count, counterfactual
from rote.circuits._counts import Counts
from rote.circuits._curve import Counterfactual, Kind, Switches
from rote.circuits._packed import Packed
from rote.circuits._passes import checked_limits
from rote.errors import InputError

_Pair = tuple[Packed | NDArray[np.bool_], NDArray[np.integer]]
#: Examples ``(X, y)``, or a function without arguments that loads them where it is called.
Shard = _Pair | Callable[[], _Pair]


def counterfactual_on_shards(
    circuit: Circuit,
    shards: Sequence[Shard],
    limits: Sequence[int] | None = None,
    kind: Kind = "simple",
    *,
    switches: Switches | None = None,
    jobs: int = 1,
    threads: int = 1,
) -> Counterfactual:
    """What `counterfactual` finds on all examples of some shards, in their order.

    First each shard's values are counted, and the counts added; then each is perturbed by the counts of all.
    The work goes through ``joblib.Parallel``: ``with joblib.parallel_config(backend="dask")`` sends it to
    other machines. A shard that is a function is called once in each round.

    For ``"random"`` and ``"noise"`` each shard draws from a stream of its own: the result differs from that
    of all examples together as two seeds differ.

    Args:
        circuit: The circuit.
        shards: Pairs ``(X, y)``, or functions without arguments that return one.
        limits: As for `counterfactual`.
        kind: As for `counterfactual`.
        switches: As for `counterfactual`.
        jobs: How many shards to work on at a time.
        threads: Threads for each.

    Raises:
        InputError: If there is no shard, or `counterfactual` refuses one.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> circuit = build.finish({"f": build.and_(2, 4)})
        >>> X, y = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool), np.array([1, 0, 0, 0])
        >>> counterfactual_on_shards(circuit, [(X[:2], y[:2]), (X[2:], y[2:])])
        Counterfactual(simple, 4 examples: 100.0 % right; l=1: 75.0 %)
    """
    from joblib import Parallel, delayed

    if not shards:
        raise InputError("`shards` must hold at least one pair (X, y). Got none.")
    switches = switches or Switches()
    parallel = Parallel(n_jobs=jobs)
    counts = reduce(add, parallel(delayed(_count)(circuit, shard, threads) for shard in shards))
    steps = checked_limits(limits, kind, counts.m)
    parts: list[Counterfactual] = parallel(
        delayed(_perturb)(circuit, shard, steps, kind, replace(switches, stream=place), counts, threads)
        for place, shard in enumerate(shards)
    )
    return reduce(add, (replace(part, switches=switches) for part in parts))


def _count(circuit: Circuit, shard: Shard, threads: int) -> Counts:
    return count(circuit, (shard() if callable(shard) else shard)[0], threads=threads)


def _perturb(
    circuit: Circuit,
    shard: Shard,
    limits: Sequence[int],
    kind: Kind,
    switches: Switches,
    counts: Counts,
    threads: int,
) -> Counterfactual:
    X, y = shard() if callable(shard) else shard
    return counterfactual(circuit, X, y, limits, kind, switches=switches, counts=counts, threads=threads)
