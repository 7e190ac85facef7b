"""Run folders: what is saved comes back, what is another run is refused, what is damaged is named."""

import errno
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rote.errors import InputError
from rote.runs import RunFolder, _files, content_hash


def opened(path, **changes):
    asked = {
        "command": ["rote", "audit"],
        "config": {"epochs": 2, "lr": 0.1},
        "data_sha256": "ab",
        "seeds": [0],
    }
    return RunFolder.open(path, **(asked | changes))


@pytest.fixture
def run(tmp_path):
    with opened(tmp_path / "run") as folder:
        yield folder


def test_the_manifest_says_what_was_asked(tmp_path):
    with opened(tmp_path / "a/b/run", threads=2, device="cuda:0") as run:
        written = json.loads((run.path / "manifest.json").read_text())
    assert written == run.manifest
    assert written["command"] == ["rote", "audit"]
    assert (written["config"], written["seeds"]) == ({"epochs": 2, "lr": 0.1}, [0])
    assert (written["data_sha256"], written["threads"], written["device"]) == ("ab", 2, "cuda:0")
    assert set(written["versions"]) == {"python", "rote", "numpy", "torch"}


def test_no_torch_is_imported_for_its_version(tmp_path, environment):
    code = (
        "import sys; from rote.runs import RunFolder;"
        f"RunFolder.open({str(tmp_path / 'run')!r}, command=[], config={{}}, data_sha256='');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@pytest.mark.parametrize("changes", [{"threads": 7}, {"device": "cuda"}, {"command": ["other"]}, {}])
def test_how_it_runs_is_not_part_of_a_run(tmp_path, changes):
    with opened(tmp_path) as first:
        assert not first.resumed
    with opened(tmp_path, **changes) as second:
        assert second.resumed
        assert second.manifest == first.manifest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"epochs": 3, "lr": 0.1}}, "config.epochs: 2 → 3"),
        ({"config": {"epochs": 2}}, "config.lr: 0.1 → absent"),
        ({"config": {"epochs": 2, "lr": 0.1, "new": "x"}}, 'config.new: absent → "x"'),
        ({"data_sha256": "cd"}, 'data_sha256: "ab" → "cd"'),
        ({"seeds": [0, 1]}, "seeds: [0] → [0, 1]"),
    ],
)
def test_another_run_is_refused_by_what_differs(tmp_path, changes, said):
    opened(tmp_path).close()
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(InputError) as caught:
        opened(tmp_path, **changes)
    assert said in str(caught.value)
    assert str(caught.value).endswith("choose another --out.")
    assert (tmp_path / "manifest.json").read_bytes() == before
    opened(tmp_path).close()  # the refusal left no lock


def test_many_differences_are_counted(tmp_path):
    opened(tmp_path, config={}).close()
    with pytest.raises(InputError, match="and 4 more"):
        opened(tmp_path, config={f"k{i}": i for i in range(9)})


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("hours of work")
    with pytest.raises(InputError, match=r"not empty and holds no run \(it has thesis\.tex\)"):
        opened(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="must be a folder"):
        opened(tmp_path / "out")
    with pytest.raises(InputError, match="cannot write"):
        opened(tmp_path / "out" / "below")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "a web page\'s manifest"}', "\0\0"])
