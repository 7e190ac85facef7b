"""``rote doctor``: what is good, what is less, what is broken."""

import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from rote import _doctor, _native
from rote._native import NativeStatus
from rote.cli import main


def found(what, **kwargs):
    return [finding for finding in _doctor.examine(**kwargs) if finding.what == what]


@pytest.mark.slow  # torch is imported
def test_all_is_said_and_nothing_is_broken_here(capsys, tmp_path):
    assert main(["doctor", "--data-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for what in (
        "rote",
        "Python",
        "cores",
        "torch",
        "native core",
        "libraries",
        "data",
        "optional",
        "browser",
    ):
        assert f"\n  {what} " in f"\n{out}" or f"\n- {what} " in out, what
    assert out.splitlines()[-1] == "All that is required is there."


def test_a_broken_torch_is_named_with_the_remedy(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "! torch " in out
    assert "pip install torch" in out
    assert out.splitlines()[-1] == "Something required is broken (marked !)."


def test_a_missing_library_is_named(monkeypatch):
    def version(name):
        if name == "pooch":
            raise metadata.PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(_doctor.metadata, "version", version)
    broken = [finding for finding in found("libraries") if finding.state == "broken"]
    assert [finding.found for finding in broken] == ["missing: pooch; install them: pip install pooch"]


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [
        (NativeStatus(on=True, isa="avx2", why=""), "good", "built; instruction set avx2"),
        (NativeStatus(on=False, isa="", why="it was not built"), "less", "install a C++ compiler"),
        (NativeStatus(on=False, isa="", why="ROTE_NATIVE=off is set"), "less", "unset it"),
    ],
)
def test_the_native_core(monkeypatch, status, state, said):
    monkeypatch.setattr(_native, "status", lambda: status)
    (finding,) = found("native core")
    assert finding.state == state
    assert said in finding.found


def test_a_data_folder_that_is_not_there_breaks_nothing(tmp_path):
    (finding,) = found("data", data_dir=tmp_path / "nowhere")
    assert finding.state == "less"
    assert "must be a folder" in finding.found


def test_every_required_library_is_a_dependency_and_the_other_way_round():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    named = {line.split(">")[0] for line in project["dependencies"]}
    assert named == {*_doctor.REQUIRED, "torch"}
    extras = {package: extra for package, _, extra in _doctor.OPTIONAL.values()}
    for package, extra in extras.items():
        assert any(line.startswith(package) for line in project["optional-dependencies"][extra])
