"""Closed form of recurrent layers: LSTM, GRU and RNN, backpropagated once for the whole batch.

A recurrent layer is linear in its parameters at each step: ``a_t = [W_ih W_hh b_ih b_hh] [x_t h_{t-1} 1 1]``.
So an example's gradient is ``Σ_t δ_t ⊗ [x_t h_{t-1} 1 1]``, a Linear layer's on a sequence, with δ the
gradient at the pre-activations. Torch runs the layer as one operation and keeps δ to itself. But the outputs
are known, so all pre-activations follow at once, and δ from the output gradients by going back in time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rote.gradients._products import CHUNK, gram_is_smaller, product_norms, row_norms
from rote.gradients._sums import sketch

RECURRENT = "recurrent"


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """One layer in one direction, forward: steps in the order in which they were taken.

    Attributes:
        suffix: Of its parameters' names, such as ``"l0"`` or ``"l1_reverse"``.
        x: Its input, ``[T, m, d]``.
        first: First states, each ``[m, h]``.
        out: Its output, ``[T, m, h]``.
        came: Gradient at the output, ``[T, m, h]``, but for what comes through the next step.
        last: Gradient at each last state, ``[m, h]``; ``None`` for zero.
    """

    suffix: str
    x: Tensor
    first: tuple[Tensor, ...]
    out: Tensor
    came: Tensor
    last: list[Tensor | None]

    @property
    def before(self) -> Tensor:
        """The output one step before, ``[T, m, h]``."""
        return torch.cat([self.first[0].unsqueeze(0), self.out[:-1]])

    def delta_out(self) -> Tensor:
        """A copy of the gradient at the output, with that of the last state; the next step's is missing."""
        delta = self.came.clone()
        if self.last[0] is not None:
            delta[-1] += self.last[0]
        return delta


@dataclass(frozen=True, eq=False, slots=True)
class Pass:
    """One layer in one direction: what its pre-activations are linear in, and their gradient.

    Attributes:
        suffix: Of its parameters' names, such as ``"l0"`` or ``"l1_reverse"``.
        x: Its input, ``[T, m, d]``, in the order in which the steps were taken.
        before: Its output one step before, ``[T, m, h]``.
        delta: Gradient at the input's part of the pre-activations, ``[T, m, g]``.
        delta_state: Gradient at the state's part; another one in a GRU only.
        inner: What a projection was applied to, ``[T, m, H]``; ``None`` without one.
        delta_out: Gradient at the output, ``[T, m, h]``, where there is a projection.
    """

    suffix: str
    x: Tensor
    before: Tensor
    delta: Tensor
    delta_state: Tensor
    inner: Tensor | None = None
    delta_out: Tensor | None = None

    def products(self) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """By parameter: the gradient δ at its product, and what it was multiplied with (``None``: ones)."""
        yield f"weight_ih_{self.suffix}", self.delta, self.x
        yield f"weight_hh_{self.suffix}", self.delta_state, self.before
        yield f"bias_ih_{self.suffix}", self.delta, None
        yield f"bias_hh_{self.suffix}", self.delta_state, None
        if self.inner is not None and self.delta_out is not None:
            yield f"weight_hr_{self.suffix}", self.delta_out, self.inner


def pass_norms(taken: Pass, trained: set[str]) -> Tensor:
    """``‖g_i‖²`` of the parameters in ``trained``, ``[m]``; products with the same δ are taken at once."""
    groups: dict[int, tuple[Tensor, list[Tensor | None]]] = {}
    for name, delta, factor in taken.products():
        if name in trained:
            groups.setdefault(id(delta), (delta, []))[1].append(factor)
    total = taken.delta.new_zeros(taken.delta.shape[1])
    for delta, factors in groups.values():
        known = [factor.transpose(0, 1) for factor in factors if factor is not None]
        total += _joint_norms(delta.transpose(0, 1), known, len(factors) - len(known))
    return total


