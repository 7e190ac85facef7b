"""Which numbers of a coherence record are worth a line in a dashboard, and under which names."""

import math
from collections.abc import Sequence

from rote.errors import InputError
from rote.gradients import Coherence

#: In this order; each is an attribute of :class:`rote.gradients.Coherence`.
TOTALS = ("alpha", "alpha_unbiased", "m_coherence", "noise_scale")


def scalars(
    coherence: Coherence, *, limit: int = 20, prefix: str = "coherence/", layers: Sequence[str] | None = None
) -> dict[str, float]:
    """The totals, then the unbiased α of the layers with the largest share of the squared norms.

    Layers stand under a name of their own (``layers/…``): stores that keep files cannot hold one number as
    ``alpha_unbiased`` and others below it. The ratios do not depend on the loss's scale, so that runs can be
    laid side by side. A value that is nan or infinite is left out: the noise scale, for instance, wherever
    the unbiased α is not positive.

    Args:
        coherence: What was measured.
        limit: At most this many scalars.
        prefix: What every name starts with.
        layers: The layers to report, instead of those with the largest share in this very record; what
            :func:`largest_layers` gave at the first step keeps the lines of a plot whole.

    Returns:
        Numbers by name: ``coherence/alpha``, …, and ``coherence/layers/alpha_unbiased/<layer>``.

    Raises:
        InputError: If ``limit`` is below 1.

    Example:
        >>> from rote.gradients import LayerCoherence
        >>> fc = LayerCoherence(4, 0.5, 2.0, 0.5, 2.0, 1.0)
        >>> record = Coherence(4, 1, 0.5, 2.0, 0.25, float("inf"), None, {"fc": fc})
        >>> scalars(record, limit=5, prefix="")
        {'alpha': 0.5, 'alpha_unbiased': 0.25, 'm_coherence': 2.0, 'layers/alpha_unbiased/fc': 0.5}
    """
    chosen = largest_layers(coherence, limit=limit) if layers is None else layers
    found = {name: float(getattr(coherence, name)) for name in TOTALS}
    for layer in chosen:
        if layer in coherence.layers:
            found[f"layers/alpha_unbiased/{layer}"] = coherence.layers[layer].alpha_unbiased
    finite = [(prefix + name, value) for name, value in found.items() if math.isfinite(value)]
    return dict(finite[: _at_least_one(limit)])


def largest_layers(coherence: Coherence, *, limit: int = 20) -> tuple[str, ...]:
    """The layers that fit under ``limit`` scalars beside the totals, in the order of the model.

    Those with the largest share of the squared norms; of equal ones the earlier in the model.

    Example:
        >>> from rote.gradients import LayerCoherence
        >>> layers = {n: LayerCoherence(4, 0.5, 2.0, 1 / 3, 2.0, f) for n, f in [("a", 0.2), ("b", 0.8)]}
        >>> largest_layers(Coherence(4, 1, 0.5, 2.0, 1 / 3, 2.0, None, layers), limit=5)
        ('b',)
    """
    room = max(0, _at_least_one(limit) - len(TOTALS))
    names = list(coherence.layers)

    def weight(name: str) -> float:
        share = coherence.layers[name].share
        return share if math.isfinite(share) else 0.0

    chosen = set(sorted(names, key=weight, reverse=True)[:room])  # sorted() keeps the order of equal ones
    return tuple(name for name in names if name in chosen)


def _at_least_one(limit: int) -> int:
    if limit < 1:
        raise InputError(f"`limit` must be at least 1 scalar a step. Got {limit}.")
    return limit
