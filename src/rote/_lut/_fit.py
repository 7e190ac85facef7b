"""Learning networks of lookup tables into a run folder."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin

from rote._lut._data import Reading, Task, make_binariser, read_tasks
from rote._lut._summary import Records, layers_summary
from rote.errors import InputError
from rote.luts import LUTNetworkClassifier, Quantiles, code_matrix, layer_records, save
from rote.luts._estimator import is_bits
from rote.luts._memory import check_memory
from rote.report import luts_page
from rote.runs import RunFolder, content_hash

KIND, PAGE = "lut fit", "report.html"
OnProgress = Callable[[int, int, str], None]
"""``on_progress(done, total, text)``: how many layers are learnt, or cells are run."""


@dataclass(frozen=True)
class Learning:
    """How it is learnt.

    Attributes:
        options: Parameters of `rote.luts.LUTNetworkClassifier`, but for ``binariser`` and ``threads``.
        binariser: How numbers become bits: a name of ``rote._lut._data.BINARISERS``.
        bits: Bits of each number.
        threads: Threads to use; they change nothing but the time.
    """

    options: Mapping[str, Any]
    binariser: str = "auto"
    bits: int = 8
    threads: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 4096:
            raise InputError(f"`bits` must be between 1 and 4096. Got {self.bits}.")

    def estimator(self, binariser: TransformerMixin | None) -> LUTNetworkClassifier:
        """An estimator that is to be fitted, its options checked."""
        made = LUTNetworkClassifier(**self.options, binariser=binariser, threads=self.threads)
        made.recipe()
        return made


@dataclass(frozen=True, eq=False)
class Done:
    """What a command of ``rote lut`` made.

    Attributes:
        path: The run folder.
        record: What its page shows, ready for JSON.
        files: What was made, the main one last.
        reused: Whether it was there already.
    """

    path: Path
    record: dict[str, Any]
    files: tuple[Path, ...]
    reused: bool


def fit(
    data: str,
    learning: Learning,
    *,
    reading: Reading | None = None,
    out: Path | None = None,
    command: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Done:
    """Learn a network for each task in some data; what is there already is not learnt again.

    Args:
        data: What :func:`read_tasks` takes.
        learning: How to learn.
        reading: How to read the data.
        out: The run folder; ``rote-runs/lut-<data>-<hash>`` where ``None``.
        command: What the user typed, for the page.
        on_progress: Told how many layers are learnt.

    Returns:
        The folder with one ``.safetensors`` file for each task, and ``report.html``.

    Raises:
        InputError: If anything given cannot be used, or the folder holds another run.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     done = fit("digits", Learning({"k": 4, "width": 30, "depth": 2}), out=Path(folder) / "run")
        >>> [file.name for file in done.files], done.record["models"][0]["luts"]
        (['model.safetensors'], 610)
    """
    reading = reading or Reading()
    learning.estimator(None)
    tasks = read_tasks(data, reading)
    for task in tasks:  # before there is a folder
        refuse_unlearnable([learning.estimator(None)], task_bits(task, learning)[0], task)
    config = {
        "command": KIND,
        "options": dict(learning.options),
        "binariser": [learning.binariser, learning.bits],
        "outputs": [task.output for task in tasks],
    }
    digest = content_hash([task.sha256 for task in tasks])
    folder = out or default_folder("lut", tasks[0].name, content_hash([config, digest]))
    tell = on_progress or (lambda done, total, text: None)
    with RunFolder.open(
        folder,
        command=list(command),
        config=config,
        data_sha256=digest,
        seeds=[int(learning.options.get("seed", 0))],
        threads=learning.threads,
    ) as run:
        reused = run.done
        layers = [_layers(learning, task) for task in tasks]
        for i, task in enumerate(tasks):
            before, text = sum(layers[:i]), task.output and f"output {task.output}"
            tell(before, sum(layers), text)
            if not run.has(f"model-{i}") or not (run.path / model_file(i, len(tasks))).exists():
                on_layer = partial(_tell_layer, tell, before, sum(layers), text)
                _learn(run, i, task, learning, model_file(i, len(tasks)), on_layer)
        tell(sum(layers), sum(layers), "")
        run.save("data", _data_record(data, tasks, reading))
        done = fitted(run, reused=reused)
        run.finish()
    return done


def task_bits(task: Task, learning: Learning) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bits of a task's training and test examples, ``[m, bits]``.

    Raises:
        InputError: If the binariser cannot make bits of them.
    """
    binariser = make_binariser(learning.binariser, learning.bits, task)
    if binariser is None:
        if is_bits(task.train.X):
            return task.train.X != 0, task.test.X != 0
        binariser = Quantiles(8)
    binariser.fit(task.train.X)
    return binariser.transform(task.train.X), binariser.transform(task.test.X)


