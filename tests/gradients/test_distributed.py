"""Two processes that train one model together see what one process would see of both their examples."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rote.errors import InputError
from rote.gradients import watch

SCRIPT = Path(__file__).parents[1] / "oracles" / "two_ranks.py"
slow = pytest.mark.slow
both = pytest.mark.parametrize("rank", [0, 1])


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes wrote, having met through a file."""
    import os

    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place),
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


def assert_same(got, expected):
    assert (got["m"], list(got["layers"])) == (expected["m"], list(expected["layers"]))
    for key in ("alpha", "m_coherence", "alpha_unbiased"):
        assert got[key] == pytest.approx(expected[key], rel=1e-10)
        for name, layer in expected["layers"].items():
            assert got["layers"][name][key] == pytest.approx(layer[key], rel=1e-10)
    np.testing.assert_allclose(got["squared_norms"], expected["squared_norms"], rtol=1e-10)


@slow
@both
@pytest.mark.parametrize(
    "situation",
    ["bucket_views", "unequal_sum", "accumulated", "scaled", "not_finite", "sharded", "sharded_unequal_sum"],
)
def test_the_joined_batch_is_one_batch(ranks, rank, situation):
    assert_same(ranks[rank][situation], ranks[rank]["single_process"]["first"])


@slow
@both
def test_steps_are_joined_and_pooled(ranks, rank):
    got, one = ranks[rank]["plain"], ranks[rank]["single_process"]
    assert_same(got["last"], one["second"])
    q = [sum(one[step]["squared_norms"]) for step in ("first", "second")]
    s2 = [one[step]["m_coherence"] * total for step, total in zip(("first", "second"), q, strict=True)]
    assert got["pooled"]["m_coherence"] == pytest.approx(sum(s2) / sum(q), rel=1e-10)
    assert (got["pooled"]["m"], got["pooled"]["steps"]) == (8, 2)


@slow
@both
def test_clipping_is_found_in_the_mean_gradient(ranks, rank):
    got, one = ranks[rank]["clipped"], ranks[rank]["single_process"]["first"]
    assert 0 < got["clip"] < 1
    assert got["clip"] == pytest.approx(got["expected_clip"], rel=1e-10)
    assert got["alpha"] == pytest.approx(one["alpha"], rel=1e-10)
    expected = np.array(one["squared_norms"]) * got["clip"] ** 2
    np.testing.assert_allclose(got["squared_norms"], expected, rtol=1e-10)


@slow
@both
def test_a_step_that_is_not_finite_on_one_rank_is_marked_on_all(ranks, rank):
    assert ranks[rank]["not_finite"]["marked"] == ["step 0: nan in the gradient of example 6 in layer `0`"]


@slow
@both
@pytest.mark.parametrize(
    ("situation", "words"),
    [
        ("unequal_mean", "different numbers of examples, [3, 5]"),
        ("without_sync", "under no_sync() use watch(..., accumulate=True)"),
        ("older", "held an older gradient"),
        ("sharded_older", "held an older gradient when the model was called"),
        ("sharded_without_sync", "set_requires_gradient_sync(True)"),
        ("sharded_rerun", "layer `1` (PReLU) has no closed form"),
        ("sharded_penalty", "does not add up to the gradient of `2.weight`"),
    ],
)
def test_what_cannot_be_joined_is_refused_on_every_rank(ranks, rank, situation, words):
    assert words in ranks[rank][situation]


@slow
@both
def test_a_layer_unused_on_one_rank_has_gradients_of_the_others_examples_only(ranks, rank):
    assert_same(ranks[rank]["unused_on_one"]["got"], ranks[rank]["unused_on_one"]["expected"])


@slow
def test_a_refusal_on_one_rank_leaves_no_other_waiting(ranks):
    assert "was refused on rank 1" in ranks[0]["refused_on_one"]
    assert "neither a forward nor a backward pass" in ranks[1]["refused_on_one"]


@slow
@both
def test_sharded_models_are_pooled_and_leave_no_hook(ranks, rank):
    got = ranks[rank]["sharded"]
    assert got["steps"] == 1
    assert got["pooled_steps"] == 3
    assert got["pooled_alpha"] == pytest.approx(got["alpha"], rel=1e-10)  # three times the same batch
    assert ranks[rank]["sharded_hooks"] is True


@slow
@both
def test_what_sharding_hides_is_refused(ranks, rank):
    assert [
        "accumulate=True" in said or "clipping='after'" in said for said in ranks[rank]["sharded_options"]
    ] == [
        True,
        True,
    ]


def test_data_parallel_is_refused_with_a_remedy():
    model = nn.DataParallel(nn.Linear(2, 1))
    with pytest.raises(InputError, match=r"nn\.DataParallel.*use DistributedDataParallel"):
        watch(model)
    with pytest.raises(InputError, match=r"layer `1` in nn\.DataParallel"):
        watch(nn.Sequential(nn.Linear(2, 2), model))


def test_a_plain_model_needs_no_processes():
    assert not torch.distributed.is_initialized()
    with watch(nn.Linear(2, 1)) as meter:
        assert meter.method == "exact"
