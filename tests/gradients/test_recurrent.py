"""Recurrent layers in closed form against one backward pass per example through the same forward pass."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rote.errors import InputError
from rote.gradients import coherence, watch

LSTM, GRU, RNN = nn.LSTM, nn.GRU, nn.RNN


class Reader(nn.Module):
    """A recurrent layer and a head on what is named of its results: the output, the last states."""

    def __init__(self, kind, *, uses=("out",), given=False, **options):
        super().__init__()
        self.cell, self.uses, self.given = kind(4, 5, **options), uses, given
        self.head = nn.LazyLinear(3)

    def forward(self, x):
        m, c = len(x), self.cell
        states = None
        if self.given:
            count = c.num_layers * (2 if c.bidirectional else 1)
            h = x.mean() + torch.linspace(-1, 1, count * m * (c.proj_size or 5)).view(count, m, -1)
            states = (h, torch.linspace(1, -1, count * m * 5).view(count, m, 5)) if c.mode == "LSTM" else h
        out, last = c(x if c.batch_first else x.transpose(0, 1), states)
        found = {"out": out.mean(1 if c.batch_first else 0), "h": last[0] if c.mode == "LSTM" else last}
        if c.mode == "LSTM":
            found["c"] = last[1]
        parts = [
            found[name] if name == "out" else found[name].transpose(0, 1).flatten(1)
            for name in self.uses
            if name in found
        ]
        return self.head(torch.cat(parts, 1).sin())


def norms_by_loop(model, x, y, seed):
    """``{layer: ‖g_i‖²}``, dropout as the seed draws it."""
    torch.manual_seed(seed)
    losses = F.cross_entropy(model(x), y, reduction="none")
    found = {}
    for name, module in model.named_children():
        own = [p for p in module.parameters() if p.requires_grad]
        rows = [torch.autograd.grad(v, own, retain_graph=True, allow_unused=True) for v in losses]
        found[name] = [sum(float(g.square().sum()) for g in row if g is not None) for row in rows]
    return found


def assert_exact(model, *, m=3, way="recurrent"):
    x, y = torch.randn(m, 5, 4), torch.randint(0, 3, (m,))
    model(x)
    with watch(model) as meter:
        for seed in range(2):  # the first is self-checked
            torch.manual_seed(seed)
            F.cross_entropy(model(x), y).backward()
            meter.update()
            assert meter.coverage["cell"] == way
            meter._capture.paused = True
            expected = norms_by_loop(model, x, y, seed)
            meter._capture.paused = False
            total = np.sum(list(expected.values()), 0)
            np.testing.assert_allclose(meter.last.squared_norms, total, rtol=1e-10)
            share = sum(expected["cell"]) / total.sum()
            assert meter.last.layers["cell"].share == pytest.approx(share, rel=1e-10)


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize(
    ("layers", "both", "first", "bias"),
    list(itertools.product([1, 2], [False, True], [False, True], [False, True])),
)
def test_every_shape(kind, layers, both, first, bias):
    options = {"num_layers": layers, "bidirectional": both, "batch_first": first, "bias": bias}
    assert_exact(Reader(kind, **options))


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize("uses", [("out", "h", "c"), ("h",), ("c",), ("h", "c")])
@pytest.mark.parametrize("given", [False, True])
def test_last_states_used_and_first_states_given(kind, uses, given):
    if uses == ("c",) and kind is not LSTM:
        uses = ("out", "h")
    assert_exact(Reader(kind, uses=uses, given=given, num_layers=2, bidirectional=True, batch_first=True))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_projections(given, dropout):
    options = {"proj_size": 2, "num_layers": 2, "bidirectional": True, "dropout": dropout}
    assert_exact(Reader(LSTM, uses=("out", "h", "c"), given=given, **options))


def test_rectified():
    assert_exact(Reader(RNN, nonlinearity="relu", num_layers=2, batch_first=True, uses=("out", "h")))


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize(("layers", "both", "dropout"), [(2, False, 1.0), (3, True, 0.3)])
def test_dropout_between_layers(kind, layers, both, dropout):
    """The random numbers are those of the forward pass, read from the graph."""
    options = {"num_layers": layers, "bidirectional": both, "dropout": dropout, "batch_first": True}
    assert_exact(Reader(kind, **options))


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_in_single_precision(kind, dropout):
    """Another kernel, and so another graph, than in double precision."""
    torch.set_default_dtype(torch.float32)
    model = Reader(kind, num_layers=3, dropout=dropout, bidirectional=True, batch_first=True)
    x, y = torch.randn(4, 6, 4), torch.tensor([0, 1, 2, 0])
    model(x)
    with watch(model) as meter:
        for seed in range(2):
            torch.manual_seed(seed)
            F.cross_entropy(model(x), y).backward()
            meter.update()
        assert meter.coverage["cell"] == "recurrent"
    total = np.sum(list(norms_by_loop(model, x, y, 1).values()), 0)
    np.testing.assert_allclose(meter.last.squared_norms, total, rtol=1e-4)


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize("frozen", ["weight_ih_l0", "weight_hh_l1_reverse", "bias_hh_l0", "bias_ih_l1"])
def test_frozen_in_part(kind, frozen):
    model = Reader(kind, num_layers=2, bidirectional=True, batch_first=True)
    model.cell.get_parameter(frozen).requires_grad_(False)
    assert_exact(model)


@pytest.mark.parametrize("m", [1, 4, 5])
@pytest.mark.parametrize("first", [False, True])
def test_as_many_examples_as_steps_or_features(m, first):
    assert_exact(Reader(GRU, batch_first=first), m=m)


def test_an_output_changed_in_place_is_computed_again():
    class Clipped(Reader):
        def forward(self, x):
            out, _ = self.cell(x.transpose(0, 1))
            return self.head(out.clamp_(-0.1, 0.1).mean(0))

    assert_exact(Clipped(LSTM))


def test_what_the_closed_form_does_not_serve_is_run_again():
    class Twice(Reader):
        def forward(self, x):
            return self.head(self.cell(torch.cat([self.cell(x)[0], x], 2)[..., 1:5])[0].mean(1))

    assert_exact(Twice(LSTM, batch_first=True), way="rerun per example")
    tied = Reader(GRU, num_layers=3, batch_first=True)
    tied.cell.weight_hh_l2 = tied.cell.weight_hh_l0
    assert_exact(tied, way="rerun per example")


def test_now_one_call_and_now_two():
    class Sometimes(Reader):
        again = False

        def forward(self, x):
            out = self.cell(x)[0]
            return self.head((out + self.cell(x.cos())[0] if self.again else out).mean(1))

    model, x, y = Sometimes(LSTM, batch_first=True), torch.randn(3, 6, 4), torch.tensor([0, 1, 2])
    model(x)
    with watch(model) as meter:
        for again in (False, True, False):
            model.again = again
            F.cross_entropy(model(x), y).backward()
            meter.update()
            assert meter.coverage["cell"] == ("rerun per example" if again else "recurrent")
            meter._capture.paused = True
            total = np.sum(list(norms_by_loop(model, x, y, 0).values()), 0)
            meter._capture.paused = False
            np.testing.assert_allclose(meter.last.squared_norms, total, rtol=1e-10)


def test_dropout_that_cannot_be_read_is_refused(monkeypatch):
    """As with cuDNN, whose one operation keeps its random numbers to itself."""
    monkeypatch.setattr("rote.gradients._recurrent_calls.dropout_masks", lambda *_: None)
    model, x = Reader(LSTM, num_layers=2, dropout=0.3, batch_first=True), torch.randn(3, 6, 4)
    model(x)
    with watch(model) as meter:
        F.cross_entropy(model(x), torch.tensor([0, 1, 2])).backward()
        with pytest.raises(InputError, match=r"`cell` draws dropout at random.*set its dropout to 0"):
            meter.update()
    got = coherence(model, nn.CrossEntropyLoss(), (x, torch.tensor([0, 1, 2])))
    assert got.layers["cell"].way == "recurrent"


def test_the_gradients_are_those_of_an_unwatched_run():
    model, x, y = Reader(LSTM, num_layers=2, batch_first=True), torch.randn(3, 6, 4), torch.tensor([0, 1, 2])
    F.cross_entropy(model(x), y).backward()
    plain = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with watch(model) as meter:
        F.cross_entropy(model(x), y).backward()
        meter.update()
    assert all(torch.equal(g, p.grad) for g, p in zip(plain, model.parameters(), strict=True))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
def test_on_a_gpu(kind):
    model = Reader(kind, num_layers=2, bidirectional=True, batch_first=True, uses=("out", "h", "c")).cuda()
    x, y = torch.randn(4, 6, 4, device="cuda"), torch.tensor([0, 1, 2, 0], device="cuda")
    model(x)
    with watch(model) as meter:
        F.cross_entropy(model(x), y).backward()
        meter.update()
        assert meter.coverage["cell"] == "recurrent"
    total = np.sum(list(norms_by_loop(model, x, y, 0).values()), 0)
    np.testing.assert_allclose(meter.last.squared_norms, total, rtol=1e-8)
