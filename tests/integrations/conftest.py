"""The frameworks, imported once and only when a test asks for them; a test is skipped where one is absent."""

import gc
import importlib
import warnings

import pytest

import rote


def _framework(name):
    pytest.importorskip(name.partition(".")[0], reason=f"{name} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.fixture(scope="session")
def lightning():
    """The package ``lightning.pytorch``."""
    return _framework("lightning.pytorch")


@pytest.fixture(scope="session")
def transformers():
    """The package ``transformers``, with what its Trainer needs."""
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    module = _framework("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("Trainer", "GPT2LMHeadModel", "BertForSequenceClassification"):
            getattr(module, name)  # loaded lazily
    module.logging.set_verbosity_error()
    # Every Trainer collects garbage, which takes 0.2 s over the objects of this import.
    gc.collect()
    gc.freeze()
    yield module
    gc.unfreeze()


@pytest.fixture
def hooks_of():
    """Counts every hook on a model: on its modules and on its parameters."""

    def count(model):
        on_modules = sum(
            len(hooks)
            for module in model.modules()
            for name, hooks in vars(module).items()
            if name.endswith("_hooks") and "state_dict" not in name
        )
        return on_modules + sum(len(p._backward_hooks or ()) for p in model.parameters())

    return count


@pytest.fixture(scope="session")
def plain_loop():
    """Trains as everybody does, watched; the records of all steps and their pool."""

    def train(model, batches, loss_of, *, optimizer=None, **options):
        records = []
        with rote.watch(model, **options) as meter:
            for batch in batches:
                loss_of(model, batch).backward()
                meter.update()
                records.append(meter.last)
                if optimizer is not None:
                    optimizer.step()
                    optimizer.zero_grad()
            return records, meter.compute()

    return train


@pytest.fixture(scope="session")
def assert_same():
    """Two records agree in every number: in total, per layer, per example."""

    def check(got, wanted, rel=1e-6):
        assert (got.steps, got.m) == (wanted.steps, pytest.approx(wanted.m, rel=rel))
        assert list(got.layers) == list(wanted.layers)
        pairs = [(got, wanted), *((got.layers[name], wanted.layers[name]) for name in wanted.layers)]
        for one, other in pairs:
            for name in ("alpha", "alpha_unbiased", "m_coherence", "noise_scale"):
                assert getattr(one, name) == pytest.approx(
                    getattr(other, name), rel=rel, abs=rel, nan_ok=True
                )
        if wanted.squared_norms is None:
            assert got.squared_norms is None
        else:
            assert got.squared_norms.tolist() == pytest.approx(wanted.squared_norms.tolist(), rel=rel)

    return check
