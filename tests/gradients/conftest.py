"""One thread, float64, fixed seed."""

import warnings

import pytest
import torch


@pytest.fixture(autouse=True)
def exact_and_repeatable():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


def warm():
    """Load what torch loads on the first use of torch.func, so that no test pays for it."""
    model, x = torch.nn.Linear(1, 1), torch.ones(2, 1)
    torch.func.vmap(torch.func.grad(lambda w: (w * x).sum()))(torch.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.func.jvp(model, (x,), (x,))


warm()
