"""docs/lecture.md, made from kept results: ``python -m rote.cli._lecture docs/results > docs/lecture.md``."""

import sys
from pathlib import Path

from rote.cli._console import say

if __name__ == "__main__":
    from rote._lecture import kept_lecture
    from rote.studies import LECTURE

    say(kept_lecture(LECTURE, Path(sys.argv[1])).rstrip())
