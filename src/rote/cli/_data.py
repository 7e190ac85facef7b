"""``rote data list`` and ``rote data fetch``."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rote.cli._console import Step, made, progress, say, table
from rote.errors import InputError


def list_data(*, data_dir: Path | None = None) -> None:
    """Say which data sets are there, and where.

    Args:
        data_dir: Where data sets lie; the environment variable ROTE_DATA, or rote's cache, unless told.
    """
    from rote.data import describe

    rows = [
        [source.name, source.examples, source.classes, source.where or f"not here: {source.advice}"]
        for source in describe(data_dir)
    ]
    table(["name", "examples", "classes", "where"], rows)


def fetch_data(*names: str, data_dir: Path | None = None) -> None:
    """Download data sets and check their SHA-256.

    What is there already is not downloaded again; what was interrupted goes on.

    Args:
        names: Data sets to download, for example: mnist cifar10.
        data_dir: Where they go; the environment variable ROTE_DATA, or rote's cache, unless told.
    """
    from rote.data import fetch

    if not names:
        raise InputError("`names` must name a data set; `rote data list` says which there are.")
    for name in names:
        with _downloads() as show:
            files = fetch(name, data_dir=data_dir, progress=show)
        if files:
            made(files[0] if len(files) == 1 else files[0].parent)
        else:
            say(f"{name} is always there: it comes with scikit-learn.")


@contextmanager
def _downloads() -> Iterator[Callable[[str, int, int], None]]:
    """One display per file, in the order in which files come: ``show(file, bytes there, bytes in all)``."""
    steps: dict[str, Step] = {}
    with ExitStack() as displays:

        def show(file: str, there: int, total: int) -> None:
            if file not in steps:
                displays.close()
                display = progress(file, total=-(-total // 1000) or None, start=there // 1000, unit="kB")
                steps[file] = displays.enter_context(display)
            steps[file](-(-there // 1000))

        yield show
