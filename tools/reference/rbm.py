"""Golden of restricted Boltzmann machines: scikit-learn's BernoulliRBM on fixed weights.

    python rbm.py ../../services/vae/internal/rbm/testdata/sklearn.json

Needs scikit-learn (rbm_requirements.txt). The weights are those of a machine that it trained, rounded to float32;
features, free energies and one Gibbs step's probabilities are its own, computed in float64.
"""

import json
import sys

import numpy as np
import sklearn
from sklearn.neural_network import BernoulliRBM


def main(path):
    r = np.random.RandomState(20262)
    x = (r.rand(200, 12) < np.where(r.rand(200, 1) < 0.5, 0.8, 0.2)).astype(np.float64)
    m = BernoulliRBM(n_components=7, learning_rate=0.1, batch_size=10, n_iter=20, random_state=1).fit(x)
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        setattr(m, name, getattr(m, name).astype(np.float32).astype(np.float64))
    rows = np.concatenate([x[:4], r.rand(4, 12).astype(np.float32).astype(np.float64)])
    down = 1 / (1 + np.exp(-(m.transform(rows) @ m.components_ + m.intercept_visible_)))
    with open(path, "w") as f:
        json.dump({
            "made_by": f"tools/reference/rbm.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}",
            "weight": m.components_.T.ravel().tolist(),  # [visible, hidden]
            "visible_bias": m.intercept_visible_.tolist(),
            "hidden_bias": m.intercept_hidden_.tolist(),
            "rows": rows.ravel().tolist(),
            "features": m.transform(rows).ravel().tolist(),
            "free_energy": m._free_energy(rows).tolist(),
            "reconstruction": down.ravel().tolist(),
        }, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
