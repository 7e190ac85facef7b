"""From the gradients of microbatches to estimates of the coherence of examples, with their standard errors.

Microbatch j has ``k_j`` examples and the mean gradient ``W_j``, with ``E W_j = μ`` and ``Cov W_j = Σ/k_j``.
Let ``n = Σ k_j``, ``S = Σ k_j W_j`` and ``R = Σ k_j ‖W_j‖²`` over the J microbatches of a step. Then

    ``E‖S‖² = n²‖μ‖² + n trΣ``   and   ``E R = n‖μ‖² + J trΣ``,

so ``τ = (R − ‖S‖²/n)/(J−1)`` and ``‖S‖²/n² − τ/n`` are unbiased for ``trΣ`` and ``‖μ‖²`` whatever the sizes
(the analysis of variance of one factor; of Gaussian gradients no unbiased estimator varies less).
With one size k they are ``(‖ΣW‖² − Σ‖W‖²)/(J(J−1))`` and its partner (McCandlish et al. 2018, appendix A.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError
from rote.gradients._estimate import Estimate, LayerEstimate
from rote.gradients._record import Statistics

Array = NDArray[np.float64]

#: Neighbouring pairs of steps from which on their spread is preferred to that within the steps.
ENOUGH_PAIRS = 10


@dataclass(frozen=True, eq=False)
class GroupSums:
    """What is kept of one step: its microbatches in G groups, L layers.

    Attributes:
        r: ``Σ k_j ‖W_j‖²`` over the group's microbatches, shape ``[G, L]``.
        own: ``‖S_g‖²`` with ``S_g = Σ k_j W_j`` over the group, shape ``[G, L]``.
        cross: ``⟨S, S_g⟩``, shape ``[G, L]``; over the groups it adds up to ``‖S‖²``.
        examples: Examples of the group, shape ``[G]``.
        microbatches: Microbatches of the group, shape ``[G]``.

    Example:
        >>> one = np.ones((3, 1))  # three microbatches of one example, all gradients (1, 0)
        >>> GroupSums(one, one, 3 * one, np.ones(3), np.ones(3)).s2
        array([9.])
    """

    r: Array
    own: Array
    cross: Array
    examples: Array
    microbatches: Array

    @property
    def s2(self) -> Array:
        """``‖S‖²`` per layer, shape ``[L]``."""
        total: Array = self.cross.sum(0)
        return total


def moments(s2: Array, r: Array, n: Array | float, count: Array | float) -> tuple[Array, Array]:
    """Unbiased estimates of ``‖μ‖²`` and ``E‖g‖²`` from ``‖S‖²`` and ``R`` of ``count`` microbatches.

    Args:
        s2: ``‖Σ k_j W_j‖²``.
        r: ``Σ k_j ‖W_j‖²``, of the same shape.
        n: ``Σ k_j``.
        count: Microbatches, at least 2.

    Returns:
        ``‖μ‖²`` and ``‖μ‖² + trΣ``, each of the shape of ``s2``.

    Example:
        >>> s2, r = np.array([8.0]), np.array([8.0])  # two examples, gradients (2, 0) and (0, 2)
        >>> moments(s2, r, 2, 2)
        (array([0.]), array([4.]))
    """
    trace = np.maximum(r - s2 / n, 0) / (count - 1)  # not negative but by rounding
    mean: Array = s2 / n**2 - trace / n
    return mean, mean + trace


@dataclass(frozen=True, eq=False, kw_only=True)
class EstimateStatistics(Statistics):
    """Sums over steps of microbatches from which an :class:`Estimate` follows; ``+`` pools them.

    Step t contributes estimates of ``a_t = n(n−1)‖μ_t‖²`` and ``b_t = n(n−1)E‖g_t‖²``; ``α̂ = Σa/Σb``. Its
    variance is that of ``Σ(a_t − α̂ b_t)``, from two sources. *Within steps*: the jackknife that leaves out
    one group of microbatches at a time, groups of different sizes weighted (Busing, Meijer & van der Leeden
    1999). *Between steps*: squared differences of neighbouring steps, in pairs; slow drift cancels in them.

    Attributes:
        within: Rows ``Σ ΔaΔa, ΣΔaΔb, ΣΔbΔb``, and ``Σ b², Σ b⁴/ν`` for the degrees of freedom, shape
            ``[5, L+1]``; the last column is the whole model.
        between: The same from pairs of steps.
        grouped: Steps in ``within``.
        paired: Steps in ``between``.
        odd: ``a`` and ``b`` of a step that waits for its neighbour, shape ``[2, L+1]``.
        microbatches: Microbatches of all steps.

    Example:
        >>> one = np.ones((3, 1))
        >>> step = step_statistics(("fc",), GroupSums(one, one, 3 * one, np.ones(3), np.ones(3)))
        >>> (step + step).coherence().alpha_unbiased
        1.0
    """

    within: Array
    between: Array
    grouped: int
    paired: int
    odd: Array | None
    microbatches: int

    def __add__(self, other: Statistics) -> "EstimateStatistics":
        if not isinstance(other, EstimateStatistics):
            raise InputError(
                "`+` needs two statistics of microbatches. Got one of single examples: compare their "
                "`coherence()` instead."
            )
        between, paired, odd = self.between + other.between, self.paired + other.paired, self.odd
        if odd is None:
            odd = other.odd
        elif other.odd is not None:
            between, paired = (
                between + _squares((odd - other.odd)[None], odd[1] + other.odd[1], 1),
                paired + 2,
            )
            odd = None
        return EstimateStatistics(
            **vars(super().__add__(other)),
            within=self.within + other.within,
            between=between,
            grouped=self.grouped + other.grouped,
            paired=paired,
            odd=odd,
            microbatches=self.microbatches + other.microbatches,
        )

    @property
    def spread(self) -> str:
        """Where the standard error comes from."""
        if self.paired >= 2 * ENOUGH_PAIRS or (self.paired and not self.grouped):
            return "between steps"
        return "within steps" if self.grouped else ""

    def coherence(self, *, ways: Mapping[str, str] | None = None, left_out: str = "") -> Estimate:
        """The ratios with their standard errors and 95 % intervals, in total and per layer.

        Args:
            ways: By layer, how it was measured.
            left_out: Which steps are not in these sums; joins the note.
        """
        plain = vars(super().coherence(ways=ways, left_out=left_out))
        error, freedom = self._errors()
        alphas = [layer.alpha_unbiased for layer in plain["layers"].values()]
        half = _student(freedom) * error
        layers = {
            name: LayerEstimate(
                **vars(layer), standard_error=float(e), interval=(float(alpha - h), float(alpha + h))
            )
            for (name, layer), alpha, e, h in zip(
                plain["layers"].items(), alphas, error[:-1], half[:-1], strict=True
            )
        }
        alpha = plain["alpha_unbiased"]
        notes = [plain["note"]] if plain["note"] else []
        if not self.spread:
            notes.append("no interval: one step of fewer than three microbatches, or of one group")
        return Estimate(
            **{**plain, "layers": dict(layers), "note": "; ".join(notes)},
            standard_error=float(error[-1]),
            interval=(float(alpha - half[-1]), float(alpha + half[-1])),
            freedom=float(freedom[-1]),
            spread=self.spread,
            microbatches=self.microbatches / self.steps,
            microbatch_size=self.examples / self.microbatches,
        )

    def _errors(self) -> tuple[Array, Array]:
        """Standard error of α̂ and its degrees of freedom, each ``[L+1]``; nan where there is none."""
        between = self.spread == "between steps"
        sums, used = (self.between, self.paired) if between else (self.within, self.grouped)
        if not used:
            return np.full(sums.shape[1], np.nan), np.zeros(sums.shape[1])
        a, b = _with_total(self.s2 - self.q), _with_total(self.mq - self.q)
        aa, ab, bb, b2, b4 = sums
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = a / b
            variance = np.maximum(aa - 2 * alpha * ab + alpha**2 * bb, 0) * self.steps / used
            # Satterthwaite's, taking the variance of a step to go with the square of b.
            return np.sqrt(variance) / b, b2**2 / b4


def step_statistics(names: tuple[str, ...], sums: GroupSums) -> EstimateStatistics:
    """Statistics of one step.

    Args:
        names: Layer names, length L.
        sums: Of at least two microbatches.

    Returns:
        With ``q`` the unbiased estimate of ``Q``, so that the ratios are those of exact statistics.
    """
    n, count = float(sums.examples.sum()), float(sums.microbatches.sum())
    mean, square = moments(sums.s2, sums.r.sum(0), n, count)
    weight = n * (n - 1)
    both = np.stack([_with_total(mean), _with_total(square)]) * weight
    within = np.zeros((5, len(names) + 1))
    grouped = int(len(sums.examples) > 1 and (count - sums.microbatches).min() >= 2)
    if grouped:
        left = n - sums.examples[:, None]
        replicas = moments(
            sums.s2 - 2 * sums.cross + sums.own,
            sums.r.sum(0) - sums.r,
            left,
            count - sums.microbatches[:, None],
        )
        delta = np.stack([_with_total(part) for part in replicas], 1) * weight - both
        groups = len(sums.examples)
        factor = np.sqrt((n / sums.examples - 1) / groups)
        within = _squares(delta * factor[:, None, None], both[1], groups - 1)
    return EstimateStatistics(
        names,
        sums.s2,
        n * square,
        n * n * square,
        1,
        round(n),
        within=within,
        between=np.zeros_like(within),
        grouped=grouped,
        paired=0,
        odd=both,
        microbatches=round(count),
    )


def _with_total(layers: Array) -> Array:
    """``[…, L]`` with the sum over the layers as one more column."""
    return np.concatenate([layers, layers.sum(-1, keepdims=True)], -1)


def _squares(delta: Array, b: Array, freedom: int) -> Array:
    """Rows of ``within`` from the deviations ``[G, 2, L+1]`` of (a, b) and the stratum's ``b``, ``[L+1]``."""
    da, db = delta[:, 0], delta[:, 1]
    rows: Array = np.stack([(da * da).sum(0), (da * db).sum(0), (db * db).sum(0), b**2, b**4 / freedom])
    return rows


def _student(freedom: Array) -> Array:
    """The 97.5 % point of Student's distribution; nan without degrees of freedom."""
    from scipy.special import stdtrit  # here: it takes long to import

    points: Array = stdtrit(np.where(freedom > 0, freedom, np.nan), 0.975)
    return points
