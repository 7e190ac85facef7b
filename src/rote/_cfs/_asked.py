"""What ``rote cfs`` is asked, and what it made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rote._cfs._data import Reading
from rote.circuits import Switches
from rote.circuits._curve import Kind


@dataclass(frozen=True)
class Asked:
    """What is asked about the circuits.

    Attributes:
        limits: Each l, or for noise each k; the usual ones where None.
        kind: How to perturb.
        switches: What the method leaves open.
        reading: How to read the data.
        threads: Threads to use; they change nothing but the time.
    """

    limits: tuple[int, ...] | None = None
    kind: Kind = "simple"
    switches: Switches = field(default_factory=Switches)
    reading: Reading = field(default_factory=Reading)
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Done:
    """What ``rote cfs`` made.

    Attributes:
        path: The run folder.
        record: What its page shows, ready for JSON.
        page: The page.
        reused: Whether all passes were there already.
    """

    path: Path
    record: dict[str, Any]
    page: Path
    reused: bool
