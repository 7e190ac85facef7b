"""What all tests share: fixed seeds, one thread, the real data, a browser."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# How long a case takes says how busy the machine is, nothing else.
settings.register_profile("rote", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rote")


@pytest.fixture(autouse=True)
def _same_every_time():
    """The same random numbers in every test, whatever ran before; torch, where it is used, on one thread."""
    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """Where the tests run in the background Ctrl-C is ignored, and commands they start would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, which ROTE_DATA names."""
    folder = os.environ.get("ROTE_DATA")
    if not folder:
        pytest.skip("ROTE_DATA names no folder of real data sets")
    if not Path(folder).is_dir():
        pytest.skip(f"ROTE_DATA names {folder}, which is no folder")
    return Path(folder)


class Chromium:
    """A headless browser that is started anew, with an empty profile, for each page."""

    def __init__(self, program: str, profiles: Callable[[], Path]) -> None:
        self._program, self._profiles = program, profiles

    def screenshot(
        self, path: Path, png: Path, width: int, *, height: int = 2000, dark: bool = False
    ) -> Path:
        """Draw a page, ``width`` pixels wide, into a PNG file."""
        options = [f"--screenshot={png}", f"--window-size={width},{height}", "--hide-scrollbars"]
        self._run(path, *options, *(["--blink-settings=preferredColorScheme=0"] if dark else []))
        if not png.is_file():
            raise AssertionError(f"{self._program} drew nothing of {path}")
        return png

    def dump_dom(self, path: Path) -> str:
        """The page's document as HTML, after its scripts have run."""
        return self._run(path, "--dump-dom")

    def _run(self, path: Path, *options: str) -> str:
        command = [
            self._program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            f"--user-data-dir={self._profiles()}",
            *options,
            Path(path).resolve().as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stderr}")
        return done.stdout


@pytest.fixture
def chromium(tmp_path_factory) -> Chromium:
    """Chromium or Chrome, wherever it is called what."""
    for name in ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable"):
        if program := shutil.which(name):
            return Chromium(program, lambda: tmp_path_factory.mktemp("profile"))
    pytest.skip("neither chromium nor google-chrome is installed")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Environment for a new Python process that finds the same packages as this one."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
