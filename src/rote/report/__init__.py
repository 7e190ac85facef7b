"""The audit as a page that a person reads, and its suspects as a table that programs read.

A report computes nothing: it takes the record that an audit made (the same that ``report.json`` holds) and
writes it down. A page is one file that needs no network and no script, and reads the same on a phone, on
paper and in the dark. The same record always gives the same bytes.

>>> from rote.report import suspects_csv
>>> suspect = {"rank": 1, "id": "cat-17", "row": 17, "given": "dog", "suggested": "cat", "score": 0.94}
>>> print(suspects_csv([suspect]).splitlines()[0][:34])
rank,id,row,given,suggested,score,
>>> print(suspects_csv([suspect]).splitlines()[1][:25])
1,cat-17,17,dog,cat,0.94,
"""

from rote.report._cfs import cfs_page, cfs_pictures, least_support_csv
from rote.report._lecture import lecture_markdown, lecture_page
from rote.report._ledger import ledger
from rote.report._lut_sweep import lut_sweep_page
from rote.report._luts import luts_page
from rote.report._page import audit_page
from rote.report._panels import panels_drawing
from rote.report._stability import stability_page
from rote.report._study import study_drawings, study_page
from rote.report._table import predictions_csv, suspects_csv

__all__ = [
    "audit_page",
    "cfs_page",
    "cfs_pictures",
    "least_support_csv",
    "lecture_markdown",
    "lecture_page",
    "ledger",
    "lut_sweep_page",
    "luts_page",
    "panels_drawing",
    "predictions_csv",
    "stability_page",
    "study_drawings",
    "study_page",
    "suspects_csv",
]
