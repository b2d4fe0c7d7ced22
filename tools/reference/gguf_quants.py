"""Goldens for the quantised formats of GGUF files: raw blocks and their weights, by the package gguf.

    pip install -r gguf_requirements.txt
    python gguf_quants.py ../../shared/tensor/internal/quant/testdata/gguf.json

Weights are float32. Q8_0 and Q4_0 are also quantised by the package, which has no quantiser for the K formats: their
blocks are random bytes with finite scales.
"""

import base64
import importlib.metadata
import json
import sys

import gguf
import numpy as np

Q = gguf.GGMLQuantizationType
KINDS = {"q8_0": Q.Q8_0, "q4_0": Q.Q4_0, "q4_k": Q.Q4_K, "q6_k": Q.Q6_K}
SCALES = {"q4_k": (0, 2), "q6_k": (208,)}  # offsets of the half-precision scales of a block


def b64(x):
    return base64.b64encode(np.ascontiguousarray(x).tobytes()).decode()


def main(path):
    rng = np.random.default_rng(5)
    out = {"versions": {p: importlib.metadata.version(p) for p in ("gguf", "numpy")}, "cases": {}}
    for name, kind in KINDS.items():
        block, size = gguf.GGML_QUANT_SIZES[kind]
        rows = 3
        case = {"rows": rows, "cols": 512}
        if name in SCALES:
            raw = rng.integers(0, 256, (rows, 512 // block, size), dtype=np.uint8)
            for off in SCALES[name]:
                scale = (rng.standard_normal((rows, 512 // block)) * 0.01).astype(np.float16)
                raw[..., off:off + 2] = scale[..., None].view(np.uint8)
            raw = raw.reshape(rows, -1)
        else:
            w = rng.standard_normal((rows, 512)).astype(np.float32) * np.float32(0.05)
            w[0, :32] = 0
            case["source"] = b64(w)
            raw = gguf.quants.quantize(w, kind)
        case["raw"] = b64(raw)
        case["weights"] = b64(gguf.quants.dequantize(raw, kind).astype(np.float32))
        out["cases"][name] = case
    with open(path, "w") as f:
        json.dump(out, f, indent=1, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
