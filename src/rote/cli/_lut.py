"""``rote lut fit``, ``rote lut eval``, ``rote lut show`` and ``rote lut sweep``."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from rote.cli._console import Step, made, progress, say, table
from rote.errors import InputError

if TYPE_CHECKING:  # it would import scikit-learn
    from rote._lut import Learning
    from rote._lut import Reading as Read
    from rote._lut._fit import OnProgress

Binariser = Literal["auto", "threshold", "thermometer", "quantiles", "pca", "integer"]


@Parameter(name="*")
@dataclass(frozen=True)
class Wiring:
    """How a network is learnt, beyond its size."""

    ties: Literal["random", "zero", "one", "majority", "neighbours"] = "random"
    "What an entry answers that is tied, or that no example reaches."
    replacement: bool = False
    "A lut may read the same wire twice."
    output: Literal["table", "vote", "vote-all"] = "table"
    "Who answers: one more lut, the last layer, or all layers."
    tries: int = 1
    "Choose the wires among so many by information about the label."
    search: Literal["sets", "greedy"] = "sets"
    "What a try is: a whole set of wires, or the next wire of a lut."
    search_examples: int | None = None
    "How many examples the search looks at; all unless told."
    rare: int = 0
    "Treat entries that at most so many examples reach as unseen."
    boost: float = 0.0
    "Train each layer on what the vote before it gets wrong; a vote weighs so much."
    skip: float = 0.0
    "Share of the wires that come from the inputs."
    bags: int = 1
    "Networks for each question, each learnt from a bootstrap sample."
    codes: Literal["one-vs-rest", "bits", "error-correcting"] = "one-vs-rest"
    "How more than two classes become yes-or-no questions."


@Parameter(name="*")
@dataclass(frozen=True)
class Bits:
    """How numbers become bits."""

    binariser: Binariser = "auto"
    "How numbers become bits; auto takes 0 and 1 as they are, pixels above 127, else quantiles."
    bits: int = 8
    "Bits of each number; for pca, the components."


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How the data is read."""

    data_dir: Path | None = None
    "Where data sets lie; the environment variable ROTE_DATA, or rote's cache, unless told."
    label: str | None = None
    "A table's label column, or the output of a PLA file that has several."
    dont_cares: Literal["refuse", "expand"] = "refuse"
    "What to do with inputs of a PLA file that may be either: refuse the file, or write such rows out."
    yes: str = ""
    "Classes, separated by commas, to be told from all others: one yes-or-no question."


@Parameter(name="*")
@dataclass(frozen=True)
class Learnt:
    """What is learnt from, and what is judged on."""

    test: str | None = None
    "Data to judge on; otherwise the data's own test part, or a fifth that is held out."
    limit: int | None = None
    "Use only so many training examples, drawn evenly over the classes."


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """Where and how widely it runs; none of this changes the result."""

    out: Path | None = None
    "The run folder; a folder of its own in rote-runs unless told."
    threads: int = 1
    "Threads to use."


def fit_luts(  # noqa: D417 - the groups' options are described in their classes
    data: str,
    /,
    *,
    k: int = 8,
    width: int = 1024,
    depth: int = 5,
    seed: int = 0,
    every_output: bool = False,
    wiring: Wiring = Wiring(),
    bits: Bits = Bits(),
    reading: Reading = Reading(),
    learnt: Learnt = Learnt(),
    running: Running = Running(),
) -> None:
    """Learn a network of lookup tables by memorising alone.

    Writes the network, model.safetensors, and a page, report.html, that
    shows what each layer knows.

    Args:
        data: digits, mnist, cifar10, a folder or zip of images by class, a CSV,
            Parquet or Espresso PLA file, or pkg.module:factory.
        k: Inputs of each lut, 1 to 16.
        width: Luts in a hidden layer.
        depth: Hidden layers.
        seed: Of the wiring and of the frozen bits.
        every_output: Learn each output of a PLA file, a network each.
    """
    from rote._lut import fit

    with progress("fit", unit="layers") as step:
        done = fit(
            data,
            _learning({"k": k, "width": width, "depth": depth, "seed": seed}, wiring, bits, running),
            reading=_read(reading, learnt, every_output=every_output),
            out=running.out,
            command=_command(),
            on_progress=_shown(step),
        )
    if done.reused:
        say("This was finished before; its folder was read back, and nothing was learnt.")
    for model in done.record["models"]:
        output = f"{model['output']}: " if model["output"] else ""
        say(
            f"{output}{model['train_accuracy']:.1%} of {model['train']} training examples and "
            f"{model['test_accuracy']:.1%} of {model['test']} test examples are answered rightly; "
            f"the tables hold {model['entries']} bits."
        )
    say(f"The layers are shown in {done.path / 'report.html'}")
    made(done.files[0] if len(done.files) == 1 else done.path)


