"""Papers, computed anew and judged: each figure's cells, its results, what it was to show, its plots.

A study is plain data and pure functions. A *cell* is a configuration with a seed; it becomes a record. A
*claim* is a sentence of the paper with a number per seed, and holds, differs or stays inconclusive. Here is
a whole study:

>>> def cell(config, seed, place):
...     return {"value": config["slope"] * (1 + seed / 10)}
>>> def panels(rows):
...     runs = [[(r.config["slope"], r.record["value"]) for r in rows if r.seed == s] for s in (0, 1, 2)]
...     return [Panel("Values", Axis("slope"), Axis("value"), [Line("value", runs)])]
>>> grows = Claim(
...     "grows", "It grows.", "Nobody 2020, Fig. 1", "value at slope 2 minus value at slope 1", above(0.5),
...     lambda rows: one(rows, slope=2)["value"] - one(rows, slope=1)["value"],
... )
>>> figure = Figure(
...     "fig-1", "Values", "", cell, lambda scale: [{"slope": 1}, {"slope": 2}], panels, claims=[grows]
... )
>>> study = Study("toy", "A toy", "Nobody 2020", "https://example.org", [figure])
>>> import tempfile
>>> done = run_study(study, out=tempfile.mkdtemp(), crew=Crew(jobs=1))
>>> done.ran, done.record["headline"]
(6, 'Its only claim holds')
"""

from rote.studies._backend import Crew
from rote.studies._chapters import LECTURE
from rote.studies._judge import Range, Verdict, above, below, between, equal_to, judge
from rote.studies._lecture import Chapter, Lecture
from rote.studies._panels import Axis, Line, Panel, Pictures, Tile, curve, lines_of
from rote.studies._record import decide
from rote.studies._run import Done, Extent, default_folder, read_study, run_study
from rote.studies._study import Claim, Figure, MissingCellError, Place, Row, Study, one, some

from rote.studies._all import STUDIES, find_study  # isort: skip  (the studies need all of the above)

__all__ = [
    "LECTURE",
    "STUDIES",
    "Axis",
    "Chapter",
    "Claim",
    "Crew",
    "Done",
    "Extent",
    "Figure",
    "Lecture",
    "Line",
    "MissingCellError",
    "Panel",
    "Pictures",
    "Place",
    "Range",
    "Row",
    "Study",
    "Tile",
    "Verdict",
    "above",
    "below",
    "between",
    "curve",
    "decide",
    "default_folder",
    "equal_to",
    "find_study",
    "judge",
    "lines_of",
    "one",
    "read_study",
    "run_study",
    "some",
]
