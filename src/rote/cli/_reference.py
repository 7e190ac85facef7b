"""docs/cli.md, made from the commands' help: ``python -m rote.cli._reference > docs/cli.md``."""

import sys

from rote.cli._app import app
from rote.cli._console import say

NOTE = "<!-- Made from the commands' help by `make docs`; edit their docstrings instead. -->\n\n"


def reference() -> str:
    """The reference of all commands, as Markdown.

    Example:
        >>> "## rote doctor" in reference()
        True
    """
    words = sys.argv
    try:
        sys.argv = ["rote"]  # the usage lines begin with the program that runs
        return NOTE + app.generate_docs("markdown").rstrip() + "\n"
    finally:
        sys.argv = words


if __name__ == "__main__":
    say(reference().rstrip())
