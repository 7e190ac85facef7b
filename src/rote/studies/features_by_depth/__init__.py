"""Which features stand at which depth: edges first, and more complex ones later."""

from rote.studies._study import Figure, Study
from rote.studies.features_by_depth import _averaging, _claims, _depth, _edges, _pictures

_DEPTH = Figure(
    name="depth",
    title="How complex each layer is",
    words=(
        "A fully connected network on MNIST, before and after it was trained, on test examples; layer 0 is "
        "the image. A linear probe is a logistic regression on the layer. The R² of a unit is how much of "
        "it a linear function of the image’s first 50 principal components explains on other images. "
        "Pieces are those into which the network up to that layer cuts the line from one image to another; "
        "they are counted exactly."
    ),
    cell=_depth.cell,
    configs=_depth.configs,
    panels=_depth.panels,
    claims=_claims.DEPTH,
    data=("mnist",),
    cost=_depth.cost,
)

_EDGES = Figure(
    name="edges",
    title="The first layer",
    words=(
        "Filters of 7 × 7 pixels, before and after training. Each is shown waves of every orientation at "
        "the phase that suits it best; its selectivity is 1 if it answers to one orientation alone and 0 "
        "if to all alike. The mark is the median of random filters. “Averages” are of each filter with the "
        "one nearest to square to it, both scaled to answer alike. Answer: the mean over filters, by the "
        "angle from each one’s own orientation. The pictures are of the first seed: the filters that are "
        "most selective after training, the best first; how each began; what training added, which is the "
        "difference; and the average with its partner. Each is of its own largest weight, and those of "
        "CIFAR-10 are summed over the colours."
    ),
    cell=_edges.cell,
    configs=_edges.configs,
    panels=_edges.panels,
    claims=_claims.EDGES,
    data=("mnist", "cifar10"),
    cost=_edges.cost,
)

_SOUGHT = Figure(
    name="sought",
    title="What units look for",
    words=(
        "The network on MNIST of the first seed, layer by layer. The first layer’s filters are what it looks "
        "for, exactly. For the others images are sought from noise that excite one unit as much as possible "
        "for their size, by gradient ascent under small shifts: no image of a digit enters. A unit of layer "
        "2 is asked for its mean over all places, so that its image is a texture; one of the output has a "
        "whole image to itself."
    ),
    cell=_edges.cell,
    configs=_edges.sought_configs,
    panels=_pictures.layers,
    claims=_claims.SOUGHT,
    data=("mnist", "cifar10"),  # as in the figure before, so that they share their cells
    cost=_edges.cost,
)

_AVERAGING = Figure(
    name="averaging",
    title="The average of two edge detectors",
    words="An upright and a lying Gabor filter, and their average. Nothing is random: the numbers are exact.",
    cell=_averaging.cell,
    configs=_averaging.configs,
    panels=_averaging.panels,
    claims=_claims.AVERAGING,
)

STUDY = Study(
    name="features-by-depth",
    title="Features by depth",
    paper="Lecture notes “What do deep networks learn and when do they learn it”, 2021; after Olah et al., "
    "An Overview of Early Vision in InceptionV1, Distill 2020, and Alain & Bengio, Understanding "
    "Intermediate Layers Using Linear Classifier Probes, 2016, arXiv 1610.01644",
    link="https://distill.pub/2020/circuits/early-vision/",
    figures=(_DEPTH, _EDGES, _SOUGHT, _AVERAGING),
    deviations=(
        "Small networks on MNIST and CIFAR-10 instead of InceptionV1 on ImageNet; filters are judged by "
        "their answers to waves, not by eye.",
        "At quick scale MNIST has 14 × 14 pixels for the measures by depth (means of 2 × 2), 6,000 "
        "training examples and 4 hidden layers of 64; the measures are taken on 2,000 test examples, of "
        "which half fit the probes.",
        "How linear a layer is was to be read from the share of its units with R² above .9 on the pixels. "
        "In a trial with one seed that was 0 at every trained layer, so their mean R² took its place; and "
        "since pixels that are almost always black made that as low as −11 on other images, it is now on "
        "the first 50 principal components of the images. The share is in the record.",
        "At quick scale the first layer has 16 filters, trained on 6,000 examples of MNIST and 20,000 of "
        "CIFAR-10; with 6,000 of CIFAR-10, tried with one seed, they stayed nearly as they began.",
        "Images that units look for are sought with an l2 penalty of 0.001 for the second layer and of 0.05 "
        "for the outputs, chosen by eye among three values in a trial with one seed: with 0.05 hardly any "
        "unit of the second layer leaves 0.",
        "Colours are added up before a filter is shown a wave, so one that answers to colours alone counts "
        "as random.",
    ),
)
