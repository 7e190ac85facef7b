"""``rote cfs``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from cyclopts import Parameter

from rote.cli._console import made, progress, say
from rote.errors import InputError


@Parameter(name="*")
@dataclass(frozen=True)
class Read:
    """How the data is read."""

    part: Literal["auto", "train", "test", "all"] = "auto"
    "Which examples; auto: all of a table or PLA file, else the training part."
    data_dir: Path | None = None
    "Where data sets lie; the environment variable ROTE_DATA, or rote's cache, unless told."
    label: str | None = None
    "A table's label column, or the output of a PLA file that has several."
    yes: str = ""
    "Classes, separated by commas, that are the 1 of a circuit with one output."
    limit: int | None = None
    "Look at so many examples only, drawn evenly over the classes."


@Parameter(name="*")
@dataclass(frozen=True)
class Perturbed:
    """What is perturbed."""

    inputs: bool = False
    "Perturb the circuit's inputs too, not only gates."
    outputs: bool = True
    "Perturb gates that nothing but an output reads."
    unseen: bool = True
    "composite: a pattern that no example shows is rare too."
    decode: Literal["bit", "one-hot", "words"] | None = None
    "How outputs name a class; told from their names unless given."
    lanes: int = 65536
    "Try single signals on so many pairs of signal and example; 0: none."
    seed: int = 0
    "Of random values, noise, and the choice of signals."


def cfs(  # noqa: D417 - the groups' options are described in their classes
    *given: Annotated[str, Parameter(name="CIRCUIT... DATA")],
    limits: str = "",
    kind: Literal["simple", "composite", "random", "noise"] = "simple",
    perturbed: Perturbed = Perturbed(),
    read: Read = Read(),
    out: Path | None = None,
    threads: int = 1,
) -> None:
    """See how much of a circuit's accuracy rests on rare patterns.

    Counterfactual simulation: whatever gates do on few examples only is
    perturbed, and all examples are answered anew. Writes a page, index.html,
    with the curve, the examples that rest on the rarest patterns and the gates
    that matter; cfs.json; and least-support.csv.

    Args:
        given: Circuits (.aig .aag .blif .v .pla .bench, or the folder of a run
            that wrote some), and last the data: digits, mnist, cifar10, a
            folder or zip of images by class, a CSV, Parquet or Espresso PLA
            file, or pkg.module:factory.
        limits: Each l, separated by commas; 1,2,4,...,1024 unless told. For
            noise each k of a probability 2^-k; 30,29,...,5 unless told.
        kind: How to perturb: the opposite value, the gate's opposite where
            its two inputs are rare together, a random value, or blanket noise.
        out: The run folder; a folder of its own in rote-runs unless told.
        threads: Threads to use.
    """
    if len(given) < 2:
        raise InputError("`rote cfs` needs a circuit and data; see `rote cfs --help`.")
    if threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {threads}.")
    from rote._cfs import Asked, Reading
    from rote._cfs import cfs as simulated
    from rote.circuits import Switches

    yes = tuple(word.strip() for word in read.yes.split(",") if word.strip())
    asked = Asked(
        _numbers(limits),
        kind,
        Switches(
            inputs=perturbed.inputs,
            outputs=perturbed.outputs,
            unseen=perturbed.unseen,
            seed=perturbed.seed,
            decode=perturbed.decode,
            lanes=perturbed.lanes,
        ),
        Reading(read.part, read.data_dir, read.label, yes, read.limit),
        threads,
    )
    *circuits, data = given
    with progress("cfs", unit="passes") as step:
        done = simulated(
            circuits,
            data,
            asked,
            out=out,
            command=["rote", *map(quote, sys.argv[1:])],
            on_progress=lambda passes, total, text: step(passes, text, total=total),
        )
    if done.reused:
        say("Every pass was there already; nothing was simulated.")
    sign = "2^-" if kind == "noise" else "l="
    for circuit in done.record["circuits"]:
        points = zip(circuit["limits"], circuit["accuracy"], strict=True)
        curve = [f"{sign}{limit} {accuracy:.1%}" for limit, accuracy in points]
        say(f"{circuit['name']}: plain {circuit['baseline']:.1%}, {', '.join(curve)}")
    made(done.page)


def _numbers(text: str) -> tuple[int, ...] | None:
    if not text.strip():
        return None
    try:
        return tuple(int(word) for word in text.split(",") if word.strip())
    except ValueError:
        raise InputError(f"`limits` must be whole numbers separated by commas. Got {text!r:.80}.") from None
