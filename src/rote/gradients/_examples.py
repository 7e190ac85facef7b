"""Which layers pass the self-check by example (see ``_truth``), and what becomes of the others."""

from collections.abc import Callable, Collection

import torch

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._check import HALF_TOLERANCES, TOLERANCES, distrust_layout
from rote.gradients._layout import settle_layout
from rote.gradients._tree import tensors_of
from rote.gradients._truth import strangers, weighed_gradients
from rote.gradients._units import RERUN_MODEL, Unit
from rote.gradients._weighing import weights


def check_examples(capture: Capture, reached: Collection[str], m: int, again: Callable[[], None]) -> None:
    """Make sure that every layer not checked yet tells the examples apart as the model's outputs do.

    A layer that does not is taken from a rerun of the model, from then on. Where the batch cannot be run
    again, the shapes of the layers' inputs without the last example are all that is looked at.

    Args:
        capture: What the hooks saw; while ``keep``, every layer is checked anew.
        reached: Names of the parameters whose gradient came.
        m: Examples in the batch; one alone leaves nothing to be told apart.
        again: Takes the norms of the layers that have none.

    Raises:
        InputError: If not even the rerun of the model agrees.
    """
    if m == 1 or not capture.reruns:
        return
    if capture.keep:
        for unit in capture.units:
            unit.checked = False
    elif not _pending(capture, reached):
        return
    calls = capture.root.calls
    if not capture.keep and calls and len(capture.conditions) != len(calls):
        return  # some layer was given up just now: next time
    like = next(iter(capture.parameters.values()))
    truth = weighed_gradients(capture, weights(m, like))
    telling = not _all_equal(capture, m)
    left = [] if truth is not None else _pending(capture, reached)
    while truth is not None:
        pending = [u for u in _pending(capture, reached) if u not in left]
        wrong = strangers(pending, truth, _tolerances(capture))
        if wrong is None:
            return  # reported elsewhere, with the example
        wrong += _wrong_ends(capture, [u for u in pending if not (u.weighed or u.weighed_norms)], m)
        if wrong and capture.keep:
            unlike = _not_reproduced(capture, m)
            left += [u for u in wrong if not unlike.isdisjoint(u.parameters)]
            wrong = [u for u in wrong if u not in left]
        for unit in pending:
            unit.checked = telling and unit not in wrong
        if not wrong:
            break
        _correct(capture, wrong, m)
        again()
    if left:
        if distrust_layout(capture, left, m):
            again()
        for unit in left:
            unit.checked = True


def _pending(capture: Capture, reached: Collection[str]) -> list[Unit]:
    """Layers to be checked: measured, and not as zero."""
    return [
        u
        for u in capture.units
        if not u.checked and u.norms is not None and any(name in reached for name in u.parameters)
    ]


def _all_equal(capture: Capture, m: int) -> bool:
    """Whether the batch repeats one example, so that exchanged ones would not show: check the next too."""
    return all(
        torch.equal(t, t[:1].expand_as(t))
        for call in capture.root.calls
        for t in tensors_of((call.args, call.kwargs))
        if t.dim() and len(t) == m
    )


def _correct(capture: Capture, wrong: list[Unit], m: int) -> None:
    """Look for the examples in the second dimension, or leave these layers to the whole model."""
    for unit in wrong:
        if unit.route == RERUN_MODEL:
            raise InputError(
                f"`model`: layer `{unit.name or type(unit.module).__name__}` does not see the examples one "
                "by one as the model's outputs list them, so they are mixed or reordered inside the model: "
                "keep their order, or watch(model, method='microbatch')."
            )
    # Only layers in doubt keep what settles them, and only once.
    square = [u for u in wrong if u.doubtful and u.rule is not None and u.examples_in == 0]
    if square:
        settle_layout(capture, square, m)
    for unit in wrong:
        if not (unit in square and unit.examples_in == 1 and unit.norms is not None):
            unit.give_up()


def _wrong_ends(capture: Capture, units: list[Unit], m: int) -> list[Unit]:
    """Layers of which only norms are known: those whose first or last example has another."""
    wrong: list[Unit] = []
    for i in (0, m - 1) if units else ():
        alone = torch.zeros(m)
        alone[i] = 1.0
        truth = weighed_gradients(capture, alone) or {}
        for unit in units:
            assert unit.norms is not None
            expected = sum(truth[name].square for name in unit.parameters if name in truth)
            got = float(unit.norms[i])
            relative = 2 * _tolerances(capture)[0]
            if (
                abs(expected - got) > relative * expected + 1e-5 * float(unit.norms.max())
                and unit not in wrong
            ):
                wrong.append(unit)
    return wrong


def _not_reproduced(capture: Capture, m: int) -> set[str]:
    """Parameters whose gradient a rerun of the batch does not give: the loss reaches them elsewhere."""
    even = weighed_gradients(capture, torch.ones(m)) or {}
    relative, absolute = _tolerances(capture)
    whole = sum(norm**2 for _, norm in capture.sketches.values()) ** 0.5
    unlike = set()
    for name, (expected, _) in capture.sketches.items():
        got = even[name].sketch.to(expected) if name in even else torch.zeros_like(expected)
        if float((got - expected).norm()) > relative * float(expected.norm()) + absolute * whole:
            unlike.add(name)
    return unlike


def _tolerances(capture: Capture) -> tuple[float, float]:
    if capture.half or any(half for met in capture.conditions for half in met.autocast.values()):
        return HALF_TOLERANCES
    return max(TOLERANCES.get(p.dtype, HALF_TOLERANCES) for p in capture.parameters.values())
