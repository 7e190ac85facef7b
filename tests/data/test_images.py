import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.data import load
from rote.data._images import layout
from rote.errors import InputError


def grey(value, h=3, w=4):
    return np.full((h, w), value, np.uint8)


@pytest.fixture
def pets(formats):
    """Six grey images of two classes, by path."""
    return {f"{c}/{i}.png": formats.image(grey(i)) for c in ("cat", "dog") for i in range(3)}


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def names(parts):
    return sorted([*parts.train.ids.tolist(), *parts.test.ids.tolist()])


def test_a_folder_and_its_zip_are_the_same_data(formats, tmp_path, pets):
    folder = load(str(formats.folder(tmp_path / "pets", pets)))
    archive = load(str(zipped(tmp_path / "pets.zip", pets)))
    assert folder.sha256 == archive.sha256
    assert names(folder) == sorted(pets)
    assert folder.train.classes == ("cat", "dog")
    assert folder.train.shape == (1, 3, 4)
    for name, image in zip(folder.train.ids.tolist(), folder.train.X, strict=True):
        assert (image == int(name[4])).all()


@pytest.mark.parametrize("second", ["test", "val", "valid", "validation"])
@pytest.mark.parametrize("wrapper", ["", "outer/inner/"])
def test_train_and_test_folders_are_parts(tmp_path, pets, second, wrapper):
    files = {f"{wrapper}train/{name}": content for name, content in pets.items()}
    files |= {f"{wrapper}{second}/cat/9.png": pets["cat/0.png"], f"{wrapper}notes.txt": b"read me"}
    parts = load(str(zipped(tmp_path / "pets.zip", files)))
    assert len(parts.train) == 6
    assert parts.test.ids.tolist() == [f"{wrapper}{second}/cat/9.png"]


def test_a_class_may_be_called_train(formats, tmp_path):
    files = {f"{c}/{i}.png": formats.image(grey(i)) for c in ("bus", "train") for i in range(2)}
    assert load(str(zipped(tmp_path / "a.zip", files))).train.classes == ("bus", "train")


def test_one_colour_image_makes_all_of_three_channels(formats, tmp_path, pets):
    colours = np.zeros((3, 4, 3), np.uint8)
    colours[..., 1] = 200
    pets["dog/2.png"] = formats.image(colours)
    parts = load(str(zipped(tmp_path / "pets.zip", pets)))
    whole = dict(zip([*parts.train.ids, *parts.test.ids], [*parts.train.X, *parts.test.X], strict=True))
    assert whole["dog/2.png"][:, 0, 0].tolist() == [0, 200, 0]
    assert whole["cat/1.png"][:, 0, 0].tolist() == [1, 1, 1]


def test_hidden_files_and_hostile_class_names(formats, tmp_path, pets):
    hostile = "<script>alert('1')<"
    files = {name.replace("dog", hostile): content for name, content in pets.items()}
    files |= {".git/x.png": b"", "__MACOSX/cat/0.png": b"", "cat/.hidden.png": b""}
    parts = load(str(formats.folder(tmp_path / "pets", files)))
    assert parts.train.classes == (hostile, "cat")


