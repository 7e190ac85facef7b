"""Linear Mode Connectivity and the Lottery Ticket Hypothesis (Frankle et al. 2020), and Git Re-Basin."""

from rote.studies._study import Figure, Study
from rote.studies.linear_mode_connectivity import _claims, _panels, _permuted, _sweep

_LENET = Figure(
    name="lenet",
    title="LeNet on MNIST: stable from the start",
    words=(
        "A network is trained to step k. Two copies go on from there with the data in different orders. At "
        "the end their weights are mixed: at share 0 of the way it is one copy, at share 1 the other. The "
        "barrier is the highest test error on the way, above the mean of both ends (“mean”) or above the "
        "line between them (“line”). Below the mark, 2 points, copies count as stable."
    ),
    cell=_sweep.cell,
    configs=_sweep.lenet,
    panels=_panels.lenet,
    claims=_claims.LENET,
    data=("mnist",),
    cost=_sweep.cost,
)

_RESNET = Figure(
    name="resnet",
    title="ResNet-20 on CIFAR-10: stable once it has trained a while",
    words=(
        "The same with a ResNet-20. The statistics of its batch normalisation are gathered anew at every "
        "point of the way. Close up: the later half of all k, above the line between the ends; a path may "
        "run below both. The last panel has the distance between the copies’ weights and the barrier, each "
        "as a share of what it is at the first k."
    ),
    cell=_sweep.cell,
    configs=_sweep.resnet,
    panels=_panels.resnet,
    claims=_claims.RESNET,
    data=("cifar10",),
    cost=_sweep.cost,
)

_PERMUTED = Figure(
    name="permuted",
    title="Two networks from different starts, before and after matching",
    words=(
        "Two networks with three hidden layers, from different initialisations, with different orders of the "
        "data. The units of a layer can be put in another order, and the network computes the same. "
        "“Matched”: those of the second network in the order in which its weights are closest to the first "
        "one’s; no data are used for it. “Loss, with its sign” is that of matched networks above the line "
        "between the ends: below 0 mixing them is better than either. The picture is the plane through three "
        "networks of the first seed: top left one, top right the other, bottom left the other matched."
    ),
    cell=_permuted.cell,
    configs=_permuted.configs,
    panels=_panels.permuted,
    claims=_claims.PERMUTED,
    data=("mnist",),
    cost=_permuted.cost,
)

STUDY = Study(
    name="linear-mode-connectivity",
    title="Linear mode connectivity",
    paper="Frankle, Dziugaite, Roy & Carbin, Linear Mode Connectivity and the Lottery Ticket Hypothesis, "
    "ICML 2020, arXiv 1912.05671; Ainsworth, Hayase & Srinivasa, Git Re-Basin, 2022, arXiv 2209.04836",
    link="https://arxiv.org/abs/1912.05671",
    figures=(_LENET, _RESNET, _PERMUTED),
    deviations=(
        "Two copies and one initialisation a seed, where the paper has three of each; test error alone. Data "
        "are neither mirrored nor moved at quick scale: the order is all that differs.",
        "LeNet, quick: 20,000 examples, 1,200 steps (3.6 epochs), 11 points on a line.",
        "ResNet-20, quick: images of 16 × 16 (means of 2 × 2), half the width, 20,000 examples, 700 steps of "
        "64, with drops of the learning rate at one half and three quarters. That is a small part of the "
        "paper’s training: in a trial networks ended at a test error of 54 %. All that happens early there "
        "takes a larger share of so short a training.",
        "The learning rate is 0.05 there, that of the paper for half its batch. In a trial with another seed "
        "0.1 left an error of 57 % and 0.03 one of 51 %; the last was not taken, because low rates are said "
        "to make networks stable from the start. That trial’s whole sweep was looked at before the number "
        "of test examples was raised from 1,000 to 2,000, since noise in the error came near to 2 points; "
        "and its 2,000 steps of LeNet became 1,200. What is claimed of ResNet-20 was written down before "
        "its sweep was seen, what is claimed of the others after theirs.",
        "Matching, quick: 10,000 examples, 1,500 steps of 60 (9 epochs). How barriers fall with width is "
        "asked of the loss, as in Ainsworth et al., with its sign: in the trial the error of matched "
        "networks, 0.8 and 0.5 points of barrier at widths of 128 and 512, was too coarse to order them.",
        "At paper scale the numbers of steps and the drops are not taken from the paper’s text.",
    ),
)
