"""What is left of a backward pass's gradients in ``p.grad``: one common factor, or something else."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._distributed import Ranks
from rote.gradients._sums import full_precision, sketch, squared_norm

#: How far ``p.grad`` may be from a multiple of the gradient, relative to it; looser for half precision.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
HALF = 0.02


class Imprint:
    """Sketches of the gradients of one backward pass, enough to recognise a multiple of them in ``p.grad``.

    Sketches are linear, so those of a mean over ranks are the mean of the ranks' sketches.

    Example:
        >>> p = nn.Parameter(torch.zeros(2))
        >>> imprint = Imprint()
        >>> imprint.note("p", torch.tensor([3.0, 4.0]), p)
        >>> p.grad = torch.tensor([1.5, 2.0])
        >>> imprint.factor({"p": p})
        0.5
    """

    def __init__(self) -> None:
        self._sketches: dict[str, Tensor] = {}
        self._squares: dict[str, Tensor] = {}
        self._older: tuple[str, Tensor] | None = None

    def note(self, name: str, gradient: Tensor, parameter: Tensor) -> None:
        """Take the imprint of one gradient, before it is added to ``p.grad``."""
        if not self._sketches and parameter.grad is not None:
            self._older = name, squared_norm(parameter.grad)
        (full,) = full_precision(gradient.detach())
        self._sketches[name] = sketch(full)
        self._squares[name] = squared_norm(full)

    def clear(self) -> None:
        """Forget the backward pass."""
        self._sketches.clear()
        self._squares.clear()
        self._older = None

    def factor(self, parameters: Mapping[str, nn.Parameter], ranks: Ranks | None = None) -> float | None:
        """The factor c with ``p.grad = c · gradient`` for every parameter; over ranks, of their mean.

        Args:
            parameters: All trainable ones by name; the same on every rank.
            ranks: Whoever shares the gradient; all of them must call this.

        Returns:
            c > 0; ``None`` where every gradient is zero, nan where one is not finite.

        Raises:
            InputError: If there is no such factor; the sentence says which parameter and what to do.
        """
        expected, squares = self._joined(parameters, ranks)
        whole = sum(squares.values()) ** 0.5
        if whole == 0 or not whole < float("inf"):
            return None if whole == 0 else float("nan")
        found = {name: _sketch_of(p, expected[name].device) for name, p in parameters.items()}
        missing = next((n for n, square in squares.items() if square > 0 and found[n] is None), None)
        if missing is not None:
            raise InputError(
                "`update()` must come after loss.backward() and before optimizer.zero_grad(). Got no p.grad "
                f"of `{missing}`: move update() up."
            )
        lengths = [len(e) for e in expected.values()]
        before = torch.cat(list(expected.values()))
        now = torch.cat([torch.zeros_like(expected[n]) if f is None else f for n, f in found.items()])
        dot, square, left = torch.stack([now.dot(before), before.dot(before), now.dot(now)]).tolist()
        if max(square, left) <= (1e-12 * whole) ** 2:  # the ranks' gradients cancel
            return None
        c = dot / square if square else 0.0
        differences = [part.norm() for part in (now - c * before).split(lengths)]
        for name, difference in zip(expected, torch.stack(differences).tolist(), strict=True):
            relative = TOLERANCE.get(parameters[name].dtype, HALF)
            if not (c > 0 and difference <= relative * (squares[name] ** 0.5 + 1e-3 * whole) * c):
                self._refuse(name, ranks)
        return float(c)

    def _joined(
        self, parameters: Mapping[str, nn.Parameter], ranks: Ranks | None
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Sketches and squared norms by parameter, the mean over ranks; 0 where no gradient came."""
        home = next(iter(parameters.values())).device
        sketches, squares_found = {}, []
        for name, p in parameters.items():
            known = self._sketches.get(name)
            none = torch.zeros(p.shape[0] if p.dim() else 1) if known is None else known
            sketches[name] = none.to(home, torch.float64).view(-1)
            squares_found.append(self._squares.get(name, torch.zeros(())).to(home, torch.float64))
        squares = torch.stack(squares_found)
        if ranks is not None:
            flat = ranks.mean(torch.cat([squares, *sketches.values()]))
            squares, *parts = flat.split([len(squares), *(len(s) for s in sketches.values())])
            sketches = dict(zip(sketches, parts, strict=True))
        return sketches, dict(zip(sketches, squares.tolist(), strict=True))

    def _refuse(self, name: str, ranks: Ranks | None) -> None:
        if self._older is not None and float(self._older[1]) > 0:
            raise InputError(
                f"`p.grad` of `{self._older[0]}` held an older gradient when backward() was called, so what "
                "is there now is not this batch's: call optimizer.zero_grad() before each backward(), or use "
                + ("accumulate=True." if ranks is not None else "clipping='before'.")
            )
        if ranks is not None:
            raise InputError(
                f"`p.grad` of `{name}` must be the mean of the ranks' gradients, times one factor. Got "
                "something else: under no_sync() use watch(..., accumulate=True), clip by norm over all "
                "parameters, and use no communication hook."
            )
        raise InputError(
            "`clipping='after'` needs all gradients scaled by one factor, as clip_grad_norm_ does. Got "
            f"another change in p.grad of `{name}`: clip the norm of all parameters together, or use "
            "clipping='before' and call update() before clipping."
        )


def _sketch_of(parameter: nn.Parameter, home: torch.device) -> Tensor | None:
    if parameter.grad is None:
        return None
    return sketch(full_precision(parameter.grad.detach())[0]).to(home, torch.float64).view(-1)
