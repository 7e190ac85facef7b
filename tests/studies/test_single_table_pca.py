"""The study of one table on principal components: its claims on planted records, its cells at toy size."""

import numpy as np
import pytest

from rote.luts import LookupTable, PCABits
from rote.studies import Place, Row, decide
from rote.studies.single_table_pca import STUDY, _cells, _claims

CLAIMS = {claim.name: claim for claim in STUDY.figures[0].claims}
TOY = {"data": "digits", "labels": "real", "inputs": "pca", "most": 6}
KS = list(range(2, 21))


def planted(train, test, noise_train, noise_test, pixels):
    rows = []
    curves = [("pca", "real", train, test), ("pca", "permuted", noise_train, noise_test)]
    for inputs, labels, fitted, learned in [*curves, ("pixels", "real", train, pixels)]:
        for seed in range(3):
            record = {
                "k": KS,
                "train": [fitted(k) - seed / 1e6 * k for k in KS],
                "test": [learned(k) - seed / 1000 for k in KS],
                "unseen": [k / 40 for k in KS],
            }
            rows.append(Row({"inputs": inputs, "labels": labels}, seed, record))
    return rows


def likely():
    def peaked(k):
        return 0.9 - 0.02 * abs(k - 12)

    return planted(lambda k: 0.6 + 0.02 * k, peaked, lambda k: 0.5 + 0.02 * k, lambda k: 0.5, lambda k: 0.6)


def contrary():
    return planted(
        lambda k: 0.9 - 0.01 * k, lambda k: 0.6, lambda k: 0.95, lambda k: 0.7, lambda k: 0.6 + 0.01 * k
    )


@pytest.mark.parametrize("name", list(CLAIMS))
def test_each_claim_can_hold_differ_or_be_not_measured(name):
    assert decide(CLAIMS[name], likely(), [0, 1, 2])[1].word == "holds"
    assert decide(CLAIMS[name], contrary(), [0, 1, 2])[1].word == "differs"
    assert decide(CLAIMS[name], [], [0, 1, 2])[1].why == "not measured"


@pytest.mark.parametrize("inputs", ["pca", "pixels"])
@pytest.mark.parametrize("labels", ["real", "permuted"])
def test_a_cell_never_fits_less_with_one_input_more(inputs, labels):
    record = _cells.cell({**TOY, "inputs": inputs, "labels": labels}, 1, Place())
    assert record["k"] == [2, 3, 4, 5, 6]
    # Each table splits the patterns of the one before, so this is a theorem.
    assert (np.diff(record["train"]) >= 0).all()
    assert all(0 <= share < 1 for share in record["unseen"])
    assert record == _cells.cell({**TOY, "inputs": inputs, "labels": labels}, 1, Place())


def test_the_first_components_are_those_of_a_smaller_analysis():
    from rote.data import load

    train = load("digits").train
    X = train.X.reshape(len(train), -1).astype(np.float32)
    assert (_cells.components("digits", None, 6)[0][:, :3] == PCABits(3).fit_transform(X)).all()


def test_asking_each_pattern_once_scores_as_asking_every_example():
    x = np.random.default_rng(0).random((300, 9)) > 0.5
    y = x[:, 0] ^ x[:, 1]
    table = LookupTable(seed=2).fit(x[:100], y[:100])
    assert _cells.accuracy(table, x, y) == table.score(x, y)


def test_components_say_more_than_pixels():
    found = [_cells.cell({**TOY, "inputs": inputs}, 0, Place())["test"][-1] for inputs in ("pca", "pixels")]
    assert found[0] > 0.7
    assert found[0] > found[1]


def test_panels_live_with_missing_cells():
    assert len(_claims.panels(likely())) == 4
    assert {len(line.runs) for panel in _claims.panels(likely()) for line in panel.lines} == {3}
    assert len(_claims.panels(likely()[:1])) == 2
    assert _claims.panels([]) == []


def test_every_configuration_is_its_own_and_has_a_cost():
    (figure,) = STUDY.figures
    assert len({str(config) for config in figure.configs("quick")}) == 3
    assert all(figure.cost(config) > 0 for config in figure.configs("paper"))
