"""The Pitfalls of Simplicity Bias in Neural Networks (Shah et al. 2020, arXiv 2006.07710), and stripes."""

from rote.studies._study import Figure, Study
from rote.studies.simplicity_bias import _claims, _dominoes, _images, _panels, _slabs, _stripes

_STRIPES = Figure(
    name="stripes",
    title="Stripes, and a half-plane beside them",
    words=(
        "Points of the plane in five stripes of two kinds, turned by 45 degrees. On the left nothing else "
        "tells the kind. On the right so does the side of a line across them, for all but one in ten: "
        "simpler, and good for 95 %, where the mark is. “Weaker” is the same for all but three in ten. The "
        "stripes are as easy to represent every time. “No stripes”, “no plane”: that coordinate is taken "
        "from other test examples. Where units look: the directions of the gradients of pre-activations, "
        "by their squared size; 0 is straight across the stripes, 90 along them. Training stops at 99 %, "
        "and lines go on flat. The pictures are of the first seed: training examples and what the "
        "network says over the plane, where grey is no examples, and pale that it cannot tell; and the "
        "first units of each layer that are on for at least one in ten test examples."
    ),
    cell=_stripes.cell,
    configs=_stripes.configs,
    panels=_panels.stripes,
    claims=_claims.STRIPES,
    cost=_stripes.cost,
)

_SLABS = Figure(
    name="slabs",
    title="One simple coordinate among many complex ones",
    words=(
        "LMS-5: one linear coordinate, the others 5-slabs; MS-(5,7): one 5-slab, the others 7-slabs. Each "
        "coordinate by itself tells the label. In LMS-hat-7 the linear one is wrong for one in twenty, so "
        "it is good for 95 %, where the mark is, and the 7-slabs tell everything; MS-7 has 7-slabs alone. "
        "All are rotated at random. “No simple”: the simple coordinate is taken from other test examples; "
        "“no others”: all others are. Training stops once the loss is below 0.01, and lines go on flat."
    ),
    cell=_slabs.cell,
    configs=_slabs.configs,
    panels=_panels.slabs,
    claims=_claims.SLABS,
    cost=_slabs.cost,
)

_IMAGES = Figure(
    name="domino-images",
    title="What dominoes look like",
    words=(
        "Zeros on top of automobiles against ones on top of trucks; networks see them in colour. “No "
        "MNIST”: with the upper half of another example, here of the other label; so a network is asked "
        "what it rests on. “Alone”: with nothing above, so that it must learn the lower half."
    ),
    cell=_images.cell,
    configs=_images.configs,
    panels=_images.panels,
    claims=_claims.IMAGES,
    data=("mnist", "cifar10"),
    cost=_images.cost,
)

_DOMINOES = Figure(
    name="dominoes",
    title="Dominoes of MNIST and CIFAR-10",
    words=(
        "Zeros on top of automobiles against ones on top of trucks: both halves tell the label. “No "
        "MNIST”: the upper halves are those of other test examples; “no CIFAR”: the lower ones are. Beside "
        "it the same network where the upper halves are black."
    ),
    cell=_dominoes.cell,
    configs=_dominoes.configs,
    panels=_panels.dominoes,
    claims=_claims.DOMINOES,
    data=("mnist", "cifar10"),
    cost=_dominoes.cost,
)

STUDY = Study(
    name="simplicity-bias",
    title="Simplicity bias",
    paper="Shah, Tamuly, Raghunathan, Jain & Netrapalli, The Pitfalls of Simplicity Bias in Neural "
    "Networks, NeurIPS 2020, arXiv 2006.07710; stripes after the lecture notes “What do deep "
    "networks learn and when do they learn it”, 2021",
    link="https://arxiv.org/abs/2006.07710",
    figures=(_STRIPES, _SLABS, _IMAGES, _DOMINOES),
    deviations=(
        "The lecture notes describe their stripes in words only; these data sets are a reconstruction, "
        "with the coordinates of Shah et al. 2020 and a network with two hidden layers of 100. At quick "
        "scale there are 20,000 training examples.",
        "At quick scale there are 20 coordinates instead of 50, and for LMS-hat-7 and MS-7 10,000 training "
        "examples instead of 40,000. 20, because with 50 coordinates and so few examples the 7-slabs are "
        "not learned by themselves, either: then LMS-hat-7 would say nothing of simplicity. Networks have "
        "two hidden layers of 100; only fully connected ones are tried.",
        "L2 is 5e-7 without momentum, as the paper’s text says, and for LMS-hat-7 and MS-7 5e-4 with "
        "momentum 0.9, as in the released notebook. Training stops at a training loss below 0.01, looked "
        "at on 4,000 examples.",
        "Dominoes: a convolutional network of three small layers instead of MobileNet, GoogLeNet, ResNet "
        "and DenseNet; at quick scale one of three pairs of classes, 2,500 training examples of each "
        "label, batches of 50, 4 epochs at a constant learning rate, and 10 for the lower half alone. Of "
        "that 12 epochs of batches of 100, tried with one seed, came to 74 % and were still rising.",
    ),
)
