"""What a run's passes come to: records, a table and a page."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote._cfs._asked import Asked, Done
from rote._cfs._circuits import Named
from rote._cfs._data import Examples, answered
from rote.circuits import Counterfactual, decoding
from rote.circuits._answers import classes_of
from rote.circuits._curve import assembled
from rote.report import cfs_page, cfs_pictures, least_support_csv
from rote.runs import RunFolder

PAGE, TABLE = "index.html", "least-support.csv"
LISTED = 24


def passes_of(named: Named, asked: Asked, limits: Sequence[int]) -> list[str]:
    """Names of the records of a circuit's passes: the plain one, each limit's, rarity's and the signals'."""
    home = named.sha256[:16]
    names = [f"{home}/plain", *(f"{home}/at-{limit}" for limit in limits)]
    if asked.kind == "noise":
        return names
    return [*names, *(f"{home}/free-{limit}" for limit in limits), f"{home}/signals"]


def circuit_record(
    run: RunFolder,
    named: Named,
    examples: Examples,
    y: NDArray[np.int64],
    asked: Asked,
    limits: Sequence[int],
) -> dict[str, Any]:
    """What the page shows of a circuit, read back from its passes."""
    home, circuit = named.sha256[:16], named.circuit
    seconds = sum(float(run.load(name)[0]["seconds"]) for name in passes_of(named, asked, limits))

    def said(name: str) -> NDArray[np.int64]:
        return run.load(f"{home}/{name}")[1]["answers"].astype(np.int64)

    perturbed = {limit: said(f"at-{limit}") for limit in limits}
    rarity = asked.kind != "noise"
    found = assembled(
        y,
        said("plain"),
        perturbed,
        kind=asked.kind,
        counted=len(y),
        switches=asked.switches,
        no_rare=[run.load(f"{home}/free-{limit}")[0]["count"] for limit in limits] if rarity else None,
    )
    xors = int(np.count_nonzero(circuit.xor))
    return {
        "name": named.name,
        "file": str(named.path),
        "sha256": named.sha256,
        "inputs": len(circuit.inputs),
        "outputs": len(circuit.outputs),
        "classes": classes_of(circuit, asked.switches.decode),
        "ands": circuit.gates - xors,
        "xors": xors,
        "depth": int(circuit.depth),
        "decode": asked.switches.decode or decoding(circuit),
        "seconds": seconds,
        **found.record(),
        "signals": run.load(f"{home}/signals")[0]["signals"] if rarity else None,
        "listed": _listed(named, examples, found, perturbed, asked),
        "least": found.least_support.tolist(),
    }


def _listed(
    named: Named,
    examples: Examples,
    found: Counterfactual,
    perturbed: dict[int, NDArray[np.int64]],
    asked: Asked,
) -> list[dict[str, Any]]:
    """The examples that rest on the rarest patterns, and what becomes of their answers."""
    data, rows = examples.data, []
    order = np.random.default_rng(0).permutation(len(data))  # of equals, any
    for limit in found.limits:
        rows += [(int(row), limit) for row in order[found.least_support[order] == limit]]
        if len(rows) >= LISTED:
            break
    chosen = rows[:LISTED]
    becomes = np.array([perturbed[limit][row] for row, limit in chosen], np.int64)
    words = answered(named.circuit, data, becomes, asked.switches.decode)
    return [
        {
            "row": row,
            "id": str(data.ids[row]),
            "given": data.classes[data.y[row]],
            "least": limit,
            "becomes": word,
        }
        for (row, limit), word in zip(chosen, words, strict=True)
    ]


def written(
    run: RunFolder,
    shown: list[dict[str, Any]],
    examples: Examples,
    asked: Asked,
    *,
    command: Sequence[str],
    reused: bool,
) -> Done:
    data = examples.data
    least = {each["name"]: each.pop("least") for each in shown}
    record = {
        "schema": 1,
        "kind": asked.kind,
        "data": {
            "name": data.name,
            "source": examples.source,
            "part": examples.part,
            "examples": len(data),
            "of": examples.of,
            "shape": list(data.shape),
            "classes": list(data.classes),
            "chance": float(np.bincount(data.y).max() / len(data)),
        },
        "switches": asdict(asked.switches),
        "circuits": shown,
        "made": {
            "command": " ".join(command or run.manifest["command"]),
            "versions": run.manifest["versions"],
            "when": run.manifest["created"],
            "seconds": sum(each["seconds"] for each in shown),
            "data_sha256": run.manifest["data_sha256"],
        },
    }
    rows = [
        {"id": str(name), "row": row, "given": data.classes[label]}
        | {circuit: values[row] for circuit, values in least.items()}
        for row, (name, label) in enumerate(zip(data.ids.tolist(), data.y.tolist(), strict=True))
    ]
    run.write(TABLE, least_support_csv(rows, list(least)))
    run.write("cfs.json", json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    pictures = None
    if data.is_image:
        wanted = cfs_pictures(record)
        pictures = dict(zip(wanted, data.pixels(np.array(wanted, np.int64)), strict=True)) if wanted else {}
    page = run.write(PAGE, cfs_page(record, pictures))
    return Done(run.path, record, page, reused)
