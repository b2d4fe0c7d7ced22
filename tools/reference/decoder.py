"""Goldens for the operations of decoders: RMSNorm, RoPE and SwiGLU by float64 PyTorch on float32 inputs.

    python decoder.py ../../shared/tensor/testdata/decoder.safetensors
"""

import sys

import torch
import torch.nn.functional as F

from golden import Goldens


def rms_norm(x, gamma, eps):
    return F.rms_norm(x, (x.shape[-1],), gamma, eps)


def rope(x, positions, size, base, interleaved):
    """The rotation of transformers' Llama (halves) or of the original one (neighbours, as complex numbers). Angles are
    float64 in both types, so that the float32 error is that of the rotation."""
    freq = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.tensor(positions, dtype=torch.float64)[:, None] * freq
    cos, sin = angles.cos().to(x.dtype)[:, None], angles.sin().to(x.dtype)[:, None]
    h = x.reshape(x.shape[0], -1, size)
    if interleaved:
        a, b = h[..., 0::2], h[..., 1::2]
        y = torch.stack([a * cos - b * sin, b * cos + a * sin], -1)
    else:
        a, b = h[..., : size // 2], h[..., size // 2:]
        y = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
    return y.reshape(x.shape)


def main(path):
    g = Goldens(11)
    for rows, c in ((1, 5), (3, 288), (2, 896)):
        args = [g.randn(rows, c), g.randn(c, scale=0.3, shift=1.0)]
        g.add(f"rms_norm.{rows}x{c}", args, lambda x, w: rms_norm(x, w, 1e-6), eps=1e-6)
    for size, heads, base in ((64, 3, 1e6), (48, 2, 1e4), (6, 2, 1e4)):
        for interleaved in (False, True):
            positions = [0, 1, 77, 8191, 30000]
            name = f"rope.{size}{'i' if interleaved else 'h'}"
            g.add(name, [g.randn(len(positions), heads * size)],
                  lambda x, s=size, b=base, p=positions, i=interleaved: rope(x, p, s, b, i),
                  size=size, heads=heads, base=base, positions=positions, interleaved=interleaved)
    for rows, f in ((1, 7), (3, 768)):
        g.add(f"swiglu.{rows}x{f}", [g.randn(rows, 2 * f, scale=2.0)],
              lambda x: F.silu(x[..., : x.shape[-1] // 2]) * x[..., x.shape[-1] // 2:])
    g.save(path)


if __name__ == "__main__":
    main(sys.argv[1])
