"""Per-example gradients by the obvious loop: one forward and one backward pass per example."""

import torch


def gradient_matrix(model, loss, x, y):
    """``{layer: [m, n_layer]}``: each example's gradient of each module's parameters, tied ones counted once.

    ``loss`` is called on batches of one example, so mean and sum agree.
    """
    owner, seen = {}, set()
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                owner.setdefault(name or type(model).__name__, []).append(parameter)
    parameters = [p for group in owner.values() for p in group]
    rows = {name: [] for name in owner}
    for i in range(len(y)):
        gradients = torch.autograd.grad(
            loss(model(x[i : i + 1]), y[i : i + 1]), parameters, allow_unused=True
        )
        by_id = {id(p): g for p, g in zip(parameters, gradients, strict=True)}
        for name, group in owner.items():
            flat = [
                torch.zeros(p.numel(), dtype=p.dtype)
                if by_id[id(p)] is None
                else by_id[id(p)].to_dense().flatten()
                for p in group
            ]
            rows[name].append(torch.cat(flat))
    return {name: torch.stack(r) for name, r in rows.items()}


def gradient_matrix_paused(meter, model, loss, x, y):
    """:func:`gradient_matrix` while a meter that watches the model looks away."""
    meter._capture.paused = True
    try:
        return gradient_matrix(model, loss, x, y)
    finally:
        meter._capture.paused = False


def coherence_of(G):
    """α, m-coherence and unbiased α of the rows of ``G`` from their Gram matrix ``K``."""
    K = G @ G.T
    m, total, trace = len(G), K.sum().item(), K.trace().item()
    return total / (m * trace), total / trace, (total - trace) / ((m - 1) * trace)


def support_of(G, labels):
    """Whole and same-label support of each row, ``⟨g_i, S − g_i⟩/‖g_i‖²``, one pair of examples at a time."""
    K = G @ G.T
    m = len(G)
    whole, same = [], []
    for i in range(m):
        others = [K[i, j].item() for j in range(m) if j != i]
        alike = [K[i, j].item() for j in range(m) if j != i and labels[j] == labels[i]]
        own = K[i, i].item()
        whole.append(sum(others) / own if own else 0.0)
        same.append(sum(alike) / own if own else 0.0)
    return whole, same
