"""``rote doctor``."""

from pathlib import Path

from rote.cli._console import say


def doctor(*, data_dir: Path | None = None) -> int:
    """Say what this installation can do.

    Exits with status 1 if something required is broken.

    Args:
        data_dir: Where data sets lie; the environment variable ROTE_DATA, or rote's cache, unless told.
    """
    from rote._doctor import examine

    findings = examine(data_dir)
    width = max(len(finding.what) for finding in findings)
    signs = {"good": " ", "less": "-", "broken": "!"}
    for finding in findings:
        say(f"{signs[finding.state]} {finding.what.ljust(width)}  {finding.found}")
    broken = any(finding.state == "broken" for finding in findings)
    say("Something required is broken (marked !)." if broken else "All that is required is there.")
    return 1 if broken else 0
