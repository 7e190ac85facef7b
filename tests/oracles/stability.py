"""The stability bound by its recursion in exact fractions, and stability measured by replacing examples."""

from fractions import Fraction

import numpy as np


def contributions(rates, sizes, m, lipschitz, smoothness):
    """What each step adds, in fractions: ``(L/m) η_t size_t Π_{k>t} (1 + η_k β)``, every product in full."""
    rates, sizes = [Fraction(r) for r in rates], [Fraction(s) for s in sizes]
    found = []
    for t, (rate, size) in enumerate(zip(rates, sizes, strict=True)):
        amplification = Fraction(1)
        for later in rates[t + 1 :]:
            amplification *= 1 + later * Fraction(smoothness)
        found.append(Fraction(lipschitz) * rate * size * amplification / m)
    return found


def by_recursion(rates, sizes, m, lipschitz, smoothness):
    """``δ_t = (1 + η_t β) δ_{t−1} + η_t size_t / m``, as the proof has it; the bound is ``L δ_T``."""
    delta = Fraction(0)
    for rate, size in zip(rates, sizes, strict=True):
        delta = (1 + Fraction(rate) * Fraction(smoothness)) * delta + Fraction(rate) * Fraction(size) / m
    return Fraction(lipschitz) * delta


class Logistic:
    """Logistic regression on finitely many equally likely points: L and β are known for all weights.

    ``ℓ(w, z) = log(1 + exp(−⟨w, z⟩))``, the label being the sign in ``z``. Its gradient is at most ``‖z‖``
    long and its Hessian at most ``‖z‖²/4`` large.
    """

    def __init__(self, points):
        self.points = points
        self.lipschitz = np.linalg.norm(points, axis=1).max()
        self.smoothness = self.lipschitz**2 / 4

    def losses(self, w, z):
        return np.logaddexp(0, -z @ w)

    def gradients(self, w, z):
        return -z / (1 + np.exp(z @ w))[:, None]

    def train(self, sample, batches, rate, seen=None):
        """SGD from zero; ``seen`` receives the weights before each step."""
        w = np.zeros(sample.shape[1])
        for batch in batches:
            if seen is not None:
                seen.append(w)
            w = w - rate * self.gradients(w, sample[batch]).mean(0)
        return w

    def coherence(self, w):
        """α and ``ḡ`` of the distribution at ``w``, exactly."""
        g = self.gradients(w, self.points)
        square = (g**2).sum(1).mean()
        return (g.mean(0) ** 2).sum() / square, square**0.5

    def stability(self, sample, fresh, batches, rate):
        """``(1/m) Σ_i ℓ(A(S^(i)), z_i) − ℓ(A(S), z_i)``: example i replaced by ``fresh[i]``, run again."""
        w, total = self.train(sample, batches, rate), 0.0
        for i in range(len(sample)):
            other = sample.copy()
            other[i] = fresh[i]
            own = sample[i : i + 1]
            total += float((self.losses(self.train(other, batches, rate), own) - self.losses(w, own))[0])
        return total / len(sample)
