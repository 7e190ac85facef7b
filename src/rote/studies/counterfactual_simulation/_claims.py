"""What counterfactual simulation was to show of nets and forests."""

from collections.abc import Callable
from functools import partial

from rote.studies._judge import Range, above, below
from rote.studies._study import Claim, Rows
from rote.studies.counterfactual_simulation import _measures as numbers

PAPER = "Chatterjee & Mishchenko 2020, experiment"
STEEP = "share lost of what is above chance, mean over all limits"
_ORDER = f"Smallest gap from one net to the next in the {STEEP}"


def claim(
    name: str,
    words: str,
    source: str | int,
    quantity: str,
    expected: Range,
    measure: Callable[[Rows], float],
    *,
    percent: bool = True,
) -> Claim:
    """A claim of an experiment, by its number, or from elsewhere."""
    where = f"{PAPER} {source}" if isinstance(source, int) else source
    return Claim(name, words, where, quantity, expected, measure, percent=percent)


def _about_structure(
    prefix: str, source: int, how: str, *, multiplier: str, xor: bool
) -> tuple[Claim, Claim]:
    """Another structure of the same nets: the order stays, the curves do not."""
    return (
        claim(
            f"{prefix}-keeps-the-order",
            f"{how}, the order is the same: permuted labels fall first, then the net trained for long.",
            source,
            _ORDER,
            above(0.0),
            partial(numbers.order, multiplier=multiplier, xor=xor),
        ),
        claim(
            f"{prefix}-moves-the-curves",
            f"{how}, the curves move: what CFS says depends on how a function is written.",
            source,
            "Largest distance between the curves of the two circuits of a net, over limits and nets; "
            "“move” is read as by over 2 points somewhere",
            above(0.02),
            partial(numbers.moved, multiplier=multiplier, xor=xor),
        ),
    )


NETS = (
    claim(
        "long-training-overfits",
        "The net trained for long is overfit, the one trained shortly is not.",
        "Chatterjee & Mishchenko 2020, §4",
        "Training less test accuracy after long training, minus that after short training",
        above(0.0),
        numbers.more_overfit,
    ),
    claim(
        "order-of-falling",
        "The curve of the net with permuted labels is the steepest, then that of the net trained for long, "
        "then that of the net trained shortly.",
        1,
        _ORDER,
        above(0.0),
        numbers.order,
    ),
    claim(
        "order-of-drops-at-64",
        "At l = 64 the same order holds; the paper reads off about 45, 20 and 1.4 points of accuracy lost.",
        1,
        "Smallest gap from one net to the next in the accuracy lost at l = 64 of 60,000 examples, or the "
        "limit nearest to that share of fewer",
        above(0.0),
        partial(numbers.order_of_drops, limit=64),
    ),
    claim(
        "honest-loses-little-at-64",
        "At l = 64 the net that is not overfit loses little (the paper: about 1.4 points).",
        1,
        "Accuracy lost there after short training; “little” is read as under 5 points",
        below(0.05),
        partial(numbers.drop, net="short", limit=64),
    ),
    claim(
        "all-fall-to-chance",
        "In the end all fall to chance.",
        1,
        "Largest accuracy at the last limit; 5 points above one in ten are allowed",
        below(numbers.FLOOR),
        numbers.highest_end,
    ),
)

ARRAYS = _about_structure("array", 2, "With array multipliers", multiplier="array", xor=True)

WITHOUT_XOR = (
    *_about_structure("no-xor", 3, "Without XOR gates", multiplier="shift-add", xor=False),
    claim(
        "structures-do-not-compare",
        "Circuits of different structure cannot be compared: by array multipliers the net that is not "
        "overfit looks worse at l = 256 than the overfit one without XOR.",
        3,
        "Accuracy lost at l = 256 of 60,000 (or that share of fewer), short by arrays minus long without XOR",
        above(0.0),
        numbers.worse_by_structure,
    ),
)

NO_RARE = (
    claim(
        "most-have-no-rare-value",
        "Even of permuted labels SGD does not memorise one by one: most examples have no value that they "
        "alone show (the paper: 54,094 of 60,000, 90 %).",
        4,
        "Share of examples without a 1-rare value, permuted labels; “most” is read as over half",
        above(0.5),
        partial(numbers.without_rare, net="random"),
    ),
    claim(
        "random-has-more-without",
        "There are slightly more of them after permuted labels than after long training on real ones.",
        4,
        "Share of examples without a 1-rare value, permuted labels minus long training",
        above(0.0),
        lambda rows: numbers.without_rare(rows, "random") - numbers.without_rare(rows, "long"),
    ),
)

FORESTS = (
    claim(
        "forests-in-order",
        "A forest that learned permuted labels falls faster than one that learned real ones.",
        5,
        f"Gap between the two forests in the {STEEP}",
        above(0.0),
        numbers.order_of_forests,
    ),
    claim(
        "forests-fall-more-slowly",
        "Both fall more slowly than every net, even one that is not overfit: families cannot be compared.",
        5,
        f"The net’s that loses least, minus the forest’s that loses most, of the {STEEP}",
        above(0.0),
        numbers.nets_above_forests,
    ),
)

NOISE = (
    claim(
        "noise-does-not-tell",
        "Under noise on every gate the net trained for long does not fall faster than that trained shortly.",
        6,
        f"Long minus short training in the {STEEP}; “not faster” is read as by under 2 points",
        below(0.02),
        lambda rows: (
            numbers.steepness(rows, "long", kind="noise") - numbers.steepness(rows, "short", kind="noise")
        ),
    ),
    claim(
        "noise-brings-nets-together",
        "The nets’ curves lie closer together under noise than under CFS.",
        6,
        f"Largest less smallest net in the {STEEP}: under CFS minus under noise",
        above(0.0),
        numbers.closer_under_noise,
    ),
    claim(
        "forests-stand-more-noise",
        "Forests stand far more noise than nets; the paper says about a thousand times as many flips.",
        6,
        "log2 of the probability of a flip at which half of what is above chance is lost: the weaker forest "
        "minus the strongest net; “far more” is read as 32 times, 5 bits",
        above(5.0),
        numbers.forests_stand,
        percent=False,
    ),
)
