"""Lower layers settle first: SVCCA (Raghu et al. 2017), with the CKA of Kornblith et al. 2019."""

from rote.studies._study import Figure, Study
from rote.studies.bottom_up import _claims, _identification, _panels, _training

_CONVERGENCE = Figure(
    name="convergence",
    title="Which layers are settled when",
    words=(
        "A convolutional network with batch normalisation. At each checkpoint each layer is compared with "
        "the layers at the end, on 2,000 test examples. In the pictures the first layer is on top and on "
        "the left; a row that is dark on the diagonal is a layer that is already what it will be. The way "
        "of a layer is how much nearer to its end it is than at the start, as a share of all there was to "
        "go; t90 is the first checkpoint at which that is 90 %, where the mark is. At the last checkpoint "
        "the way of all is 100 %, which is not drawn. “Other seed”: the end of a network that was trained "
        "from another start."
    ),
    cell=_training.cell,
    configs=_training.configs,
    panels=_panels.convergence,
    claims=_claims.CONVERGENCE,
    data=("cifar10", "mnist"),
    cost=_training.cost,
)

_IDENTIFICATION = Figure(
    name="identification",
    title="Which index tells layers apart",
    words=(
        "Three plain convolutional networks a seed, each from a start of its own. Of each layer the nearest "
        "layer in each other network is looked for, by each index; it should be the same layer. Maps are "
        "averaged over their quarters, so that there are ten examples for each direction and canonical "
        "correlations can mean something. In the pictures each row should be darkest on the diagonal. "
        "Canonical correlations are means over the directions of the narrower layer; by them the ten "
        "outputs, last row and column, look near to all deep layers."
    ),
    cell=_identification.cell,
    configs=_identification.configs,
    panels=_identification.panels,
    claims=_claims.IDENTIFICATION,
    data=("cifar10",),
    cost=_identification.cost,
)

_FREEZING = Figure(
    name="freezing",
    title="Freeze training",
    words=(
        "The same networks from the same start on the same batches; “freezing”: block k of K stops learning "
        "at the share k/K of training, its batch normalisation too."
    ),
    cell=_training.cell,
    configs=_training.both,
    panels=_panels.freezing,
    claims=_claims.FREEZING,
    data=("cifar10", "mnist"),
    cost=_training.cost,
)

STUDY = Study(
    name="bottom-up",
    title="Lower layers settle first",
    paper="Raghu, Gilmer, Yosinski & Sohl-Dickstein, SVCCA: Singular Vector Canonical Correlation Analysis "
    "for Deep Learning Dynamics and Interpretability, NeurIPS 2017, arXiv 1706.05806; with the index and "
    "the test of indices of Kornblith, Norouzi, Lee & Hinton, Similarity of Neural Network Representations "
    "Revisited, ICML 2019, arXiv 1905.00414",
    link="https://arxiv.org/abs/1706.05806",
    figures=(_CONVERGENCE, _IDENTIFICATION, _FREEZING),
    deviations=(
        "The network has the paper’s order of layers (two convolutions, pooling, three convolutions, "
        "pooling, two fully connected layers), with batch normalisation after each of them. At quick "
        "scale it is narrow (16 and 32 channels, 128 and 64 units), images are halved by means of 2 × 2 "
        "pixels, and there are 10,000 training examples of CIFAR-10 and 5,000 of MNIST, which is not in "
        "the paper, for 10 and 8 epochs. There are no random shifts.",
        "The learning rate is constant, so that no layer settles because it drops. So the last part of "
        "the way of upper layers is gone at the last checkpoint.",
        "SVCCA takes each place of a map as an example and channels as what varies, as the paper does for"
        " one layer over time; a quarter of the 2,000 test examples are enough for that. Between "
        "different layers CKA of whole maps takes the place of the paper’s SVCCA.",
        "Identification: three networks a seed of eight convolutions, 8,000 training examples and 5 "
        "epochs, instead of ten networks of ten layers. Maps are averaged over their quarters for all "
        "indices but “CKA of whole maps”, or canonical correlations would have more directions than "
        "examples.",
        "Frozen are blocks: a layer with its batch normalisation.",
        "Sizes were chosen by a trial with seed 100: 20,000 examples of CIFAR-10 for 12 epochs came to 63"
        " % of the test examples, and were too slow. What is expected of each claim was fixed before it. "
        "In it the upper layers of CIFAR-10 had gone 90 % of their way at the last checkpoint alone, "
        "where t90 cannot tell the top from what is below; so the claims on the output halfway through "
        "training were added, and the one on CKA of whole maps.",
    ),
)
