"""Circuits' files in tests: damage done to them, and the tools of others that read and write them."""

import shutil
import subprocess

import pytest
from hypothesis import strategies as st


@st.composite
def damaged(draw, whole):
    """A file's bytes after a few changes: bytes flipped, cut out, inserted, or its end gone."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "end", "digit"]))
        if kind == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 8))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=6))
        elif kind == "digit":
            data[at:at] = draw(st.sampled_from([b"9", b"0", b"999999999", b" ", b"\n", b"-"]))
        else:
            del data[at:]
    return bytes(data)


def _run(program, *arguments):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def abc(script):
    """What ABC says to a script."""
    return _run("berkeley-abc", "-q", script)


def yosys(script):
    """What Yosys says to a script; it fails where Yosys reports an error."""
    return _run("yosys", "-p", script)


def iverilog(program, *sources):
    """What a Verilog simulation prints."""
    _run("iverilog", "-g2005", "-o", program, *sources)
    return _run("vvp", program)
