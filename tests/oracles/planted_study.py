"""Claims of a study judged by rows that were planted: what every study's tests begin with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rote.studies import Claim, Row, Study, Verdict, decide
from rote.studies._study import Figure

SEEDS = (0, 1, 2)
Maker = Callable[[Mapping[str, Any], int, bool], Mapping[str, Any]]
"""From a configuration, a seed, and whether the claims are to hold, to a record."""


@dataclass(frozen=True)
class Planted:
    """A study with a maker of records for each of its figures."""

    study: Study
    makers: Mapping[str, Maker]

    @property
    def figures(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in self.study.figures}

    @property
    def claims(self) -> dict[str, tuple[Claim, str]]:
        """By name, each claim and the name of its figure."""
        return {claim.name: (claim, figure.name) for figure in self.study.figures for claim in figure.claims}

    def rows(self, figure: str, told: bool = True) -> list[Row]:
        """What its cells would have found where its claims hold, or where they do not."""
        make = self.makers[figure]
        configs = self.figures[figure].configs("quick")
        return [Row(config, seed, make(config, seed, told)) for config in configs for seed in SEEDS]

    def verdict(self, name: str, rows: list[Row]) -> Verdict:
        return decide(self.claims[name][0], rows, list(SEEDS))[1]

    def check_holds(self, name: str) -> None:
        """Where the claim is planted it holds."""
        assert self.verdict(name, self.rows(self.claims[name][1])).word == "holds"

    def check_differs(self, name: str) -> None:
        """Where its contrary is planted it differs."""
        assert self.verdict(name, self.rows(self.claims[name][1], told=False)).word == "differs"

    def check_undecided(self, name: str) -> None:
        """Without cells a claim is not measured, and two seeds decide nothing."""
        claim, figure = self.claims[name]
        assert self.verdict(name, []).why == "not measured"
        few = [row for row in self.rows(figure) if row.seed < 2]
        assert self.verdict(name, few).word == ("holds" if claim.exact else "inconclusive")

    def check_panels(self, name: str) -> None:
        """Panels live with what is there, and every cell has a cost."""
        figure, rows = self.figures[name], self.rows(name)
        assert figure.panels(rows)
        assert figure.panels(rows[:1])
        assert all(figure.cost(c) > 0 for scale in ("quick", "paper") for c in figure.configs(scale))
