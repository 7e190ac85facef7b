"""Judging saved networks on examples, and showing what their layers do."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rote._lut._data import Part, Reading, Task, check_columns, is_pla, read_tasks
from rote._lut._fit import KIND, PAGE, Done, default_folder, fitted, model_record
from rote.errors import InputError
from rote.luts import LUTNetworkClassifier, layer_records, load
from rote.report import luts_page, predictions_csv
from rote.runs import RunFolder, content_hash

PARTS = ("auto", "test", "train", "all")


@dataclass(frozen=True, eq=False)
class Model:
    """A saved network, and what its run folder knows of it.

    Attributes:
        path: Its file.
        estimator: The network.
        output: The PLA file's output that it answers, else empty.
        columns: What its inputs are called; empty where nobody knows.
        file: SHA-256 of the file that it was learnt from; empty where it was none, or nobody knows.
        held_out: Whether a part of that file was held out.
        yes: The classes that were told from all others, if any.
    """

    path: Path
    estimator: LUTNetworkClassifier
    output: str = ""
    columns: tuple[str, ...] = ()
    file: str = ""
    held_out: bool = True
    yes: tuple[str, ...] = ()


def find_models(path: str | Path, *, threads: int = 1) -> list[Model]:
    """The models of a run folder, or the one in a file.

    Raises:
        InputError: If there is none.

    Example:
        >>> find_models("no-such.safetensors")
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `no-such.safetensors` is not there: check the path.
    """
    place = Path(path).expanduser()
    found: list[Model] = []
    home = place if place.is_dir() else place.parent
    for file, known in _files(home, required=place.is_dir()):
        if place.is_dir() or file == place:
            found.append(Model(file, load(file), **known))
    if not found:
        found = [Model(place, load(place))]
    for model in found:
        model.estimator.threads = threads
    return found


def _files(home: Path, *, required: bool) -> list[tuple[Path, dict[str, Any]]]:
    """The models' files in a run folder, and what is known of each; none where the folder is no run."""
    try:
        run = RunFolder.join(home)  # it is only read: nobody need be kept away
    except InputError:
        if required:
            RunFolder.reopen(home).close()  # which says why it is none
        return []
    with run:
        if run.manifest["config"].get("command") != KIND or not run.has("data"):
            if required:
                raise InputError(
                    f"{home} holds no finished `rote lut fit`: give the folder that its --out named."
                )
            return []
        data = run.load("data")[0]
        found = []
        for i, output in enumerate(run.manifest["config"]["outputs"]):
            known = {name: data[name] for name in ("file", "held_out")}
            known |= {"output": output, "columns": tuple(data["columns"]), "yes": tuple(data["yes"])}
            found.append((run.path / run.load(f"model-{i}")[0]["file"], known))
        return found


