"""Saved models as circuits: what ``rote compile`` calls."""

import importlib.util
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rote.circuits import Circuit
from rote.circuits.compile import (
    FixedPoint,
    compile_luts,
    compile_net,
    compile_trees,
    load_trees,
    read_boosted,
)
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from rote.audit import Factory

CIRCUITS = (".aig", ".aag", ".blif", ".pla", ".v", ".bench")
_FOREIGN = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".joblib", ".skops", ".npy", ".npz"}
_BOOSTED = {".txt", ".json", ".ubj"}  # what LightGBM and XGBoost save
_WIDE = 48  # bits of a boosted tree's values: any that fixed point can hold
_LUTS, _TREES = "rote lut network 1", "rote trees 1"


@dataclass(frozen=True)
class Compiling:
    """How a model becomes gates; each kind of model reads what concerns it.

    Attributes:
        factory: For the weights of a net: what makes it, ``pkg.module:function``, ``file.py:function``, or
            one of rote's own.
        shape: For a net: the shape of one example.
        classes: For a net whose factory takes ``(shape, classes)``.
        form: For a net: its number format.
        multiplier: For a net: the kind of its multipliers.
        bits: For trees: the bits of a feature.
        count_bits: For trees: the bits of a count in a leaf.
        no_xor: Write each exclusive or as three ANDs.
        share: Make equal gates one.
    """

    factory: str | None = None
    shape: tuple[int, ...] = ()
    classes: int = 10
    form: FixedPoint = field(default_factory=FixedPoint)
    multiplier: Literal["shift-add", "array"] = "shift-add"
    bits: int = 8
    count_bits: int = 16
    no_xor: bool = False
    share: bool = False


def compile_file(model: str | Path, how: Compiling | None = None) -> tuple[Circuit, str]:
    """The circuit of a saved model, and what it was.

    Args:
        model: A safetensors file (the weights of a net, a network of lookup tables, trees), the folder of a
            ``rote lut fit``, boosted trees as LightGBM or XGBoost save them, or a circuit in any format that
            `Circuit.read` knows.
        how: How to compile it.

    Returns:
        The circuit, and the model in words.

    Raises:
        InputError: If the file is none of these, or is damaged.

    Example:
        >>> import tempfile
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from rote.circuits.compile import save_trees
        >>> tree = DecisionTreeClassifier().fit([[3], [200]], ["dark", "bright"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     compile_file(save_trees(tree, Path(folder) / "tree.safetensors"))
        (Circuit(8 inputs, 4 outputs, 6 gates: 6 AND, 0 XOR), '1 decision tree')
    """
    how = how or Compiling()
    circuit, kind = _read(_place(model), how)
    if how.share:
        circuit = circuit.shared()
    if how.no_xor:
        circuit = circuit.without_xor()
    return circuit, kind


def _place(model: str | Path) -> Path:
    place = Path(model).expanduser()
    if not place.exists():
        raise InputError(f"`{model}` is not there: check the path.")
    if not place.is_dir():
        return place
    found = sorted(place.glob("*.safetensors"))
    if len(found) != 1:
        raise InputError(
            f"`{model}` is a folder with {len(found)} safetensors files: name the model's file itself."
        )
    return found[0]


def _read(place: Path, how: Compiling) -> tuple[Circuit, str]:
    suffix = place.suffix.lower()
    if how.factory is not None and suffix != ".safetensors":
        raise InputError(f"`factory` is for the weights of a net, a .safetensors file. Got `{place}`.")
    if suffix in CIRCUITS:
        return Circuit.read(place), "a circuit"
    if suffix in _BOOSTED:
        boosted = read_boosted(place)
        circuit = compile_trees(boosted, bits=how.bits, count_bits=_WIDE)
        return circuit, f"{len(boosted.trees)} boosted trees"
    if suffix in _FOREIGN:
        raise InputError(
            f"`{place}` is not read: opening such a file may run code hidden in it. Where you trust it, save "
            f"the weights with safetensors.torch.save_file(net.state_dict(), …), or trees with "
            f"rote.circuits.compile.save_trees."
        )
    if suffix != ".safetensors":
        raise InputError(
            f"`{place}` must be a .safetensors file, a circuit ({', '.join(CIRCUITS)}), or what LightGBM "
            f"(.txt) or XGBoost (.json, .ubj) saves: save the model as one of these."
        )
    kind = _format(place)
    if kind in (_LUTS, _TREES) and how.factory is not None:
        raise InputError(f"`factory` is for the weights of a net, but `{place}` holds a whole model.")
    if kind == _LUTS:
        from rote.luts import load

        network = load(place)
        count = len(network.networks_)
        return compile_luts(network), f"{count} network{'' if count == 1 else 's'} of lookup tables"
    if kind == _TREES:
        forest = load_trees(place)
        count = len(forest.trees)
        circuit = compile_trees(forest, bits=how.bits, count_bits=how.count_bits)
        return circuit, f"{count} decision tree{'' if count == 1 else 's'}"
    net = _net(place, how)
    parameters = sum(p.numel() for p in net.parameters())
    return (
        compile_net(net, how.shape, form=how.form, multiplier=how.multiplier),
        f"a net of {parameters:,} parameters",
    )


def _format(place: Path) -> str:
    """Which of our formats a safetensors file is in; empty for anybody else's."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(place), "numpy") as file:
            text = json.loads((file.metadata() or {}).get("rote", "{}"))
        return str(text.get("format", "")) if isinstance(text, dict) else ""
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(
            f"`{place}` is no whole safetensors file ({' '.join(str(error).split()):.120}): save it again."
        ) from error


def _net(place: Path, how: Compiling) -> "nn.Module":
    """The net that a factory makes, with the weights of a file."""
    if how.factory is None:
        raise InputError(
            f"`{place}` holds the weights of a net, but not what they belong to: say with `factory` what "
            f"makes it, as pkg.module:function or file.py:function."
        )
    if not how.shape:
        raise InputError("`shape` must say what one example of the net is, for example 1,28,28.")
    from safetensors.torch import load_file

    from rote.audit._plan import build

    try:
        net = build(_factory(how.factory), how.shape, how.classes)
    except InputError as error:
        raise InputError(str(error).replace("`model`", "`factory`", 1)) from error
    try:
        net.load_state_dict(load_file(place))
    except RuntimeError as error:
        lines = [line.strip(" \t.") for line in str(error).splitlines()]
        raise InputError(
            f"`{place}` holds other weights than the net of `{how.factory}` has "
            f"({lines[min(1, len(lines) - 1)]:.200}): give the factory, shape and classes of its training."
        ) from error
    net.eval()
    return net


def _factory(name: str) -> "Factory":
    """What makes a net: a function in a file, or one that `rote audit` finds."""
    from rote.audit import find_factory

    file, _, function = name.rpartition(":")
    if not file.endswith(".py"):
        return find_factory(name)
    place = Path(file).expanduser()
    if not place.is_file():
        raise InputError(f"`factory`: {file} is not there: check the path.")
    spec = importlib.util.spec_from_file_location(f"_rote_factory_{place.stem}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as dataclasses and pickles want it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # this runs the user's code
        raise InputError(
            f"`factory`: {file} fails when it is imported ({type(error).__name__}: {error!s:.160})."
        ) from error
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(f"`factory`: {file} has no function `{function}`: name one that makes the net.")
    return found  # type: ignore[no-any-return]
