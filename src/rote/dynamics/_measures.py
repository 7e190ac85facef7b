"""Similarity indices for many layers: each layer is prepared once, and compared as often as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Protocol

import torch
from torch import Tensor

from rote.dynamics._cca import Subspace, correlations, projected, subspace, too_few
from rote.dynamics._cka import centred, ucentred
from rote.errors import InputError


class Measure(Protocol):
    """An index that :func:`layer_by_time` can use; yours too.

    Example:
        >>> measure: Measure = CKA()
        >>> measure.name
        'CKA'
    """

    @property
    def name(self) -> str:
        """Under which its matrices stand."""
        ...

    def prepare(self, X: Tensor) -> Any:  # noqa: ANN401
        """What is kept of features ``[n, p]``."""
        ...

    def compare(self, left: Sequence[Any], right: Sequence[Any]) -> Tensor:
        """All of the left with all of the right, shape ``[left, right]``; nan where it would mean nothing."""
        ...

    def doubt(self, prepared: Any) -> str | None:  # noqa: ANN401
        """Why a layer so prepared is compared on too few examples, or ``None``."""
        ...


@dataclass(frozen=True)
class CKA:
    """Unbiased linear CKA in batches; a layer is kept as its centred Gram matrices, n · batch numbers.

    Attributes:
        batch: Examples a batch, about: the probe is cut into equal parts. What is expected does not depend on
            it, time and memory grow with it.

    Example:
        >>> X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> cka = CKA(batch=20)
        >>> cka.compare([cka.prepare(X)], [cka.prepare(-3 * X)]).round(decimals=4)
        tensor([[1.]])
    """

    batch: int = 256

    @property
    def name(self) -> str:
        """``"CKA"``."""
        return "CKA"

    def prepare(self, X: Tensor) -> Tensor:
        """Centred Gram matrices of the batches in one vector of length 1, so that inner products are CKA."""
        if self.batch < 4 or X.dim() != 2 or len(X) < 4:
            raise InputError(
                "Unbiased CKA needs features [n, p] of at least 4 examples, and as many a batch. Got shape "
                f"{tuple(X.shape)} and batch={self.batch}."
            )
        X = centred(X)
        count = min(round(len(X) / self.batch), len(X) // 4)  # HSIC₁ needs four examples
        parts = X.tensor_split(max(1, count))
        grams = []
        for x in parts:
            gram = ucentred(x @ x.T)
            gram /= (len(x) * (len(x) - 3)) ** 0.5
            grams.append(gram.reshape(-1))
        whole = torch.cat(grams)
        return whole.div_(whole.norm())

    def compare(self, left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
        """Sums of HSIC₁ over the batches, divided once: all layers with all layers in one product."""
        cosines: Tensor = torch.stack(list(left)) @ torch.stack(list(right)).T
        return cosines.clamp(-1.0, 1.0)

    def doubt(self, prepared: Tensor) -> str | None:
        """Nothing: it has no bias to hide."""
        return None


@dataclass(frozen=True)
class SVCCA:
    """Mean canonical correlation of the directions that hold a share of each layer.

    Attributes:
        share: The share to keep.
        squares: Of squared singular values (the variance) or of singular values.

    Example:
        >>> X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> SVCCA().name, SVCCA(squares=True).name
        ('SVCCA', 'SVCCA of variance')
        >>> index = SVCCA()
        >>> index.compare([index.prepare(X)], [index.prepare(-3 * X)]).round(decimals=4)
        tensor([[1.]], dtype=torch.float64)
    """

    share: float = 0.99
    squares: bool = False

    @property
    def name(self) -> str:
        """``"SVCCA"``, with what was shared out unless that is the paper's rule."""
        return "SVCCA of variance" if self.squares else "SVCCA"

    def prepare(self, X: Tensor) -> Subspace | None:
        """The directions kept; ``None`` if the layer says the same of all examples."""
        return _subspace(X, share=self.share, squares=self.squares)

    def compare(self, left: Sequence[Subspace | None], right: Sequence[Subspace | None]) -> Tensor:
        """With nan where both sides together have as many directions as there are examples."""
        return _compared(left, right, mean=True)

    def doubt(self, prepared: Subspace | None) -> str | None:
        """Under 10 examples a direction kept."""
        return _doubt(prepared)


@dataclass(frozen=True)
class PWCCA:
    """Canonical correlations weighted by the second side: in :func:`layer_by_time` the layer at the end.

    Example:
        >>> X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> index = PWCCA()
        >>> index.compare([index.prepare(X)], [index.prepare(-3 * X)]).round(decimals=4)
        tensor([[1.]], dtype=torch.float64)
    """

    @property
    def name(self) -> str:
        """``"PWCCA"``."""
        return "PWCCA"

    def prepare(self, X: Tensor) -> Subspace | None:
        """All directions; ``None`` if the layer says the same of all examples."""
        return _subspace(X)

    def compare(self, left: Sequence[Subspace | None], right: Sequence[Subspace | None]) -> Tensor:
        """With nan where both sides together have as many directions as there are examples."""
        return _compared(left, right, mean=False)

    def doubt(self, prepared: Subspace | None) -> str | None:
        """Under 10 examples a direction."""
        return _doubt(prepared)


def _subspace(X: Tensor, *, share: float = 1.0, squares: bool = False) -> Subspace | None:
    constant = X.dim() == 2 and 0 not in X.shape and bool((X[:1] == X).all())
    return None if constant else subspace(X, share=share, squares=squares)


def _compared(left: Sequence[Subspace | None], right: Sequence[Subspace | None], *, mean: bool) -> Tensor:
    found = torch.full((len(left), len(right)), nan, dtype=torch.float64)
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            if x is not None and y is not None and len(x.values) + len(y.values) < len(x.basis):
                found[i, j] = correlations(x, y).mean() if mean else projected(y, x)
    return found


def _doubt(prepared: Subspace | None) -> str | None:
    return None if prepared is None else too_few(len(prepared.basis), len(prepared.values), "It")
