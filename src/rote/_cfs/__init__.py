"""Where circuits meet data, run folders and pages: what ``rote cfs`` calls."""

from rote._cfs._asked import Asked, Done
from rote._cfs._data import PARTS, Reading
from rote._cfs._run import cfs

__all__ = ["PARTS", "Asked", "Done", "Reading", "cfs"]
