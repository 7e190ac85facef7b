"""A study's results as one plain record: what its page shows, and what is kept of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rote.runs import plain
from rote.studies._judge import Verdict, judge
from rote.studies._study import Claim, Figure, MissingCellError, Row, Rows, Study

SCHEMA = 1
WORDS = ("holds", "differs", "inconclusive")


def study_record(
    study: Study,
    scale: str,
    rows: Mapping[str, Rows],
    *,
    seeds: Sequence[int],
    asked: Mapping[str, int],
    made: Mapping[str, object],
) -> dict[str, Any]:
    """The record of ``study.json``: every figure with its claims, judged by the cells that are there.

    Args:
        study: The study.
        scale: ``quick`` or ``paper``.
        rows: Finished cells of each figure.
        seeds: Seeds that were asked for.
        asked: How many cells each figure needs.
        made: How it was made: command, versions, seconds and so on.

    Returns:
        Plain values, ready for JSON.
    """
    figures = [figure_record(f, rows.get(f.name, ()), seeds, asked.get(f.name, 0)) for f in study.figures]
    verdicts = Counter(c["verdict"] for figure in figures for c in figure["claims"] if c["values"])
    record = {
        "schema": SCHEMA,
        "study": study.name,
        "title": study.title,
        "paper": study.paper,
        "link": study.link,
        "scale": scale,
        "version": study.version,
        "seeds": list(seeds),
        "verdicts": {word: verdicts[word] for word in WORDS},
        "headline": headline(verdicts, seeds=len(seeds)),
        "deviations": list(study.deviations),
        "figures": figures,
        "made": dict(made),
    }
    shown: dict[str, Any] = plain(record)
    return shown


def figure_record(figure: Figure, rows: Rows, seeds: Sequence[int], asked: int) -> dict[str, Any]:
    """One figure: what is drawn, and its claims with their verdicts."""
    return {
        "name": figure.name,
        "title": figure.title,
        "words": figure.words,
        "cells": len(rows),
        "asked": asked,
        "panels": [panel.to_dict() for panel in figure.panels(rows)] if rows else [],
        "claims": [claim_record(claim, rows, seeds) for claim in figure.claims],
    }


def claim_record(claim: Claim, rows: Rows, seeds: Sequence[int]) -> dict[str, Any]:
    """One claim with its values and its verdict."""
    values, verdict = decide(claim, rows, seeds)
    return {
        "name": claim.name,
        "words": claim.words,
        "source": claim.source,
        "quantity": claim.quantity,
        "expected": claim.expected.in_words(percent=claim.percent),
        "exact": claim.exact,
        "percent": claim.percent,
        "verdict": verdict.word,
        "why": verdict.why,
        "interval": verdict.interval.to_dict(),
        "values": values,
    }


def decide(claim: Claim, rows: Rows, seeds: Sequence[int]) -> tuple[list[float], Verdict]:
    """A claim's number for each seed whose cells are all there, and what they say together.

    Example:
        >>> from rote.studies import above, one
        >>> claim = Claim("a", "", "", "a", above(0.0), lambda rows: one(rows)["a"])
        >>> rows = [Row({}, seed, {"a": 1.0 + seed / 10}) for seed in range(3)]
        >>> values, verdict = decide(claim, rows, [0, 1, 2])
        >>> values, verdict.word
        ([1.0, 1.1, 1.2], 'holds')
        >>> decide(claim, rows, [0, 1, 2, 3])[1].why
        'measured for 3 of 4 seeds'
    """
    values = []
    for seed in seeds:
        own: list[Row] = [row for row in rows if row.seed == seed]
        try:
            values.append(float(claim.measure(own)))
        except MissingCellError:
            continue
    asked = 1 if claim.exact else len(seeds)
    return values, judge(values, claim.expected, exact=claim.exact, asked=asked)


def headline(verdicts: Mapping[str, int], *, seeds: int = 3) -> str:
    """How the claims came out, in one sentence.

    Args:
        verdicts: How many have each verdict.
        seeds: How many seeds were asked for; fewer than three decide nothing that is random.

    Example:
        >>> headline({"holds": 5, "differs": 1, "inconclusive": 0})
        '5 of 6 claims hold, 1 differs'
        >>> headline({"holds": 0}), headline({"holds": 1})
        ('No claim was tested yet', 'Its only claim holds')
        >>> headline({"inconclusive": 4}, seeds=1)
        '4 claims measured with 1 seed; a verdict needs 3'
    """
    counts = {word: verdicts.get(word, 0) for word in WORDS}
    whole = sum(counts.values())
    if not whole:
        return "No claim was tested yet"
    if seeds < 3 and counts["inconclusive"] == whole:
        claims = "1 claim" if whole == 1 else f"{whole} claims"
        return f"{claims} measured with {seeds} seed{'s' * (seeds > 1)}; a verdict needs 3"
    if whole == 1:
        word = next(word for word, count in counts.items() if count)
        return f"Its only claim {'is inconclusive' if word == 'inconclusive' else word}"
    parts = [f"{counts['holds']} of {whole} claims {'holds' if counts['holds'] == 1 else 'hold'}"]
    if counts["differs"]:
        parts.append(f"{counts['differs']} {'differs' if counts['differs'] == 1 else 'differ'}")
    if counts["inconclusive"]:
        parts.append(
            f"{counts['inconclusive']} {'is' if counts['inconclusive'] == 1 else 'are'} inconclusive"
        )
    return ", ".join(parts)
