"""What deep networks learn, and when: the lecture's claims, each beside the study that tests it."""

from rote.studies import (
    bottom_up,
    deep_linear,
    features_by_depth,
    increasing_complexity,
    linear_mode_connectivity,
    linear_regression,
    parities,
    simplicity_bias,
)
from rote.studies._lecture import Chapter, Lecture

_INCREASING = Chapter(
    increasing_complexity.STUDY,
    "A network is a linear model first, then a simple one, and memorises last",
    "Points of a disc lie on two sides of a wave, and one label in ten is wrong. The network’s first "
    "boundary is nearly a line; then it follows the wave and does not believe the wrong labels; at the end "
    "it cuts out islands for them. Digits go the same way: what the network knows of the label is at first "
    "nearly all known to a linear model, too. The two part about where the linear model has nothing left to "
    "give; what they shared until then is kept, and everything new is the network’s own. On CIFAR-10 it is "
    "less clean: by then a sixth is its own, and late in training a little of the linear part is lost.",
    (
        ("disc", "What is learned when"),
        ("disc", "The disc: who is right"),
        ("mnist", "MNIST: known and explained"),
        ("cifar10", "CIFAR-10: known and explained"),
    ),
    ("explained", "Recorder"),
)

_SIMPLICITY = Chapter(
    simplicity_bias.STUDY,
    "Where a simple feature tells the answer, the complex one is not learned",
    "Two data sets need the same stripes to be told apart, and a network learns them quickly: that is the "
    "left one. On the right there is a half-plane beside the stripes that is right for 95 % of the points, "
    "and the same network cuts the plane in two at once and stays there for most of its training. In the "
    "end it bends the line around the points it got wrong; it never draws the stripes, which it could: it "
    "has no need to look for them. Take the half-plane from it, and little is left. Dominoes are the same "
    "with images: zeros and ones stand on top of cars and trucks, and a network that could go by either "
    "half never looks at the lower one.",
    (
        ("stripes", "Left: the data, and what the network says"),
        ("stripes", "Right: the data, and what the network says"),
        ("domino-images", "Dominoes A"),
        ("stripes", "Three data sets"),
        ("stripes", "Right: what it rests on"),
        ("dominoes", "Dominoes A"),
    ),
    ("stripes", "lms", "dominoes", "randomised"),
)

_REGRESSION = Chapter(
    linear_regression.STUDY,
    "Among all solutions, gradient descent takes the one nearest to where it began",
    "With more weights than examples, linear regression has a whole space of solutions that fit. Every step "
    "is a combination of the examples, so descent from 0 ends at the solution of least norm, and no "
    "regulariser was asked for. How fast it gets there is a matter of the spread of the eigenvalues: worst "
    "with as many examples as weights, where the condition number explodes, and good again on either side.",
    (("limit", "From 0"), ("edge", "Growth of the error"), ("condition", "Condition number")),
    ("descend", "minimum_norm", "single_example_sgd", "conditioning"),
)

_DEEP_LINEAR = Chapter(
    deep_linear.STUDY,
    "Depth makes strong directions come first, and weak ones hardly at all",
    "A product of matrices computes what one matrix computes, and yet it learns otherwise: a direction grows "
    "in proportion to a power of its own strength. One factor learns all directions at once; with two or "
    "more they come one after another, the strongest first, and the deeper, the more suddenly. Where the "
    "data leave a choice, as entries of a matrix that nobody has seen, that leads to a matrix of low rank.",
    (
        ("modes", "1 factor"),
        ("modes", "3 factors"),
        ("completion", "Effective rank"),
    ),
    ("end_to_end_flow", "descend_factors", "complete_matrix", "effective_rank"),
)

