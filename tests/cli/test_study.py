"""``rote study`` from end to end: what it prints and writes, refusals, and being stopped at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rote.cli import main

TOYS = str(Path(__file__).parents[1] / "studies")
TOY = ["study", "run", "toy_study:STUDY"]


def words(out, *more, jobs=1):
    return [*TOY, "--jobs", str(jobs), "--out", str(out), *more]


@pytest.fixture
def toys(environment, tmp_path):
    """An environment in which the toy study can be imported and marks each run of a cell."""
    marks = tmp_path / "marks"
    marks.mkdir()
    path = os.pathsep.join([TOYS, environment["PYTHONPATH"]])
    return environment | {"PYTHONPATH": path, "TOY_MARKS": str(marks)}, marks


def rote(arguments, env, **more):
    command = [sys.executable, "-m", "rote", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **more)


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


@pytest.mark.slow
def test_a_users_study_and_showing_it(toys, tmp_path):
    env, marks = toys
    out = tmp_path / "run"
    done = rote(words(out), env)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert done.stdout.splitlines()[0] == "1 of 3 claims holds, 1 differs, 1 is inconclusive."
    assert "9/9 units  100 %" in done.stderr
    shown = rote(["study", "show", "toy_study:STUDY", "--out", str(out)], env)
    assert shown.stdout == done.stdout
    again = rote(words(out), env)
    assert again.stdout.splitlines()[0] == "Every cell was there already; nothing was run."
    assert len(list(marks.iterdir())) == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nope"], "`name` must be one of coherent-gradients"),
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

    def __init__(self, arguments, env, mark):
        self.mark = f"ROTE_TEST_MARK={mark}".encode()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rote", *arguments],
            env=env | {"ROTE_TEST_MARK": mark},
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


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_the_finished_cells(toys, tmp_path, jobs):
    env, marks = toys
    out, whole = tmp_path / "run", tmp_path / "whole"
    running = Running(words(out, jobs=jobs), env | {"TOY_SECONDS": "0.4"}, f"int{jobs}-{os.getpid()}")
    running.wait_for(out, 2)
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    status, said, error = running.end()
    assert (status, said) == (130, "")
    assert error.splitlines()[-1] == "rote: stopped; run the same command again to go on"
    assert "Traceback" not in error
    assert running.left() == []
    before = finished(out)
    assert 2 <= before < 9
    ran_before = len(list(marks.iterdir()))
    assert rote(words(out), env).returncode == 0
    assert len(list(marks.iterdir())) - ran_before == 9 - before
    assert rote(words(whole), env).returncode == 0
    assert comparable(out) == comparable(whole)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same_record(toys, tmp_path, jobs):
    env, marks = toys
    out, whole = tmp_path / "run", tmp_path / "whole"
    for k, cells in enumerate((1, 4)):
        mark = f"kill{jobs}-{k}-{os.getpid()}"
        running = Running(words(out, jobs=jobs), env | {"TOY_SECONDS": "0.3"}, mark)
        running.wait_for(out, cells)
        running.process.kill()
        assert running.end()[0] == -signal.SIGKILL
        assert running.left() == []
        assert cells <= finished(out) < 9
    there, ran = finished(out), len(list(marks.iterdir()))
    assert rote(words(out), env).returncode == 0
    assert len(list(marks.iterdir())) - ran == 9 - there
    assert rote(words(whole), env).returncode == 0
    assert comparable(out) == comparable(whole)
    assert not list(out.rglob("*rote-tmp*"))


@pytest.mark.slow
def test_two_jobs_find_what_one_finds(toys, tmp_path):
    env, _ = toys
    for jobs in (1, 2):
        done = rote(words(tmp_path / str(jobs), jobs=jobs), env)
        assert done.returncode == 0, done.stderr
    assert comparable(tmp_path / "1") == comparable(tmp_path / "2")


@pytest.mark.slow
def test_a_local_dask_cluster_finds_what_one_process_finds(toys, tmp_path):
    pytest.importorskip("distributed")
    env, marks = toys
    done = rote(words(tmp_path / "dask", "--backend", "dask", jobs=2), env)
    assert done.returncode == 0, done.stderr
    workers = {mark.name.split("-")[2] for mark in marks.iterdir()}
    assert len(list(marks.iterdir())) == 9
    assert str(os.getpid()) not in workers
    assert rote(words(tmp_path / "alone"), env).returncode == 0
    assert comparable(tmp_path / "dask") == comparable(tmp_path / "alone")


@pytest.mark.slow
def test_a_dask_scheduler_by_its_address(toys, tmp_path):
    pytest.importorskip("distributed")
    env, marks = toys
    code = (
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:\n"
        "        print(cluster.scheduler_address, flush=True)\n"
        "        input()\n"
    )
    (tmp_path / "cluster.py").write_text(code)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(tmp_path / "cluster.py")], env=env, **pipes) as cluster:
        try:
            address = cluster.stdout.readline().strip()
            more = ["--backend", "dask", "--scheduler", address]
            done = rote([*TOY, "--out", str(tmp_path / "run"), *more], env)
        finally:
            cluster.communicate("\n", timeout=30)
    assert done.returncode == 0, done.stderr
    assert len(list(marks.iterdir())) == 9


@pytest.mark.slow
def test_no_scheduler_answers(toys, tmp_path):
    pytest.importorskip("distributed")
    env, _ = toys
    more = ["--backend", "dask", "--scheduler", "nonsense://here:1"]
    done = rote([*TOY, "--out", str(tmp_path / "run"), *more], env)
    assert done.returncode == 2
    assert "no Dask scheduler answers at nonsense://here:1" in done.stderr.splitlines()[-1]
