"""``rote lut`` from end to end: what it prints and writes, refusals, and being stopped at any moment."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rote.cli import main
from rote.data import load as load_data
from rote.luts import load
from rote.runs import RunFolder

SMALL = ["--k=4", "--width=40", "--depth=2"]
BINARY = ["--yes=5,6,7,8,9"]


def lut(*words):
    """The words of one command line; its exit status is returned."""
    return main(["lut", *map(str, words)])


def changed(words, *more):
    """A command line in which some options have other values."""
    names = {word.split("=")[0] for word in more}
    return [*(word for word in words if str(word).split("=")[0] not in names), *more]


def said_last(capsys):
    return Path(capsys.readouterr().out.splitlines()[-1])


def contents(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A network that tells digits from 5 from those below it: the folder of its fit."""
    out = tmp_path_factory.mktemp("lut") / "run"
    assert lut("fit", "digits", *SMALL, *BINARY, "--out", out) == 0
    return out


@pytest.mark.slow
def test_the_installed_command_learns_judges_and_shows(tmp_path, environment):
    def run(*words):
        code = "import sys; sys.path.remove(''); from rote.cli import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "lut", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
        return done.stdout.splitlines()

    said = run("fit", "digits", *SMALL, "--out", "run")
    assert said[-1] == "run/model.safetensors"
    assert "of 1438 training examples" in said[0]
    judged = run("eval", said[-1], "digits", "--out", "judged")
    assert judged[-1] == "judged/predictions.csv"
    assert judged[0].split()[0] == said[0].split(" and ")[1].split()[0]  # the test accuracy that fit found
    assert run("show", said[-1])[-1] == "run/report.html"
    swept = run(
        "sweep", "digits", "--k", "2,4", "--width", "", "--depth", "", "--hold-width", "20", "--seeds", "1"
    )
    assert (tmp_path / swept[-1]).parent.name.startswith("lut-sweep-digits-")


def test_a_fit_leaves_a_model_a_page_and_a_report(finished):
    digits = load_data("digits")
    estimator = load(finished / "model.safetensors")
    X, y = digits.test.X.reshape(-1, 64), np.where(digits.test.y >= 5, "yes", "no")
    report = json.loads((finished / "report.json").read_text())
    (model,) = report["models"]
    assert estimator.score(X, y) == model["test_accuracy"] > 0.8
    assert [layer["luts"] for layer in model["layers"]] == [40, 40, 1]
    assert report["options"]["k"] == 4
    page = (finished / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "Threshold(threshold=127)" in page


def test_the_same_fit_again_is_read_back(finished, capsys):
    before = contents(finished)
    assert lut("fit", "digits", *SMALL, *BINARY, "--out", finished) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "This was finished before; its folder was read back, and nothing was learnt."
    assert said[-1] == str(finished / "model.safetensors")
    assert contents(finished) == before


def test_threads_change_nothing(finished, tmp_path):
    assert lut("fit", "digits", *SMALL, *BINARY, "--threads", "2", "--out", tmp_path / "run") == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (
        finished / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        ("--k=5", "config.options.k: 4 → 5"),
        ("--seed=3", "config.options.seed: 0 → 3"),
        ("--binariser=quantiles", "config.binariser"),
        ("--yes=1", "data_sha256"),
    ],
)
def test_another_fit_in_the_same_folder_is_refused(finished, capsys, more, differs):
    before = contents(finished)
    assert lut(*changed(["fit", "digits", *SMALL, *BINARY], more), "--out", finished) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert differs in said
    assert said.endswith("choose another --out.")
    assert contents(finished) == before


