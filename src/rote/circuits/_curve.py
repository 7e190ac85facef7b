"""What counterfactual simulation finds: accuracy against rarity, and what each example rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rote.circuits._answers import Decode
from rote.circuits._signals import Signals
from rote.errors import InputError

Kind = Literal["simple", "composite", "random", "noise"]
#: Least support of an example that is answered rightly at every limit, and of one that never is.
NEVER, WRONG = -1, 0


@dataclass(frozen=True)
class Switches:
    """What counterfactual simulation leaves open.

    Attributes:
        inputs: Perturb primary inputs too, not only gates.
        outputs: Perturb gates that nothing but an output reads.
        unseen: Composite: a pattern that no example shows counts as rare.
        seed: Of the random bits, the noise, and the choice of signals.
        stream: Which of the seed's streams of random bits is drawn from; shards need different ones.
        decode: How the outputs name a class; told from their names unless given.
        signals_at: The limit at which single signals are tried; 64, or the largest limit where all are lower.
        lanes: Try single signals on so many pairs of signal and example in all; 0 tries none.

    Raises:
        InputError: If there are more than 65,536 lanes.

    Example:
        >>> from rote.circuits import Builder
        >>> build = Builder(["a", "b"])
        >>> circuit = build.finish({"f": build.and_(2, 4)})
        >>> X, y = np.array([[1, 1], [1, 0], [1, 0], [1, 1]], bool), np.array([1, 0, 0, 1])
        >>> circuit.counterfactual(X, y, switches=Switches(outputs=False))  # the gate drives an output alone
        Counterfactual(simple, 4 examples: 100.0 % right; l=1: 100.0 %)
    """

    inputs: bool = False
    outputs: bool = True
    unseen: bool = True
    seed: int = 0
    stream: int = 0
    decode: Decode | None = None
    signals_at: int | None = None
    lanes: int = 1 << 16

    def __post_init__(self) -> None:
        if not 0 <= self.lanes <= 1 << 16:
            raise InputError(f"`lanes` must lie between 0 and 65,536. Got {self.lanes}.")


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactual:
    """A circuit's CFS curve over some examples; results of shards, perturbed by the same counts, add.

    Attributes:
        kind: ``"simple"``, ``"composite"``, ``"random"`` or ``"noise"``.
        limits: Each l, ascending; for noise each k of the probability 2^-k, descending: noise grows.
        counted: On how many examples values were counted: which of them are rare is decided by these.
        m: How many examples were answered.
        right: How many of them the plain circuit answers rightly.
        rights: The same for the circuit perturbed at each limit, shape ``[limits]``, int64.
        no_rare: How many examples show no l-rare value anywhere, shape ``[limits]``; None for noise.
        least_support: For each example the first limit at which a right answer becomes wrong: the rarest
            pattern that it rests on; 0 where the plain circuit is wrong already, -1 where no limit makes it
            wrong. Shape ``[m]``, int64.
        signals: What single signals with rare values matter; None where they were not tried.
        switches: How it was done.

    Example:
        >>> half = Counterfactual("simple", (1, 2), 8, 4, 4, np.array([4, 2]), np.array([3, 1]),
        ...                       np.array([-1, -1, 2, 2]), None, Switches())
        >>> half
        Counterfactual(simple, 4 examples: 100.0 % right; l=1: 100.0 %, l=2: 50.0 %)
        >>> (half + half).drop.tolist(), (half + half).least_support.tolist()
        ([0.0, 0.5], [-1, -1, 2, 2, -1, -1, 2, 2])
    """

    kind: Kind
    limits: tuple[int, ...]
    counted: int
    m: int
    right: int
    rights: NDArray[np.int64]
    no_rare: NDArray[np.int64] | None
    least_support: NDArray[np.int64]
    signals: Signals | None
    switches: Switches

    @property
    def baseline(self) -> float:
        """Accuracy of the plain circuit."""
        return self.right / self.m

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Accuracy at each limit: the CFS curve, shape ``[limits]``."""
        return self.rights / self.m

    @property
    def drop(self) -> NDArray[np.float64]:
        """What perturbing costs: `baseline` less `accuracy`, the paper's measure of overfitting."""
        return (self.right - self.rights) / self.m

    def at(self, limit: int) -> float:
        """Accuracy at one of the limits.

        Raises:
            InputError: If it is none of them.
        """
        if limit not in self.limits:
            raise InputError(f"`limit` must be one of {', '.join(map(str, self.limits))}. Got {limit}.")
        return float(self.accuracy[self.limits.index(limit)])

    def __add__(self, other: "Counterfactual") -> "Counterfactual":
        for name in ("kind", "limits", "counted", "switches"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise InputError(
                    f"Results of two shards add only where `{name}` is the same: {ours!s:.80} and "
                    f"{theirs!s:.80} are not."
                )
        return Counterfactual(
            self.kind,
            self.limits,
            self.counted,
            self.m + other.m,
            self.right + other.right,
            self.rights + other.rights,
            None if self.no_rare is None or other.no_rare is None else self.no_rare + other.no_rare,
            np.concatenate([self.least_support, other.least_support]),
            None if self.signals is None or other.signals is None else self.signals + other.signals,
            self.switches,
        )

    def __repr__(self) -> str:
        sign = "p=2^-" if self.kind == "noise" else "l="
        shown = range(len(self.limits)) if len(self.limits) <= 4 else (0, len(self.limits) // 2, -1)
        curve = ", ".join(f"{sign}{self.limits[i]}: {self.accuracy[i]:.1%}" for i in shown)
        said = f"{self.kind}, {self.m:,} examples: {self.baseline:.1%} right; {curve}"
        return f"Counterfactual({said})".replace("%", " %")

    def record(self) -> dict[str, Any]:
        """All of it but the examples one by one, ready for JSON."""
        values, counts = np.unique(self.least_support, return_counts=True)
        found = dict(zip(values.tolist(), counts.tolist(), strict=True))
        return {
            "kind": self.kind,
            "limits": list(self.limits),
            "counted": self.counted,
            "examples": self.m,
            "baseline": self.baseline,
            "accuracy": self.accuracy.tolist(),
            "drop": self.drop.tolist(),
            "no_rare": None if self.no_rare is None else self.no_rare.tolist(),
            "wrong": found.get(WRONG, 0),
            "never": found.get(NEVER, 0),
            "least_support": [found.get(limit, 0) for limit in self.limits],
            "signals": None if self.signals is None else self.signals.record(),
            "switches": asdict(self.switches),
        }


def assembled(
    y: NDArray[np.int64],
    plain: NDArray[np.int64],
    perturbed: Mapping[int, NDArray[np.int64]],
    *,
    kind: Kind,
    counted: int,
    switches: Switches,
    no_rare: Sequence[int] | None = None,
    signals: Signals | None = None,
) -> Counterfactual:
    """A result from what a circuit answers, plain and at each limit in the order of the mapping.

    Args:
        y: Labels ``[m]``.
        plain: Answers of the plain circuit ``[m]``.
        perturbed: Answers at each limit ``[m]``, mildest first.
        kind: Of perturbing.
        counted: Examples in the counts.
        switches: How it was done.
        no_rare: Examples without a rare value at each limit.
        signals: The signals that matter.

    Example:
        >>> y = np.array([1, 0, 1])
        >>> found = assembled(y, np.array([1, 0, 0]), {1: np.array([0, 0, 1])}, kind="simple", counted=3,
        ...                   switches=Switches())
        >>> found.least_support.tolist(), found.right, found.rights.tolist()
        ([1, -1, 0], 2, [2])
    """
    right = plain == y
    least = np.where(right, NEVER, WRONG).astype(np.int64)
    rights = []
    for limit, said in perturbed.items():
        rights.append(np.count_nonzero(said == y))
        least[(least == NEVER) & (said != y)] = limit
    return Counterfactual(
        kind,
        tuple(perturbed),
        counted,
        len(y),
        int(np.count_nonzero(right)),
        np.array(rights, np.int64),
        None if no_rare is None else np.asarray(no_rare, np.int64),
        least,
        signals,
        switches,
    )