def evaluate(
    path: str | Path,
    data: str,
    *,
    reading: Reading,
    part: str = "auto",
    threads: int = 1,
    out: Path | None = None,
    command: Sequence[str] = (),
) -> Done:
    """Judge the models in a file or a run folder on some data.

    Args:
        path: A model's file, or the folder of a fit.
        data: What :func:`read_tasks` takes.
        reading: How to read the data.
        part: Which examples: ``test``, ``train``, ``all``; ``auto``: the test part of data that has one, or
            that the model was learnt from, and all of any other file.
        threads: Threads to use.
        out: The run folder; ``rote-runs/lut-eval-<data>-<hash>`` where ``None``.
        command: What the user typed.

    Returns:
        The folder with ``eval.json`` and ``predictions.csv``.

    Raises:
        InputError: If the data cannot be read, or are not of the kind that the model was learnt from.
    """
    if part not in PARTS:
        raise InputError(f"`part` must be one of {', '.join(PARTS)}. Got {part!r:.80}.")
    models = find_models(path, threads=threads)
    pairs = [(model, _task_for(model, data, reading, alone=len(models) == 1)) for model in models]
    found, rows = [], []
    for model, task in pairs:
        check_columns(task, model.columns, model.estimator.n_features_in_, str(model.path))
        here, name = _part(part, model, task)
        result, lines = _judge(model, chosen(task, here), task, name)
        found.append(result)
        rows += lines
    config = {"command": "lut eval", "models": [_sha256(model.path) for model, _ in pairs], "part": part}
    digest = content_hash([task.sha256 for _, task in pairs])
    record = {"schema": 1, "data": data, "models": found}
    folder = out or default_folder("lut-eval", data, content_hash([config, digest]))
    with RunFolder.open(folder, command=list(command), config=config, data_sha256=digest) as run:
        reused = run.done
        table = run.write("predictions.csv", predictions_csv(rows))
        whole = run.write("eval.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        run.finish()
    return Done(run.path, record, (whole, table), reused)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _task_for(model: Model, data: str, reading: Reading, *, alone: bool) -> Task:
    """The data as the model answers them: its output of a PLA file, its question."""
    label = reading.label or (model.output or None if is_pla(data) else None)
    if reading.label and not alone and model.output:
        raise InputError(
            "`label` names one output, but the folder has a model for each: give one model's file."
        )
    kept = {name: getattr(reading, name) for name in ("data_dir", "dont_cares")}
    return read_tasks(data, Reading(label=label, yes=reading.yes or model.yes, **kept))[0]


def _part(part: str, model: Model, task: Task) -> tuple[str, str]:
    """Which part is judged, and its name: nobody shall take what was learnt from for a test."""
    learnt = bool(task.file) and task.file == model.file
    if part == "auto":
        part = "all" if task.file and not (learnt and model.held_out) else "test"
    name = "training" if part == "train" or (part == "all" and learnt and not model.held_out) else part
    return part, name


def chosen(task: Task, part: str) -> Part:
    """One part of a task, or both, in the order of their ids."""
    if part != "all":
        return task.train if part == "train" else task.test
    a, b = task.train, task.test
    ids = np.concatenate([a.ids, b.ids])
    order = np.argsort(ids, kind="stable")
    return Part(np.concatenate([a.X, b.X])[order], np.concatenate([a.y, b.y])[order], ids[order])


def _judge(model: Model, part: Part, task: Task, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a model fares on some examples, and its answer to each."""
    estimator = model.estimator
    known = [str(each) for each in estimator.classes_]
    strangers = sorted(set(part.y.tolist()) - set(known))
    if strangers:
        raise InputError(
            f"`{task.source}` has the class {strangers[0]!r:.80}, but `{model.path}` knows "
            f"{', '.join(known[:20])}: give data, and `yes`, as it was learnt from."
        )
    proba = estimator.predict_proba(part.X)
    answers = np.array(known)[proba.argmax(axis=1)]
    right = answers == part.y
    classes = []
    for each in known:
        here = part.y == each
        counts = {other: int((answers[here] == other).sum()) for other in known}
        classes.append({"class": each, "examples": int(here.sum()), "right": counts[each], "answers": counts})
    result = {
        "model": str(model.path),
        "output": model.output,
        "part": name,
        "examples": len(part.y),
        "accuracy": float(right.mean()),
        "classes": classes,
    }
    columns = zip(
        part.ids.tolist(), part.y.tolist(), answers.tolist(), proba.max(axis=1).tolist(), strict=True
    )
    return result, [
        {"output": model.output, "id": i, "given": y, "predicted": answer, "probability": p}
        for i, y, answer, p in columns
    ]


def show_lone(
    path: str | Path,
    data: str,
    *,
    reading: Reading,
    threads: int = 1,
    out: Path | None = None,
    command: Sequence[str] = (),
) -> Done:
    """The page of a model whose run folder is not at hand: its layers' records, counted again on some data.

    Args:
        path: The model's file.
        data: What it was learnt from.
        reading: How to read the data.
        threads: Threads to use.
        out: The run folder; ``rote-runs/lut-show-<model>-<hash>`` where ``None``.
        command: What the user typed, for the page.

    Raises:
        InputError: If the data are not of the kind that the model was learnt from.
    """
    model = find_models(path, threads=threads)[0]
    task = _task_for(model, data, reading, alone=True)
    estimator = model.estimator
    check_columns(task, model.columns, estimator.n_features_in_, str(path))
    _judge(model, chosen(task, "all"), task, "all")
    train = layer_records(estimator, task.train.X, task.train.y)
    options = estimator.get_params(deep=False)
    for name in ("binariser", "threads", "memory_limit"):
        options.pop(name)
    config = {"command": "lut show", "model": _sha256(model.path)}
    folder = out or default_folder("lut-show", str(path), content_hash([config, task.sha256]))
    with RunFolder.open(folder, command=list(command), config=config, data_sha256=task.sha256) as run:
        record = {
            "schema": 1,
            "data": {"name": task.name, "source": task.source},
            "options": options,
            "models": [model_record(estimator, task, train=train) | {"file": str(path), "seconds": None}],
            "made": {
                "command": " ".join(command),
                "versions": run.manifest["versions"],
                "when": run.manifest["created"],
                "seconds": None,
                "data_sha256": task.sha256,
            },
        }
        page = run.write(PAGE, luts_page(record))
        run.finish()
    return Done(run.path, record, (page,), False)


def show_run(path: str | Path) -> Done:
    """The page of a run folder, written anew from its records.

    Args:
        path: The folder of a fit or a sweep, or a model's file in the former.

    Raises:
        InputError: If it holds neither.
    """
    from rote._lut._sweep import SWEEP, swept

    place = Path(path).expanduser()
    if not place.exists():
        raise InputError(f"`{path}` is not there: check the path.")
    try:
        run = RunFolder.reopen(place if place.is_dir() else place.parent)
    except InputError as error:
        if place.is_dir():
            raise
        raise InputError(
            f"`{path}` stands alone, without the folder of its fit: say with `data` what it was learnt from."
        ) from error
    with run:
        done = swept(run) if run.manifest["config"].get("command") == SWEEP else fitted(run)
    return Done(done.path, done.record, (done.path / PAGE,), done.reused)
