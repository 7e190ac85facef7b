"""The commands of ``rote``: one module each, which imports what it needs when it is called.

    >>> main(["--version"])
    0.1.0
    0

Results go to stdout, the path of what was made last; progress and complaints go to stderr. Exit status: 0 for
done, 1 if something required is broken, 2 for bad input, 130 if stopped by Ctrl-C.
"""

from rote.cli._app import main

__all__ = ["main"]