def test_a_manifest_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json is no manifest of a run, or damaged"):
        opened(tmp_path)
    with pytest.raises(InputError, match=r"manifest\.json"):
        RunFolder.reopen(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_a_manifest_edited_by_hand_is_refused(tmp_path):
    opened(tmp_path).close()
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 9'))
    with pytest.raises(InputError, match="was changed"):
        opened(tmp_path)


def test_reopen_takes_what_is_there(tmp_path):
    with opened(tmp_path) as run:
        run.save("a", {"x": 1})
    with RunFolder.reopen(tmp_path) as again:
        assert again.manifest == run.manifest
        assert again.load("a") == ({"x": 1}, {})
    with pytest.raises(InputError, match="is no run folder"):
        RunFolder.reopen(tmp_path / "nowhere")


def test_one_process_at_a_time(run):
    with pytest.raises(InputError, match="another process is writing"):
        opened(run.path)
    with pytest.raises(InputError, match="another process is writing"):
        RunFolder.reopen(run.path)
    run.close()
    run.close()
    opened(run.path).close()


def test_done_is_written_last_and_stays(run):
    assert not run.done
    run.append("s", {"a": 1})
    run.finish()
    assert run.done
    run.close()
    with opened(run.path) as again:
        assert again.done


names = st.from_regex(r"[A-Za-z0-9_-]{1,8}(/[A-Za-z0-9_-]{1,8}){0,2}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
arrays = npst.arrays(
    npst.boolean_dtypes() | npst.integer_dtypes() | npst.floating_dtypes(sizes=(16, 32, 64)),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def finite(value):
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {key: finite(item) for key, item in value.items()} if isinstance(value, dict) else value


@settings(max_examples=15, deadline=None)
@given(
    name=names,
    record=st.dictionaries(st.text(), values, max_size=3),
    kept=st.dictionaries(
        st.text(st.characters(codec="ascii"), min_size=1).filter(str.strip), arrays, max_size=3
    ),
)
def test_what_is_saved_comes_back(tmp_path_factory, name, record, kept):
    kept.pop("__metadata__", None)
    with opened(tmp_path_factory.mktemp("run") / "r") as run:
        run.save(name, record, kept)
        assert run.has(name)
        assert run.names() == [name]
        back, found = run.load(name)
    assert back == finite(record)
    assert set(found) == set(kept)
    for key, array in kept.items():
        assert found[key].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[key], array)


def test_saving_again_replaces_record_and_arrays(run):
    run.save("a", {"n": 1}, {"x": np.arange(3)})
    run.save("a", {"n": 2}, {"x": np.arange(4)})
    assert run.load("a")[1]["x"].tolist() == [0, 1, 2, 3]
    run.save("a-b", {}, {"x": np.zeros(2)})  # a name that begins alike
    run.save("a", {"n": 3})
    assert run.load("a") == ({"n": 3}, {})
    assert sorted(p.name.split(".")[0] for p in (run.path / "records").iterdir()) == ["a", "a-b", "a-b"]
    run.discard("a-b")
    run.discard("never")
    assert run.names() == ["a"]


def test_arrays_that_are_not_contiguous_come_back(run):
    x = np.arange(12.0).reshape(3, 4)
    run.save("a", {}, {"t": x.T, "step": x[:, ::2], "big": x.astype(">f8")})
    found = run.load("a")[1]
    np.testing.assert_array_equal(found["t"], x.T)
    np.testing.assert_array_equal(found["step"], x[:, ::2])
    np.testing.assert_array_equal(found["big"], x)


@pytest.mark.parametrize(
    "name", ["", "..", "../a", "/etc/a", "a/../b", "a//b", "a/", ".a", "a.b", "a b", "é", "a\n"]
)
def test_no_name_leaves_the_folder(run, name):
    for use in (
        run.has,
        run.load,
        run.discard,
        run.records,
        lambda n: run.save(n, {}),
        lambda n: run.append(n, {}),
    ):
        with pytest.raises(ValueError, match="`name` must be"):
            use(name)


@pytest.mark.parametrize("name", ["", "manifest.json", "DONE", "records", ".lock", "a/b", "..", "../x"])
def test_pages_lie_beside_the_manifest(run, name):
    with pytest.raises(ValueError, match="`name` must be"):
        run.write(name, "")


def test_write(run):
    assert run.write("report.html", "é").read_bytes() == "é".encode()
    assert run.write("report.html", b"\0").read_bytes() == b"\0"


@pytest.mark.parametrize("value", [{1, 2}, {1: "a"}, np.arange(2), object(), b"bytes", 1j])
def test_what_would_not_come_back_is_refused(run, value):
    with pytest.raises(TypeError):
        run.save("a", {"v": value})
    assert not run.has("a")
    with pytest.raises(TypeError):
        run.append("s", {"v": value})
    assert run.records("s") == []


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_arrays_of_anything_but_numbers_are_refused(run, array):
    with pytest.raises(TypeError, match="numbers or booleans"):
        run.save("a", {}, {"x": array})


def test_load_of_nothing(run):
    with pytest.raises(InputError, match="holds no record 'a'; run its command again"):
        run.load("a")


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"", lambda b: b[:40] + b"\0" + b[41:]])
def test_damaged_files_are_named_with_the_remedy(run, damage):
    run.save("a", {"x": [1.5] * 20}, {"x": np.arange(50)})
    for file in sorted((run.path / "records").iterdir()):
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        with pytest.raises(InputError, match=r"is damaged .*delete .* again\.") as caught:
            run.load("a")
        assert str(file) in str(caught.value)
        file.write_bytes(whole)
    next((run.path / "records").glob("*.safetensors")).unlink()
    with pytest.raises(InputError, match=r"cannot be read .*delete .*a\.json"):
        run.load("a")


def test_names_of_files_that_are_not_unicode_come_back(run):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    run.save("a", {"file": name})
    run.append("s", {"file": name})
    assert run.load("a")[0] == {"file": name}
    assert run.records("s") == [{"file": name}]
    assert len(content_hash({"file": name})) == 64


def test_streams_grow_and_keep_their_order(run):
    assert run.records("s") == []
    for k in range(20):
        run.append("s", {"k": k, "loss": float("nan"), "label": "<b>\n"})
    assert run.records("s") == [{"k": k, "loss": None, "label": "<b>\n"} for k in range(20)]
    assert run.names() == []


