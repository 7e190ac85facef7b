"""Several classes as yes-or-no questions: a code matrix, and the way back."""

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

CODES = ("one-vs-rest", "bits", "error-correcting")


def code_matrix(kind: str, classes: int, *, seed: int = 0) -> NDArray[np.bool_]:
    """Which questions each class answers with yes.

    Args:
        kind: ``"one-vs-rest"``: one question for each class; ``"bits"``: the binary digits of the class's
            number, the fewest questions; ``"error-correcting"`` (Dietterich and Bakiri 1995): twice as many
            random halves as there are classes, the farthest apart of some draws. Two classes: one question.
        classes: How many classes there are, at least 2.
        seed: Of the random halves.

    Returns:
        Shape ``[classes, questions]``, bool; rows differ.

    Raises:
        InputError: If there is no such code.

    Example:
        >>> code_matrix("bits", 4).astype(int).tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    if kind not in CODES:
        raise InputError(f"`codes` must be one of {', '.join(CODES)}. Got {kind!r:.80}.")
    numbers = np.arange(classes)
    if classes == 2:
        return np.asarray(numbers[:, None] == 1)
    if kind == "one-vs-rest":
        return np.eye(classes, dtype=np.bool_)
    if kind == "bits":
        return np.asarray((numbers[:, None] >> np.arange((classes - 1).bit_length())) & 1, np.bool_)
    rng = np.random.default_rng([seed, classes])
    draws = [_halves(rng, classes) for _ in range(200)]
    return max(draws, key=_closest)


def _halves(rng: np.random.Generator, classes: int) -> NDArray[np.bool_]:
    """Random halves of the classes as questions; classes that no question tells apart get their bits too."""
    halves = np.stack([rng.permutation(classes) < classes // 2 for _ in range(2 * classes)], axis=1)
    return halves if _closest(halves)[0] else np.hstack([halves, code_matrix("bits", classes)])


def _closest(code: NDArray[np.bool_]) -> tuple[int, int]:
    """The least distance between two classes, and, to be small, how many pairs have it."""
    apart = (code[:, None] != code[None]).sum(axis=2)[np.triu_indices(len(code), 1)]
    least = int(apart.min())
    return least, -int((apart == least).sum())


def decode(share: NDArray[np.float64], code: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Class probabilities from how much each question is answered with yes, as if answers were independent.

    Args:
        share: Shape ``[m, questions]``, strictly between 0 and 1.
        code: Shape ``[classes, questions]``.

    Returns:
        Shape ``[m, classes]``; rows sum to 1.

    Example:
        >>> decode(np.array([[0.9, 0.2]]), code_matrix("bits", 4)).round(2).tolist()
        [[0.08, 0.72, 0.02, 0.18]]
    """
    share = np.clip(share, 1e-12, 1 - 1e-12)
    logs = np.log(share) @ code.T.astype(float) + np.log1p(-share) @ (~code).T.astype(float)
    logs = np.round(logs, 9)  # equally probable classes stay equal, whatever order their sums were taken in
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
