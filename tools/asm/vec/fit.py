#!/usr/bin/env python3
"""Minimax polynomials of package vec. Needs mpmath 1.3; prints Go constants.

Each fit minimises max |w(x) (f(x) - P(x))| on an interval by the Remez exchange. Coefficients are
rounded to the target precision one by one, lowest degree first, and the rest is fitted again; plain
rounding is kept where it is better.
"""
import sys
from mpmath import mp, mpf, matrix, lu_solve, exp, log, log1p, tanh, sin, cos, erf, erfc, pi, sqrt, chebyt

mp.dps = 110


def rounder(bits):
    def r(x):
        if x == 0:
            return mpf(0)
        m, e = mp.frexp(x)
        return mp.ldexp(mp.nint(mp.ldexp(m, bits)), e - bits)
    return r


def remez(f, w, a, b, n):
    """Coefficients c[0..n] and the weighted error, f and w being lists on the grid."""
    grid, m = f[0], len(f[0])
    fv, wv = f[1], w
    idx = sorted({min(m - 1, max(0, int((1 - mp.cos(pi * k / (n + 1))) / 2 * (m - 1)))) for k in range(n + 2)})
    while len(idx) < n + 2:
        idx = sorted(set(idx) | {next(i for i in range(m) if i not in idx)})
    best = None
    for _ in range(12):
        A = matrix(n + 2, n + 2)
        y = matrix(n + 2, 1)
        for k, i in enumerate(idx):
            x = grid[i]
            for j in range(n + 1):
                A[k, j] = x ** j
            A[k, n + 1] = (-1) ** k / wv[i]
            y[k] = fv[i]
        s = lu_solve(A, y)
        c = [s[j] for j in range(n + 1)]
        err = []
        for i in range(m):
            p = mpf(0)
            for cc in reversed(c):
                p = p * grid[i] + cc
            err.append((fv[i] - p) * wv[i])
        e = max(abs(v) for v in err)
        if best is None or e < best[1]:
            best = (c, e)
        if e < abs(s[n + 1]) * mpf('1.02'):
            break
        # one extremum per run of equal sign
        ext, i = [], 0
        while i < m:
            j = i
            while j < m and (err[j] >= 0) == (err[i] >= 0):
                j += 1
            ext.append(max(range(i, j), key=lambda q: abs(err[q])))
            i = j
        while len(ext) > n + 2:
            if abs(err[ext[0]]) < abs(err[ext[-1]]):
                ext.pop(0)
            else:
                ext.pop()
        if len(ext) < n + 2:
            break
        idx = ext
    return best


def fit(name, f, w, a, b, deg, bits, points=500):
    a, b = mpf(a), mpf(b)
    rnd = rounder(bits)
    # Chebyshev-like grid, avoiding x = 0 where the weighted form is 0/0
    grid = []
    for i in range(points):
        x = (a + b) / 2 - (b - a) / 2 * mp.cos(pi * (i + mpf(1) / 2) / points)
        if abs(x) > (b - a) / 20000:
            grid.append(x)
    fv, wv = [f(x) for x in grid], [abs(w(x)) for x in grid]
    done, k, ideal, plain = [], 0, None, None
    while k <= deg:
        g = []
        ww = []
        for i, x in enumerate(grid):
            s = fv[i]
            for j, c in enumerate(done):
                s -= c * x ** j
            g.append(s / x ** k)
            ww.append(wv[i] * abs(x) ** k)
        c, e = remez((grid, g), ww, a, b, deg - k)
        if ideal is None:
            ideal, plain = e, [rnd(v) for v in c]
        done.append(rnd(c[0]))
        k += 1
    def worst(coef):
        e = mpf(0)
        for i, x in enumerate(grid):
            p = mpf(0)
            for c in reversed(coef):
                p = p * x + c
            e = max(e, abs((fv[i] - p) * wv[i]))
        return e

    if worst(plain) < worst(done):
        done = plain
    e = worst(done)
    print(f"// {name}: degree {deg} on [{mp.nstr(a, 6)}, {mp.nstr(b, 6)}], error 2^{mp.nstr(log(e, 2), 4)}"
          f" (before rounding 2^{mp.nstr(log(ideal, 2), 4)})")
    for j, c in enumerate(done):
        print(f"\t{name}{j} = {hexf(c)} // {mp.nstr(c, 17)}")
    sys.stdout.flush()


