"""Parities: easy to represent, easy to eliminate, hard to descend to."""

from rote.studies._study import Figure, Study
from rote.studies.parities import _claims, _elimination, _signal, _training

_ELIMINATION = Figure(
    name="elimination",
    title="How many examples elimination needs",
    words=(
        "A parity of a random subset of n bits is n unknowns modulo 2, and every example an equation. Drawn "
        "is in how many of the trials the equations have one solution."
    ),
    cell=_elimination.cell,
    configs=_elimination.configs,
    panels=_elimination.panels,
    claims=_claims.ELIMINATION,
    cost=_elimination.cost,
)

_NOISE = Figure(
    name="noise",
    title="Wrong labels",
    words=(
        "Twice as many examples as coordinates. Elimination trusts every one of the n equations it rests "
        "on: a single wrong one is enough."
    ),
    cell=_elimination.cell,
    configs=_elimination.noise_configs,
    panels=_elimination.noise_panels,
    claims=_claims.NOISE,
    cost=_elimination.cost,
)

_DENSE = Figure(
    name="dense",
    title="Descent and elimination",
    words=(
        "One hidden layer, plain SGD, new examples at every step; the parity has half of the coordinates. "
        "Elimination has n + 10 examples. A line that ends at the top stays there: the run stopped at 99 %."
    ),
    cell=_training.cell,
    configs=_training.dense_configs,
    panels=_training.dense_panels,
    claims=_claims.DENSE,
    cost=_training.cost,
)

_SPARSE = Figure(
    name="sparse",
    title="Sparse parities, and progress that accuracy hides",
    words=(
        "The same with a few coordinates. The second panel has how far the first layer’s weights have "
        "moved, on the coordinates of the parity and off them."
    ),
    cell=_training.cell,
    configs=_training.sparse_configs,
    panels=_training.sparse_panels,
    claims=_claims.SPARSE,
    cost=_training.cost,
)

_NETWORK = Figure(
    name="network",
    title="Representing is not the trouble",
    words="A network whose weights are set by hand: one hidden ReLU for each coordinate of the parity.",
    cell=_signal.network_cell,
    configs=_signal.network_configs,
    panels=_signal.network_panels,
    claims=_claims.NETWORK,
)

_SIGNAL = Figure(
    name="signal",
    title="What the gradient knows",
    words=(
        "Of the mean gradient only E[χ(x) ∇f(x)] depends on which parity χ is to be learnt. Its mean "
        "square, by n (“all”: the mean over all subsets) and by the size of the parity, for one hidden "
        "layer of 32 ReLUs as it starts; all 2^n points, no sampling."
    ),
    cell=_signal.cell,
    configs=_signal.configs,
    panels=_signal.panels,
    claims=_claims.SIGNAL,
    cost=_signal.cost,
)

STUDY = Study(
    name="parities",
    title="Parities",
    paper="Shalev-Shwartz, Shamir & Shammah, Failures of Gradient-Based Deep Learning, ICML 2017, arXiv "
    "1703.07950; Barak et al., Hidden Progress in Deep Learning, NeurIPS 2022, arXiv 2207.08799; "
    "lecture notes “What do deep networks learn and when do they learn it”, 2021",
    link="https://arxiv.org/abs/1703.07950",
    figures=(_ELIMINATION, _NOISE, _DENSE, _SPARSE, _NETWORK, _SIGNAL),
    deviations=(
        "“Descent does not” means: not within the steps it is given. At quick scale half of 24 coordinates "
        "get 8,000 steps, at the paper scale half of 28 get 150,000; plain SGD does learn half of 24 given "
        "some ten times the quick scale’s steps. What theory excludes is descent on noisy or mean "
        "gradients, at large n; that is what the last figure is for.",
        "Networks have 100 hidden units (200 for dense parities), hinge loss, a learning rate of 0.1, "
        "batches of 32 and no weight decay; the papers vary these. No number of theirs is compared with.",
        "The parity always has the first k coordinates, for the network knows no order of them.",
    ),
)
