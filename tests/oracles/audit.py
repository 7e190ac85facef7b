"""The audit's statistics the slow and obvious way: one example, one class, one look at a time."""

import itertools
import math

import numpy as np

FLOOR = 1e-3


def softmax(row):
    """Probabilities of one example."""
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [power / sum(powers) for power in powers]


def track(looks, y):
    """Every field of a Track from all the logits, kept: ``looks`` is a list of ``[m][C]``."""
    said = [[softmax(row) for row in logits] for logits in looks]
    m, classes = len(y), len(said[0][0])
    right = [[max(range(classes), key=p[i].__getitem__) == y[i] for p in said] for i in range(m)]
    loss = [[-math.log(max(p[i][y[i]], FLOOR)) for p in said] for i in range(m)]
    return {
        "looks": [len(looks)],
        "loss": [sum(values) for values in loss],
        "loss_last": [values[-1] for values in loss],
        "given": [sum(p[i][y[i]] for p in said) for i in range(m)],
        "given_squared": [sum(p[i][y[i]] ** 2 for p in said) for i in range(m)],
        "probability": [[sum(p[i][c] for p in said) for c in range(classes)] for i in range(m)],
        "log_probability": [
            [sum(math.log(max(p[i][c], FLOOR)) for p in said) for c in range(classes)] for i in range(m)
        ],
        "probability_last": said[-1],
        "first": [first_learned(row) for row in right],
        "good": [learned_for_good(row) for row in right],
    }


def first_learned(right):
    """Epoch of the first True, 0 for none."""
    return right.index(True) + 1 if True in right else 0


def learned_for_good(right):
    """Epoch from which on all are True, 0 for none."""
    for epoch in range(1, len(right) + 1):
        if all(right[epoch - 1 :]):
            return epoch
    return 0


def distance_to_class(neighbours, distances, belief, mass=10.0):
    """Mean distance of one example to the nearest ``mass`` believed examples of one class."""
    reached, total = 0.0, 0.0
    for j, distance in zip(neighbours, distances, strict=True):
        step = min(belief[j], mass - reached)
        reached += step
        total += step * distance
    return (total + (mass - reached) * distances[-1]) / mass


def agreement(neighbours, y, i, k):
    """Share of example i's k nearest that carry its label."""
    asked = list(neighbours[:k])
    return sum(y[j] == y[i] for j in asked) / len(asked)


def precision_over_all_orders(statistic, wrong):
    """Precision at k averaged over every order in which ties can be broken."""
    k, m = sum(wrong), len(statistic)
    found = []
    for tie_breaker in itertools.permutations(range(m)):
        order = sorted(range(m), key=lambda i, t=tie_breaker: (-statistic[i], t[i]))
        found.append(sum(wrong[i] for i in order[:k]) / k)
    return sum(found) / len(found)


def evidence(tracks, y, neighbours):
    """What :func:`rote.audit._evidence.gather` returns, by name, one example at a time."""
    index, distance = neighbours
    classes = tracks[0]["probability"].shape[1]
    looks = [int(t["looks"][0]) for t in tracks]
    belief = np.array(
        [
            [
                np.mean([t["probability"][i, c] / n for t, n in zip(tracks, looks, strict=True)])
                for c in range(classes)
            ]
            for i in range(len(y))
        ]
    )
    rows = [_one(tracks, looks, int(y[i]), i) for i in range(len(y))]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    found["belief"] = belief
    found["agreement"] = np.array([agreement(index[i], y, i, 10) for i in range(len(y))])
    found["input_distance"] = np.array(
        [
            [distance_to_class(index[i], distance[i], belief[:, c]) for c in range(classes)]
            for i in range(len(y))
        ]
    )
    return found


def _one(tracks, looks, label, i):
    inside = [k for k, t in enumerate(tracks) if not t["held_out"][i]]
    outside = [k for k, t in enumerate(tracks) if t["held_out"][i]]
    last = [tracks[k]["probability_last"][i] for k in range(len(tracks))]
    confidence = np.mean([tracks[k]["given"][i] / looks[k] for k in inside])
    squares = np.mean([tracks[k]["given_squared"][i] / looks[k] for k in inside])
    return {
        "mean_loss": np.mean([tracks[k]["loss"][i] / looks[k] for k in inside]),
        "last_loss": np.mean([-math.log(max(last[k][label], FLOOR)) for k in inside]),
        "held_out": np.mean([last[k] for k in outside], axis=0),
        "log_belief": np.mean(
            [t["log_probability"][i] / n for t, n in zip(tracks, looks, strict=True)], axis=0
        ),
        "confidence": confidence,
        "variability": math.sqrt(max(squares - confidence**2, 0.0)),
        "first": lower_median([tracks[k]["first"][i] for k in inside]),
        "good": lower_median([tracks[k]["good"][i] for k in inside]),
        "fitted": np.mean([last[k].argmax() == label for k in inside]),
        "inside_distance": np.mean([tracks[k]["representation_distance"][i] for k in outside], axis=0),
        "support": np.mean([tracks[k]["support"][i] for k in inside]),
        "support_same_label": np.mean([tracks[k]["support_same_label"][i] for k in inside]),
    }


def lower_median(epochs):
    """The lower of the two middle epochs, where 0 (never) is later than all others."""
    ordered = sorted(math.inf if epoch == 0 else epoch for epoch in epochs)
    middle = ordered[(len(ordered) - 1) // 2]
    return 0 if middle == math.inf else middle
