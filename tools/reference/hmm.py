"""Golden of hidden Markov models: hmmlearn on models and data drawn here.

    python hmm.py ../../services/lm/internal/hmm/testdata/hmmlearn.json

Needs hmmlearn (hmm_requirements.txt). Every case has a model, two sequences drawn from it, and hmmlearn's own
log-likelihood, posteriors, Viterbi path with its probability, and parameters after one and after five steps of Baum and
Welch without priors. Its mixtures centre covariances at the means before the step; the numbers here are as it gives
them.
"""

import json
import sys

import hmmlearn
import numpy as np
from hmmlearn import hmm

R = np.random.RandomState(20265)
N, D, K, M = 3, 2, 2, 4


def rows(*shape):
    p = R.rand(*shape) + 0.1
    return p / p.sum(-1, keepdims=True)


def cov(*shape):
    a = R.randn(*shape, D, D)
    return a @ np.swapaxes(a, -1, -2) + 0.5 * np.eye(D)


def flat(x):
    return np.asarray(x, dtype=float).ravel().tolist()


def parameters(m, kind):
    out = {"start": flat(m.startprob_), "transition": flat(m.transmat_)}
    if kind == "categorical":
        out["probabilities"] = flat(m.emissionprob_)
    elif kind == "poisson":
        out["rates"] = flat(m.lambdas_)
    else:
        out["means"], out["covariances"] = flat(m.means_), flat(m.covars_)
        if kind.startswith("mixture"):
            out["weights"] = flat(m.weights_)
    return out


def build(kind, n_iter):
    common = dict(n_components=N, n_iter=n_iter, tol=-np.inf, init_params="")
    if kind == "categorical":
        return hmm.CategoricalHMM(n_features=M, **common)
    if kind == "poisson":
        return hmm.PoissonHMM(**common)
    shape = kind.split("-")[1]
    if kind.startswith("gaussian"):
        return hmm.GaussianHMM(covariance_type=shape, covars_prior=0, covars_weight=0, min_covar=0, **common)
    return hmm.GMMHMM(n_mix=K, covariance_type=shape, **common)


def assign(m, p):
    for name, value in p.items():
        setattr(m, name, value.copy())


def case(kind):
    p = {"startprob_": rows(N), "transmat_": rows(N, N)}
    p["transmat_"][2, 0] = 0
    p["transmat_"][2] /= p["transmat_"][2].sum()
    if kind == "categorical":
        p["emissionprob_"] = rows(N, M)
    elif kind == "poisson":
        p["lambdas_"] = 0.5 + 8 * R.rand(N, D)
    else:
        one = kind.startswith("gaussian")
        p["means_"] = 1.5 * R.randn(*((N, D) if one else (N, K, D)))
        full = cov(*((N,) if one else (N, K)))
        p["covars_"] = full if kind.endswith("full") else np.diagonal(full, axis1=-2, axis2=-1).copy()
        if not one:
            p["weights_"] = rows(N, K)
    m = build(kind, 1)
    assign(m, p)
    m.n_features = M if kind == "categorical" else D
    lengths = [60, 40]
    x = np.concatenate([m.sample(n, random_state=R.randint(1 << 30))[0] for n in lengths])
    ll, posterior = m.score_samples(x, lengths)
    best, path = m.decode(x, lengths)
    out = {
        "kind": kind, "lengths": lengths, "data": flat(x), "model": parameters(m, kind),
        "log_likelihood": ll, "posterior": flat(posterior), "viterbi": best, "path": path.tolist(),
        "aic": m.aic(x, lengths), "bic": m.bic(x, lengths), "fits": [],
    }
    for n_iter in (1, 5):
        f = build(kind, n_iter)
        assign(f, p)
        f.n_features = m.n_features
        f.fit(x, lengths)
        out["fits"].append({"iterations": n_iter, "model": parameters(f, kind),
                            "log_likelihood": float(f.score(x, lengths))})
    return out


def umbrella():
    """Wikipedia's forward-backward example, which is hmmlearn's own test: umbrella, umbrella, none, umbrella, umbrella."""
    m = hmm.CategoricalHMM(n_components=2)
    m.startprob_, m.transmat_ = np.array([0.5, 0.5]), np.array([[0.7, 0.3], [0.3, 0.7]])
    m.emissionprob_ = np.array([[0.9, 0.1], [0.2, 0.8]])
    x = np.array([[0], [0], [1], [0], [0]])
    best, path = m.decode(x)
    return {"log_likelihood": m.score(x), "viterbi": best, "path": path.tolist(), "posterior": flat(m.predict_proba(x))}


def main(path):
    kinds = ["categorical", "gaussian-diag", "gaussian-full", "mixture-diag", "mixture-full", "poisson"]
    with open(path, "w") as f:
        json.dump({"made_by": f"tools/reference/hmm.py, hmmlearn {hmmlearn.__version__}, numpy {np.__version__}",
                   "umbrella": umbrella(), "cases": [case(k) for k in kinds]}, f)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
