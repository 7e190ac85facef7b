"""Linear equations over GF(2): one solution, many, or none, with a proof."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote._native import and_counts, gf2_echelon, pack_bits, pack_columns
from rote.dynamics._given import array
from rote.errors import InputError

Kind = Literal["unique", "underdetermined", "inconsistent"]
Rows = NDArray[np.uint64]


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """What elimination found; ``str`` says it in words.

    Attributes:
        x: Shape ``[unknowns]``, uint8, 0 or 1. Where there are many solutions, the one whose free unknowns
            are 0; where there is none, the best one tried.
        kind: Whether one x solves all equations, several, or none.
        equations: m.
        unknowns: n.
        rank: Of the left-hand sides.
        violated: Equations that ``x`` does not satisfy; 0 unless inconsistent.
        certificate: Rows that add up to 0 = 1, int64: the proof that there is no solution; else empty.

    Example:
        >>> print(solve_gf2([[1, 1, 0], [0, 1, 1]], [1, 0]))
        2 solutions: 2 equations of rank 2 in 3 unknowns; in `x` the free one is 0
    """

    x: NDArray[np.uint8]
    kind: Kind
    equations: int
    unknowns: int
    rank: int
    violated: int
    certificate: NDArray[np.int64]
    _echelon: Rows
    _leads: NDArray[np.int64]
    _tries: int

    @property
    def free(self) -> int:
        """Unknowns that the equations leave free: the dimension of the null space."""
        return self.unknowns - self.rank

    def null_space(self) -> NDArray[np.uint8]:
        """A basis of what can be added to a solution, shape ``[free, unknowns]``, uint8.

        In each row one free unknown is 1. It costs at most rank · unknowns · free / 64 word operations.

        Example:
            >>> solve_gf2([[1, 1, 0], [0, 1, 1]], [1, 0]).null_space().tolist()
            [[1, 1, 1]]
        """
        free = np.setdiff1d(np.arange(self.unknowns), self._leads)
        # Bit f of row j: whether unknown j is 1 where the f-th free unknown is.
        depends = np.zeros((self.unknowns, -(-len(free) // 64)), np.uint64)
        depends[free] = pack_bits(np.eye(len(free), dtype=bool))
        for row, lead in zip(self._echelon[self.rank - 1 :: -1], self._leads[::-1], strict=False):
            others = _bits(row, self.unknowns)
            others[lead] = 0
            depends[lead] = np.bitwise_xor.reduce(depends[others.astype(bool)], axis=0)
        return _bits(depends, len(free)).T.copy()

    def to_dict(self) -> dict[str, Any]:
        """The fields, JSON-ready, and the sentence."""
        return {
            "kind": self.kind,
            "equations": self.equations,
            "unknowns": self.unknowns,
            "rank": self.rank,
            "violated": self.violated,
            "x": self.x.tolist(),
            "certificate": self.certificate.tolist(),
            "words": str(self),
        }

    def __repr__(self) -> str:
        return (
            f"Solution(kind={self.kind!r}, equations={self.equations}, unknowns={self.unknowns}, "
            f"rank={self.rank}, violated={self.violated})"
        )

    def __str__(self) -> str:
        system = f"{self.equations} equations of rank {self.rank} in {self.unknowns} unknowns"
        if self.kind == "unique":
            return f"one solution: {system}"
        if self.kind == "underdetermined":
            count = 1 << self.free if self.free < 20 else f"2^{self.free}"
            ones = "the free one is" if self.free == 1 else f"the {self.free} free ones are"
            return f"{count} solutions: {system}; in `x` {ones} 0"
        others = self.equations - self.rank
        tries = "the one tried" if self._tries == 1 else f"the best of {self._tries} tried"
        return (
            f"no solution: {system}, of which the {len(self.certificate)} in `certificate` add up to 0 = 1, "
            f"so some right-hand sides are wrong and elimination, which trusts each of them, fails; {tries} "
            f"satisfies {self.rank} by construction and violates {self.violated} of the other {others}, "
            f"{self._judged()}"
        )

    def _judged(self) -> str:
        others = self.equations - self.rank
        if self.violated < others / 2 - 2 * np.sqrt(others):
            return "far fewer than a guess would: it may be the answer, and those the wrong ones"
        return "no fewer than a guess might"


def solve_gf2(
    A: ArrayLike,
    b: ArrayLike,
    *,
    unknowns: int | None = None,
    tries: int = 1,
    seed: int = 0,
    threads: int = 1,
) -> Solution:
    """Solve ``A x = b`` modulo 2 by elimination on packed words, 10,000 unknowns in a second.

    Inconsistent equations are answered with a proof (found by solving ``A^T c = 0, b^T c = 1``, which has a
    solution just where ``A x = b`` has none) and with the best x of some tries: each solves the first
    independent equations of a random order, and is right if all of those are. With n unknowns and a share η
    of wrong right-hand sides a try succeeds with probability about ``(1 - η)^n``; then it violates a share η.
    Learning parities with noise is believed to be hard.

    Args:
        A: Shape ``[m, n]``, 0 and 1 (bool or integers); or packed rows, uint64, ``[m, ceil(n / 64)]``, if
            ``unknowns`` is given.
        b: Shape ``[m]``, 0 and 1.
        unknowns: n, for packed rows.
        tries: Orders tried if there is no solution, the given one first.
        seed: Of the other orders.
        threads: Threads to use.

    Returns:
        The solution, and what kind it is.

    Raises:
        InputError: If shapes disagree, or a number is neither 0 nor 1.

    Example:
        >>> found = solve_gf2([[1, 1], [0, 1], [1, 0]], [1, 1, 0])
        >>> found.kind, found.x.tolist()
        ('unique', [0, 1])
        >>> solve_gf2([[1, 1], [0, 1], [1, 0]], [1, 1, 1]).certificate.tolist()
        [0, 1, 2]
    """
    rows, n = _augmented(A, b, unknowns)
    if tries < 1:
        raise InputError(f"`tries` must be at least 1. Got {tries}.")
    echelon, leads = gf2_echelon(rows, columns=n, threads=threads)
    rank = len(leads)
    x = _back_substituted(echelon, leads, n)
    certificate, violated = np.empty(0, np.int64), 0
    if echelon[rank:, n // 64].any():  # what is left of these rows is their right-hand side
        certificate = _certificate(rows, n, threads)
        x, violated = _best(rows, n, x, tries - 1, seed, threads)
    kind: Kind = "inconsistent" if len(certificate) else "unique" if rank == n else "underdetermined"
    return Solution(
        x=x,
        kind=kind,
        equations=len(rows),
        unknowns=n,
        rank=rank,
        violated=violated,
        certificate=certificate,
        _echelon=echelon[:rank],
        _leads=leads,
        _tries=tries,
    )


def full_rank_probability(m: int, n: int) -> float:
    """Probability that m random equations determine n unknowns: ``Π_{i<n} (1 - 2^(i-m))``.

    29 % for m = n, 99.9 % for m = n + 10; on average n + 1.61 equations are needed.

    Raises:
        InputError: If m or n is below 0.

    Example:
        >>> [round(full_rank_probability(100 + more, 100), 3) for more in (-1, 0, 1, 2, 5, 10)]
        [0.0, 0.289, 0.578, 0.77, 0.969, 0.999]
    """
    if m < 0 or n < 0:
        raise InputError(f"`m` and `n` must be at least 0. Got {m} and {n}.")
    if m < n:
        return 0.0
    short = np.arange(m - n + 1, min(m, m - n + 1100) + 1)
    return float(np.prod(1 - 2.0 ** -short.astype(float)))


def _augmented(A: ArrayLike, b: ArrayLike, unknowns: int | None) -> tuple[Rows, int]:
    """Packed rows with the right-hand side as one more column, and how many unknowns there are."""
    left, right = array(A, "A"), _zeros_and_ones(b, "b", 1)
    if unknowns is None:
        left = _zeros_and_ones(left, "A", 2)
        n = left.shape[1]
        packed = pack_bits(left.astype(bool, copy=False))
    else:
        n, packed = unknowns, left
        if left.ndim != 2 or left.dtype != np.uint64 or left.shape[1] != -(-n // 64) or n < 0:
            raise InputError(
                f"`A` must be packed rows of uint64, {-(-n // 64)} words each, for {n} `unknowns`. "
                f"Got {left.dtype} of shape {left.shape}."
            )
        if n % 64 and (left[:, -1] >> np.uint64(n % 64)).any():
            raise InputError(f"`A` must be 0 beyond its {n} `unknowns`; at least one row is not.")
    if len(left) != len(right):
        raise InputError(f"`A` and `b` must have equally many rows. Got {len(left)} and {len(right)}.")
    rows = np.zeros((len(left), n // 64 + 1), np.uint64)
    rows[:, : packed.shape[1]] = packed
    rows[:, n // 64] |= right.astype(np.uint64) << np.uint64(n % 64)
    return rows, n


def _zeros_and_ones(given: ArrayLike, name: str, dimensions: int) -> NDArray[Any]:
    found = array(given, name)
    shape = "[m, n]" if dimensions == 2 else "[m]"
    whole = found.dtype.kind in "iub" or (found.size == 0 and found.ndim == dimensions)
    if found.ndim != dimensions or not whole:
        raise InputError(
            f"`{name}` must be 0 and 1, whole numbers or bool, of shape {shape}. "
            f"Got {found.dtype} of shape {found.shape}."
        )
    if found.size and found.dtype != np.bool_ and not (found.min() >= 0 and found.max() <= 1):
        raise InputError(f"`{name}` must be 0 and 1. Got {found.min()} to {found.max()}.")
    return found


def _back_substituted(echelon: Rows, leads: NDArray[np.int64], n: int) -> NDArray[np.uint8]:
    """The x of the pivots' equations whose other unknowns are 0; one big integer a row is the fast way."""
    x = 1 << n  # the right-hand side counts as an unknown that is 1
    for row, lead in zip(echelon[: len(leads)][::-1], leads[::-1].tolist(), strict=True):
        if (int.from_bytes(row.astype("<u8").tobytes(), "little") & x).bit_count() & 1:
            x |= 1 << lead
    words = np.frombuffer(x.to_bytes(8 * (n // 64 + 1), "little"), "<u8").astype(np.uint64)
    return _bits(words, n)


def _violated(rows: Rows, x: NDArray[np.uint8]) -> int:
    one = np.append(x, np.uint8(1)).astype(bool)
    return int((and_counts(rows, pack_bits(one[None])) & 1).sum())


def _best(
    rows: Rows, n: int, x: NDArray[np.uint8], tries: int, seed: int, threads: int
) -> tuple[NDArray[np.uint8], int]:
    rng, fewest = np.random.default_rng(seed), _violated(rows, x)
    for _ in range(tries):
        echelon, leads = gf2_echelon(rows[rng.permutation(len(rows))], columns=n, threads=threads)
        other = _back_substituted(echelon, leads, n)
        violated = _violated(rows, other)
        if violated < fewest:
            x, fewest = other, violated
    return x, fewest


def _certificate(rows: Rows, n: int, threads: int) -> NDArray[np.int64]:
    """Rows c with ``A^T c = 0`` and ``b^T c = 1``."""
    m = len(rows)
    columns = pack_columns(_bits(rows, n + 1), threads=threads)
    transposed = np.zeros((n + 1, m // 64 + 1), np.uint64)
    transposed[:, : columns.shape[1]] = columns
    transposed[n, m // 64] |= np.uint64(1) << np.uint64(m % 64)
    echelon, leads = gf2_echelon(transposed, columns=m, threads=threads)
    return np.flatnonzero(_back_substituted(echelon, leads, m)).astype(np.int64)


def _bits(words: Rows, count: int) -> NDArray[np.uint8]:
    """The first so many bits of packed rows ``[..., words]``: ``[..., count]``."""
    whole = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(whole, axis=-1, count=count, bitorder="little")
