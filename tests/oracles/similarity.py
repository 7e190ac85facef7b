"""Similarity of features by the formulas as they are written, in NumPy and by loops."""

import numpy as np


def centring(n):
    return np.eye(n) - np.ones((n, n)) / n


def biased_cka(K, L):
    """Kornblith et al. 2019, eq. 3 and 5."""

    def hsic(a, b):
        H = centring(len(a))
        return np.trace(a @ H @ b @ H) / (len(a) - 1) ** 2

    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


def hsic1(K, L):
    """Nguyen et al. 2021, eq. 3."""
    n, one = len(K), np.ones(len(K))
    K, L = K * (1 - np.eye(n)), L * (1 - np.eye(n))
    total = np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * (one @ K @ L @ one)) / (n * (n - 3))


def unbiased_cka(pairs):
    """HSIC₁ summed over pairs of kernel matrices, divided once."""
    sums = np.sum([(hsic1(K, L), hsic1(K, K), hsic1(L, L)) for K, L in pairs], axis=0)
    return sums[0] / np.sqrt(sums[1] * sums[2])


def rbf(X, width):
    """Gaussian kernel, its width a share of the median distance."""
    n = len(X)
    d = np.array([[np.linalg.norm(a - b) for b in X] for a in X])
    median = np.sort(d[np.triu_indices(n, 1)])[(n * (n - 1) // 2 - 1) // 2]
    return np.exp(-(d**2) / (2 * (width * median) ** 2))


def cca(X, Y):
    """Canonical correlations and the canonical variables of X, by whitening with covariances."""
    X, Y = X - X.mean(0), Y - Y.mean(0)

    def inverse_root(C):
        values, vectors = np.linalg.eigh(C)
        return vectors @ np.diag(values**-0.5) @ vectors.T

    wx, wy = inverse_root(X.T @ X), inverse_root(Y.T @ Y)
    U, rho, _ = np.linalg.svd(wx @ X.T @ Y @ wy)
    return rho, X @ wx @ U[:, : len(rho)]


def pwcca(X, Y):
    """Morcos et al. 2018, eq. 3, with X weighing."""
    rho, H = cca(X, Y)
    X = X - X.mean(0)
    alpha = np.array([sum(abs(h @ x) for x in X.T) for h in H.T])
    return (alpha * rho).sum() / alpha.sum()


def svcca(X, Y, share, *, squares):
    """Raghu et al. 2017: directions for a share of each side, then canonical correlations."""
    sides = []
    for Z in (X, Y):
        U, s, _ = np.linalg.svd(Z - Z.mean(0), full_matrices=False)
        w = s**2 if squares else s
        k = next(k for k in range(1, len(s) + 1) if w[:k].sum() / w.sum() >= share)
        sides.append(U[:, :k] * s[:k])
    return cca(*sides)[0].mean()
