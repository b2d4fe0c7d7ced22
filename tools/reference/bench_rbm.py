"""One epoch of CD-1 of an RBM of 784 x 500 units in batches of 100 on MNIST: Manifold, PyTorch and scikit-learn's
BernoulliRBM, in turns.

    (cd services/vae && go test -c -o ../../recipe.test ./internal/recipe && go test -c -o ../../rbm.test ./internal/rbm)
    python bench_rbm.py turns --binary recipe.test --ais rbm.test --data DIR --sklearn-python PYTHON [--turns 5] [--out docs/results/vae-speed.json]
    python bench_rbm.py torch --data DIR           # one measurement; also torch-drawn, sklearn

PYTHON has rbm_requirements.txt, the Python that runs this has requirements.txt; DIR holds mnist/*.gz. Every program is
a process of its own; --under names what to run it under, as `nice`. A measurement is the fastest of three, in seconds
for 45,000 pictures; a ratio is that of one turn.

What is the same: the work of a step, which is the products of two passes up, one down and two outer products, draws of
the hidden units, means in the statistics, momentum, float32. What differs is the last reconstruction. PyTorch is
measured with means, as Hinton's guide has it, and with draws; scikit-learn draws it, and has chains that persist, and
no momentum. Manifold is measured with both; it leaves out products of zeros, so that its time depends on the pictures
and on how far it has learned: it is timed after an epoch. The PyTorch version is written for speed: products fused with
their biases (addmm), everything in place, no autograd.
"""

import argparse
import contextlib
import datetime
import gzip
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import time

import numpy as np

BATCH, VISIBLE, HIDDEN, EPOCH, PICTURES = 100, 784, 500, 45_000, 9_000


def digits(folder, n):
    with gzip.open(os.path.join(folder, "mnist", "train-images-idx3-ubyte.gz")) as f:
        data = np.frombuffer(f.read(16 + n * VISIBLE), np.uint8, offset=16)
    return (data.reshape(n, VISIBLE) / 255).astype(np.float32)


def sklearn_epoch(x):
    from sklearn.neural_network import BernoulliRBM
    m = BernoulliRBM(n_components=HIDDEN, batch_size=BATCH, learning_rate=0.05, n_iter=1, random_state=0)
    start = time.perf_counter()
    m.fit(x)
    return time.perf_counter() - start


def torch_epoch(x, drawn):
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
            if drawn:
                v1 = (torch.rand_like(v1) < v1).float()
            h1 = torch.addmm(c, v1, w).sigmoid_()
            dw.mul_(0.5).addmm_(v0.t(), h0, alpha=1 / BATCH).addmm_(v1.t(), h1, alpha=-1 / BATCH)
            db.mul_(0.5).add_((v0 - v1).mean(0))
            dc.mul_(0.5).add_((h0 - h1).mean(0))
            w.add_(dw, alpha=0.05)
            b.add_(db, alpha=0.05)
            c.add_(dc, alpha=0.05)
        return time.perf_counter() - start


EPOCHS = {
    "sklearn": sklearn_epoch,
    "torch": lambda x: torch_epoch(x, False),
    "torch-drawn": lambda x: torch_epoch(x, True),
}


def one(peer, folder):
    """Seconds of an epoch, and what measured it."""
    x = digits(folder, PICTURES)
    seconds = min(EPOCHS[peer](x) for _ in range(3)) * EPOCH / PICTURES
    module = sys.modules[peer.split("-")[0]]
    return dict(seconds=seconds, version=module.__version__)


def peer(name, args):
    python = args.sklearn_python if name == "sklearn" else sys.executable
    text = subprocess.run([*shlex.split(args.under), python, os.path.abspath(__file__), name, "--data", args.data],
                          capture_output=True, text=True, check=True).stdout
    return json.loads(text)


def ours(args):
    """Seconds of an epoch with means and with draws."""
    env = dict(os.environ, MANIFOLD_DATA=args.data, GOMAXPROCS=str(args.threads))
    text = subprocess.run([*shlex.split(args.under), os.path.abspath(args.binary), "-test.run=^$", "-test.bench=CD1",
                           "-test.benchtime=0.4s", "-test.count=3"],
                          capture_output=True, text=True, check=True, env=env).stdout
    found = re.findall(r"CD1/(mean|drawn)\S*\s.*?([0-9.]+) s/epoch", text)
    return {way: min(float(s) for w, s in found if w == way) for way in ("mean", "drawn")}


