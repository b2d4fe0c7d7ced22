"""Golden of the functions of mathematical statistics, at 50 digits.

    python special.py ../../services/tabular/internal/special/testdata/mpmath.json

Needs mpmath (bayesnet_requirements.txt).
"""

import json
import sys

import mpmath as mp


def inverse(p):
    if p < 1e-40:  # 1 - 2p is 1 at any affordable precision
        return mp.findroot(lambda z: mp.log(mp.ncdf(z)) - mp.log(mp.mpf(p)), -mp.sqrt(-2 * mp.log(p)))
    return mp.sqrt(2) * mp.erfinv(2 * mp.mpf(p) - 1)


def main(path):
    mp.mp.dps = 50
    gamma = [1e-9, 1e-3, 0.1, 0.5, 0.999, 1.001, 1.4616321449683622, 1.5, 1.999, 2.001, 2.5, 3.0, 7.25, 11.999, 12.0,
             33.3, 171.5, 1000.25, 1e5, 1e7, 1e12, 1e300]
    shapes = [0.05, 0.5, 1.0, 1.5, 2.0, 5.0, 10.5, 50.0, 333.5, 1000.0, 10000.0]
    ratios = [1e-6, 0.1, 0.5, 0.9, 0.99, 1.0, 1.001, 1.01, 1.1, 1.5, 2.0, 4.0, 20.0]
    incomplete = []
    for a in shapes:
        for r in ratios:
            x = a * r
            q = mp.gammainc(mp.mpf(a), mp.mpf(x), mp.inf, regularized=True)
            if q < mp.mpf("1e-290"):
                continue
            p = mp.gammainc(mp.mpf(a), 0, mp.mpf(x), regularized=True)
            incomplete.append([a, x, float(p), float(q)])
    normal = [-37.0, -30.25, -20.0, -12.5, -8.0, -7.08, -7.07, -7.0, -5.5, -5.01, -4.99, -3.3, -2.76, -2.74, -2.0, -1.0, -0.5, -1e-3, 0.0, 1e-9, 0.3,
              1.0, 1.96, 2.5, 4.0, 6.0, 8.0]
    quantile = [1e-300, 1e-100, 1e-20, 1e-12, 1e-6, 0.001, 0.01, 0.0749, 0.0751, 0.2, 0.4999, 0.5, 0.6, 0.9, 0.92501, 0.975,
                0.999, 0.999999]
    with open(path, "w") as f:
        json.dump({
            "made_by": f"tools/reference/special.py, mpmath {mp.__version__}",
            "log_gamma": [[x, float(mp.loggamma(mp.mpf(x)))] for x in gamma],
            "incomplete": incomplete,
            "normal": [[x, float(mp.ncdf(mp.mpf(x)))] for x in normal],
            "quantile": [[p, float(inverse(p))] for p in quantile],
        }, f, indent=None, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