def hexf(c):
    return float(c).hex() if c != 0 else '0'


def split(name, x, bits, parts):
    x = mpf(x)
    for i in range(parts):
        r = rounder(bits)(x)
        print(f"\t{name}{i} = {hexf(r)}")
        x -= r


def erfcx(x):
    return exp(x * x) * erfc(x)


def main(which):
    fits = {
        'exp32': lambda: fit('expC', lambda x: (exp(x) - 1 - x) / x**2, lambda x: x**2 / exp(x), -.3475, .3475, 4, 24),
        'log32': lambda: fit('logC', lambda x: (log1p(x) - x + x * x / 2) / x**3, lambda x: x**3 / log1p(x),
                             sqrt(mpf(.5)) - 1, sqrt(mpf(2)) - 1, 7, 24),
        'tanh32': lambda: fit('tanhC', lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z,
                              lambda z: z * sqrt(z) / tanh(sqrt(z)), 0, .625**2, 4, 24),
        'sin32': lambda: fit('sinC', lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z,
                             lambda z: z * sqrt(z) / sin(sqrt(z)), 0, .79**2, 2, 24),
        'cos32': lambda: fit('cosC', lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2,
                             lambda z: z**2 / cos(sqrt(z)), 0, .79**2, 2, 24),
        'erf32': lambda: fit('erfC', lambda z: erf(sqrt(z)) / sqrt(z) - 1,
                             lambda z: sqrt(z) / erf(sqrt(z)), 0, .9277**2, 6, 24),
        'erfc32': lambda: fit('erfcC', lambda t: -log(erfc(t)) / t - 1,
                              lambda t: t * erfc(t) / erf(t), .9277, 4, 7, 24),
        'exp64': lambda: fit('expD', lambda x: (exp(x) - 1 - x) / x**2, lambda x: x**2 / exp(x), -.3466, .3466, 10, 53,
                             ),
        'log64': lambda: fit('logD', lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z,
                             lambda z: z / 2, 0, .0295, 6, 53),
        'pow64': lambda: fit('powD',
                             lambda z: ((log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z - mpf(2) / 3) / z,
                             lambda z: z * z / 2, 0, .0295, 7, 53),
        'tanh64': lambda: fit('tanhD', lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z,
                              lambda z: z * sqrt(z) / tanh(sqrt(z)), 0, .55**2, 10, 53),
        'sin64': lambda: fit('sinD', lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z,
                             lambda z: z * sqrt(z) / sin(sqrt(z)), 0, .7855**2, 5, 53),
        'cos64': lambda: fit('cosD', lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2,
                             lambda z: z**2 / cos(sqrt(z)), 0, .7855**2, 5, 53),
        'erf64': lambda: fit('erfD', lambda z: erf(sqrt(z)) / sqrt(z) - 1,
                             lambda z: sqrt(z) / erf(sqrt(z)), 0, .84375**2, 11, 53),
        'erfcx64': lambda: fit('erfcD', lambda t: erfcx(2 * (1 + t) / (1 - t)),
                               lambda t: 1 / erfcx(2 * (1 + t) / (1 - t)), mpf(.84375 - 2) / (.84375 + 2), .5, 17, 53),
    }
    for k, f in fits.items():
        if not which or k in which:
            print('//', k)
            f()
    if not which or 'split' in which:
        split('ln2Hi32_', log(2), 17, 1)
        split('ln2_32_', log(2), 24, 2)
        split('pio2_32_', pi / 2, 24, 3)
        split('ln2_64_', log(2), 53, 3)
        split('ln2_64short_', log(2), 42, 2)
        split('pio2_64_', pi / 2, 53, 4)
        split('ln2_64_', log(2), 53, 2)
        x = (2 / pi)
        words = []
        for i in range(20):
            x = x * mpf(2)**64
            w = int(mp.floor(x))
            x -= w
            words.append(w)
        print(words[:3])


main(set(sys.argv[1:]))
