"""What deep networks learn, and when: the lecture's claims, each beside the study that tests it."""

from rote.studies import deep_linear, features_by_depth, linear_regression, parities, simplicity_bias
from rote.studies._lecture import Chapter, Lecture

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
        ("stripes", "Three data sets"),
        ("stripes", "Right: what it rests on"),
        ("domino-images", "Dominoes A"),
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
        ("completion", "Unseen entries"),
        ("completion", "Effective rank"),
    ),
    ("end_to_end_flow", "descend_factors", "complete_matrix", "effective_rank"),
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
    chapters=(_SIMPLICITY, _REGRESSION, _DEEP_LINEAR, _FEATURES, _PARITIES),
)
"""``rote study run lecture`` runs its studies and makes one page of them."""
