"""Lightning: the callback gives what a plain loop gives, disturbs nothing, and leaves nothing behind."""

import copy
import json
import operator
import os
import pickle
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from rote.errors import InputError
from rote.gradients import coherence, watch
from rote.integrations import JsonLines

LOSS = nn.CrossEntropyLoss()


def data(m=23, dtype=torch.float64):
    return TensorDataset(torch.randn(m, 4, dtype=dtype), torch.randint(0, 3, (m,)))


def loss_of(model, batch):
    return LOSS(model(batch[0]), batch[1])


in_half = partial(torch.autocast, "cpu", dtype=torch.bfloat16, cache_enabled=False)


def half_loss_of(model, batch):
    with in_half():
        return loss_of(model, batch)


@pytest.fixture
def module_class(lightning):
    class Module(lightning.LightningModule):
        def __init__(self, lr=0.1):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 3)).double()
            self.lr = lr

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, batch_idx):
            return loss_of(self, batch)

        def validation_step(self, batch, batch_idx):
            self.log("val_loss", loss_of(self, batch))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)

    return Module


@pytest.fixture
def callback_class(lightning):
    from rote.integrations.lightning import CoherenceCallback

    return CoherenceCallback


@pytest.fixture
def fit(lightning, tmp_path):
    def run(module, dataset, *callbacks, validate=None, ckpt_path=None, **options):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        settings = {"max_epochs": 1, "accelerator": "cpu", "logger": False, **quiet, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = lightning.Trainer(callbacks=list(callbacks), default_root_dir=tmp_path, **settings)
            parts = [part for part in (dataset, validate) if part is not None]
            loaders = [p if isinstance(p, DataLoader) else DataLoader(p, batch_size=5) for p in parts]
            trainer.fit(module, *loaders, ckpt_path=ckpt_path)
        return trainer

    return run


class Records:
    """A logger that also keeps the coherence of each step of a callback."""

    def __init__(self):
        self.callback, self.steps, self.scalars = None, [], []

    def log(self, step, scalars):
        self.steps.append((step, self.callback.meter.last))
        self.scalars.append(scalars)


@pytest.fixture
def recording(callback_class):
    def make(**options):
        records = Records()
        records.callback = callback_class(logger=records, **options)
        return records.callback, records

    return make


def batches(dataset, size=5):
    return list(DataLoader(dataset, batch_size=size))


def test_the_same_numbers_as_a_plain_loop(module_class, recording, fit, plain_loop, assert_same):
    """Over two epochs with a short last batch, momentum, clipping, sanity check and validation."""
    module, dataset = module_class(), data()
    twin = copy.deepcopy(module)
    callback, records = recording()
    fit(module, dataset, callback, validate=data(), max_epochs=2, gradient_clip_val=0.5)
    optimizer = twin.configure_optimizers()
    optimizer.register_step_pre_hook(
        lambda *_: torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5) and None
    )
    wanted, pooled = plain_loop(twin, batches(dataset) * 2, loss_of, optimizer=optimizer)
    assert [step for step, _ in records.steps] == list(range(10))
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record, rel=1e-9)
    assert_same(callback.meter.compute(), pooled, rel=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("accumulate", [False, True])
def test_accumulated_batches(module_class, recording, fit, accumulate):
    """Three batches a step; the last step of the epoch has two, the second of them short."""
    module, dataset = module_class(lr=0.0), data(23)
    callback, records = recording(accumulate=accumulate)
    fit(module, dataset, callback, accumulate_grad_batches=3)
    parts = batches(dataset)
    assert [step for step, _ in records.steps] == [0, 1]
    for (_, got), group in zip(records.steps, (parts[:3], parts[3:]), strict=True):
        if accumulate:
            whole = coherence(module, LOSS, [torch.cat(part) for part in zip(*group, strict=True)])
            assert got.alpha == pytest.approx(whole.alpha, rel=1e-9)
            assert got.m == whole.m
        else:
            with watch(module) as meter:
                for part in group:
                    loss_of(module, part).backward()
                    meter.update()
                assert got.alpha == pytest.approx(meter.compute().alpha, rel=1e-9)
            assert got.steps == len(group)


def test_the_scale_of_accumulated_losses(module_class, recording, fit):
    """Lightning divides the loss by the number of batches: ratios stay, squared norms do not."""
    module, dataset = module_class(lr=0.0), data(10)
    callback, _ = recording(accumulate=True)
    fit(module, dataset, callback, accumulate_grad_batches=2)
    whole = coherence(module, LOSS, dataset.tensors)
    assert callback.meter.last.alpha == pytest.approx(whole.alpha, rel=1e-9)
    assert (callback.meter.last.squared_norms * 4).tolist() == pytest.approx(whole.squared_norms.tolist())


def test_every_second_step(module_class, recording, fit, lightning, hooks_of):
    hooked = []

    class Probe(lightning.Callback):
        def on_before_zero_grad(self, trainer, module, optimizer):
            hooked.append(hooks_of(module.net) > 0)

    callback, records = recording(every=2)
    fit(module_class(), data(), callback, Probe())
    assert [step for step, _ in records.steps] == [0, 2, 4]
    assert hooked == [True, False, True, False, True]
    assert callback.meter.compute().steps == 3


def test_no_hook_is_left(module_class, callback_class, fit, hooks_of):
    module = module_class()
    fit(module, data(), callback_class())
    assert hooks_of(module) == 0


def test_no_hook_is_left_after_an_error(module_class, callback_class, fit, hooks_of):
    class Failing(module_class):
        def training_step(self, batch, batch_idx):
            if batch_idx == 2:
                raise ZeroDivisionError("on purpose")
            return super().training_step(batch, batch_idx)

    module, callback = Failing(), callback_class()
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        fit(module, data(), callback)
    assert hooks_of(module) == 0
    assert callback.meter.compute().steps == 2


def test_what_cannot_be_measured_is_said(module_class, callback_class, fit, hooks_of):
    module = module_class()
    module.net.append(nn.BatchNorm1d(3).double())
    with pytest.raises(InputError, match="BatchNorm1d"):
        fit(module, data(), callback_class())
    assert hooks_of(module) == 0


def test_a_resumed_run_goes_on(module_class, callback_class, fit, lightning, tmp_path, assert_same):
    module, dataset = module_class(), data()
    whole, broken, resumed = (callback_class(limit=6, every=2) for _ in range(3))
    fit(copy.deepcopy(module), dataset, whole, max_epochs=2)
    trainer = fit(copy.deepcopy(module), dataset, broken, max_epochs=1)
    path = tmp_path / "last.ckpt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.save_checkpoint(path)
    torch.load(path, weights_only=True)  # plain data only
    fit(copy.deepcopy(module), dataset, resumed, max_epochs=2, ckpt_path=path)
    assert resumed.meter.compute().steps == 5
    assert_same(resumed.meter.compute(), whole.meter.compute(), rel=1e-12)
    assert resumed._log.layers == broken._log.layers == whole._log.layers


def test_the_trainers_own_logger_gets_at_most_twenty_scalars(module_class, callback_class, fit, lightning):
    seen = []

    class Kept(lightning.loggers.logger.DummyLogger):
        def log_metrics(self, metrics, step=None):
            seen.append((step, metrics))

    module = module_class()
    module.net = nn.Sequential(nn.Linear(4, 3), *(nn.Linear(3, 3) for _ in range(25))).double()
    fit(module, data(10), callback_class(prefix="c."), logger=Kept())
    own = [(step, metrics) for step, metrics in seen if any(name.startswith("c.") for name in metrics)]
    assert [step for step, _ in own] == [0, 1]
    assert {len(metrics) for _, metrics in own} <= {19, 20}  # the noise scale may be infinite
    layers = [{n for n in metrics if "layers/" in n} for _, metrics in own]
    assert layers[0] == layers[1]


def test_bfloat16(module_class, recording, fit, plain_loop, assert_same):
    module, dataset = module_class(), data(dtype=torch.float32)
    module.net.float()
    twin = copy.deepcopy(module)
    callback, records = recording()
    fit(module, dataset, callback, precision="bf16-mixed")
    wanted, _ = plain_loop(twin, batches(dataset), half_loss_of, optimizer=twin.configure_optimizers())
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record)


