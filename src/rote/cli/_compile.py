"""``rote compile``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from rote.cli._console import made, progress, say, table
from rote.errors import InputError


@Parameter(name="*")
@dataclass(frozen=True)
class Net:
    """What a neural net is, and in which numbers it is compiled."""

    factory: str | None = None
    "What makes the net whose weights they are: pkg.module:function, FILE.py:function, mlp, cnn or resnet18."
    shape: str = ""
    "The shape of one example, for example 1,28,28."
    classes: int = 10
    "Classes, for a factory that takes (shape, classes)."
    weights: int = 8
    "Bits of a weight."
    activations: int = 16
    "Bits of what goes from layer to layer."
    fraction: int = 6
    "Bits behind the point, of both."
    accumulator: int = 24
    "Bits in which products are added, saturating."
    multiplier: Literal["shift-add", "array"] = "shift-add"
    "By the fewest shifts and adds, or by the rows of an array multiplier."


@Parameter(name="*")
@dataclass(frozen=True)
class Trees:
    """How wide the numbers of decision trees are."""

    bits: int = 8
    "Bits of a feature, a whole number from 0."
    count_bits: int = 16
    "Bits of the counts in a leaf."


def compile_model(  # noqa: D417 - the groups' options are described in their classes
    model: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    no_xor: Annotated[bool, Parameter(negative=())] = False,
    share: bool = False,
    net: Net = Net(),
    trees: Trees = Trees(),
) -> None:
    """Write a model as a circuit of two-input gates.

    Takes the weights of a net (safetensors) with what makes it, a network
    of lookup tables or decision trees that rote saved, boosted trees that
    LightGBM or XGBoost saved (with rote[trees]), or another circuit.
    Pickled models are refused. The suffix of the output says its format:
    .aig, .aag, .blif, .v, .bench, or .pla for at most 16 inputs.

    Args:
        model: The model's file: .safetensors; .txt (LightGBM), .json or .ubj (XGBoost); or a circuit:
            .aig, .aag, .blif, .pla, .v or .bench.
        out: The circuit's file; the model's name with .aig, here, unless told.
        no_xor: Use AND gates only: an exclusive or becomes three.
        share: Make equal gates one; otherwise each part of the model keeps its own.
    """
    place = out or Path(f"{model.stem}.aig")
    _check_out(model, place)
    from rote._compile import Compiling, compile_file
    from rote.circuits.compile import FixedPoint

    how = Compiling(
        factory=net.factory,
        shape=_shape(net.shape),
        classes=net.classes,
        form=FixedPoint(net.weights, net.activations, net.fraction, net.accumulator),
        multiplier=net.multiplier,
        bits=trees.bits,
        count_bits=trees.count_bits,
        no_xor=no_xor,
        share=share,
    )
    with progress("compile", unit="gates") as step:
        circuit, kind = compile_file(model, how)
        step(circuit.gates, f"writing {place}")
        circuit.write(place)
    xors = int(circuit.xor.sum())
    rows = [
        ["inputs", f"{len(circuit.inputs):,}"],
        ["outputs", f"{len(circuit.outputs):,}"],
        ["gates", f"{circuit.gates:,} ({circuit.gates - xors:,} AND, {xors:,} XOR)"],
        ["levels", f"{circuit.depth:,}"],
        ["bytes", f"{place.stat().st_size:,}"],
    ]
    table(["model", kind], rows)
    if xors and place.suffix.lower() in (".aig", ".aag"):
        ands = circuit.gates + 2 * xors
        say(f"AIGER has no XOR: the file has {ands:,} ANDs, three for each; .blif, .v and .bench keep it.")
    made(place)


def _check_out(model: Path, place: Path) -> None:
    """Refuse what could not be written before hours are spent on it."""
    suffixes = (".aig", ".aag", ".blif", ".v", ".bench", ".pla")
    if place.suffix.lower() not in suffixes:
        raise InputError(f"`out` must end in one of {', '.join(suffixes)}. Got {str(place)!r:.120}.")
    if not place.parent.is_dir():
        raise InputError(f"`out`: the folder `{place.parent}` is not there: make it first.")
    if place.exists() and model.exists() and place.samefile(model):
        raise InputError(f"`out` is the model itself, `{place}`: choose another name.")


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(word) for word in text.split(",") if word.strip())
    except ValueError:
        shape = (0,)
    if any(size < 1 for size in shape):
        raise InputError(f"`shape` must be whole numbers from 1, separated by commas. Got {text!r:.80}.")
    return shape
