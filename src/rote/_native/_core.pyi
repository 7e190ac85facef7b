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
def circuit_levels(inputs: int, fanins: NDArray[np.uint32], levels: NDArray[np.int32]) -> None: ...
def circuit_mark(inputs: int, fanins: NDArray[np.uint32], marks: NDArray[np.uint8]) -> None: ...
def circuit_rewrite(
    fanins: NDArray[np.uint32],
    tables: NDArray[np.uint8],
    became: NDArray[np.uint32],
    made: NDArray[np.uint32],
    xors: NDArray[np.uint8],
    first_new: int,
    share: bool,
) -> int: ...
def circuit_schedule(
    inputs: int,
    fanins: NDArray[np.uint32],
    xors: NDArray[np.uint8],
    drivers: NDArray[np.uint32],
    all: bool,
    code: NDArray[np.uint32],
    events: NDArray[np.uint32],
    reach: NDArray[np.int64],
) -> tuple[int, int, int]: ...
def circuit_simulate(
    code: NDArray[np.uint32],
    events: NDArray[np.uint32],
    slots: int,
    rows: NDArray[np.uint64],
    out: NDArray[np.uint64],
    ones: NDArray[np.uint32],
    m: int,
    span: tuple[int, int],
    vectors: int,
    random: tuple[int, int, int, int],
    thresholds: NDArray[np.uint64],
    xors: bool,
    threads: int,
    isa: str,
) -> None: ...
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
