"""``rote audit`` from end to end: what it prints and writes, refusals, and being stopped at any moment."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rote.cli import main

EPOCHS = 6
DIGITS = ["audit", "digits", "--limit", "120", "--label-noise", "uniform:0.2"]
SHORT = ["--epochs", str(EPOCHS), "--seeds", "2", "--threads", "1"]
IN_ALL = EPOCHS * 3 * 2
"""Epochs of all six networks."""


def words(out, *more, jobs=1):
    return [*DIGITS, *SHORT, "--jobs", str(jobs), "--out", str(out), *more]


def comparable(out):
    """A report without what may differ between runs of one audit: seconds, workers, what was typed."""
    report = json.loads((Path(out) / "report.json").read_text())
    for name in ("seconds", "jobs", "sentence"):
        report["cost"].pop(name)
    report["reproduce"].pop("command")
    for remedy in report["remedies"]:
        remedy.pop("command")
    return report


def contents(folder):
    return {p: p.stat().st_mtime_ns for p in Path(folder).rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request):
    """A finished audit of noisy digits: its folder, and the process that made it."""
    out = tmp_path_factory.mktemp("audit") / "run"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-m", "rote", *words(out)]
    return out, subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_audit_ends_with_the_path_of_its_page(finished):
    out, done = finished
    assert (done.returncode, Path(done.stdout.splitlines()[-1])) == (0, out / "report.html")
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert "48/48 epochs" in done.stderr  # two narrow networks come last
    assert done.stdout.startswith(("It is ", "Neither: "))


def refuse_constant(text):
    raise AssertionError(f"report.json holds {text}")


@pytest.mark.slow
def test_an_audit_leaves_a_page_a_report_and_a_table(finished):
    out, _ = finished
    report = json.loads((out / "report.json").read_text(), parse_constant=refuse_constant)
    assert report["data"]["examples"] == 120
    assert report["data"]["noise"] == "uniform:0.2 seed 0"
    assert report["reproduce"]["command"] == "rote " + " ".join(words(out))
    with (out / "suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == list(range(1, 121))
    assert all(float(a["score"]) >= float(b["score"]) for a, b in pairwise(rows))
    page = (out / "report.html").read_text()
    assert report["verdict"]["headline"] in page
    assert len(page) < 2_000_000


@pytest.mark.slow
def test_the_same_command_again_reads_the_folder_back(finished, capsys):
    out, first = finished
    before = contents(out)
    began = time.process_time()
    assert main(words(out)) == 0
    assert time.process_time() - began < 5
    said = capsys.readouterr()
    assert said.out.startswith(
        "This audit was finished before; its folder was read back, and nothing was trained.\n"
    )
    assert said.out.splitlines()[1:] == first.stdout.splitlines()
    assert said.err == ""
    assert {p: t for p, t in contents(out).items() if p.name != ".lock"} == {
        p: t for p, t in before.items() if p.name != ".lock"
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "differs"),
    [
        (["--lr", "0.2"], "config.recipe.lr: 0.05 → 0.2"),
        (["--seed", "3"], "config.seed: 0 → 3"),
        (["--model", "resnet18"], "config.model"),
        (["--batch", "32"], "config.recipe.batch: 64 → 32"),
    ],
)
def test_another_audit_in_the_same_folder_is_refused(finished, capsys, more, differs):
    out, _ = finished
    before = contents(out)
    assert main(words(out, *more)) == 2
    said = capsys.readouterr().err
    assert differs in said
    assert said.endswith("choose another --out.\n")
    assert said.count("\n") == 1
    assert contents(out) == before


@pytest.mark.slow
def test_remedies_are_added_to_a_finished_audit_without_training_it_again(finished, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    before = contents(out / "records")
    assert main(words(out, "--try", "early-stop, drop-suspects")) == 0
    report = json.loads((out / "report.json").read_text())
    assert {r["name"]: r["ran"] for r in report["remedies"]} == {
        "early-stop": True,
        "drop-suspects": True,
        "relabel": False,
        "winsorize": False,
        "median": False,
    }
    after = contents(out / "records")
    assert {p: after[p] for p in before if p.suffix != ".lock"} == {
        p: t for p, t in before.items() if p.suffix != ".lock"
    }
    new = {re.sub("-[0-9a-f]{8}-", "-", p.parent.name) for p in after.keys() - before.keys()}
    assert new == {"drop-suspects-0", "drop-suspects-1"}
    assert "tried" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--label-noise", "foo:0.2"], "`label_noise` must be KIND:RATE"),
        (["--label-noise", "uniform:1.2"], "a rate from 0 to 1"),
        (["--seeds", "1"], "`seeds` must be at least 2, so that every example is left out once. Got 1."),
        (["--seeds", "121"], "`seeds` must be at most the number of training examples"),
        (["--seed", "-1"], "`seed` must be a whole number from 0"),
        (["--epochs", "0"], "`epochs` and `batch` must be at least 1. Got 0 and 64."),
        (["--epochs", "many"], "Invalid value for --epochs"),
        (["--lr", "-1"], "`lr` must be positive. Got -1.0."),
        (["--momentum", "1.5"], "`momentum` must be at least 0 and below 1"),
        (["--weight-decay", "-1"], "`weight_decay` at least 0"),
        (
            ["--try", "nonsense"],
            "`try` must be among early-stop, drop-suspects, relabel, winsorize, median. Got",
        ),
        (["--model", "vgg"], "`model` must be one of mlp, cnn, resnet18, or pkg.module:factory. Got 'vgg'."),
        (["--model", "no_such_module:net"], "is its folder on PYTHONPATH?"),
        (["--jobs", "0"], "`jobs` must be at least 1. Got 0."),
        (["--threads", "-2"], "`threads` must be at least 1. Got -2."),
        (["--limit", "0"], "`limit` must be at least 1"),
        (["--limit", "1"], "must hold examples of at least two classes"),
        (["--limit", "30"], "`digits` must have at least 50 training examples for an audit. Got 30."),
        (["--label", "y"], "`label` names the column of a CSV or Parquet file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_folder(tmp_path, monkeypatch, capsys, more, said):
    monkeypatch.chdir(tmp_path)
    limit = [] if "--limit" in more else ["--limit", "120"]
    assert main(["audit", "digits", *limit, *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("rote: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_learning_rate_that_is_too_large_is_one_sentence(tmp_path, capsys):
    out = tmp_path / "run"
    assert (
        main([*DIGITS, "--seeds", "2", "--epochs", "9", "--lr", "1e6", "--jobs", "1", "--out", str(out)]) == 2
    )
    error = capsys.readouterr().err
    assert error.startswith("rote: `lr` must be small enough for training to stay finite. Got 1e+06")
    assert error.endswith("choose a smaller --lr.\n")
    assert error.count("\n") == 1


def write_table(path, classes, each=40, *, seed=0):
    """Two numbers an example, of which each class has its own centre."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "label"])
        for c, name in enumerate(classes):
            for x in rng.normal(size=(each, 2), loc=(3 * np.cos(c), 3 * np.sin(c))):
                writer.writerow([*x.round(3), name])


