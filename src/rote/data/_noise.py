"""Label noise: a transformation of a dataset that remembers which labels it changed."""

import math
from dataclasses import replace
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from rote.data._dataset import Dataset
from rote.errors import InputError

NoiseKind = Literal["permute", "uniform", "pair", "instance"]
NOISE_KINDS: tuple[NoiseKind, ...] = get_args(NoiseKind)

_NEIGHBOURS = 10
_DIMENSIONS = 50
_FIT_ON = 5_000
_PER_CLASS = 2_000

_T = TypeVar("_T", bound=np.generic)


def parse_noise(text: str) -> tuple[NoiseKind, float]:
    """Kind and rate of ``"kind:rate"``.

    Raises:
        InputError: If the kind is unknown or the rate is no number from 0 to 1.

    Example:
        >>> parse_noise("uniform:0.2")
        ('uniform', 0.2)
    """
    kind, _, rate = text.partition(":")
    try:
        value = float(rate)
    except ValueError:
        value = math.nan
    if kind not in NOISE_KINDS or not 0 <= value <= 1:
        raise InputError(
            f"`label_noise` must be KIND:RATE with a kind of {', '.join(NOISE_KINDS)} and a rate from 0 to "
            f"1, "
            f"for example uniform:0.2, not {text!r:.60}."
        )
    return kind, value


def plant(dataset: Dataset, kind: NoiseKind, rate: float, *, seed: int) -> Dataset:
    """The same examples under partly wrong labels; ids and inputs stay, ``true_y`` keeps the earliest labels.

    With m examples, C classes and rate ε:

    * ``permute``: each example is selected with probability ε; the labels of the selected are permuted among
      them. Of the selected, the share Σ p_c² (1/C for balanced classes) keeps its label by chance.
    * ``uniform``: each is selected with probability ε; its label is drawn anew from all C, so it may stay.
    * ``pair``: each is selected with probability ε; class c becomes c + 1, the last class the first.
    * ``instance``: exactly round(ε·m) examples, those nearest to another class first, get the label of that
      class (see `nearness_to_other_class`). Nothing is drawn: ``seed`` does not matter.

    Args:
        dataset: What to plant on; it may hold noise already.
        kind: One of `NOISE_KINDS`.
        rate: ε, from 0 to 1.
        seed: Decides the selection and the labels drawn.

    Returns:
        A dataset with new ``y`` and with ``noise`` set to, for example, ``"uniform:0.2 seed 0"``.

    Raises:
        InputError: If the kind is unknown, the rate is not in 0 to 1, the seed is negative, or the dataset
            names fewer than two classes.

    Example:
        >>> y = np.arange(1000) % 2
        >>> d = Dataset("toy", np.zeros((1000, 1), np.float32), y, np.arange(1000), ("a", "b"))
        >>> noisy = plant(d, "pair", 0.3, seed=0)
        >>> noisy.noise, abs(noisy.proper_accuracy - 0.7) < 0.05, bool((noisy.true_y == y).all())
        ('pair:0.3 seed 0', True, True)
    """
    parse_noise(f"{kind}:{rate}")
    if seed < 0:
        raise InputError(f"`seed` must be 0 or more, not {seed}.")
    if len(dataset.classes) < 2:
        raise InputError(f"`{dataset.name}` must have at least two classes for labels to be wrong.")
    text = f"{kind}:{rate} seed {seed}"
    y = _instance(dataset, rate) if kind == "instance" else _random(dataset, kind, rate, seed)
    return replace(dataset, y=y, noise=f"{dataset.noise}, {text}" if dataset.noise else text)


