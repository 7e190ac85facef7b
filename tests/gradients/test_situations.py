"""The 32 situations in which the existing tools were compared, and what else people train, in float64."""

import copy

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from oracles import situations as oracle
from rote.errors import InputError
from rote.gradients import coherence, watch

M = 6
LOSS = nn.CrossEntropyLoss()
#: Wrong, refused, or stopped by an error of torch, though the exact result exists; at any m, or at one.
AWAITED = ()
AWAITED_AT: set[tuple[str, int]] = set()
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel"),
    pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning"),
]


def prepared(make, inputs, m=M):
    """A model, its inputs as a tuple, and targets for each row of logits that it returns."""
    torch.manual_seed(0)
    model, x = make(), inputs(m)
    x = x if isinstance(x, tuple) else (x,)
    with torch.no_grad():
        rows = model(*x).shape[:-1]
    return model, x, torch.randint(0, 3, rows)


def expected(meter, model, loss, x, y):
    """The oracle's gradients by reported layer, from the random numbers that :func:`step` draws."""
    meter._capture.paused = True
    try:
        torch.manual_seed(1)
        parts = oracle.gradients_of_parts(model, lambda out, y: oracle.parts_of(loss, out, y), x, y)
    finally:
        meter._capture.paused = False
    return oracle.by_layer(parts, list(meter.last.layers), model)


def step(meter, model, loss, x, y):
    torch.manual_seed(1)
    oracle.batch_loss(loss, model(*x), y).backward()
    meter.update()


def assert_agrees(got, layers, *, scale=1.0, rtol=1e-10):
    whole = torch.cat(list(layers.values()), 1) * scale
    norms = whole.square().sum(1).numpy()
    np.testing.assert_allclose(got.squared_norms, norms, rtol=rtol, atol=rtol * norms.max())
    assert got.m_coherence == pytest.approx(float(whole.sum(0).square().sum() / norms.sum()), rel=rtol)
    for name, G in layers.items():
        q, s2 = float(G.square().sum()), float(G.sum(0).square().sum())
        assert got.layers[name].share == pytest.approx(q / norms.sum() * scale**2, rel=rtol, abs=rtol)
        if q > 0:
            assert got.layers[name].m_coherence == pytest.approx(s2 / q, rel=rtol, abs=rtol)


def assert_exact(make, inputs, *, m=M, loss=LOSS, targets=None, steps=2):
    """Watched steps against the oracle; the first is self-checked and keeps more, the others do not."""
    model, x, y = prepared(make, inputs, m)
    y = y if targets is None else targets(y)
    reduction = loss.reduction
    with watch(model, reduction=reduction) as meter:
        for _ in range(steps):
            step(meter, model, loss, x, y)
            scale = 1.0 if reduction == "mean" else 1 / len(x[0])
            assert_agrees(meter.last, expected(meter, model, loss, x, y), scale=scale)


def test_there_are_32():
    assert len(oracle.SITUATIONS) == 32


BATCH_NORM = "BatchNorm in training mode"
MODELS = [n for n in oracle.SITUATIONS if n not in (BATCH_NORM, *oracle.WAYS_OF_TRAINING)]


def mark_awaited(name, request):
    if name in AWAITED:
        request.applymarker(pytest.mark.xfail(reason="can be exact, is not yet"))


@pytest.mark.parametrize("name", MODELS)
def test_situation(name, request):
    mark_awaited(name, request)
    assert_exact(*oracle.SITUATIONS[name])


def test_batch_norm_in_training_mode_is_refused():
    model, x, y = prepared(*oracle.SITUATIONS[BATCH_NORM])
    with (
        watch(model, method="exact") as meter,
        pytest.raises(InputError, match=r"`1` \(BatchNorm1d\) takes stat"),
    ):
        step(meter, model, LOSS, x, y)


def test_graphs_are_refused():
    model, x, y = prepared(oracle.models.Graphs, oracle.graphs)
    with watch(model) as meter, pytest.raises(InputError, match="cannot be told apart by example"):
        step(meter, model, LOSS, x, y)


@pytest.mark.parametrize("name", oracle.WAYS_OF_TRAINING[:2])
def test_autocast(name):
    """The oracle's products are rounded to bfloat16 as well, so only its digits can be asked for."""
    torch.set_default_dtype(torch.float32)
    model, x, y = prepared(*oracle.SITUATIONS[name])
    with watch(model) as meter:
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                step(meter, model, LOSS, x, y)
                layers = expected(meter, model, LOSS, x, y)
            assert meter.last.squared_norms.dtype == np.float64
            for layer, G in layers.items():
                q, s2 = float(G.square().sum()), float(G.sum(0).square().sum())
                got = meter.last.layers[layer]
                assert got.share * meter.last.squared_norms.sum() == pytest.approx(q, rel=0.01)
                assert got.m_coherence == pytest.approx(s2 / q, rel=0.05)


