"""What the paper says, and where the number must lie for it to hold here."""

from rote.studies._judge import above, equal_to
from rote.studies._study import Claim
from rote.studies.generalization_mystery import _bound, _six, _training

_PAPER = "Chatterjee & Zielinski 2022, arXiv 2203.10036"

SIX = (
    Claim(
        "shared-gradient",
        "At the start the gradient of the coordinate that all four examples share is four times that of a "
        "coordinate that only one of them has.",
        f"{_PAPER}, §4.2",
        "Gradient of the shared coordinate over that of an example’s own",
        equal_to(4),
        _six.shared_over_own,
        exact=True,
    ),
    Claim(
        "solved-if-shared",
        "With the shared coordinate, training solves the test point too.",
        f"{_PAPER}, §4.2",
        "Share of the test point’s loss that is left at the end, real labels (0.2² by hand)",
        equal_to(0.04),
        lambda rows: _six.loss_left_of_test_point(rows, "real"),
        exact=True,
    ),
    Claim(
        "unsolved-if-not",
        "Without it, training does nothing for the test point.",
        f"{_PAPER}, §4.2",
        "Share of the test point’s loss that is left at the end, random labels",
        equal_to(1),
        lambda rows: _six.loss_left_of_test_point(rows, "random"),
        exact=True,
    ),
    Claim(
        "coherent-if-shared",
        "The examples help each other where they share the coordinate.",
        f"{_PAPER}, §4.2; the value, 20/8, by hand",
        "m-coherence of the four examples at the start, real labels",
        equal_to(2.5),
        lambda rows: _six.m_coherence(rows, "real"),
        exact=True,
    ),
    Claim(
        "orthogonal-if-not",
        "Without it every example helps itself alone.",
        f"{_PAPER}, §4.2; the value, 4/4, by hand",
        "m-coherence of the four examples at the start, random labels",
        equal_to(1),
        lambda rows: _six.m_coherence(rows, "random"),
        exact=True,
    ),
)

BOUND = (
    Claim(
        "bound-orders-noise",
        "Where examples help each other less, the bound is larger: it rises with label noise.",
        f"{_PAPER}, theorem, in the form with the gradients’ own size",
        "By how much log₁₀ of the bound rises from 0 to 50 to 100 % noise, at least; L and β the same for "
        "all runs",
        above(0.0),
        lambda rows: _bound.rise_with_noise(rows, measured=False),
    ),
    Claim(
        "gap-orders-noise",
        "And so is the gap between test and training loss.",
        f"{_PAPER}, what the theorem is to explain",
        "By how much test loss minus training loss rises from 0 to 50 to 100 % noise (on the test labels "
        "too), "
        "at least",
        above(0.0),
        lambda rows: _bound.rise_with_noise(rows, measured=True),
    ),
    Claim(
        "bound-falls-with-size",
        "The bound is smaller for more training examples.",
        f"{_PAPER}, theorem",
        "By how much log₁₀ of the bound falls from a number of examples to the next, without noise, at least",
        above(0.0),
        lambda rows: _bound.fall_with_size(rows, measured=False),
    ),
    Claim(
        "gap-falls-with-size",
        "And so is the gap.",
        f"{_PAPER}, what the theorem is to explain",
        "By how much test loss minus training loss falls from a number of examples to the next, at least",
        above(0.0),
        lambda rows: _bound.fall_with_size(rows, measured=True),
    ),
    Claim(
        "early-counts-more",
        "Coherence early in training counts more than late: early incoherence is amplified by all later "
        "steps.",
        f"{_PAPER}, theorem",
        "Share of the bound that the first tenth of the steps makes, the smallest over noise levels",
        above(0.1),
        _bound.early_share,
        percent=True,
    ),
)

STOPPING = (
    Claim(
        "test-peaks",
        "Under label noise the test accuracy peaks before the end: stopping early helps.",
        f"{_PAPER}, on early stopping",
        "Best test accuracy of all looks minus that at the end, 50 % noise; two points are the least that "
        "counts",
        above(0.02),
        _training.fall_after_peak,
        percent=True,
    ),
    Claim(
        "memorised-late",
        "What is fitted after the peak are the examples that nobody else helps: the corrupt ones.",
        f"{_PAPER}, on early stopping",
        "Share of corrupt labels fitted at the end minus that at the best test accuracy, 50 % noise; a "
        "fifth is "
        "the least that counts",
        above(0.2),
        _training.memorised_after_peak,
        percent=True,
    ),
)

DECAY = (
    Claim(
        "l2-suppresses",
        "L2 suppresses weak directions: the larger the penalty, the fewer corrupt labels are fitted.",
        f"{_PAPER}, on L2",
        "By how much the share of corrupt labels fitted at the end falls from a penalty to the next, at "
        "least, "
        "50 % noise",
        above(0.0),
        _training.corrupt_fall,
        percent=True,
    ),
    Claim(
        "l2-helps",
        "And the better it does on the test.",
        f"{_PAPER}, on L2",
        "Test accuracy at the end with the largest penalty minus that without one, 50 % noise",
        above(0.0),
        _training.gain_on_the_test,
        percent=True,
    ),
)

SPEED = (
    Claim(
        "noise-slows",
        "The more labels are wrong, the less examples help each other, and the more slowly they are learned.",
        f"{_PAPER}, on the speed of learning",
        "By how much the mean training accuracy over all looks falls from a noise level to the next, at "
        "least",
        above(0.0),
        _training.slowing,
        percent=True,
    ),
)
