"""Freeze training by a Lightning ``Trainer``: the schedule of the plain object."""

import warnings
from operator import attrgetter

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from rote.errors import InputError


@pytest.fixture
def fit(lightning, tmp_path):
    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))

        def training_step(self, batch, batch_idx):
            return self.net(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def run(callback, **options):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        settings = {"max_epochs": 2, "accelerator": "cpu", "logger": False, **quiet, **options}
        module = Module()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = lightning.Trainer(callbacks=[callback], default_root_dir=tmp_path, **settings)
            trainer.fit(module, DataLoader(TensorDataset(torch.randn(30, 4)), batch_size=5))
        return module

    return run


def test_layers_are_frozen_at_their_share(fit):
    from rote.integrations.lightning import FreezeTraining

    callback = FreezeTraining(model=attrgetter("net"))
    module = fit(callback)  # 12 steps: frozen from steps 4 and 8 on
    assert [p.requires_grad for p in module.parameters()] == [False] * 4 + [True] * 2
    assert callback.freeze.saving().frozen == pytest.approx({"0": 2 / 3, "2": 1 / 3, "4": 0.0})
    sizes = {"0": 30, "2": 42, "4": 7}
    saved = (2 / 3 * sizes["0"] + 1 / 3 * sizes["2"]) / sum(sizes.values())
    assert callback.freeze.saving().parameters == pytest.approx(saved)


def test_training_without_an_end_is_refused(fit):
    from rote.integrations.lightning import FreezeTraining

    with pytest.raises(InputError, match="max_epochs or max_steps"):
        fit(FreezeTraining(), max_epochs=-1, limit_train_batches=1)
    with pytest.raises(InputError, match="at least two"):
        fit(FreezeTraining())  # the module has one child


def test_other_names_are_not_there():
    from rote.integrations import lightning

    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = lightning.Nope
