"""The suspects: examples ranked by score, each with a suggested label and a sentence that says why."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rote.audit._evidence import Array, Evidence
from rote.data import Dataset


def suggested_labels(evidence: Evidence) -> NDArray[np.int64]:
    """What each label should be: the class that networks and neighbours believe in most.

    The votes are the belief of all networks, the word of those that never saw the example, and the share of
    each class among believed neighbours, equally.

    Returns:
        Shape ``[m]``; the given label where it gets most votes.
    """
    near = 1.0 / (evidence.input_distance + 1e-9) ** 2
    votes = evidence.belief + evidence.held_out + near / near.sum(1, keepdims=True)
    return np.asarray(votes.argmax(1), np.int64)


def why(evidence: Evidence, i: int, classes: Sequence[str], suggested: int, epochs: int) -> str:
    """One sentence that says what speaks against example i's label.

    Args:
        evidence: Of all examples.
        i: The example's row.
        classes: Class names.
        suggested: The suggested label.
        epochs: How long each network trained.

    Returns:
        The sentence.
    """
    given = int(evidence.y[i])
    others = round(10 * (1.0 - float(evidence.agreement[i])))
    held_out = evidence.held_out[i]
    says = int(held_out.argmax())
    clauses = []
    if others:
        clauses.append(f"{others} of its 10 nearest inputs carry another label")
    if says != given:
        clauses.append(
            f"a network that never saw it says “{classes[says]}” ({100 * held_out[says]:.0f} %, "
            f"its own label {100 * held_out[given]:.0f} %)"
        )
    first = int(evidence.first[i])
    if first == 0:
        clauses.append(f"its label was not learned in {epochs} epochs")
    elif first > 1:
        clauses.append(f"its label was first learned in epoch {first} of {epochs}")
    same = float(evidence.support_same_label[i])
    if np.isfinite(same) and same <= 0:
        clauses.append("the gradients of its label's other examples work against it")
    if not clauses:
        return "Nothing speaks loudly against its label; it is only less typical of it than most."
    text = clauses[0] if len(clauses) == 1 else ", ".join(clauses[:-1]) + " and " + clauses[-1]
    return text[0].upper() + text[1:] + "."


def rank(
    dataset: Dataset, evidence: Evidence, score: Array, statistic: Array, epochs: int
) -> list[dict[str, object]]:
    """All examples, most suspicious first, as records.

    Args:
        dataset: Whose examples.
        evidence: Of them.
        score: Probability that the label is wrong, shape ``[m]``.
        statistic: What to rank by, shape ``[m]``; the row decides ties.
        epochs: How long each network trained.

    Returns:
        One record an example, with the keys of ``suspects.csv``.
    """
    suggested = suggested_labels(evidence)
    order = np.lexsort((np.arange(len(score)), -statistic))
    rows: list[dict[str, object]] = []
    for place, i in enumerate(order.tolist(), start=1):
        given, other = int(dataset.y[i]), int(suggested[i])
        rows.append(
            {
                "rank": place,
                "id": str(dataset.ids[i]),
                "row": i,
                "given": dataset.classes[given],
                "suggested": None if other == given else dataset.classes[other],
                "score": round(float(score[i]), 4),
                "mean_loss": round(float(evidence.mean_loss[i]), 4),
                "last_loss": round(float(evidence.last_loss[i]), 4),
                "held_out_probability": round(float(evidence.held_out[i, given]), 4),
                "neighbour_agreement": round(float(evidence.agreement[i]), 2),
                "support_same_label": _rounded(float(evidence.support_same_label[i])),
                "first_learned": int(evidence.first[i]) or None,
                "learned_for_good": int(evidence.good[i]) or None,
                "why": why(evidence, i, dataset.classes, other, epochs),
            }
        )
    return rows


def _rounded(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None
