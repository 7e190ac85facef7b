"""The command line as a user meets it: help, errors, exit codes."""

import subprocess
import sys

import pytest

from rote import __version__
from rote.cli import _app, main
from rote.errors import InputError

HEAVY = {"torch", "sklearn", "matplotlib", "numpy", "scipy", "pyarrow", "PIL", "jinja2", "pooch", "joblib"}
COMMANDS = [
    ["audit"],
    ["cfs"],
    ["compile"],
    ["data"],
    ["data", "list"],
    ["data", "fetch"],
    ["lut"],
    ["lut", "fit"],
    ["lut", "eval"],
    ["lut", "show"],
    ["lut", "sweep"],
    ["study"],
    ["study", "list"],
    ["study", "run"],
    ["study", "show"],
    ["doctor"],
]
MEASURE = """
import sys, time
from rote.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
print(status or 0, round(time.process_time(), 3), *sorted({name.split(".")[0] for name in sys.modules}))
"""


def in_a_process(*words, env, code=MEASURE):
    return subprocess.run(
        [sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_is_quick_and_imports_nothing_heavy(command, environment):
    seconds = []
    for _ in range(8):  # on a busy machine the best of several
        done = in_a_process(*command, "--help", env=environment)
        status, cpu, *modules = done.stdout.splitlines()[-1].split()
        assert (status, done.stderr) == ("0", "")
        assert not HEAVY & set(modules)
        assert "Usage: rote" in done.stdout
        seconds.append(float(cpu))
        if min(seconds) < 0.3:
            break
    assert min(seconds) < 0.3


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_and_every_option_has_help(command, capsys):
    node = _app.app
    for word in command:
        node = node[word]
    assert node.help.strip()
    if node.default_command:
        for argument in node.assemble_argument_collection(parse_docstring=True):
            if "*" in argument.name:  # a group of options, each of which is another argument
                continue
            assert (argument.parameter.help or "").strip(), f"{argument.name} of {command} has no help"


def test_the_table_of_this_test_is_whole():
    def walk(node, path):
        for name in node:
            if not name.startswith("-"):
                yield [*path, name]
                yield from walk(node[name], [*path, name])

    assert sorted(walk(_app.app, [])) == sorted(COMMANDS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], 'rote: Unknown command "nope"'),
        (["doctor", "--nope"], "rote: Unknown option: --nope; see `rote doctor --help`.\n"),
        (["doctor", "--data-dir"], "--data-dir requires an argument; see `rote doctor --help`.\n"),
        (["data", "fetch"], "rote: `names` must name a data set"),
    ],
)
def test_wrong_use_is_one_sentence(words, said, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def raising(error):
    def command(*_, **__):
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("`x` must\n  be 1. Got 2."), 2, "rote: `x` must be 1. Got 2.\n"),
        (KeyboardInterrupt(), 130, "rote: stopped; run the same command again to go on\n"),
    ],
)
def test_errors_become_one_sentence(error, status, said, capsys, monkeypatch):
    monkeypatch.setattr(_app, "app", raising(error))
    assert main([]) == status
    assert capsys.readouterr() == ("", said)


def test_other_errors_are_ours_and_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(_app, "app", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main([])


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1)])
def test_a_command_may_return_its_exit_status(returned, status, monkeypatch):
    monkeypatch.setattr(_app, "app", lambda *_, **__: returned)
    assert main([]) == status


def test_a_reader_that_leaves_is_no_error(environment):
    """``rote … | head -0``: whoever reads has gone before anything is written."""
    code = (
        "import sys, rote.cli._app as a; a.app = lambda *_, **__: print('x' * 100000); sys.exit(a.main([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 141


def test_any_name_can_be_printed(environment):
    code = "import sys, rote.cli._app as a; a.app = lambda *_, **__: print('caf\\u00e9 \\udce9'); a.main([])"
    done = in_a_process(env=environment | {"PYTHONIOENCODING": "ascii"}, code=code)
    assert (done.stdout, done.stderr) == ("caf\\xe9 \\udce9\n", "")


def test_python_dash_m(environment):
    done = subprocess.run(
        [sys.executable, "-m", "rote", "--version"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{__version__}\n"
