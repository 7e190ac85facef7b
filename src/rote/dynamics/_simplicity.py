"""Data in which a simple feature and complex ones each tell the label: which of them does a model use?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rote.dynamics._slabs import linear_coordinate, slab_coordinate
from rote.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class PlantedData:
    """Examples whose features are known, and which of them are the simple ones.

    Attributes:
        X: Shape ``[m, d]`` or, for images, ``[m, channels, height, width]``, float32.
        y: Labels 0 and 1, shape ``[m]``, int64.
        simple: Places of the simple feature among the d coordinates, before they were rotated (of an image:
            flattened), int64.
        names: What each coordinate is, ``[d]``; empty for images.
        rotation: Shape ``[d, d]``: ``X = raw @ rotation.T``; None where nothing was rotated.
        note: What else there is to say, for example how many images were left out.

    Example:
        >>> lms(5, 100, d=4, seed=0)[:10]
        PlantedData(m=10: 1 x linear, 3 x 5-slab, rotated)
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    simple: NDArray[np.int64]
    names: tuple[str, ...] = ()
    rotation: NDArray[np.float64] | None = None
    note: str = ""

    @property
    def complex(self) -> NDArray[np.int64]:
        """Places of all other features."""
        return np.setdiff1d(np.arange(self.X[0].size), self.simple)

    @property
    def raw(self) -> NDArray[np.float64]:
        """The coordinates before the rotation, shape ``[m, d]``."""
        flat = self.X.reshape(len(self.X), -1).astype(np.float64)
        return flat if self.rotation is None else flat @ self.rotation

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: slice | NDArray[np.generic]) -> "PlantedData":
        """Some of the examples, with the same rotation: ``data[:500]`` to train, ``data[500:]`` to test."""
        return replace(self, X=self.X[rows], y=self.y[rows])

    def __repr__(self) -> str:
        kinds = ", ".join(f"{count} x {name}" for name, count in Counter(self.names).items())
        what = kinds or " x ".join(map(str, self.X.shape[1:]))
        turned = "" if self.rotation is None else ", rotated"
        return f"PlantedData(m={len(self)}: {what}{turned})"


def lms(k: int, m: int, *, d: int = 50, margin: float = 0.1, seed: int) -> PlantedData:
    """LMS-k: one linear coordinate and d - 1 k-slabs, each of which tells the label perfectly; rotated.

    Coordinates are independent given the label; labels are fair coins.

    Args:
        k: 3, 5 or 7.
        m: Examples; split them yourself, so that the rotation is the same.
        d: Coordinates.
        margin: Half the gap between the labels in each coordinate.
        seed: Of labels, coordinates and rotation.

    Raises:
        InputError: If an option is out of range.

    Example:
        >>> data = lms(5, 1000, d=10, seed=0)
        >>> data, bool(((data.raw[:, 0] > 0) == data.y).all())
        (PlantedData(m=1000: 1 x linear, 9 x 5-slab, rotated), True)
    """
    return _planted("linear", k, m, d, margin, seed)


def lms_hat(
    k: int, m: int, *, d: int = 50, noise: float = 0.1, margin: float = 0.1, seed: int
) -> PlantedData:
    """LMS-hat-k: as `lms`, but the linear coordinate is noisy: it alone allows ``1 - noise / 2`` at best.

    The d - 1 slabs allow everything; a model that cannot leave the simple feature stays at that share.

    Args:
        k: 3, 5 or 7.
        m: Examples.
        d: Coordinates.
        noise: Share of the examples that the linear coordinate does not tell.
        margin: Half the gap between the labels in each coordinate.
        seed: Of everything.

    Raises:
        InputError: If an option is out of range.

    Example:
        >>> data = lms_hat(7, 20_000, d=5, seed=0)
        >>> data, round(((data.raw[:, 0] > 0) == data.y).mean(), 2)
        (PlantedData(m=20000: 1 x noisy linear, 4 x 7-slab, rotated), np.float64(0.95))
    """
    return _planted("noisy linear", k, m, d, margin, seed, noise=noise)


def ms(k: int, complex_k: int, m: int, *, d: int = 50, margin: float = 0.1, seed: int) -> PlantedData:
    """MS-(k, complex_k): one k-slab and d - 1 complex_k-slabs; MS-k where both are k.

    Args:
        k: Of the simple coordinate: 3, 5 or 7.
        complex_k: Of the others.
        m: Examples.
        d: Coordinates.
        margin: Half the gap between the labels in each coordinate.
        seed: Of everything.

    Raises:
        InputError: If an option is out of range.

    Example:
        >>> ms(5, 7, 100, d=10, seed=0)
        PlantedData(m=100: 1 x 5-slab, 9 x 7-slab, rotated)
    """
    return _planted(f"{k}-slab", complex_k, m, d, margin, seed, simple_k=k)


def stripes(m: int, *, k: int = 5, noise: float | None = None, margin: float = 0.1, seed: int) -> PlantedData:
    """Stripes in the plane, rotated by 45 degrees: across a k-slab, along them nothing or a simpler feature.

    Args:
        m: Examples.
        k: Stripes: 3, 5 or 7.
        noise: None: along the stripes everything is uniform. A number: along them lies a noisy linear
            coordinate, which tells the label up to ``1 - noise / 2`` and is the simpler one: the stripes are
            as easy to represent as before, but learnt later.
        margin: Half the gap between the stripes.
        seed: Of everything.

    Returns:
        ``X`` of shape ``[m, 2]``; coordinate 0 runs along the stripes, coordinate 1 across.

    Raises:
        InputError: If an option is out of range.

    Example:
        >>> stripes(100, seed=0).names, stripes(100, noise=0.1, seed=0).names
        (('uniform', '5-slab'), ('noisy linear', '5-slab'))
    """
    rng = _generator(m, 2, seed)
    y = rng.integers(0, 2, m)
    across = slab_coordinate(y, k, rng, margin=margin)
    along = rng.uniform(-1, 1, m) if noise is None else linear_coordinate(y, rng, margin=margin, noise=noise)
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    return _rotated([along, across], y, ("uniform" if noise is None else "noisy linear", f"{k}-slab"), turn)


def _planted(
    name: str, k: int, m: int, d: int, margin: float, seed: int, *, noise: float = 0.0, simple_k: int = 0
) -> PlantedData:
    from scipy.stats import special_ortho_group  # takes long to import

    rng = _generator(m, d, seed)
    y = rng.integers(0, 2, m)
    first = (
        slab_coordinate(y, simple_k, rng, margin=margin)
        if simple_k
        else linear_coordinate(y, rng, margin=margin, noise=noise)
    )
    others = [slab_coordinate(y, k, rng, margin=margin) for _ in range(d - 1)]
    rotation = special_ortho_group.rvs(d, random_state=rng)
    return _rotated([first, *others], y, (name, *[f"{k}-slab"] * (d - 1)), rotation)


def _generator(m: int, d: int, seed: int) -> np.random.Generator:
    if m < 1 or d < 2 or seed < 0:
        raise InputError(f"`m` must be at least 1, `d` 2 and `seed` 0. Got m={m}, d={d}, seed={seed}.")
    return np.random.default_rng(seed)


def _rotated(
    columns: Sequence[NDArray[np.float64]],
    y: NDArray[np.int64],
    names: tuple[str, ...],
    rotation: NDArray[np.float64],
) -> PlantedData:
    X = np.stack(columns, axis=1) @ rotation.T
    simple = np.zeros(1, np.int64)
    return PlantedData(X.astype(np.float32), y.astype(np.int64), simple, names, rotation)
