"""Processes that train one model together take the steps that one process would take of all their groups."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rote.errors import InputError
from rote.optim import median_over_ranks

SCRIPT = Path(__file__).parents[1] / "oracles" / "three_ranks.py"


RANKS = 3


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of three processes wrote, having met through a file."""
    folder = tmp_path_factory.mktemp("ranks")
    places = os.pathsep.join(place for place in sys.path if place)
    environment = os.environ | {"PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(RANKS), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(RANKS)
    ]
    try:
        said = [process.communicate(timeout=120)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert not any(process.returncode for process in started), "\n".join(said)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(RANKS)]


@pytest.mark.slow
def test_every_rank_takes_the_steps_by_definition(ranks):
    for seen in ranks:
        for name, (got, wanted) in seen.items():
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12, err_msg=name)
            assert got == ranks[0][name][0]


def test_a_median_of_two_is_refused(monkeypatch):
    model = DistributedDataParallel.__new__(DistributedDataParallel)
    nn.Module.__init__(model)
    model.process_group = None
    monkeypatch.setattr("torch.distributed.get_world_size", lambda group: 2)
    with pytest.raises(InputError, match=r"at least 3 processes, since .* their mean\. Got 2"):
        median_over_ranks(model)


def test_only_wrapped_models():
    with pytest.raises(InputError, match=r"wrapped in DistributedDataParallel\. Got Linear"):
        median_over_ranks(nn.Linear(1, 1))
