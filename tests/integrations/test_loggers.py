"""The adapters: each hands the scalars over as its tool wants them."""

import inspect
import json
import pickle
from unittest.mock import create_autospec

import pytest

from rote.integrations import JsonLines, MLflow, TensorBoard, Wandb

SCALARS = {"coherence/alpha": 0.5, "coherence/layers/alpha_unbiased/net.0": -0.25}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gives_back_what_was_logged(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        logger = TensorBoard(writer)
        logger.log(3, SCALARS)
        logger.log(7, {"coherence/alpha": 0.75})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("coherence/alpha")] == [(3, 0.5), (7, 0.75)]
    assert [(e.step, e.value) for e in events.Scalars("coherence/layers/alpha_unbiased/net.0")] == [
        (3, -0.25)
    ]


def wandb_log(data: dict, step: int | None = None, commit: bool | None = None) -> None:
    """As ``wandb.Run.log``."""


def trackio_log(metrics: dict, step: int | None = None) -> None:
    """As ``trackio.log``."""


def mlflow_log_metrics(
    metrics: dict,
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: object = None,
) -> None:
    """As ``mlflow.log_metrics``."""


class Module:
    """A stand-in with one function, which accepts only what the real one does."""

    def __init__(self, name, function):
        self.called = create_autospec(function)
        setattr(self, name, self.called)


@pytest.mark.parametrize(
    ("adapter", "name", "function"),
    [(Wandb, "log", wandb_log), (Wandb, "log", trackio_log), (MLflow, "log_metrics", mlflow_log_metrics)],
    ids=["wandb", "trackio", "mlflow"],
)
def test_adapters_call_as_the_tool_wants(adapter, name, function):
    module = Module(name, function)
    adapter(module).log(3, SCALARS)
    module.called.assert_called_once_with(SCALARS, step=3)
    (given,) = module.called.call_args.args
    assert type(given) is dict
    assert given is not SCALARS  # tools write into what they are given


@pytest.mark.parametrize("package", ["wandb", "trackio", "mlflow"])
def test_the_stand_ins_have_the_real_signatures(package):
    """Where the tool is installed; importing it may take seconds, so only then."""
    function = {"wandb": wandb_log, "trackio": trackio_log, "mlflow": mlflow_log_metrics}[package]
    module = pytest.importorskip(package, reason=f"{package} is not installed")
    real = module.log_metrics if package == "mlflow" else module.Run.log if package == "wandb" else module.log
    wanted = list(inspect.signature(function).parameters)
    assert [p for p in inspect.signature(real).parameters if p != "self"][: len(wanted)] == wanted


def test_json_lines_are_appended_and_valid(tmp_path):
    path = tmp_path / "deep" / "coherence.jsonl"
    JsonLines(path).log(0, SCALARS)
    JsonLines(str(path)).log(1, {"a": float("nan"), "b": float("-inf"), "c": 1e-300})
    lines = [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]
    assert lines == [{"step": 0, **SCALARS}, {"step": 1, "a": None, "b": None, "c": 1e-300}]


def test_json_lines_can_be_sent_to_another_process(tmp_path):
    pickle.loads(pickle.dumps(JsonLines(tmp_path / "x.jsonl"))).log(2, {"a": 1.0})
    assert json.loads((tmp_path / "x.jsonl").read_text()) == {"step": 2, "a": 1.0}
