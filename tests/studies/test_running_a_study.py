"""Cells run once, are kept as soon as they are done, and are known by what changes them."""

import dataclasses
import json

import pytest

from rote._study import PAGE, RECORD, export, rounded, show, study
from rote.errors import InputError
from rote.runs import RunFolder
from rote.studies import (
    STUDIES,
    Claim,
    Crew,
    Extent,
    Figure,
    Study,
    above,
    default_folder,
    find_study,
    read_study,
    run_study,
)
from rote.studies._cells import cells_of, identity

ALONE = Crew(jobs=1)


def ran(marks):
    """(slope, seed) of every run of a cell."""
    return sorted(tuple(map(int, mark.name.split("-")[:2])) for mark in marks.iterdir())


@pytest.fixture
def marks(tmp_path, monkeypatch, toy):
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv("TOY_MARKS", str(folder))
    return folder


def test_a_cell_that_two_figures_need_runs_once(toy, marks, tmp_path):
    done = run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE)
    assert ran(marks) == [(slope, seed) for slope in (1, 2, 3) for seed in (0, 1, 2)]
    assert done.ran == 9
    assert [len(done.rows[name]) for name in ("fig-1", "fig-2")] == [9, 3]


def test_verdicts_and_counts(toy, tmp_path):
    record = run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE).record
    words = {c["name"]: c["verdict"] for figure in record["figures"] for c in figure["claims"]}
    assert words == {"rises": "holds", "sinks": "differs", "seeded": "inconclusive"}
    assert record["verdicts"] == {"holds": 1, "differs": 1, "inconclusive": 1}
    assert record["headline"] == "1 of 3 claims holds, 1 differs, 1 is inconclusive"
    assert record["seeds"] == [0, 1, 2]
    json.dumps(record, allow_nan=False)


def test_the_same_again_runs_nothing(toy, marks, tmp_path):
    first = run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE)
    again = run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE)
    assert (len(ran(marks)), again.ran) == (9, 0)
    assert again.record == first.record


def test_more_seeds_run_what_is_new(toy, marks, tmp_path):
    run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE)
    more = run_study(toy.STUDY, Extent(seeds=2), out=tmp_path / "run", crew=ALONE)
    assert (more.ran, len(ran(marks)), len(set(ran(marks)))) == (3, 6, 6)
    assert [row.seed for row in more.rows["fig-2"]] == [0, 1]


def test_only_some_figures(toy, marks, tmp_path):
    part = run_study(toy.STUDY, Extent(only=("fig-2",)), out=tmp_path / "run", crew=ALONE)
    assert ran(marks) == [(1, 0), (1, 1), (1, 2)]
    first, second = part.record["figures"]
    assert (first["cells"], first["asked"], second["cells"], second["asked"]) == (3, 9, 3, 3)
    assert first["claims"][0]["why"] == "not measured"
    assert sum(part.record["verdicts"].values()) == 1  # what was not measured does not count
    whole = run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE)
    assert whole.ran == 6


def test_another_version_of_the_study_runs_anew(toy, marks, tmp_path):
    run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE)
    newer = dataclasses.replace(toy.STUDY, version=2)
    assert run_study(newer, Extent(seeds=1), out=tmp_path / "run", crew=ALONE).ran == 3


def test_a_failing_cell_leaves_the_finished_ones(toy, marks, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_FAILS", "3")
    with pytest.raises(RuntimeError, match="the cell failed"):
        run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE)
    monkeypatch.delenv("TOY_FAILS")
    assert run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE).ran == 1


def test_what_identifies_a_cell(toy):
    figure = dataclasses.replace(toy.STUDY.figures[0], data=("mnist",))
    config, data = {"slope": 1, "deep": {"b": 1, "a": [1, 2]}}, {"mnist": "ab", "other": "cd"}
    plain = identity(toy.STUDY, figure, config, 0, data)
    turned = {"deep": {"a": (1, 2), "b": 1}, "slope": 1}
    assert identity(toy.STUDY, figure, turned, 0, data) == plain
    assert identity(toy.STUDY, figure, config, 0, data | {"other": "ef"}) == plain
    changed = [
        identity(toy.STUDY, figure, config, 1, data),
        identity(toy.STUDY, figure, config | {"slope": 2}, 0, data),
        identity(toy.STUDY, figure, config, 0, {"mnist": "ef"}),
        identity(dataclasses.replace(toy.STUDY, version=2), figure, config, 0, data),
        identity(dataclasses.replace(toy.STUDY, name="other"), figure, config, 0, data),
        identity(toy.STUDY, dataclasses.replace(figure, cell=toy.panels), config, 0, data),
    ]
    assert len({plain, *changed}) == 7


def test_the_costliest_cell_runs_first(toy):
    figure = dataclasses.replace(toy.STUDY.figures[0], cost=lambda config: config["slope"])
    found = cells_of(toy.STUDY, [figure], "quick", [0], {})
    assert [cell.config["slope"] for cell in found] == [3, 2, 1]


def test_progress_counts_what_was_there(toy, tmp_path):
    run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE)
    told = []
    tell = lambda done, total, text: told.append((done, total, text))  # noqa: E731
    run_study(toy.STUDY, Extent(seeds=2), out=tmp_path / "run", crew=ALONE, on_progress=tell)
    assert told == [(done, 6, f"{done} of 6 cells") for done in (3, 4, 5, 6)]


def test_a_folder_holds_one_study_at_one_scale(toy, tmp_path):
    run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE)
    with pytest.raises(InputError, match=r'config\.scale: "quick" → "paper"'):
        run_study(toy.STUDY, Extent("paper", seeds=1), out=tmp_path / "run", crew=ALONE)
    other = dataclasses.replace(toy.STUDY, name="other")
    with pytest.raises(InputError, match="does not hold the study other"):
        read_study(other, tmp_path / "run")


