"""What this installation can do, as records."""

import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from rote import __version__
from rote.errors import InputError

_ARRAYS = ("numpy", "scipy", "scikit-learn")
_COMMANDS_AND_PAGES = ("cyclopts", "rich", "jinja2")
_FILES_AND_PROCESSES = (
    "pooch",
    "requests",
    "safetensors",
    "joblib",
    "threadpoolctl",
    "pillow",
    "pyarrow",
)
REQUIRED = (*_ARRAYS, *_COMMANDS_AND_PAGES, *_FILES_AND_PROCESSES)

OPTIONAL = {
    "cleanlab": ("cleanlab", "the baseline of that name in benchmarks", "bench"),
}


@dataclass(frozen=True)
class Finding:
    """One line of what was found.

    Attributes:
        what: The part looked at.
        found: What it is, in words.
        state: ``"good"``; ``"less"`` where rote works, but slower; ``"broken"`` where it cannot work.

    Example:
        >>> Finding("cores", "2", "good").state
        'good'
    """

    what: str
    found: str
    state: Literal["good", "less", "broken"] = "good"


def examine(data_dir: str | Path | None = None) -> list[Finding]:
    """Look at this installation.

    Args:
        data_dir: Where data sets lie, if not where ``ROTE_DATA`` says.

    Returns:
        The findings, in the order to read them.

    Example:
        >>> [finding.what for finding in examine()][:2]
        ['rote', 'Python']
    """
    return [
        Finding("rote", f"{__version__}, in {Path(__file__).parent}"),
        Finding("Python", f"{platform.python_version()}, in {sys.prefix}"),
        Finding("cores", f"{_cores()} to use"),
        _torch(),
        _native(),
        *_libraries(),
        *_data(data_dir),
        *_extras(),
        Finding("browser", "none needed: a report is one file that any browser opens"),
    ]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _torch() -> Finding:
    try:
        import torch
    except Exception as error:  # whatever a broken installation raises
        return Finding("torch", f"cannot be imported ({error}); install it: pip install torch", "broken")
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    where = f"CUDA {torch.version.cuda}: {', '.join(devices)}" if devices else "CPU only"
    return Finding("torch", f"{torch.__version__}, {where}, {torch.get_num_threads()} threads by default")


def _native() -> Finding:
    from rote._native import status

    core = status()
    if core.on:
        return Finding("native core", f"built; instruction set {core.isa}")
    build = "to build it, install a C++ compiler and Python's headers, then install rote again"
    remedy = "unset it" if core.why.startswith("ROTE_NATIVE") else build
    return Finding("native core", f"off, so some loops are slower: {core.why}; {remedy}", "less")


def _libraries() -> list[Finding]:
    found, missing = [], []
    for name in REQUIRED:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    findings = [Finding("libraries", ", ".join(found))]
    if missing:
        remedy = f"pip install {' '.join(missing)}"
        findings.append(
            Finding("libraries", f"missing: {', '.join(missing)}; install them: {remedy}", "broken")
        )
    return findings


def _data(data_dir: str | Path | None) -> list[Finding]:
    from rote.data import describe

    try:
        return [
            Finding("data", f"{source.name}: {source.where}")
            if source.found
            else Finding("data", f"{source.name}: not here; {source.advice}", "less")
            for source in describe(data_dir)
        ]
    except InputError as error:
        return [Finding("data", str(error), "less")]


def _extras() -> list[Finding]:
    findings = []
    for module, (package, gives, extra) in OPTIONAL.items():
        there = importlib.util.find_spec(module) is not None
        state = metadata.version(package) if there else f"absent; to add it: pip install 'rote[{extra}]'"
        findings.append(Finding("optional", f"{package} ({gives}): {state}"))
    return findings