def test_what_eval_writes(finished, tmp_path, capsys):
    assert lut("eval", finished, "digits", "--out", tmp_path / "judged") == 0
    said = capsys.readouterr().out.splitlines()
    found = json.loads((tmp_path / "judged" / "eval.json").read_text())["models"][0]
    assert said[0] == f"{found['accuracy']:.1%} of 359 test examples are answered rightly."
    assert [line.split()[0] for line in said[1:4]] == ["class", "no", "yes"]
    with (tmp_path / "judged" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([row["given"] == row["predicted"] for row in rows]) == found["accuracy"]
    assert [int(row["id"]) for row in rows] == load_data("digits").test.ids.tolist()
    assert lut("eval", finished, "digits", "--part", "all", "--out", tmp_path / "all") == 0
    assert "of 1797 examples" in capsys.readouterr().out


def test_a_folder_that_is_in_use_can_be_read(finished, tmp_path, capsys):
    with RunFolder.reopen(finished):
        assert lut("eval", finished / "model.safetensors", "digits", "--out", tmp_path / "judged") == 0
    assert "of 359 test examples" in capsys.readouterr().out


def test_a_folder_that_holds_no_fit_has_no_model(tmp_path, capsys):
    assert lut("eval", tmp_path, "digits", "--out", tmp_path / "judged") == 2
    assert "is no run folder" in capsys.readouterr().err
    with RunFolder.open(tmp_path / "other", command=[], config={"command": "x"}, data_sha256=""):
        pass
    assert lut("eval", tmp_path / "other", "digits", "--out", tmp_path / "judged") == 2
    assert "holds no finished `rote lut fit`" in capsys.readouterr().err


def write_table(path, rows=60, *, seed=0, columns="abc"):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (rows, len(columns)))
    lines = [",".join([*columns, "label"])]
    lines += [",".join([*map(str, row), "yes" if sum(row) > 1 else "no"]) for row in X.tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_is_judged_on_what_was_held_out_and_another_on_all_of_it(tmp_path, capsys):
    table, other = write_table(tmp_path / "t.csv"), write_table(tmp_path / "o.csv", rows=30, seed=1)
    assert lut("fit", table, "--k", "3", "--depth", "0", "--out", tmp_path / "run") == 0
    for data, said in ((table, "100.0% of 12 test examples"), (other, "100.0% of 30 examples")):
        assert lut("eval", tmp_path / "run", data, "--out", tmp_path / f"e{data.stem}") == 0
        assert said in capsys.readouterr().out
    assert lut("fit", table, "--test", other, "--k", "3", "--depth", "0", "--out", tmp_path / "both") == 0
    assert "of 60 training examples and 100.0% of 30 test examples" in capsys.readouterr().out
    assert lut("eval", tmp_path / "both", table, "--out", tmp_path / "e-both") == 0
    assert "100.0% of 60 training examples" in capsys.readouterr().out
    assert lut("fit", table, "--limit", "20", "--k", "3", "--depth", "0", "--out", tmp_path / "few") == 0
    assert lut("eval", tmp_path / "few", table, "--out", tmp_path / "e-few") == 0
    assert "of 12 test examples" in capsys.readouterr().out.splitlines()[-5]
    for columns, said in (("abd", "has the column `d` where"), ("ab", "has 2 inputs, but")):
        strange = write_table(tmp_path / "s.csv", columns=columns)
        assert lut("eval", tmp_path / "run", strange, "--out", tmp_path / "no") == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "no").exists()


PLA = """.i 3
.o 2
.ilb a b c
.ob and or
.type fr
.p 6
111 11
000 00
110 01
0-1 01
100 01
010 0-
.e
"""


@pytest.fixture
def pla(tmp_path):
    path = tmp_path / "two.pla"
    path.write_text(PLA)
    return path


def test_outputs_of_a_pla_file(pla, tmp_path, capsys):
    small = ["--k", "3", "--width", "4", "--depth", "1", "--dont-cares", "expand"]
    text = pla.read_text().replace("0-1 01", "011 01\n001 0-").replace(".p 6", ".p 7")
    pla.write_text(text.replace("010 0-", "0-0 00\n101 11").replace(".p 7", ".p 8"))
    assert lut("fit", pla, "--every-output", *small, "--out", tmp_path / "run") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["and", "or"]
    assert said[-1] == str(tmp_path / "run")
    models = sorted(file.name for file in (tmp_path / "run").glob("*.safetensors"))
    assert models == ["model-0.safetensors", "model-1.safetensors"]
    expand = ["--dont-cares", "expand"]
    assert lut("eval", tmp_path / "run", pla, *expand, "--out", tmp_path / "e") == 0
    with (tmp_path / "e" / "predictions.csv").open(newline="") as file:
        assert {row["output"] for row in csv.DictReader(file)} == {"and", "or"}
    capsys.readouterr()
    assert lut("eval", tmp_path / "run" / models[1], pla, *expand, "--out", tmp_path / "one") == 0
    assert capsys.readouterr().out.startswith("or: ")
    assert lut("fit", pla, "--label", "or", *small, "--out", tmp_path / "or") == 0
    assert said_last(capsys) == tmp_path / "or" / "model.safetensors"
    assert "Output and, layer by layer" in (tmp_path / "run" / "report.html").read_text()


