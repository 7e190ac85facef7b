"""One training step in the words of each tool: gradients, ``Q`` and ``‖S‖²`` by layer, the optimizer's step.

A method is a class with ``step()`` and, after a step, ``squared_norms()``: ``Σ_i ‖g_i‖²`` by parameter or by
layer. What a tool does not see is missing there. Imports are inside, so that a tool may be absent.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from benchmarks._rows import ROWS, losses, mean_loss


class Plain:
    """Forward, loss, backward, SGD: what everything is compared with."""

    #: The distribution it comes from, for the versions in the record.
    package = "torch"
    #: Whether a second object of this class costs no more than the first to make ready.
    light = True

    def __init__(self, row: str, *, m: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = ROWS[row].model().to(device, dtype)
        x, y = ROWS[row].batch(m)
        self.x, self.y, self.m = x.to(device, dtype), y.to(device), m
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.prepare()

    def prepare(self) -> None:
        """What the tool wants before the first step."""

    def step(self) -> None:
        """One training step."""
        self.optimizer.zero_grad()
        self.backward()
        self.optimizer.step()

    def backward(self) -> None:
        """From the data to ``p.grad`` and the statistics."""
        mean_loss(self.model(self.x), self.y).backward()

    def squared_norms(self) -> dict[str, float]:
        """``Σ_i ‖g_i‖²`` by name, of the last step."""
        raise NotImplementedError

    def own_sums(self) -> Tensor:
        """``‖S‖²`` by parameter, from the gradients; what a user of the tool would write."""
        gradients = [p.grad for p in self.model.parameters()]
        return torch.stack(torch._foreach_norm(gradients)).mul_(self.m).square_()


class PlainCompiled(Plain):
    """The plain step through ``torch.compile``: what the compiler alone brings."""

    light = False

    def prepare(self) -> None:
        self.compiled = torch.compile(self.model)

    def backward(self) -> None:
        mean_loss(self.compiled(self.x), self.y).backward()


class Rote(Plain):
    """The meter as it comes."""

    package = "rote"
    bitwise = False

    def prepare(self) -> None:
        import rote

        self.meter = rote.watch(self.model, method="exact", bitwise=self.bitwise)

    def backward(self) -> None:
        super().backward()
        self.meter.update()

    def squared_norms(self) -> dict[str, float]:
        last = self.meter.last
        total = float(last.squared_norms.sum())
        return {name: layer.share * total for name, layer in last.layers.items()}


class RoteBitwise(Rote):
    """The meter that leaves every gradient bit as it would be without it."""

    bitwise = True


class BackPACK(Plain):
    """BatchL2Grad."""

    package = "backpack-for-pytorch"

    def prepare(self) -> None:
        import backpack
        from backpack.extensions import BatchL2Grad

        self.extension = BatchL2Grad
        self.context = backpack.backpack
        backpack.extend(self.model)

    def backward(self) -> None:
        loss = mean_loss(self.model(self.x), self.y)
        with warnings.catch_warnings(), self.context(self.extension()):
            warnings.simplefilter("ignore")  # one for each layer that it does not know
            loss.backward()
        seen = [p.batch_l2.sum() for p in self.model.parameters() if hasattr(p, "batch_l2")]
        self.q, self.s2 = torch.stack(seen).mul_(self.m**2), self.own_sums()

    def squared_norms(self) -> dict[str, float]:
        known = [n for n, p in self.model.named_parameters() if hasattr(p, "batch_l2")]
        return dict(zip(known, self.q.tolist(), strict=True))


class OpacusGhost(Plain):
    """Ghost clipping: the first of its two backward passes, which gives the norms."""

    package = "opacus"

    def prepare(self) -> None:
        from opacus.grad_sample import GradSampleModuleFastGradientClipping as Wrapper

        options = {"batch_first": True, "loss_reduction": "mean", "use_ghost_clipping": True}
        self.wrapped = Wrapper(self.model, strict=False, **options)

    def backward(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mean_loss(self.wrapped(self.x), self.y).backward()
        norms = [p._norm_sample for p in self.model.parameters()]
        self.q, self.s2 = torch.stack(norms).square_().sum(1), self.own_sums()

    def squared_norms(self) -> dict[str, float]:
        return dict(zip(dict(self.model.named_parameters()), self.q.tolist(), strict=True))


class Vmap(Plain):
    """``torch.func.vmap`` of ``grad``."""

    def prepare(self) -> None:
        self.parameters = dict(self.model.named_parameters())
        self.statistics = self._statistics

    def _statistics(
        self, parameters: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Mean gradients, and ``Q`` and ``‖S‖²`` by parameter."""

        def one(p: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return losses(functional_call(self.model, p, (x.unsqueeze(0),)), y.unsqueeze(0)).sum()

        each = vmap(grad(one), in_dims=(None, 0, 0))(parameters, x, y)
        q = [torch.linalg.vector_norm(g.flatten(1), dim=1).square().sum() for g in each.values()]
        means = {name: g.mean(0) for name, g in each.items()}
        s2 = [torch.linalg.vector_norm(g).mul(self.m).square() for g in means.values()]
        return means, torch.stack(q), torch.stack(s2)

    def backward(self) -> None:
        detached = {name: p.detach() for name, p in self.parameters.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # kernels that it loops over
            means, self.q, self.s2 = self.statistics(detached, self.x, self.y)
        for name, p in self.parameters.items():
            p.grad = means[name]

    def squared_norms(self) -> dict[str, float]:
        return dict(zip(self.parameters, self.q.tolist(), strict=True))


class VmapCompiled(Vmap):
    """The same through ``torch.compile``."""

    light = False

    def prepare(self) -> None:
        super().prepare()
        self.statistics = torch.compile(self._statistics)


class TorchJD(Plain):
    """The Gramian engine; its matrix is summed over the layers, so there is nothing per layer."""

    package = "torchjd"

    def prepare(self) -> None:
        from torchjd.autogram import Engine

        self.engine = Engine(self.model, batch_dim=0)

    def backward(self) -> None:
        each = losses(self.model(self.x), self.y)
        gramian = self.engine.compute_gramian(each)
        each.mean().backward()
        self.q, self.s2 = gramian.trace(), gramian.sum()

    def squared_norms(self) -> dict[str, float]:
        return {"": float(self.q)}


METHODS: dict[str, type[Plain]] = {
    "plain": Plain,
    "plain, compiled": PlainCompiled,
    "rote": Rote,
    "rote, bitwise": RoteBitwise,
    "BackPACK": BackPACK,
    "Opacus ghost": OpacusGhost,
    "vmap(grad)": Vmap,
    "vmap(grad), compiled": VmapCompiled,
    "TorchJD Gramian": TorchJD,
}


def looped(row: str, *, m: int, device: str, dtype: torch.dtype) -> dict[str, float]:
    """``Σ_i ‖g_i‖²`` by parameter from one backward pass per example: what is right."""
    plain = Plain(row, m=m, device=device, dtype=dtype)
    total = dict.fromkeys(dict(plain.model.named_parameters()), 0.0)
    for i in range(m):
        plain.model.zero_grad()
        mean_loss(plain.model(plain.x[i : i + 1]), plain.y[i : i + 1]).backward()
        for name, p in plain.model.named_parameters():
            total[name] += float(p.grad.double().square().sum())
    return total
