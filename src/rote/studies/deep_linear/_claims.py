"""What the papers say, and where the number must lie for it to hold here."""

from rote.studies._judge import above, below, between
from rote.studies._study import Claim
from rote.studies.deep_linear import _completion, _flow, _modes

_FLOW = "Arora, Cohen & Hazan 2018, arXiv 1802.06509"
_RANK = "Arora, Cohen, Hu & Luo 2019, arXiv 1905.13655"
_LECTURE = "Lecture on deep linear networks"

MODES = (
    Claim(
        "half-times-as-foretold",
        "A singular value moves at N s^(2-2/N) times its plain speed, which tells when it is learnt.",
        f"{_RANK}; the times by integration",
        "By what share of it the time to half the target differs, at most over four depths and three modes; "
        "a fiftieth is allowed for steps that are not small",
        below(0.02),
        _modes.deviation,
        exact=True,
        percent=True,
    ),
    Claim(
        "together-without-depth",
        "Without depth all modes are learnt at once.",
        _LECTURE,
        "Latest over earliest half-time of the three modes, less 1, for one factor",
        below(0.02),
        _modes.together,
        exact=True,
        percent=True,
    ),
    Claim(
        "one-after-another",
        "With depth they are learnt one after another, the strongest first.",
        f"{_LECTURE}; {_RANK}",
        "By what factor a mode half as strong is later, at least over modes and two to four factors",
        above(1.5),
        _modes.one_after_another,
        exact=True,
    ),
    Claim(
        "deeper-is-sharper",
        "The deeper, the longer a mode waits and the more suddenly it comes.",
        f"{_LECTURE}; {_RANK}",
        "By how much the time from 10 to 90 % over that to 50 % falls from a depth to the next, at least; "
        "strongest mode",
        above(0.0),
        _modes.apart,
        exact=True,
    ),
    Claim(
        "deep-modes-do-not-overlap",
        "In deep networks the next mode has hardly begun when one is there.",
        f"{_LECTURE}; {_RANK}",
        "What the second mode has of its target when the first has 90 %, at most over three and four factors",
        below(0.1),
        _modes.overlap,
        exact=True,
        percent=True,
    ),
)

FLOW = (
    Claim(
        "end-to-end",
        "The product of balanced factors moves on its own: its velocity is Σ_j [WWᵀ]^((j-1)/N) G "
        "[WᵀW]^((N-j)/N), with the sign of descent.",
        f"{_FLOW}, on the end-to-end update",
        "log₁₀ of the relative difference to one tiny step of the factors, the largest over N = 1…4",
        below(-4),
        lambda rows: _flow.worst(rows, "step"),
    ),
    Claim(
        "steps-follow-the-flow",
        "Gradient descent with small steps follows this flow.",
        f"{_FLOW}, on the end-to-end update",
        "Largest distance of the product from the flow’s on the whole way, relative, over N = 1…4",
        below(0.05),
        _flow.farthest,
        percent=True,
    ),
    Claim(
        "half-the-step-half-the-distance",
        "What separates them is the size of the steps alone.",
        f"{_FLOW}; the order is that of Euler’s method",
        "log₂ of this distance over that at half the learning rate, the farthest from 1 over N = 1…4",
        between(0.8, 1.2),
        _flow.order,
    ),
    Claim(
        "balance-is-kept",
        "Under the flow balanced factors stay balanced, so what drift there is comes of the steps.",
        f"{_FLOW}, on the end-to-end update",
        "log₂ of the last imbalance over that at half the learning rate, the farthest from 1 over N = 2…4",
        between(0.8, 1.2),
        _flow.drift_order,
    ),
    Claim(
        "untied-n",
        "Where all commute, N factors of their own make a mode N s^(2-2/N) times as fast.",
        f"{_LECTURE}; {_FLOW}",
        "log₁₀ of the share by which the measured speed over s^(2-2/N) differs from N, at most over N = 1…4",
        below(-4),
        lambda rows: _flow.speed(rows, tied=False),
    ),
    Claim(
        "tied-n-squared",
        "N factors that are one and the same make it N² s^(2-2/N) times as fast.",
        f"{_LECTURE}; the prefactor by algebra",
        "log₁₀ of the share by which the measured speed over s^(2-2/N) differs from N², at most over N = 1…4",
        below(-4),
        lambda rows: _flow.speed(rows, tied=True),
    ),
    Claim(
        "tied-end-to-end",
        "Tied factors have a closed form too: in their eigenbasis G_pq times (Σ_j a_p^j a_q^(N-1-j))².",
        f"{_LECTURE}; the entries by algebra",
        "log₁₀ of the relative difference to one tiny step, the largest over N = 1…4; nothing commutes",
        below(-4),
        lambda rows: _flow.worst(rows, "tied_step"),
    ),
    Claim(
        "no-regulariser",
        "Depth is no regulariser: no function of W has this flow as its gradient descent.",
        f"{_FLOW}, on regularisers",
        "‖J - Jᵀ‖/‖J‖ of the flow’s Jacobian (0 for a gradient), the least over N = 2…4",
        above(0.01),
        _flow.turning,
    ),
    Claim(
        "plain-is-a-gradient",
        "Without depth it is one.",
        f"{_FLOW}: the control",
        "log₁₀ of the same for N = 1",
        below(-6),
        _flow.straight,
    ),
)

COMPLETION = (
    Claim(
        "all-fit",
        "At every depth the entries seen are fitted.",
        _RANK,
        "Largest root mean square error on the entries seen, over depths",
        below(1.1e-3),
        _completion.converged,
    ),
    Claim(
        "shallow-learns-nothing-else",
        "Without depth the unseen entries stay as they were.",
        f"{_LECTURE}; {_RANK}",
        "Root mean square error on them for N = 1, where those of the matrix are 1",
        between(0.9, 1.1),
        lambda rows: _completion.last(rows, 1, "unseen"),
    ),
    Claim(
        "deeper-completes-better",
        "The deeper, the better what was not seen is found.",
        _RANK,
        "By how much the error on unseen entries falls from a depth to the next, at least",
        above(0.0),
        lambda rows: _completion.fall(rows, "unseen"),
    ),
    Claim(
        "deeper-is-of-lower-rank",
        "For it prefers low rank more.",
        _RANK,
        "By how much the effective rank falls from a depth to the next, at least",
        above(0.0),
        lambda rows: _completion.fall(rows, "effective_rank"),
    ),
    Claim(
        "deepest-finds-the-rank",
        "And the deepest finds the true one.",
        f"{_LECTURE}; {_RANK}",
        "Effective rank at the largest depth; that of the matrix, which has rank 2, is between 1 and 2",
        between(1.5, 2.5),
        lambda rows: _completion.deepest(rows, "effective_rank"),
    ),
)
