"""Run folders: the only store.

A run folder holds everything one command made: what was asked (``manifest.json``), records (JSON) with their
arrays (safetensors), streams of records (JSON lines), the pages written from them, and ``DONE``, last.
Whatever is in the folder is whole: each file appears by one atomic rename, so a run that was killed goes on
where it stopped.

    >>> import tempfile, numpy as np
    >>> where = tempfile.mkdtemp()
    >>> with RunFolder.open(where, command=["rote", "audit"], config={"epochs": 2}, data_sha256="00") as run:
    ...     run.save("seed-0/losses", {"epoch": 1}, {"loss": np.array([0.5, 0.25])})
    ...     run.append("steps", {"step": 1})
    ...     run.finish()
    >>> with RunFolder.open(where, command=["rote", "audit"], config={"epochs": 2}, data_sha256="00") as run:
    ...     run.done, run.load("seed-0/losses")[1]["loss"].tolist(), run.records("steps")
    (True, [0.5, 0.25], [{'step': 1}])

A run's identity is its :func:`content_hash` over configuration, seeds, data and version of rote. The number
of threads or jobs, the device, and the time never enter it.
"""

from rote.runs._folder import RunFolder
from rote.runs._json import content_hash, plain

__all__ = ["RunFolder", "content_hash", "plain"]