def ais(args):
    """Seconds of annealed importance sampling: random weights, so that half of the units are on and no zeros help."""
    text = subprocess.run([*shlex.split(args.under), os.path.abspath(args.ais), "-test.run=^$", "-test.bench=AIS",
                           "-test.benchtime=1s"], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([0-9.]+) s/10000", text).group(1))


def spread(values, digits=4):
    return dict(median=round(statistics.median(values), digits), lowest=round(min(values), digits),
                highest=round(max(values), digits))


def comparison(workload, unit, asked, mine, theirs, name, faster):
    """A row of the result; faster says whether larger figures are better."""
    ratios = [a / b if faster else b / a for a, b in zip(mine, theirs)]
    row = dict(workload=workload, unit=unit)
    for who, values in (("manifold", mine), ("peer", theirs)):
        row |= {f"{who}_{k}" if k != "median" else who: v for k, v in spread(values).items()}
    return row | dict(by=name, ratio=round(statistics.median(ratios), 3), ratio_lowest=round(min(ratios), 3),
                      ratio_highest=round(max(ratios), 3), asked=asked, turns=len(mine))


def merge(path, rows, threads):
    """Puts rows into a result in place of those of the same workloads and peers."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    version = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True).stdout
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    old = []
    if os.path.exists(path):
        with open(path) as f:
            old = json.load(f)["results"]

    def key(r):
        return r["workload"], r["by"].split(" ")[0]

    fresh = {key(r) for r in rows}
    for r in rows:
        r |= dict(version=version.strip(), date=now)
    out = dict(command="tools/reference/bench_rbm.py turns and tools/reference/bench_vae.py, with --out",
               machine=machine(), threads=threads, results=[r for r in old if key(r) not in fresh] + rows)
    with open(path, "w") as f:
        json.dump(out, f, indent=2)
        f.write("\n")


def machine():
    with contextlib.suppress(OSError, AttributeError), open("/proc/cpuinfo") as f:
        name = re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
        return f"{name}, {os.cpu_count()} cores"
    return f"{os.cpu_count()} cores"


def turns(args):
    mine, theirs, versions, alone = {"mean": [], "drawn": []}, {p: [] for p in EPOCHS}, {}, []
    for _ in range(args.turns):
        if args.ais:
            alone.append(ais(args))
        for way, seconds in ours(args).items():
            mine[way].append(seconds)
        for name in EPOCHS:
            answer = peer(name, args)
            theirs[name].append(answer["seconds"])
            versions[name] = answer["version"]
    means, draws = (f"epoch of CD-1, RBM 784-500, last reconstruction {w}" for w in ("a mean", "drawn"))
    rows = [comparison(work, "s", asked, mine[way], theirs[p], f"{p.split('-')[0]} {versions[p]}", False)
            for work, way, p, asked in ((means, "mean", "torch", 1.5), (draws, "drawn", "torch-drawn", 1.5),
                                        (draws, "drawn", "sklearn", 5))]
    for r in rows:
        print(f"{r['workload']}: {r['manifold']} s, {r['by']} {r['peer']} s: {r['ratio']} "
              f"({r['ratio_lowest']} to {r['ratio_highest']})")
    if alone:
        row = dict(workload="AIS, 10,000 temperatures x 100 chains, RBM 784-500", unit="s", by="", turns=len(alone))
        rows.append(row | {f"manifold_{k}" if k != "median" else "manifold": v for k, v in spread(alone).items()})
        print(f"{row['workload']}: {rows[-1]['manifold']} s")
    if args.out:
        merge(args.out, rows, args.threads)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["turns", *EPOCHS])
    parser.add_argument("--data", required=True)
    parser.add_argument("--binary")
    parser.add_argument("--ais", help="a test binary of the package rbm")
    parser.add_argument("--sklearn-python")
    parser.add_argument("--under", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out")
    given = parser.parse_args()
    if given.what == "turns":
        turns(given)
    else:
        print(json.dumps(one(given.what, given.data)))