def test_accumulated_backward_passes():
    """p.grad holds two backward passes when the second is read: each is measured as the batch that it is."""
    model, x, y = prepared(*oracle.SITUATIONS["two backward passes before reading"])
    both = coherence(model, LOSS, (x[0], y))
    with watch(model, accumulate=True) as meter:
        for part in torch.arange(M).split(4):
            LOSS(model(x[0][part]), y[part]).backward()
            meter.update()
        np.testing.assert_allclose(meter.compute().squared_norms, both.squared_norms, rtol=1e-10)
        assert meter.compute().alpha == pytest.approx(both.alpha, rel=1e-10)


def test_distributed_data_parallel_on_one_rank(tmp_path):
    model, x, y = prepared(*oracle.SITUATIONS["DistributedDataParallel"])
    alone = coherence(model, LOSS, (x[0], y))
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(model)
        with watch(wrapped) as meter:
            LOSS(wrapped(x[0]), y).backward()
            meter.update()
            assert meter.last.alpha == pytest.approx(alone.alpha, rel=1e-10)
            np.testing.assert_allclose(meter.last.squared_norms, alone.squared_norms, rtol=1e-10)
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # those of the compiler itself
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_models_are_exact_or_refused_in_words(backend):
    model, x, y = prepared(*oracle.SITUATIONS["torch.compile"])
    alone, said = coherence(model, LOSS, (x[0], y)), ""
    compiled = torch.compile(model, backend=backend)
    try:
        with watch(compiled, method="exact") as meter:
            LOSS(compiled(x[0]), y).backward()
            meter.update()
            np.testing.assert_allclose(meter.last.squared_norms, alone.squared_norms, rtol=1e-10)
    except InputError as refusal:
        said = str(refusal)
    assert not said or "microbatch" in said  # the remedy is named


@pytest.mark.parametrize("name", oracle.MORE)
def test_more(name, request):
    mark_awaited(name, request)
    assert_exact(*oracle.MORE[name])


@pytest.mark.parametrize("m", [1, 4, 5])
@pytest.mark.parametrize("name", [*MODELS, *oracle.MORE])
def test_batch_as_large_as_another_dimension(name, m, request):
    """4 features, 5 positions, heads and groups: what is told apart by its length is mistaken here."""
    if name in AWAITED or (name, m) in AWAITED_AT:
        request.applymarker(pytest.mark.xfail(reason="can be exact, is not yet"))
    assert_exact(*{**oracle.SITUATIONS, **oracle.MORE}[name], m=m)


@pytest.mark.parametrize("name", oracle.LOSSES)
def test_loss(name):
    case, loss, targets = oracle.LOSSES[name]
    assert_exact(*case, loss=loss, targets=targets)


@pytest.mark.parametrize("case", [oracle.SITUATIONS["MLP"], oracle.MORE["language model, tied"]])
def test_last_short_chunk(case):
    """Batches of different sizes, down to one example, on one meter."""
    model, (inputs,), y = prepared(*case)
    with watch(model) as meter:
        for part in (slice(0, 4), slice(4, 6), slice(5, 6)):
            step(meter, model, LOSS, (inputs[part],), y[part])
            assert_agrees(meter.last, expected(meter, model, LOSS, (inputs[part],), y[part]))


def test_fixed_sample_of_padded_sequences():
    """A mean over a batch's tokens weighs a sequence by its batch; the sum of tokens does not."""
    model, x, y = prepared(oracle.models.LanguageModel, oracle.classes)
    y, total = oracle.padded(y), nn.CrossEntropyLoss(reduction="sum")
    got = coherence(model, lambda out, y: oracle.batch_loss(total, out, y), (x[0], y), chunk_size=4)
    parts = oracle.gradients_of_parts(model.eval(), lambda out, y: oracle.parts_of(total, out, y), x, y)
    assert_agrees(got, oracle.by_layer(parts, list(got.layers), model), scale=1 / M)
    assert got.squared_norms[3] == 0  # no target at all


def test_reruns_leave_buffers_alone():
    class Tracked(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.InstanceNorm1d(4, track_running_stats=True)
            self.places, self.head = nn.Embedding(5, 4), nn.Linear(4, 3)

        def forward(self, x):
            x = x + self.places(torch.arange(x.shape[1]))
            return self.head(self.norm(x.transpose(1, 2)).mean(2).tanh())

    model, (x,), y = prepared(Tracked, oracle.awkward.sequences)
    alone = copy.deepcopy(model)
    LOSS(alone(x), y).backward()
    with watch(model) as meter:
        step(meter, model, LOSS, (x,), y)
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), alone.buffers(), strict=True))