def test_links_are_followed_once(formats, tmp_path, pets):
    root = formats.folder(tmp_path / "pets", {n: c for n, c in pets.items() if "cat" in n})
    formats.folder(tmp_path / "elsewhere", {n: c for n, c in pets.items() if "dog" in n})
    (root / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (root / "dog" / "loop").symlink_to(root / "dog")
    assert names(load(str(root))) == sorted(pets)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"dog/2.png": None, "dog/1.png": None, "dog/0.png": b"not an image"},
            "dog/0.png` cannot be read as an image",
        ),
        ({"dog/2.png": "cut"}, "dog/2.png` cannot be read as an image"),
        ({"dog/2.png": "larger"}, r"dog/2.png` is 4×5 pixels but `cat/0.png` 4×3"),
        ({"dog/2.png": "deep"}, "dog/2.png` must have 8 bits a channel"),
        ({"loose.png": "same"}, "loose.png` must lie in a class folder"),
        ({"fish/": b""}, "fish` must hold images of its class, but has none"),
        ({f"dog/{i}.png": None for i in range(3)}, "at least two classes to learn from, but has only 'cat'"),
    ],
)
def test_what_is_wrong_with_which_image(formats, tmp_path, pets, change, says):
    made = {
        "cut": pets["cat/0.png"][:40],
        "larger": formats.image(grey(0, 5, 4)),
        "deep": formats.image(np.zeros((3, 4), np.uint16)),
        "same": pets["cat/0.png"],
    }
    files = pets | {name: made.get(content, content) for name, content in change.items()}
    path = zipped(
        tmp_path / "pets.zip", {name: content for name, content in files.items() if content is not None}
    )
    with pytest.raises(InputError, match=says):
        load(str(path))


def test_an_empty_class_folder_on_disk(formats, tmp_path, pets):
    (formats.folder(tmp_path / "pets", pets) / "fish").mkdir()
    with pytest.raises(InputError, match="pets/fish` must hold images of its class"):
        load(str(tmp_path / "pets"))


def test_folders_without_classes(formats, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="none` must hold one folder of images for each class"):
        load(str(tmp_path / "none"))
    formats.folder(tmp_path / "flat", {"a.png": formats.image(grey(0))})
    with pytest.raises(InputError, match="one folder of images for each class"):
        load(str(tmp_path / "flat"))


def test_a_test_class_without_training_images(tmp_path, pets):
    files = {f"train/{name}": content for name, content in pets.items()} | {
        "test/cow/1.png": pets["cat/0.png"]
    }
    with pytest.raises(InputError, match="the class 'cow' has no training images"):
        load(str(zipped(tmp_path / "pets.zip", files)))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "/etc/evil.png",
        "cat/../../evil.png",
        "C:/evil.png",
        "cat\\evil.png",
        "cat//e.png",
        "./e.png",
    ],
)
def test_zip_paths_that_lead_elsewhere(tmp_path, pets, name):
    path = zipped(tmp_path / "pets.zip", pets | {name: b""})
    with pytest.raises(InputError, match="leads outside the archive"):
        load(str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pets.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip(tmp_path, pets):
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("cat/0.png", "dog/0.png", "cat/0.png"):
            archive.writestr(name, pets[name])
    with pytest.raises(InputError, match=r"'cat/0.png' is there twice"):
        load(str(path))


def test_damaged_zips(tmp_path, pets):
    path = zipped(tmp_path / "pets.zip", pets)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(InputError, match="is no zip file, or a damaged one"):
        load(str(path))
    at = whole.index(b"IDAT")
    path.write_bytes(whole[:at] + b"XXXX" + whole[at + 4 :])
    with pytest.raises(InputError, match=r"cat/0.png` cannot be read"):
        load(str(path))


def test_a_link_in_a_zip_is_no_image(tmp_path, pets):
    path = zipped(tmp_path / "pets.zip", pets)
    link = zipfile.ZipInfo("dog/9.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"dog/9.png` cannot be read as an image"):
        load(str(path))


part = st.sampled_from(["train", "test", "a", "b", ".h", "x.png", "y.jpg", "z.txt"])


@given(st.lists(st.lists(part, min_size=1, max_size=4).map("/".join), max_size=8, unique=True))
@settings(max_examples=50, deadline=None)
def test_any_paths_give_a_layout_or_one_sentence(paths):
    try:
        parts = layout(paths, [], where="data.zip")
    except InputError as error:
        message = str(error)
        assert "data.zip" in message
    else:
        placed = [path for entries in parts.values() for path, _ in entries]
        assert set(placed) <= set(paths)
        assert len(placed) == len(set(placed))
        assert all(f"/{label}/" in f"/{path}" for entries in parts.values() for path, label in entries)
