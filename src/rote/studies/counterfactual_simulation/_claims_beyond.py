"""What it was to show of partly random labels, of other ways to perturb, and of models that memorise."""

from functools import partial

from rote.studies._judge import above, below, between
from rote.studies.counterfactual_simulation import _measures as numbers
from rote.studies.counterfactual_simulation._claims import STEEP, claim

OWN = "A question of this study"
_ORDER = f"Smallest gap from one net to the next in the {STEEP}"
_CROSS = "Share of the pairs of nets 5 points or more apart whose curves cross above chance"

HALF = (
    claim(
        "half-curves-cross",
        "With half of the labels random, the CFS curves of nets trained for more and for fewer epochs cross.",
        7,
        f"{_CROSS}; all but a quarter are asked for",
        above(0.75),
        partial(numbers.share_crossing, net="half", kind="simple"),
    ),
    claim(
        "half-cross-at-half",
        "They cross at about 50 % accuracy: what is left is what the true labels teach.",
        7,
        "Mean accuracy at the crossings; “about” is read as within 10 points",
        between(0.4, 0.6),
        partial(numbers.crossing_point, net="half", kind="simple"),
    ),
    claim(
        "half-cross-at-one-point",
        "They cross at one point.",
        7,
        "Standard deviation of the accuracies at the crossings; “one point” is read as under 5 points",
        below(0.05),
        partial(numbers.crossing_spread, net="half", kind="simple"),
    ),
    claim(
        "noise-curves-do-not-cross",
        "Under noise on every gate the curves of the same nets do not cross.",
        7,
        f"{_CROSS}, under noise; “not” is read as under a quarter of the pairs",
        below(0.25),
        partial(numbers.share_crossing, net="half", kind="noise"),
    ),
)

THIRD = (
    claim(
        "third-cross-at-two-thirds",
        "With a third of the labels random they cross near two thirds.",
        7,
        "Mean accuracy at the crossings; “near” is read as within 10 points",
        between(0.567, 0.767),
        partial(numbers.crossing_point, net="third"),
    ),
    claim(
        "less-noise-crosses-higher",
        "The fewer labels are random, the higher the curves cross.",
        7,
        "Mean accuracy at the crossings with a third of the labels random, minus that with half",
        above(0.0),
        numbers.higher_with_less_noise,
    ),
)

COMPOSITE = (
    claim(
        "composite-like-simple",
        "Composite CFS gives curves very similar to those of Simple CFS.",
        8,
        "Mean distance between the two curves over limits and nets, half of the labels random; “very "
        "similar” is read as under 5 points",
        below(0.05),
        numbers.composite_from_simple,
    ),
    claim(
        "composite-crosses-at-half",
        "Its curves cross at about 50 % as well.",
        8,
        "Mean accuracy at the crossings; “about” is read as within 10 points",
        between(0.4, 0.6),
        partial(numbers.crossing_point, net="half", kind="composite"),
    ),
)

RANDOM = (
    claim(
        "random-like-simple",
        "Random values in the place of rare ones give results similar to those of opposite values.",
        "Chatterjee & Mishchenko 2020, §2",
        "Mean distance between the two curves over limits and the first three nets; “similar” is read as "
        "under 5 points",
        below(0.05),
        numbers.random_from_simple,
    ),
    claim(
        "random-keeps-the-order",
        "With random values the nets come in the same order.",
        "Chatterjee & Mishchenko 2020, §2",
        _ORDER,
        above(0.0),
        partial(numbers.order, kind="random"),
    ),
)


MEMORY = (
    claim(
        "table-at-chance-at-once",
        "Of a plain lookup table l = 1 leaves nothing but chance.",
        "Chatterjee & Mishchenko 2020, §2, Fig. 1",
        "Accuracy of the table at l = 1; 5 points above one in ten are allowed",
        below(numbers.FLOOR),
        partial(numbers.at_first, net="table"),
    ),
    claim(
        "luts-tell-noise-apart",
        "A network of lookup tables loses more of what it has above chance if its labels were permuted.",
        OWN,
        f"Permuted minus real labels in the {STEEP}",
        above(0.0),
        numbers.luts_apart,
    ),
    claim(
        "luts-stand-the-first-limit",
        "But l = 1 does next to nothing to it, though it memorises and nothing else.",
        OWN,
        "Accuracy lost at l = 1, the larger of real and permuted labels; “next to nothing” is read as under "
        "1 point",
        below(0.01),
        lambda rows: max(numbers.first_drop(rows, net) for net in ("luts-r", "luts-p")),
    ),
    claim(
        "balanced-tree-memorises",
        "A tree with balanced splits can be made to fit any labels.",
        "Chatterjee & Mishchenko 2020, §6",
        "Accuracy of the tree on the permuted labels that it was made from",
        above(0.99),
        partial(numbers.fitted, net="tree"),
    ),
    claim(
        "balanced-tree-hides-it",
        "As muxes it has few rare values: CFS does not see that it has memorised permuted labels.",
        "Chatterjee & Mishchenko 2020, §6",
        "Accuracy lost at l = 1; “does not see” is read as under 5 points",
        below(0.05),
        partial(numbers.first_drop, net="tree"),
    ),
    claim(
        "balanced-tree-looks-honest",
        "It loses less than a net that is not overfit.",
        OWN,
        f"The short-trained net’s minus the tree’s {STEEP}",
        above(0.0),
        lambda rows: numbers.steepness(rows, "short") - numbers.steepness(rows, "tree"),
    ),
)
