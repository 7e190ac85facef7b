"""The meter in an ordinary training loop: what it counts, what it leaves alone, what it refuses."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rote.errors import InputError
from rote.gradients import coherence, watch

LOSS = nn.CrossEntropyLoss()


def small():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def batch(m=5):
    return torch.randn(m, 4), torch.randint(0, 3, (m,))


def step(model, meter, x, y, loss=LOSS):
    loss(model(x), y).backward()
    meter.update()


def test_gradient_accumulation_is_not_mistaken_for_one_batch():
    model, (x, y), (x2, y2) = small(), batch(), batch(7)
    with watch(model) as meter:
        step(model, meter, x, y)
        step(model, meter, x2, y2)  # p.grad now holds both
        got = meter.last
    assert got.alpha == pytest.approx(coherence(model, LOSS, (x2, y2)).alpha, rel=1e-12)
    assert got.m == 7


def test_batches_are_pooled_as_sums_at_their_own_weights():
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    s2 = q = mq = 0.0
    with watch(model) as meter:
        for m in (4, 6, 3):
            x, y = batch(m)
            c = coherence(copy.deepcopy(model), LOSS, (x, y))
            total = c.squared_norms.sum()
            s2, q, mq = s2 + c.m_coherence * total, q + total, mq + m * total
            optimizer.zero_grad()
            step(model, meter, x, y)
            optimizer.step()
        c = meter.compute()
    assert (c.steps, c.squared_norms) == (3, None)
    assert c.alpha == pytest.approx(s2 / mq, rel=1e-12)
    assert c.alpha_unbiased == pytest.approx((s2 - q) / (mq - q), rel=1e-12)


def test_accumulated_batches_are_one_sample():
    model, (x, y) = small(), batch(11)
    with watch(model, accumulate=True) as meter:
        for part in torch.arange(11).split(4):
            step(model, meter, x[part], y[part])
        got, expected = meter.compute(), coherence(model, LOSS, (x, y))
        meter.reset()
        with pytest.raises(InputError, match="at least one batch"):
            meter.compute()
    assert got.m == 11
    assert got.alpha_unbiased == pytest.approx(expected.alpha_unbiased, rel=1e-10)
    np.testing.assert_allclose(got.squared_norms, expected.squared_norms, rtol=1e-12)


def test_mean_and_sum_give_the_same_record():
    model, (x, y) = small(), batch()
    records = []
    for reduction in ("mean", "sum"):
        with watch(model, reduction=reduction) as meter:
            step(model, meter, x, y, nn.CrossEntropyLoss(reduction=reduction))
            records.append(meter.last)
    np.testing.assert_allclose(records[0].squared_norms, records[1].squared_norms, rtol=1e-12)
    assert records[0].alpha == pytest.approx(records[1].alpha, rel=1e-12)


def test_forward_passes_without_a_backward_pass_do_not_count():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        model(x)  # validation that forgot no_grad
        with torch.no_grad():
            model(x[:2])
        step(model, meter, x, y)
        assert meter.last.alpha == pytest.approx(coherence(model, LOSS, (x, y)).alpha, rel=1e-12)


def test_activation_checkpointing():
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.body, self.head = nn.Linear(4, 4), small(), nn.Linear(3, 3)

        def forward(self, x):
            return self.head(checkpoint(self.body, torch.tanh(self.first(x)), use_reentrant=False))

    model, (x, y) = Checkpointed(), batch()
    with watch(model) as meter:
        for _ in range(2):
            step(model, meter, x, y)
            assert meter.last.alpha == pytest.approx(coherence(model, LOSS, (x, y)).alpha, rel=1e-12)


def test_training_with_dropout_between_closed_forms_is_exact():
    model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 3))
    x, y = batch()
    with watch(model) as meter:
        torch.manual_seed(3)
        step(model, meter, x, y)
        torch.manual_seed(3)
        mask = F.dropout(torch.ones(5, 6), 0.5)
        hidden = model[0](x).detach() * mask
        delta = (model[2](hidden).softmax(1) - F.one_hot(y, 3)).detach()
        inner = (delta @ model[2].weight.detach()) * mask
        expected = delta.square().sum(1) * (hidden.square().sum(1) + 1)
        expected += inner.square().sum(1) * (x.square().sum(1) + 1)
    np.testing.assert_allclose(meter.last.squared_norms, expected.numpy(), rtol=1e-10)


def test_random_layers_that_must_be_rerun_are_refused():
    model = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True, add_bias_kv=True)
    x = torch.randn(3, 5, 4)
    with watch(model) as meter:
        model(x, x, x)[0].sum().backward()
        with pytest.raises(InputError, match=r"draws dropout at random.*model\.eval"):
            meter.update()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm1d(6),
        lambda: nn.BatchNorm1d(6, affine=False),
        lambda: nn.BatchNorm1d(6, track_running_stats=False).eval(),
    ],
)
def test_batch_norm_is_refused_with_remedies(make):
    model = nn.Sequential(nn.Linear(4, 6), make(), nn.Linear(6, 3))
    remedies = r"layer `1` \(BatchNorm1d\).*eval\(\).*GroupNorm.*microbatches"
    with watch(model, method="exact"), pytest.raises(InputError, match=remedies):
        model(batch()[0])


def test_embedding_scaled_by_frequency_is_refused():
    model = nn.Embedding(5, 2, scale_grad_by_freq=True)
    with watch(model, method="exact"), pytest.raises(InputError, match="how often the batch names a row"):
        model(torch.tensor([1, 1, 2]))


def test_update_without_backward_says_what_is_missing():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        with pytest.raises(InputError, match="neither a forward nor a backward pass"):
            meter.update()
        model(x)
        with pytest.raises(InputError, match="a forward pass but no backward pass"):
            meter.update()
        step(model, meter, x, y)
        assert meter.last.m == 5


def test_two_backward_passes_are_refused_and_the_next_batch_is_fine():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        loss = LOSS(model(x), y)
        loss.backward(retain_graph=True)
        loss.backward()
        with pytest.raises(InputError, match=r"two backward passes through `2\.\w+`"):
            meter.update()
        step(model, meter, x, y)
        assert meter.compute().alpha == pytest.approx(coherence(model, LOSS, (x, y)).alpha, rel=1e-12)


def test_gradient_penalty_is_refused_not_miscounted():
    model, (x, y) = small(), batch()
    x.requires_grad_()
    with watch(model) as meter:
        loss = LOSS(model(x), y)
        torch.autograd.grad(loss, x, retain_graph=True)
        loss.backward()
        with pytest.raises(InputError, match="two backward passes through"):
            meter.update()


def test_unfreezing_a_watched_model_is_noticed():
    model, (x, y) = small(), batch()
    model[0].requires_grad_(False)
    with watch(model) as meter:
        step(model, meter, x, y)
        model[0].requires_grad_(True)
        LOSS(model(x), y).backward()
        with pytest.raises(InputError, match=r"`0\.weight` was frozen"):
            meter.update()


def test_a_model_without_trainable_parameters_is_refused():
    with pytest.raises(InputError, match="requires_grad=True"):
        watch(nn.ReLU())


def test_a_weight_used_behind_the_models_back_is_caught():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        (LOSS(model(x), y) + model[0].weight.square().sum()).backward()
        with pytest.raises(InputError, match=r"layer `0` does not add up to the gradient of `0\.weight`"):
            meter.update()


def test_the_self_check_can_be_asked_for_again():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        step(model, meter, x, y)
        meter.check()
        (LOSS(model(x), y) + model[0].weight.square().sum()).backward()
        with pytest.raises(InputError, match="does not add up"):
            meter.update()


def test_the_model_must_be_called_itself():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(4))
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(x * self.w)

    model, (x, y) = Parts(), batch()
    with watch(model) as meter:
        LOSS(model.head(x * model.w), y).backward()
        with pytest.raises(InputError, match="call the model itself"):
            meter.update()


def test_a_model_that_returns_a_scalar_is_measured_where_closed_forms_suffice():
    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small()

        def forward(self, x, y):
            return {"loss": LOSS(self.net(x), y)}

    model, (x, y) = WithLoss(), batch()
    with watch(model) as meter:
        model(x, y=y)["loss"].backward()
        meter.update()
    assert meter.last.alpha == pytest.approx(coherence(model.net, LOSS, (x, y)).alpha, rel=1e-12)


def test_closing_leaves_the_meter_readable_and_the_model_free():
    model, (x, y) = small(), batch()
    meter = watch(model)
    step(model, meter, x, y)
    late = LOSS(model(x), y)
    meter.close()
    late.backward()
    assert meter.compute().m == 5
    assert not any(module._forward_hooks for module in model.modules())


def test_float32_agrees_to_its_precision():
    model, (x, y) = small().float(), batch(50)
    exact = coherence(copy.deepcopy(model).double(), LOSS, (x, y)).alpha_unbiased
    assert coherence(model, LOSS, (x.float(), y)).alpha_unbiased == pytest.approx(exact, rel=1e-4)


def test_a_copy_of_a_watched_model_is_not_watched():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        LOSS(copy.deepcopy(model)(x), y).backward()
        with pytest.raises(InputError, match="neither a forward nor a backward pass"):
            meter.update()


def test_a_probe_of_a_watched_model_does_not_disturb_the_meter():
    model, (x, y) = small(), batch()
    with watch(model) as meter:
        loss = LOSS(model(x), y)
        probe = coherence(model, LOSS, (x, y))
        loss.backward()
        meter.update()
    assert meter.last.alpha == pytest.approx(probe.alpha, rel=1e-12)


@pytest.mark.parametrize(
    "make", [small, lambda: nn.Sequential(nn.Linear(4, 6), nn.PReLU(6), nn.Linear(6, 3))]
)
def test_autocast_in_bfloat16_agrees_to_its_precision(make):
    model, (x, y) = make().float(), batch(20)
    with watch(model) as meter:
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                outputs = model(x.float())
            LOSS(outputs, y).backward()
            meter.update()
    exact = coherence(model, LOSS, (x.float(), y))
    assert meter.last.alpha == pytest.approx(exact.alpha, rel=0.05)
    assert meter.coverage["0"] == "linear"


def test_a_model_in_bfloat16_is_summed_in_more():
    model, (x, y) = small().bfloat16(), batch(20)
    got = coherence(model, LOSS, (x.bfloat16(), y))
    assert got.alpha == pytest.approx(coherence(model.double(), LOSS, (x, y)).alpha, rel=0.1)
