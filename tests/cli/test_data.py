"""``rote data list`` and ``rote data fetch``: what they print, and that they pass on what they are told."""

import pytest

import rote.data
from rote.cli import main


def test_list_says_where_or_what_to_do(tmp_path, capsys):
    assert main(["data", "list", "--data-dir", str(tmp_path)]) == 0
    heading, digits, mnist, *_ = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "examples", "classes", "where"]
    assert digits.split() == ["digits", "1797", "10", "scikit-learn"]
    assert "not here: run `rote data fetch mnist`" in mnist


def test_list_of_a_folder_that_is_not_there(tmp_path, capsys):
    assert main(["data", "list", "--data-dir", str(tmp_path / "nowhere")]) == 2
    assert "must be a folder" in capsys.readouterr().err


def test_fetch_shows_each_file_and_ends_with_the_folder(tmp_path, capsys, monkeypatch):
    def fetch(name, *, data_dir, progress):
        progress("images.gz", 0, 2_000_500)
        progress("images.gz", 2_000_500, 2_000_500)
        progress("labels.gz", 400, 0)
        return [data_dir / name / "images.gz", data_dir / name / "labels.gz"]

    monkeypatch.setattr(rote.data, "fetch", fetch)
    assert main(["data", "fetch", "mnist", "--data-dir", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'mnist'}\n"
    first, second = err.splitlines()
    assert first.startswith("images.gz  2001/2001 kB  100 %")
    assert second.startswith("labels.gz  1 kB")


def test_fetch_of_what_is_always_there(capsys):
    assert main(["data", "fetch", "digits"]) == 0
    assert capsys.readouterr().out == "digits is always there: it comes with scikit-learn.\n"


@pytest.mark.parametrize("name", ["nope", "../mnist"])
def test_fetch_of_a_stranger(name, capsys):
    assert main(["data", "fetch", name]) == 2
    assert "must be one of digits, mnist, cifar10" in capsys.readouterr().err
