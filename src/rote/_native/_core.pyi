import numpy as np
from numpy.typing import NDArray

Factors = NDArray[np.float32] | NDArray[np.float64]

def instruction_sets() -> list[str]: ...
def and_counts(
    a: NDArray[np.uint64], b: NDArray[np.uint64], counts: NDArray[np.int64], threads: int, isa: str
) -> None: ...
def lut_counts(
    bits: NDArray[np.uint64],
    fanins: NDArray[np.int32],
    m: int,
    weights: NDArray[np.uint32],
    counts: NDArray[np.uint32],
    threads: int,
    isa: str,
) -> None: ...
def lut_outputs(
    bits: NDArray[np.uint64],
    fanins: NDArray[np.int32],
    m: int,
    tables: NDArray[np.uint64],
    out: NDArray[np.uint64],
    threads: int,
    isa: str,
) -> None: ...
def pack_columns(x: NDArray[np.uint8], out: NDArray[np.uint64], threads: int, isa: str) -> None: ...
def gf2_window(
    rows: NDArray[np.uint64],
    column: int,
    width: int,
    rank: int,
    leads: NDArray[np.uint8],
    threads: int,
    isa: str,
) -> int: ...
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
