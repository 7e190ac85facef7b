"""The ledger of the studies: every claim that was tested, and how it came out, as Markdown."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rote.report import _words

Record = Mapping[str, Any]
NOTE = "<!-- Made from the records in docs/results/ by `make docs`; nothing here is written by hand. -->"
_WORDS = ("holds", "differs", "inconclusive")
_HEAD = """# The ledger of the studies

Every claim of a paper that a study has put to the test, with the number that decides about it. A claim
*holds* if the whole 95 % interval over seeds (Student's t) lies where the claim puts the number, *differs* if
the whole of it lies elsewhere, and is *inconclusive* otherwise. With many claims, one in twenty intervals
misses by chance. What fails stays here. How to run a study, and how to read one: [studies.md](studies.md)."""


def ledger(records: Sequence[Record], remarks: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """The ledger page.

    Args:
        records: What ``rote study run --export`` wrote, one for each study and scale.
        remarks: Why a claim came out as it did, as far as known: ``{"study/scale": {"claim": "why"}}``.

    Returns:
        Markdown; the same records give the same page.

    Example:
        >>> print(ledger([]).splitlines()[-1])
        No study has been kept yet.
    """
    found = sorted(records, key=lambda record: (record["study"], record["scale"] != "quick"))
    if not found:
        return f"{NOTE}\n\n{_HEAD}\n\nNo study has been kept yet.\n"
    rows = [_summary(record) for record in found]
    whole = Counter({word: sum(record["verdicts"][word] for record in found) for word in _WORDS})
    rows.append(
        f"| **together** | | | **{whole['holds']}** | **{whole['differs']}** | **{whole['inconclusive']}** |"
    )
    parts = [
        NOTE,
        _HEAD,
        "| study | scale | seeds | hold | differ | inconclusive |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows),
        *(
            _study(record, (remarks or {}).get(f"{record['study']}/{record['scale']}", {}))
            for record in found
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(record: Record) -> str:
    counts = " | ".join(str(record["verdicts"][word]) for word in _WORDS)
    return f"| {record['study']} | {record['scale']} | {len(record['seeds'])} | {counts} |"


def _study(record: Record, remarks: Mapping[str, str]) -> str:
    home = f"results/{record['study']}/{record['scale']}"
    made = record["made"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    seeds = ", ".join(map(str, record["seeds"]))
    parts = [
        f"## {record['title']}, {record['scale']} scale",
        f"{_cell(record['paper'])}. `{made['command']}`; seeds {seeds}; {versions}. "
        f"[Record]({home}/study.json), [cells]({home}/cells.jsonl).",
        *("* " + _cell(sentence) for sentence in record["deviations"]),
    ]
    text = "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])
    return "\n\n".join([text.rstrip(), *(_figure(f, home, remarks) for f in record["figures"])])


def _figure(figure: Record, home: str, remarks: Mapping[str, str]) -> str:
    title = f"### {_cell(figure['title'])}"
    if not figure["cells"]:
        return f"{title}\n\nNot run at this scale."
    drawing = f"[Drawing]({home}/{figure['name']}.svg). " if figure["cells"] else ""
    part = (
        ""
        if figure["cells"] >= figure["asked"]
        else f"Only {figure['cells']} of {figure['asked']} cells ran. "
    )
    head = "| claim | what is computed | expected | found (95 %) | verdict |\n|---|---|---|---|---|"
    rows = [_claim(claim, remarks.get(claim["name"], "")) for claim in figure["claims"]]
    return "\n\n".join([title, f"{drawing}{part}".rstrip(), "\n".join([head, *rows])])


def _claim(claim: Record, remark: str) -> str:
    verdict = f"**{claim['verdict']}**" if claim["verdict"] != "holds" else "holds"
    why = "; ".join(words for words in (claim["why"], remark) if words)
    columns = (claim["words"], claim["quantity"], claim["expected"], found_in_words(claim))
    return "| " + " | ".join([*map(_cell, columns), verdict + (f": {_cell(why)}" if why else "")]) + " |"


def found_in_words(claim: Record) -> str:
    """A claim's number with its interval.

    Example:
        >>> of = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
        >>> found_in_words({"interval": of, "percent": False, "exact": False})
        '0.5 (0.4 to 0.6)'
    """

    def write(value: float | None) -> str:
        return _words.percent(value, 1) if claim["percent"] else _words.number(value)

    of = claim["interval"]
    if of["low"] is None or (claim["exact"] and of["low"] == of["high"]):
        return write(of["value"])
    return f"{write(of['value'])} ({write(of['low'])} to {write(of['high'])})"


def _cell(text: str) -> str:
    """Text that a Markdown table can hold."""
    return re.sub(r"([|<>\[\]*_`])", r"\\\1", " ".join(_words.clean(text).split()))
