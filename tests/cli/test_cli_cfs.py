"""``rote cfs`` from end to end: what it prints and writes, going on, and what it refuses."""

import csv
import html
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import rote._cfs._run
from rote.circuits import Builder, Circuit, input_bits
from rote.circuits.compile import compile_trees
from rote.cli import main
from rote.data import load


def cfs(*words):
    """The words of one command line; its exit status is returned."""
    return main(["cfs", *map(str, words)])


def contents(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file() and p.name != ".lock"}


def majority(by_minterms):
    """Majority of three bits; as an OR of its minterms each product is 1 on one row of the cube only."""
    build = Builder(["a", "b", "c"])
    a, b, c = build.literals
    if not by_minterms:
        return build.finish({"f": build.or_(build.and_(a, b), build.and_(c, build.or_(a, b)))})
    rows = [(a, b, c), (a, b, c ^ 1), (a, b ^ 1, c), (a ^ 1, b, c)]
    terms = [build.and_(build.and_(x, y), z) for x, y, z in rows]
    return build.finish({"f": build.or_(build.or_(*terms[:2]), build.or_(*terms[2:]))})


@pytest.fixture
def cube(tmp_path, monkeypatch):
    """Two circuits of the majority of three bits, and all eight rows, in the current folder."""
    monkeypatch.chdir(tmp_path)
    majority(False).write("short.aag")
    majority(True).write("minterms.blif")
    rows = [f"{n:03b} {int(n.bit_count() > 1)}" for n in range(8)]
    Path("cube.pla").write_text("\n".join([".i 3", ".o 1", ".type fr", *rows, ".e", ""]))
    return tmp_path


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A decision tree of digits, as a circuit."""
    digits = load("digits").train
    fitted = DecisionTreeClassifier(random_state=0).fit(digits.X.reshape(-1, 64), digits.y)
    return compile_trees(fitted).write(tmp_path_factory.mktemp("tree") / "tree.blif")


@pytest.mark.slow
@pytest.mark.browser
def test_the_installed_command_writes_a_page_that_opens(tmp_path, environment, tree, chromium):
    code = "import sys; sys.path.remove(''); from rote.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "cfs", str(tree), "digits", "--lanes", "500", "--out", "run"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("tree: plain 100.0%, l=1 ")
    assert said[-1] == "run/index.html"
    record = json.loads((tmp_path / "run" / "cfs.json").read_text())
    shown = " ".join(html.unescape(chromium.dump_dom(tmp_path / "run" / "index.html")).split())
    assert "points of accuracy rest on what at most 16 examples show." in shown
    assert record["circuits"][0]["listed"][0]["id"] in shown


def test_what_the_command_writes_is_what_python_finds(tree, tmp_path, capsys):
    assert cfs(tree, "digits", "--lanes", "500", "--out", tmp_path / "run") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "run" / "index.html")
    digits, circuit = load("digits").train, Circuit.read(tree)
    found = circuit.counterfactual(input_bits(circuit, digits.X), digits.y)
    record = json.loads((tmp_path / "run" / "cfs.json").read_text())
    (written,) = record["circuits"]
    wanted = found.record() | {"signals": None, "switches": None}
    assert {key: written[key] for key in wanted} | {"signals": None, "switches": None} == wanted | {
        key: written[key] for key in ("kind",)
    }
    assert written["baseline"] == 1
    with (tmp_path / "run" / "least-support.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["tree"]) for row in rows] == found.least_support.tolist()
    assert [int(row["id"]) for row in rows] == digits.ids.tolist()
    listed = written["listed"]
    assert [e["least"] for e in listed] == sorted(e["least"] for e in listed)
    assert all(found.least_support[e["row"]] == e["least"] for e in listed)
    assert all(e["becomes"] != e["given"] == digits.classes[digits.y[e["row"]]] for e in listed)
    assert (tmp_path / "run" / "index.html").read_text().count("<img src=") == len(listed)


def test_a_wire_and_minterms_share_a_page(cube, capsys):
    assert cfs("short.aag", "minterms.blif", "cube.pla", "--out", "run") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "short: plain 100.0%, l=1 100.0%, l=2 75.0%",
        "minterms: plain 100.0%, l=1 50.0%, l=2 50.0%",
        "run/index.html",
    ]
    page = Path("run/index.html").read_text()
    assert page.count('class="line s1"') == 2
    assert "no. 2: minterms" not in page  # the names are short enough


def test_the_same_again_is_read_back_and_more_goes_on(cube, capsys, monkeypatch):
    passes = []
    real = rote._cfs._run.perturbed_answers

    def counted(task, limit):
        passes.append((task.circuit.gates, limit))
        return real(task, limit)

    monkeypatch.setattr(rote._cfs._run, "perturbed_answers", counted)
    assert cfs("short.aag", "cube.pla", "--limits", "1", "--out", "run") == 0
    before = contents("run")
    assert cfs("short.aag", "cube.pla", "--limits", "1", "--out", "run") == 0
    assert "Every pass was there already; nothing was simulated." in capsys.readouterr().out
    assert contents("run") == before
    assert len(passes) == 1
    assert cfs("short.aag", "minterms.blif", "cube.pla", "--limits", "1,2", "--out", "run") == 0
    assert len(passes) == 4
    again = contents("run")
    assert cfs("short.aag", "minterms.blif", "cube.pla", "--out", "run") == 0
    assert len(passes) == 4
    whole = {path: data for path, data in again.items() if path.suffix == ".html"}
    fresh = {path: Path(path).read_bytes() for path in whole}
    assert whole == fresh


def test_a_run_that_was_stopped_goes_on_with_the_pass_it_was_at(cube, monkeypatch):
    real = rote._cfs._run.perturbed_answers
    passes = []

    def stopped(task, limit):
        passes.append(limit)
        if len(passes) == 2:
            raise KeyboardInterrupt
        return real(task, limit)

    monkeypatch.setattr(rote._cfs._run, "perturbed_answers", stopped)
    assert cfs("short.aag", "cube.pla", "--out", "run") == 130
    assert cfs("short.aag", "cube.pla", "--out", "run") == 0
    assert passes == [1, 2, 2]
    assert cfs("short.aag", "cube.pla", "--out", "whole") == 0
    kept = [json.loads(Path(run, "cfs.json").read_text())["circuits"] for run in ("run", "whole")]
    for each in kept:
        each[0].pop("seconds")
    assert kept[0] == kept[1]


@pytest.mark.parametrize("kind", ["composite", "random", "noise"])
def test_other_kinds_have_folders_of_their_own(cube, kind, capsys):
    limits = ["--limits", "1" if kind != "noise" else "2,20"]
    assert cfs("minterms.blif", "cube.pla", "--kind", kind, *limits) == 0
    assert cfs("minterms.blif", "cube.pla", *(["--limits", "1"])) == 0
    assert len(list(Path("rote-runs").iterdir())) == 2
    assert f"Counterfactual simulation, {kind}" in next(
        page.read_text() for page in Path("rote-runs").rglob("index.html") if kind in page.read_text()
    )
    assert ("2^-20" in capsys.readouterr().out) == (kind == "noise")


def test_a_table_is_read_whole_and_its_classes_are_found_by_name(cube, capsys):
    rows = [[n >> 2 & 1, n >> 1 & 1, n & 1] for n in range(8)] * 3
    lines = ["a,b,c,label", *(",".join([*map(str, row), "most" if sum(row) > 1 else "few"]) for row in rows)]
    Path("cube.csv").write_text("\n".join(lines) + "\n")
    one = majority(False)
    most = int(one.drivers[0])
    named = Circuit(one.inputs, one.fanins, one.xor, ("most", "few"), np.array([most, most ^ 1], np.uint32))
    named.write("named.blif")
    assert cfs("named.blif", "cube.csv", "--out", "run") == 0
    assert capsys.readouterr().out.startswith("named: plain 100.0%, l=1 100.0%")
    assert json.loads(Path("run/cfs.json").read_text())["data"]["examples"] == 24
    assert cfs("named.blif", "cube.csv", "--part", "test", "--limits", "1", "--out", "test") == 0
    assert json.loads(Path("test/cfs.json").read_text())["data"]["part"] == "test part"
    assert cfs("short.aag", "cube.csv", "--yes", "most", "--limit", "12", "--out", "yes") == 0
    data = json.loads(Path("yes/cfs.json").read_text())["data"]
    assert (data["classes"], data["examples"], data["of"]) == (["no", "yes"], 12, 24)


def test_outputs_of_a_pla_file(cube, capsys):
    rows = [f"{n:03b} {int(n.bit_count() > 1)}{int(n.bit_count() < 2)}" for n in range(8)]
    Path("two.pla").write_text("\n".join([".i 3", ".o 2", ".ob f g", ".type fr", *rows, ".e", ""]))
    one = majority(True)
    most = int(one.drivers[0])
    Circuit(one.inputs, one.fanins, one.xor, ("f", "g"), np.array([most, most ^ 1], np.uint32)).write(
        "two.blif"
    )
    assert cfs("two.blif", "two.pla", "--out", "both") == 0
    assert cfs("two.blif", "two.pla", "--label", "g", "--out", "g") == 0
    assert cfs("short.aag", "two.pla", "--label", "f", "--out", "f") == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "two: plain 100.0%",
        "both/index.html",
        "two: plain 100.0%",
        "g/index.html",
        "short: plain 100.0%",
        "f/index.html",
    ]
    Path("two.pla").write_text(Path("two.pla").read_text().replace("000 01", "000 11"))
    assert cfs("two.blif", "two.pla", "--out", "no") == 2
    assert "`two.pla`, line 5: has 2 outputs, of which exactly one must be 1" in capsys.readouterr().err


def test_a_folder_stands_for_its_circuits(cube, capsys):
    Path("made").mkdir()
    majority(False).write("made/net.aag")
    majority(True).write("made/net.blif")
    assert cfs("made", "cube.pla", "--limits", "1", "--out", "run") == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[:2]] == [
        "net.aag",
        "net.blif",
    ]


def test_another_run_in_the_same_folder_is_refused(cube, capsys):
    assert cfs("short.aag", "cube.pla", "--out", "run") == 0
    before = contents("run")
    assert cfs("short.aag", "cube.pla", "--inputs", "--out", "run") == 2
    assert "config.switches.inputs: false → true" in capsys.readouterr().err
    assert contents("run") == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cube.pla"], "needs a circuit and data"),
        (["nope.aig", "cube.pla"], "`nope.aig` is not there: check the path."),
        (["short.aag", "nope.pla"], "`nope.pla` is not there: check the path."),
        (["short.aag", "short.aag", "cube.pla"], "are the same circuit: give it once"),
        (["empty", "cube.pla"], "holds no circuit"),
        (["cube.csv", "cube.pla"], "cube.csv"),
        (["short.aag", "digits"], "`short.aag`: The circuit reads 3 bits, but an example has 64 features"),
        (["short.aag", "cube.pla", "--limits", "1,4"], "`limits` must be from 1 to 3"),
        (["short.aag", "cube.pla", "--limits", "1;2"], "separated by commas. Got '1;2'."),
        (["short.aag", "cube.pla", "--threads", "0"], "`threads` must be at least 1"),
        (["short.aag", "cube.pla", "--limit", "0"], "`limit` must be at least 1"),
        (["short.aag", "cube.pla", "--lanes", "-1"], "`lanes` must lie between 0 and 65,536"),
        (["short.aag", "cube.pla", "--label", "g"], "`label` must be one of `y0`"),
        (["short.aag", "cube.pla", "--yes", "2"], "`yes` must name classes of `cube.pla` (0, 1)"),
        (["short.aag", "cube.pla", "--decode", "words"], "is called `f`"),
        (["short.aag", "cube.pla", "--kind", "sharp"], "Invalid value"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_folder(cube, capsys, words, said):
    Path("empty").mkdir()
    Path("cube.csv").write_text("a,b,label\n1,0,1\n")
    before = sorted(path.name for path in cube.iterdir())
    assert cfs(*words, "--out", "run") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("rote: ")
    assert error.count("\n") == 1
    assert sorted(path.name for path in cube.iterdir()) == before


@pytest.mark.realdata
@pytest.mark.slow
def test_a_circuit_that_others_trained_reads_images_as_we_lay_them_out(real_data, tmp_path):
    """The contest's network for CIFAR-10: 54.7 % on the official test part, ours is a JPEG copy of it."""
    file = real_data / "circuits" / "cifar10-cnn.aig"
    words = ["cifar10", "--part", "test", "--limit", "1000", "--limits", "1", "--lanes", "0"]
    assert cfs(file, *words, "--data-dir", real_data, "--out", tmp_path / "run") == 0
    (circuit,) = json.loads((tmp_path / "run" / "cfs.json").read_text())["circuits"]
    assert 0.5 < circuit["baseline"] < 0.6
