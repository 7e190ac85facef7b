"""``rote compile`` from end to end: what it reads, prints and writes, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from rote.circuits import Builder, Circuit
from rote.circuits.compile import compile_luts, compile_trees, save_trees
from rote.cli import main
from rote.luts import LUTNetworkClassifier, save

FACTORY = """
from torch import nn

def tiny():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

def sized(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1], classes))

def broken():
    raise RuntimeError("no such luck")

number = 3
"""


def compile_(*words):
    """The words of one command line; its exit status is returned."""
    return main(["compile", *map(str, words)])


def same(a, b):
    return (
        a.inputs == b.inputs
        and a.outputs == b.outputs
        and np.array_equal(np.sort(a.fanins, axis=1), np.sort(b.fanins, axis=1))  # AIGER orders them
        and np.array_equal(a.drivers, b.drivers)
    )


def some_data(classes=3):
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (50, 3)), draw.integers(0, classes, 50)


@pytest.fixture
def forest(tmp_path):
    model = RandomForestClassifier(3, max_depth=3, random_state=0).fit(*some_data())
    save_trees(model, tmp_path / "forest.safetensors")
    return model


@pytest.fixture
def xor(tmp_path):
    """A circuit of one gate, as a file."""
    build = Builder(["a", "b"])
    return build.finish({"f": build.xor_(*build.literals)}).write(tmp_path / "xor.blif")


def test_trees(forest, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert compile_("forest.safetensors") == 0
    said = capsys.readouterr().out.splitlines()
    circuit = compile_trees(forest)
    xors = int(circuit.xor.sum())
    assert said[-1] == "forest.aig"
    assert [line.split(maxsplit=1) for line in said[:-2]] == [
        ["model", "3 decision trees"],
        ["inputs", "24"],
        ["outputs", str(len(circuit.outputs))],
        ["gates", f"{circuit.gates:,} ({circuit.gates - xors:,} AND, {xors:,} XOR)"],
        ["levels", str(circuit.depth)],
        ["bytes", f"{Path('forest.aig').stat().st_size:,}"],
    ]
    assert said[-2].startswith(f"AIGER has no XOR: the file has {circuit.gates + 2 * xors:,} ANDs")
    assert same(Circuit.read("forest.aig"), circuit.without_xor())


def test_options_of_trees(tmp_path, capsys):
    model = DecisionTreeClassifier(random_state=0).fit([[1], [5], [9], [900]], [0, 1, 0, 1])
    path = save_trees(model, tmp_path / "tree.safetensors")
    assert compile_(path) == 2
    assert "with `bits=8`, but tree 0 asks whether one is at most" in capsys.readouterr().err
    assert compile_(path, "--bits=10", "-o", tmp_path / "tree.blif") == 0
    assert len(Circuit.read(tmp_path / "tree.blif").inputs) == 10
    assert compile_(path, "--bits=10", "--count-bits=0", "-o", tmp_path / "tree.blif") == 2


def test_tables_from_a_file_and_from_a_folder(tmp_path, capsys):
    X = np.random.default_rng(0).random((80, 6)) < 0.5
    model = LUTNetworkClassifier(k=3, width=8, depth=1).fit(X, X[:, 0] ^ X[:, 1])
    (tmp_path / "run").mkdir()
    path = save(model, tmp_path / "run" / "model.safetensors")
    for given in (path, path.parent):
        assert compile_(given, "-o", tmp_path / "net.aag") == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0].split(maxsplit=1) == ["model", "1 network of lookup tables"]
        assert said[-1] == str(tmp_path / "net.aag")
        assert not any("AIGER" in line for line in said)  # a single table has no XOR
        assert same(Circuit.read(tmp_path / "net.aag"), compile_luts(model))


def test_circuits_are_converted(xor, tmp_path, capsys):
    assert compile_(xor, "--no-xor", "-o", tmp_path / "and.blif") == 0
    assert "3 (3 AND, 0 XOR)" in capsys.readouterr().out
    cover = tmp_path / "cover.pla"
    cover.write_text(".i 3\n.o 1\n1-1 1\n01- 1\n.e\n")
    assert compile_(cover, "-o", tmp_path / "cover.v") == 0
    circuit = Circuit.read(tmp_path / "cover.v")
    assert (len(circuit.inputs), len(circuit.outputs)) == (3, 1)


def test_equal_gates_are_shared_on_request(tmp_path, capsys):
    build = Builder(["a", "b"])
    twice = build.append(np.array([[2, 4], [2, 4]], np.uint32), False)
    build.finish({"f": twice[0], "g": twice[1]}).write(tmp_path / "twice.aag")
    for words, gates in ([], 2), (["--share"], 1):
        assert compile_(tmp_path / "twice.aag", *words, "-o", tmp_path / "out.aag") == 0
        assert Circuit.read(tmp_path / "out.aag").gates == gates


@pytest.fixture
def weights(tmp_path):
    """A factory in a file, and weights that belong to it."""
    (tmp_path / "nets.py").write_text(FACTORY)
    draw = np.random.default_rng(0)
    tensors = {
        "0.weight": draw.normal(size=(4, 3)),
        "0.bias": draw.normal(size=4),
        "2.weight": draw.normal(size=(2, 4)),
        "2.bias": draw.normal(size=2),
    }
    save_file({name: t.astype(np.float32) for name, t in tensors.items()}, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


@pytest.mark.slow  # torch is imported
def test_the_installed_command_compiles_a_net(weights, environment):
    code = "import sys; sys.path.remove(''); from rote.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["compile", "net.safetensors", "--factory", "nets.py:tiny", "--shape", "3", "--out", "net.blif"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment,
        cwd=weights.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    said = done.stdout.splitlines()
    assert said[0].split(maxsplit=1) == ["model", "a net of 26 parameters"]
    assert said[-1] == "net.blif"
    circuit = Circuit.read(weights.parent / "net.blif")
    assert circuit.inputs[:9] == (*(f"x0[{k}]" for k in range(8)), "x1[0]")
    assert circuit.outputs[0] == "class0[0]"
    assert len(circuit.outputs) == 32


@pytest.mark.slow
def test_options_of_nets(weights, tmp_path, capsys):
    words = [weights, "--factory", f"{tmp_path / 'nets.py'}:tiny", "--shape=3"]
    gates = []
    for more in [], ["--multiplier=array"], ["--weights=6", "--fraction=4"], ["--no-xor"]:
        assert compile_(*words, *more, "-o", tmp_path / "net.blif") == 0
        gates.append(Circuit.read(tmp_path / "net.blif").gates)
    assert len(set(gates)) == 4
    assert compile_(*words, "--weights=6", "-o", tmp_path / "net.blif") == 2  # 6 bits, all behind the point
    assert "`fraction`" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--factory={}:tiny"], "`shape` must say what one example of the net is, for example 1,28,28."),
        ([], "say with `factory` what makes it"),
        (["--factory={}:none", "--shape=3"], "has no function `none`"),
        (["--factory={}:number", "--shape=3"], "has no function `number`"),
        (["--factory={}:broken", "--shape=3"], "`factory`: broken failed (RuntimeError: no such luck)"),
        (["--factory={}.py:tiny", "--shape=3"], "is not there: check the path"),
        (["--factory=no_such_module:tiny", "--shape=3"], "`factory`: cannot import no_such_module:tiny"),
        (["--factory=vgg", "--shape=3"], "`factory` must be one of mlp, cnn, resnet18"),
        (["--factory={}:sized", "--shape=2,2", "--classes=5"], "holds other weights than the net of"),
        (["--factory={}:tiny", "--shape=7"], "rote: "),
        (["--factory={}:tiny", "--shape=x"], "`shape` must be whole numbers from 1"),
        (["--factory={}:tiny", "--shape=0"], "`shape` must be whole numbers from 1"),
    ],
)
def test_nets_are_refused(weights, tmp_path, capsys, words, match):
    words = [word.format(tmp_path / "nets.py") for word in words]
    assert compile_(weights, *words, "-o", tmp_path / "net.aig") == 2
    err = capsys.readouterr().err
    assert match in err
    assert err.count("\n") == 1
    assert not (tmp_path / "net.aig").exists()


@pytest.mark.parametrize("suffix", ["pt", "pth", "ckpt", "pkl", "joblib", "PT"])
def test_pickles_are_refused_unopened(tmp_path, capsys, suffix):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    assert compile_(path, "-o", tmp_path / "net.aig") == 2
    err = capsys.readouterr().err
    assert "may run code hidden in it" in err
    assert "safetensors.torch.save_file" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "more", "match"),
    [
        ("none.aig", None, [], "is not there: check the path"),
        ("model.md", b"", [], "must be a .safetensors file, a circuit"),
        ("model.safetensors", b"\x00" * 20, [], "is no whole safetensors file"),
        ("model.safetensors", b"", [], "is no whole safetensors file"),
        ("model.aag", b"aag nonsense", [], "model.aag"),
        ("model.aag", b"aag 0 0 0 0 0\n", ["--factory=mlp"], "`factory` is for the weights of a net"),
        ("model.aag", b"aag 0 0 0 0 0\n", ["-o", "net.png"], "`out` must end in one of .aig"),
        (
            "model.aag",
            b"aag 0 0 0 0 0\n",
            ["-o", "nowhere/net.aig"],
            "`out`: the folder `nowhere` is not there",
        ),
        ("model.aag", b"aag 0 0 0 0 0\n", ["-o", "model.aag"], "`out` is the model itself"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, monkeypatch, capsys, name, content, more, match):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    assert compile_(name, *(more or ["-o", "net.aig"])) == 2
    err = capsys.readouterr().err
    assert match in err
    assert err.count("\n") == 1
    assert not Path("net.aig").exists()


def test_whole_models_need_no_factory(forest, tmp_path, capsys):
    assert compile_(tmp_path / "forest.safetensors", "--factory=mlp", "-o", tmp_path / "net.aig") == 2
    assert "holds a whole model" in capsys.readouterr().err


def test_folders_with_several_models_are_refused(forest, tmp_path, capsys):
    (tmp_path / "b.safetensors").touch()
    assert compile_(tmp_path, "-o", tmp_path / "net.aig") == 2
    assert "a folder with 2 safetensors files" in capsys.readouterr().err