def test_a_scaled_loss_is_unscaled(module_class, recording, fit, lightning, plain_loop, assert_same):
    """The scaler of 16-mixed; its float16 is replaced, so that a plain loop's norms can be compared."""
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    plugin = lightning.plugins.MixedPrecision("16-mixed", "cpu", scaler)
    plugin.autocast_context_manager = in_half
    module, dataset = module_class(), data(dtype=torch.float32)
    module.net.float()
    twin = copy.deepcopy(module)
    callback, records = recording()
    fit(module, dataset, callback, plugins=[plugin])
    wanted, _ = plain_loop(twin, batches(dataset), half_loss_of, optimizer=twin.configure_optimizers())
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record)


def test_manual_optimization(module_class, recording, fit, plain_loop, assert_same):
    class Manual(module_class):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss_of(self, batch))
            optimizer.step()

    module, dataset = Manual(), data()
    module.automatic_optimization = False
    twin = copy.deepcopy(module)
    callback, records = recording()
    fit(module, dataset, callback)
    wanted, _ = plain_loop(twin, batches(dataset), loss_of, optimizer=twin.configure_optimizers())
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record, rel=1e-9)


def test_batch_normalisation_is_measured_by_microbatches(module_class, recording, fit):
    module, dataset = module_class(lr=0.0), data(25)
    module.net.append(nn.BatchNorm1d(3).double())
    twin = copy.deepcopy(module)
    callback, records = recording()
    fit(module, dataset, callback, accumulate_grad_batches=2)
    parts = batches(dataset)
    with watch(twin.train(), method="microbatch") as meter:
        for part in parts[:2]:
            loss_of(twin, part).backward()
        meter.update()
        assert records.steps[0][1].alpha_unbiased == pytest.approx(meter.last.alpha_unbiased, rel=1e-9)
    assert [step for step, _ in records.steps] == [0, 1]  # the third step has one batch only


