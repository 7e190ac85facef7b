"""Circuits from files, or from the folders of runs that wrote some."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rote.circuits import Circuit
from rote.errors import InputError

_SUFFIXES = (".aig", ".aag", ".blif", ".v", ".pla", ".bench")


@dataclass(frozen=True, eq=False)
class Named:
    """A circuit and where it came from.

    Attributes:
        name: What it is called on the page; no two are called the same.
        path: Its file.
        circuit: The circuit.
        sha256: Of its file.
    """

    name: str
    path: Path
    circuit: Circuit
    sha256: str


def read_circuits(paths: Sequence[str]) -> list[Named]:
    """The circuits of some files; a folder stands for all that lie in it.

    Raises:
        InputError: If there is none, one cannot be read, or the same one stands there twice.

    Example:
        >>> read_circuits(["no-such.aig"])
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `no-such.aig` is not there: check the path.
    """
    files = [file for path in paths for file in _files(Path(path).expanduser())]
    if not files:
        raise InputError(f"`circuits` must name a file ({', '.join(_SUFFIXES)}) or the folder of a run.")
    found: list[Named] = []
    for file, name in zip(files, _names(files), strict=True):
        with file.open("rb") as bytes_:
            sha256 = hashlib.file_digest(bytes_, "sha256").hexdigest()
        same = next((other for other in found if other.sha256 == sha256), None)
        if same is not None:
            raise InputError(f"`{file}` and `{same.path}` are the same circuit: give it once.")
        found.append(Named(name, file, Circuit.read(file), sha256))
    return found


def one_output(named: Named, output: str, outputs: Sequence[str]) -> Circuit:
    """Of a circuit with several outputs the one that a PLA file's output is: by name, else by position.

    Args:
        named: The circuit.
        output: The PLA file's output that is asked about.
        outputs: All of the PLA file's outputs.

    Raises:
        InputError: If it cannot be told.
    """
    circuit = named.circuit
    if len(circuit.outputs) == 1:
        return circuit
    if output in circuit.outputs:
        return circuit.cone([output])
    if len(circuit.outputs) == len(outputs):
        return circuit.cone([list(outputs).index(output)])
    raise InputError(
        f"`{named.path}` has {len(circuit.outputs)} outputs, none of them called `{output:.80}`: which is "
        f"meant cannot be told."
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
        if not found:
            raise InputError(
                f"`{path}` holds no circuit ({', '.join(_SUFFIXES)}): make one with `rote compile`."
            )
        return found
    if not path.is_file():
        raise InputError(f"`{path}` is not there: check the path.")
    return [path]


def _names(files: Sequence[Path]) -> list[str]:
    """The files' names, with as many of their folders as tell them apart.

    Example:
        >>> _names([Path("a/net.aig"), Path("b/net.aig"), Path("b/tree.aig")])
        ['a/net', 'b/net', 'tree']
    """
    names = []
    for file in files:
        parts = file.resolve().with_suffix("").parts
        twins = [f.resolve() for f in files if f is not file]
        depth = 1
        while depth < len(parts) and any(t.with_suffix("").parts[-depth:] == parts[-depth:] for t in twins):
            depth += 1
        same = any(t.with_suffix("").parts == parts for t in twins)  # net.aig beside net.blif
        names.append(file.name if same else "/".join(parts[-depth:]))
    return names
