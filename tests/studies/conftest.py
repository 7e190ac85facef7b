"""The toy study, and where it can be imported from."""

import importlib
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)


@pytest.fixture
def toy(monkeypatch):
    """The module of the toy study."""
    monkeypatch.syspath_prepend(HERE)
    for name in ("TOY_MARKS", "TOY_SECONDS", "TOY_FAILS"):
        monkeypatch.delenv(name, raising=False)
    sys.modules.pop("toy_study", None)
    return importlib.import_module("toy_study")
