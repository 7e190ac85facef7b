"""One thread, float64, fixed seed."""

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


# Load what torch loads on the first use of torch.func, so that no test pays for it.
torch.func.vmap(torch.func.grad(lambda w: (w * torch.ones(1)).sum()))(torch.ones(2))
