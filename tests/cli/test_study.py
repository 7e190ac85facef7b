"""``rote study`` from end to end: what it prints and writes, refusals, and being stopped at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from rote.cli import main

TOYS = str(Path(__file__).parents[1] / "studies")
TOY = ["study", "run", "toy_study:STUDY"]


def words(out, *more, jobs=1):
    return [*TOY, "--jobs", str(jobs), "--out", str(out), *more]


@pytest.fixture
def marks(tmp_path, monkeypatch):
    """Where each run of a toy cell leaves a mark, in this process and in those it starts."""
    folder = tmp_path / "marks"
    folder.mkdir()
    path = os.pathsep.join([TOYS, *(place for place in sys.path if place)])
    for name, value in (("PYTHONPATH", path), ("TOY_MARKS", str(folder)), ("TOY_SECONDS", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(TOYS)
    return folder


def finished(out):
    return len(list(Path(out).glob("records/cells/*.json")))


def comparable(out):
    """A record without what may differ between runs of one study."""
    record = json.loads((Path(out) / "study.json").read_text())
    for name in ("seconds", "when", "command", "threads"):
        record["made"].pop(name)
    return record


def test_the_list(capsys):
    assert main(["study", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "claims", "figures", "paper"]
    names = [line.split()[0] for line in lines[1:]]
    assert {"coherent-gradients", "generalization-mystery"} <= set(names)


def test_six_dimensions_end_to_end(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["study", "run", "generalization-mystery", "--only", "six-dimensions", "--jobs", "1"]
    results = ["--export", str(tmp_path / "results")]
    assert main([*arguments, "--seeds", "1", "--out", str(out), *results]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "5 of 5 claims hold."
    assert said.out.splitlines()[-1] == str(out / "study.html")
    assert "2/2 units" in said.err
    home = tmp_path / "results" / "generalization-mystery" / "quick"
    assert sorted(f.name for f in home.iterdir()) == ["cells.jsonl", "six-dimensions.svg", "study.json"]


def test_a_users_study_and_showing_it(marks, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(words(out)) == 0
    done = capsys.readouterr()
    assert done.out.splitlines()[0] == "1 of 3 claims holds, 1 differs, 1 is inconclusive."
    assert "9/9 units  100 %" in done.err
    assert main(["study", "show", "toy_study:STUDY", "--out", str(out)]) == 0
    assert capsys.readouterr().out == done.out
    assert main(words(out)) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Every cell was there already; nothing was run."
    assert len(list(marks.iterdir())) == 9


@pytest.mark.slow
def test_the_installed_command_finds_a_study_in_the_current_folder(tmp_path, environment):
    """It does not put the current folder on the path; the folder is searched all the same."""
    (tmp_path / "toy_study.py").write_bytes((Path(TOYS) / "toy_study.py").read_bytes())
    code = "import sys; sys.path.remove(''); from rote.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *words(tmp_path / "run", "--seeds", "1")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "run" / "study.html")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nope"], "`name` must be one of bottom-up, coherent-gradients"),
        (["run", "coherent-gradients", "--only", "fig-9"], "`only` must be among fig-1"),
        (["run", "coherent-gradients", "--seeds", "0"], "`seeds` must be at least 1. Got 0."),
        (["run", "coherent-gradients", "--scheduler", "tcp://h:1"], "needs --backend dask or ray"),
        (["run", "coherent-gradients", "--backend", "mpi"], "--backend"),
        (["run", "coherent-gradients", "--scale", "huge"], "--scale"),
        (["show", "coherent-gradients"], "is no run folder"),
    ],
)
def test_bad_input_is_one_sentence(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["study", *arguments]) == 2
    complaint = capsys.readouterr().err.splitlines()
    assert len(complaint) == 1
    assert said in complaint[0]
    assert list(tmp_path.iterdir()) == []


class Running:
    """``rote study run`` in a process of its own, with a mark by which its workers are known."""

    def __init__(self, arguments, mark, seconds):
        self.mark = f"ROTE_TEST_MARK={mark}".encode()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rote", *arguments],
            env=os.environ | {"ROTE_TEST_MARK": mark, "TOY_SECONDS": str(seconds)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, out, cells):
        until = time.monotonic() + 60
        while finished(out) < cells and self.process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.005)

    def end(self):
        out, error = self.process.communicate(timeout=60)
        return self.process.returncode, out, error

    def left(self, within=20.0):
        """Processes of this run that are still there after some seconds."""
        until = time.monotonic() + within
        while (there := self._there()) and time.monotonic() < until:
            time.sleep(0.2)
        return there

    def _there(self):
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (place / "environ").read_bytes().split(b"\0"):
                    found.append((place / "cmdline").read_bytes())
            except OSError:
                continue
        return [line for line in found if line]


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are found in /proc"
)


def goes_on_to_the_same(out, marks, tmp_path):
    """The same command again runs what is missing, and nothing else, and comes to the same record."""
    there, ran = finished(out), len(list(marks.iterdir()))
    assert main(words(out)) == 0
    assert len(list(marks.iterdir())) - ran == 9 - there
    assert main(words(tmp_path / "whole")) == 0
    assert comparable(out) == comparable(tmp_path / "whole")
    assert not list(out.rglob("*rote-tmp*"))


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_the_finished_cells(marks, tmp_path, jobs):
    out = tmp_path / "run"
    running = Running(words(out, jobs=jobs), f"int{jobs}-{os.getpid()}", 0.4)
    running.wait_for(out, 2)
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    status, said, error = running.end()
    assert (status, said) == (130, "")
    assert error.splitlines()[-1] == "rote: stopped; run the same command again to go on"
    assert "Traceback" not in error
    assert running.left() == []
    assert 2 <= finished(out) < 9
    goes_on_to_the_same(out, marks, tmp_path)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same_record(marks, tmp_path, jobs):
    out = tmp_path / "run"
    running = Running(words(out, jobs=jobs), f"kill{jobs}-{os.getpid()}", 0.4)
    running.wait_for(out, 3)
    running.process.kill()
    assert running.end()[0] == -signal.SIGKILL
    assert running.left() == []
    assert 3 <= finished(out) < 9
    goes_on_to_the_same(out, marks, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_local_cluster_finds_what_one_process_finds(backend, package, marks, tmp_path):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    script = tmp_path / "run.py"  # its workers import the main module again
    script.write_text(
        "import sys\nfrom rote.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    )
    arguments = words(tmp_path / backend, "--backend", backend, jobs=1)
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(marks.iterdir())) == 9
    assert main(words(tmp_path / "alone")) == 0
    assert comparable(tmp_path / backend) == comparable(tmp_path / "alone")


@pytest.mark.slow
def test_no_scheduler_answers(marks, tmp_path, capsys):
    pytest.importorskip("distributed")
    more = ["--backend", "dask", "--scheduler", "nonsense://here:1"]
    assert main([*TOY, "--out", str(tmp_path / "run"), *more]) == 2
    assert "no Dask scheduler answers at nonsense://here:1" in capsys.readouterr().err.splitlines()[-1]
