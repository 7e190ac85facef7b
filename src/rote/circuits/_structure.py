"""What a circuit's gates depend on, and circuits made of circuits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rote._native import circuit_levels, circuit_mark, circuit_rewrite
from rote.circuits._circuit import Circuit, Literals
from rote.errors import InputError

#: The functions of a gate, bit ``a + 2 b`` for fan-ins a and b.
AND, XOR = np.uint8(0b1000), np.uint8(0b0110)


def levels(circuit: Circuit) -> NDArray[np.int32]:
    """The level of each node, ``[nodes]``: 0 for the constant and the inputs, else one above the fan-ins."""
    found = circuit_levels(len(circuit.inputs), circuit.fanins)
    found.flags.writeable = False
    return found


def tables(circuit: Circuit) -> NDArray[np.uint8]:
    """The function of each gate, ``[gates]``: bit ``a + 2 b`` answers fan-ins a and b."""
    return np.where(circuit.xor, XOR, AND)


def cone(circuit: Circuit, outputs: Sequence[str | int] | None = None) -> Circuit:
    """The circuit of some outputs, and of its gates only those that they need; all inputs stay."""
    chosen = range(len(circuit.outputs)) if outputs is None else _indices(circuit, outputs)
    drivers = circuit.drivers[list(chosen)]
    marks = np.zeros(circuit.nodes, np.uint8)
    marks[drivers >> 1] = 1
    circuit_mark(len(circuit.inputs), circuit.fanins, marks)
    keep = marks[circuit.first_gate :].view(np.bool_)
    node = np.arange(circuit.nodes, dtype=np.uint32)
    node[circuit.first_gate :] = circuit.first_gate - 1 + np.cumsum(keep, dtype=np.uint32)
    became = node << np.uint32(1)
    return Circuit(
        circuit.inputs,
        renamed(circuit.fanins if keep.all() else circuit.fanins[keep], became),
        circuit.xor[keep],
        tuple(circuit.outputs[i] for i in chosen),
        renamed(drivers, became),
    )


def _indices(circuit: Circuit, outputs: Sequence[str | int]) -> list[int]:
    place = {name: i for i, name in enumerate(circuit.outputs)}
    found = []
    for output in outputs:
        index = place.get(output, -1) if isinstance(output, str) else int(output)
        if not 0 <= index < len(circuit.outputs):
            raise InputError(
                f"`outputs` must be names or indices of the circuit's {len(circuit.outputs):,} outputs. "
                f"Got {output!r:.80}."
            )
        found.append(index)
    return found


def renamed(literals: Literals, became: Literals) -> Literals:
    """Literals, where ``became[node]`` is the literal that stands for a node now."""
    return np.asarray(became[literals >> 1] ^ (literals & 1), np.uint32)


def without_xor(circuit: Circuit) -> Circuit:
    """The same functions by AND gates alone: an exclusive or becomes three."""
    if not circuit.xor.any():
        return circuit
    first, xor = circuit.first_gate, circuit.xor
    node = np.arange(circuit.nodes, dtype=np.uint32)
    node[first:] = first - 1 + np.cumsum(np.where(xor, np.uint8(3), np.uint8(1)), dtype=np.uint32)
    became = node << np.uint32(1)
    gates = int(node[-1]) + 1 - first
    fanins = np.empty((gates, 2), np.uint32)
    old = renamed(circuit.fanins, became)
    last = node[first:] - first  # where each gate's answer stands
    fanins[last[~xor]] = old[~xor]
    three, read = last[xor], old[xor]
    fanins[three - 2] = read  # both
    fanins[three - 1] = read ^ 1  # neither
    fanins[three, 0] = 2 * (three + first - 2) + 1
    fanins[three, 1] = 2 * (three + first - 1) + 1
    drivers = renamed(circuit.drivers, became)
    return Circuit(circuit.inputs, fanins, np.zeros(gates, np.bool_), circuit.outputs, drivers)


def rewritten(
    circuit: Circuit, functions: NDArray[np.uint8], start: Literals | None = None, *, share: bool = False
) -> Circuit:
    """The circuit with other functions at its gates, constants propagated.

    Args:
        circuit: Whose wiring it is.
        functions: Shape ``[gates]``, uint8: bit ``a + 2 b`` answers fan-ins a and b.
        start: The literals that the constant and the inputs become, shape ``[1 + inputs]``: they themselves
            unless told otherwise.
        share: Whether gates that compute the same of the same fan-ins become one.

    Returns:
        A circuit of the same inputs and outputs; gates that no output needs may be left.
    """
    if start is None:
        start = np.arange(0, 2 * circuit.first_gate, 2, dtype=np.uint32)
    fanins, xor, became = circuit_rewrite(start, circuit.fanins, functions, circuit.first_gate, share)
    return Circuit(circuit.inputs, fanins, xor, circuit.outputs, renamed(circuit.drivers, became))


def shared(circuit: Circuit) -> Circuit:
    """The circuit with constants propagated, and each gate but once (structural hashing)."""
    return rewritten(circuit, tables(circuit), share=True)


def compose(first: Circuit, then: Circuit) -> Circuit:
    """``first``, whose outputs drive the inputs of ``then`` by position; constants among them propagate."""
    if len(first.outputs) != len(then.inputs):
        raise InputError(
            f"`a >> b` needs as many outputs of a as b has inputs. Got {len(first.outputs):,} and "
            f"{len(then.inputs):,}."
        )
    start = np.concatenate([np.zeros(1, np.uint32), first.drivers])
    fanins, xor, became = circuit_rewrite(start, then.fanins, tables(then), first.nodes, False)
    return Circuit(
        first.inputs,
        np.concatenate([first.fanins, fanins]),
        np.concatenate([first.xor, xor]),
        then.outputs,
        renamed(then.drivers, became),
    )


def parallel(left: Circuit, right: Circuit) -> Circuit:
    """Both circuits side by side; inputs of the same name are one, outputs must differ in name."""
    twice = set(left.outputs) & set(right.outputs)
    if twice:
        raise InputError(f"`a | b` needs outputs of different names. Both have `{min(twice):.80}`.")
    inputs = tuple(dict.fromkeys(left.inputs + right.inputs))
    place = {name: i for i, name in enumerate(inputs, 1)}

    def became(circuit: Circuit, gates_before: int) -> Literals:
        node = np.empty(circuit.nodes, np.uint32)
        node[: circuit.first_gate] = [0, *(place[name] for name in circuit.inputs)]
        begin = 1 + len(inputs) + gates_before
        node[circuit.first_gate :] = np.arange(begin, begin + circuit.gates, dtype=np.uint32)
        return node << np.uint32(1)

    parts = [(left, became(left, 0)), (right, became(right, left.gates))]
    return Circuit(
        inputs,
        np.concatenate([renamed(circuit.fanins, now) for circuit, now in parts]),
        np.concatenate([left.xor, right.xor]),
        left.outputs + right.outputs,
        np.concatenate([renamed(circuit.drivers, now) for circuit, now in parts]),
    )
