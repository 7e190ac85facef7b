"""Tiny valid files of every format, written byte by byte."""

import gzip
import importlib
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def _imported_once():
    """Libraries that take a second to import are imported before the clock of the first test starts."""
    for name in (
        "PIL.Image",
        "pooch",
        "pyarrow.parquet",
        "sklearn.decomposition",
        "sklearn.neighbors",
        "torch",
    ):
        importlib.import_module(name)
    importlib.import_module("sklearn.datasets").load_digits()


class Formats:
    """Writers that share no code with the readers."""

    @staticmethod
    def idx(array: np.ndarray) -> bytes:
        return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()

    @classmethod
    def mnist(cls, folder: Path, m: int = 12, t: int = 6, *, zipped: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for part, n in (("train", m), ("t10k", t)):
            arrays = {
                "images-idx3": rng.integers(256, size=(n, 4, 5), dtype=np.uint8),
                "labels-idx1": (np.arange(n) % 10).astype(np.uint8),
            }
            for kind, array in arrays.items():
                name, content = f"{part}-{kind}-ubyte", cls.idx(array)
                (folder / (f"{name}.gz" if zipped else name)).write_bytes(
                    gzip.compress(content, mtime=0) if zipped else content
                )
        return folder

    @staticmethod
    def pickled_batch(images: np.ndarray, labels: list[int]) -> bytes:
        """The opcodes that Python 2's cPickle wrote for an official batch, protocol 2."""

        def text(word: bytes) -> bytes:
            return b"U" + bytes([len(word)]) + word

        data = images.tobytes()
        array = (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85"
            + text(b"b")
            + b"\x87R"
            b"(K\x01M"
            + struct.pack("<H", len(labels))
            + b"M\x00\x0c\x86cnumpy\ndtype\n"
            + text(b"u1")
            + b"K\x00K\x01\x87R"
            b"(K\x03"
            + text(b"|")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
            + struct.pack("<i", len(data))
        )
        numbers = b"]q\x04(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
        return b"\x80\x02}q\x01(" + text(b"labels") + numbers + text(b"data") + array + data + b"tbu."

    @staticmethod
    def binary_batch(images: np.ndarray, labels: list[int]) -> bytes:
        return b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True))

    @classmethod
    def cifar10(cls, kind: str, n: int = 4) -> dict[str, bytes]:
        """Six batches of n examples by name; kind is py or bin."""
        rng = np.random.default_rng(0)
        batches = {}
        for k, name in enumerate(
            ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
        ):
            images = rng.integers(256, size=(n, 3072), dtype=np.uint8)
            labels = [(k * n + i) % 10 for i in range(n)]
            if kind == "py":
                batches[f"cifar-10-batches-py/{name}"] = cls.pickled_batch(images, labels)
            else:
                batches[f"cifar-10-batches-bin/{name}.bin"] = cls.binary_batch(images, labels)
        return batches

    @staticmethod
    def folder(root: Path, files: dict[str, bytes]) -> Path:
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root

    @staticmethod
    def tar(path: Path, files: dict[str, bytes]) -> Path:
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    @staticmethod
    def image(array: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
        from PIL import Image

        stream = io.BytesIO()
        picture = Image.fromarray(array)
        (picture.convert(mode) if mode else picture).save(stream, kind)
        return stream.getvalue()


@pytest.fixture(scope="session")
def formats() -> type[Formats]:
    return Formats


@pytest.fixture(scope="session")
def scratch(tmp_path_factory) -> Path:
    """A folder that the examples of one property share: each overwrites what the one before it left."""
    return tmp_path_factory.mktemp("scratch")
