"""One epoch of CD-1 of an RBM of 784 x 500 units in batches of 100: scikit-learn's BernoulliRBM, or PyTorch.

    python bench_rbm.py sklearn [pictures]     needs rbm_requirements.txt
    python bench_rbm.py torch [pictures]       needs requirements.txt

Prints the seconds of an epoch of 45,000 pictures, the best of three. Manifold's side of it is

    go test ./services/vae/internal/recipe -run XXX -bench CD1

scikit-learn's learning is persistent (its chains start where the last batch ended), which is the same work: two passes
up, one down, one set of draws for either layer. The PyTorch version is written for speed: probabilities for statistics,
draws for the hidden units alone, products fused with their biases (addmm), everything in place, float32, no autograd.
"""

import sys
import time

import numpy as np

BATCH, VISIBLE, HIDDEN, EPOCH = 100, 784, 500, 45_000


def pictures(n):
    r = np.random.RandomState(1)
    return (r.rand(n, VISIBLE) * (r.rand(n, VISIBLE) < 0.2)).astype(np.float32)


def sklearn_epoch(x):
    from sklearn.neural_network import BernoulliRBM
    m = BernoulliRBM(n_components=HIDDEN, batch_size=BATCH, learning_rate=0.05, n_iter=1, random_state=0)
    start = time.perf_counter()
    m.fit(x)
    return time.perf_counter() - start


def torch_epoch(x):
    import torch
    with torch.inference_mode():
        x = torch.from_numpy(x)
        w = torch.randn(VISIBLE, HIDDEN) * 0.01
        b, c = torch.zeros(VISIBLE), torch.zeros(HIDDEN)
        dw, db, dc = torch.zeros_like(w), torch.zeros_like(b), torch.zeros_like(c)
        order = torch.randperm(len(x))
        start = time.perf_counter()
        for i in range(0, len(x), BATCH):
            v0 = x[order[i:i + BATCH]]
            h0 = torch.addmm(c, v0, w).sigmoid_()
            h = (torch.rand_like(h0) < h0).float()
            v1 = torch.addmm(b, h, w.t()).sigmoid_()
            h1 = torch.addmm(c, v1, w).sigmoid_()
            dw.mul_(0.5).addmm_(v0.t(), h0, alpha=1 / BATCH).addmm_(v1.t(), h1, alpha=-1 / BATCH)
            db.mul_(0.5).add_((v0 - v1).mean(0))
            dc.mul_(0.5).add_((h0 - h1).mean(0))
            w.add_(dw, alpha=0.05)
            b.add_(db, alpha=0.05)
            c.add_(dc, alpha=0.05)
        return time.perf_counter() - start


if __name__ == "__main__":
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 9000
    epoch = {"sklearn": sklearn_epoch, "torch": torch_epoch}[sys.argv[1]]
    x = pictures(n)
    print(f"{sys.argv[1]} {min(epoch(x) for _ in range(3)) * EPOCH / n:.2f} s/epoch")