def eval_luts(  # noqa: D417 - the groups' options are described in their classes
    model: Path,
    data: str,
    /,
    *,
    part: Literal["auto", "test", "train", "all"] = "auto",
    reading: Reading = Reading(),
    running: Running = Running(),
) -> None:
    """Judge a network on examples.

    Says how many of each class it answers rightly, and writes its answers,
    predictions.csv, with eval.json beside it.

    Args:
        model: A model.safetensors, or the folder of a fit.
        data: As for rote lut fit.
        part: Which examples; auto is the test part of data that has one, or that the network was
            learnt from, and all of any other file.
    """
    from rote._lut import evaluate

    _check_threads(running)
    read = _read(reading, Learnt())
    done = evaluate(
        model, data, reading=read, part=part, threads=running.threads, out=running.out, command=_command()
    )
    for found in done.record["models"]:
        output = f"{found['output']}: " if found["output"] else ""
        which = "" if found["part"] == "all" else f"{found['part']} "
        say(f"{output}{found['accuracy']:.1%} of {found['examples']} {which}examples are answered rightly.")
        rows = [
            [c["class"], c["examples"], f"{c['right'] / c['examples']:.1%}" if c["examples"] else "-"]
            for c in found["classes"]
        ]
        table(["class", "examples", "right"], rows)
    made(done.files[-1])


def show_luts(  # noqa: D417 - the groups' options are described in their classes
    model: Path,
    /,
    *,
    data: str | None = None,
    reading: Reading = Reading(),
    running: Running = Running(),
) -> None:
    """Draw the page of a network, layer by layer, or of a sweep.

    Shows how accuracy spreads over the luts of each layer, which share of
    the entries no example reaches, and how many memorise a single example.

    Args:
        model: The folder of a fit or of a sweep, or a model.safetensors.
        data: What the network was learnt from, where its folder is not at hand: it is counted again.
    """
    from rote._lut import show_lone, show_run

    _check_threads(running)
    if data is None:
        if running.out is not None:
            raise InputError(
                "`out` is for a page made with --data: that of a run is written into its folder."
            )
        done = show_run(model)
    else:
        read = _read(reading, Learnt())
        done = show_lone(
            model, data, reading=read, threads=running.threads, out=running.out, command=_command()
        )
    made(done.files[-1])


def sweep_luts(  # noqa: D417 - the groups' options are described in their classes
    data: str,
    /,
    *,
    k: str = "2,4,6,8,10,12",
    width: str = "16,64,256,1024",
    depth: str = "0,1,2,4,8",
    hold_k: int = 8,
    hold_width: int = 1024,
    hold_depth: int = 5,
    labels: str = "real,random",
    seeds: int = 3,
    seed: int = 0,
    wiring: Wiring = Wiring(),
    bits: Bits = Bits(),
    reading: Reading = Reading(),
    learnt: Learnt = Learnt(),
    running: Running = Running(),
) -> None:
    """Vary k, width and depth, one at a time, on real and on random labels.

    Writes one page, report.html. Stopped with Ctrl-C, or killed, the same
    command goes on; more values or seeds learn only what is new.

    Args:
        data: As for rote lut fit.
        k: Inputs of a lut, separated by commas; empty not to vary it.
        width: Luts in a layer, separated by commas; empty not to vary it.
        depth: Hidden layers, separated by commas; empty not to vary it.
        hold_k: k while another varies.
        hold_width: Width while another varies.
        hold_depth: Depth while another varies.
        labels: real, random (the training labels permuted), or both.
        seeds: How often each network is learnt.
        seed: The first seed.
    """
    from rote._lut import Extent, sweep

    extent = Extent(
        k=_numbers("k", k),
        width=_numbers("width", width),
        depth=_numbers("depth", depth),
        hold=(hold_k, hold_width, hold_depth),
        labels=_words(labels),
        seeds=seeds,
        seed=seed,
    )
    with progress("sweep", unit="networks") as step:
        done = sweep(
            data,
            extent,
            _learning({}, wiring, bits, running),
            reading=_read(reading, learnt),
            out=running.out,
            command=_command(),
            on_progress=_shown(step),
        )
    if done.reused:
        say("Every network was there already; nothing was learnt.")
    made(done.files[-1])


def _learning(size: dict[str, int], wiring: Wiring, bits: Bits, running: Running) -> "Learning":
    from rote._lut import Learning

    _check_threads(running)
    return Learning({**size, **asdict(wiring)}, bits.binariser, bits.bits, running.threads)


def _check_threads(running: Running) -> None:
    if running.threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {running.threads}.")


def _read(reading: Reading, learnt: Learnt, *, every_output: bool = False) -> "Read":
    from rote._lut import Reading as Read

    given = asdict(reading) | asdict(learnt) | {"yes": _words(reading.yes)}
    return Read(**given, every_output=every_output)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError:
        raise InputError(f"`{name}` must be whole numbers separated by commas. Got {text!r:.80}.") from None


def _shown(step: Step) -> "OnProgress":
    def tell(done: int, total: int, text: str) -> None:
        step(done, text, total=total)

    return tell


def _command() -> list[str]:
    return ["rote", *map(quote, sys.argv[1:])]
