"""How many pictures a second the convolutional VAE of services/vae/recipes/vae-mnist.yaml encodes and decodes, beside
PyTorch and ONNX Runtime, in turns.

    go test -c -o vae.test ./services/vae/internal/vae
    python tools/reference/bench_vae.py ./vae.test --threads 2 --turns 5 --out docs/results/vae-speed.json

Each peer runs at its best: PyTorch eager and frozen by torch.jit (and compiled with --compile), in both layouts, the
fastest for each row in a first search; ONNX Runtime with all its optimisations. Float32 throughout. A turn measures
every peer once for --seconds; the ratio is the median over turns of ours to the faster peer of that turn.
"""

import argparse
import io
import os
import re
import statistics
import subprocess
import time

import numpy as np
import onnxruntime
import torch
from torch import nn

from bench_rbm import comparison, merge

ROWS = [("Encode", 1), ("Encode", 64), ("Decode", 1), ("Decode", 64)]
HIDDEN, LATENT = (32, 64), 16


class Encoder(nn.Module):
    """Pictures to the mean and the variance of codes."""

    def __init__(self):
        super().__init__()
        a, b = HIDDEN
        self.body = nn.Sequential(nn.Conv2d(1, a, 3, 2, 1), nn.SiLU(), nn.Conv2d(a, b, 3, 2, 1), nn.SiLU(), nn.Flatten())
        self.head = nn.Linear(b * 49, 2 * LATENT)

    def forward(self, x):
        mean, logvar = self.head(self.body(x)).chunk(2, 1)
        return mean, logvar.exp()


class Decoder(nn.Module):
    """Codes to mean pictures."""

    def __init__(self):
        super().__init__()
        a, b = HIDDEN
        self.dense = nn.Linear(LATENT, b * 49)
        self.body = nn.Sequential(nn.SiLU(), nn.Unflatten(1, (b, 7, 7)), nn.ConvTranspose2d(b, a, 4, 2, 1), nn.SiLU(),
                                  nn.ConvTranspose2d(a, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, z):
        return self.body(self.dense(z))


def rate(run, n, seconds):
    """Pictures a second: the fastest of samples of about a tenth of the time each."""
    run()
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start, k = time.perf_counter(), 0
        while time.perf_counter() - start < seconds / 10:
            run()
            k += 1
        best = max(best, k * n / (time.perf_counter() - start))
    return best


def torch_ways(net, x, use_compile):
    """Functions that run the network, by name."""
    ways = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        inner = type(net)()
        inner.load_state_dict(net.state_dict())
        inner = inner.eval().to(memory_format=layout)
        given = x.to(memory_format=layout) if x.dim() == 4 else x
        name = "channels_last" if layout == torch.channels_last else "plain"
        frozen = torch.jit.freeze(torch.jit.trace(inner, given))
        ways["eager " + name] = lambda f=inner, v=given: f(v)
        ways["frozen " + name] = lambda f=frozen, v=given: f(v)
        if use_compile:
            ways["compiled " + name] = lambda f=torch.compile(inner), v=given: f(v)
    return ways


def ort_run(net, x, threads):
    """A function that runs the network in ONNX Runtime."""
    buffer = io.BytesIO()
    torch.onnx.export(net.eval(), (x,), buffer, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
    given = {"x": np.ascontiguousarray(x.numpy())}
    return lambda: session.run(None, given)


def ours(binary, op, n, threads, seconds):
    """Pictures a second of the Go benchmark."""
    env = dict(os.environ, GOMAXPROCS=str(threads))
    text = subprocess.run([binary, "-test.run=^$", f"-test.bench=^Benchmark{op}$/^{n}$", f"-test.benchtime={seconds}s"],
                          capture_output=True, text=True, check=True, env=env).stdout
    return float(re.search(r"([0-9.]+) pictures/s", text).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    rows = []
    with torch.inference_mode(False), torch.no_grad():
        for op, n in ROWS:
            net = Encoder() if op == "Encode" else Decoder()
            x = torch.rand(n, 1, 28, 28) if op == "Encode" else torch.randn(n, LATENT)
            ways = torch_ways(net, x, o.compile)
            best = max(ways, key=lambda w: rate(ways[w], n, o.seconds / 2))
            ort = ort_run(net, x, o.threads)
            turns = []
            for _ in range(o.turns):
                turns.append((ours(o.binary, op, n, o.threads, o.seconds), rate(ways[best], n, o.seconds),
                              rate(ort, n, o.seconds)))
            a, b, c = (statistics.median(t[i] for t in turns) for i in range(3))
            ratio = statistics.median(t[0] / max(t[1:]) for t in turns)
            best = f"torch {torch.__version__}, {best}" if b > c else f"onnxruntime {onnxruntime.__version__}"
            rows.append(comparison(f"{op.lower()}, convolutional VAE 32-64-16, batch of {n}", "pictures/s", 1.2,
                                   [t[0] for t in turns], [max(t[1:]) for t in turns], best, True))
            print(f"{op} {n:3}: ours {a:9.0f}/s, torch {b:9.0f}/s, onnxruntime {c:9.0f}/s ({best}): {ratio:.2f}x",
                  flush=True)
    if o.out:
        merge(o.out, rows, o.threads)


if __name__ == "__main__":
    main()
