"""Covers: outputs that are sums of products, as Espresso's PLA files hold them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import FALSE, TRUE, Circuit, Literals
from rote.circuits._text import check_names
from rote.errors import InputError

if TYPE_CHECKING:
    from rote.data import Cover

_BLOCK = 1 << 16  # literals that are multiplied at once: the gates of a product stand close to each other
_MOST_INPUTS = 16  # of a truth table


def from_cover(
    inputs: NDArray[np.int8],
    outputs: NDArray[np.int8] | NDArray[np.bool_],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Circuit:
    """The circuit of a cover: each row that some output lists is a tree of ANDs, each output one of ORs.

    Equal rows are one product. An output that lists no row is the constant 0.

    Args:
        inputs: What each row asks of the inputs, shape ``[p, inputs]``: 1, 0, or -1 for either.
        outputs: 1 where an output lists a row, shape ``[p, outputs]``; anything else says nothing.
        input_names: ``x0, x1, …`` unless told otherwise.
        output_names: ``y0, y1, …`` unless told otherwise.

    Raises:
        InputError: If shapes disagree or a row asks something else.

    Example:
        >>> from_cover(np.array([[1, 1, -1], [0, -1, 1]]), np.array([[1], [1]]))  # if a then b else c
        Circuit(3 inputs, 1 output, 3 gates: 3 AND, 0 XOR)
    """
    if inputs.ndim != 2 or outputs.ndim != 2 or len(inputs) != len(outputs):
        raise InputError(
            f"`inputs` and `outputs` must have shapes [p, inputs] and [p, outputs]. "
            f"Got {inputs.shape} and {outputs.shape}."
        )
    odd = inputs[~np.isin(inputs, (-1, 0, 1))]
    if odd.size:
        raise InputError(f"`inputs` must be 1, 0, or -1 for either. Got {odd[0]}.")
    ins = _named(input_names, "input", inputs.shape[1])
    outs = _named(output_names, "output", outputs.shape[1])
    listed = outputs == 1
    rows = listed.any(axis=1)
    unique, place = np.unique(inputs[rows], axis=0, return_inverse=True)
    build = Builder(ins)
    products = _products(build, unique)[place.reshape(-1)]
    found = {}
    for name, column in zip(outs, listed[rows].T, strict=True):
        found[name] = _tree(build.or_, np.unique(products[column]), FALSE)
    return build.finish(found)


def _named(names: Sequence[str] | None, what: str, count: int) -> Sequence[str]:
    if names is None:
        return [f"{'x' if what == 'input' else 'y'}{i}" for i in range(count)]
    if len(names) != count:
        raise InputError(f"`{what}_names` must name {count} {what}s. Got {len(names)}.")
    return names


def _products(build: Builder, rows: NDArray[np.int8]) -> Literals:
    """The AND of each row's literals, shape ``[p]``."""
    width = rows.shape[1]
    block = max(1, _BLOCK // max(1, width))
    found = [np.empty(0, np.uint32)]
    for first in range(0, len(rows), block):
        part = rows[first : first + block]
        literals = np.where(part < 0, TRUE, build.literals ^ (part == 0)).astype(np.uint32)
        first_asked = np.argsort(part < 0, axis=1, kind="stable")  # so that trees are balanced
        found.append(_tree(build.and_, np.take_along_axis(literals, first_asked, axis=1), TRUE))
    return np.concatenate(found)


def _tree(gate: Callable[[Literals, Literals], Literals], literals: Literals, none: np.uint32) -> Literals:
    """A balanced tree of gates over the last axis; ``none`` is the answer of no literal."""
    if not literals.shape[-1]:
        return np.full(literals.shape[:-1], none, np.uint32)
    while (width := literals.shape[-1]) > 1:
        made = gate(literals[..., : width - 1 : 2], literals[..., 1::2])
        literals = np.concatenate([made, literals[..., width - width % 2 :]], axis=-1)
    return literals[..., 0]


def read(path: Path) -> Circuit:
    """Read an Espresso PLA file: of every type, the rows that answer 1 are the function."""
    from rote.data import read_cover

    cover = read_cover(path)
    _check_contradictions(cover, path)
    return from_cover(cover.X, cover.Y, input_names=cover.inputs, output_names=cover.outputs)


def _check_contradictions(cover: "Cover", path: Path) -> None:
    """Equal rows must not answer 1 and 0; rows that overlap otherwise are not looked for."""
    unique, place = np.unique(cover.X, axis=0, return_inverse=True)
    place = place.reshape(-1)
    on = np.zeros((len(unique), cover.Y.shape[1]), np.bool_)
    row, column = np.nonzero(cover.Y == 1)
    on[place[row], column] = True
    wrong = np.flatnonzero((on[place] & (cover.Y == 0)).any(axis=1))
    if wrong.size:
        row_ = int(wrong[0])
        output = int(np.flatnonzero(on[place[row_]] & (cover.Y[row_] == 0))[0])
        other = int(np.flatnonzero((place == place[row_]) & (cover.Y[:, output] == 1))[0])
        raise InputError(
            f"`{path}`, line {cover.lines[row_]}: output `{cover.outputs[output]:.80}` must not be 0 where "
            f"line {cover.lines[other]} says 1: correct one of them."
        )


def write(circuit: Circuit) -> Iterator[bytes]:
    """The bytes of a PLA file of type fr: the whole truth table."""
    from rote.circuits._simulate import simulate

    inputs, outputs = len(circuit.inputs), len(circuit.outputs)
    if not 1 <= inputs <= _MOST_INPUTS or not outputs:
        raise InputError(
            f"A PLA file holds a truth table of 1 to {_MOST_INPUTS} inputs and at least one output, and this "
            f"circuit has {inputs:,} and {outputs:,}: write .aig, .blif or .v."
        )
    check_names(
        circuit,
        lambda name: name.isascii() and "#" not in name,
        "A PLA file",
        "it must be of printable ASCII characters without spaces and `#`",
    )
    yield f".i {inputs}\n.o {outputs}\n.ilb {' '.join(circuit.inputs)}\n".encode()
    yield f".ob {' '.join(circuit.outputs)}\n.p {1 << inputs}\n.type fr\n".encode()
    rows = np.arange(1 << inputs)[:, None] >> np.arange(inputs - 1, -1, -1) & 1
    table = np.full((len(rows), inputs + outputs + 2), ord("0"), np.uint8)
    table[:, :inputs] += rows.astype(np.uint8)
    table[:, inputs] = ord(" ")
    table[:, inputs + 1 : -1] += simulate(circuit, rows.astype(np.bool_))
    table[:, -1] = ord("\n")
    yield table.tobytes()
    yield b".e\n"
