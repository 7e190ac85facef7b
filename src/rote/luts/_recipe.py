"""How networks of lookup tables are learnt: the paper's rule, and what goes beyond it."""

from dataclasses import dataclass

from rote.errors import InputError

TIES = ("random", "zero", "one", "majority", "neighbours")
OUTPUTS = ("table", "vote", "vote-all")
SEARCHES = ("sets", "greedy")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is learnt from given counts.

    Attributes:
        k: Inputs of each lut, 1 to 16; a lut over fewer rows reads all of them.
        width: Luts in a hidden layer.
        depth: Hidden layers.
        ties: What an entry answers that both labels share, or that no example has: a frozen ``"random"``
            bit, ``"zero"``, ``"one"``, the ``"majority"`` label, or what its ``"neighbours"`` one bit away
            say.
        replacement: Whether a lut may read a row twice.
        output: ``"table"``: one more lut; ``"vote"`` of the last hidden layer; ``"vote-all"`` of all.
        seed: Of the wiring and of the frozen bits.
        tries: Choose fan-ins among so many by information about the label.
        search: What a try is: a whole ``"set"`` of fan-ins, or, ``"greedy"``, the next input of a lut.
        search_examples: How many examples the search looks at, at most; None: all.
        rare: Treat entries that at most so many examples have as unseen.
        boost: Train each layer on what the vote of all layers before it gets wrong; a layer's vote weighs so
            much. 0: each layer is trained on all examples alike.
        skip: The share of fan-ins that come from the network's inputs instead of the layer before.

    Example:
        >>> Recipe(k=0)
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `k` must be between 1 and 16. Got 0.
    """

    k: int = 8
    width: int = 1024
    depth: int = 5
    ties: str = "random"
    replacement: bool = False
    output: str = "table"
    seed: int = 0
    tries: int = 1
    search: str = "sets"
    search_examples: int | None = None
    rare: int = 0
    boost: float = 0.0
    skip: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("k", 1, 16),
            ("width", 1, 1 << 20),
            ("depth", 0, 1 << 16),
            ("seed", 0, (1 << 63) - 1),
            ("tries", 1, 1 << 16),
            ("rare", 0, 1 << 31),
            ("search_examples", 64, 1 << 31),
        ):
            value = getattr(self, name)
            if name == "search_examples" and value is None:
                continue
            if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value <= high:
                raise InputError(f"`{name}` must be between {low} and {high}. Got {value!r:.80}.")
        for name, known in (("ties", TIES), ("output", OUTPUTS), ("search", SEARCHES)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"`{name}` must be one of {', '.join(known)}. Got {getattr(self, name)!r:.80}."
                )
        for name, most in (("boost", 100.0), ("skip", 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise InputError(f"`{name}` must be a number from 0 to {most:g}. Got {value!r:.80}.")
        if self.depth == 0 and self.output != "table":
            raise InputError(
                f'`output="{self.output}"` needs a layer that votes: set `depth` to 1 or more. Got 0.'
            )

    @property
    def layers(self) -> int:
        """How many layers are learnt: the hidden ones, and the lut that answers where one does."""
        return self.depth + (self.output == "table")