def refuse_unlearnable(estimators: Sequence[LUTNetworkClassifier], X: NDArray[np.bool_], task: Task) -> None:
    """Refuse, before anything is learnt, what would not fit in memory.

    Args:
        estimators: What is to be learnt, one after another.
        X: The bits that they learn from, ``[m, bits]``.
        task: Its classes tell how many networks each has.

    Raises:
        InputError: If one needs too much.
    """
    classes = len(set(task.train.y.tolist()))
    for each in estimators:
        questions = code_matrix(each.codes, classes, seed=each.seed).shape[1]
        check_memory(each.recipe(), m=len(X), inputs=X.shape[1], networks=questions * each.bags)


def default_folder(kind: str, name: str, digest: str) -> Path:
    """Where a run is kept unless told.

    Example:
        >>> default_folder("lut", "my data.csv", "0123456789").as_posix()
        'rote-runs/lut-my-data-csv-01234567'
    """
    plain = "".join(c if c.isalnum() else "-" for c in Path(name).name).strip("-")[:40] or "data"
    return Path("rote-runs") / f"{kind}-{plain}-{digest[:8]}"


def model_file(number: int, models: int) -> str:
    """The name of a model's file.

    Example:
        >>> model_file(0, 1), model_file(3, 16)
        ('model.safetensors', 'model-03.safetensors')
    """
    return "model.safetensors" if models == 1 else f"model-{number:0{len(str(models - 1))}}.safetensors"


def _layers(learning: Learning, task: Task) -> int:
    """How many layers a task's networks have together."""
    estimator = learning.estimator(None)
    questions = code_matrix(estimator.codes, len(set(task.train.y.tolist())), seed=estimator.seed).shape[1]
    return int(estimator.recipe().layers * questions * estimator.bags)


def _tell_layer(tell: OnProgress, before: int, total: int, text: str, done: int, _: int) -> None:
    tell(before + done, total, text)


def _learn(
    run: RunFolder,
    number: int,
    task: Task,
    learning: Learning,
    file: str,
    on_layer: Callable[[int, int], None],
) -> None:
    """Learn one task, and save its network, then what is known of it."""
    began = time.perf_counter()
    estimator = learning.estimator(make_binariser(learning.binariser, learning.bits, task))
    estimator.fit(task.train.X, task.train.y, on_layer=on_layer)
    seconds = time.perf_counter() - began
    record = model_record(estimator, task, train=estimator.records_)
    estimator.set_params(threads=1)  # how it was learnt makes no difference to its file
    with tempfile.TemporaryDirectory() as folder:
        run.write(file, save(estimator, Path(folder) / file).read_bytes())
    run.save(f"model-{number}", record | {"file": file, "seconds": seconds})


def model_record(estimator: LUTNetworkClassifier, task: Task, *, train: Records) -> dict[str, Any]:
    """What a page says of a fitted estimator, judged on a task.

    Args:
        estimator: A fitted one.
        task: Where it was learnt.
        train: Its layers' records on the training examples.
    """
    networks, classes = estimator.networks_, [str(name) for name in estimator.classes_]
    test = layer_records(estimator, task.test.X, task.test.y)
    shares = estimator.code_[np.searchsorted(estimator.classes_, task.train.y)].mean(axis=0)
    binariser = estimator.binariser_
    return {
        "output": task.output,
        "entries": estimator.entries_,
        "luts": sum(layer.width for network in networks for layer in network.layers),
        "networks": len(networks),
        "inputs": networks[0].inputs,
        "features": estimator.n_features_in_,
        "binariser": None if binariser is None else repr(binariser),
        "classes": classes,
        "yes": [[classes[c] for c in code.nonzero()[0]] for code in estimator.code_.T],
        "train": len(task.train.y),
        "test": len(task.test.y),
        "train_accuracy": float(estimator.score(task.train.X, task.train.y)),
        "test_accuracy": float(estimator.score(task.test.X, task.test.y)),
        "constant": float(np.maximum(shares, 1 - shares).mean()),
        **layers_summary(networks, train, test),
    }


def _data_record(data: str, tasks: Sequence[Task], reading: Reading) -> dict[str, Any]:
    return {
        "name": tasks[0].name,
        "given": data,
        "source": tasks[0].source,
        "columns": list(tasks[0].columns),
        "yes": list(reading.yes),
        "file": tasks[0].file,
        "held_out": reading.test is None,
    }


def fitted(run: RunFolder, *, reused: bool = False) -> Done:
    """A finished fit from its folder; its page is written anew.

    Raises:
        InputError: If the folder holds another kind of run, or a model is missing.
    """
    config = run.manifest["config"]
    if config.get("command") != KIND or not run.has("data"):
        raise InputError(
            f"{run.path} holds no finished `rote lut fit`: give the folder that its --out named."
        )
    models = [run.load(f"model-{i}")[0] for i in range(len(config["outputs"]))]
    record = {
        "schema": 1,
        "data": run.load("data")[0],
        "options": config["options"],
        "models": models,
        "made": {
            "command": " ".join(run.manifest["command"]),
            "versions": run.manifest["versions"],
            "when": run.manifest["created"],
            "seconds": sum(model["seconds"] for model in models),
            "data_sha256": run.manifest["data_sha256"],
        },
    }
    run.write(PAGE, luts_page(record))
    run.write("report.json", json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    files = tuple(run.path / model["file"] for model in models)
    return Done(run.path, record, files, reused)
