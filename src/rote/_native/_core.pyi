import numpy as np
from numpy.typing import NDArray

Factors = NDArray[np.float32] | NDArray[np.float64]

def instruction_sets() -> list[str]: ...
def and_counts(
    a: NDArray[np.uint64], b: NDArray[np.uint64], counts: NDArray[np.int64], threads: int, isa: str
) -> None: ...
def clamped(
    left: Factors,
    right: Factors,
    out: Factors,
    c: int,
    clamp: float,
    scale: float,
    threads: int,
    isa: str,
) -> None: ...
