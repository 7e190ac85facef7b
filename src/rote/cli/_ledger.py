"""docs/ledger.md, made from kept results: ``python -m rote.cli._ledger docs/results > docs/ledger.md``."""

import sys
from pathlib import Path

from rote.cli._console import say

if __name__ == "__main__":
    from rote._study import kept_results

    say(kept_results(Path(sys.argv[1])).rstrip())
