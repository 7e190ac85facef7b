"""Networks of lookup tables as gates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Circuit, Literals
from rote.circuits._words import add, constant_word, extend
from rote.circuits.compile._lut_layers import Answer, network_answer
from rote.circuits.compile._muxes import at_most, shannon
from rote.circuits.compile._table import compile_table
from rote.errors import InputError

if TYPE_CHECKING:  # it would import scikit-learn
    from rote.luts import LookupTable, LUTNetworkClassifier, Network

_FRACTION = 40  # bits behind the point of a share, or of the logarithm of its odds


def compile_luts(model: "LUTNetworkClassifier | Network | LookupTable") -> Circuit:
    """Lookup tables as gates: each lut by Shannon expansion, muxes all the way.

    Constants are propagated, common sub-expressions are left as they are, and luts that nobody reads are left
    out. The circuit answers as ``predict`` does. Votes are counted by adders. More than two classes become
    words, and the largest wins, the first of equals: of one network a class, the rank of its share among all
    that there are, or its votes; of bags or other codes, shares or logarithms of odds with 40 bits behind the
    point, so that only answers that differ by less can be told otherwise.

    Args:
        model: A fitted `LUTNetworkClassifier`, one `Network` of it, or a `LookupTable` whose answer to unseen
            patterns is one class (``ties="majority"``, ``"zero"`` or ``"one"``).

    Returns:
        A circuit whose inputs are the bits that the model reads, ``x0`` … (what its binariser makes, if it
        has one), and whose output is ``y`` for two classes, else a word a class, ``class0[0]`` …

    Raises:
        InputError: If the model is none of these, not fitted, or answers in a way that has no circuit.

    Example:
        >>> from rote.luts import LUTNetworkClassifier
        >>> xor = LUTNetworkClassifier(k=2, depth=0).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
        >>> compile_luts(xor)
        Circuit(2 inputs, 1 output, 3 gates: 3 AND, 0 XOR)
    """
    from rote.luts import LookupTable, LUTNetworkClassifier, Network

    if isinstance(model, LookupTable) and hasattr(model, "counts_"):
        return _giant(model)
    if isinstance(model, Network):
        networks, code = [model], np.array([[False], [True]])
    elif isinstance(model, LUTNetworkClassifier) and hasattr(model, "networks_"):
        networks, code = list(model.networks_), model.code_
    else:
        raise InputError(
            f"`model` must be a fitted LUTNetworkClassifier, a Network or a fitted LookupTable. "
            f"Got {type(model).__name__}{'' if isinstance(model, Network) else ', fitted or not'}."
        )
    build = Builder([f"x{i}" for i in range(networks[0].inputs)])
    found = [network_answer(build, network, build.literals) for network in networks]
    bags = len(found) // code.shape[1]
    questions = [found[first : first + bags] for first in range(0, len(found), bags)]
    return build.finish(_outputs(build, questions, code)).cone()


def _outputs(
    build: Builder, questions: Sequence[Sequence[Answer]], code: NDArray[np.bool_]
) -> dict[str, Literals]:
    """One bit for one question, else a word for each class."""
    classes, number = code.shape
    if number == 1:
        return {"y": _yes(build, questions[0])}
    if number == classes and np.array_equal(code, np.eye(classes, dtype=np.bool_)):
        words = _shares(build, questions)
    elif len(questions[0]) == 1:
        words = _odds(build, [bag[0] for bag in questions], code)
    else:
        raise InputError(
            'Several bags of codes other than "one-vs-rest" cannot be compiled: their shares are averaged '
            'before logarithms are taken; learn with `bags=1` or `codes="one-vs-rest"`.'
        )
    return {f"class{c}": extend(word, len(word) + 1, signed=False) for c, word in enumerate(words)}


def _yes(build: Builder, bags: Sequence[Answer]) -> Literals:
    """Whether the mean share of the bags is above one half."""
    if len(bags) == 1:
        share = bags[0].share
        return _looked_up(build, bags[0].word, (share > 1 - share).astype(np.int64), 1).reshape(())
    if bags[0].voters:
        half = len(bags) * (2 * bags[0].voters + 1) // 2
        total = _sum(build, [_votes(each) for each in bags])
    else:
        half = len(bags) << (_FRACTION - 1)
        total = _sum(build, [_fixed(build, each) for each in bags])
    return build.not_(at_most(build, total[None], np.array([half]))[0])


def _shares(build: Builder, questions: Sequence[Sequence[Answer]]) -> list[Literals]:
    """For each class a number that grows with its question's mean share."""
    if questions[0][0].voters:
        return [_sum(build, [_votes(each) for each in bags]) for bags in questions]
    if len(questions[0]) > 1:
        return [_sum(build, [_fixed(build, each) for each in bags]) for bags in questions]
    different = np.unique(np.concatenate([bags[0].share for bags in questions]))
    width = max(1, (len(different) - 1).bit_length())
    return [_looked_up(build, bag.word, np.searchsorted(different, bag.share), width) for (bag,) in questions]


