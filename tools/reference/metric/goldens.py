"""Writes shared/metric/testdata/goldens.json: distances by NumPy and SciPy, written after the papers.

    python tools/reference/metric/goldens.py shared/metric/testdata/goldens.json

The Frechet distance takes scipy.linalg.sqrtm of the product of the covariances, as pytorch-fid does; the kernel
distance is the unbiased estimate with (x.y/d+1)^3, as torch-fidelity has it; precision and recall count
neighbours by sorting all distances. Features are multiples of 1/64, so that JSON holds them exactly.
"""

import json
import sys

import numpy as np
import scipy.linalg


def frechet(x, y):
    m1, m2 = x.mean(0), y.mean(0)
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2)
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root.real))


def mmd2(x, y):
    def k(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    n, m = len(x), len(y)
    xx, yy, xy = k(x, x), k(y, y), k(x, y)
    a = (xx.sum() - np.trace(xx)) / (n * (n - 1))
    b = (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(a + b - 2 * xy.mean())


def precision_recall(real, fake, k):
    def dist(a, b):
        return ((a[:, None] - b[None]) ** 2).sum(-1)

    def radii(a):
        return np.sort(dist(a, a), axis=1)[:, k]

    precision = (dist(fake, real) <= radii(real)).any(1).mean()
    recall = (dist(real, fake) <= radii(fake)).any(1).mean()
    return float(precision), float(recall)


def main(path):
    rng = np.random.default_rng(11)
    rows = []
    for name, n, m, d in (("small", 40, 30, 3), ("wide", 60, 50, 12), ("one number", 20, 25, 1)):
        mix = rng.standard_normal((d, d))
        x = np.round(rng.standard_normal((n, d)) @ mix * 64) / 64
        y = np.round((rng.standard_normal((m, d)) * 1.3 + 0.4) * 64) / 64
        if d == 1:
            m1, m2, s1, s2 = x.mean(), y.mean(), x.std(ddof=1), y.std(ddof=1)
            f = float((m1 - m2) ** 2 + (s1 - s2) ** 2)
        else:
            f = frechet(x, y)
        p, r = precision_recall(x, y, 3)
        rows.append({
            "name": name, "dim": d, "a": x.ravel().tolist(), "b": y.ravel().tolist(),
            "frechet": f, "mmd2": mmd2(x, y), "precision": p, "recall": r,
        })
    with open(path, "w") as f:
        json.dump({"numpy": np.__version__, "scipy": scipy.__version__, "rows": rows}, f)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
