"""The table of commands, and what becomes of their errors."""

import io
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from rote import __version__
from rote.cli._audit import audit
from rote.cli._cfs import cfs
from rote.cli._compile import compile_model
from rote.cli._console import warn
from rote.cli._data import fetch_data, list_data
from rote.cli._doctor import doctor
from rote.cli._lut import eval_luts, fit_luts, show_luts, sweep_luts
from rote.cli._study import list_studies, run_a_study, show_study
from rote.errors import InputError

STOPPED, BAD_INPUT, NOBODY_READS = 130, 2, 141

app = App(
    name="rote",
    help="Is a model learning, or memorising?",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
data = App(name="data", help="Data sets: what is there, and how to get it.")
lut = App(name="lut", help="Networks of lookup tables: learning by memorising alone.")
study = App(name="study", help="Papers' figures, computed anew and judged.")

# The commands' modules import the rooms inside their functions, so that help is quick.
app.command(audit)
app.command(compile_model, name="compile")
app.command(data)
data.command(list_data, name="list")
data.command(fetch_data, name="fetch")
app.command(cfs)
app.command(lut)
lut.command(fit_luts, name="fit")
lut.command(eval_luts, name="eval")
lut.command(show_luts, name="show")
lut.command(sweep_luts, name="sweep")
app.command(study)
study.command(list_studies, name="list")
study.command(run_a_study, name="run")
study.command(show_study, name="show")
app.command(doctor)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; bad input becomes one sentence on stderr.

    Args:
        tokens: The words after ``rote``; those of the process where ``None``.

    Example:
        >>> main(["--version"])
        0.1.0
        0
    """
    words = list(sys.argv[1:] if tokens is None else tokens)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever a file or a class is called can be printed
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain(_sentence(error, words), BAD_INPUT)
    except InputError as error:
        return _complain(" ".join(str(error).split()), BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("stopped; run the same command again to go on", STOPPED)
    except BrokenPipeError:
        # The interpreter would flush stdout once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    return status if isinstance(status, int) else 0


def _complain(sentence: str, status: int) -> int:
    warn(sentence)
    return status


def _sentence(error: CycloptsError, words: Sequence[str]) -> str:
    error.verbose = False
    said = " ".join(str(error).split()).rstrip(".")
    command = ["rote", *(error.command_chain or ())]
    return f"{said}; see `{' '.join(command)} --help`."
