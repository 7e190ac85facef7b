"""Layers of lookup tables as gates, and what a network of them answers with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Literals
from rote.circuits._words import popcount
from rote.circuits.compile._muxes import shannon

if TYPE_CHECKING:  # it would import scikit-learn
    from rote.luts import Layer, Network

_BLOCK = 1 << 16  # entries whose muxes are built together: their gates stand near each other


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network answers, as gates: a number, and what each number stands for.

    Attributes:
        word: The pattern at the last lut, or the number of votes; shape ``[b]``, the lowest bit first.
        share: How much each number is a 1, as `Network.share` says; shape ``[2^b]``.
        voters: How many votes there are where ``share`` is ``(votes + 1/4 + coin/2) / (voters + 1)``, else 0.
        coin: Who wins a tied vote.
    """

    word: Literals
    share: NDArray[np.float64]
    voters: int
    coin: bool


def network_answer(build: Builder, network: "Network", inputs: Literals) -> Answer:
    """The gates of a network's luts, but of those only that somebody reads, and what it answers.

    Args:
        build: Where gates are appended.
        network: The network.
        inputs: Its inputs, shape ``[network.inputs]``.

    Returns:
        What it answers.
    """
    table = network.output == "table"
    hidden = network.layers[:-1] if table else network.layers
    needed = _needed(network)
    before = np.empty(0, np.uint32)
    voting = []
    for layer, wanted in zip(hidden, needed, strict=True):
        after = np.zeros(layer.width, np.uint32)
        after[wanted] = _luts(build, layer, wanted, np.concatenate([inputs, before]))
        before = after
        voting.append(after)
    if table:
        last = network.layers[-1]
        zero, one = network.counts
        share = (one + 1 + last.answers()[0]) / (zero + one + 3)
        return Answer(np.concatenate([inputs, before])[last.fanins[0]], share, 0, network.coin)
    every = network.output == "vote-all"
    votes = popcount(build, np.concatenate(voting if every else voting[-1:]))
    return _vote(network, votes, len(voting) if every else 1)


def _vote(network: "Network", votes: Literals, layers: int) -> Answer:
    """What a number of votes stands for; all hidden layers are of one width."""
    width = network.layers[-1].width
    voters = layers * width
    number = np.minimum(np.arange(1 << len(votes)), voters)
    if network.output == "vote-all" and network.rate:
        score = np.round(network.rate * (2 * number / width - layers), 12)
        share = 1 / (1 + np.exp(-2 * (score + (1e-9 if network.coin else -1e-9))))
        return Answer(votes, share, 0, network.coin)
    share = (number + (0.75 if network.coin else 0.25)) / (voters + 1)
    return Answer(votes, share, voters, network.coin)


def _needed(network: "Network") -> list[NDArray[np.int64]]:
    """Which luts of each hidden layer somebody reads."""
    table = network.output == "table"
    hidden = network.layers[:-1] if table else network.layers
    read = network.layers[-1].fanins[0] if table else np.empty(0, np.int32)
    needed: list[NDArray[np.int64]] = []
    for i, layer in reversed(list(enumerate(hidden))):
        votes = network.output == "vote-all" or (network.output == "vote" and i == len(hidden) - 1)
        wanted = np.unique(read[read >= network.inputs]) - network.inputs
        needed.insert(0, np.arange(layer.width) if votes else wanted.astype(np.int64))
        read = layer.fanins[needed[0]].ravel()
    return needed


def _luts(build: Builder, layer: "Layer", wanted: NDArray[np.int64], rows: Literals) -> Literals:
    """Some luts of a layer, each by Shannon expansion, shape ``[wanted]``."""
    block = max(1, _BLOCK >> layer.k)
    answers = [np.empty(0, np.uint32)]
    for first in range(0, len(wanted), block):
        some = wanted[first : first + block]
        tables = layer.tables[some]
        bits = np.ascontiguousarray(tables.astype("<u8", copy=False)).view(np.uint8)
        entries = np.unpackbits(bits, axis=1, count=1 << layer.k, bitorder="little").astype(np.uint32)
        answers.append(shannon(build, rows[layer.fanins[some]], entries[:, :, None])[:, 0])
    return np.concatenate(answers)
