"""From one backward pass to one step: the batch of this process, or of all that train together."""

from typing import Literal

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._clipping import Imprint
from rote.gradients._distributed import UNEQUAL, unwrap
from rote.gradients._ledger import Step, all_finite
from rote.gradients._refusals import Scaler, check_options, refuse_wrong_calls
from rote.gradients._settle import settle
from rote.gradients._sharded import Shards, whole_squares
from rote.gradients._sums import squared_norm


class Gauge:
    """The hooks of an exact meter; the options are those of :func:`rote.watch`.

    Attributes:
        capture: The hooks on the model's layers.
        ranks: Who trains the same model on other examples; ``None`` for nobody.
        gradients: Copies of this process's gradients by parameter, where they are to be accumulated.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        accumulate: bool,
        reduction: Literal["mean", "sum"],
        clipping: Literal["before", "after"],
        scaler: Scaler | None,
        bitwise: bool,
    ) -> None:
        check_options(accumulate, reduction, clipping, scaler)
        model, self.ranks, sharded = unwrap(model)
        if sharded and (accumulate or clipping == "after"):
            raise InputError(
                "`model` is sharded by FSDP, where only what backward() makes of one batch can be seen. Got "
                f"{'accumulate=True' if accumulate else 'clipping=' + repr(clipping)}: leave it out."
            )
        joins = self.ranks is not None and not accumulate
        self.gradients: dict[str, Tensor] = {}
        self._accumulates, self._clipping = accumulate, clipping
        self._reduction, self._scaler = reduction, scaler
        self._squared: dict[str, Tensor] = {}
        self._repeated: str | None = None
        self._imprint = Imprint() if clipping == "after" or (joins and not sharded) else None
        fused = not (bitwise or sharded or torch.are_deterministic_algorithms_enabled())
        self.capture = Capture(model, self._on_gradient, fused=fused)
        self.capture.keep = True
        self.capture.reruns = not sharded
        devices = [p.device for p in self.capture.parameters.values()]
        self._home = devices[0] if len(set(devices)) > 1 else None
        self._shards = Shards(self.capture, self._on_gradient) if sharded else None

    def step(self) -> Step:
        """Close the batch.

        Raises:
            InputError: If it cannot be measured; the sentence says what to do.
        """
        if self.ranks is None or self._accumulates:
            return self._own_step()
        check, self.capture.keep = self.capture.keep, self.capture.keep and self._shards is None
        try:
            norms, sizes = self.ranks.norms(self._settled)
            if self._reduction == "mean" and len(set(sizes)) > 1:
                raise InputError(UNEQUAL.format(len(sizes), sizes))
            if check and self._shards is not None:
                self._shards.check(self.ranks)
        finally:
            self.capture.keep = check
        scale = self._scale(sizes[0])
        squares, clip = self._whole()
        squares = {name: square * len(sizes) ** 2 for name, square in squares.items()}
        finite = all_finite([*squares.values(), float(norms.sum())])
        return Step(norms, squares, finite, (scale * clip) ** 2, clip)

    def forget(self) -> None:
        """Forget the last backward pass."""
        self._squared.clear()
        self.gradients.clear()
        self._repeated = None
        if self._imprint is not None:
            self._imprint.clear()
        self.capture.clear()

    def detach(self) -> None:
        """Remove every hook; what was learnt of the layers stays for :meth:`attach`."""
        self.capture.detach()
        if self._shards is not None:
            self._shards.detach()
        self.forget()

    def attach(self) -> None:
        """Put the hooks back."""
        self.capture.attach()
        if self._shards is not None:
            self._shards.attach()

    def _on_gradient(self, name: str, gradient: Tensor) -> None:
        if name in self._squared:
            self._repeated = self._repeated or name
        self._squared[name] = squared_norm(gradient)
        if self._accumulates:
            self.gradients[name] = gradient.detach().clone()  # p.grad may become this very tensor
        if self._imprint is not None:
            self._imprint.note(name, gradient, self.capture.parameters[name])

    def _settled(self) -> Tensor:
        if self._shards is not None:
            self._shards.prepare(self._squared)
        refuse_wrong_calls(self.capture, self._squared, self._repeated)
        if self._shards is not None:
            self._shards.complete(self._squared)
        return self._stacked(settle(self.capture, self._squared))

    def _stacked(self, values: list[Tensor]) -> Tensor:
        """The same on one device, wherever the model's layers are."""
        return torch.stack(values if self._home is None else [v.to(self._home) for v in values])

    def _own_step(self) -> Step:
        """The batch of this process."""
        norms = self._settled()
        *squares, total = self._stacked([*self._squared.values(), norms.sum()]).tolist()
        scale = self._scale(norms.shape[1])
        by_name = dict(zip(self._squared, squares, strict=True))
        step = Step(norms, by_name, all_finite([*squares, total]), scale**2)
        if self._imprint is not None and step.finite:
            step.clip = self._clip(self._imprint.factor(self.capture.parameters))
            step.factor *= step.clip**2
        return step

    def _whole(self) -> tuple[dict[str, float], float]:
        """Squared norms of the mean over the ranks of the gradients as backward made them, and the clip."""
        assert self.ranks is not None
        parameters = self.capture.parameters
        if self._imprint is None:
            return whole_squares(self._squared, parameters, self.ranks), 1.0
        # p.grad holds that mean, perhaps unscaled or clipped already.
        left = self._imprint.factor(parameters, self.ranks)
        present = {name: squared_norm(p.grad) for name, p in parameters.items() if p.grad is not None}
        values = self._stacked(list(present.values())).tolist()
        squares = {name: v / (left or 1.0) ** 2 for name, v in zip(present, values, strict=True)}
        return squares, self._clip(left) if self._clipping == "after" else 1.0

    def _scale(self, m: int) -> float:
        """From the gradients of the loss as it was differentiated to those of single examples' losses."""
        unscaled = 1.0 if self._scaler is None else 1.0 / self._scaler.get_scale()
        return m * unscaled if self._reduction == "mean" else unscaled

    def _clip(self, left: float | None) -> float:
        """What clipping left of a gradient, from what is left of it in all."""
        if left is None:
            return 1.0
        clip = left if self._scaler is None else left * self._scaler.get_scale()
        if clip > 1.001:
            raise InputError(
                f"`clipping='after'` needs p.grad that clipping made smaller. Got one {clip:.4g} times this "
                "backward pass's gradient: with a GradScaler, call scaler.unscale_(optimizer) before "
                "clipping and pass watch(..., scaler=scaler)."
            )
        return min(clip, 1.0)
