"""What the papers say, and where the number must lie for it to hold here."""

from rote.studies._judge import above, below, between, equal_to
from rote.studies._study import Claim
from rote.studies.parities import _elimination, _signal, _training

_LECTURE = "Lecture on parities"
_FAILURES = "Shalev-Shwartz, Shamir & Shammah 2017, arXiv 1703.07950"
_HIDDEN = "Barak et al. 2022, arXiv 2207.08799"

ELIMINATION = (
    Claim(
        "success-as-foretold",
        "Random examples determine a parity with a probability of Π_{i<n} (1 - 2^(i-m)): few beyond n do.",
        f"{_LECTURE}; the formula by counting",
        "Largest difference of the share of trials with a unique solution from the formula, over m",
        below(0.08),
        _elimination.off_the_formula,
        percent=True,
    ),
    Claim(
        "examples-needed",
        "On average n + 1.6 examples are enough.",
        f"{_LECTURE}; the sum over the formula",
        "Mean number of examples beyond n until the solution is unique, from the shares",
        between(1.3, 1.9),
        _elimination.examples_needed,
    ),
    Claim(
        "unique-is-right",
        "And then elimination finds it, whatever its size.",
        f"{_LECTURE}; by algebra",
        "Share of trials in which the only solution was another than the planted, the largest over m",
        equal_to(0.0),
        _elimination.wrong_answers,
        percent=True,
    ),
)

NOISE = (
    Claim(
        "noise-breaks-it",
        "With wrong labels elimination fails.",
        _LECTURE,
        "Share of trials in which the planted parity is found, 10 % wrong labels",
        below(0.1),
        lambda rows: _elimination.success(rows, 0.1),
        percent=True,
    ),
    Claim(
        "no-noise-no-trouble",
        "Without any it does not.",
        f"{_LECTURE}: the control",
        "The same without wrong labels",
        above(0.99),
        lambda rows: _elimination.success(rows, 0.0),
        percent=True,
    ),
    Claim(
        "noise-as-foretold",
        "It succeeds only if all of the n equations it rests on are right: with probability (1 - η)^n.",
        "By counting",
        "Largest difference of the share of successes from that, over five shares of wrong labels",
        below(0.08),
        _elimination.off_the_noise_formula,
        percent=True,
    ),
    Claim(
        "noise-is-noticed",
        "But it knows: the equations contradict each other.",
        "By algebra",
        "Share of trials with 10 % wrong labels in which it proves that there is no solution",
        above(0.9),
        _elimination.noticed,
        percent=True,
    ),
)

DENSE = (
    Claim(
        "elimination-solves-dense",
        "Elimination learns half of n coordinates from little more than n examples.",
        _LECTURE,
        "Share of n at which it finds the parity, n + 10 examples (it fails in one of a thousand)",
        above(0.99),
        _training.eliminated,
        percent=True,
    ),
    Claim(
        "descent-does-not",
        "Descent does not, in the steps it is given.",
        f"{_LECTURE}; {_FAILURES}",
        "Accuracy above a guess after all steps, half of the largest n coordinates",
        below(0.05),
        _training.above_chance,
        percent=True,
    ),
    Claim(
        "dense-gets-harder",
        "Its steps multiply with every two coordinates.",
        f"{_LECTURE}; {_FAILURES}",
        "By what factor the steps to 99 % grow from n to n + 2, at least, n = 8 to 14",
        above(1.0),
        _training.dense_growth,
    ),
    Claim(
        "descent-sees-more",
        "And it sees far more examples.",
        _LECTURE,
        "Examples seen by SGD over those of elimination, at least; a hundred is far more",
        above(100),
        _training.more_examples,
    ),
)

SPARSE = (
    Claim(
        "sparse-is-learnt",
        "Parities of few coordinates are learnt by plain SGD.",
        f"{_HIDDEN}, abstract",
        "Share of all (n, k) that reach 99 %",
        above(0.99),
        _training.all_learned,
        percent=True,
    ),
    Claim(
        "longer-with-n",
        "More coordinates take longer.",
        _HIDDEN,
        "By what factor the steps grow from n = 10 to 20 to 30 at k = 3, at least",
        above(1.0),
        _training.growth_in_n,
    ),
    Claim(
        "longer-with-k",
        "Larger parities take longer.",
        _HIDDEN,
        "By what factor the steps grow from k = 2 to 3 to 4 at n = 20, at least",
        above(1.0),
        _training.growth_in_k,
    ),
    Claim(
        "plateau-then-jump",
        "For long nothing is to be seen, then it comes at once.",
        f"{_LECTURE}; {_HIDDEN}",
        "Share of the steps before the last check below 55 %, the least of k = 3, 4 at n = 30; half is long",
        above(0.5),
        _training.plateau,
        percent=True,
    ),
    Claim(
        "hidden-progress",
        "But there is progress meanwhile: weights of the coordinates that matter move farther.",
        f"{_HIDDEN}, abstract",
        "Mean |w - w₀| on the parity over that off it at this check, less 1, the least over k = 3, 4, n = "
        "20, 30",
        above(0.05),
        _training.hidden_progress,
        percent=True,
    ),
)

NETWORK = (
    Claim(
        "a-network-is-a-parity",
        "Representing a parity is easy: a small network is it, exactly.",
        _LECTURE,
        "Largest error on all 2^n points, parities of every size, at most over n",
        equal_to(0.0),
        lambda rows: _signal.worst_network(rows, "error"),
        exact=True,
    ),
    Claim(
        "one-relu-each",
        "One hidden ReLU for each coordinate of the parity is enough.",
        f"{_LECTURE}, with four for every odd count; the smaller number by construction",
        "Units over the size of the parity, at most",
        equal_to(1.0),
        lambda rows: _signal.worst_network(rows, "units"),
        exact=True,
    ),
)

SIGNAL = (
    Claim(
        "variance-lemma",
        "The mean square of what the mean gradient knows of a parity, over all 2^n of them, is E‖∇f‖²/2^n.",
        f"{_FAILURES}, Theorem 1; with equality by Parseval",
        "log₁₀ of the share by which it differs, at most over n: computed subset size by subset size",
        below(-9),
        _signal.off_the_lemma,
    ),
    Claim(
        "falls-as-two-to-the-n",
        "So with every coordinate it is halved.",
        f"{_FAILURES}, Theorem 1",
        "Slope of its log₂, as a share of E‖∇f‖², over n",
        equal_to(-1.0),
        _signal.slope,
        exact=True,
    ),
    Claim(
        "bounded-by-size",
        "Of the parities of k of n coordinates it knows at most E‖∇f‖²/C(n, k).",
        f"{_FAILURES}, Theorem 1, for the class of these",
        "What is known over this bound, at most over k and n",
        below(1 + 1e-9),
        _signal.over_the_bound,
    ),
    Claim(
        "dense-falls-fast",
        "Of dense parities it soon knows nothing.",
        _FAILURES,
        "Slope of log₂ of what is known of parities of half of the coordinates, over n; a quarter off for "
        "each is fast",
        below(-0.4),
        _signal.dense_slope,
    ),
)
