"""Hidden Markov models at work: hmmlearn, for the same sizes as Manifold's benchmarks.

    python bench_hmm.py        needs hmm_requirements.txt

Prints microseconds, the best of several: posteriors (forward and backward, by scaling, which is hmmlearn's faster way,
and by logarithms, its default), Viterbi, one step of Baum and Welch, and 10,000 drawn steps. "passes" and "paths" are
its compiled inner loops alone, without the Python around them. Manifold's side of it is

    go test ./services/lm/internal/hmm -run XXX -bench . -cpu 1
"""

import time

import numpy as np
from hmmlearn import _hmmc, hmm


def best(f, seconds=0.6):
    f()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times) * 1e6


def rows(r, *shape):
    p = r.rand(*shape) + 0.1
    return p / p.sum(-1, keepdims=True)


def main():
    for kind, n, steps in (("categorical", 4, 10_000), ("categorical", 16, 10_000), ("categorical", 64, 10_000),
                           ("gaussian", 8, 10_000)):
        r = np.random.RandomState(1)
        for way in ("scaling", "log"):
            if kind == "categorical":
                m = hmm.CategoricalHMM(n, n_features=50, n_iter=1, init_params="", implementation=way)
                m.emissionprob_ = rows(r, n, 50)
                x = r.randint(0, 50, (steps, 1))
            else:
                m = hmm.GaussianHMM(n, covariance_type="diag", n_iter=1, init_params="", implementation=way)
                m.means_, m.covars_ = r.randn(n, 4), 0.5 + r.rand(n, 4)
                x = r.randn(steps, 4)
                m.n_features = 4
            m.startprob_, m.transmat_ = rows(r, n), rows(r, n, n)
            line = {f"posterior {way}": best(lambda: m.score_samples(x))}
            if way == "scaling":
                b = np.exp(m._compute_log_likelihood(x))
                s, a = m.startprob_, m.transmat_

                def passes():
                    _, f, c = _hmmc.forward_scaling(s, a, b)
                    _hmmc.backward_scaling(s, a, b, c)

                line["passes"] = best(passes)
                line["viterbi"] = best(lambda: m.decode(x))
                logs = np.log(b)
                line["paths"] = best(lambda: _hmmc.viterbi(s, a, logs))
                if n <= 16:
                    line["sample"] = best(lambda: m.sample(steps, random_state=1), 0.1)

            def step():
                m.fit(x)

            line[f"step {way}"] = best(step)
            print(kind, n, {k: round(v) for k, v in line.items()}, flush=True)


if __name__ == "__main__":
    import logging
    logging.disable(logging.CRITICAL)
    main()
