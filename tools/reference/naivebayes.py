"""Golden of naive Bayes, logistic regression and k-means: scikit-learn on a small table that this program draws.

    python naivebayes.py ../../services/tabular/internal

Needs scikit-learn (naivebayes_requirements.txt). It writes naivebayes/testdata/sklearn.json,
logistic/testdata/sklearn.json and kmeans/testdata/sklearn.json.
"""

import json
import os
import sys

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB

MADE = f"tools/reference/naivebayes.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}"


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f)
        f.write("\n")


def main(root):
    r = np.random.RandomState(11)
    n, classes = 120, 3
    y = np.repeat(np.arange(classes), n // classes)
    r.shuffle(y)
    gauss = np.round(r.randn(n, 3) * [1, 5, 0.1] + y[:, None] * [0.7, -2, 0.05] + [0, 100, 1], 6)
    cat = np.stack([(r.randint(0, 4, n) + y) % 4, r.randint(0, 2, n) * (y > 0)], 1)  # the domain holds 5 and 2
    bits = (r.rand(n, 4) < 0.2 + 0.2 * y[:, None]).astype(float)
    counts = r.poisson(1 + np.array([[3, 1, 0, 2], [0, 2, 4, 1], [1, 1, 1, 1]])[y]).astype(float)
    models = {
        "gaussian": (GaussianNB(), gauss),
        "categorical": (CategoricalNB(alpha=0.5, min_categories=[5, 2]), cat),
        "bernoulli": (BernoulliNB(alpha=0.3), bits),
        "multinomial": (MultinomialNB(alpha=1.0), counts),
        "complement": (ComplementNB(alpha=0.7), counts),
        "complement_norm": (ComplementNB(alpha=0.7, norm=True), counts),
        "uniform": (BernoulliNB(alpha=1.0, fit_prior=False), bits),
    }
    out = {"made_by": MADE, "y": y.tolist(), "gauss": gauss.tolist(), "cat": cat.tolist(), "bits": bits.tolist(),
           "counts": counts.tolist(), "predict": {}}
    for name, (m, x) in models.items():
        out["predict"][name] = m.fit(x[:90], y[:90]).predict_proba(x[90:]).ravel().tolist()
    write(f"{root}/naivebayes/testdata/sklearn.json", out)

    x = np.concatenate([gauss[:, :2], np.eye(4)[cat[:, 0]]], 1)
    scaled = x.copy()
    scaled[:, :2] = (x[:, :2] - x[:90, :2].mean(0)) / x[:90, :2].std(0)
    fits = {}
    for name, target, c in (("binary", (y > 0).astype(int), 1.0), ("multinomial", y, 0.5)):
        m = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(scaled[:90], target[:90])
        fits[name] = {"c": c, "y": target.tolist(), "coef": m.coef_.tolist(), "intercept": m.intercept_.tolist(),
                      "predict": m.predict_proba(scaled[90:]).ravel().tolist()}
    write(f"{root}/logistic/testdata/sklearn.json",
          {"made_by": MADE, "numbers": gauss[:, :2].tolist(), "cat": cat[:, 0].tolist(), "fits": fits})

    start = gauss[:3]
    k = KMeans(3, init=start, n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(gauss)
    write(f"{root}/kmeans/testdata/sklearn.json",
          {"made_by": MADE, "x": gauss.tolist(), "start": start.tolist(), "centres": k.cluster_centers_.tolist(),
           "labels": k.labels_.tolist(), "inertia": k.inertia_})


if __name__ == "__main__":
    main(sys.argv[1])
