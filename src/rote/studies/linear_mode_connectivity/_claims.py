"""What was to be seen: each claim one number of one seed's cells."""

from functools import partial

from rote.studies._judge import above, below, equal_to
from rote.studies._study import Claim
from rote.studies.linear_mode_connectivity import _measures
from rote.studies.linear_mode_connectivity._sweep import LEVEL

FRANKLE = "Frankle et al. 2020"
AINSWORTH = "Ainsworth et al. 2022"

LENET = (
    Claim(
        "lenet-stable-at-start",
        "LeNet on MNIST is stable to the noise of SGD from initialisation on.",
        FRANKLE,
        "Error barrier between copies that part at step 0; stable is less than 2 points, as there",
        below(LEVEL),
        partial(_measures.barrier, network="mlp"),
        percent=True,
    ),
)

RESNET = (
    Claim(
        "resnet-not-stable-at-start",
        "ResNet-20 on CIFAR-10 is not stable at initialisation.",
        FRANKLE,
        "Error barrier between copies that part at step 0; stable is less than 2 points, as there",
        above(LEVEL),
        partial(_measures.barrier, network="resnet20"),
        percent=True,
    ),
    Claim(
        "resnet-as-bad-as-chance",
        "Between its copies from initialisation the error comes to that of chance.",
        FRANKLE,
        "Highest test error on the line between copies that part at step 0; chance is 90 %, and “comes to” "
        "is read as within 10 points",
        above(0.8),
        partial(_measures.worst, network="resnet20"),
        percent=True,
    ),
    Claim(
        "resnet-stable-early",
        "It becomes stable early in training.",
        f"{FRANKLE}, abstract",
        "The first k from which on barriers are below 2 points, over all steps, and 100 % if there is none; "
        "“early” is read as in the first half, since so short a training has to do all else in it, too",
        below(0.5),
        partial(_measures.stable_share, network="resnet20"),
        percent=True,
    ),
    Claim(
        "resnet-barrier-falls",
        "The later copies part, the lower is the barrier.",
        FRANKLE,
        "Spearman’s correlation of k and the error barrier",
        below(0.0),
        partial(_measures.falls, network="resnet20"),
    ),
    Claim(
        "stable-copies-are-not-close",
        "Stable copies are not near to each other.",
        FRANKLE,
        "Distance between the copies of the first stable k, over the way that they travelled; “not near” is "
        "read as above a tenth",
        above(0.1),
        partial(_measures.apart, network="resnet20"),
        percent=True,
    ),
)

PERMUTED = (
    Claim(
        "apart-as-they-are",
        "Between networks from different initialisations there is a barrier.",
        f"{AINSWORTH}, on MNIST",
        "Error barrier, the lowest over widths; 2 points are the level of Frankle et al. 2020",
        above(LEVEL),
        _measures.lowest_naive,
        percent=True,
    ),
    Claim(
        "matching-lowers",
        "Matching the order of their units lowers it.",
        f"{AINSWORTH}, on MNIST",
        "Error barrier before matching minus after, the smallest over widths",
        above(0.0),
        _measures.smallest_gain,
        percent=True,
    ),
    Claim(
        "wide-connected",
        "Matched, wide networks have none.",
        f"{AINSWORTH}, on MNIST: three layers of 512",
        "Error barrier after matching, of the widest; “none” is read as less than 2 points",
        below(LEVEL),
        partial(_measures.matched, place=-1),
        percent=True,
    ),
    Claim(
        "narrow-not-connected",
        "Matched, narrow ones still have one.",
        f"{AINSWORTH}, on width",
        "Error barrier after matching, of the narrowest",
        above(LEVEL),
        partial(_measures.matched, place=0),
        percent=True,
    ),
    Claim(
        "wider-is-lower",
        "The wider, the lower.",
        f"{AINSWORTH}, on width",
        "Highest loss between the ends above the line of their losses, with its sign; the smallest fall from "
        "a width to the next",
        above(0.0),
        _measures.smallest_fall,
    ),
    Claim(
        "planted-order-recovered",
        "Units that were only shuffled are put back.",
        "Exact: the right order has the largest product of weights",
        "Share of the hidden units of a trained network, shuffled and matched to itself, that come back to "
        "their place; the smallest over widths",
        equal_to(1.0),
        _measures.lowest_recovered,
        percent=True,
    ),
)
