"""The verdict: learning or memorising, in words, by a rule that is written down."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rote.audit._interval import Interval, interval

FITS_NOTHING = 0.1
LEARNS_NOTHING = 0.1
MOSTLY = 0.8

RULE = (
    "Each network is judged on the labels it was given, once on the examples it trained on and once on the "
    "part it never saw. Both accuracies are counted above chance (always saying the commonest class) and as "
    "a share of what is left above chance. Learned: the share it predicts for labels it never saw; only what "
    "examples have in common can do that. Memorised: what it predicts of its own training labels beyond "
    f"that. Not fitted: the rest. Neither: less than {FITS_NOTHING:.0%} is fitted. Memorising: less is "
    f"learned than memorised, and it is less than {LEARNS_NOTHING:.0%} or its interval reaches down to "
    f"0. Learning: at least {MOSTLY:.0%} of what is fitted is learned. Learning and memorising: anything "
    "between."
)


@dataclass(frozen=True)
class Split:
    """The given labels, split in three shares that sum to 1.

    Attributes:
        learned: Predicted without having been seen.
        memorised: Predicted only because they were seen.
        unfitted: Not predicted.
    """

    learned: Interval
    memorised: Interval
    unfitted: Interval


def split_labels(trained: Sequence[float], held_out: Sequence[float], chance: float) -> Split:
    """Shares learned, memorised and not fitted, above chance.

    Args:
        trained: Each run's accuracy on the labels it trained on.
        held_out: Each run's accuracy on the given labels of the part it never saw.
        chance: Share of the commonest class.

    Returns:
        The shares; ``learned`` may fall below 0 by chance.

    Example:
        >>> split = split_labels([1.0, 1.0], [0.55, 0.55], chance=0.1)
        >>> round(split.learned.value, 3), round(split.memorised.value, 3), round(split.unfitted.value, 3)
        (0.5, 0.5, 0.0)
    """
    room = 1.0 - chance
    seen, unseen = np.asarray(trained, float), np.asarray(held_out, float)
    return Split(
        interval(((unseen - chance) / room).tolist()),
        interval(((seen - unseen) / room).tolist()),
        interval(((1.0 - seen) / room).tolist()),
    )


def judge(split: Split) -> str:
    """The word for a split, by ``RULE``.

    Returns:
        ``"learning"``, ``"learning and memorising"``, ``"memorising"`` or ``"neither"``.

    Example:
        >>> judge(split_labels([1.0, 1.0], [0.1, 0.1], chance=0.1))
        'memorising'
        >>> judge(split_labels([0.99, 0.98], [0.95, 0.94], chance=0.1))
        'learning'
    """
    learned, memorised = split.learned.value or 0.0, split.memorised.value or 0.0
    fitted = learned + memorised
    if fitted < FITS_NOTHING:
        return "neither"
    unsure = split.learned.low is not None and split.learned.low <= 0
    if learned < memorised and (learned < LEARNS_NOTHING or unsure):
        return "memorising"
    return "learning" if learned >= MOSTLY * fitted else "learning and memorising"


def headline(word: str, split: Split) -> str:
    """The verdict in a sentence.

    Example:
        >>> split = split_labels([1.0, 1.0], [0.55, 0.55], chance=0.1)
        >>> headline(judge(split), split).split(": ")[0]
        'It is learning, and memorising too'
    """
    learned = max(split.learned.value or 0.0, 0.0)
    memorised = max(split.memorised.value or 0.0, 0.0)
    if word == "learning":
        return (
            f"It is learning: {learned:.0%} of the labels are predicted without having been seen, and "
            f"only {memorised:.0%} because they were."
        ).replace("%", " %")
    if word == "memorising":
        return (
            f"It is memorising: {memorised:.0%} of the labels are predicted because they were seen, and "
            f"{learned:.0%} without."
        ).replace("%", " %")
    if word == "neither":
        return (
            f"Neither: it has fitted only {max(learned + memorised, 0.0):.0%} of the labels; train longer, "
            "or with another learning rate."
        ).replace("%", " %")
    return (
        f"It is learning, and memorising too: it predicts {learned:.0%} of the labels without having "
        f"seen them and another {memorised:.0%} only because it has."
    ).replace("%", " %")
