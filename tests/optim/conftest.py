"""Oracles on the path, one thread, float64, fixed seed."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

ORACLES = Path(__file__).parents[1] / "oracles"


def load_oracle(name):
    """The module tests/oracles/<name>.py under a name of its own."""
    full = f"oracle_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, ORACLES / f"{name}.py")
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


load_oracle("awkward_models")
load_oracle("optim")


@pytest.fixture(autouse=True)
def exact_and_repeatable():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


# Load what torch loads on the first use of torch.func, so that no test pays for it.
torch.func.vmap(torch.func.grad(lambda w: (w * torch.ones(1)).sum()))(torch.ones(2))