_BOTTOM_UP = Chapter(
    bottom_up.STUDY,
    "Lower layers are settled first",
    "Compare every layer on the way with every layer at the end: where the diagonal is dark, a layer "
    "already says what it will say. On CIFAR-10 the darkness spreads from the first layer. Part of that is "
    "where layers start, for low layers look like their end from the beginning; so what counts is the share "
    "of its way that each has gone. A third to half of training is enough for the first convolutions, while "
    "fully connected layers are under way to the end, and only the output is ahead of the layer below it. "
    "Freezing layers in that order saves more than half of the multiplications of backward passes. Which "
    "layer is which in another network, CKA tells three times in four here, and canonical correlations "
    "hardly ever.",
    (
        ("convergence", "CIFAR-10: all layers beside all at the end"),
        ("convergence", "CIFAR-10: way gone, CKA"),
        ("convergence", "CIFAR-10: when layers settle"),
        ("identification", "Layers of one network beside those of another"),
    ),
    ("layer_by_time", "linear_cka", "svcca", "FreezeTraining"),
)

_FEATURES = Chapter(
    features_by_depth.STUDY,
    "Features grow more complex with depth: edges first",
    "Filters of the first layer begin as noise; training makes them answer to one orientation, as edge "
    "detectors do. Units of the second look for textures, and the output for whole strokes: these images "
    "were sought from noise, nobody showed the search a digit, and yet the network takes each for its "
    "class. Complex features are not averages of simple "
    "ones: the average of an upright and a lying detector answers to nothing in particular. The deeper a "
    "layer, the less of it is linear in the image. That is depth more than training: without any training, "
    "deep layers are less linear still.",
    (
        ("edges", "MNIST: the most selective filters"),
        ("sought", "Layer 2: images that excite one unit"),
        ("sought", "Output: images that excite one class"),
        ("averaging", "Two edge detectors and their average"),
        ("depth", "How linear units are in the input"),
    ),
    ("first_layer_filters", "maximise", "orientation_tuning", "by_depth"),
)

_CONNECTED = Chapter(
    linear_mode_connectivity.STUDY,
    "Early in training it is settled in which valley a network will end",
    "Train a network to step k, make two copies, and show each the data in its own order. At the end mix "
    "their weights. If they part at the first step, the mixture of two ResNets is 15 points worse than "
    "either; if they part after a tenth of training it is as good as both, though the copies lie far apart. "
    "A small network on digits is stable from the start. Even networks from different starts can lie in one "
    "valley: put the units of one into the order of the other’s, and wide networks mix at no cost.",
    (
        ("resnet", "ResNet-20: along the line"),
        ("resnet", "ResNet-20: barrier"),
        ("permuted", "Layers of 512"),
    ),
    ("instability", "stable_from", "line", "match_weights"),
)

_PARITIES = Chapter(
    parities.STUDY,
    "What has no simple part is not learned at all",
    "The parity of some bits is easy to compute, and elimination finds it from a few more examples than "
    "there are bits. A network of a few ReLUs represents it. But no part of it is correlated with the "
    "answer, so a gradient says almost nothing about which bits they are: its share of signal halves with "
    "every bit. On half of 24 bits, descent is still guessing when elimination has long been done.",
    (
        ("elimination", "Random examples, n = 32"),
        ("dense", "Half of n coordinates"),
        ("signal", "What the gradient knows"),
    ),
    ("recover_parity", "learn_parity", "gradient_variance", "parity_network"),
)

LECTURE = Lecture(
    name="lecture",
    title="What do deep networks learn, and when do they learn it?",
    words="A network with more weights than examples could memorise them all. What it learns instead, and in "
    "which order, can be computed. Each part says one thing, shows it, and was put to the test; each "
    "can be run on a model of your own.",
    paper="Lecture notes “What do deep networks learn and when do they learn it”, Windows On Theory, 2021",
    link="https://windowsontheory.org",
    chapters=(
        _INCREASING,
        _SIMPLICITY,
        _REGRESSION,
        _DEEP_LINEAR,
        _BOTTOM_UP,
        _FEATURES,
        _CONNECTED,
        _PARITIES,
    ),
)
"""``rote study run lecture`` runs its studies and makes one page of them."""
