"""Taking a meter's hooks off between measured steps."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import rote
from rote.errors import InputError


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 3)).double()


def _hooks(model: nn.Module) -> int:
    modules = sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()
    )
    return modules + sum(len(p._backward_hooks or ()) for p in model.parameters())


def _step(model: nn.Module, x: Tensor) -> None:
    model.zero_grad()
    model(x).square().mean().backward()


@pytest.mark.parametrize("method", ["exact", "microbatch"])
def test_a_paused_meter_leaves_no_hook_and_goes_on_where_it_was(
    method: Literal["exact", "microbatch"],
) -> None:
    model, x = _model(), torch.randn(6, 8, 5, dtype=torch.float64)
    twin = _model()
    seen = []
    for every in (1, 2):
        watched = model if every == 2 else twin
        meter = rote.watch(watched, method=method)
        for index, (one, two) in enumerate(zip(x, x.flip(0), strict=True)):
            if every == 2 and index % 2:
                meter.pause()
                assert _hooks(watched) == 0
                _step(watched, one)
                continue
            meter.resume()
            watched.zero_grad()
            watched(one).square().mean().backward()
            if method == "microbatch":
                watched(two).square().mean().backward()
            meter.update()
            seen.append((every, index, meter.last.alpha))
        meter.close()
    whole = {index: alpha for every, index, alpha in seen if every == 1}
    assert [whole[index] for every, index, _ in seen if every == 2] == [a for e, _, a in seen if e == 2]


def test_after_a_pause_nothing_is_checked_or_tuned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = nn.Conv2d(2, 3, 3), torch.randn(4, 2, 6, 6)
    meter = rote.watch(model)
    _step(model, x)
    meter.update()
    for target in ("rote.gradients._fused._seconds", "rote.gradients._check.check"):
        monkeypatch.setattr(target, _fail, raising=False)
    meter.pause()
    meter.resume()
    _step(model, x)
    meter.update()
    assert meter.compute().steps == 2


def _fail(*_: object) -> None:
    raise AssertionError("done a second time")


def test_pausing_and_resuming_twice_is_as_once() -> None:
    model, x = _model(), torch.randn(4, 5, dtype=torch.float64)
    meter = rote.watch(model)
    hooks = _hooks(model)
    meter.pause()
    meter.pause()
    meter.resume()
    meter.resume()
    assert _hooks(model) == hooks
    _step(model, x)
    meter.update()
    meter.close()
    meter.close()
    assert _hooks(model) == 0
    assert meter.compute().m == 4


@pytest.mark.parametrize("method", ["exact", "microbatch"])
def test_update_without_hooks_and_resuming_a_closed_meter_are_refused(
    method: Literal["exact", "microbatch"],
) -> None:
    model, x = _model(), torch.randn(4, 5, dtype=torch.float64)
    meter = rote.watch(model, method=method)
    meter.pause()
    _step(model, x)
    with pytest.raises(InputError, match=r"paused: call resume\(\)"):
        meter.update()
    meter.close()
    with pytest.raises(InputError, match="closed: watch the model anew"):
        meter.update()
    with pytest.raises(InputError, match="only paused"):
        meter.resume()


def test_a_measurement_beside_a_paused_meter_leaves_it_paused() -> None:
    model, x = _model(), torch.randn(4, 5, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0])
    meter = rote.watch(model)
    meter.pause()
    rote.gradients.coherence(model, nn.CrossEntropyLoss(), [(x, y)])
    assert _hooks(model) == 0
    meter.resume()
    _step(model, x)
    meter.update()
    assert meter.compute().m == 4
