"""What learning needs of the memory, known before it is asked for."""

import os

from rote.errors import InputError
from rote.luts._recipe import Recipe


def bytes_needed(recipe: Recipe, *, m: int, inputs: int, networks: int = 1, jobs: int = 1) -> int:
    """Bytes at the peak of learning, from above, beside the examples as they were given.

    Packed inputs, the answers of two layers, the rows joined for counting, unpacked votes, the counts of one
    layer with what is computed from them, and the finished tables.

    Args:
        recipe: How to learn.
        m: How many examples there are.
        inputs: How many bits each has.
        networks: How many networks are kept.
        jobs: How many are learnt at a time.

    Example:
        >>> bytes_needed(Recipe(), m=60_000, inputs=784) >> 20
        51
    """
    k = min(recipe.k, 16)
    words = -(-m // 64)
    hidden = recipe.width if recipe.depth else 0
    packed = 8 * words * inputs
    rows = 8 * words * (2 * hidden + hidden + inputs + 2)
    counts = (recipe.width if recipe.depth else 1) * (56 << k)  # int64 by label, twice where weighed; tables
    tried = recipe.tries * recipe.width if recipe.tries > 1 else 0
    search = min(1 << 27, tried * (64 << k)) + tried * (4 * k + 8)
    chunk = min(recipe.width * recipe.tries * (8 << k), 1 << 26)
    examples = 40 * m + 128 * m * bool(recipe.boost or recipe.output != "table")
    tables = networks * (recipe.depth * recipe.width + 1) * (4 * k + max(8, (1 << k) // 8))
    return packed + jobs * (rows + counts + search + chunk + examples) + tables


def available() -> int:
    """Bytes of memory that are free or can be freed; a huge number where the system does not say.

    Example:
        >>> available() > 0
        True
    """
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 1 << 62


def check_memory(
    recipe: Recipe, *, m: int, inputs: int, networks: int, jobs: int = 1, limit: int | None = None
) -> None:
    """Refuse what does not fit, before anything is allocated.

    Args:
        recipe: How to learn.
        m: How many examples there are.
        inputs: How many bits each has.
        networks: How many networks are kept.
        jobs: How many are learnt at a time.
        limit: The most bytes to use; by default four fifths of what is available now.

    Raises:
        InputError: If it needs more.

    Example:
        >>> wide = Recipe(k=16, width=1 << 20)
        >>> check_memory(wide, m=1000, inputs=10, networks=1, limit=1 << 34)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        rote.errors.InputError: Learning `width=1048576` luts of `k=16` in each of `depth=5` layers from ...
    """
    needed = bytes_needed(recipe, m=m, inputs=inputs, networks=networks, jobs=jobs)
    most = available() * 4 // 5 if limit is None else limit
    if needed > most:
        raise InputError(
            f"Learning `width={recipe.width}` luts of `k={recipe.k}` in each of `depth={recipe.depth}` "
            f"layers from {m} examples of {inputs} bits needs {needed / 2**20:,.0f} MiB, and "
            f"{most / 2**20:,.0f} MiB may be used: choose a smaller `k` or `width`, or learn from fewer "
            f"examples."
        )
