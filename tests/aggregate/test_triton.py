"""The GPU's kernel: interpreted on the CPU against sorting, and compiled for two kinds of GPU without one."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from rote.aggregate import clamped_products
from rote.aggregate._products import products_by_sorting
from rote.aggregate._triton import MOST, serves

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

AGREES = """
import torch
from rote.aggregate._products import products_by_sorting
from rote.aggregate._triton import clamped_on_gpu

torch.manual_seed(0)
single, double = torch.float32, torch.float64
for m, p, d, c, kind in [(3, 1, 1, 1, single), (3, 5, 70, 1, double), (40, 17, 65, 8, single),
                         (17, 2, 3, 8, double), (9, 4, 5, 0, single), (5, 0, 5, 1, single)]:
    left, right = torch.randn(m, p, dtype=kind), torch.randn(m, d, dtype=kind)
    left[0] *= 1e6  # what is clamped away must leave no trace
    if p > 1:
        left[1, 0], left[2, 1] = float("inf"), float("nan")
    for drop in (False, True):
        found = clamped_on_gpu(left, right, c=c, drop=drop, scale=0.5)
        expected = products_by_sorting(left, right, c=c, drop=drop, scale=0.5) if p else left.new_empty(p, d)
        torch.testing.assert_close(found, expected, equal_nan=True)
"""

COMPILES = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from rote.aggregate._triton import MOST, ROWS, kernel

for c in (0, 1, MOST):
    constants = {"c": c, "height": ROWS}
    kinds = dict.fromkeys(["left", "right", "out"], "*fp32") | dict.fromkeys("mpd", "i32") | {"edge": "fp32"}
    source = ASTSource(kernel, signature=kinds | dict.fromkeys(constants, "constexpr"), constexprs=constants)
    for capability in (75, 90):
        assert triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@needs_triton
def test_interpreted_it_agrees_with_sorting():
    done = run(AGREES, TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@needs_triton
def test_it_compiles_for_gpus(tmp_path):
    done = run(COMPILES, TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")
    assert done.returncode == 0, done.stderr


def test_it_is_not_asked_on_a_cpu():
    assert not serves(torch.ones(3, 2), 1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("c", [0, 1, 8, MOST, MOST + 1])
@pytest.mark.parametrize("drop", [False, True])
def test_on_a_gpu_it_agrees_with_sorting(c, drop):
    left, right = torch.randn(50, 33, device="cuda"), torch.randn(50, 130, device="cuda")
    left[0] *= 1e6
    found = clamped_products(left, right, c=c, drop=drop)
    torch.testing.assert_close(found, products_by_sorting(left, right, c=c, drop=drop))