def test_a_skipped_batch(module_class, recording, fit):
    class Skipping(module_class):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            return None if batch_idx == 1 else loss

    callback, _ = recording()
    fit(Skipping(), data(), callback)
    assert callback.meter.compute().steps == 4


class Shifted(nn.Module):
    """Its weight is used outside its layer, so that the whole of it must be run again."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3).double()

    def forward(self, x):
        return F.linear(x, self.inner.weight) * 2


def test_a_part_of_the_module(module_class, recording, fit):
    """The part is called, not the LightningModule, which can therefore not be run again as a whole."""

    class Partly(module_class):
        def __init__(self):
            super().__init__()
            self.net = Shifted()

        def training_step(self, batch, batch_idx):
            return loss_of(self.net, batch)

    module, dataset = Partly(), data(10)
    with pytest.raises(InputError, match="call the"):
        fit(copy.deepcopy(module), dataset, recording()[0])
    net = copy.deepcopy(module.net)
    callback, records = recording(model=operator.attrgetter("net"))
    fit(module, dataset, callback)
    wanted = coherence(net, LOSS, next(iter(batches(dataset))))
    assert records.steps[0][1].alpha == pytest.approx(wanted.alpha, rel=1e-9)


def test_unfreezing_on_the_way(module_class, recording, fit, lightning):
    class Thaw(lightning.Callback):
        def on_train_epoch_start(self, trainer, module):
            module.net[0].requires_grad_(trainer.current_epoch > 0)

    callback, records = recording()
    fit(module_class(), data(10), Thaw(), callback, max_epochs=2)
    assert ["net.0" in record.layers for _, record in records.steps] == [False, False, True, True]
    assert callback.meter.compute().steps == 2


def test_one_callback_for_two_runs(module_class, recording, fit):
    """Its sums go on, and its hooks move to the new module."""
    callback, _ = recording()
    for _run in range(2):
        fit(module_class(), data(10), callback)
    assert callback.meter.compute().steps == 4


def test_a_callback_can_be_sent_to_another_process(callback_class):
    again = pickle.loads(pickle.dumps(callback_class(every=3)))
    assert isinstance(again, callback_class)


def test_two_callbacks_on_two_parts(module_class, callback_class, fit):
    first = callback_class(model=lambda m: m.net[0], prefix="first/")
    last = callback_class(model=lambda m: m.net[3], prefix="last/")
    trainer = fit(module_class(), data(10), first, last)
    assert first.state_key != last.state_key
    assert {type(c).__name__ for c in trainer.callbacks} >= {"CoherenceCallback"}
    assert first.meter.coverage == last.meter.coverage == {"Linear": "linear"}


class Strided:
    """Deals the examples out to the ranks, one after the other."""

    def __init__(self, examples, ranks):
        self.examples, self.ranks = examples, ranks

    def __iter__(self):
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        return iter(range(rank, self.examples, self.ranks))

    def __len__(self):
        return self.examples // self.ranks


@pytest.mark.slow  # starts processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("batches_a_step", [1, 2])
def test_two_processes_give_what_one_gives(
    module_class, callback_class, fit, lightning, tmp_path, batches_a_step
):
    """Of 24 examples, steps of 8: in one process, and in two that accumulate over one or two batches."""
    module, dataset = module_class(), data(24)
    lines = []
    for ranks, strategy, size, several in [
        (1, "auto", 8, 1),
        (2, "ddp_fork", 4 // batches_a_step, batches_a_step),
    ]:
        path = tmp_path / f"{ranks}.jsonl"
        callback = callback_class(logger=JsonLines(path), accumulate=several > 1)
        loader = DataLoader(dataset, batch_size=size, sampler=Strided(24, ranks))
        options = {"devices": ranks, "strategy": strategy, "use_distributed_sampler": False}
        fit(copy.deepcopy(module), loader, callback, accumulate_grad_batches=several, **options)
        lines.append([json.loads(line) for line in path.read_text().splitlines()])
    one, two = lines
    assert [line["step"] for line in two] == [0, 1, 2]
    for wanted, got in zip(one, two, strict=True):
        assert got == pytest.approx(wanted, rel=1e-9)


def test_a_compiled_module_is_refused(module_class, callback_class, fit):
    compiled = torch.compile(module_class(), backend="eager")
    with pytest.raises(InputError, match="not compiled"):
        fit(compiled, data(10), callback_class())


@pytest.mark.filterwarnings("ignore")
def test_the_older_package_of_the_same_name(callback_class, tmp_path):
    other = pytest.importorskip("pytorch_lightning", reason="pytorch_lightning is not installed")

    class Module(other.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(4, 3).double()

        def training_step(self, batch, batch_idx):
            return loss_of(self.net, batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    callback = callback_class()
    trainer = other.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
        callbacks=[callback],
    )
    trainer.fit(Module(), DataLoader(data(), batch_size=5))
    assert callback.meter.compute().steps == 5