@pytest.mark.parametrize("torn", [b'{"k": 2', b"\0" * 5000, b"x" * 9000])
def test_a_torn_last_line_is_dropped_and_then_cut_off(run, torn):
    run.append("s", {"k": 0})
    run.append("s", {"k": 1})
    path = run.path / "records" / "s.jsonl"
    with path.open("ab") as file:
        file.write(torn)
    assert [r["k"] for r in run.records("s")] == [0, 1]
    run.append("s", {"k": 2})
    assert [r["k"] for r in run.records("s")] == [0, 1, 2]
    assert path.read_bytes().count(b"\n") == 3
    path.write_bytes(torn)
    assert run.records("s") == []
    run.append("s", {"k": 3})
    assert run.records("s") == [{"k": 3}]


def test_a_damaged_line_is_named(run):
    for k in range(3):
        run.append("s", {"k": k})
    path = run.path / "records" / "s.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"k": 1}', b'{"k": \0}'))
    with pytest.raises(InputError, match=r"s\.jsonl, line 2 is damaged"):
        run.records("s")


@pytest.mark.parametrize(("keep", "left"), [(0, 0), (2, 2), (5, 5), (9, 5)])
def test_rewind_keeps_the_first(run, keep, left):
    for k in range(5):
        run.append("s", {"k": k})
    run.rewind("s", keep)
    run.rewind("none", keep)
    assert [r["k"] for r in run.records("s")] == list(range(left))
    run.append("s", {"k": "next"})
    assert len(run.records("s")) == left + 1


def test_what_a_killed_writer_left_is_swept_on_opening(tmp_path):
    with opened(tmp_path) as run:
        run.save("deep/a", {})
        rest = tmp_path / "records" / "deep" / ".b.json.1-0.rote-tmp"
        rest.write_text("{")
    with opened(tmp_path) as run:
        assert not rest.exists()
        assert run.names() == ["deep/a"]


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(run, monkeypatch):
    run.save("a", {"n": 1})
    run.append("s", {"n": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.json cannot be written \(No space left on device\); make room"):
        run.save("a", {"n": 2})
    monkeypatch.setattr(_files, "_length_of_whole_lines", full)
    with pytest.raises(InputError, match=r"s\.jsonl cannot be written"):
        run.append("s", {"n": 2})
    monkeypatch.undo()
    assert run.load("a") == ({"n": 1}, {})
    assert run.records("s") == [{"n": 1}]
    assert [p.name for p in (run.path / "records").iterdir() if _files.is_leftover(p)] == []


def test_a_folder_that_cannot_be_locked_is_one_sentence(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(_files.fcntl, "flock", no_locks)
    with pytest.raises(InputError, match=r"cannot write .* \(No locks available\)"):
        opened(tmp_path)


def test_a_writer_killed_before_its_manifest_leaves_a_folder_that_can_be_used(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".manifest.json.1-0.rote-tmp").write_text("{")
    with opened(tmp_path) as run:
        assert not run.resumed


@settings(max_examples=50, deadline=None)
@given(config=st.dictionaries(st.text(), values, max_size=4))
def test_the_hash_knows_content_not_order(config):
    config = finite(config)
    shuffled = dict(reversed(config.items()))
    assert content_hash(shuffled) == content_hash(config)
    assert content_hash(config | {"one more": 1}) != content_hash(config)


def test_the_hash_refuses_what_is_not_finite():
    with pytest.raises(InputError, match="finite"):
        content_hash({"lr": float("nan")})


def test_the_hash_is_the_same_in_another_process(environment):
    code = "from rote.runs import content_hash; print(content_hash({'b': [1, 2.5], 'a': 'é'}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == content_hash({"a": "é", "b": (1, 2.5)})


WRITE_FOR_EVER = """
import sys, numpy as np
from rote.runs import RunFolder
with RunFolder.open(sys.argv[1], command=[], config={}, data_sha256="") as run:
    k = len(run.records("steps"))
    print("ready", flush=True)
    while True:
        run.save(f"r{k % 3}", {"k": k, "pad": "x" * 3000}, {"x": np.full(2000, k), "y": np.full(3, -k)})
        run.append("steps", {"k": k, "pad": "y" * (k % 700)})
        k += 1
"""


@pytest.mark.slow
def test_after_sigkill_at_any_moment_all_that_exists_is_whole(tmp_path, environment):
    """Kill the writer again and again, at random moments, and read what is there."""
    rng = np.random.default_rng(0)
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "run")]
    last = 0
    for _ in range(12):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
            writer.stdout.readline()
            time.sleep(float(rng.uniform(0, 0.15)))
            writer.kill()
        with opened(tmp_path / "run", command=[], config={}, data_sha256="", seeds=[]) as run:
            for name in run.names():
                record, found = run.load(name)
                assert (found["x"] == record["k"]).all()
                assert (found["y"] == -record["k"]).all()
            steps = [r["k"] for r in run.records("steps")]
            assert steps == list(range(len(steps)))
            assert len(steps) >= last
            last = len(steps)
    assert last > 2
