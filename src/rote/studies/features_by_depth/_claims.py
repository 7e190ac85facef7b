"""What was to be seen: each claim one number of one seed's cells."""

from functools import partial

from rote.studies._judge import above, below, equal_to
from rote.studies._study import Claim
from rote.studies.features_by_depth import _averaging, _depth, _edges, _pictures

LECTURE = "Lecture notes “What do deep networks learn and when do they learn it”, 2021"
PROBES = "Alain & Bengio 2016, abstract"
CONTROL = "A control of this study"

DEPTH = (
    Claim(
        "probe-rises",
        "After training, the label can be read off a deep layer linearly better than off the first.",
        PROBES,
        "Test accuracy of a linear probe after training, last hidden layer minus first",
        above(0.0),
        partial(_depth.change, measure="probe", when="after"),
        percent=True,
    ),
    Claim(
        "probe-rises-everywhere",
        "It can be read better off every layer than off the one before.",
        PROBES,
        "Test accuracy of a linear probe after training, the smallest rise from a hidden layer to the next",
        above(0.0),
        partial(_depth.smallest_rise, measure="probe", when="after"),
        percent=True,
    ),
    Claim(
        "probe-falls-untrained",
        "It is training that does it: without, depth loses the label.",
        CONTROL,
        "Test accuracy of a linear probe before training, last hidden layer minus first",
        below(0.0),
        partial(_depth.change, measure="probe", when="before"),
        percent=True,
    ),
    Claim(
        "deeper-units-less-linear",
        "Units of deeper layers are more complex: less of them is linear in the input.",
        LECTURE,
        "Mean R² of units on 50 principal components of the images after training, last hidden layer minus "
        "first",
        below(0.0),
        partial(_depth.change, measure="r2", when="after"),
    ),
    Claim(
        "training-makes-units-less-linear",
        "They become more complex by training.",
        CONTROL,
        "Mean R² of units on 50 principal components of the images, mean over hidden layers, before "
        "training minus after",
        above(0.0),
        partial(_depth.lowered, measure="r2"),
    ),
    Claim(
        "training-cuts-finer",
        "Training cuts the lines between examples into more linear pieces.",
        CONTROL,
        "Mean number of pieces at the last hidden layer, after training over before",
        above(1.0),
        partial(_depth.grown, measure="pieces"),
    ),
    Claim(
        "deeper-on-fewer-dimensions",
        "After training, what a deep layer keeps lies on fewer dimensions than what the first does.",
        CONTROL,
        "TwoNN dimension after training, last hidden layer minus first",
        below(0.0),
        partial(_depth.change, measure="dimension", when="after"),
    ),
)


def _of_data(data: str) -> tuple[Claim, ...]:
    name = _edges.NAMES[data]
    return (
        Claim(
            f"{data}-filters-become-selective",
            f"{name}: training makes filters of the first layer answer to orientations.",
            LECTURE,
            "Mean orientation selectivity of the filters, after training minus before",
            above(0.0),
            partial(_edges.gained, data=data),
        ),
        Claim(
            f"{data}-edge-detectors",
            f"{name}: many of them are edge detectors.",
            "Olah et al. 2020, conv2d0 of InceptionV1: 44 % are Gabor filters",
            "Share of the filters more selective than 95 % of random ones; “many” is read as over 25 %",
            above(0.25),
            partial(_edges.detectors, data=data),
            percent=True,
        ),
        Claim(
            f"{data}-averages-lose-it",
            f"{name}: averages of two of them lose the selectivity.",
            LECTURE,
            "Mean orientation selectivity of the filters, minus that of averages of each with the one that "
            "is nearest to square to it",
            above(0.0),
            partial(_edges.lost, data=data),
        ),
    )


EDGES = (*_of_data("mnist"), *_of_data("cifar10"))

SOUGHT = (
    Claim(
        "sought-for-a-class-taken-for-it",
        "An image made for one output alone is taken for that class.",
        CONTROL,
        "Share of the ten images that the network gives to the class they were made for; “is taken” is read "
        "as over 90 %",
        above(0.9),
        _pictures.taken,
        percent=True,
    ),
)

AVERAGING = (
    Claim(
        "averaging-destroys-selectivity",
        "Features do not grow complex by averaging: the average of two edge detectors is none.",
        LECTURE,
        "Orientation selectivity of the average, over that of either; “destroys” is read as to under a "
        "quarter",
        below(0.25),
        _averaging.left,
        exact=True,
    ),
    Claim(
        "averaging-halves-the-answer",
        "The average answers half as much at best.",
        "Exact: the two do not answer to each other’s waves",
        "Largest answer of the average, over that of either",
        equal_to(0.5),
        _averaging.peak,
        exact=True,
    ),
)