def _random(dataset: Dataset, kind: NoiseKind, rate: float, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng([seed, NOISE_KINDS.index(kind)])
    selected = np.flatnonzero(rng.random(len(dataset)) < rate)
    y, classes = dataset.y.copy(), len(dataset.classes)
    if kind == "permute":
        y[selected] = y[rng.permutation(selected)]
    elif kind == "uniform":
        y[selected] = rng.integers(classes, size=len(selected))
    else:
        y[selected] = (y[selected] + 1) % classes
    return y


def _instance(dataset: Dataset, rate: float) -> NDArray[np.int64]:
    count = round(rate * len(dataset))
    y = dataset.y.copy()
    if count:
        score, other = nearness_to_other_class(dataset)
        # A stable order: of equally near examples the one in the earlier row is relabelled.
        chosen = np.argsort(-score, kind="stable")[:count]
        y[chosen] = other[chosen]
    return y


def nearness_to_other_class(dataset: Dataset) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How near each example is to another class, and to which.

    The inputs are projected onto their first 50 principal components (fitted on at most 5,000 rows, evenly
    spaced). ``d_c`` is the mean distance to the 10 nearest examples of class c (all of them if there are
    fewer), among at most 2,000 of that class, evenly spaced in row order, and never counting the example
    itself. With ``own`` the distance to the own class and ``d_c`` that to the nearest other class, the score
    is ``own / (own + d_c)``: above 1/2 the other class is the nearer one. Nothing in it is random, and the
    number of threads changes nothing.

    Args:
        dataset: Needs examples of at least two classes.

    Returns:
        The score in [0, 1], shape ``[m]``, and the nearest other class, shape ``[m]``.

    Raises:
        InputError: If fewer than two classes have examples.

    Example:
        >>> X = np.array([[0.0], [1.0], [4.0], [9.0]], np.float32)
        >>> toy = Dataset("toy", X, np.array([0, 0, 1, 1]), np.arange(4), ("a", "b"))
        >>> score, other = nearness_to_other_class(toy)
        >>> score.round(2).tolist(), other.tolist()
        ([0.13, 0.15, 0.59, 0.37], [1, 1, 0, 0])
    """
    present = np.unique(dataset.y)
    if len(present) < 2:
        raise InputError(f"`{dataset.name}` must hold examples of two classes for one to be near another.")
    Z = _projected(dataset.inputs().reshape(len(dataset), -1))
    distance = np.stack([_mean_distance(Z, np.flatnonzero(dataset.y == c)) for c in present], axis=1)
    rows, own_column = np.arange(len(Z)), np.searchsorted(present, dataset.y)
    own = distance[rows, own_column]
    distance[rows, own_column] = np.inf
    nearest = distance.argmin(axis=1)
    d = distance[rows, nearest]
    with np.errstate(invalid="ignore"):
        score = own / (own + d)
    score[np.isinf(own)] = 1.0  # the only one of its class
    score[own + d == 0] = 0.5  # copies of it stand in both classes
    return score, present[nearest]


def _projected(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inputs ``[m, d]`` in at most 50 principal components; alike for any number of threads."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    dimensions = min(_DIMENSIONS, *flat.shape)
    if flat.shape[1] <= _DIMENSIONS:
        return flat
    with threadpool_limits(limits=1):
        pca = PCA(dimensions, svd_solver="randomized", random_state=0).fit(_evenly(flat, _FIT_ON))
        return np.asarray(pca.transform(flat), np.float32)


def _mean_distance(Z: NDArray[np.float32], members: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean distance of each row of ``Z`` to its nearest among ``members``, never itself; inf if none."""
    from sklearn.neighbors import NearestNeighbors

    members = _evenly(members, _PER_CLASS)
    k = min(_NEIGHBOURS + 1, len(members))
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(Z[members])
    distance, index = found.kneighbors(Z)
    itself = members[index] == np.arange(len(Z))[:, None]
    # Of k + 1 neighbours one goes: the example itself where it is a member, else the farthest if k stay.
    dropped = np.where(itself.any(axis=1), itself.argmax(axis=1), k - 1 if k > _NEIGHBOURS else -1)
    keep = np.arange(k)[None, :] != dropped[:, None]
    with np.errstate(invalid="ignore"):
        mean = np.where(keep, distance, 0.0).sum(axis=1) / keep.sum(axis=1)
    return np.where(keep.any(axis=1), mean, np.inf)


def _evenly(rows: NDArray[_T], most: int) -> NDArray[_T]:
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]
