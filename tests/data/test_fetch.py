import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rote.data import _fetch, fetch
from rote.data._fetch import REMOTE, RemoteFile, fetch_files
from rote.errors import InputError

CONTENT = bytes(range(256)) * 1000


class Mirror(BaseHTTPRequestHandler):
    """Serves CONTENT below several roofs, each with its own fault; remembers what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        roof, asked = self.path.split("/")[1], self.headers.get("Range")
        self.server.asked.append((roof, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and roof != "deaf" else 0
        if roof == "missing" or start >= len(CONTENT):
            self.send_response(416 if start else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONTENT[start:]
        if roof == "corrupt":
            body = b"\0\0\0" + body[3:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100_000] if roof == "breaks" else body)
        if roof == "breaks":
            self.close_connection = True

    def log_message(self, *_):
        pass


class Mirrors(ThreadingHTTPServer):
    """Silent when a client hangs up, which some of the tests do."""

    def handle_error(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with Mirrors(("127.0.0.1", 0), Mirror) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def remote(server, monkeypatch):
    """A file on the mirrors under these roofs; a proxy of the machine is not asked for them."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.asked = []

    def make(*roofs, **changes):
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{roof}/data.bin" for roof in roofs)
        return RemoteFile(
            "data.bin", urls, changes.pop("sha256", hashlib.sha256(CONTENT).hexdigest()), **changes
        )

    return make


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_second_mirror_serves_what_the_first_does_not(server, remote, tmp_path, capfd):
    seen = []
    files = fetch_files([remote("missing", "good")], tmp_path / "a" / "b", progress=lambda *p: seen.append(p))
    assert files == [tmp_path / "a" / "b" / "data.bin"]
    assert content(tmp_path / "a" / "b") == {"data.bin": CONTENT}
    assert [roof for roof, _ in server.asked] == ["missing", "good"]
    assert seen[-1] == ("data.bin", len(CONTENT), len(CONTENT))
    assert [there for _, there, _ in seen] == sorted(there for _, there, _ in seen)
    assert capfd.readouterr() == ("", "")


def test_wrong_bytes_are_refused_and_nothing_is_left(remote, tmp_path):
    with pytest.raises(
        InputError, match=r"/corrupt/data.bin \(wrong SHA-256\), .*/missing/data.bin \(HTTP 404\)"
    ):
        fetch_files([remote("corrupt", "missing")], tmp_path)
    assert content(tmp_path) == {}
    fetch_files([remote("corrupt", "good")], tmp_path)
    assert content(tmp_path) == {"data.bin": CONTENT}


def test_a_broken_download_goes_on_where_it_stopped(server, remote, tmp_path):
    with pytest.raises(InputError, match=r"broken off"):
        fetch_files([remote("breaks")], tmp_path)
    (part,) = tmp_path.iterdir()
    assert part.name == "data.bin.part"
    assert CONTENT.startswith(part.read_bytes())
    have = part.stat().st_size
    assert have >= 65_536
    fetch_files([remote("good")], tmp_path)
    assert server.asked[-1] == ("good", f"bytes={have}-")
    assert content(tmp_path) == {"data.bin": CONTENT}


def test_a_mirror_that_knows_no_ranges_sends_all(server, remote, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:5000])
    fetch_files([remote("deaf")], tmp_path)
    assert server.asked == [("deaf", "bytes=5000-")]
    assert content(tmp_path) == {"data.bin": CONTENT}


@pytest.mark.parametrize("left", [b"rubbish", CONTENT + b"too long"])
def test_a_damaged_part_is_thrown_away(server, remote, tmp_path, left):
    (tmp_path / "data.bin.part").write_bytes(left)
    fetch_files([remote("good")], tmp_path)
    assert [asked for _, asked in server.asked] == [f"bytes={len(left)}-", None]
    assert content(tmp_path) == {"data.bin": CONTENT}


def test_an_interrupted_download_keeps_its_part(remote, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_files([remote("good")], tmp_path, progress=interrupt)
    assert list(content(tmp_path)) == ["data.bin.part"]


def test_what_is_there_is_not_fetched_again(server, remote, tmp_path):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    fetch_files([remote("missing")], tmp_path)
    packed = gzip.compress(CONTENT, 1)
    (tmp_path / "data.bin").write_bytes(packed)
    fetch_files([remote("missing", inner_sha256=hashlib.sha256(CONTENT).hexdigest())], tmp_path)
    assert server.asked == []
    assert content(tmp_path) == {"data.bin": packed}


@pytest.mark.parametrize("other", [b"my own notes", gzip.compress(CONTENT)[:-9], b""])
def test_another_file_of_that_name_is_never_written_over(server, remote, tmp_path, other):
    (tmp_path / "data.bin").write_bytes(other)
    with pytest.raises(InputError, match=r"data.bin` is not the official file, by its SHA-256: move it away"):
        fetch_files([remote("good", inner_sha256=hashlib.sha256(CONTENT).hexdigest())], tmp_path)
    assert content(tmp_path) == {"data.bin": other}
    assert server.asked == []


def test_offline_says_which_addresses_and_which_folder(monkeypatch, tmp_path):
    import requests

    def refuse(*_, **__):
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", refuse)
    with pytest.raises(InputError) as caught:
        fetch("cifar10", data_dir=tmp_path)
    sentence = str(caught.value)
    assert all(url in sentence for url in REMOTE["cifar10"][0].urls)
    assert f"put it into `{tmp_path / 'cifar10'}` by hand" in sentence


def test_a_folder_that_cannot_be_made(remote, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        fetch_files([remote("good")], tmp_path / "file" / "mnist")


def test_a_dataset_in_another_form_needs_no_download(formats, tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "fetch_files", lambda *_, **__: pytest.fail("it downloads"))
    assert fetch("digits", data_dir=tmp_path) == []
    formats.folder(tmp_path, formats.cifar10("bin"))
    assert fetch("cifar10", data_dir=tmp_path) == [tmp_path / "cifar-10-batches-bin"]
    formats.mnist(tmp_path / "MNIST" / "raw")
    assert fetch("mnist", data_dir=tmp_path) == [tmp_path / "MNIST" / "raw"]


def test_an_incomplete_dataset_elsewhere_is_fetched_whole(formats, tmp_path, monkeypatch):
    (formats.mnist(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    monkeypatch.setattr(_fetch, "fetch_files", lambda files, folder, **_: [folder, len(files)])
    assert fetch("mnist", data_dir=tmp_path) == [tmp_path / "mnist", 4]


def test_an_unknown_name():
    with pytest.raises(InputError, match="`name` must be one of digits, mnist, cifar10"):
        fetch("imagenet")


def test_digests_and_addresses_are_whole():
    files = [file for group in REMOTE.values() for file in group]
    assert len({file.sha256 for file in files}) == len(files) == 5
    for file in files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert len(file.urls) == 2
        assert all(url.startswith("https://") and url.endswith(f"/{file.name}") for url in file.urls)


@pytest.mark.realdata
@pytest.mark.slow
def test_the_real_files_have_the_inner_digests(real_data):
    assert fetch("mnist", data_dir=real_data) == [real_data / "mnist" / file.name for file in REMOTE["mnist"]]
