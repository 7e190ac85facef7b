"""Coherence from microbatch gradients by the obvious loops: every gradient is kept, one at a time."""

import torch


def microbatch_gradients(model, loss, parts):
    """``{layer: [J, n_layer]}`` float64: the gradient of each microbatch's loss, by owner of parameters."""
    owner = {}
    for name, parameter in model.named_parameters():
        owner.setdefault(name.rpartition(".")[0], []).append(parameter)
    parameters = [p for group in owner.values() for p in group]
    rows = {name: [] for name in owner}
    for x, y in parts:
        found = torch.autograd.grad(loss(model(x), y), parameters, allow_unused=True, materialize_grads=True)
        by_id = {id(p): g for p, g in zip(parameters, found, strict=True)}
        for name, group in owner.items():
            rows[name].append(torch.cat([by_id[id(p)].flatten().double() for p in group]))
    return {name: torch.stack(r) for name, r in rows.items()}


def moments(W, sizes):
    """``‖μ‖²`` and ``E‖g‖²`` from the scatter of microbatches ``[J, P]`` about their mean."""
    n = sum(sizes)
    center = sum(k * w for k, w in zip(sizes, W, strict=True)) / n
    scatter = sum(k * ((w - center) ** 2).sum() for k, w in zip(sizes, W, strict=True))
    trace = scatter / (len(W) - 1)
    mean = (center**2).sum() - trace / n
    return mean.item(), (mean + trace).item()


def pooled(steps):
    """α̂ of steps ``[(W, sizes), …]``, each weighted by ``n(n−1)``."""
    a = b = 0.0
    for W, sizes in steps:
        mean, square = moments(W, sizes)
        weight = sum(sizes) * (sum(sizes) - 1)
        a, b = a + weight * mean, b + weight * square
    return a / b


def jackknife_variance(steps, groups):
    """Variance of α̂: in each step leave out every ``groups``-th microbatch in turn, to first order."""
    alpha, total, variance = pooled(steps), 0.0, 0.0
    for W, sizes in steps:
        weight = sum(sizes) * (sum(sizes) - 1)
        mean, square = moments(W, sizes)
        total += weight * square
        used = min(groups, len(W))
        for g in range(used):
            kept = [j for j in range(len(W)) if j % groups != g]
            m, s = moments(W[kept], [sizes[j] for j in kept])
            left_out = sum(sizes) - sum(sizes[j] for j in kept)
            change = weight * ((m - mean) - alpha * (s - square))
            variance += (sum(sizes) / left_out - 1) / used * change**2
    return variance / total**2
