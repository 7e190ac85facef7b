"""Circuit-Based Intrinsic Methods to Detect Overfitting (Chatterjee & Mishchenko, ICML 2020)."""

from functools import partial

from rote.studies._study import Figure, Study
from rote.studies.counterfactual_simulation import _cells, _claims, _claims_beyond, _configs, _panels

_figure = partial(Figure, cell=_cells.cell, data=("mnist",), cost=_configs.cost)

STUDY = Study(
    name="counterfactual-simulation",
    title="Counterfactual simulation",
    paper="Chatterjee & Mishchenko, Circuit-Based Intrinsic Methods to Detect Overfitting, ICML 2020, "
    "PMLR 119:1459-1468, arXiv 1907.01991",
    link="https://arxiv.org/abs/1907.01991",
    figures=(
        _figure(
            name="nets",
            title="Simple CFS: nets that learned and nets that memorised",
            words="A net becomes a circuit of AND and XOR gates, and the circuit answers its own training "
            "examples, while every value that a signal takes on l examples or fewer is turned into its "
            "opposite. The sooner accuracy falls, the more the net rested on rare patterns. “short” and "
            "“long” are the paper’s nn-real-2 and nn-real-100, “permuted” is its nn-random, whose labels "
            "are those of the examples in another order.",
            configs=_configs.nets,
            panels=_panels.nets,
            claims=_claims.NETS,
        ),
        _figure(
            name="array",
            title="Array multipliers",
            words="The same nets with another multiplier: a row of gates for each bit of a weight, in place "
            "of the fewest shifts, additions and subtractions.",
            configs=_configs.arrays,
            panels=_panels.structures,
            claims=_claims.ARRAYS,
        ),
        _figure(
            name="without-xor",
            title="Without XOR gates",
            words="The same nets once more, each XOR written as three ANDs.",
            configs=_configs.without_xor,
            panels=_panels.structures,
            claims=_claims.WITHOUT_XOR,
        ),
        _figure(
            name="no-rare",
            title="Examples without a rare value",
            words="An example has no l-rare value if each of its values, on every signal of the circuit, is "
            "shared by more than l examples.",
            configs=_configs.nets,
            panels=_panels.no_rare,
            claims=_claims.NO_RARE,
        ),
        _figure(
            name="forests",
            title="Random forests",
            words="Ten trees without bootstrap, grown until they are right about every training example: on "
            "real labels, and on permuted ones.",
            configs=_configs.forests,
            panels=_panels.forests,
            claims=_claims.FORESTS,
        ),
        _figure(
            name="noise",
            title="Blanket noise",
            words="Every gate’s value is turned with the same probability, for each example anew, whether it "
            "is rare or not.",
            configs=_configs.noise,
            panels=_panels.noise,
            claims=_claims.NOISE,
        ),
        _figure(
            name="half-random",
            title="Half of the labels random",
            words="One training on labels half of which were drawn anew, after more and more epochs. True "
            "labels are learned first, by common patterns; the others later, by rare ones. The dotted line "
            "is at one half.",
            configs=_configs.half_random,
            panels=_panels.epochs,
            claims=_claims_beyond.HALF,
        ),
        _figure(
            name="third-random",
            title="A third of the labels random",
            words="The same with a third of the labels drawn anew, beside the half. The dotted lines are at "
            "one half and at two thirds.",
            configs=_configs.third_random,
            panels=_panels.epochs,
            claims=_claims_beyond.THIRD,
        ),
        _figure(
            name="composite",
            title="Composite CFS",
            words="A gate answers the opposite of its value where its two fan-ins show a pattern that l "
            "examples or fewer have.",
            configs=_configs.composite,
            panels=_panels.epochs,
            claims=_claims_beyond.COMPOSITE,
        ),
        _figure(
            name="random-values",
            title="Random values in the place of rare ones",
            words="A signal that takes an l-rare value passes on a random one.",
            configs=_configs.random_values,
            panels=_panels.random_values,
            claims=_claims_beyond.RANDOM,
        ),
        _figure(
            name="memory",
            title="Tables, networks of tables, and a tree that hides what it memorised",
            words="A plain lookup table compares the image with each training example in turn. A network of "
            "small tables of eight inputs says whether a digit is one of 5 to 9. The tree fits permuted "
            "labels and asks at each node the pixel that splits its examples most evenly; as muxes, most of "
            "its signals are common. It is how a modeller could defeat the method.",
            configs=_configs.memory,
            panels=_panels.memory,
            claims=_claims_beyond.MEMORY,
        ),
    ),
    deviations=(
        "At quick scale 4,000 training images of 14×14 pixels (means of 2×2) and hidden layers of 64 stand "
        "for 60,000 of 28×28 and layers of 256; the epochs, 10, 100 and 150 for 2, 100 and 300, and 10 to "
        "160 for 1 to 200, were chosen by training and test accuracy alone, so that each net is as fitted "
        "as the paper’s. Circuits have 2.5 to 5 million gates, where the paper’s have 35 to 52 million. l = "
        "64 and 256 of 60,000 become the nearest limit to the same share of the examples.",
        "Nets after more epochs are the same training, later: where the paper trains one net for each number "
        "of epochs, here the weights and the order are the same in all of them.",
        "Labels are drawn anew for each example by the toss of a coin, so about half of them and not "
        "exactly.",
        "Biases, the order of additions, and where bits are cut off are not in the paper: a bias starts the "
        "sum, products are added one by one, the sum is cut off, not rounded.",
        "Which numbers decide about a claim, and where they should lie, was written before any curve of "
        "these models was seen. A curve’s steepness is the share lost of what is above chance, mean over "
        "all limits, so that nets which do not all begin at 100 % can be compared.",
        "Lookup tables, networks of luts and the tree read one bit a pixel of 28×28, above 127 or not. At "
        "paper scale the table has 10,000 examples of the 60,000. Networks of luts have 256 tables in each "
        "of five layers, at paper scale 1,024; they are not in the paper.",
    ),
)
