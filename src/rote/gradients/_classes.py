"""Coherence between classes: whom do the examples of each class help?"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.gradients._loss import Loss, ReductionCheck
from rote.gradients._probe import Examples, backward, capturing, untouched
from rote.gradients._sums import GradientSum
from rote.gradients._support import groups_of, joined

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class ClassCoherence:
    """How much the gradients of each class help each class; ``S_c`` is the sum of the gradients of class c.

    The coherence of classes c and d is the mean of ``⟨g_i, g_j⟩`` over the pairs of *different* examples,
    i of c and j of d, divided by ``√(q_c q_d)``, where ``q_c`` is the mean of ``‖g_i‖²`` in c
    (:attr:`alpha`). This scale is the natural one: the diagonal is the unbiased coherence that each class
    has by itself, no entry off the diagonal leaves −1…1, and classes with small gradients, since they are
    fitted, are not drowned by the others. What it does not do is add up; :attr:`parts` does, to the unbiased
    coherence of the whole sample.

    Attributes:
        labels: The classes c, ascending, shape ``[C]`` int64.
        counts: Examples of each class, ``m_c``, shape ``[C]`` int64.
        products: ``⟨S_c, S_d⟩``, shape ``[C, C]`` float64; its entries add up to ``‖S‖²``.
        q: ``Q_c = Σ ‖g_i‖²`` over the examples of c, shape ``[C]``.
        layers: The same per layer, in the order of the model; ``products`` and ``q`` add up over them.

    Example:
        >>> products, q = np.array([[4.0, -2.0], [-2.0, 2.0]]), np.array([2.0, 2.0])
        >>> c = ClassCoherence(np.array([0, 1]), np.array([2, 2]), products, q)
        >>> c
        ClassCoherence(m=4, labels=2, within=0.5, between=-0.5)
        >>> c.alpha
        array([[ 1. , -0.5],
               [-0.5,  0. ]])
    """

    labels: NDArray[np.int64]
    counts: NDArray[np.int64]
    products: Matrix
    q: Matrix
    layers: dict[str, "ClassCoherence"] = field(default_factory=dict)

    @property
    def m(self) -> int:
        """Examples in the sample."""
        return int(self.counts.sum())

    @property
    def alpha(self) -> Matrix:
        """Coherence of every two classes, ``[C, C]``; nan where a pair or its gradients are lacking."""
        pairs = np.outer(self.counts, self.counts) - np.diag(self.counts)
        mean = self.q / self.counts
        scale = pairs * np.sqrt(np.outer(mean, mean))
        return np.divide(self._helped, scale, where=scale > 0, out=np.full_like(scale, np.nan))

    @property
    def parts(self) -> Matrix:
        """What each entry adds to the sample's unbiased coherence ``(‖S‖²−Q)/((m−1)Q)``, ``[C, C]``."""
        scale = (self.m - 1) * float(self.q.sum())
        return self._helped / scale if scale > 0 else np.full_like(self.products, np.nan)

    @property
    def _helped(self) -> Matrix:
        """Sums of ``⟨g_i, g_j⟩`` over pairs of different examples."""
        return self.products - np.diag(self.q)

    @property
    def within(self) -> float:
        """Mean of the diagonal of :attr:`alpha` over the classes where it is defined."""
        return _mean(np.diag(self.alpha))

    @property
    def between(self) -> float:
        """Mean of :attr:`alpha` off the diagonal, where it is defined."""
        return _mean(self.alpha[~np.eye(len(self.labels), dtype=bool)])

    def __repr__(self) -> str:
        return (
            f"ClassCoherence(m={self.m}, labels={len(self.labels)}, within={self.within:.4g}, "
            f"between={self.between:.4g})"
        )

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain numbers and lists ready for JSON; nan becomes ``None``."""
        plain = {k: getattr(self, k).tolist() for k in ("labels", "counts", "products", "q")}
        derived = {k: _listed(getattr(self, k)) for k in ("alpha", "parts")}
        return {**plain, **derived, "layers": {name: c.to_dict() for name, c in self.layers.items()}}


def class_coherence(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    *,
    labels: Tensor | None = None,
    memory: int = 2**30,
    chunk_size: int = 500,
) -> ClassCoherence:
    """Which classes help which: inner products of the classes' sums of gradients, in total and per layer.

    One backward pass over the sample gives every ``S_c``, where ``memory`` holds the C sums in float64
    (``8·C·P`` bytes for P parameters); otherwise some are held at a time and the later classes are measured
    again for each such block. No per-example gradient is formed for it. The model is measured in eval mode
    and left untouched.

    Args:
        model: Any module called as ``model(x)``, examples along the first dimension.
        loss: ``loss(outputs, targets)``, the mean or the sum over the examples.
        examples: ``(x, y)``, or an iterable of such batches, which is read into memory.
        labels: What to group by, shape ``[m]`` integers; the targets where they are class numbers.
        memory: Bytes that the sums of gradients may take.
        chunk_size: Examples per pass; the result does not depend on it.

    Raises:
        InputError: As :func:`coherence`, or if there are no labels to group by.

    Example:
        >>> model = nn.Linear(2, 2, bias=False)
        >>> x, y = torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1])
        >>> class_coherence(model, nn.CrossEntropyLoss(), (x, y)).alpha.round(4) + 0.0
        array([[1., 0.],
               [0., 1.]])
    """
    x, y = joined(model, examples, chunk_size)
    groups = list(groups_of(y, labels).items())
    value_of = ReductionCheck(loss)
    value_of.weigh([y])
    sums = _Sums(model, value_of, x, y, chunk_size)
    size = 8 * sum(p.numel() for p in model.parameters() if p.requires_grad)
    block = max(1, memory // max(size, 1))
    tables: dict[tuple[int, int], NDArray[np.float64]] = {}
    q: dict[int, NDArray[np.float64]] = {}
    with untouched(model):
        for first in range(0, len(groups), block):
            columns = range(first, min(first + block, len(groups)))
            held = sums.room(len(columns))
            for row, c in enumerate(columns):
                q[c] = sums.write(groups[c][1], held, row)
            _note(tables, columns, columns, sums.products(held, held))
            for c in range(columns.stop, len(groups)):
                one = sums.room(1)
                sums.write(groups[c][1], one, 0)
                _note(tables, columns, range(c, c + 1), sums.products(held, one))
    products = np.array([[tables[a, b] for b in range(len(groups))] for a in range(len(groups))])
    labels_ = np.array([label for label, _ in groups], dtype=np.int64)
    counts = np.array([len(index) for _, index in groups], dtype=np.int64)
    by_layer = np.array([q[c] for c in range(len(groups))])
    layers = {
        name: ClassCoherence(labels_, counts, products[:, :, k], by_layer[:, k])
        for k, name in enumerate(sums.names)
    }
    return ClassCoherence(labels_, counts, products.sum(2), by_layer.sum(1), layers)


class _Sums:
    """Sums of gradients over chosen examples of one sample, layer by layer."""

    def __init__(
        self, model: nn.Module, value_of: ReductionCheck, x: Tensor, y: Tensor, chunk_size: int
    ) -> None:
        self.model, self.value_of, self.x, self.y, self.chunk_size = model, value_of, x, y, chunk_size
        self.names: list[str] = []
        self.owners: dict[str, int] = {}

    def room(self, classes: int) -> dict[str, Tensor]:
        """Zeros for the sums of some classes, ``{parameter: [classes, n]}`` float64."""
        trainable = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        return {
            name: torch.zeros(classes, p.numel(), dtype=torch.float64, device=p.device)
            for name, p in trainable
        }

    def write(self, index: Tensor, held: dict[str, Tensor], row: int) -> NDArray[np.float64]:
        """Write the sum over the examples in ``index`` to a row; their ``Σ ‖g_i‖²`` by layer, ``[L]``."""
        total = GradientSum()
        with capturing(self.model, total) as capture:
            self.names, self.owners = capture.layer_names(), capture.owners()
            norms = [
                backward(capture, total, self.value_of, self.x[part], self.y[part], part)
                for part in index.split(self.chunk_size)
            ]
        for name, buffer in total.buffers.items():
            held[name][row] = buffer.flatten()
        return torch.cat(norms, 1).sum(1).numpy()

    def products(self, rows: dict[str, Tensor], columns: dict[str, Tensor]) -> NDArray[np.float64]:
        """Inner products of every two sums by layer, ``[rows, columns, L]``."""
        found = [
            sum(rows[name] @ columns[name].T for name, owner in self.owners.items() if owner == layer)
            for layer in range(len(self.names))
        ]
        return np.stack([torch.as_tensor(each).cpu().numpy() for each in found], 2)


def _note(
    tables: dict[tuple[int, int], NDArray[np.float64]],
    rows: range,
    columns: range,
    found: NDArray[np.float64],
) -> None:
    """Write down the products of rows and columns, which are the same the other way round."""
    for i, a in enumerate(rows):
        for j, b in enumerate(columns):
            tables[a, b] = tables[b, a] = found[i, j]


def _mean(values: Matrix) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _listed(matrix: Matrix) -> list[list[float | None]]:
    return [[v if np.isfinite(v) else None for v in row] for row in matrix.tolist()]
