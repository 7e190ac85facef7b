"""Made-up records, and pages made of them."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def made_up():
    """The module made_up.py beside this file."""
    spec = importlib.util.spec_from_file_location("made_up_records", Path(__file__).with_name("made_up.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def page(made_up):
    """The page of a realistic audit of images."""
    from rote.report import audit_page

    return audit_page(made_up.record(), made_up.images())
