"""On the Generalization Mystery in Deep Learning (Chatterjee & Zielinski 2022, arXiv 2203.10036)."""

from rote.studies._study import Figure, Study
from rote.studies.generalization_mystery import _bound, _claims, _six, _training

_SIX = Figure(
    name="six-dimensions",
    title="Six dimensions, four examples",
    words=(
        "A linear model learns four points by gradient descent from zero. With real labels every point has a "
        "coordinate of its own and one that all share; with random ones the shared coordinate is gone. "
        "Nothing here is random, so the numbers are exact."
    ),
    cell=_six.cell,
    configs=_six.configs,
    panels=_six.panels,
    claims=_claims.SIX,
)

_BOUND = Figure(
    name="bound",
    title="What the stability bound predicts",
    words=(
        "The bound adds up, step by step, how far a training run would have gone another way on other "
        "examples. Its size says nothing, being larger than the loss by many powers of ten; but it orders "
        "runs, and it orders steps. One hidden layer, plain SGD, the same number of steps in every run. With "
        "β as large as is measured here the first steps outweigh all others, so it orders runs by how they "
        "begin."
    ),
    cell=_bound.cell,
    configs=_bound.configs,
    panels=_bound.panels,
    claims=_claims.BOUND,
    data=("mnist",),
    cost=_bound.cost,
)

_STOPPING = Figure(
    name="early-stopping",
    title="Early stopping",
    words=(
        "Once most examples are fitted their gradients vanish, and the few that are left dominate the "
        "mean. So training that stops before has learned what examples share."
    ),
    cell=_training.cell,
    configs=_training.stopping_configs,
    panels=_training.stopping_panels,
    claims=_claims.STOPPING,
    data=("mnist",),
    cost=_training.cost,
)

_DECAY = Figure(
    name="l2",
    title="L2 as suppression",
    words=(
        "Weight decay pulls every weight back a little at each step. A direction that few examples want "
        "cannot hold against it; one that many want can. Lines are named by the penalty; half of the labels "
        "are permuted."
    ),
    cell=_training.cell,
    configs=_training.decay_configs,
    panels=_training.decay_panels,
    claims=_claims.DECAY,
    data=("mnist",),
    cost=_training.cost,
)

_SPEED = Figure(
    name="speed",
    title="Learning speed against label noise",
    words="Where examples help each other, a step lowers all their losses; if not, each waits for its own.",
    cell=_training.cell,
    configs=_training.noise_configs,
    panels=_training.speed_panels,
    claims=_claims.SPEED,
    data=("mnist",),
    cost=_training.cost,
)

STUDY = Study(
    name="generalization-mystery",
    title="The generalization mystery",
    paper="Chatterjee & Zielinski, On the Generalization Mystery in Deep Learning, 2022, arXiv 2203.10036",
    link="https://arxiv.org/abs/2203.10036",
    figures=(_SIX, _BOUND, _STOPPING, _DECAY, _SPEED),
    deviations=(
        "The paper’s own experiments beside the six-dimensional example are on ImageNet and CIFAR-10; here "
        "its "
        "statements on the bound, early stopping, L2 and speed are put to the test on MNIST with the "
        "networks of "
        "Chatterjee 2020. No number of the paper is compared with.",
        "L and β of the bound are the largest gradient norm and curvature seen on a sample of the training "
        "examples, so they are too small; runs are compared with the same L and β.",
        "The penalties at quick scale were changed once, after a look: with 0.001, 0.003 and 0.01 both "
        "claims on "
        "L2 were inconclusive (seed by seed −0.3, 0.4, 0.8 points for “l2-suppresses” and 11.8, 2.2, −3.7 "
        "for "
        "“l2-helps”). As 0.001 needs ten times the run’s 1,000 steps to act, they became 0.003, 0.01 and "
        "0.03.",
        "At quick scale 2,000 training and test examples stand for all (1,000 at most for the bound).",
    ),
)
