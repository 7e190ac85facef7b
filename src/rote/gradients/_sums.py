"""Sums of gradients, added up in float64."""

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def full_precision(*tensors: Tensor) -> list[Tensor]:
    """Half-precision tensors as float32, so that squares neither overflow nor lose their digits."""
    return [t.float() if t.dtype in HALF else t for t in tensors]


class GradientSum:
    """``S`` by parameter: one float64 buffer each, made when its first gradient comes.

    Example:
        >>> s = GradientSum()
        >>> s.add("w", torch.tensor([3.0, 4.0])); s.scale = 2.0; s.add("w", torch.tensor([0.0, 0.5]))
        >>> s.buffers["w"].tolist(), s.squared("w")
        ([3.0, 5.0], 34.0)
    """

    def __init__(self) -> None:
        self.buffers: dict[str, Tensor] = {}
        self.scale = 1.0

    def add(self, name: str, gradient: Tensor) -> None:
        """Add ``scale`` times a gradient."""
        dense = gradient.detach().to_dense()
        if name not in self.buffers:
            self.buffers[name] = torch.zeros_like(dense, dtype=torch.float64)
        self.buffers[name].add_(dense, alpha=self.scale)

    def squared(self, name: str) -> float:
        """``‖S‖²`` of one parameter; 0 where no gradient came."""
        buffer = self.buffers.get(name)
        return 0.0 if buffer is None else float(squared_norm(buffer))


def squared_norm(gradient: Tensor) -> Tensor:
    """``‖gradient‖²`` as a tensor of no dimensions, so that nothing waits for it.

    Example:
        >>> squared_norm(torch.tensor([[1.0, 2.0], [2.0, 0.0]]))
        tensor(9.)
    """
    if gradient.is_sparse:
        gradient = gradient.coalesce().values()
    flat = gradient.reshape(-1)
    if flat.dtype in HALF:
        flat = flat.float()
    return torch.dot(flat, flat)


def sketch(gradient: Tensor) -> Tensor:
    """A fixed linear projection of each row of a gradient: two can be compared without keeping either.

    Example:
        >>> sketch(torch.eye(2)).shape, sketch(torch.zeros(3, 4, 5)).shape
        (torch.Size([2]), torch.Size([3]))
    """
    dense = gradient.to_dense()
    if dense.dim() < 2:
        return dense.detach().clone()
    rows = dense.detach().reshape(len(dense), -1)
    pattern = torch.arange(rows.shape[1], device=rows.device, dtype=torch.float64).cos().to(rows.dtype)
    return torch.mv(rows, pattern / pattern.norm())