def _odds(build: Builder, answers: Sequence[Answer], code: NDArray[np.bool_]) -> list[Literals]:
    """For each class the sum of the log odds of its questions, but for what all classes share."""
    words, least = [], np.zeros(len(answers), np.int64)
    for q, each in enumerate(answers):
        share = np.clip(each.share, 1e-12, 1 - 1e-12)
        odds = np.rint((np.log(share) - np.log1p(-share)) * (1 << _FRACTION)).astype(np.int64)
        least[q] = odds.min()
        width = int(odds.max() - odds.min()).bit_length()
        words.append(_looked_up(build, each.word, odds - odds.min(), max(1, width)))
    start = code @ least  # what stands for the answer with the smallest odds to each question
    start -= start.min()
    sums = []
    for own, first in zip(code, start, strict=True):
        constant = constant_word(first, max(1, int(first).bit_length()))
        sums.append(_sum(build, [constant, *(words[q] for q in np.flatnonzero(own))]))
    return sums


def _votes(answer: Answer) -> Literals:
    """Twice the votes, and one more for the coin."""
    return np.concatenate([[np.uint32(answer.coin)], answer.word])


def _fixed(build: Builder, answer: Answer) -> Literals:
    share = np.rint(answer.share * (1 << _FRACTION)).astype(np.int64)
    return _looked_up(build, answer.word, share, _FRACTION + 1)


def _looked_up(build: Builder, word: Literals, values: NDArray[np.int64], width: int) -> Literals:
    """Entry number ``word`` of a table of constants, shape ``[width]``."""
    return np.asarray(shannon(build, word[None], constant_word(values, width)[None])[0])


def _sum(build: Builder, words: Sequence[Literals]) -> Literals:
    """The sum of unsigned words, as wide as it can need."""
    most = 0
    total = np.zeros(1, np.uint32)
    for word in words:
        most += (1 << len(word)) - 1
        width = most.bit_length()
        total = add(build, extend(total, width, signed=False), extend(word, width, signed=False))
    return total


def _giant(model: "LookupTable") -> Circuit:
    """The giant table: a comparator for each pattern that was seen."""
    totals: NDArray[Any] = model.totals_
    most = np.flatnonzero(totals == totals.max())
    if model.ties in ("zero", "one"):
        default = int(model.ties == "one")
    elif model.ties == "majority" and len(most) == 1:
        default = int(most[0])
    else:
        raise InputError(
            f'A LookupTable with `ties="{model.ties}"` answers each unseen pattern in its own way, which no '
            f'table of the seen ones holds: learn it with `ties="majority"`, "zero" or "one"'
            + (" (two classes have equally many examples)." if model.ties == "majority" else ".")
        )
    binariser = model.binariser_
    inputs = model.n_features_in_ if binariser is None else len(binariser.get_feature_names_out())
    packed = np.frombuffer(b"".join(model.counts_), np.uint8).reshape(len(model.counts_), -1)
    bits = np.unpackbits(packed, axis=1, count=inputs, bitorder="little")
    said = [model._answer(pattern, counts) for pattern, counts in model.counts_.items()]
    return compile_table(bits, np.array(said), classes=len(model.classes_), default=default)
