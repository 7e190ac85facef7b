"""What the lecture says, and where the number must lie for it to hold here."""

from rote.studies._judge import above, below, between, equal_to
from rote.studies._study import Claim
from rote.studies.linear_regression import _kaczmarz, _limit, _rates, _shapes

_LECTURE = "Lecture on over-parameterised linear regression"
_ALGEBRA = f"{_LECTURE}; the formula by algebra"
_PASTUR = f"{_LECTURE}; Marchenko & Pastur 1967"

LIMIT = (
    Claim(
        "least-norm-from-zero",
        "From 0, descent and SGD end at the solution of least norm.",
        _LECTURE,
        "log₁₀ of the distance to X⁺y at the end over that at the start, the larger of the two",
        below(-6),
        lambda rows: _limit.farthest(rows, "zero"),
    ),
    Claim(
        "nearest-from-elsewhere",
        "From elsewhere they end at the solution nearest to the start.",
        _ALGEBRA,
        "log₁₀ of the distance to X⁺y + Pw₀ at the end over that at the start, the larger of the two",
        below(-6),
        lambda rows: _limit.farthest(rows, "random"),
    ),
    Claim(
        "norm-is-least",
        "No solution has a smaller norm than what is reached from 0.",
        _LECTURE,
        "log₁₀ of the share by which the norm at the end differs from that of X⁺y, the larger of the two",
        below(-6),
        _limit.excess_norm,
    ),
    Claim(
        "stays-in-the-rows",
        "Every step is a combination of the examples, so what is orthogonal to all of them never moves.",
        _LECTURE,
        "log₁₀ of the share of the whole move that is orthogonal to the examples, the largest of four runs",
        below(-10),
        _limit.strayed,
    ),
    Claim(
        "start-is-remembered",
        "So what the start has off the examples is there at the end.",
        _ALGEBRA,
        "log₁₀ of the share by which the distance to X⁺y at the end differs from ‖Pw₀‖, from a random "
        "start, the larger of the two",
        below(-6),
        _limit.remembered,
    ),
)

RATES = (
    Claim(
        "factor-as-foretold",
        "In the long run a step multiplies the error by max |1 - rate·λ|.",
        _ALGEBRA,
        "log₁₀ of the share by which the measured factor differs, at most over six learning rates; a "
        "hundredth is much",
        below(-2),
        _rates.deviation,
    ),
    Claim(
        "best-rate-is-best",
        "2/(λmax + λmin) is the fastest learning rate.",
        _ALGEBRA,
        "By how much its factor is below that of any other of the six",
        above(0.0),
        _rates.best_by,
    ),
)

EDGE = (
    Claim(
        "edge",
        "Descent is stable just below a learning rate of 2/λmax.",
        _ALGEBRA,
        "Rate from which on the error grows, found by bisection, in units of 1/λmax; loss ½‖Xw-y‖²",
        between(1.99, 2.01),
        lambda rows: _rates.edge(rows, halved=True),
    ),
    Claim(
        "edge-without-the-half",
        "Where the loss has no half, the edge is half as far.",
        _ALGEBRA,
        "The same for the loss ‖Xw-y‖²",
        between(0.995, 1.005),
        lambda rows: _rates.edge(rows, halved=False),
    ),
)

KACZMARZ = (
    Claim(
        "below-the-bound",
        "Drawn in proportion to their squared norms and solved one at a time, examples shrink the mean "
        "square error at least by 1 - σmin²/‖X‖² a step.",
        "Strohmer & Vershynin 2009, arXiv math/0702226",
        "log₁₀ of the mean of ‖e‖² over runs minus that of the bound, the largest after the first pass",
        below(0.0),
        _kaczmarz.over_the_bound,
    ),
    Claim(
        "faster-than-the-bound",
        "In the long run it is faster than that.",
        "Strohmer & Vershynin 2009, arXiv math/0702226: a bound, not a prediction",
        "Logarithm of the measured factor of a step over that of the bound",
        above(1.0),
        _kaczmarz.faster,
    ),
)

SHAPES = (
    Claim(
        "condition-as-marchenko-pastur",
        "The condition number follows ((1 + √γ)/(1 - √γ))² for γ = d/n, the same for γ and 1/γ.",
        _PASTUR,
        "By what factor, less 1, measured and theory differ, at most over γ = .1, .25, .5, 2, 4, 10; a "
        "fifth is allowed for the size",
        below(0.2),
        _shapes.off_the_law,
        percent=True,
    ),
    Claim(
        "worst-when-square",
        "The nearer d is to n, from either side, the worse.",
        _LECTURE,
        "By what factor λmax/λmin grows from a ratio to the next towards 1, at least",
        above(1.0),
        _shapes.rise_towards_square,
    ),
    Claim(
        "spectrum-as-marchenko-pastur",
        "The eigenvalues are spread as Marchenko and Pastur say.",
        _PASTUR,
        "Largest distance of the distribution functions, at most over the same ratios",
        below(0.05),
        _shapes.far_from_the_law,
    ),
)

SQUARES = (
    Claim(
        "square-grows-like-n",
        "Where n = d, the condition number of X grows like n, so that of XᵀX like n².",
        f"{_LECTURE}; Edelman 1988",
        "Slope of the logarithm of the median over that of n",
        between(0.75, 1.25),
        _shapes.square_growth,
    ),
)

REGIMES = (
    Claim(
        "many-examples",
        "With many more examples than dimensions all directions are nearly alike.",
        _LECTURE,
        "λmax/λmin for n = 10 d (3.7 in the limit)",
        below(5),
        lambda rows: _shapes.of_regime(rows, "many", "condition"),
    ),
    Claim(
        "few-examples",
        "With far fewer, what is not 0 is well conditioned.",
        _LECTURE,
        "λmax/λmin of what is not 0 for n = d/10 (3.7 in the limit)",
        below(5),
        lambda rows: _shapes.of_regime(rows, "few", "condition"),
    ),
    Claim(
        "few-examples-zeros",
        "And the rest is 0: descent never moves there.",
        _LECTURE,
        "Share of directions that never move for n = d/10",
        equal_to(0.9),
        lambda rows: _shapes.of_regime(rows, "few", "still"),
        exact=True,
        percent=True,
    ),
    Claim(
        "as-many-is-slow",
        "With about as many examples as dimensions descent is slow.",
        _LECTURE,
        "log₁₀ of the steps to a thousandth of the error for n = 1.1 d, over the more of the two others; a "
        "power of ten is slow",
        above(1),
        _shapes.slower_between,
    ),
)
