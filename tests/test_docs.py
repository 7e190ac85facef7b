"""What is shown runs, what is linked exists, what is public is documented."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

from rote.cli._reference import reference

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ROOMS = [
    "_native",
    "aggregate",
    "audit",
    "circuits",
    "cli",
    "data",
    "dynamics",
    "gradients",
    "integrations",
    "learners",
    "luts",
    "optim",
    "report",
    "runs",
    "studies",
]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def python_blocks(page):
    """Line and text of each block of Python; ``` ```python no-run ``` marks one that only shows."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        if block[1] == "python" and "no-run" not in block[2]:
            yield text[: block.start(3)].count("\n"), block[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(python_blocks(p))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_python_on_a_page_runs(page, tmp_path, monkeypatch):
    """All blocks of a page, in one namespace, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for line, text in python_blocks(page):
        if ">>>" in text:
            test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), line)
            said = []
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
            assert not said, "".join(said)
            names |= test.globs
        else:
            exec(compile("\n" * line + text, str(page), "exec"), names)


def anchors(page):
    """The anchors that a page's headings have on GitHub."""
    text = BLOCK.sub("", page.read_text())
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page):
    dead = []
    for target in LINK.findall(BLOCK.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            dead.append(target)
    assert not dead


def test_the_reference_of_commands_is_up_to_date():
    assert (ROOT / "docs/cli.md").read_text() == reference(), "run `make docs`"


def public():
    for room in ROOMS:
        module = importlib.import_module(f"rote.{room}")
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"rote.{room}.{name}", value


def test_every_room_says_what_it_is_and_what_it_has():
    for room in ROOMS:
        module = importlib.import_module(f"rote.{room}")
        assert (module.__doc__ or "").strip(), f"rote.{room} has no docstring"
        assert module.__all__, f"rote.{room} has no __all__"
        assert sorted(module.__all__) == sorted(set(module.__all__))


def test_every_public_name_has_a_docstring_with_an_example():
    without = [name for name, value in public() if ">>>" not in (inspect.getdoc(value) or "")]
    assert not without, f"without an example: {', '.join(without)}"


def test_no_example_is_skipped():
    skipped = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if re.search(r"#\s*doctest:.*SKIP", path.read_text())
    ]
    assert not skipped
