"""Counterfactual simulation of circuits into a run folder: each pass is kept, so that a run can go on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rote._cfs._asked import Asked, Done
from rote._cfs._circuits import Named, one_output, read_circuits
from rote._cfs._data import Examples, labels_for, read_examples
from rote._cfs._record import circuit_record, passes_of, written
from rote.circuits import input_bits
from rote.circuits._curve import Kind
from rote.circuits._passes import (
    Task,
    checked_labels,
    checked_limits,
    perturbed_answers,
    plain_pass,
    rare_free_counts,
)
from rote.circuits._single import tried_signals
from rote.data import read_pla
from rote.errors import InputError
from rote.runs import RunFolder, content_hash

KIND = "cfs"
OnProgress = Callable[[int, int, str], None]
"""``on_progress(done, total, text)``: how many passes are done, of how many, and which comes next."""


def cfs(
    circuits: Sequence[str],
    data: str,
    asked: Asked | None = None,
    *,
    out: Path | None = None,
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Done:
    """Perturb circuits on some examples, and show their curves on one page.

    Each pass is saved as soon as it is done: a run that was stopped goes on with the next one, and more
    circuits, or more limits, in the same folder cost only their own passes.

    Args:
        circuits: Files, or folders of runs that hold some.
        data: A PLA, CSV or Parquet file, or what `rote.data.load` takes.
        asked: What is asked.
        out: The run folder; ``rote-runs/cfs-<data>-<hash>`` where ``None``.
        command: What the user typed, for the page.
        on_progress: Told after each pass.

    Returns:
        The folder with ``index.html``, ``cfs.json`` and ``least-support.csv``.

    Raises:
        InputError: If circuits and data do not fit, or the folder holds another run.
    """
    asked = asked or Asked()
    if on_progress:
        on_progress(0, 0, "reading")  # a minute for a large text file
    named = read_circuits(circuits)
    examples = read_examples(data, asked.reading)
    if asked.reading.label is not None and Path(data).suffix.lower() == ".pla":
        outputs = read_pla(Path(data).expanduser()).outputs
        named = [replace(n, circuit=one_output(n, asked.reading.label, outputs)) for n in named]
    limits = checked_limits(asked.limits, asked.kind, len(examples.data))
    labels = [_labels(each, examples, asked) for each in named]  # what does not fit is refused now
    config = {
        "command": KIND,
        "kind": asked.kind,
        "switches": asdict(asked.switches),
        "part": examples.part,
        "label": asked.reading.label,
        "yes": list(asked.reading.yes),
    }
    folder = out or _default_folder(examples.data.name, content_hash([config, examples.sha256]))
    with RunFolder.open(
        folder,
        command=list(command),
        config=config,
        data_sha256=examples.sha256,
        seeds=[asked.switches.seed],
        threads=asked.threads,
    ) as run:
        tell = _steps(len(named) * (len(limits) + 3), on_progress)
        todo = [any(not run.has(name) for name in passes_of(each, asked, limits)) for each in named]
        for each, y, needed in zip(named, labels, todo, strict=True):
            _simulate(run, each, examples, y, asked, limits, tell if needed else _steps(0, None))
            if not needed:
                for _ in range(len(limits) + 3):
                    tell(each.name)
        tell("")
        shown = [
            circuit_record(run, each, examples, y, asked, limits)
            for each, y in zip(named, labels, strict=True)
        ]
        done = written(run, shown, examples, asked, command=command, reused=not any(todo))
        run.finish()
    return done


def _labels(named: Named, examples: Examples, asked: Asked) -> NDArray[np.int64]:
    try:
        input_bits(named.circuit, examples.data.X[:1])
        y = labels_for(named.circuit, examples.data, asked.switches.decode)
        return checked_labels(named.circuit, y, len(y), asked.switches)
    except InputError as error:
        raise InputError(f"`{named.path}`: {error}") from None


def _steps(total: int, on_progress: OnProgress | None) -> Callable[[str], None]:
    done = -1

    def tell(text: str) -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(min(done, total), total, text)

    return tell


def _simulate(
    run: RunFolder,
    named: Named,
    examples: Examples,
    y: NDArray[np.int64],
    asked: Asked,
    limits: Sequence[int],
    tell: Callable[[str], None],
) -> None:
    """Every pass of a circuit that is not there yet."""
    missing = [name for name in passes_of(named, asked, limits) if not run.has(name)]
    if not missing:
        return
    home, circuit = named.sha256[:16], named.circuit
    tell(f"{named.name}, plain")
    X = input_bits(circuit, examples.data.X, threads=asked.threads)
    began = time.perf_counter()
    plain, counts = plain_pass(circuit, X, asked.switches, asked.threads)
    _keep(run, f"{home}/plain", plain, began)
    task = Task(circuit, X, counts, asked.kind, asked.switches, asked.threads)
    for limit in limits:
        tell(f"{named.name}, {_sign(asked.kind)} {limit}")
        if f"{home}/at-{limit}" in missing:
            began = time.perf_counter()
            _keep(run, f"{home}/at-{limit}", perturbed_answers(task, limit), began)
    tell(f"{named.name}, rare values")
    unknown = [limit for limit in limits if f"{home}/free-{limit}" in missing]
    began = time.perf_counter()
    for limit, count in zip(unknown, rare_free_counts(task, unknown) if unknown else (), strict=True):
        run.save(f"{home}/free-{limit}", {"count": count, "seconds": time.perf_counter() - began})
        began = time.perf_counter()
    tell(f"{named.name}, single signals")
    if f"{home}/signals" in missing:
        began = time.perf_counter()
        found = tried_signals(task, y, plain).record() if asked.switches.lanes else None
        run.save(f"{home}/signals", {"signals": found, "seconds": time.perf_counter() - began})


def _keep(run: RunFolder, name: str, said: NDArray[np.int64], began: float) -> None:
    seconds = time.perf_counter() - began
    small = said.astype(np.min_scalar_type(int(said.max(initial=0))))
    run.save(name, {"seconds": seconds}, {"answers": small})


def _sign(kind: Kind) -> str:
    return "p = 2^-" if kind == "noise" else "l ="


def _default_folder(name: str, digest: str) -> Path:
    plain = "".join(c if c.isalnum() else "-" for c in Path(name).name).strip("-")[:40] or "data"
    return Path("rote-runs") / f"cfs-{plain}-{digest[:8]}"
