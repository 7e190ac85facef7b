"""Deep linear networks: how a product of matrices learns, and what it prefers."""

from rote.studies._panels import Panel
from rote.studies._study import Figure, Rows, Study
from rote.studies.deep_linear import _claims, _completion, _flow, _modes


def _mode_panels(rows: Rows) -> list[Panel]:
    return [*_modes.panels(rows), _modes.half_time_panel(rows)]


_MODES = Figure(
    name="modes",
    title="One mode after another",
    words=(
        "A matrix with singular values 1, ½ and ¼ is learnt by one to four factors, which start small and "
        "in its directions. Time is learning rate times steps. Directions are drawn at random, but nothing "
        "depends on them."
    ),
    cell=_modes.cell,
    configs=_modes.configs,
    panels=_mode_panels,
    claims=_claims.MODES,
    cost=_modes.cost,
)

_FLOW = Figure(
    name="end-to-end",
    title="The product moves on its own",
    words=(
        "Gradient descent on factors from a random, balanced start to a random target, beside the flow of "
        "their product in closed form. The last panel: one mode of N factors, untied and tied."
    ),
    cell=_flow.cell,
    configs=_flow.configs,
    panels=_flow.panels,
    claims=_claims.FLOW,
)

_COMPLETION = Figure(
    name="completion",
    title="Where the data leave a choice",
    words=(
        "A 30 × 30 matrix of rank 2, of which 35 % of the entries are seen, by gradient descent on N "
        "factors from a small random start until those entries are fitted."
    ),
    cell=_completion.cell,
    configs=_completion.configs,
    panels=_completion.panels,
    claims=_claims.COMPLETION,
    cost=_completion.cost,
)

STUDY = Study(
    name="deep-linear",
    title="Deep linear networks",
    paper="Arora, Cohen & Hazan, On the Optimization of Deep Networks, ICML 2018, arXiv 1802.06509; Arora, "
    "Cohen, Hu & Luo, Implicit Regularization in Deep Matrix Factorization, NeurIPS 2019, arXiv "
    "1905.13655; lecture notes “What do deep networks learn and when do they learn it”, 2021",
    link="https://arxiv.org/abs/1905.13655",
    figures=(_MODES, _FLOW, _COMPLETION),
    deviations=(
        "The papers’ theorems are put to the test on small matrices in float64; “exact” means up to the "
        "size of the steps, which is said.",
        "The lecture has all layers the same (tied), the papers each its own (untied): both are computed.",
        "That no function has this flow as its gradient descent is proved in the paper; here the Jacobian "
        "of the flow is measured, at one random point for each seed.",
        "Completion is smaller than in the paper: 30 × 30, rank 2, three seeds; depth 4 at the paper scale "
        "alone. No number of the papers is compared with.",
    ),
)