def test_a_folder_without_cells_is_no_study_to_show(toy, tmp_path):
    config = {"study": "toy", "scale": "quick"}
    RunFolder.open(tmp_path / "run", command=[], config=config, data_sha256="").close()
    with pytest.raises(InputError, match="holds no cell yet"):
        read_study(toy.STUDY, tmp_path / "run")


def test_pages_are_written_and_written_anew(toy, tmp_path):
    out = tmp_path / "run"
    done = study(toy.STUDY, Extent(), crew=ALONE, out=out, command=["rote", "study", "run", "toy"])
    page, record = (out / PAGE).read_bytes(), json.loads((out / RECORD).read_text())
    assert record == done.record
    (out / PAGE).unlink()
    assert show(toy.STUDY, out).record == done.record
    assert (out / PAGE).read_bytes() == page


def test_a_changed_claim_is_judged_without_running(toy, marks, tmp_path):
    run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE)
    new = Claim("new", "", "", "", above(100.0), toy.rises)
    figures = (dataclasses.replace(toy.STUDY.figures[0], claims=(new,)), toy.STUDY.figures[1])
    found = show(dataclasses.replace(toy.STUDY, figures=figures), tmp_path / "run")
    assert found.record["figures"][0]["claims"][0]["verdict"] == "differs"
    assert len(ran(marks)) == 9


def test_export_keeps_record_cells_and_drawings(toy, tmp_path):
    done = run_study(toy.STUDY, out=tmp_path / "run", crew=ALONE)
    files = export(done, tmp_path / "results")
    home = tmp_path / "results" / "toy" / "quick"
    assert sorted(f.name for f in files) == ["cells.jsonl", "fig-1.svg", "fig-2.svg", "study.json"]
    assert {f.parent for f in files} == {home}
    cells = [json.loads(line) for line in (home / "cells.jsonl").read_text().splitlines()]
    assert len(cells) == 9
    assert sum("fig-2" in cell["figures"] for cell in cells) == 3
    assert json.loads((home / "study.json").read_text())["headline"] == done.record["headline"]
    assert (home / "fig-1.svg").read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_export_to_a_place_that_cannot_be(toy, tmp_path):
    done = run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=ALONE)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        export(done, tmp_path / "file")


def test_rounding_leaves_all_but_floats():
    given = {"a": [1.23456789, 7, True, None, "x"], "b": {"c": 1e-12 / 3}}
    assert rounded(given) == {"a": [1.23457, 7, True, None, "x"], "b": {"c": 3.33333e-13}}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Extent("huge"), "`scale` must be one of quick, paper. Got 'huge'."),
        (lambda: Extent(seeds=0), "`seeds` must be at least 1. Got 0."),
        (lambda: Extent(seed=-1), "`seed` must be 0 or more. Got -1."),
        (lambda: Crew(jobs=0), "`jobs` must be at least 1. Got 0."),
        (lambda: Crew(backend="mpi"), "`backend` must be one of loky, dask, ray. Got 'mpi'."),
        (lambda: Crew(scheduler="tcp://host:1"), "`scheduler` is the address of a cluster"),
        (lambda: find_study("nope"), "`name` must be one of "),
        (lambda: find_study("no.such.module:STUDY"), "cannot import no.such.module:STUDY"),
        (lambda: find_study("json:dumps"), "must be a rote.studies.Study. Got function."),
    ],
)
def test_refusals(make, said):
    with pytest.raises(InputError) as error:
        make()
    assert said in str(error.value)


def test_an_unknown_figure_is_refused_before_anything_is_written(toy, tmp_path):
    with pytest.raises(InputError, match=r"`only` must be among fig-1, fig-2\. Got 'fig-9'"):
        run_study(toy.STUDY, Extent(only=("fig-9",)), out=tmp_path / "run", crew=ALONE)
    assert not (tmp_path / "run").exists()


def test_absent_data_are_said_before_anything_is_written(toy, tmp_path):
    figures = (dataclasses.replace(toy.STUDY.figures[0], data=("mnist",)),)
    needs = dataclasses.replace(toy.STUDY, figures=figures)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="mnist"):
        run_study(needs, out=tmp_path / "run", crew=ALONE, data_dir=tmp_path / "nothing")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("package", ["distributed", "ray"])
def test_a_backend_whose_package_is_absent(toy, tmp_path, monkeypatch, package):
    import rote.studies._backend as backend

    def nothing(name):
        raise ImportError(name)

    monkeypatch.setattr(backend, "import_module", nothing)
    name = "dask" if package == "distributed" else "ray"
    with pytest.raises(InputError, match=rf"needs the package {package}.*pip install 'rote\[{name}\]'"):
        run_study(toy.STUDY, Extent(seeds=1), out=tmp_path / "run", crew=Crew(backend=name))


def test_every_study_is_well_made():
    assert len({study.name for study in STUDIES}) == len(STUDIES)
    for one in STUDIES:
        assert isinstance(one, Study)
        assert one.link.startswith("https://")
        claims = [claim.name for figure in one.figures for claim in figure.claims]
        assert len(claims) == len(set(claims)), one.name
        for figure in one.figures:
            assert isinstance(figure, Figure)
            for scale in ("quick", "paper"):
                configs = figure.configs(scale)
                assert configs
                assert all(figure.cost(config) > 0 for config in configs)
            assert all(claim.words and claim.source and claim.quantity for claim in figure.claims)


def test_default_folders_differ():
    names = {str(default_folder(one, scale)) for one in STUDIES for scale in ("quick", "paper")}
    assert len(names) == 2 * len(STUDIES)
