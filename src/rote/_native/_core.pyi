import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> list[str]: ...
def and_counts(
    a: NDArray[np.uint64], b: NDArray[np.uint64], counts: NDArray[np.int64], threads: int, isa: str
) -> None: ...