def _joint_norms(delta: Tensor, factors: list[Tensor], ones: int) -> Tensor:
    """``Σ_k ‖Σ_t δ_t ⊗ f_kt‖² + ones ‖Σ_t δ_t‖²``, shapes ``[m, T, p]``, ``[m, T, d_k]`` → ``[m]``.

    Example:
        >>> _joint_norms(torch.ones(1, 2, 1), [torch.tensor([[[1.0], [2.0]]])], 1)
        tensor([13.])
    """
    m, t, p = delta.shape
    width = sum(f.shape[2] for f in factors)
    if t == 1 or not factors or not gram_is_smaller(t, width, p):
        total = ones * row_norms(delta.sum(1))
        return total + product_norms(delta, torch.cat(factors, 2)) if factors else total
    chunk = max(1, CHUNK // t**2)
    norms = []
    for start in range(0, m, chunk):
        a, *others = (f[start : start + chunk] for f in (delta, *factors))
        gram = delta.new_full((len(a), t, t), float(ones))
        for b in others:
            gram.baddbmm_(b, b.transpose(1, 2))
        norms.append(gram.mul_(torch.bmm(a, a.transpose(1, 2))).flatten(1).sum(1))
    return torch.cat(norms)


def pass_sketches(
    taken: Pass, trained: set[str], scale: Callable[[Tensor], Tensor] = lambda delta: delta
) -> dict[str, Tensor]:
    """Sketches of the gradients summed over the examples, each δ scaled; no weight's gradient is formed."""
    found = {}
    for name, delta, factor in taken.products():
        if name in trained:
            rows = scale(delta).flatten(0, 1)
            found[name] = rows.sum(0) if factor is None else rows.t() @ sketch(factor.flatten(0, 1))
    return found


def passes(
    module: nn.RNNBase,
    x: Tensor,
    states: tuple[Tensor, ...],
    output: Tensor | None,
    deltas: list[Tensor | None],
    masks: list[Tensor],
) -> Iterator[Pass]:
    """Every layer and direction of one call, from the last layer to the first.

    Args:
        module: An LSTM, GRU or RNN.
        x: Its input, ``[T, m, d]`` (``[m, T, d]`` with ``batch_first``).
        states: First states, each ``[layers, m, h]``; none for zeros.
        output: Its output, of the same layout as ``x``; ``None`` where it must be computed again.
        deltas: Gradient of the loss at the output and at each last state; ``None`` for zero.
        masks: What dropout multiplied the output of each layer but the last with; none without dropout.
    """
    both = 2 if module.bidirectional else 1
    states = states or _zeros(module, x)
    if module.batch_first:
        x = x.transpose(0, 1)
        output = None if output is None else output.transpose(0, 1)
        deltas = [None if d is None else d.transpose(0, 1) if i == 0 else d for i, d in enumerate(deltas)]
    inputs, outputs = _forward(module, x, states, output, masks)
    delta = deltas[0]
    delta = torch.zeros_like(outputs[-1]) if delta is None else delta
    for layer in reversed(range(module.num_layers)):
        back = []
        for way in range(both):
            place = layer * both + way
            first = tuple(state[place] for state in states)
            last = [None if d is None else d[place] for d in deltas[1:]]
            into, out, came = inputs[layer], outputs[layer].chunk(both, 2)[way], delta.chunk(both, 2)[way]
            if way:
                into, out, came = into.flip(0), out.flip(0), came.flip(0)
            suffix = f"l{layer}_reverse" if way else f"l{layer}"
            taken = _STEPS[type(module)](module, Run(suffix, into, first, out, came, last))
            yield taken
            if layer:
                back.append(taken.delta @ _weight(module, "weight_ih", suffix))
        if layer:
            delta = back[0] if both == 1 else back[0] + back[1].flip(0)
            if masks:
                delta = delta * masks[layer - 1]


def _weight(module: nn.RNNBase, kind: str, suffix: str) -> Tensor:
    weight: Tensor = getattr(module, f"{kind}_{suffix}")
    return weight.detach()


def _zeros(module: nn.RNNBase, x: Tensor) -> tuple[Tensor, ...]:
    m = x.shape[0 if module.batch_first else 1]
    count = module.num_layers * (2 if module.bidirectional else 1)
    h = x.new_zeros(count, m, module.proj_size or module.hidden_size)
    return (h, x.new_zeros(count, m, module.hidden_size)) if isinstance(module, nn.LSTM) else (h,)


def _forward(
    module: nn.RNNBase, x: Tensor, states: tuple[Tensor, ...], output: Tensor | None, masks: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Input and output of each layer, the last layer's output as it was where it is known."""
    inputs, outputs = [x], []
    both = 2 if module.bidirectional else 1
    for layer in range(module.num_layers):
        if layer == module.num_layers - 1 and output is not None:
            outputs.append(output)
            break
        names = [n for way in range(both) for n in module._all_weights[layer * both + way]]
        weights = [getattr(module, name).detach() for name in names]
        first = tuple(state[layer * both : (layer + 1) * both].contiguous() for state in states)
        # cuDNN wants all weights in one piece, and would warn.
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=False):
            options = (module.bias, 1, 0.0, False, module.bidirectional, False)
            hx = first if isinstance(module, nn.LSTM) else first[0]
            out = getattr(torch._VF, module.mode.lower())(inputs[-1], hx, weights, *options)[0]
        outputs.append(out)
        inputs.append(out * masks[layer] if masks else out)
    return inputs, outputs


def _activations(module: nn.RNNBase, suffix: str, part: str, factor: Tensor) -> Tensor:
    """``W factor + b``, the input's (``"ih"``) or the state's (``"hh"``) part of the pre-activations."""
    bias = _weight(module, f"bias_{part}", suffix) if module.bias else None
    return nn.functional.linear(factor.contiguous(), _weight(module, f"weight_{part}", suffix), bias)


def _lstm(module: nn.RNNBase, run: Run) -> Pass:
    before = run.before
    recurrent = _weight(module, "weight_hh", run.suffix)
    a = _activations(module, run.suffix, "ih", run.x)
    a.flatten(0, 1).addmm_(before.flatten(0, 1), recurrent.t())
    if module.bias:
        a += _weight(module, "bias_hh", run.suffix)
    t, m, width = a.shape[0], a.shape[1], module.hidden_size
    a = a.view(t, m, 4, width)
    a[:, :, :2].sigmoid_()
    a[:, :, 2].tanh_()
    a[:, :, 3].sigmoid_()
    i, f, g, o = a.unbind(2)
    cells = a.new_empty(t + 1, m, width)
    cells[0] = run.first[1]
    new = i * g
    for step in range(t):
        torch.addcmul(new[step], f[step], cells[step], out=cells[step + 1])
    tanh = cells[1:].tanh()
    inner = o * tanh if module.proj_size else None
    onto_cell = (1 - tanh * tanh) * o  # ∂h/∂c; the rest are derivatives at the pre-activations
    slopes = torch.stack([new * (1 - i), cells[:-1] * f * (1 - f), i * (1 - g * g)], 2)
    slope_o = tanh * o * (1 - o)
    project = _weight(module, "weight_hr", run.suffix) if module.proj_size else None
    delta = torch.empty_like(a)
    flat = delta.view(t, m, 4 * width)
    d_out = run.delta_out()
    d_cell = torch.zeros_like(tanh[0]) if run.last[1] is None else run.last[1].clone()
    for step in reversed(range(t)):
        if step < t - 1:
            d_out[step].addmm_(flat[step + 1], recurrent)
            d_cell.mul_(f[step + 1])
        d_hidden = d_out[step] if project is None else d_out[step] @ project
        d_cell.addcmul_(d_hidden, onto_cell[step])
        torch.mul(d_cell.unsqueeze(1), slopes[step], out=delta[step, :, :3])
        torch.mul(d_hidden, slope_o[step], out=delta[step, :, 3])
    return Pass(run.suffix, run.x, before, flat, flat, inner, d_out)


def _gru(module: nn.RNNBase, run: Run) -> Pass:
    width = module.hidden_size
    before = run.before
    into, state = (
        _activations(module, run.suffix, "ih", run.x),
        _activations(module, run.suffix, "hh", before),
    )
    r, z = (into[..., : 2 * width] + state[..., : 2 * width]).sigmoid_().split(width, 2)
    from_state = state[..., 2 * width :]
    n = (into[..., 2 * width :] + r * from_state).tanh_()
    slope_n = (1 - z) * (1 - n * n)  # derivatives of h at the pre-activations
    slope_r = slope_n * from_state * r * (1 - r)
    slopes = torch.stack([slope_r, (before - n) * z * (1 - z), slope_n * r], 2)
    recurrent = _weight(module, "weight_hh", run.suffix)
    d_out = run.delta_out()
    delta = torch.empty_like(slopes)
    flat = delta.flatten(2)
    for step in reversed(range(len(before))):
        if step < len(before) - 1:
            d_out[step].addmm_(flat[step + 1], recurrent).addcmul_(d_out[step + 1], z[step + 1])
        torch.mul(d_out[step].unsqueeze(1), slopes[step], out=delta[step])
    d_into = torch.cat([flat[..., : 2 * width], d_out * slope_n], 2)
    return Pass(run.suffix, run.x, before, d_into, flat)


def _rnn(module: nn.RNNBase, run: Run) -> Pass:
    slope = 1 - run.out * run.out if module.mode == "RNN_TANH" else (run.out > 0).to(run.out.dtype)
    recurrent = _weight(module, "weight_hh", run.suffix)
    delta = run.delta_out().mul_(slope)
    for step in reversed(range(len(delta) - 1)):
        delta[step].addcmul_(delta[step + 1] @ recurrent, slope[step])
    return Pass(run.suffix, run.x, run.before, delta, delta)


_STEPS = {nn.LSTM: _lstm, nn.GRU: _gru, nn.RNN: _rnn}
