"""The page's examples of Lightning and Transformers run where those are installed."""

import inspect
import re
import warnings
from pathlib import Path

import pytest

from rote.integrations.lightning import _Hooks as LightningHooks
from rote.integrations.transformers import _Hooks as TransformersHooks

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(framework):
    """The page's blocks for everybody, then those of one framework."""
    found = [(block[1].split(), block[2]) for block in BLOCK.finditer(PAGE.read_text())]
    own = [text for words, text in found if framework in words]
    assert own, f"the page shows nothing of {framework}"
    return [text for words, text in found if not words] + own


@pytest.fixture(params=["lightning", "transformers"])
def framework(request):
    request.getfixturevalue(request.param)  # imported, or the test skipped
    return request.param


@pytest.mark.slow
def test_the_examples_run(framework, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in blocks(framework):
            exec(compile(text, str(PAGE), "exec"), names)
    assert "Coherence(m=" in capsys.readouterr().out


def test_the_page_names_every_option():
    """The table of options is complete for both callbacks."""
    text = PAGE.read_text()
    for hooks in (LightningHooks, TransformersHooks):
        for option in list(inspect.signature(hooks).parameters):
            assert f"`{option}=" in text, option
