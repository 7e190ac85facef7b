"""Edge detectors: which orientation a filter answers to, and how selectively."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import numbers
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


def gabor(size: int, angle: float, *, wavelength: float, width: float = np.inf, phase: float = 0.0) -> Floats:
    """A wave under a Gaussian bell: ``exp(-(x² + y²)/(2 width²)) · sin(2π u/wavelength + phase)``.

    u is the place along ``angle``, measured from the middle of the image: at angle 0 the wave runs along the
    rows and its stripes stand upright. Without a width it is a grating.

    Args:
        size: Pixels a side.
        angle: Where the wave runs to, in radians.
        wavelength: In pixels.
        width: Standard deviation of the bell, in pixels.
        phase: In radians; 0 makes an edge in the middle, π/2 a line.

    Returns:
        Shape ``[size, size]``.

    Raises:
        InputError: If a size is not positive.

    Example:
        >>> gabor(3, 0, wavelength=4).round(2) + 0.0
        array([[-1.,  0.,  1.],
               [-1.,  0.,  1.],
               [-1.,  0.,  1.]])
    """
    if not (size >= 1 and wavelength > 0 and width > 0):
        raise InputError(
            f"`size`, `wavelength` and `width` must be positive. Got {size}, {wavelength} and {width}."
        )
    place = np.arange(size) - (size - 1) / 2
    y, x = np.meshgrid(place, place, indexing="ij")
    along = x * np.cos(angle) + y * np.sin(angle)
    wave: Floats = np.exp(-(x**2 + y**2) / (2 * width**2)) * np.sin(2 * np.pi * along / wavelength + phase)
    return wave


def orientation_selectivity(responses: "ArrayLike | Tensor", angles: "ArrayLike | Tensor") -> Floats:
    """``|Σ r e^(2iθ)| / Σ r``: 1 if one orientation alone is answered to, 0 if all are alike.

    Args:
        responses: Shape ``[units, angles]``, none negative.
        angles: Shape ``[angles]``, in radians, evenly spaced over half a turn without its end.

    Returns:
        Shape ``[units]``; 0 for a unit that never answers.

    Raises:
        InputError: If shapes disagree or a response is negative.

    Example:
        >>> angles = np.arange(4) * np.pi / 4
        >>> orientation_selectivity([[0, 3, 0, 0], [1, 1, 1, 1]], angles).round(12).tolist()
        [1.0, 0.0]
    """
    theta = numbers("angles", angles, shape="[angles]", dimensions=1)
    r = numbers("responses", responses, shape="[units, angles]", dimensions=2)
    if r.shape[1] != len(theta) or r.min() < 0:
        raise InputError(
            f"`responses` must be {len(theta)} numbers a unit, one for each angle, and not negative. "
            f"Got shape {r.shape} with a least value of {r.min():.3g}."
        )
    total = r.sum(1)
    turned = np.abs(r @ np.exp(2j * theta))
    selectivity: Floats = np.divide(turned, total, out=np.zeros(len(r)), where=total > 0)
    return selectivity


@dataclass(frozen=True)
class Tuning:
    """What filters answer to waves of every orientation.

    Attributes:
        angles: Radians, shape ``[A]``.
        responses: The largest answer over the phases of the wave, shape ``[units, A]``.

    Example:
        >>> Tuning(np.array([0, np.pi / 2]), np.array([[3.0, 1.0]]))
        Tuning(units=1, selectivity=0.5)
    """

    angles: Floats
    responses: Floats

    @property
    def selectivity(self) -> Floats:
        """``|Σ r e^(2iθ)| / Σ r`` of each unit, shape ``[units]``."""
        return orientation_selectivity(self.responses, self.angles)

    @property
    def preferred(self) -> Floats:
        """The angle with the largest answer, radians, shape ``[units]``."""
        preferred: Floats = self.angles[self.responses.argmax(1)]
        return preferred

    @property
    def peak(self) -> Floats:
        """The largest answer, shape ``[units]``."""
        peak: Floats = self.responses.max(1)
        return peak

    def __repr__(self) -> str:
        return f"Tuning(units={len(self.responses)}, selectivity={self.selectivity.mean():.3g})"


def orientation_tuning(
    filters: "ArrayLike | Tensor",
    *,
    wavelength: float | None = None,
    width: float = np.inf,
    angles: int = 36,
) -> Tuning:
    """Answers of linear filters to waves of every orientation, at the phase that suits each best.

    The waves are those of :func:`gabor`, and grey: channels are added up. The average of an upright and a
    lying edge detector answers half as much as either, and to every orientation nearly alike.

    Args:
        filters: Shape ``[units, h, w]`` or ``[units, c, h, w]``, as :func:`rote.dynamics.first_layer_filters`
            gives them; h and w are equal.
        wavelength: Of the waves, in pixels; a filter's side unless given.
        width: Standard deviation of their bell, in pixels; a grating without.
        angles: How many orientations, evenly spaced over half a turn.

    Raises:
        InputError: If the filters are no squares, or fewer than two angles are wanted.

    Example:
        >>> edges = [gabor(11, angle, wavelength=7, width=3.75) for angle in (0, np.pi / 2)]
        >>> found = orientation_tuning([*edges, np.mean(edges, axis=0)], wavelength=7, width=3.75)
        >>> found.selectivity.round(2).tolist()
        [0.67, 0.67, 0.07]
    """
    given = np.ndim(filters) if not hasattr(filters, "ndim") else filters.ndim
    kernels = numbers("filters", filters, shape="[units, c, h, w]", dimensions=4 if given == 4 else 3)
    grey = kernels.sum(1) if given == 4 else kernels
    size = grey.shape[1]
    if grey.shape[2] != size or angles < 2:
        raise InputError(
            f"`filters` must be squares and `angles` at least 2. Got shape {kernels.shape} and {angles}."
        )
    theta = np.arange(angles) * np.pi / angles
    length = float(size) if wavelength is None else wavelength
    waves = np.array(
        [[gabor(size, a, wavelength=length, width=width, phase=p) for p in (0, np.pi / 2)] for a in theta]
    )
    parts = np.einsum("uij,apij->uap", grey, waves)
    return Tuning(theta, np.hypot(parts[..., 0], parts[..., 1]))  # the largest over all phases
