"""The microbatches of two processes are those of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "oracles" / "microbatch_ranks.py"
pytestmark = pytest.mark.slow
both = pytest.mark.parametrize("rank", [0, 1])


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes wrote."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "OMP_NUM_THREADS": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=60)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@both
@pytest.mark.parametrize("step", ["one each", "three each", "pooled"])
def test_the_microbatches_of_all_ranks_are_one_step(ranks, rank, step):
    got, expected = ranks[rank][step], ranks[rank]["alone"][step]
    assert (got["m"], got["microbatches"], got["steps"]) == (
        expected["m"],
        expected["microbatches"],
        expected["steps"],
    )
    for one, other in [(got, expected), *((got["layers"][n], e) for n, e in expected["layers"].items())]:
        for name in ("alpha", "alpha_unbiased", "m_coherence"):
            assert one[name] == pytest.approx(other[name], rel=1e-9)
        if step != "one each":
            assert one["standard_error"] == pytest.approx(other["standard_error"], rel=1e-6)
            assert one["interval"] == pytest.approx(other["interval"], rel=1e-6)


@both
def test_batch_norm_in_a_wrapper_is_seen_and_layers_keep_their_names(ranks, rank):
    assert ranks[rank]["method"] == ranks[rank]["alone"]["method"] == "microbatch"
    assert ranks[rank]["layers"] == ["0", "1", "3"]


@both
def test_what_one_rank_refuses_or_marks_all_do(ranks, rank):
    assert "update()` must follow" in ranks[1]["refused"]
    assert "refused on rank 1" in ranks[0]["refused"]
    assert ranks[rank]["marked"] == ["step 1: nan in the gradient of the batch in layer `0`"]
    assert ranks[rank]["warned"] == ["NonFiniteGradientWarning"]
