"""Coherent Gradients (Chatterjee, ICLR 2020, arXiv 2002.10657)."""

from rote.studies._study import Figure, Study
from rote.studies.coherent_gradients import _baseline, _claims, _panels, _winsorized

_LEARNING = Figure(
    name="fig-1",
    title="Figure 1: learning under label noise",
    words=(
        "One hidden layer of 2,048 units learns MNIST by plain SGD while the labels of 0 to 100 % of the "
        "training "
        "examples are permuted among themselves. The last panels show by which step which share of the "
        "pristine "
        "and of the corrupt examples is predicted as labelled: for good, and once."
    ),
    cell=_baseline.cell,
    configs=_baseline.configs,
    panels=_panels.learning,
    claims=_claims.LEARNING,
    data=("mnist",),
    cost=_baseline.cost,
)

_FRACTIONS = Figure(
    name="fig-2",
    title="Figure 2: who makes the step",
    words=(
        "The squared length of the sum of all examples’ gradients divides into a part from the pristine "
        "and one "
        "from the corrupt examples; drawn are both fractions. In a null world the same number of examples, "
        "drawn "
        "at random, is called corrupt. First on the paper’s sample (400 examples, 300 weights of each "
        "matrix), "
        "then over all examples and all weights, which the paper could not afford."
    ),
    cell=_baseline.cell,
    configs=_baseline.mixed_configs,
    panels=_panels.fractions,
    claims=_claims.FRACTIONS,
    data=("mnist",),
    cost=_baseline.cost,
)

_PER_EXAMPLE = Figure(
    name="fig-3",
    title="Figure 3: what the first ten steps do for one example",
    words=(
        "Summed over the first ten steps and divided by the number of pristine, or of corrupt, examples: "
        "times "
        "the learning rate, by how much the loss of one of them falls to first order. Beside it three null "
        "worlds, on the paper’s sample."
    ),
    cell=_baseline.cell,
    configs=_baseline.mixed_configs,
    panels=_panels.per_example,
    claims=_claims.PER_EXAMPLE,
    data=("mnist",),
    cost=_baseline.cost,
)

_EVERYONE = Figure(
    name="fig-3-everyone",
    title="Figure 3 over the whole population",
    words="The same over all training examples and all weights: what the paper wished to measure.",
    cell=_baseline.cell,
    configs=_baseline.mixed_configs,
    panels=_panels.per_example_everyone,
    claims=_claims.EVERYONE,
    data=("mnist",),
    cost=_baseline.cost,
)

_WINSORIZED = Figure(
    name="fig-4",
    title="Figure 4: winsorized gradients",
    words=(
        "Three hidden layers of 256 units. In each batch of 100, and for each weight, the c largest and "
        "the c "
        "smallest of the examples’ gradients are clamped to the next ones before they are summed; c = 0 is "
        "plain "
        "SGD. The overfit is the training accuracy beyond what a network would have that learned as much "
        "as the "
        "test shows and fits no wrong label but by chance."
    ),
    cell=_winsorized.cell,
    configs=_winsorized.configs,
    panels=_panels.winsorized,
    claims=_claims.WINSORIZED,
    data=("mnist",),
    cost=_winsorized.cost,
)

STUDY = Study(
    name="coherent-gradients",
    title="Coherent gradients",
    paper="Chatterjee, Coherent Gradients: An Approach to Understanding Generalization in Gradient "
    "Descent-based Optimization, ICLR 2020, arXiv 2002.10657",
    link="https://arxiv.org/abs/2002.10657",
    figures=(_LEARNING, _FRACTIONS, _PER_EXAMPLE, _EVERYONE, _WINSORIZED),
    deviations=(
        "At quick scale 2,000 training and 2,000 test examples stand for all, with 2,500 steps instead of "
        "100,000 for figures 1 to 3 and 1,000 instead of 60,000 for figure 4; networks, batch size and "
        "learning "
        "rate are the paper’s. The paper scale has the paper’s sizes.",
        "Weights start as in the released code: normal with standard deviation 2/√(n_in + n_out), which is "
        "√2 "
        "times what the paper’s text says (Xavier).",
        "“Corrupt” means that the label was changed; of the permuted labels a tenth stays as it was by "
        "chance.",
        "The whole population is measured at the first ten steps and at 1, 2, 5 of each power of ten; the "
        "paper’s sample at every look.",
    ),
)
