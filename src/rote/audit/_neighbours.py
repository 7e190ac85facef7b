"""How far an example is from each class, in the space of inputs and as a network represents it.

Neighbours count by what is believed of them: a neighbour that the networks call a 3 with probability 0.9 is
0.9 of a 3, whatever its label says. So a wrong label next door does little harm.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

MASS = 10.0
"""Believed examples of a class that make up its distance."""
REACH = 200
"""Nearest examples that are looked at for them."""
_COMPONENTS = 50
_AT_MOST = 20_000


def input_space(x: NDArray[np.generic]) -> NDArray[np.float32]:
    """Inputs as points: flattened, and turned to their first 50 principal components where they have more.

    Args:
        x: Raw inputs, shape ``[m, …]``.

    Returns:
        Shape ``[m, d]``, d at most 50.

    Example:
        >>> input_space(np.zeros((4, 1, 8, 8), np.uint8)).shape
        (4, 4)
    """
    flat = x.reshape(len(x), -1).astype(np.float32)
    if flat.shape[1] <= _COMPONENTS:
        return flat
    pca = PCA(min(_COMPONENTS, len(flat)), random_state=0, svd_solver="covariance_eigh")
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # of inputs that are all alike: shares of no variance
        pca.fit(flat[:: max(1, len(flat) // _AT_MOST)])
    return np.asarray(pca.transform(flat), np.float32)


def nearest(points: NDArray[np.float32], reach: int = REACH) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The nearest other examples of each, and how far they are.

    Args:
        points: Shape ``[m, d]``.
        reach: How many.

    Returns:
        Indices and Euclidean distances, nearest first, both ``[m, min(reach, m - 1)]``.

    Example:
        >>> index, distance = nearest(np.array([[0.0], [1.0], [5.0]], np.float32))
        >>> index.tolist(), distance.tolist()
        ([[1, 2], [0, 2], [1, 0]], [[1.0, 5.0], [1.0, 4.0], [4.0, 5.0]])
    """
    search = NearestNeighbors(n_neighbors=min(reach, len(points) - 1), algorithm="brute").fit(points)
    distance, index = search.kneighbors()
    return index.astype(np.int32), distance.astype(np.float32)


def distances_to_classes(
    index: NDArray[np.int32], distance: NDArray[np.float32], belief: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean distance to the nearest ten believed examples of each class.

    Going outwards, each neighbour adds its belief in a class to that class until ten are reached; what is
    still missing at the last neighbour counts as lying at that distance.

    Args:
        index: Neighbours, nearest first, shape ``[m, r]``.
        distance: Their distances, shape ``[m, r]``.
        belief: Probability of each class for each example that may be a neighbour, shape ``[n, C]``.

    Returns:
        Shape ``[m, C]``.

    Example:
        >>> index, distance = np.array([[1, 2]], np.int32), np.array([[1.0, 3.0]], np.float32)
        >>> belief = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
        >>> distances_to_classes(index, distance, belief).round(3)  # (1 + 9·3) / 10, and 10·3 / 10
        array([[2.8, 3. ]], dtype=float32)
    """
    found = np.empty((len(index), belief.shape[1]), np.float32)
    for start in range(0, len(index), 2000):
        part = slice(start, start + 2000)
        for c in range(belief.shape[1]):
            within = np.minimum(np.cumsum(belief[index[part], c], axis=1), MASS)
            step = np.diff(within, axis=1, prepend=0.0)
            total = (step * distance[part]).sum(1) + (MASS - within[:, -1]) * distance[part, -1]
            found[part, c] = total / MASS
    return found


def class_distances(
    points: NDArray[np.float32], others: NDArray[np.float32], belief: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distances of points to the classes of other points.

    Args:
        points: Shape ``[m, d]``.
        others: Shape ``[n, d]``.
        belief: Probability of each class for each of ``others``, shape ``[n, C]``.

    Returns:
        Shape ``[m, C]``.

    Example:
        >>> here, there = np.zeros((1, 1), np.float32), np.ones((4, 1), np.float32)
        >>> class_distances(here, there, np.eye(2, dtype=np.float32)[[0, 0, 1, 1]])
        array([[1., 1.]], dtype=float32)
    """
    search = NearestNeighbors(n_neighbors=min(REACH, len(others)), algorithm="brute").fit(others)
    distance, index = search.kneighbors(points)
    return distances_to_classes(index.astype(np.int32), distance.astype(np.float32), belief)


def label_agreement(index: NDArray[np.int32], y: NDArray[np.int64], k: int = 10) -> NDArray[np.float64]:
    """Share of the k nearest examples that carry the same label.

    Args:
        index: Neighbours, nearest first, shape ``[m, r]``.
        y: Labels, shape ``[m]``.
        k: How many to ask.

    Returns:
        Shape ``[m]``.

    Example:
        >>> label_agreement(np.array([[1, 2], [0, 2], [1, 0]], np.int32), np.array([0, 0, 1]), k=2).tolist()
        [0.5, 0.5, 0.0]
    """
    return np.asarray((y[index[:, :k]] == y[:, None]).mean(1))


@torch.no_grad()
def representation(model: nn.Module, x: Tensor, *, chunk: int = 1000) -> NDArray[np.float32]:
    """What goes into the last linear layer, scaled to length 1; the outputs where there is no such layer.

    Args:
        model: Any module called as ``model(x)``.
        x: Inputs, shape ``[m, …]``.
        chunk: Examples a call.

    Returns:
        Shape ``[m, d]``.

    Example:
        >>> net = nn.Sequential(nn.Identity(), nn.Linear(2, 3))
        >>> representation(net, torch.tensor([[3.0, 4.0]]))
        array([[0.6, 0.8]], dtype=float32)
    """
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]
    caught: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _, args: caught.append(args[0])) for layer in last]
    was_training, parts = model.training, []
    model.eval()
    try:
        for part in x.split(chunk):
            caught.clear()
            out = model(part)
            inside = caught[-1] if caught and len(caught[-1]) == len(part) else out
            parts.append(inside.flatten(1).float().cpu())
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    joined = torch.cat(parts)
    return np.asarray((joined / joined.norm(dim=1, keepdim=True).clamp_min(1e-9)).numpy())
