"""How near narrow weights come to float32: Manifold's networks, and onnxruntime's int8 encoder with the same random
weights on the same input.

    python -m peers.accuracy --out ../../docs/results/accuracy.json    # with the Python of PEERS_DIR/venv

Manifold's part is `manifold bench accuracy`. Its random weights are drawn again here, in the same order; that they are
the same is checked by the first numbers of the float32 result. Every way is compared with float32 in the same program.
"""

import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
import onnxruntime as ort

from peers import ort_encoder, ort_rows

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.path.join(ROOT, "bin", "manifold")
LAYERS, WIDTH, FFN, WORDS = 6, 384, 1536, 30522
WAYS = (("Attention", "s8", False), ("Attention", "s8", True), ("MultiHeadAttention", "s8", False),
        ("MultiHeadAttention", "s8", True), ("MultiHeadAttention", "nbits", True))


class Random:
    """The generator of shared/tensor/bench: x = x*A + C modulo 2^64, of which the upper 31 bits count."""

    A, C = 6364136223846793005, 1442695040888963407

    def __init__(self, state=1):
        self.state = np.uint64(state)

    def next(self, n):
        with np.errstate(over="ignore"):
            powers = np.cumprod(np.full(n, self.A, np.uint64))
            sums = np.cumsum(np.concatenate([np.ones(1, np.uint64), powers[:-1]]))
            states = powers * self.state + sums * np.uint64(self.C)
        self.state = states[-1]
        return states >> np.uint64(33)

    def tensor(self, std, *shape):
        x = (self.next(int(np.prod(shape))).astype(np.float64) / (1 << 30) - 1) * std * np.sqrt(3.0)
        return x.astype(np.float32).reshape(shape)


def weights(tokens, batch):
    """The encoder's weights by PyTorch's names, and the identifiers of the words."""
    r, state = Random(), {}

    def norm(name):
        state[name + ".weight"] = r.tensor(0.02, WIDTH) + np.float32(1)
        state[name + ".bias"] = r.tensor(0.02, WIDTH)

    def linear(names, inputs, outputs):
        w, b = r.tensor(inputs**-0.5, inputs, outputs * len(names)), r.tensor(0.02, outputs * len(names))
        for i, name in enumerate(names):
            part = slice(i * outputs, (i + 1) * outputs)
            state[name + ".weight"], state[name + ".bias"] = w[:, part].T, b[part]

    state["embeddings.word_embeddings.weight"] = r.tensor(0.02, WORDS, WIDTH)
    state["embeddings.position_embeddings.weight"] = r.tensor(0.02, tokens, WIDTH)
    state["embeddings.token_type_embeddings.weight"] = np.zeros((1, WIDTH), np.float32)  # is part of the position
    norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        linear([p + "attention.self." + n for n in ("query", "key", "value")], WIDTH, WIDTH)
        linear([p + "attention.output.dense"], WIDTH, WIDTH)
        linear([p + "intermediate.dense"], WIDTH, FFN)
        linear([p + "output.dense"], FFN, WIDTH)
        norm(p + "attention.output.LayerNorm")
        norm(p + "output.LayerNorm")
    return state, (r.next(batch * tokens) % np.uint64(WORDS)).astype(np.int32).reshape(batch, tokens)


def compare(x, y):
    """Mean and least cosine of the vectors, and the error norm-wise."""
    x, y = (v.reshape(-1, v.shape[-1]).astype(np.float64) for v in (x, y))
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    return float(cosine.mean()), float(cosine.min()), float(np.linalg.norm(x - y) / np.linalg.norm(y))


def pooled(x):
    mean = x.astype(np.float64).mean(1)
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)


def peer(row, threads, scratch):
    """onnxruntime's rows beside one of Manifold's."""
    batch, tokens = map(int, row["name"].rsplit("/", 1)[1].split("x"))
    state, ids = weights(tokens, batch)
    paths, want = {}, None
    for kind in ("Attention", "MultiHeadAttention"):
        paths[kind] = os.path.join(scratch, f"{kind}-{batch}x{tokens}.onnx")
        ort_encoder.build(paths[kind], batch, tokens, kind == "Attention", state)
        got = ort_rows.session(paths[kind], threads).run(None, {"ids": ids})[0]
        off = np.abs(got.reshape(-1)[:len(row["first"])] - row["first"]).max()
        if not off < 1e-4:
            raise SystemExit(f"{row['name']}: {kind} in float32 is off by {off:.1e}: these are other weights")
        want = got if want is None else want
    for graph, kind, channels in WAYS:
        path = ort_rows.quantised(paths[graph], kind, channels)
        got = ort_rows.session(path, threads).run(None, {"ids": ids})[0]
        cosine, least, error = compare(got, want)
        yield dict(program="onnxruntime", name=row["name"], way=f"{graph}-{kind}{'-channels' if channels else ''}",
                   of=row["of"], cosine=cosine, least_cosine=least, relative_error=error, against=row["against"],
                   sentence_cosine=compare(pooled(got), pooled(want))[0])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    p.add_argument("--manifold", default=BINARY)
    args = p.parse_args()
    report = json.loads(subprocess.run([args.manifold, "bench", "accuracy", "--json"], check=True, text=True,
                                       stdout=subprocess.PIPE).stdout)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for row in report["results"]:
            ours = {k: v for k, v in row.items() if k != "first"}
            rows.append(dict(program="manifold", name=ours.pop("name"), way=row["name"].split("/")[1], **ours))
            if "/int8/" in row["name"]:
                rows += peer(row, report["threads"], scratch)
    report |= dict(command="python -m peers.accuracy", onnxruntime=ort.__version__, results=rows)
    with open(args.out + ".part", "w") as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