@pytest.mark.slow
def test_hostile_class_names_are_text_and_nothing_more(tmp_path, capsys):
    names = ["<script>alert(1)</script>", "=cmd()", "100%", "{{ 7*7 }}"]
    write_table(tmp_path / "hostile.csv", names)
    out = tmp_path / "run"
    more = [
        "--label-noise",
        "uniform:0.3",
        "--jobs",
        "1",
        "--out",
        str(out),
        "--epochs",
        "12",
        "--seeds",
        "2",
    ]
    assert main(["audit", str(tmp_path / "hostile.csv"), *more]) == 0
    page = (out / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "49" not in {row["given"] for row in json.loads((out / "report.json").read_text())["suspects"]}
    with (out / "suspects.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + 128
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert {row[3] for row in rows[1:]} == {"<script>alert(1)</script>", "'=cmd()", "100%", "{{ 7*7 }}"}
    assert json.loads((out / "report.json").read_text())["data"]["classes"] == sorted(names)
    assert "Traceback" not in capsys.readouterr().err


def test_a_table_with_one_example_a_class_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "t.csv", [f"c{k}" for k in range(90)], each=1)
    assert main(["audit", "t.csv"]) == 2
    assert "the label column holds 90 different values in 90 rows" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.slow
def test_a_table_with_two_or_three_examples_a_class_is_audited(tmp_path):
    write_table(tmp_path / "t.csv", [f"c{k}" for k in range(26)], each=3)
    out = tmp_path / "run"
    more = ["--epochs", "1", "--seeds", "2", "--jobs", "1", "--out", str(out)]
    more += ["--try", "early-stop,drop-suspects,relabel"]
    assert main(["audit", str(tmp_path / "t.csv"), *more]) == 0
    json.loads((out / "report.json").read_text(), parse_constant=refuse_constant)


NETS = """
from torch import nn

def normal(shape, classes):
    layers = nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes)
    return nn.Sequential(nn.Flatten(), *layers)
"""


class Audit:
    """``rote audit`` in a process of its own, with a mark by which its workers are known."""

    def __init__(self, arguments, environment, mark, **more):
        env = environment | {"ROTE_TEST_MARK": mark}
        command = [sys.executable, "-m", "rote", *arguments]
        self.mark, self.out = f"ROTE_TEST_MARK={mark}".encode(), Path(arguments[arguments.index("--out") + 1])
        self.process = subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )

    def epochs(self):
        return sum(p.read_bytes().count(b"\n") for p in self.out.rglob("curve.jsonl"))

    def wait_for(self, epochs):
        """Until so many epochs are trained, or until the process has ended."""
        until = time.monotonic() + 60
        while self.epochs() < epochs and self.process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.005)

    def end(self):
        out, error = self.process.communicate(timeout=60)
        return self.process.returncode, out, error

    def left(self, within=20.0):
        """Processes of this audit that are still there after some seconds."""
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
def test_batch_normalisation_from_a_users_module_in_worker_processes(tmp_path, environment):
    """The installed command does not put the current folder on the path; it is searched all the same."""
    (tmp_path / "rote_test_nets.py").write_text(NETS)
    out = tmp_path / "run"
    arguments = words(out, "--model", "rote_test_nets:normal", jobs=2)
    code = "import sys; sys.path.remove(''); from rote.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    layers = {
        layer["layer"]: layer["way"] for layer in json.loads((out / "report.json").read_text())["coverage"]
    }
    assert len(layers) == 3


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_an_audit_that_goes_on(finished, tmp_path, environment, jobs):
    audit = Audit(words(tmp_path / "run", jobs=jobs), environment, f"int{jobs}-{os.getpid()}")
    audit.wait_for(7)
    os.killpg(audit.process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    status, out, error = audit.end()
    assert status == 130
    assert error.splitlines()[-1] == "rote: stopped; run the same command again to go on"
    assert "Traceback" not in error
    assert out == ""
    assert audit.left() == []
    assert main(words(tmp_path / "run", jobs=1)) == 0
    assert comparable(tmp_path / "run") == comparable(finished[0])


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_moment_an_audit_goes_on_to_the_same_report(finished, tmp_path, environment, jobs):
    """Workers of a killed parent may still write for a moment, beside those of the next one."""
    killed = []
    for k, epochs in enumerate((2, IN_ALL // 2)):
        audit = Audit(words(tmp_path / "run", jobs=jobs), environment, f"kill{jobs}-{k}-{os.getpid()}")
        audit.wait_for(epochs)
        audit.process.kill()
        killed.append(audit)
        assert audit.end()[0] == -signal.SIGKILL
    assert main(words(tmp_path / "run", jobs=1)) == 0
    assert comparable(tmp_path / "run") == comparable(finished[0])
    assert [audit.left() for audit in killed] == [[], []]


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_the_report(finished, tmp_path):
    assert main(words(tmp_path / "run", jobs=2)) == 0
    assert comparable(tmp_path / "run") == comparable(finished[0])
    assert not list((tmp_path / "run").rglob("*rote-tmp*"))