def test_of_several_outputs_only_those_that_are_missing_are_learnt(pla, tmp_path):
    words = [
        "fit",
        pla,
        "--every-output",
        "--dont-cares",
        "expand",
        "--width",
        "4",
        "--out",
        tmp_path / "run",
    ]
    pla.write_text(PLA.replace("010 0-", "010 00\n101 11").replace(".p 6", ".p 7"))
    assert lut(*words) == 0
    before, model = contents(tmp_path / "run"), tmp_path / "run" / "model-1.safetensors"
    when = {file: file.stat().st_mtime_ns for file in (tmp_path / "run").glob("*.safetensors")}
    (tmp_path / "run" / "records" / "model-1.json").unlink()  # killed before it was saved
    assert lut(*words) == 0
    assert contents(tmp_path / "run")[model] == before[model]
    after = {file: file.stat().st_mtime_ns for file in when}
    assert [file for file in when if after[file] != when[file]] == [model]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", "line 10: input 1 may be either: expand such rows"),
        ("0-1 01", "0x1 01", "line 10: an input must be one of 0 1 - 2, not 'x'"),
        ("0-1 01", "01 01", "line 10: must have 3 input and 2 output characters"),
        (".p 6", ".p 7", "line 6: the file has 6 rows but `.p` says 7: the file is cut off, or correct `.p`"),
        (PLA, "", "is empty: a PLA file begins with `.i` and `.o`"),
        ("0-1 01", "001 01", "has 2 outputs: say with `label` which of `and`, `or` it is"),
    ],
    ids=["don't-cares", "character", "width", "count", "empty", "outputs"],
)
def test_bad_pla_files_are_one_sentence(pla, monkeypatch, capsys, old, new, said):
    monkeypatch.chdir(pla.parent)
    pla.write_text(PLA.replace(old, new) if old else PLA)
    assert lut("fit", "two.pla") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "`two.pla`" in error
    assert error.count("\n") == 1
    assert [path.name for path in pla.parent.iterdir()] == ["two.pla"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "digits", "--k", "17"], "`k` must be between 1 and 16. Got 17."),
        (["fit", "digits", "--threads", "0"], "`threads` must be at least 1. Got 0."),
        (["fit", "digits", "--ties", "maybe"], "Invalid value"),
        (
            ["fit", "digits", "--bits", "0", "--binariser", "quantiles"],
            "`bits` must be between 1 and 4096. Got 0.",
        ),
        (["fit", "digits", "--depth", "0", "--output", "vote"], "needs a layer that votes"),
        (["fit", "digits", "--yes", "10"], "`yes` must name classes of `digits`"),
        (["fit", "digits", "--every-output"], "`every_output` is for PLA files"),
        (["fit", "nope.csv"], "`nope.csv` is not there: check the path."),
        (["eval", "nope.safetensors", "digits"], "`nope.safetensors` is not there: check the path."),
        (["show", "nope"], "`nope` is not there: check the path."),
        (["show", "nope", "--out", "run"], "`out` is for a page made with --data"),
        (["sweep", "digits", "--k", "2,x"], "`k` must be whole numbers separated by commas. Got '2,x'."),
        (["sweep", "digits", "--k", "2,99"], "`k` must be between 1 and 16. Got 99."),
        (["sweep", "digits", "--labels", "fake"], "`labels` must be among real, random. Got 'fake'."),
        (["sweep", "digits", "--seeds", "0"], "`seeds` must be at least 1. Got 0."),
        (["sweep", "digits", "--k", "", "--width", "", "--depth", ""], "must name something to learn"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_folder(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert lut(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("rote: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_would_not_fit_is_refused_before_anything_is_learnt(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rote.luts._memory.available", lambda: 50 << 20)
    assert lut("sweep", "digits", "--k", "2,16", "--out", tmp_path / "run") == 2
    assert "luts of `k=16` in each of `depth=5` layers" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_show_draws_a_page_anew_and_that_of_a_lone_model_from_its_data(finished, tmp_path, capsys):
    page = finished / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert lut("show", finished / "model.safetensors") == 0
    assert (said_last(capsys), page.read_bytes()) == (page, before)
    lone = tmp_path / "lone.safetensors"
    lone.write_bytes((finished / "model.safetensors").read_bytes())
    assert lut("show", lone) == 2
    assert "stands alone, without the folder of its fit" in capsys.readouterr().err
    assert lut("show", lone, "--data", "digits", "--out", tmp_path / "run") == 2
    assert "knows no, yes" in capsys.readouterr().err
    assert lut("show", lone, "--data", "digits", *BINARY, "--out", tmp_path / "run") == 0
    shown = said_last(capsys).read_text()
    for svg in before.decode().split("<svg")[1:]:  # the same drawings: the counts were made anew
        assert svg.split("</svg>")[0] in shown


SWEEP = ["sweep", "digits", *BINARY, "--k=2,4", "--width=8,16", "--depth=1", "--hold-width=16", "--seeds=2"]


def cells(out):
    return {path.stem: json.loads(path.read_text()) for path in Path(out).rglob("cells/*.json")}


def without_time(out):
    found = cells(out)
    for kept in found.values():
        kept["record"].pop("seconds")
    return found


@pytest.mark.slow
def test_a_sweep_learns_only_what_is_new(tmp_path, capsys):
    out = tmp_path / "run"
    assert lut(*SWEEP, "--out", out) == 0
    assert said_last(capsys) == out / "report.html"
    first = contents(out / "records" / "cells")
    assert len(first) == 2 * 2 * 5
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 6
    assert page.count('class="line control"') == 6
    assert lut(*SWEEP, "--out", out) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Every network was there already; nothing was learnt."
    assert lut(*changed(SWEEP, "--k=2,4,6", "--labels=real"), "--out", out) == 0
    more = contents(out / "records" / "cells")
    assert len(more) == 22
    assert {path: more[path] for path in first} == first
    assert lut("show", out) == 0
    assert said_last(capsys) == out / "report.html"
    record = json.loads((out / "report.json").read_text())
    accuracy = {c["k"]: c["train_accuracy"] for c in record["cells"] if (c["width"], c["depth"]) == (16, 5)}
    assert accuracy[2] < accuracy[6]
    assert lut(*changed(SWEEP, "--yes=1"), "--out", out) == 2
    assert "holds another run (data_sha256" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_was_stopped_goes_on(tmp_path, environment, how):
    out = tmp_path / "run"
    words = [*changed(SWEEP, "--seeds=8"), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "rote", "lut", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while len(cells_there(out)) < 3 and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.002)
    os.kill(process.pid, how)
    _, error = process.communicate(timeout=60)
    assert "Traceback" not in error
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert error.splitlines()[-1] == "rote: stopped; run the same command again to go on"
    there = {path: path.read_bytes() for path in cells_there(out)}
    assert 3 <= len(there) < 80
    assert lut(*words) == 0
    assert {path: path.read_bytes() for path in there} == there
    assert len(cells_there(out)) == 80
    assert lut(*words[:-1], tmp_path / "whole") == 0
    assert without_time(out) == without_time(tmp_path / "whole")


def cells_there(out):
    return list(Path(out).glob("records/cells/*.json"))


@pytest.mark.realdata
@pytest.mark.slow
def test_mnist(real_data, tmp_path, capsys):
    words = ["mnist", "--data-dir", real_data, *BINARY]
    assert lut("fit", *words, "--width", "256", "--out", tmp_path / "run") == 0
    (model,) = json.loads((tmp_path / "run" / "report.json").read_text())["models"]
    assert model["inputs"] == 784
    assert 0.8 < model["test_accuracy"] < model["train_accuracy"] < 0.95
