"""The house keeps its plan: who imports whom, who prints, who knows HTML, how long a file may be."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import rote

SOURCE = Path(rote.__file__).parent
FILES = sorted(path for path in SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}

# What each room may import of rote; "rote" is the package itself (its version). Whatever stands beside the
# rooms (rote/_name.py) joins them together, so it may import every room but cli.
FOUNDATIONS = {"errors", "_native"}
BEFORE = {
    "errors": set(),
    "_native": {"errors"},
    "runs": {"errors", "rote"},
    "data": FOUNDATIONS,
    "learners": FOUNDATIONS | {"data"},
    "gradients": FOUNDATIONS | {"data", "learners"},
    "luts": FOUNDATIONS | {"data", "learners"},
    "circuits": FOUNDATIONS | {"data", "learners", "luts"},
    "aggregate": FOUNDATIONS,
    "optim": FOUNDATIONS | {"aggregate", "gradients"},
    "dynamics": FOUNDATIONS | {"data", "learners"},
    "integrations": FOUNDATIONS | {"gradients", "dynamics"},
    "audit": FOUNDATIONS
    | {"data", "learners", "gradients", "aggregate", "optim", "circuits", "runs", "rote"},
    "studies": FOUNDATIONS
    | {"data", "learners", "gradients", "optim", "luts", "circuits", "dynamics", "audit", "runs", "rote"},
    "report": FOUNDATIONS | {"data", "learners", "gradients", "circuits", "runs", "rote", "audit"},
}
EVERY_ROOM = {*BEFORE, "rote"}
# Where else people train and log; met only in the room that joins rote to them, and imported inside it late.
FRAMEWORKS = {"lightning", "pytorch_lightning", "transformers", "tensorboard", "wandb", "trackio", "mlflow"}
NO_TORCH_AT_IMPORT = {"rote", "errors", "_native", "runs", "data", "cli", "_doctor", "__main__"}


def room_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return "rote" if parts == ("__init__",) else parts[0]


def imports(tree, *, everywhere=True):
    """Full names of the modules that a file imports, inside its functions too unless told otherwise."""
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ([f"rote.{a.name}" for a in node.names] if node.module == "rote" else [node.module])


def rooms_imported(tree):
    for name in imports(tree):
        top, _, rest = name.partition(".")
        if top == "rote":
            room = rest.partition(".")[0]
            yield "rote" if room in {"", "__version__"} else room


def relative(path):
    return str(path.relative_to(SOURCE))


every_file = pytest.mark.parametrize("path", FILES, ids=relative)


@every_file
def test_rooms_import_only_rooms_before_them(path):
    room = room_of(path)
    allowed = BEFORE.get(room, EVERY_ROOM)
    if room == "rote":  # the public names, some of which join rooms
        allowed = EVERY_ROOM | {"_audit", "_draw"}
    if room == "_lecture":  # it runs studies as `rote study run` does
        allowed = EVERY_ROOM | {"_study"}
    if room == "cli" or room == "__main__":
        allowed = EVERY_ROOM | {"cli", "_doctor"} | {path.stem for path in SOURCE.glob("_*")}
    strangers = set(rooms_imported(TREES[path])) - allowed - {room}
    assert not strangers, f"{relative(path)} must not import {strangers}"


@every_file
def test_only_cli_prints(path):
    if room_of(path) == "cli":
        return
    calls = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)]
    assert not [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id in {"print", "input"}]
    attributes = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.Attribute)]
    assert not [a.lineno for a in attributes if a.attr in {"stdout", "stderr"}]


def strings(tree):
    """String constants that are no docstrings, parts of f-strings included."""
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs
    ]


@every_file
def test_only_report_knows_html_and_figures(path):
    if room_of(path) == "report":
        return
    assert not {"jinja2", "markupsafe", "html", "matplotlib"} & {
        n.split(".")[0] for n in imports(TREES[path])
    }
    assert not [text for text in strings(TREES[path]) if "</" in text or "/>" in text]


@every_file
def test_only_runs_knows_how_a_run_folder_is_laid_out(path):
    if room_of(path) != "runs":
        assert not {"manifest.json", "DONE"} & set(strings(TREES[path]))


@every_file
def test_sizes(path):
    assert len(path.read_text().splitlines()) <= 400
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            lines = node.end_lineno - node.lineno + 1
            documented = ast.get_docstring(node, clean=False)
            assert lines - len((documented or "").splitlines()) <= 80, f"{node.name} is too long"
            estimator = room_of(path) == "luts" and node.name == "__init__"  # scikit-learn's parameters
            if room_of(path) != "cli" and not estimator:  # a command's options are its arguments
                count = len([*node.args.args, *node.args.kwonlyargs])
                assert count <= 9, f"{node.name} has {count} arguments"


@every_file
def test_torch_is_imported_only_where_it_is_needed(path):
    if room_of(path) in NO_TORCH_AT_IMPORT:
        tops = {name.split(".")[0] for name in imports(TREES[path], everywhere=False)}
        assert not {"torch", "sklearn", "matplotlib"} & tops


@every_file
def test_frameworks_are_met_in_integrations_only(path):
    tops = {name.split(".")[0] for name in imports(TREES[path], everywhere=room_of(path) != "integrations")}
    assert not FRAMEWORKS & tops


@every_file
def test_every_module_can_be_imported(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


@every_file
def test_modules_are_private_and_packages_public(path):
    room, name = room_of(path), path.stem
    public = name == room == "errors" or (room == "integrations" and name in FRAMEWORKS)
    assert public or name.startswith("_"), f"{relative(path)} should be called _{path.name}"


def test_the_top_level_is_tiny():
    rooms = ["aggregate", "circuits", "data", "dynamics", "gradients", "integrations"]
    rooms += ["learners", "luts", "optim", "report", "runs", "studies"]
    names = sorted(["Circuit", "LUTNetworkClassifier", "__version__", "audit", "draw", *rooms, "watch"])
    assert dir(rote) == names
    assert sorted(rote.__all__) == sorted(names)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = rote.nope


def test_importing_rote_imports_nothing_heavy(environment):
    code = "import sys, rote; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not {"torch", "numpy", "sklearn", "matplotlib", "rich", "cyclopts"} & set(done.stdout.split())


@pytest.mark.parametrize("name", ["LUTNetworkClassifier", "audit", "draw", "watch"])
def test_functions_at_the_top_stay_functions(name):
    """Importing the room ``rote.audit`` must not hide the function of that name, nor the other way round."""
    home = importlib.import_module(rote._FUNCTIONS[name])
    assert isinstance(home, ModuleType)
    setattr(rote, name, home)  # what the import system does when a room is loaded
    function = getattr(rote, name)
    assert not isinstance(function, ModuleType)
    assert function is getattr(home, name)


def test_rooms_come_when_they_are_asked_for():
    assert rote.runs is importlib.import_module("rote.runs")
